"""A schema as a file: stable JSON, version 1, fit for git, read back into the very same schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from referee import __version__
from referee.compare.facts import encode, to_plain
from referee.compare.world import Migration
from referee.errors import ReadError
from referee.model.schema import (
    Composite,
    DefaultOf,
    Domain,
    Enum,
    Function,
    Grant,
    Namespace,
    Role,
    Schema,
    Table,
    View,
)


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A database as it was: ``kind`` and ``name`` are what was read, ``texts`` statements by the printed object.

    ``server`` is the major version. ``history`` holds versions and names, None where there was none to see.
    """

    version: Literal[1]
    referee: str
    kind: Literal["project", "database", "dump"]
    name: str
    platform: str
    server: int | None
    namespaces: tuple[Namespace, ...] = ()
    tables: tuple[Table, ...] = ()
    views: tuple[View, ...] = ()
    functions: tuple[Function, ...] = ()
    enums: tuple[Enum, ...] = ()
    domains: tuple[Domain, ...] = ()
    composites: tuple[Composite, ...] = ()
    extensions: dict[str, str] = {}
    roles: tuple[Role, ...] = ()
    default_grants: tuple[tuple[DefaultOf, tuple[Grant, ...]], ...] = ()
    texts: dict[str, str] = {}
    history: tuple[Migration, ...] | None = None

    @property
    def schema(self) -> Schema:
        return Schema(
            {table.name: table for table in self.tables},
            {view.name: view for view in self.views},
            {function.name: function for function in self.functions},
            {enum.name: enum for enum in self.enums},
            {domain.name: domain for domain in self.domains},
            {composite.name: composite for composite in self.composites},
            {namespace.name: namespace for namespace in self.namespaces},
            self.extensions,
            {role.name: role for role in self.roles},
            dict(self.default_grants),
        )


def write_snapshot(
    schema: Schema,
    *,
    kind: Literal["project", "database", "dump"],
    name: str,
    platform: str,
    server: int | None = None,
    texts: Mapping[str, str] | None = None,
    history: tuple[Migration, ...] | None = None,
) -> str:
    """The text of a snapshot. Objects stand in the order of their names, whoever read them."""
    found: dict[str, Any] = {
        "version": 1,
        "referee": __version__,
        "kind": kind,
        "name": name,
        "platform": platform,
        "server": server,
        "namespaces": _in_order(schema.namespaces),
        "tables": _in_order(schema.tables),
        "views": _in_order(schema.views),
        "functions": _in_order(schema.functions),
        "enums": _in_order(schema.enums),
        "domains": _in_order(schema.domains),
        "composites": _in_order(schema.composites),
        "extensions": to_plain(schema.extensions),
        "roles": _in_order(schema.roles),
        "default_grants": [[list(entry), to_plain(grants)] for entry, grants in sorted(schema.default_grants.items())],
        "texts": to_plain(texts or {}),
        "history": None if history is None else [[one.version, one.name] for one in history],
    }
    return encode(found)


def _in_order(objects: Mapping[Any, Any]) -> list[Any]:
    return [to_plain(objects[name]) for name in sorted(objects)]


def read_snapshot(text: str, where: str) -> Snapshot:
    """The snapshot in a text; ``where`` is what messages call it. Raises ReadError for anything else."""
    try:
        version = msgspec.json.decode(text, type=_Version).version
    except msgspec.DecodeError as error:
        raise ReadError(f"{where} is no snapshot: {error}. `referee snapshot` writes one.") from error
    if version != 1:
        raise ReadError(
            f"{where} is a snapshot of version {version}, which this version of referee does not know. Write it anew "
            "with `referee snapshot`, or use the referee that wrote it."
        )
    try:
        return msgspec.json.decode(text, type=Snapshot)
    except msgspec.ValidationError as error:
        raise ReadError(f"{where} is no snapshot: {error}. `referee snapshot` writes one.") from error


class _Version(msgspec.Struct):
    version: int
