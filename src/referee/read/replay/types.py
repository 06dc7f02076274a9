"""Types as ``format_type`` prints them under an empty search_path."""

from __future__ import annotations

from referee.sql.builtins import server_names
from referee.sql.statements import TypeWritten

# Internal names that format_type prints otherwise (PostgreSQL 18, format_type.c).
_PRINTED = {
    "bool": "boolean",
    "bpchar": "character",
    "char": '"char"',
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
}
#: serial types: the integer behind them.
SERIALS = {
    "bigserial": "bigint",
    "serial": "integer",
    "serial2": "smallint",
    "serial4": "integer",
    "serial8": "bigint",
    "smallserial": "smallint",
}
_ZONED = {"time without time zone", "timestamp without time zone", "timestamp with time zone", "time with time zone"}


def builtin_type(written: TypeWritten) -> str | None:
    """The printed form of a built-in type; None where the name is not one of Postgres' own.

    A single "char" is written with quotes; the grammar has turned the bare word into bpchar.
    """
    name, is_array = written.name, written.array
    if name.startswith("_") and name[1:] in server_names().types:
        name, is_array = name[1:], True
    printed = _PRINTED.get(name)
    if printed is None:
        if name not in server_names().types:
            return None
        printed = name
    if written.modifiers and name != "interval":
        printed = _modified(printed, written.modifiers)
    return f"{printed}[]" if is_array else printed


def _modified(printed: str, modifiers: tuple[str, ...]) -> str:
    inside = f"({','.join(modifiers)})"
    if printed in _ZONED:
        word, _, rest = printed.partition(" ")
        return f"{word}{inside} {rest}"
    if printed == "numeric" and len(modifiers) == 1:
        return f"numeric({modifiers[0]},0)"
    return printed + inside
