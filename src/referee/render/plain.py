"""Text for a screen: widths, wrapping, columns, and nothing in it that could steer a terminal."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from referee.model.source import Location, Source

Style = Literal["error", "warning", "info", "place", "name", "quiet", "good", "heading"]
#: Gives a text its style; without colour it gives back the text.
Paint = Callable[[Style, str], str]

# Control characters, and those that change the direction of what follows them: SQL comes from other people.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_TAB = "    "
# What is kept of a long line, at least, before and behind the marked part.
_LEFT, _RIGHT = 24, 12


def no_paint(style: Style, text: str) -> str:
    """The text as it is."""
    return text


def clean(text: str) -> str:
    """The text with everything escaped that is not to be printed, such as ``\\x1b``."""
    return _UNSAFE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def width(text: str) -> int:
    """How many cells of a terminal a cleaned text takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def wrap(text: str, columns: int, indent: str) -> list[str]:
    """The cleaned text as lines of at most ``columns`` cells, each behind ``indent``; words stay whole."""
    return textwrap.wrap(
        clean(text),
        max(columns, 20),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def columns(rows: Sequence[Sequence[str]], gap: str = "  ") -> list[str]:
    """Rows of cleaned texts as lines in which the columns stand below each other."""
    if not rows:
        return []
    widths = [max(width(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        gap.join(cell + " " * (size - width(cell)) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


class Excerpt(NamedTuple):
    """A line of a file: what stands before the marked part, the part, and what follows."""

    before: str
    marked: str
    after: str

    @property
    def carets(self) -> str:
        """What stands below the part to mark it."""
        return "^" * max(width(self.marked), 1)


def excerpt(source: Source, location: Location, room: int) -> Excerpt:
    """The first line of a location without indentation, cut around the marked part to fit into ``room`` cells.

    Of a part that goes over several lines the first is marked to its end.
    """
    line = source.line(location.line)
    start = location.column - 1
    end = location.end_column - 1 if location.end_line == location.line else len(line.rstrip())
    before, marked, after = (
        clean(part.replace("\t", _TAB)) for part in (line[:start].lstrip(), line[start:end], line[end:].rstrip())
    )
    if width(before) + width(marked) + width(after) <= room:
        return Excerpt(before, marked, after)
    left = max(room - width(marked) - _RIGHT, _LEFT)
    if width(before) > left:
        before = "…" + _tail(before, left - 1)
    marked = _head(marked, max(room - width(before) - 1, 1))
    return Excerpt(before, marked, _head(after, max(room - width(before) - width(marked), 0)))


def _head(text: str, room: int) -> str:
    """The beginning of a text, with an ellipsis if there was more."""
    if width(text) <= room:
        return text
    taken, used = 0, 1
    while taken < len(text) and used + _cells(text[taken]) <= room:
        used += _cells(text[taken])
        taken += 1
    return text[:taken] + "…" if room else ""


def _tail(text: str, room: int) -> str:
    at, used = len(text), 0
    while at and used + _cells(text[at - 1]) <= room:
        at -= 1
        used += _cells(text[at])
    return text[at:]


def in_words(path: str) -> str:
    """A printed path in a sentence."""
    return "the current folder" if path == "." else path


def count(number: int, singular: str, plural: str = "") -> str:
    """A number with its noun.

    >>> count(1, "file"), count(1200, "query", "queries")
    ('1 file', '1,200 queries')
    """
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
