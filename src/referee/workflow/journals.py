"""What repairs keep in a database: their journal, and the rows that they moved out of the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from referee.model.names import QName
from referee.model.schema import Schema, Table

# Columns by which the tables of a journal are known, as sql/repairs makes them.
_KNOWN_BY = {"run": ("purpose", "wish"), "journal": ("question", "undone_rows"), "pairs": ("subject", "old", "new")}
_MOVED_OUT = ("referee_run", "referee_reason", "referee_at")


def without_journals(schema: Schema) -> Schema:
    """A schema without the journals of repairs and without the tables of rows that were moved out of the way.

    A namespace goes with them if nothing else is in it; other tables beside a journal stay.
    """
    homes = {name.schema for name in schema.tables if name.name == "journal" and _is_home(schema, name.schema)}
    if not homes:
        return schema
    tables = {name: table for name, table in schema.tables.items() if name.schema not in homes or not _is_ours(table)}
    used = {table.schema for table in tables} | set(_other_homes(schema))
    spaces = {name: space for name, space in schema.namespaces.items() if name not in homes or name in used}
    return replace(schema, tables=tables, namespaces=spaces)


def _is_home(schema: Schema, namespace: str) -> bool:
    found = [schema.tables.get(QName(namespace, name)) for name in _KNOWN_BY]
    return all(table is not None and _is_ours(table) for table in found)


def _is_ours(table: Table) -> bool:
    """Whether a table beside a journal is part of it, or keeps rows that were moved out of the way."""
    return _has(table, _KNOWN_BY.get(table.name.name)) or _has(table, _MOVED_OUT)


def _has(table: Table, columns: tuple[str, ...] | None) -> bool:
    return columns is not None and all(table.column(column) is not None for column in columns)


def _other_homes(schema: Schema) -> Iterator[str]:
    """The namespaces of everything but tables."""
    for named in (schema.views, schema.enums, schema.domains, schema.composites):
        yield from (name.schema for name in named)
    yield from (name.schema for name in schema.functions)
