"""Names that Postgres makes up (PostgreSQL 18: makeObjectName, ChooseRelationName and ChooseConstraintName)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from referee.model.names import MAX_NAME_BYTES, clip


def make_name(first: str, second: str | None, label: str) -> str:
    """``first_second_label``, the longer of the first two cut byte by byte until the whole fits in 63 bytes."""
    room = MAX_NAME_BYTES - len(label) - 1 - (1 if second is not None else 0)
    first_bytes = _bytes(first)
    second_bytes = _bytes(second) if second is not None else 0
    if first_bytes + second_bytes > room:
        first_bytes, second_bytes = _fit(first_bytes, second_bytes, room)
        first = clip(first, first_bytes)
        second = clip(second, second_bytes) if second is not None else None
    return f"{first}_{label}" if second is None else f"{first}_{second}_{label}"


def _bytes(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode())


def _fit(first: int, second: int, room: int) -> tuple[int, int]:
    while first + second > room:
        if first > second:
            first -= 1
        else:
            second -= 1
    return first, second


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
        if len(joined) >= MAX_NAME_BYTES // 4 and len(joined.encode()) >= MAX_NAME_BYTES + 1:
            break
    return joined


def multirange_name(name: str) -> str:
    """The multirange type that goes with a range type (makeMultirangeTypeName)."""
    before, found, after = name.partition("range")
    if found:
        return clip(f"{before}multirange{after}")
    return clip(name, MAX_NAME_BYTES - len("_multirange")) + "_multirange"
