"""Whether two constants are the same value, given the types that they are cast to."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction

Constant = tuple[str | None, str]
"""A constant's text (None for NULL) and whether it was written as "string", "number", "boolean" or "null"."""

_TRUE = frozenset(("t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"))
_FALSE = frozenset(("f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"))
_NUMERIC_TYPES = frozenset(("int2", "int4", "int8", "numeric", "float4", "float8"))
_TIME_TYPES = frozenset(("date", "timestamp", "timestamptz"))
_OBJECT_TYPES = frozenset(("regclass", "regtype", "regproc", "regprocedure"))


def same_constant(a: Constant, b: Constant, types: frozenset[str]) -> bool:
    """Whether two constants are the same value. ``types`` are the names of all types that either is cast to."""
    (left, left_kind), (right, right_kind) = a, b
    if left is None or right is None:
        return left is right
    if left == right:
        return True
    kinds = (left_kind, right_kind)
    if "boolean" in kinds or "bool" in types:
        return "number" not in kinds and _boolean(left) is not None and _boolean(left) == _boolean(right)
    if "number" in kinds or types & _NUMERIC_TYPES:
        return _number(left) is not None and _number(left) == _number(right)
    if types & {"json", "jsonb"}:
        return _same_json(left, right)
    if "interval" in types:
        return interval(left) is not None and interval(left) == interval(right)
    if "uuid" in types:
        return _uuid(left) == _uuid(right)
    if types & _TIME_TYPES:
        return _time(left) is not None and _time(left) == _time(right)
    if "time" in types:
        return _clock(left) is not None and _clock(left) == _clock(right)
    if types & _OBJECT_TYPES:
        return _same_object(left, right)
    return False


def _boolean(text: str) -> bool | None:
    word = text.strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        return None
    return None if value.is_nan() else value


def _same_json(a: str, b: str) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except (ValueError, RecursionError):
        return False


def _uuid(text: str) -> str:
    return re.sub(r"[-{}\s]", "", text).lower()


def _time(text: str) -> datetime | None:
    if text.strip().lower() == "epoch":
        return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(text.strip())
    except ValueError:
        return None


def _same_object(a: str, b: str) -> bool:
    """``'orders_id_seq'`` and ``'public.orders_id_seq'``: one may be qualified."""
    longer, shorter = sorted((_unquoted(a), _unquoted(b)), key=len, reverse=True)
    return longer == shorter or longer.endswith("." + shorter)


def _unquoted(name: str) -> str:
    return re.sub(
        r'"((?:[^"]|"")*)"|([^"]+)', lambda part: part.group(1) or (part.group(2) or "").lower(), name.strip()
    )


_MONTHS = {"year": 12, "yr": 12, "y": 12, "decade": 120, "century": 1200, "month": 1, "mon": 1}
_DAYS = {"week": 7, "w": 7, "day": 1, "d": 1}
_MICROSECONDS = {
    "hour": 3_600_000_000,
    "hr": 3_600_000_000,
    "h": 3_600_000_000,
    "minute": 60_000_000,
    "min": 60_000_000,
    "m": 60_000_000,
    "second": 1_000_000,
    "sec": 1_000_000,
    "s": 1_000_000,
    "millisecond": 1000,
    "msec": 1000,
    "ms": 1000,
    "microsecond": 1,
    "usec": 1,
    "us": 1,
}
_INTERVAL_PART = re.compile(
    r"\s*(?:(?P<sign>[+-])?(?P<hours>\d+):(?P<minutes>\d+)(?::(?P<seconds>\d+(?:\.\d+)?))?"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>[a-z]+))\s*",
    re.IGNORECASE | re.ASCII,
)


def interval(text: str) -> tuple[Fraction, Fraction, Fraction] | None:
    """Months, days and microseconds of an interval in Postgres' own formats; None for ISO 8601 and the rarer ones.

    >>> interval("1 day 02:00:00") == interval("1 d 2 hours")
    True
    """
    months = days = microseconds = Fraction(0)
    rest = text.strip()
    ago = rest.lower().endswith(" ago")
    rest = rest[: -len(" ago")] if ago else rest
    at = 0
    while at < len(rest):
        part = _INTERVAL_PART.match(rest, at)
        if part is None:
            return None
        at = part.end()
        if part["unit"] is None:
            clock = int(part["hours"]) * 3600 + int(part["minutes"]) * 60 + Fraction(part["seconds"] or 0)
            microseconds += clock * 1_000_000 * (-1 if part["sign"] == "-" else 1)
            continue
        number, unit = Fraction(part["number"]), _singular(part["unit"].lower())
        if unit in _MONTHS:
            months += number * _MONTHS[unit]
        elif unit in _DAYS:
            days += number * _DAYS[unit]
        elif unit in _MICROSECONDS:
            microseconds += number * _MICROSECONDS[unit]
        else:
            return None
    factor = -1 if ago else 1
    return (months * factor, days * factor, microseconds * factor) if at else None


def _singular(unit: str) -> str:
    if unit in _MONTHS or unit in _DAYS or unit in _MICROSECONDS:
        return unit
    return {"centuries": "century"}.get(unit, unit.removesuffix("s"))
