"""Texts and places in them. Offsets count characters (code points) from 0; spans are half-open."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Position(NamedTuple):
    """A place as people count it: both numbers from 1, columns in code points."""

    line: int
    column: int


@dataclass(frozen=True)
class Source:
    """One file as it was read: ``path`` is what is printed, relative to the project where possible."""

    path: str
    text: str

    @cached_property
    def _line_starts(self) -> Sequence[int]:
        # A list would need an object for each line of the project.
        starts, at = array("Q", (0,)), self.text.find("\n")
        while at != -1:
            starts.append(at + 1)
            at = self.text.find("\n", at + 1)
        return starts

    def position(self, offset: int) -> Position:
        """Line and column of a character offset; an offset past the end counts as the end."""
        return Position(*self._count(offset))

    def _count(self, offset: int) -> tuple[int, int]:
        offset = min(max(offset, 0), len(self.text))
        starts = self._line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1] + 1

    def locate(self, start: int, end: int) -> Location:
        """A half-open range of characters as lines and columns."""
        starts = self._line_starts
        if 0 <= start <= end <= len(self.text):
            line = bisect_right(starts, start)
            if line == len(starts) or end < starts[line]:  # nearly every range stands in one line
                before = starts[line - 1] - 1
                return Location(self.path, line, start - before, line, end - before)
        return Location(self.path, *self._count(start), *self._count(end))

    def line(self, number: int) -> str:
        """The text of a line (from 1) without its end; empty past the last line."""
        if not 1 <= number <= len(self._line_starts):
            return ""
        start = self._line_starts[number - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end == -1 else end].rstrip("\r")


class Span(NamedTuple):
    """A half-open character range of the file that ``path`` names."""

    path: str
    start: int
    end: int


class Location(NamedTuple):
    """A span made printable. Lines and columns count from 1, the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    @classmethod
    def of(cls, span: Span, source: Source) -> Location:
        return source.locate(span.start, span.end)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"
