"""Names that Postgres makes up (PostgreSQL 18: makeObjectName, ChooseRelationName and ChooseConstraintName)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from referee.model.names import MAX_NAME_BYTES, clip


def make_name(first: str, second: str | None, label: str) -> str:
    """``first_second_label``, the longer of the first two cut byte by byte until the whole fits in 63 bytes."""
    room = MAX_NAME_BYTES - len(label) - 1 - (1 if second is not None else 0)
    first_bytes = len(first.encode())
    second_bytes = len(second.encode()) if second is not None else 0
    while first_bytes + second_bytes > room:
        if first_bytes > second_bytes:
            first_bytes -= 1
        else:
            second_bytes -= 1
    parts = [clip(first, first_bytes)]
    if second is not None:
        parts.append(clip(second, second_bytes))
    return "_".join([*parts, label])


def choose_name(first: str, second: str | None, label: str, is_taken: Callable[[str], bool]) -> str:
    """The first of ``label``, ``label1``, ``label2``, ... that makes a name nobody has."""
    name, number = make_name(first, second, label), 0
    while is_taken(name):
        number += 1
        name = make_name(first, second, f"{label}{number}")
    return name


def join_columns(columns: Iterable[str]) -> str:
    """What several columns add to a name; Postgres stops adding once 63 bytes are full."""
    joined = ""
    for column in columns:
        joined = f"{joined}_{column}" if joined else column
        if len(joined.encode()) >= MAX_NAME_BYTES + 1:
            break
    return joined
