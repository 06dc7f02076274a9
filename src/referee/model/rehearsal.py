"""What a rehearsal shows: flows, user references world by world, races, and what deleting a user does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from referee.model.names import QName, Ref, Target
from referee.model.schema import ForeignKey
from referee.model.source import Location

Outcome = Literal["pass", "fail", "overwritten", "not-run"]

#: What keeps a role from a write: that it lacks the grant, or that no policy allows it.
Refusal = Literal["privilege", "row-security"]

World = Literal[
    "fixture",  # source and mirror filled by a superuser, who also writes: what local tests do
    "fresh-sign-up",  # only what the database itself did at sign-up
    "upsert-own-session",  # the application wrote the mirror as the user who signed in
    "upsert-no-session",  # it tried before there was a session
    "mirror-only",  # a mirror row whose account does not exist
    "service-role",  # a job writes for a user who signed up: there is no auth.uid()
]
WORLDS: tuple[World, ...] = get_args(World)

#: Worlds that production can be in without anybody having made a mistake: a failure there is one that users meet.
PRODUCTION: tuple[World, ...] = ("fresh-sign-up", "upsert-own-session", "upsert-no-session", "service-role")


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. ``session`` tells the connections of a rehearsal apart, ``role`` is who logged in there."""

    session: str
    role: str
    sql: str
    told: str = ""
    """What the application's user is told where this statement fails; empty where that is the server's own message."""


@dataclass(frozen=True, slots=True)
class RaisedBy:
    """The function that raised an error, the line in its body (from 1), and the trigger that called it."""

    function: str
    line: int | None = None
    trigger: Ref | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What the server said. ``table`` is where it happened, ``constraint`` what was violated.

    ``location`` is the line of the function that raised it, else the text of the constraint.
    """

    sqlstate: str
    message: str
    detail: str | None = None
    table: QName | None = None
    constraint: str | None = None
    raised_by: RaisedBy | None = None
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class FailedStep:
    """The first statement of a flow that failed, and what the user of the application was told."""

    step: Step
    failure: Failure
    told: str


@dataclass(frozen=True, slots=True)
class FlowResult:
    """A flow that was run. ``role`` is who ran its first statement, or the one that failed.

    A flow passes where nothing fails; one that must be refused passes where it is, and ``failed_step`` then holds the
    refusal. ``reason`` says why it was not run or why it failed without an error, ``notes`` what else was seen.
    ``steps`` is everything up to the failure.
    """

    flow: str
    title: str
    role: str
    outcome: Outcome
    failed_step: FailedStep | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Acting:
    """Under which role a statement ran and whose claims the session carried."""

    role: str
    claims: Literal["own", "control", "none"] = "none"

    def __str__(self) -> str:
        return {
            "own": f"{self.role}, in the user's session",
            "control": f"{self.role}, in another user's session",
            "none": f"{self.role}, without a session",
        }[self.claims]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write: who made it and how it failed; ``refused_by`` tells a missing grant from a policy."""

    acting: Acting
    failure: Failure | None
    refused_by: Refusal | None = None


@dataclass(frozen=True, slots=True)
class WorldVerdict:
    """What became of a reference in one world.

    ``acting`` is under whom the verdict was reached. Where somebody else tried first and was stopped by something other
    than the key, ``first`` is that attempt: it is what the application would have seen. ``stored`` is the value that a
    trigger put in place of the user.
    """

    outcome: Outcome
    acting: Acting | None = None
    failure: Failure | None = None
    first: Attempt | None = None
    stored: str | None = None
    reason: str | None = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class ReferenceResult:
    """A user reference in every world. ``not_run`` is why no row could be made for it."""

    key: ForeignKey
    column: str
    worlds: Mapping[World, WorldVerdict] = field(default_factory=dict)
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class WriteResult:
    """A user id that a trigger writes into a reference by itself, in the worlds where there is a session.

    ``event`` is the statement that was run, ``table`` the table that it touched, ``columns`` what the trigger writes.
    """

    trigger: Ref
    function: str
    expression: str
    event: Literal["insert", "update"]
    table: QName
    columns: tuple[str, ...]
    location: Location | None
    worlds: Mapping[World, WorldVerdict] = field(default_factory=dict)
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class WorldSetup:
    """How a world came about: ``failure`` is what stopped a step that production would also have tried.

    Where ``usable`` is false the world could not be made at all, for ``reason``.
    """

    world: World
    attempts: tuple[tuple[str, Attempt], ...] = ()
    usable: bool = True
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Blocker:
    """A key that keeps a user from being deleted. ``path`` leads there from the source, key by key."""

    key: ForeignKey
    rows: int
    path: tuple[ForeignKey, ...]
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class TableCount:
    """Rows of a table. ``columns`` are the ones that were emptied, or that still hold the user's id."""

    table: QName
    rows: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting one user does who has a row in every table that leads to users.

    ``first`` is what the deletion ends in as things are; None where it passes. The rest says what happens once the rows
    of ``blocked_by`` are out of the way: rows that go, rows that stay without their user, rows that still hold the id.
    """

    rows: int
    first: FailedStep | None = None
    blocked_by: tuple[Blocker, ...] = ()
    destroyed: tuple[TableCount, ...] = ()
    emptied: tuple[TableCount, ...] = ()
    left: tuple[TableCount, ...] = ()
    reason: str | None = None
    """Why there is no answer."""
    unmade: tuple[tuple[QName, str], ...] = ()
    """Tables for which no row could be made, and why."""
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """One order in which sessions ran. ``steps`` are in the order in which they were sent."""

    steps: tuple[Step, ...]
    waits: tuple[int, ...]
    """Positions in ``steps`` of the statements that had to wait for a lock."""
    failed: tuple[tuple[int, Failure], ...]
    """Positions of the statements that failed, and how."""
    missed: int = 0
    """For migrations: users that ended up without their mirror row."""
    question: str = ""
    """The query that counts the missed."""
    setup: tuple[Step, ...] = ()
    """What sets the scene, before any of the sessions begins."""
    migrations: int | None = None
    """How many of the project's migrations run before that; None for all."""


@dataclass(frozen=True, slots=True)
class Race:
    """Sessions that run at once. ``schedules`` counts the orders that differ, ``run`` those that were tried.

    ``merged`` counts the orders that equal one of them. ``too_early`` counts the orders that failed only because a
    client acted before the sign-up had been committed.
    """

    name: str
    title: str
    sessions: tuple[str, ...]
    schedules: int = 0
    merged: int = 0
    run: int = 0
    failed: int = 0
    too_early: int = 0
    waited: int = 0
    deadlocks: int = 0
    shortest_failure: Schedule | None = None
    reason: str | None = None
    """Why it was not run."""
    all_counted: bool = True
    """False where there are more orders than were counted."""

    @property
    def dropped(self) -> int:
        return self.schedules - self.run


@dataclass(frozen=True, slots=True)
class Unverified:
    """Something that the verdicts rest on or leave open."""

    subject: str
    reason: str
    location: Location | None = None
    failed_statement: bool = False
    """Whether it is a statement of the migrations that failed, so that all rests on what is left of them."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """Where the verdicts were reached: version of the server, host, default privileges, stand-ins for extensions."""

    version: str
    platform: str
    privileges: str
    stand_ins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that was shown under one set of conditions."""

    conditions: Conditions
    source: Target | None
    mirrors: tuple[Target, ...]
    flows: tuple[FlowResult, ...] = ()
    setups: tuple[WorldSetup, ...] = ()
    references: tuple[ReferenceResult, ...] = ()
    writes: tuple[WriteResult, ...] = ()
    races: tuple[Race, ...] = ()
    deletion: Deletion | None = None
    unverified: tuple[Unverified, ...] = ()

    @property
    def tried(self) -> tuple[ReferenceResult, ...]:
        """The references for which there is a row that a superuser can insert."""
        return tuple(one for one in self.references if one.not_run is None)

    def failures(self) -> Iterator[str]:
        """A name for each thing that fails in production."""
        yield from (f"flow {flow.flow}" for flow in self.flows if flow.outcome == "fail")
        for reference in self.tried:
            if any(is_broken(reference.worlds[world]) for world in PRODUCTION if world in reference.worlds):
                yield f"reference {reference.key.ref}"
        yield from (f"insert into {table}" for table in self.failing_inserts())
        for write in self.writes:
            if any(is_broken(write.worlds[world]) for world in PRODUCTION if world in write.worlds):
                yield f"write {write.trigger} {write.event}"
        yield from (f"race {race.name}" for race in self.races if race.failed)
        if self.deletion is not None and self.deletion.first is not None:
            yield "deletion"

    def stopped_inserts(self) -> dict[QName, Failure]:
        """Tables into which an insert fails whoever makes it, before any key of theirs is asked, and how."""
        found: dict[QName, Failure] = {}
        for reference in self.tried:
            for world in PRODUCTION:
                verdict = reference.worlds.get(world)
                if verdict is None or verdict.reason is None or not is_broken(verdict) or verdict.failure is None:
                    continue
                if verdict.first is None or verdict.first.refused_by is None:
                    found.setdefault(reference.key.table, verdict.failure)
        return found

    def refusals(self) -> dict[tuple[str, Refusal], list[QName]]:
        """The tables into which a role may not insert: by the role, and by what keeps it from that."""
        found: dict[tuple[str, Refusal], dict[QName, None]] = {}
        for reference in self.tried:
            for verdict in reference.worlds.values():
                first = verdict.first
                if first is not None and first.refused_by is not None:
                    found.setdefault((first.acting.role, first.refused_by), {})[reference.key.table] = None
        return {who: list(tables) for who, tables in found.items()}

    def failing_inserts(self) -> dict[QName, Failure]:
        """Tables into which a user's own insert fails although the key that was tried is satisfied, and how."""
        verdicts = self.misled().items()
        return {table: one.first.failure for table, one in verdicts if one.first is not None and one.first.failure}

    def misled(self) -> dict[QName, WorldVerdict]:
        """The verdicts behind that: the first of each table."""
        found: dict[QName, WorldVerdict] = {}
        for reference in self.tried:
            for world in PRODUCTION:
                verdict = reference.worlds.get(world)
                if verdict is not None and is_misled(verdict):
                    found.setdefault(reference.key.table, verdict)
        return found


def is_misled(verdict: WorldVerdict) -> bool:
    """Whether the key is satisfied, but who would write was stopped by something that is neither grant nor policy."""
    first = verdict.first if not is_broken(verdict) else None
    return first is not None and first.failure is not None and first.refused_by is None


def is_broken(verdict: WorldVerdict) -> bool:
    """Whether a verdict is one that nobody wants."""
    return verdict.outcome in ("fail", "overwritten")
