"""Cuts a script into statements, as psql would, and never loses its place.

The server's grammar reads SQL only; scripts hold more: a byte-order mark, psql's backslash commands (every new pg_dump
opens with ``\\restrict``), data behind COPY ... FROM stdin, bodies with semicolons, quotes that nobody closed. All
offsets count characters of the text as given.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# One match is a run of characters that mean nothing here and then one thing that may hold or be a semicolon. Everything
# is possessive, so that nothing backtracks; the leading run is what makes this fast.
_THING = re.compile(
    r"""
    [^;'"$\\/\-]*+
    (?: (?P<end> ; )
      | (?P<comment> --[^\n]*+ )
      | (?P<string> ' )
      | (?P<name> "(?: [^"]++ | "" )*+ " )
      | (?P<dollar> (?<![\w$]) \$ (?: [^\W\d]\w* )? \$ )
      | (?P<block> /\* )
      | (?P<command> \\ [^\n]*+ )
      | (?P<open> " )
      | (?P<other> [$/\-] )
    )
    """,
    re.VERBOSE,
)
_STRING = re.compile(r"'(?:[^']++|'')*+'")
_ESCAPED = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)
_E_BEFORE = re.compile(r"(?<![\w$])[eE]")
_BLANK = re.compile(r"(?: [\s\ufeff]++ | --[^\n]*+ | /\* (?: [^*/]++ | \*(?!/) | /(?!\*) )*+ \*/ )*+", re.VERBOSE)
_ATOMIC = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)
_COPY = re.compile(r"copy\b(?s:.)*\bfrom\s+stdin\b", re.IGNORECASE)
_RULE = re.compile(r"create\s+(?:or\s+replace\s+)?rule\b", re.IGNORECASE)
_END_OF_DATA = re.compile(r"^\\\.[ \t\r]*$", re.MULTILINE)
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_ATOMIC_WORD = re.compile(r"'(?:[^']|'')*+'|\"(?:[^\"]|\"\")*+\"|--[^\n]*+|\b(?:case|end)\b", re.IGNORECASE)
_RECOVERY = re.compile(r";[ \t\r]*(?:\n|\Z)")
_ENDS_STATEMENT = ("\\g", "\\watch", "\\crosstabview")


class Statement(NamedTuple):
    """One statement: its range without the semicolon, leading comments and blanks.

    ``blanked`` are ranges inside it that the server never sees (psql commands). ``unclosed`` is the offset of a quote,
    comment or body that nobody closed, else -1. ``data`` is the range of the COPY data that follows.
    """

    start: int
    end: int
    blanked: tuple[tuple[int, int], ...] = ()
    unclosed: int = -1
    data: tuple[int, int] | None = None

    def text(self, script: str) -> str:
        """The statement as the server would get it: same length, psql commands replaced by blanks."""
        text = script[self.start : self.end]
        for start, end in self.blanked:
            text = text[: start - self.start] + " " * (end - start) + text[end - self.start :]
        return text


def split(script: str, commands: list[tuple[int, int]] | None = None) -> Iterator[Statement]:
    """The statements of a script in order. Blank ones are left out.

    The ranges of psql's commands are added to ``commands`` as they are met.
    """
    return _Splitter(script, [] if commands is None else commands).statements()


class _Splitter:
    """One pass over a script. ``begin`` is where the statement at hand began, ``at`` where reading goes on."""

    def __init__(self, script: str, commands: list[tuple[int, int]]) -> None:
        self.script = script
        self.commands = commands
        self.begin = 0
        self.at = 0
        self.blanked: list[tuple[int, int]] = []
        folded = script.lower()
        self.has_atomic = "atomic" in folded
        self.may_nest = self.has_atomic or "rule" in folded

    def statements(self) -> Iterator[Statement]:
        while thing := _THING.match(self.script, self.at):
            kind = thing.lastgroup
            self.at = thing.end()
            if kind == "end":
                statement = self._end_statement(self.at - 1)
            elif kind in ("string", "dollar", "block", "open"):
                statement = self._skip(kind, thing.start(kind))
            elif kind == "command":
                statement = self._command(thing.start(kind))
            else:
                continue
            if statement is not None:
                yield statement
        if (last := self._cut(len(self.script))) is not None:
            yield last

    def _cut(self, end: int) -> Statement | None:
        """The statement that ends here; None where there is none."""
        begin, blanked = self.begin, self.blanked
        self.begin, self.blanked = self.at, []
        start = skip_blank(self.script, begin, end)
        while end > start and self.script[end - 1].isspace():
            end -= 1
        if start >= end:
            return None
        return Statement(start, end, tuple(span for span in blanked if span[0] >= start) if blanked else ())

    def _end_statement(self, semicolon: int) -> Statement | None:
        if self.may_nest and self._is_inside(semicolon):
            return None
        statement = self._cut(semicolon)
        if statement is None or self.script[statement.start : statement.start + 4].lower() != "copy":
            return statement
        reads_data = _COPY.match(self.script, statement.start, statement.end)
        return statement._replace(data=self._data()) if reads_data else statement

    def _is_inside(self, semicolon: int) -> bool:
        """Whether a semicolon stands inside a statement: in BEGIN ATOMIC ... END, in CREATE RULE ... DO (...; ...)."""
        start = skip_blank(self.script, self.begin, semicolon)
        if self.script[start : start + 6].lower() != "create":
            return False
        if self.has_atomic and (atomic := _ATOMIC.search(self.script, start, semicolon)):
            self.at = _atomic_end(self.script, atomic.end())
            return self.at > semicolon
        if not _RULE.match(self.script, start):
            return False
        text = self.script[start:semicolon]
        return text.count("(") > text.count(")")

    def _data(self) -> tuple[int, int]:
        """Skips the rows behind COPY ... FROM stdin."""
        line = self.script.find("\n", self.at)
        start = len(self.script) if line == -1 else line + 1
        end = _END_OF_DATA.search(self.script, start)
        self.at = self.begin = len(self.script) if end is None else end.end()
        return (start, self.at)

    def _skip(self, kind: str, start: int) -> Statement | None:
        end = self._quoted_end(kind, start)
        if end != -1:
            self.at = end
            return None
        # Something nobody closed would swallow the rest of the file; give up at the next semicolon that ends a line.
        recovery = _RECOVERY.search(self.script, start)
        self.at = len(self.script) if recovery is None else recovery.end()
        statement = self._cut(len(self.script) if recovery is None else recovery.start())
        return None if statement is None else statement._replace(unclosed=start)

    def _quoted_end(self, kind: str, start: int) -> int:
        if kind == "string":
            pattern = _ESCAPED if start and _E_BEFORE.match(self.script, start - 1) else _STRING
            string = pattern.match(self.script, start)
            return -1 if string is None else string.end()
        if kind == "dollar":
            tag = self.script[start : self.at]
            close = self.script.find(tag, self.at)
            return -1 if close == -1 else close + len(tag)
        return block_end(self.script, start) if kind == "block" else -1

    def _command(self, start: int) -> Statement | None:
        self.commands.append((start, self.at))
        self.blanked.append((start, self.at))
        if self.script.startswith(_ENDS_STATEMENT, start):
            self.blanked.pop()
            return self._cut(start)
        if skip_blank(self.script, self.begin, start) >= start:
            self.begin, self.blanked = self.at, []
        return None


def skip_blank(script: str, begin: int, end: int) -> int:
    """The first character that is neither blank nor comment."""
    while True:
        begin = _BLANK.match(script, begin, end).end()  # type: ignore[union-attr]
        if not script.startswith("/*", begin, end):
            return begin
        inner = block_end(script, begin)  # a comment that holds comments
        if inner == -1 or inner > end:
            return begin
        begin = inner


def block_end(script: str, start: int) -> int:
    """The end of a comment that may hold comments; -1 where it is never closed."""
    depth, at = 0, start
    while edge := _BLOCK_EDGE.search(script, at):
        depth += 1 if edge.group() == "/*" else -1
        at = edge.end()
        if depth == 0:
            return at
    return -1


def _atomic_end(script: str, at: int) -> int:
    """The end of a BEGIN ATOMIC ... END body, whose CASE expressions end with END too."""
    depth = 1
    for word in _ATOMIC_WORD.finditer(script, at):
        text = word.group().lower()
        if text == "case":
            depth += 1
        elif text == "end":
            depth -= 1
            if depth == 0:
                return word.end()
    return at
