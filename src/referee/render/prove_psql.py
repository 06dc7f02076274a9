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
    Rehearsal,
    Step,
    WorldVerdict,
    is_broken,
)

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")

Settings = Mapping[str, Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Project:
    """What every script of a project begins with.

    ``name`` is what it is called, ``migrations`` a psql text that runs them, ``landmark`` a table that they create:
    where it exists, they are taken to have run. ``settings`` is what logging in as each role sets.
    """

    name: str
    migrations: str
    landmark: str | None
    settings: Settings


@dataclass(frozen=True, slots=True)
class Scene:
    """A failure to be shown: the name of its file, what it is, what is expected, and the statements that lead there."""

    name: str
    title: str
    expected: str
    steps: tuple[Step, ...]


def scenes(rehearsal: Rehearsal) -> Iterator[Scene]:
    """A scene for each thing that fails in production."""
    yield from (_flow(flow) for flow in rehearsal.flows if flow.outcome == "fail")
    for reference in rehearsal.references:
        for world in PRODUCTION:
            verdict = reference.worlds.get(world)
            if verdict is not None and is_broken(verdict) and verdict.steps:
                title = f"{reference.key.ref} in the world {world}, as {verdict.acting}"
                yield Scene(f"reference-{reference.key.ref}", title, _expected(verdict), verdict.steps)
                break
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


def _flow(flow: FlowResult) -> Scene:
    expected = _said(flow.failed_step.failure) if flow.failed_step is not None else f"P0004 {flow.reason}"
    return Scene(f"flow-{flow.flow}", flow.title, expected, flow.steps)


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
    return "\n".join([*_head(scene, project), *_migrations(project), *_steps(scene.steps, project.settings)]) + "\n"


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


def _migrations(project: Project) -> Iterator[str]:
    # What psql skips it still reads, and rows of COPY would confuse it.
    is_skippable = project.landmark is not None and "\n\\.\n" not in project.migrations
    if is_skippable:
        yield f"select to_regclass({_literal(project.landmark or '')}) is null as bare \\gset"
        yield "\\if :bare"
    yield project.migrations
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
