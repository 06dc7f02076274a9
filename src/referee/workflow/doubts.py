"""What was not understood may have made what a rule misses: then the rule is less sure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from referee.errors import ReadError
from referee.model.finding import Confidence, Note, Problem
from referee.model.origins import Gap, Origins
from referee.model.source import Source
from referee.read.texts import read_text
from referee.sql.split import Statement, split

# Of these gaps the statement is there to be read, and says which tables it is about.
_WRITTEN = frozenset({"syntax", "would-fail", "unsupported", "missing-object"})
_WORD = re.compile(r"\w+")


class Doubts:
    """The gaps that leave in doubt what the project holds, and which columns and constraints a table has."""

    def __init__(self, gaps: Iterable[Gap], origins: Origins) -> None:
        self._gaps = tuple(gaps)
        self._origins = origins

    def weigh(self, problem: Problem) -> Problem:
        """The problem, less sure where what it misses may be there.

        It is no more than possible where a migration that is a program names the table or the missing object, and no
        more than likely where such a program may be about any table, or where SQL about this one was not understood.
        """
        if problem.confidence is Confidence.POSSIBLE:
            return problem
        table = problem.table.name.lower() if problem.table is not None else ""
        for name in (problem.misses.lower(), table):
            if name and (program := self._program_that_names(name)):
                note = Note(f"{program}, a program that was not read, names {name}")
                return replace(problem, confidence=Confidence.POSSIBLE, related=(*problem.related, note))
        if problem.confidence is Confidence.CERTAIN and table and self._is_in_doubt(table):
            return replace(problem, confidence=Confidence.LIKELY)
        return problem

    def _is_in_doubt(self, table: str) -> bool:
        # A program, or SQL that a DO block builds, may be about any table.
        return self._any_is_hidden or table in self._words

    @cached_property
    def _any_is_hidden(self) -> bool:
        return any(gap.kind == "dynamic-sql" or gap.program is not None for gap in self._gaps)

    def _program_that_names(self, name: str) -> str | None:
        return next((path for path, words in self._programs if name in words), None)

    @cached_property
    def _programs(self) -> list[tuple[str, frozenset[str]]]:
        """The programs among the migrations, each with every word of its text."""
        return [(path, _words_of_program(path)) for gap in self._gaps if (path := gap.program) is not None]

    @cached_property
    def _words(self) -> frozenset[str]:
        """Every word of the statements that were not understood."""
        found: set[str] = set()
        splits: dict[str, list[Statement]] = {}
        for gap in self._gaps:
            source = self._origins.sources.get(gap.span.path) if gap.span is not None else None
            if gap.kind in _WRITTEN and gap.span is not None and source is not None:
                if source.path not in splits:
                    splits[source.path] = list(split(source.text))
                found |= _words(_around(gap.span.start, gap.span.end, splits[source.path], source))
        return frozenset(found)


def _around(start: int, end: int, statements: list[Statement], source: Source) -> str:
    """The text of the whole statement around a range: one part of a block leaves the others undone too."""
    at = bisect_right(statements, start, key=lambda statement: statement.start) - 1
    if at < 0:
        return source.text[start:end]
    return source.text[statements[at].start : max(end, statements[at].end)]


def _words(text: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(text))


def _words_of_program(path: str) -> frozenset[str]:
    """Every word of a program; none where it cannot be read, for then it may be about any table all the same."""
    try:
        return _words(read_text(path, path))
    except ReadError:
        return frozenset()
