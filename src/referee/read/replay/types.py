"""Types as ``format_type`` prints them under an empty search_path."""

from __future__ import annotations

from referee.sql.builtins import server_names
from referee.sql.statements import TypeWritten

# Internal names that format_type prints otherwise (PostgreSQL 18, format_type.c).
_PRINTED = {
    "bool": "boolean",
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

# The fields of an interval, as INTERVAL_MASK numbers them (PostgreSQL 18, utils/timestamp.h).
_YEAR, _MONTH, _DAY, _HOUR, _MINUTE, _SECOND = 1 << 2, 1 << 1, 1 << 3, 1 << 10, 1 << 11, 1 << 12
_INTERVALS = {
    _YEAR: " year",
    _MONTH: " month",
    _DAY: " day",
    _HOUR: " hour",
    _MINUTE: " minute",
    _SECOND: " second",
    _YEAR | _MONTH: " year to month",
    _DAY | _HOUR: " day to hour",
    _DAY | _HOUR | _MINUTE: " day to minute",
    _DAY | _HOUR | _MINUTE | _SECOND: " day to second",
    _HOUR | _MINUTE: " hour to minute",
    _HOUR | _MINUTE | _SECOND: " hour to second",
    _MINUTE | _SECOND: " minute to second",
}


def builtin_type(written: TypeWritten) -> str | None:
    """The printed form of a built-in type; None where the name is not one of Postgres' own.

    A single "char" is written with quotes; the grammar has turned the bare word into bpchar(1).
    """
    name, is_array = written.name, written.array
    if name.startswith("_") and name[1:] in server_names().types:
        name, is_array = name[1:], True
    printed = _PRINTED.get(name)
    if printed is None:
        if name not in server_names().types:
            return None
        printed = name
    if written.modifiers:
        printed = _modified(printed, written.modifiers)
    return f"{printed}[]" if is_array else printed


def argument_type(printed: str) -> str:
    """The printed form of an argument's or result's type, which knows no modifiers: bpchar is character there."""
    return printed.replace("bpchar", "character", 1) if printed.startswith("bpchar") else printed


def _modified(printed: str, modifiers: tuple[str, ...]) -> str:
    inside = f"({','.join(modifiers)})"
    if printed == "interval":
        precision = f"({modifiers[1]})" if len(modifiers) > 1 else ""
        return f"interval{_INTERVALS.get(int(modifiers[0]), '')}{precision}"
    if printed in _ZONED:
        word, _, rest = printed.partition(" ")
        return f"{word}{inside} {rest}"
    if printed == "numeric" and len(modifiers) == 1:
        return f"numeric({modifiers[0]},0)"
    if printed == "bpchar":
        return f"character{inside}"
    return printed + inside
