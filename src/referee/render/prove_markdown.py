"""A rehearsal as Markdown, for a pull request or an issue."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from referee.model.names import QName
from referee.model.rehearsal import (
    WORLDS,
    Deletion,
    FailedStep,
    Failure,
    FlowResult,
    Race,
    ReferenceResult,
    Rehearsal,
    TableCount,
    WorldVerdict,
)
from referee.render.plain import clean, count
from referee.render.prove_text import HEADS, mark
from referee.render.prove_words import by_failure, difference, open_points, orders, said, turns


def render(rehearsals: Sequence[Rehearsal], name: str) -> str:
    """The rehearsals of a project; of a second one only what differs from the first."""
    first, *others = rehearsals
    lines = [f"# Rehearsal of {_text(name)}", "", *_page(first)]
    for other in others:
        lines += [
            "",
            f"# What differs with {other.conditions.privileges} privileges",
            "",
            *_page(difference(first, other)),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _page(rehearsal: Rehearsal) -> Iterator[str]:
    failures = list(rehearsal.failures())
    conditions = rehearsal.conditions
    verdict = f"**{count(len(failures), 'failure')} in production.**" if failures else "Nothing rehearsed fails."
    scope = f"PostgreSQL {conditions.version}, {conditions.platform}, default privileges {conditions.privileges}"
    stand_ins = f"; stand-ins for {', '.join(conditions.stand_ins)}" if conditions.stand_ins else ""
    yield f"{verdict} {scope}{stand_ins}."
    yield from _flows(rehearsal.flows)
    yield from _references(rehearsal.references)
    yield from _elsewhere(rehearsal)
    yield from _writes(rehearsal)
    yield from _deletion(rehearsal.deletion)
    for race in rehearsal.races:
        yield from _race(race)
    if rehearsal.unverified:
        yield from ("", "## Left open", "")
        yield from (f"- {_text(point)}" for point in open_points(rehearsal.unverified, verbose=False))


def _flows(flows: Iterable[FlowResult]) -> Iterator[str]:
    found = list(flows)
    if not found:
        return
    yield from ("", "## Flows", "", "| flow | verdict | why |", "| --- | --- | --- |")
    for flow in sorted(found, key=lambda flow: ("fail", "not-run", "pass").index(flow.outcome)):
        yield f"| {_text(flow.title)} | {flow.outcome} | {_why(flow)} |"


def _why(flow: FlowResult) -> str:
    parts = [flow.reason] if flow.reason else []
    if flow.outcome == "fail" and flow.failed_step is not None:
        parts.append(_step(flow.failed_step))
    return _text("; ".join([*parts, *flow.notes]))


def _step(failed: FailedStep) -> str:
    return f"{_raised(failed.failure)}; the user is told: {failed.told}"


def _raised(failure: Failure) -> str:
    by = failure.raised_by
    raised = f", raised by {by.function} line {by.line}" if by is not None and by.line is not None else ""
    at = f" ({failure.location})" if failure.location is not None else ""
    return f"{said(failure)}{raised}{at}"


def _references(references: Sequence[ReferenceResult]) -> Iterator[str]:
    if not references:
        return
    heads = " | ".join(HEADS[world] for world in WORLDS)
    yield from ("", "## User references", "", f"| column | references | {heads} |", "| --- " * (len(WORLDS) + 2) + "|")
    for one in references:
        place = f"{one.key.table}.{one.column}"
        if one.not_run is not None:
            yield f"| {_text(place)} | {_text(str(one.key.target))} | not run: {_text(one.not_run)} |"
            continue
        cells = " | ".join(_cell(one.worlds.get(world)) for world in WORLDS)
        yield f"| {_text(place)} | {_text(str(one.key.target))} | {cells} |"


def _elsewhere(rehearsal: Rehearsal) -> Iterator[str]:
    """Inserts that fail by something other than the key that was tried, and who may not write what."""
    causes = {"privilege": "lacks the grant to insert into", "row-security": "is refused by row security in"}
    found = [
        f"- {what.format(_tables(tables))}{_elsewhere_than(tables, failure)}: {_text(_raised(failure))}"
        for what, inserts in (
            ("an insert by the user into {} fails", rehearsal.failing_inserts()),
            ("an insert into {} fails whoever makes it", rehearsal.stopped_inserts()),
        )
        for failure, tables in by_failure(inserts).items()
    ]
    found += [f"- {_text(role)} {causes[by]} {_tables(tables)}" for (role, by), tables in rehearsal.refusals().items()]
    if found:
        yield from ("", *found)


def _tables(tables: Sequence[QName]) -> str:
    return _text(", ".join(map(str, tables)))


def _elsewhere_than(tables: Sequence[QName], failure: Failure) -> str:
    return f", in {_text(str(failure.table))}" if failure.table not in (None, *tables) else ""


def _writes(rehearsal: Rehearsal) -> Iterator[str]:
    if not rehearsal.writes:
        return
    heads = " | ".join(HEADS[world] for world in WORLDS)
    yield from (
        "",
        "## Written by triggers",
        "",
        f"| statement | trigger | {heads} |",
        "| --- " * (len(WORLDS) + 2) + "|",
    )
    for one in rehearsal.writes:
        cells = " | ".join(_cell(one.worlds.get(world)) for world in WORLDS)
        yield f"| {one.event} {_text(str(one.table))} | {_text(one.trigger.part)} | {cells} |"


def _cell(verdict: WorldVerdict | None) -> str:
    if verdict is None or verdict.outcome == "not-run":
        return "-"
    sign = _text(mark(verdict))
    if verdict.outcome == "fail":
        return f"**{verdict.failure.sqlstate if verdict.failure is not None else 'fails'}**{sign}"
    return f"{verdict.outcome}{sign}" if verdict.outcome == "pass" else f"**{verdict.outcome}**{sign}"


def _deletion(deletion: Deletion | None) -> Iterator[str]:
    if deletion is None:
        return
    yield from ("", "## Deletion of a user", "")
    if deletion.reason is not None:
        yield f"Not run: {_text(deletion.reason)}"
        return
    if deletion.first is not None:
        yield f"Fails: {_text(_step(deletion.first))}"
    yield f"The user has {count(deletion.rows, 'row')} in the project's tables."
    yield ""
    for blocker in deletion.blocked_by:
        path = " → ".join(str(table) for table in (blocker.path[0].target.table, *(key.table for key in blocker.path)))
        yield f"- blocks: {_text(str(blocker.key.ref))}, {count(blocker.rows, 'row')}, by way of {_text(path)}"
    for word, counts in (
        ("destroyed", deletion.destroyed),
        ("kept without the user", deletion.emptied),
        ("kept, still naming the user", deletion.left),
    ):
        if counts:
            yield f"- {word}: {_text(', '.join(map(_counted, counts)))}"


def _counted(one: TableCount) -> str:
    return f"{one.table} {one.rows}" + (f" ({', '.join(one.columns)})" if one.columns else "")


def _race(race: Race) -> Iterator[str]:
    yield from ("", f"## Race: {_text(race.title)}", "")
    if race.reason is not None:
        yield f"Not run: {_text(race.reason)}"
        return
    yield (
        f"{orders(race)}, {race.run} run, {race.failed} failed, {race.too_early} too early to count, "
        f"{race.dropped} left out."
    )
    if race.shortest_failure is not None:
        yield ""
        for number, (session, text, end) in enumerate(turns(race.shortest_failure), 1):
            yield f"{number}. {_text(session)}: `{clean(text).replace('`', chr(39))}`" + (
                f" — {_text(end)}" if end else ""
            )


def _text(text: str) -> str:
    """Text inside Markdown: nothing in it is markup, and a table keeps its columns."""
    escaped = clean(" ".join(text.split()))
    for character in "\\`*_[]<>|":
        escaped = escaped.replace(character, f"\\{character}")
    return escaped
