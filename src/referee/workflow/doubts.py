"""What was not understood may have made what a rule misses: then the rule is less sure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

from referee.model.finding import Confidence, Problem
from referee.model.names import QName
from referee.model.origins import Gap, Origins

# Of these gaps the statement is there to be read, and says which tables it is about.
_WRITTEN = frozenset({"syntax", "would-fail", "unsupported"})
_WORD = re.compile(r"\w+")


class Doubts:
    """The gaps that leave in doubt which columns and constraints a table has."""

    def __init__(self, gaps: Iterable[Gap], origins: Origins) -> None:
        self._gaps = tuple(gaps)
        self._origins = origins

    def weigh(self, problem: Problem) -> Problem:
        """The problem, at most likely where what it misses may be there."""
        if (
            problem.confidence is not Confidence.CERTAIN
            or problem.table is None
            or not self._is_in_doubt(problem.table)
        ):
            return problem
        return replace(problem, confidence=Confidence.LIKELY)

    def _is_in_doubt(self, table: QName) -> bool:
        # SQL that a DO block builds may be about any table.
        return self._any_is_dynamic or table.name.lower() in self._words

    @cached_property
    def _any_is_dynamic(self) -> bool:
        return any(gap.kind == "dynamic-sql" for gap in self._gaps)

    @cached_property
    def _words(self) -> frozenset[str]:
        """Every word of the statements that were not understood."""
        return frozenset(word.lower() for gap in self._gaps if gap.kind in _WRITTEN for word in self._words_of(gap))

    def _words_of(self, gap: Gap) -> list[str]:
        source = self._origins.sources.get(gap.span.path) if gap.span is not None else None
        if source is None or gap.span is None:
            return []
        # A syntax error is noted where the grammar gave up, behind the name of the table.
        start = source.text.rfind(";", 0, gap.span.start) + 1
        return _WORD.findall(source.text, start, gap.span.end)
