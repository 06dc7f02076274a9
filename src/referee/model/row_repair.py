"""What a repair of rows is to do, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from referee.model.names import Target
from referee.model.plan import Step
from referee.model.question import Question
from referee.model.scan import Answer, Scan

#: The schema of the journal, where no other is named.
JOURNAL = "referee"

ActionKind = Literal[
    "create",  # give accounts the mirror rows that they lack
    "remap",  # let rows refer to the person's id of today
    "set-null",  # let rows refer to nobody
    "quarantine",  # move rows to a table of the journal, with what hangs on them
    "leave",  # do nothing
]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do about the rows that a question finds. ``reason`` is why it and nothing else.

    ``rows`` and ``values`` are what the scan counted; ``values`` is None where it could not. ``pairs`` are old and new
    ids, for a remap those to write, otherwise those of rows that are left alone because they may belong to them.
    ``hazards`` are what else happens. ``moves_along`` are the tables whose rows go with a row that is moved.
    """

    kind: ActionKind
    question: Question
    rows: int
    values: int | None
    reason: str
    pairs: tuple[tuple[str, str], ...] = ()
    hazards: tuple[str, ...] = ()
    moves_along: tuple[str, ...] = ()
    cured: int = 0
    """How many of the rows become whole by mirror rows that are created before."""
    alternatives: tuple[ActionKind, ...] = ()
    accounts: Target | None = None
    """Rows whose account is here are left alone: what they lack is the account's mirror row."""

    @property
    def does_something(self) -> bool:
        return self.kind != "leave"


@dataclass(frozen=True, slots=True)
class ColumnValue:
    """What a column of a new mirror row gets: an expression over the account's row ``r``."""

    column: str
    expression: str


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What is to be done, in order, and the scan that it rests on. ``values`` are those of each mirror to be filled."""

    scan: Scan
    actions: tuple[Action, ...]
    values: Mapping[str, tuple[ColumnValue, ...]] = field(default_factory=dict)
    """By the id of the question whose rows are created."""

    @property
    def does_something(self) -> bool:
        return any(action.does_something for action in self.actions)


class Refused(NamedTuple):
    """A row that could not be repaired: its key, what it refers to, and what the server said."""

    key: tuple[str, ...]
    reference: tuple[str | None, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action. ``done`` counts rows, ``along`` the rows that moved along with them.

    ``origins`` counts new mirror rows by where their name came from. ``left`` is how many rows are as wrong as before
    and why; ``unfinished`` is set where trying again may help.
    """

    action: Action
    done: int = 0
    origins: Mapping[str, int] = field(default_factory=dict)
    refused: tuple[Refused, ...] = ()
    left: int = 0
    left_because: str | None = None
    unfinished: bool = False
    seconds: float = 0.0
    batches: int = 0
    longest_batch: float = 0.0


@dataclass(frozen=True, slots=True)
class RowRepair:
    """A run. ``resumed`` is whether it went on with one that was cut short; ``answers`` are asked once more at its end.
    ``run`` is empty where nothing was to be done; then they are those of the scan. ``journal`` is its schema.

    ``totals`` is what the journal has of the run, by action and question, also of what an earlier process did for it.
    """

    run: str
    database: str
    plan: RowPlan
    outcomes: tuple[Outcome, ...]
    answers: tuple[Answer, ...] = ()
    resumed: bool = False
    totals: tuple[tuple[str, str, int], ...] = ()
    seconds: float = 0.0
    notices: tuple[str, ...] = ()
    journal: str = JOURNAL

    @property
    def is_finished(self) -> bool:
        return not any(outcome.unfinished for outcome in self.outcomes) and all(
            answer.complete for answer in self.answers
        )

    @property
    def left(self) -> int:
        """Rows that are still wrong, whatever the reason; mirror rows without an account are not counted."""
        return sum(answer.violations for answer in self.answers if answer.question.kind != "stray")


@dataclass(frozen=True, slots=True)
class Undone:
    """What came of taking back one line of the journal: rows that it concerned, rows that are as before."""

    action: str
    table: str
    rows: int
    done: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Undoing:
    """A run that was taken back."""

    run: str
    database: str
    entries: tuple[Undone, ...]
    seconds: float = 0.0

    @property
    def is_whole(self) -> bool:
        return all(entry.done == entry.rows for entry in self.entries)


@dataclass(frozen=True, slots=True)
class StepDone:
    """What came of a step of a plan. ``filled`` counts the rows that were filled in batches before a backfill."""

    number: int
    step: Step
    state: Literal["done", "done before", "failed"]
    trouble: str | None = None
    filled: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanRun:
    """A plan that was run. ``broken`` are its verifying queries that returned rows, with how many."""

    run: str
    database: str
    steps: tuple[StepDone, ...]
    to_do: int
    broken: tuple[tuple[str, int], ...] = ()
    resumed: bool = False
    seconds: float = 0.0
    journal: str = JOURNAL

    @property
    def is_done(self) -> bool:
        return len(self.steps) == self.to_do and all(step.state != "failed" for step in self.steps)
