"""A failure as somebody pasted it: a state and a name, psql's message, a PostgREST or sign-up body, a line of a log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

# How messages read (PostgreSQL 18, in English), and the state that goes with them.
_MESSAGES = (
    (r"violates foreign key constraint", "23503"),
    (r"violates not-null constraint|null value in column", "23502"),
    (r"duplicate key value violates", "23505"),
    (r"violates check constraint", "23514"),
    (r"violates row-level security|permission denied", "42501"),
    (r"infinite recursion detected in policy", "42P17"),
    (r"no unique or exclusion constraint matching the ON CONFLICT", "42P10"),
    (r"column .* does not exist", "42703"),
    (r"relation .* does not exist", "42P01"),
    (r"function .* does not exist", "42883"),
    (r"(?:type|role) .* does not exist", "42704"),
    (r"schema .* does not exist", "3F000"),
    (r"invalid input (?:syntax|value)", "22P02"),
    (r"value too long for type", "22001"),
    (r"out of range", "22003"),
)
_INFERRED = [(re.compile(pattern, re.IGNORECASE), state) for pattern, state in _MESSAGES]
_STATED = re.compile(r"(?:SQLSTATE[ :=]*|\bcode\W{1,4}|ERROR:?\s+|ERROR,)\"?([0-9A-Z]{5})\b")
_BARE = re.compile(r"(?<![\w-])((?:0[0-9A-Z]|[12345X][0-9A-ZX])[0-9A-Z]{3}|P000[0-9])(?![\w-])")
_QUOTED = r"\"+((?:[^\"\\]|\"\")+?)\"+"
_CONSTRAINT = re.compile(rf"constraint {_QUOTED}", re.IGNORECASE)
_TABLE = re.compile(
    rf"(?:on|for|of|in) (?:table|relation|view) {_QUOTED}|(?:table|relation|view) {_QUOTED}", re.IGNORECASE
)
_BARE_TABLE = re.compile(
    r"permission denied for (?:table|view|relation|materialized view|sequence) ([\w$]+)", re.IGNORECASE
)
_DENIED = re.compile(r"permission denied for (schema|function|table|view|relation) \"*([\w$]+)", re.IGNORECASE)
_COLUMN = re.compile(rf"column {_QUOTED}|column ([\w$.]+) does not exist", re.IGNORECASE)
_FUNCTION = re.compile(r"function ([\w$.\"]+?)\s*\(", re.IGNORECASE)
_SIGN_UP = re.compile(
    r"database error (?:saving|creating|granting|updating|deleting|querying)|unexpected_failure", re.IGNORECASE
)
_DELETION = re.compile(r"update or delete on table|is still referenced from|error deleting", re.IGNORECASE)


@dataclass(frozen=True)
class Failure:
    """What a pasted text says. Names are bare, as messages print them; ``words`` are all words of the text.

    ``signing_up`` is whether the sign-up service says it, ``deleting`` whether a deletion (or an update of a key)
    failed.
    """

    text: str
    sqlstate: str | None
    constraint: str | None = None
    table: str | None = None
    column: str | None = None
    function: str | None = None
    signing_up: bool = False
    deleting: bool = False

    @property
    def words(self) -> frozenset[str]:
        return frozenset(re.findall(r"[\w$]+", self.text))


def read_failure(text: str) -> Failure:
    """What a text says about a failure, whatever form it was pasted in."""
    flat = " ".join(_flatten(text).replace('\\"', '"').split())
    constraint = _first(_CONSTRAINT, flat)
    table = _first(_TABLE, flat) or _first(_BARE_TABLE, flat)
    column, function = _first(_COLUMN, flat), _first(_FUNCTION, flat)
    return Failure(
        flat,
        _state(flat),
        constraint,
        _last_part(table),
        _last_part(column),
        _last_part(function),
        _SIGN_UP.search(flat) is not None,
        _DELETION.search(flat) is not None,
    )


def _flatten(text: str) -> str:
    """The text, or the texts inside it where it is JSON, each behind its key."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return "; ".join(_texts("", value)) or text


def _texts(key: str, value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _texts(str(name), one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(key, one)
    elif value is not None:
        yield f"{'code: ' if key in ('code', 'state_code', 'sql_state_code') else ''}{value}"


def _state(text: str) -> str | None:
    stated = _STATED.search(text)
    if stated is not None and any(character.isdigit() for character in stated[1]):
        return stated[1]
    inferred = next((state for pattern, state in _INFERRED if pattern.search(text)), None)
    # Last, since the number of a process looks like a state too.
    return inferred or _first(_BARE, text)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return next((group for group in found.groups() if group), None) if found is not None else None


def _last_part(name: str | None) -> str | None:
    return name.replace('"', "").rpartition(".")[2] if name else None
