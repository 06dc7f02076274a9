"""Edits of texts: replaced ranges, applied all at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from referee.errors import RefereeError


class EditConflictError(RefereeError):
    """Two edits want the same characters."""


class Edit(NamedTuple):
    """Half-open character range of the file ``path`` that ``text`` takes the place of; an empty range inserts."""

    path: str
    start: int
    end: int
    text: str


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text after all edits. Insertions at one place stand in the order given; equal edits count once.

    Raises EditConflictError where two ranges overlap.
    """
    newline = newline_of(text)
    parts, at = [], 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start < at:
            raise EditConflictError(f"Two changes want the same text of {edit.path}.")
        parts += [text[at : edit.start], edit.text.replace("\n", newline)]
        at = edit.end
    return "".join([*parts, text[at:]])


def newline_of(text: str) -> str:
    """How the lines of a text end: as most of them do."""
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"
