"""What readers of program text find, whatever the language is. Offsets count characters of the text as given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import EllipsisType
from typing import NamedTuple, TypeAlias

from referee.errors import RefereeError

#: A constant of a program: a text (numbers too), None, a truth value, a list, a mapping of texts; ``...`` is anything
#: that only a run tells.
Value: TypeAlias = "str | bool | EllipsisType | list[Value] | dict[str, Value] | None"

#: Stands in a decoded text for an expression that was written inside it. It is what SQL calls a parameter.
PLACEHOLDER = "$1"

#: Values are read so deep; what lies deeper is ``...``.
DEPTH = 6


class CodeSyntaxError(RefereeError):
    """A text that is no program of its language. ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Decoded(NamedTuple):
    """The text that a literal means, and for each of its characters where it is written, in ``starts`` and ``ends``."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where the range of the text, which must not be empty, is written."""
        return self.starts[start], self.ends[end - 1]


class Text(NamedTuple):
    """A string literal. ``unit`` is the function that it stands in, "" outside of all; ``callee`` are the names of the
    calls that it is handed to, the inner ones last: ``client``, ``query``.
    """

    unit: str
    decoded: Decoded
    callee: tuple[str, ...]


class Step(NamedTuple):
    """A part of a chain: a name, and what it is called with, None where it is not called. ``text`` shows the call."""

    name: str
    args: tuple[Value, ...] | None = None
    text: str = ""


class Chain(NamedTuple):
    """``admin.from('users').insert({...})``: a root and what is called on it, the whole of it as one range.

    ``assigned`` is the name of the variable that the result goes to, "" where there is none. ``callee`` are the names
    of the calls that the chain is handed to.
    """

    start: int
    end: int
    unit: str
    steps: tuple[Step, ...]
    assigned: str = ""
    callee: tuple[str, ...] = ()


class Assigned(NamedTuple):
    """A variable and how its value reads, no more than the first of it."""

    name: str
    text: str


Piece: TypeAlias = Text | Chain | Assigned

#: So many names of outer calls are told.
KEPT = 6

#: Of a text that is only looked through for words no more than this is kept.
SHOWN = 300


class Decoder:
    """Puts a decoded text together."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.starts: list[int] = []
        self.ends: list[int] = []

    def plain(self, text: str, at: int) -> None:
        """Characters that mean themselves."""
        self.parts.append(text)
        self.starts += range(at, at + len(text))
        self.ends += range(at + 1, at + len(text) + 1)

    def one(self, text: str, start: int, end: int) -> None:
        """What an escape or an expression stands for."""
        self.parts.append(text)
        self.starts += [start] * len(text)
        self.ends += [end] * len(text)

    def decoded(self) -> Decoded:
        return Decoded("".join(self.parts), self.starts, self.ends)


def characters(text: str) -> Callable[[int], int]:
    """Turns byte offsets of a text in UTF-8 into character offsets."""
    if text.isascii():
        return lambda offset: offset
    table: list[int] = []
    for number, character in enumerate(text):
        code = ord(character)
        table += [number] * (1 if code < 0x80 else 2 if code < 0x800 else 3 if code < 0x10000 else 4)
    table.append(len(text))
    return table.__getitem__


def of_code(point: int) -> str:
    """The character of a code point; the replacement character where there is none."""
    return chr(point) if point < 0x110000 and not 0xD800 <= point < 0xE000 else "\N{REPLACEMENT CHARACTER}"
