"""RAISE with too few or too many values, for which PL/pgSQL refuses a function or a block before it runs any of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from referee.read.replay.refused import Refused

_RAISE = re.compile(r"\braise\s+(?:(?:debug|log|info|notice|warning|exception)\s+)?'((?:[^']|'')*)'", re.IGNORECASE)
# What can hide a comma or end the values; everything else is skipped.
_PART = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\1\$|(?P<sign>[(\[\]),;])|(?P<using>\busing\b)""",
    re.IGNORECASE | re.DOTALL,
)


def require_raises(body: str) -> None:
    """Raises Refused for a body in which a RAISE has not one value for each placeholder (PostgreSQL 18, pl_gram.y)."""
    for at, placeholders, values in _raises(body):
        if placeholders != values and not _is_hidden(body, at):
            few = "few" if values < placeholders else "many"
            raise Refused("42601", f"too {few} parameters specified for RAISE")


def _raises(body: str) -> Iterator[tuple[int, int, int]]:
    """Where each RAISE begins, and how many placeholders and values it has."""
    if "raise" not in body.lower():
        return  # most bodies
    for found in _RAISE.finditer(body):
        yield found.start(), found[1].replace("%%", "").count("%"), _values(body, found.end())


def _values(body: str, at: int) -> int:
    count = depth = 0
    for part in _PART.finditer(body, at):
        sign = part["sign"]
        if part["using"] and depth == 0:
            break
        if sign == ";":
            break
        if sign in ("(", "["):
            depth += 1
        elif sign in (")", "]"):
            depth -= 1
        elif sign == "," and depth == 0:
            count += 1
    return count


def _is_hidden(body: str, at: int) -> bool:
    """Whether a place is in a comment or a string."""
    return any(part.start() < at < part.end() for part in _PART.finditer(body) if part["sign"] is None)
