"""A text that a regular expression matches, for CHECK constraints that ask for one.

Only a guess: the server decides whether it fits. What has no plain reading (look-around, back references) gives None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_CLASSES = {"d": "0123456789", "w": "abcdefgh0123", "s": " ", "D": "abc", "W": "-", "S": "abc"}
_POSIX = {
    "alpha": "abc", "lower": "abc", "upper": "ABC", "digit": "0123456789", "alnum": "abc0123456789", "space": " ",
    "xdigit": "0123456789abcdef", "punct": "-", "word": "abc0123456789", "blank": " ", "print": "abc", "graph": "abc",
}  # fmt: skip
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v", "e": "\x1b"}
_ANYTHING = "abcdefghijklmnopqrstuvwxyz0123456789"
_QUANTIFIER = re.compile(r"\{(\d+)(,(\d*))?\}")


class _Unreadable(Exception):  # noqa: N818 - a way out, no error
    pass


@dataclass
class _Reader:
    """Reads a pattern once, from left to right, and writes a match. ``number`` varies the characters that it picks."""

    pattern: str
    number: int
    at: int = 0
    picked: int = 0

    def alternatives(self) -> str:
        """One alternative: the number chooses which."""
        found = [self.sequence()]
        while self.peek() == "|":
            self.at += 1
            found.append(self.sequence())
        return found[self.number % len(found)]

    def sequence(self) -> str:
        parts: list[str] = []
        while (character := self.peek()) and character not in "|)":
            start = self.at
            unit = self.unit()
            low, high = self.quantifier()
            parts.append(unit)
            for _ in range(1, min(max(low, 1), high)):
                # Once more through the same text, so that not all characters are the same.
                end, self.at = self.at, start
                parts.append(self.unit())
                self.at = end
            if high == 0:
                parts.pop()
        return "".join(parts)

    def unit(self) -> str:
        character = self.pattern[self.at]
        self.at += 1
        if character == "(":
            return self.group()
        if character == "[":
            return self.bracket()
        if character == "\\":
            return self.escape()
        if character == ".":
            return self.pick(_ANYTHING)
        return "" if character in "^$" else character

    def group(self) -> str:
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif self.peek() == "?":
            raise _Unreadable
        inner = self.alternatives()
        if self.peek() != ")":
            raise _Unreadable
        self.at += 1
        return inner

    def escape(self) -> str:
        character = self.peek()
        self.at += 1
        if character in _CLASSES:
            return self.pick(_CLASSES[character])
        if character in "mMyYAZbB" and character:
            return ""
        if character.isdigit():
            raise _Unreadable
        return _ESCAPES.get(character, character)

    def bracket(self) -> str:
        negated = self.peek() == "^"
        self.at += negated
        members = ""
        first = True
        while (character := self.peek()) != "]" or first:
            if not character:
                raise _Unreadable
            first = False
            members += self.member()
        self.at += 1
        if negated:
            members = "".join(one for one in f"{_ANYTHING}ABC-_. " if one not in members)
        if not members:
            raise _Unreadable
        return self.pick(members)

    def member(self) -> str:
        """What one part of a bracket stands for: a class, a range or a character."""
        if self.pattern.startswith("[:", self.at):
            end = self.pattern.find(":]", self.at)
            name = self.pattern[self.at + 2 : end]
            if end < 0 or name not in _POSIX:
                raise _Unreadable
            self.at = end + 2
            return _POSIX[name]
        start = self.character()
        if len(start) == 1 and self.peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("]", ""):
            self.at += 1
            end_character = self.character()
            span = range(ord(start), min(ord(end_character[0]), ord(start) + 60) + 1)
            return "".join(map(chr, span))
        return start

    def character(self) -> str:
        character = self.pattern[self.at]
        self.at += 1
        if character != "\\":
            return character
        escaped = self.peek()
        self.at += 1
        return _CLASSES.get(escaped) or _ESCAPES.get(escaped, escaped)

    def quantifier(self) -> tuple[int, int]:
        """How often the unit may stand, from and to."""
        many = 1_000
        character = self.peek()
        low, high = 1, 1
        if found := _QUANTIFIER.match(self.pattern, self.at):
            self.at = found.end()
            low = int(found[1])
            high = low if found[2] is None else int(found[3]) if found[3] else many
        elif character and character in "*+?":
            self.at += 1
            low, high = {"*": (0, many), "+": (1, many), "?": (0, 1)}[character]
        else:
            return 1, 1
        if self.peek() == "?":  # not greedy
            self.at += 1
        if low > 200:
            raise _Unreadable
        return low, high

    def pick(self, members: str) -> str:
        self.picked += 1
        return members[(self.number + self.picked) % len(members)]

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]


def example(pattern: str, number: int = 0) -> str | None:
    """A text that the pattern matches, another one for most other numbers; None where the pattern is beyond this."""
    reader = _Reader(pattern.removeprefix("***="), number)
    try:
        found = reader.alternatives()
        return found if reader.at == len(reader.pattern) else None
    except (_Unreadable, IndexError, RecursionError):
        return None
