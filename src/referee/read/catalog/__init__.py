"""Reads a live database into the same Schema that a replay builds.

One round trip: a read-only transaction with an empty search_path and all queries in one message. The queries stand in
.sql files beside this one. ``{own:column}`` in them is the condition that a namespace is not Postgres' own, and
``{since 15:a|b}`` is ``a`` from that major version on, else ``b``.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from referee.errors import ServerError
from referee.model.schema import Schema
from referee.read.catalog.build import Rows, build

OLDEST = 13
"""The oldest major version that is read."""

_PARTS = (
    "namespaces",
    "roles",
    "extensions",
    "tables",
    "columns",
    "constraints",
    "indexes",
    "triggers",
    "policies",
    "functions",
    "types",
    "views",
    "defaults",
)
_SINCE = re.compile(r"\{since (\d+):([^|}]*)\|([^}]*)\}")
_OWN = re.compile(r"\{own:([\w.]+)\}")
_NAMESPACES = r"(select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')"


class Catalog(Protocol):
    """What reading needs of a connection: its version, and several statements in one round trip."""

    @property
    def major(self) -> int: ...

    def fetch_all(self, text: str) -> list[list[tuple[Any, ...]]]:
        """Runs statements that stand in one text, separated by semicolons; the rows of those that return rows."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long reading may take. Both are milliseconds."""

    statement_timeout: int = 60_000
    lock_timeout: int = 5_000


def read_catalog(catalog: Catalog, managed: Iterable[str] = (), limits: Limits = Limits()) -> Schema:
    """The schema of a live database; ``managed`` names the schemas that belong to its platform.

    Raises ServerError for a server older than PostgreSQL 13, and what the connection raises.
    """
    if catalog.major < OLDEST:
        raise ServerError(
            f"The server is PostgreSQL {catalog.major}; referee reads {OLDEST} and later. "
            "Check the migrations instead: referee check PATH."
        )
    with _without_collector():
        results = catalog.fetch_all(script(catalog.major, limits))
        return build(rows(results), frozenset(managed))


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hundreds of thousands of objects are made and all of them stay: looking for garbage doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def rows(results: Sequence[list[tuple[Any, ...]]]) -> Rows:
    """The results of ``script`` by the name of their query."""
    return Rows(**dict(zip(_PARTS, results[-len(_PARTS) :], strict=True)))


def script(version: int, limits: Limits) -> str:
    """Everything that reading sends to a server of a major version."""
    opening = (
        "begin transaction isolation level repeatable read read only",
        "set local search_path = ''",
        f"set local statement_timeout = {limits.statement_timeout}",
        f"set local lock_timeout = {limits.lock_timeout}",
        "set local quote_all_identifiers = off",
        # One process of the server does the work, and does not compile queries that are run once.
        "set local max_parallel_workers_per_gather = 0",
        "set local jit = off",
    )
    return ";\n".join([*opening, *(queries(version)[part] for part in _PARTS), "commit"])


@cache
def queries(version: int) -> Mapping[str, str]:
    """The queries for a major version, by name."""
    return {part: _adapt(files(__package__).joinpath(f"{part}.sql").read_text("utf-8"), version) for part in _PARTS}


def _adapt(text: str, version: int) -> str:
    text = _SINCE.sub(lambda match: match[2] if version >= int(match[1]) else match[3], text)
    return _OWN.sub(lambda match: f"{match[1]} in {_NAMESPACES}", text).strip()
