"""What a rule is: one defect, its page of documentation, and the check that finds it."""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from referee.model.finding import Problem, Severity
from referee.model.fixtures import Fixtures
from referee.model.history import History
from referee.model.identity import Identities
from referee.model.schema import Schema

_WORD = re.compile(r"[A-Z][a-z0-9]*")
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_FENCED_SQL = re.compile(r"^```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MARK = re.compile(r"-- finding\b")
_FILE = re.compile(r"^-- (supabase/\S+)\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Example:
    """One ```sql block of a rule's page. ``lines`` (from 1) are those marked ``-- finding``."""

    heading: str
    text: str
    lines: frozenset[int]

    @property
    def schema(self) -> str:
        """The part that builds the schema: all of it where no line names a file."""
        return _FILE.split(self.text, maxsplit=1)[0]

    @property
    def files(self) -> tuple[tuple[str, str], ...]:
        """Path and text of each further file that a line such as ``-- supabase/seed.sql`` begins.

        Empty lines stand for what comes before it, so that lines have the numbers that they have in the example.
        """
        heads = list(_FILE.finditer(self.text))
        ends = [head.start() for head in heads[1:]] + [len(self.text)] * bool(heads)
        return tuple(
            (head[1], "\n" * self.text.count("\n", 0, head.end()) + self.text[head.end() : end])
            for head, end in zip(heads, ends, strict=True)
        )


class Rule(ABC):
    """A rule finds one defect, after which its class is named; its docstring is its page.

    The first line of the docstring is the summary. Every ```sql block in it is the whole schema of a Supabase project:
    read alone, the rule must report on exactly the lines marked ``-- finding`` (any number of times) and on no other.
    """

    severity: ClassVar[Severity]
    """The severity of its gravest problem; a single problem may state a lower one."""

    misses_something: ClassVar[bool] = False
    """Whether its problems are about what a table lacks, which a statement that was not understood may have made."""

    @abstractmethod
    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        """Every problem of this kind, in any order, each once."""

    @property
    def id(self) -> str:
        """The class name in kebab case: ``SplitIdentityReference`` is ``split-identity-reference``."""
        return "-".join(word.lower() for word in _WORD.findall(type(self).__name__))

    @property
    def page(self) -> str:
        """The documentation as Markdown, without indentation."""
        return inspect.cleandoc(type(self).__doc__ or "")

    @property
    def summary(self) -> str:
        """The first line of the page."""
        return self.page.partition("\n")[0]

    @property
    def examples(self) -> tuple[Example, ...]:
        """The SQL of the page, each block with the last heading above it."""
        return tuple(self._examples())

    def _examples(self) -> Iterator[Example]:
        page = self.page
        for block in _FENCED_SQL.finditer(page):
            headings = _HEADING.findall(page, 0, block.start())
            marked = (number for number, line in enumerate(block[1].split("\n"), 1) if _MARK.search(line))
            yield Example(headings[-1] if headings else "", block[1], frozenset(marked))


class FixtureRule(Rule):
    """A rule about what seeds and tests do; alone with a schema it finds nothing.

    In the examples of its page a line ``-- supabase/seed.sql`` or ``-- supabase/tests/name.sql`` begins a file.
    """

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        return self.check_fixtures(schema, identities, Fixtures())

    @abstractmethod
    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        """Every problem of this kind, in any order, each once."""


class PlanRule(Rule):
    """A rule about the order in which migrations do things; alone with a schema it finds nothing.

    In the examples of its page a line ``-- supabase/migrations/name.sql`` begins a further migration.
    """

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        return self.check_history(schema, identities, History())

    @abstractmethod
    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        """Every problem of this kind, in any order, each once."""


def plural(number: int, noun: str) -> str:
    """A count with its noun: "1 key", "7 keys"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
