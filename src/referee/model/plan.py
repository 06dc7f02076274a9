"""A plan: ordered steps for a database that is in use, each with its lock, its limits and its way back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from referee.model.names import QName


class Phase(IntEnum):
    """Where a step stands in the plan. What only adds comes first, what takes away comes last."""

    EXPAND = 0
    BACKFILL = 1
    VALIDATE = 2
    CONTRACT = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that a step takes; ``mode`` is a table lock mode as PostgreSQL's documentation names them (13.3.1)."""

    relation: QName
    mode: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The limits under which a step runs, as settings; "0" is none.

    A step gives up its place before the server looks for deadlocks (``deadlock_timeout``, one second), so that it is
    never a writer who is ended for one.
    """

    lock: str = "500ms"
    statement: str = "0"


#: The rows of a batch: few enough that nobody waits long for one of them.
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One statement of a plan, without its semicolon.

    ``in_transaction`` is whether it may stand in a transaction at all, ``alone`` whether it must be the only one there
    that takes a lock. ``repeatable`` is whether it does no harm to run it again. ``rows`` is an estimate of the rows
    that it touches, None where nobody counted. ``undo`` takes it back, the first statement first, and may be run again;
    empty where nothing is to be taken back, None where nothing is known to do it. ``touches`` is the table of which it
    reads every row, or a query of the rows that it adds; None for a change of the catalog. ``batch`` does the same for
    some of the rows at a time, at most BATCH; None where all or nothing has to be done.
    """

    phase: Phase
    sql: str
    about: str
    locks: tuple[Lock, ...] = ()
    in_transaction: bool = True
    alone: bool = False
    repeatable: bool = False
    timeouts: Timeouts = Timeouts()
    rows: int | None = None
    hazards: tuple[str, ...] = ()
    undo: tuple[str, ...] | None = ()
    touches: QName | str | None = None
    batch: str | None = None

    @property
    def size(self) -> str | None:
        """The rows that it touches, in words; None where nobody counted."""
        if self.rows is None:
            return None
        if self.touches is None:
            return "no rows, only the catalog"
        return f"{'about ' if isinstance(self.touches, QName) else ''}{self.rows:,} row{'s' * (self.rows != 1)}"


@dataclass(frozen=True, slots=True)
class Embedding:
    """What becomes of one way in which an API request may embed a row in another, along a foreign key.

    "ambiguous" says that a request which does not name the key worked so far and fails from now on (PGRST201).
    """

    change: Literal["gained", "lost", "ambiguous"]
    referencing: QName
    referenced: QName
    key: str


@dataclass(frozen=True, slots=True)
class Question:
    """Something that a person has to decide.

    ``id`` is the key under ``[answers]`` in referee.toml. ``recommended`` is what referee would answer, None where it
    cannot know; ``answer`` is what holds: what the configuration says, else what is recommended. ``choices`` are the
    possible answers, empty where any SQL expression is one.
    """

    id: str
    text: str
    recommended: str | None
    reason: str
    choices: tuple[str, ...] = ()
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in the order in which they run. ``schema_before`` is a hash of the schema that they start from."""

    schema_before: str
    steps: tuple[Step, ...]
    questions: tuple[Question, ...] = ()
    verification: tuple[str, ...] = ()
    """Queries that return no row when everything is as it should be."""
    embeddings: tuple[Embedding, ...] = ()
    changes_types: bool = False
    """Whether types that clients have generated from the schema are out of date afterwards."""
