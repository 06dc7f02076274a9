"""What the pages of a rehearsal share: how failures, orders and open points are told, and in what two runs differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from referee.model.names import QName
from referee.model.rehearsal import Failure, Race, Rehearsal, Schedule, Unverified, World, WorldVerdict
from referee.render.plain import count

_LONGEST = 160
# More statements of the migrations that failed than these are told together.
_FEW = 2


def said(failure: Failure) -> str:
    """SQLSTATE and message."""
    return f"{failure.sqlstate} {failure.message}"


def by_failure(inserts: Mapping[QName, Failure]) -> dict[Failure, list[QName]]:
    """The tables of each failure."""
    found: dict[Failure, list[QName]] = {}
    for table, failure in inserts.items():
        found.setdefault(replace(failure, detail=None), []).append(table)
    return found


def open_point(one: Unverified) -> str:
    """Something that the verdicts leave open, in one line; its place holds the name of the file already."""
    parts = [] if one.location is None else [str(one.location)]
    if one.location is None or one.location.file != one.subject:
        parts.append(one.subject)
    return ": ".join([*parts, one.reason])


def open_points(unverified: Iterable[Unverified], verbose: bool) -> list[str]:
    """What the verdicts leave open, in lines. Unless all are asked for, many statements that failed share one."""
    found = list(unverified)
    failed = [one for one in found if one.failed_statement]
    if verbose or len(failed) <= _FEW:
        return [open_point(one) for one in found]
    number = count(len(failed), "statement")
    text = f"{number} of the migrations failed; the rest was rehearsed without them. The first: "
    first = replace(failed[0], reason=failed[0].reason.partition(": ")[2] or failed[0].reason)
    return [text + open_point(first), *(open_point(one) for one in found if not one.failed_statement)]


def orders(race: Race) -> str:
    """How many orders there are."""
    return f"{'' if race.all_counted else 'at least '}{count(race.schedules, 'different order')}"


def turns(schedule: Schedule) -> Iterator[tuple[str, str, str]]:
    """What each session does until another one comes, or until it commits: the session, the statements, the end."""
    failures = dict(schedule.failed)
    turn: list[int] = []
    for position, step in enumerate(schedule.steps):
        turn.append(position)
        following = schedule.steps[position + 1] if position + 1 < len(schedule.steps) else None
        if following is None or following.session != step.session or step.sql == "commit":
            yield step.session, _turn([schedule.steps[at].sql for at in turn]), _turn_end(turn, schedule, failures)
            turn = []


def _turn(statements: Sequence[str]) -> str:
    own = [sql for sql in statements if sql not in ("begin", "commit") and not sql.startswith("select set_config(")]
    if not own:
        return statements[-1]
    words = [short(own[-1] if statements[-1] != "commit" else own[0], 60)]
    if len(own) > 1:
        words.append(f"and {len(own) - 1} more")
    if statements[-1] == "commit":
        words.append("commit")
    return ", ".join(words)


def _turn_end(turn: Sequence[int], schedule: Schedule, failures: Mapping[int, Failure]) -> str:
    for position in turn:
        if position in failures:
            return said(failures[position])
    return "waits for a lock" if any(position in schedule.waits for position in turn) else ""


def short(sql: str, limit: int = _LONGEST) -> str:
    """A statement in one line, cut where it is too long."""
    line = " ".join(sql.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def difference(first: Rehearsal, other: Rehearsal) -> Rehearsal:
    """What the second rehearsal has that the first has not."""

    def outcomes(worlds: Mapping[World, WorldVerdict]) -> list[object]:
        return [
            (
                one.outcome,
                one.failure.sqlstate if one.failure is not None else None,
                one.first.refused_by if one.first is not None else None,
            )
            for one in worlds.values()
        ]

    flows = {flow.flow: flow for flow in first.flows}
    references = {(one.key.ref, one.column): outcomes(one.worlds) for one in first.references}
    writes = {(one.trigger, one.event): outcomes(one.worlds) for one in first.writes}
    deletion = other.deletion
    if deletion is not None and first.deletion is not None and deletion.blocked_by == first.deletion.blocked_by:
        deletion = None
    return Rehearsal(
        other.conditions,
        other.source,
        other.mirrors,
        tuple(
            flow
            for flow in other.flows
            if flow.flow not in flows
            or (flow.outcome, flow.reason) != (flows[flow.flow].outcome, flows[flow.flow].reason)
        ),
        tuple(setup for setup in other.setups if setup not in first.setups),
        tuple(one for one in other.references if references.get((one.key.ref, one.column)) != outcomes(one.worlds)),
        tuple(one for one in other.writes if writes.get((one.trigger, one.event)) != outcomes(one.worlds)),
        tuple(race for race in other.races if race not in first.races),
        deletion,
        tuple(one for one in other.unverified if one not in first.unverified),
    )
