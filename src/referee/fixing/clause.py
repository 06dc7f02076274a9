"""The text of column definitions and foreign keys: where each part begins and ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from referee.sql.tokens import tokens

Token = tuple[str, int, int]
Range = tuple[int, int]

_ACTIONS = ("no action", "restrict", "cascade", "set null", "set default")


@dataclass(frozen=True, slots=True)
class ReferencesText:
    """``REFERENCES table (columns)``: the ranges of the table's name and of what stands in the parentheses, if any."""

    table: Range
    columns: Range | None
    end: int


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows ``REFERENCES table (columns)``: the ranges of its parts, None where there is none.

    ``actions`` is where ON DELETE may be written: behind MATCH, and before all that may follow it.
    """

    end: int
    actions: int
    on_delete: Range | None = None
    not_valid: Range | None = None


def references_text(text: str, start: int, end: int) -> ReferencesText | None:
    """The parts of a clause that starts with REFERENCES; None for any other text."""
    found = list(tokens(text, start, end))
    if not found or text[found[0][1] : found[0][2]].lower() != "references" or len(found) < 2:
        return None
    opening = next((at for at, (_, first, last) in enumerate(found) if text[first:last] == "("), None)
    name = found[1:opening]
    if not name:
        return None
    inside: Range | None = None
    if opening is not None:
        inside = (found[opening + 1][1], found[-2][2])
    return ReferencesText((name[0][1], name[-1][2]), inside, found[-1][2])


def tail(text: str, at: int) -> Tail:
    """What belongs to the key behind ``at``, the end of its REFERENCES clause."""
    words = _words(text, at)
    found = Tail(at, at)
    while (step := _next_part(text, words)) is not None:
        kind, count = step
        span = (words[0][1], words[count - 1][2])
        found = Tail(
            span[1],
            span[1] if kind == "match" else found.actions,
            span if kind == "delete" else found.on_delete,
            span if kind == "not-valid" else found.not_valid,
        )
        words = _words(text, span[1])
    return found


def _words(text: str, at: int) -> list[Token]:
    found: list[Token] = []
    for token in tokens(text, at):
        found.append(token)
        if len(found) == 8:
            break
    return found


def _next_part(text: str, words: list[Token]) -> tuple[str, int] | None:
    lower = [text[start:end].lower() for _, start, end in words]
    if lower[:1] == ["match"]:
        return "match", 2
    if lower[:1] == ["on"] and lower[1:2] in (["delete"], ["update"]):
        count = 2 + (2 if " ".join(lower[2:4]) in _ACTIONS else 1)
        if lower[count : count + 1] == ["("]:
            closing = lower.index(")", count) if ")" in lower[count:] else count - 1
            count = closing + 1
        return lower[1], count
    if lower[:2] == ["not", "valid"]:
        return "not-valid", 2
    if lower[:2] in (["not", "deferrable"], ["not", "enforced"]) or lower[:1] == ["initially"]:
        return "other", 2
    if lower[:1] in (["deferrable"], ["enforced"]):
        return "other", 1
    return None


def element(text: str, at: int) -> list[Token]:
    """The tokens from ``at`` to the comma, parenthesis or semicolon that ends a column definition."""
    found, depth = [], 0
    for token in tokens(text, at):
        sign = text[token[1] : token[2]]
        if token[0] == "other":
            if depth == 0 and sign in ",);":
                break
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(sign, 0)
        found.append(token)
    return found


def find_words(text: str, found: list[Token], *words: str) -> Iterator[Range]:
    """Where these bare words follow each other outside parentheses."""
    depth = 0
    for at, (kind, start, end) in enumerate(found):
        sign = text[start:end]
        if kind == "other":
            depth += {"(": 1, ")": -1}.get(sign, 0)
        here = found[at : at + len(words)]
        if depth == 0 and tuple(text[first:last].lower() for _, first, last in here) == words:
            yield start, here[-1][2]
