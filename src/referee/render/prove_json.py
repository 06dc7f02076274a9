"""A rehearsal as JSON, version 1. Once released, keys are added and never change.

Where both modes of default privileges were rehearsed, the second stands under ``also``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from referee import __version__
from referee.model.rehearsal import (
    Attempt,
    Blocker,
    Deletion,
    FailedStep,
    Failure,
    FlowResult,
    Race,
    ReferenceResult,
    Rehearsal,
    Schedule,
    Step,
    TableCount,
    Unverified,
    WorldSetup,
    WorldVerdict,
    WriteResult,
)
from referee.model.source import Location


class JsonLocation(msgspec.Struct, frozen=True):
    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class JsonServer(msgspec.Struct, frozen=True):
    version: str
    platform: str
    privileges: str
    stand_ins: tuple[str, ...]


class JsonRaisedBy(msgspec.Struct, frozen=True):
    function: str
    line: int | None
    trigger: str | None


class JsonFailure(msgspec.Struct, frozen=True):
    sqlstate: str
    message: str
    detail: str | None
    table: str | None
    constraint: str | None
    raised_by: JsonRaisedBy | None
    location: JsonLocation | None


class JsonFailedStep(msgspec.Struct, frozen=True):
    statement: str
    role: str
    sqlstate: str
    message: str
    detail: str | None
    table: str | None
    constraint: str | None
    raised_by: JsonRaisedBy | None
    location: JsonLocation | None
    told: str


class JsonFlow(msgspec.Struct, frozen=True):
    flow: str
    title: str
    role: str
    verdict: str
    failed_step: JsonFailedStep | None
    reason: str | None
    notes: tuple[str, ...]


class JsonAttempt(msgspec.Struct, frozen=True):
    role: str
    claims: str
    refused_by: str | None
    failure: JsonFailure | None


class JsonSetup(msgspec.Struct, frozen=True):
    world: str
    usable: bool
    reason: str | None
    attempts: dict[str, JsonAttempt]


class JsonVerdict(msgspec.Struct, frozen=True):
    verdict: str
    sqlstate: str | None
    message: str | None
    constraint: str | None
    table: str | None
    role: str | None
    claims: str | None
    stored: str | None
    first: JsonAttempt | None
    raised_by: JsonRaisedBy | None
    reason: str | None


class JsonReference(msgspec.Struct, frozen=True):
    foreign_key: str
    table: str
    column: str
    target: str
    worlds: dict[str, JsonVerdict]
    not_run: str | None


class JsonWrite(msgspec.Struct, frozen=True):
    trigger: str
    function: str
    expression: str
    event: str
    table: str
    columns: tuple[str, ...]
    location: JsonLocation | None
    worlds: dict[str, JsonVerdict]
    not_run: str | None


class JsonStep(msgspec.Struct, frozen=True):
    session: str
    role: str
    statement: str
    waits: bool
    failure: JsonFailure | None


class JsonSchedule(msgspec.Struct, frozen=True):
    steps: tuple[JsonStep, ...]
    missed: int


class JsonRace(msgspec.Struct, frozen=True):
    race: str
    title: str
    sessions: tuple[str, ...]
    schedules: int
    all_counted: bool
    merged: int
    run: int
    dropped: int
    failed: int
    too_early: int
    waited: int
    deadlocks: int
    shortest_failure: JsonSchedule | None
    not_run: str | None


class JsonRaces(msgspec.Struct, frozen=True):
    schedules: int
    run: int
    failed: int
    shortest_failure: JsonSchedule | None
    all: tuple[JsonRace, ...]


class JsonBlocker(msgspec.Struct, frozen=True):
    foreign_key: str
    table: str
    rows: int
    path: tuple[str, ...]
    location: JsonLocation | None


class JsonCount(msgspec.Struct, frozen=True):
    table: str
    rows: int
    columns: tuple[str, ...]


class JsonUnmade(msgspec.Struct, frozen=True):
    table: str
    reason: str


class JsonDeletion(msgspec.Struct, frozen=True):
    verdict: str
    rows: int
    failed_step: JsonFailedStep | None
    blocked_by: tuple[JsonBlocker, ...]
    destroyed: tuple[JsonCount, ...]
    emptied: tuple[JsonCount, ...]
    left: tuple[JsonCount, ...]
    unmade: tuple[JsonUnmade, ...]
    reason: str | None


class JsonUnverified(msgspec.Struct, frozen=True):
    subject: str
    reason: str
    location: JsonLocation | None


class JsonRehearsal(msgspec.Struct, frozen=True):
    server: JsonServer
    source: str | None
    mirrors: tuple[str, ...]
    flows: tuple[JsonFlow, ...]
    worlds: tuple[JsonSetup, ...]
    references: tuple[JsonReference, ...]
    writes: tuple[JsonWrite, ...]
    races: JsonRaces
    deletion: JsonDeletion | None
    unverified: tuple[JsonUnverified, ...]
    failures: tuple[str, ...]


class JsonProof(JsonRehearsal, frozen=True, kw_only=True):
    version: int
    referee: str
    also: tuple[JsonRehearsal, ...]


def render(rehearsals: Sequence[Rehearsal]) -> str:
    """Everything that was rehearsed."""
    first, *others = [_rehearsal(one) for one in rehearsals]
    fields = {name: getattr(first, name) for name in JsonRehearsal.__struct_fields__}
    proof = JsonProof(version=1, referee=__version__, also=tuple(others), **fields)
    whole = msgspec.to_builtins(proof)
    ordered = {name: whole[name] for name in ("version", "referee", *JsonRehearsal.__struct_fields__, "also")}
    return msgspec.json.format(msgspec.json.encode(ordered), indent=2).decode() + "\n"


def _rehearsal(one: Rehearsal) -> JsonRehearsal:
    conditions = one.conditions
    return JsonRehearsal(
        JsonServer(conditions.version, conditions.platform, conditions.privileges, conditions.stand_ins),
        None if one.source is None else str(one.source),
        tuple(map(str, one.mirrors)),
        tuple(map(_flow, one.flows)),
        tuple(map(_setup, one.setups)),
        tuple(map(_reference, one.references)),
        tuple(map(_write, one.writes)),
        _races(one.races),
        None if one.deletion is None else _deletion(one.deletion),
        tuple(map(_unverified, one.unverified)),
        tuple(one.failures()),
    )


def _flow(flow: FlowResult) -> JsonFlow:
    failed = None if flow.failed_step is None else _failed_step(flow.failed_step)
    return JsonFlow(flow.flow, flow.title, flow.role, flow.outcome, failed, flow.reason, flow.notes)


def _failed_step(failed: FailedStep) -> JsonFailedStep:
    failure = _failure(failed.failure)
    return JsonFailedStep(
        failed.step.sql,
        failed.step.role,
        failure.sqlstate,
        failure.message,
        failure.detail,
        failure.table,
        failure.constraint,
        failure.raised_by,
        failure.location,
        failed.told,
    )


def _failure(failure: Failure) -> JsonFailure:
    table = None if failure.table is None else str(failure.table)
    return JsonFailure(
        failure.sqlstate,
        failure.message,
        failure.detail,
        table,
        failure.constraint,
        _raised_by(failure),
        _location(failure.location),
    )


def _raised_by(failure: Failure) -> JsonRaisedBy | None:
    by = failure.raised_by
    return None if by is None else JsonRaisedBy(by.function, by.line, None if by.trigger is None else str(by.trigger))


def _attempt(attempt: Attempt) -> JsonAttempt:
    failure = None if attempt.failure is None else _failure(attempt.failure)
    return JsonAttempt(attempt.acting.role, attempt.acting.claims, attempt.refused_by, failure)


def _setup(setup: WorldSetup) -> JsonSetup:
    attempts = {name: _attempt(attempt) for name, attempt in setup.attempts}
    return JsonSetup(setup.world, setup.usable, setup.reason, attempts)


def _verdict(verdict: WorldVerdict) -> JsonVerdict:
    failure, acting = verdict.failure, verdict.acting
    return JsonVerdict(
        verdict.outcome,
        None if failure is None else failure.sqlstate,
        None if failure is None else failure.message,
        None if failure is None else failure.constraint,
        None if failure is None or failure.table is None else str(failure.table),
        None if acting is None else acting.role,
        None if acting is None else acting.claims,
        verdict.stored,
        None if verdict.first is None else _attempt(verdict.first),
        None if failure is None else _raised_by(failure),
        verdict.reason,
    )


def _reference(reference: ReferenceResult) -> JsonReference:
    key = reference.key
    worlds: dict[str, JsonVerdict] = {world: _verdict(verdict) for world, verdict in reference.worlds.items()}
    return JsonReference(str(key.ref), str(key.table), reference.column, str(key.target), worlds, reference.not_run)


def _write(write: WriteResult) -> JsonWrite:
    return JsonWrite(
        str(write.trigger),
        write.function,
        write.expression,
        write.event,
        str(write.table),
        write.columns,
        _location(write.location),
        {world: _verdict(verdict) for world, verdict in write.worlds.items()},
        write.not_run,
    )


def _races(races: Sequence[Race]) -> JsonRaces:
    shown = tuple(map(_race, races))
    failing = [race.shortest_failure for race in shown if race.shortest_failure is not None]
    return JsonRaces(
        sum(race.schedules for race in races),
        sum(race.run for race in races),
        sum(race.failed for race in races),
        min(failing, key=lambda schedule: len(schedule.steps), default=None),
        shown,
    )


def _race(race: Race) -> JsonRace:
    shortest = None if race.shortest_failure is None else _schedule(race.shortest_failure)
    return JsonRace(
        race.name,
        race.title,
        race.sessions,
        race.schedules,
        race.all_counted,
        race.merged,
        race.run,
        race.dropped,
        race.failed,
        race.too_early,
        race.waited,
        race.deadlocks,
        shortest,
        race.reason,
    )


def _schedule(schedule: Schedule) -> JsonSchedule:
    failures = dict(schedule.failed)

    def step(position: int, one: Step) -> JsonStep:
        failure = failures.get(position)
        return JsonStep(
            one.session, one.role, one.sql, position in schedule.waits, None if failure is None else _failure(failure)
        )

    return JsonSchedule(tuple(step(position, one) for position, one in enumerate(schedule.steps)), schedule.missed)


def _deletion(deletion: Deletion) -> JsonDeletion:
    verdict = "not-run" if deletion.reason is not None else "fail" if deletion.first is not None else "pass"
    return JsonDeletion(
        verdict,
        deletion.rows,
        None if deletion.first is None else _failed_step(deletion.first),
        tuple(map(_blocker, deletion.blocked_by)),
        tuple(map(_count, deletion.destroyed)),
        tuple(map(_count, deletion.emptied)),
        tuple(map(_count, deletion.left)),
        tuple(JsonUnmade(str(table), reason) for table, reason in deletion.unmade),
        deletion.reason,
    )


def _blocker(blocker: Blocker) -> JsonBlocker:
    path = tuple(str(key.ref) for key in blocker.path)
    return JsonBlocker(str(blocker.key.ref), str(blocker.key.table), blocker.rows, path, _location(blocker.location))


def _count(count: TableCount) -> JsonCount:
    return JsonCount(str(count.table), count.rows, count.columns)


def _unverified(one: Unverified) -> JsonUnverified:
    return JsonUnverified(one.subject, one.reason, _location(one.location))


def _location(location: Location | None) -> JsonLocation | None:
    if location is None:
        return None
    return JsonLocation(location.file, location.line, location.column, location.end_line, location.end_column)
