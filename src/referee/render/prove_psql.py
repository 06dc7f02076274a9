"""Failures as scripts for psql: each makes its failure happen again on any Postgres that has the platform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from referee.model.names import quote
from referee.model.rehearsal import (
    PRODUCTION,
    Failure,
    FlowResult,
    Race,
    Rehearsal,
    Schedule,
    Step,
    WorldVerdict,
    is_broken,
)

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

Settings = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Project:
    """What every script of a project begins with.

    ``name`` is what it is called, ``migrations`` are psql texts that run one each, ``landmark`` is a table that they
    create: where it exists, they are taken to have run. ``settings`` is what logging in as each role sets.
    """

    name: str
    migrations: tuple[str, ...]
    landmark: str | None
    settings: Settings


@dataclass(frozen=True, slots=True)
class Scene:
    """A failure to be shown: the name of its file, what it is, what is expected, and the statements that lead there.

    ``schedule`` is an order of sessions that run at once, behind the steps.
    """

    name: str
    title: str
    expected: str
    steps: tuple[Step, ...]
    schedule: Schedule | None = None


def scenes(rehearsal: Rehearsal) -> Iterator[Scene]:
    """A scene for each thing that fails in production."""
    yield from (_flow(flow) for flow in rehearsal.flows if flow.outcome == "fail")
    for reference in rehearsal.tried:
        for world in PRODUCTION:
            verdict = reference.worlds.get(world)
            if verdict is not None and is_broken(verdict) and verdict.steps:
                title = f"{reference.key.ref} in the world {world}, as {verdict.acting}"
                yield Scene(f"reference-{reference.key.ref}", title, _expected(verdict), verdict.steps)
                break
    for table, verdict in rehearsal.misled().items():
        if verdict.first is not None and verdict.first.failure is not None:
            title = f"insert into {table}, as {verdict.first.acting}"
            yield Scene(f"insert-into-{table}", title, _said(verdict.first.failure), verdict.steps)
    for write in rehearsal.writes:
        for world in PRODUCTION:
            verdict = write.worlds.get(world)
            if verdict is not None and is_broken(verdict) and verdict.steps:
                title = f"{write.event} on {write.table}, where {write.trigger} stores {write.expression}, in {world}"
                yield Scene(f"write-{write.event}-{write.trigger}", title, _expected(verdict), verdict.steps)
                break
    deletion = rehearsal.deletion
    if deletion is not None and deletion.first is not None:
        title = "deletion of a user who has rows everywhere"
        yield Scene("deletion", title, _said(deletion.first.failure), deletion.steps)
    for race in rehearsal.races:
        if race.shortest_failure is not None:
            yield _race(race, race.shortest_failure)


def _flow(flow: FlowResult) -> Scene:
    expected = _said(flow.failed_step.failure) if flow.failed_step is not None else f"P0004 {flow.reason}"
    return Scene(f"flow-{flow.flow}", flow.title, expected, flow.steps)


def _race(race: Race, schedule: Schedule) -> Scene:
    expected = _said(schedule.failed[0][1]) if schedule.failed else f"P0004 {_missed(schedule)}"
    return Scene(
        f"race-{race.name}", f"the shortest order that fails of {race.title}", expected, schedule.setup, schedule
    )


def _missed(schedule: Schedule) -> str:
    return f"{schedule.missed} users are without a mirror row"


def _expected(verdict: WorldVerdict) -> str:
    if verdict.failure is not None:
        return _said(verdict.failure)
    return f"P0004 {verdict.reason or 'a trigger replaced the user'}"


def _said(failure: Failure) -> str:
    return f"{failure.sqlstate} {failure.message}"


def file_names(found: Sequence[Scene]) -> list[str]:
    """A file name for each scene, all different, of letters, digits, dots and dashes."""
    names: list[str] = []
    for scene in found:
        base = _UNSAFE.sub("-", scene.name).strip("-.")[:150]
        name, number = f"{base}.sql", 1
        while name in names:
            number += 1
            name = f"{base}-{number}.sql"
        names.append(name)
    return names


def render(scene: Scene, project: Project) -> str:
    """The whole script. psql ends with status 3 at the statement that fails."""
    lines = [*_head(scene, project), *_migrations(scene, project), *_steps(scene.steps, project.settings)]
    if scene.schedule is not None:
        lines += _at_once(scene.schedule, project.settings)
    return "\n".join(lines) + "\n"


def _head(scene: Scene, project: Project) -> Iterator[str]:
    yield f"-- {_line(scene.title)}, in {_line(project.name)}."
    yield f"-- Expected: {_line(scene.expected)}"
    yield "--"
    yield "-- Run it with psql as a superuser, on a fresh database with the platform's roles and tables; the project's"
    yield "-- migrations run first unless their tables are there. It ends with status 3 at the statement that fails."
    yield "\\set ON_ERROR_STOP off"
    yield "\\set VERBOSITY verbose"
    yield "\\set QUIET on"
    yield "\\pset pager off"
    yield "\\o /dev/null"


def _migrations(scene: Scene, project: Project) -> Iterator[str]:
    wanted = None if scene.schedule is None else scene.schedule.migrations
    text = "\n".join(project.migrations[:wanted])
    # What psql skips it still reads, and rows of COPY would confuse it. Some migrations alone show nothing afterwards.
    is_skippable = project.landmark is not None and "\n\\.\n" not in text and wanted is None
    if is_skippable:
        yield f"select to_regclass({_literal(project.landmark or '')}) is null as bare \\gset"
        yield "\\if :bare"
    yield text
    if is_skippable:
        yield "\\endif"
    yield ""


def _steps(steps: Iterable[Step], settings: Settings) -> Iterator[str]:
    yield "\\set ON_ERROR_STOP on"
    session = None
    for step in steps:
        if step.session != session:
            yield ""
            yield f"-- {_line(step.session)}, as {_line(step.role)}"
            yield from (f"{statement};" for statement in _become(step.role, settings))
            session = step.session
        yield f"{step.sql};"


# Sessions that run at once


def _at_once(schedule: Schedule, settings: Settings) -> Iterator[str]:
    """Each session is a connection of dblink's, so that one psql can lead them all."""
    yield ""
    yield "-- Sessions that run at once: connections of dblink, back to this database."
    yield "reset session authorization;"
    yield "reset all;"
    yield "create extension if not exists dblink with schema public;"
    yield "\\set connection 'host=' :HOST ' port=' :PORT ' dbname=' :DBNAME ' user=' :USER"
    yield "create temporary table replay (session text, pid int);"
    for session, role in dict.fromkeys((step.session, step.role) for step in schedule.steps):
        yield f"select public.dblink_connect({_literal(session)}, :'connection');"
        yield (
            f"insert into replay select {_literal(session)}, pid"
            f" from public.dblink({_literal(session)}, 'select pg_backend_pid()') as backend (pid int);"
        )
        yield from (_exec(session, statement) for statement in _become(role, settings))
    yield from _turns(schedule)


def _turns(schedule: Schedule) -> Iterator[str]:
    waiting: set[str] = set()
    session = ""
    for position, step in enumerate(schedule.steps):
        if step.session != session:
            session = step.session
            yield f"\n-- {_line(session)}"
        if session in waiting:
            yield from _fetch(session)
            waiting.discard(session)
        if position in schedule.waits:
            waiting.add(session)
            yield from _send(session, step.sql)
        else:
            yield _exec(session, step.sql)
    for session in sorted(waiting):
        yield from _fetch(session)
    if schedule.missed:
        reason = _literal(_missed(schedule))
        yield f"do $referee$ begin assert ({schedule.question}) = 0, {reason}; end $referee$;"


def _exec(session: str, sql: str, fails: str = "true") -> str:
    return f"select public.dblink_exec({_literal(session)}, {_dollars(_command(sql))}, {fails});"


def _send(session: str, sql: str) -> Iterator[str]:
    """Sends a statement that will wait for a lock, and goes on when it does."""
    name = _literal(session)
    yield f"select public.dblink_send_query({name}, {_dollars(_command(sql))});"
    yield (
        "do $referee$ begin while not exists (select from pg_locks join replay using (pid)"
        f" where not granted and session = {name}) loop perform pg_sleep(0.01); end loop; end $referee$;"
    )


def _fetch(session: str) -> Iterator[str]:
    name = _literal(session)
    yield f"select * from public.dblink_get_result({name}) as result (status text);"
    yield f"select * from public.dblink_get_result({name}) as result (status text);"


def _command(sql: str) -> str:
    """The statement without rows: dblink_exec takes none."""
    if not sql.lower().startswith("select "):
        return sql
    return f"do $rows$ begin perform * from ({sql}) as rows; end $rows$"


def _dollars(text: str) -> str:
    tag = "step"
    while f"${tag}$" in text:
        tag += "_"
    return f"${tag}${text}${tag}$"


def _become(role: str, settings: Settings) -> Iterator[str]:
    yield "reset session authorization"
    yield "reset all"
    for name, value in settings.get(role, ()):
        yield f"select set_config({_literal(name)}, {_literal(value)}, false)"
    yield f"set session authorization {quote(role)}"


def _literal(text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def _line(text: str) -> str:
    return " ".join(text.split())
