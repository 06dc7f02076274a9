"""What a cure changes in a rehearsal: what fails and did not before, what fails still, what could be tried only now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref
from referee.model.rehearsal import (
    PRODUCTION,
    Failure,
    ReferenceResult,
    Rehearsal,
    World,
    WorldVerdict,
    WriteResult,
    is_broken,
    is_misled,
)
from referee.model.schema import Schema

#: Flows that fail because a row of the mirror outlives its account, which could not happen while nobody had a row.
_OUTLIVING = frozenset(("flow outliving-token",))


@dataclass(frozen=True, slots=True)
class Compared:
    """Names as a rehearsal gives them, sorted: "flow login", "reference public.songs.songs_by_fkey".

    ``worse`` fails and did not before, ``stays`` was to be cured and fails still. The rest speaks against nothing:
    ``outliving`` fails because of rows that outlive their account, ``untried`` could not be tried before the cure.
    """

    worse: tuple[str, ...]
    stays: tuple[str, ...]
    outliving: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()


def compare(
    former: Rehearsal, latter: Rehearsal, schema: Schema, wanted: Sequence[Change], is_unlinked: bool
) -> Compared:
    """The rehearsals of a project before and after its cure. ``schema`` is as it was before.

    ``is_unlinked`` says that a mirror has no identity key after the cure: it keeps rows of deleted accounts, which is a
    finding of its own.
    """
    before, after = set(former.failures()), set(latter.failures())
    new = after - before
    outliving = new & _OUTLIVING if is_unlinked else set[str]()
    retargeted = {change.key.ref for change in wanted if isinstance(change, changes.RetargetForeignKey)}
    kept = frozenset([key.ref for key in schema.foreign_keys() if key.ref not in retargeted])
    untried = (new - outliving) & set(_untried(former, latter, kept))
    stays = {name for name in after & before if _is_promised(name, latter, wanted)}
    found = (new - outliving - untried, stays, outliving, untried)
    return Compared(*[tuple(sorted(names)) for names in found])


def _failures(result: ReferenceResult) -> list[Failure]:
    verdicts = _broken(result.worlds).values()
    return [verdict.failure for verdict in verdicts if verdict.failure is not None]


def _broken(worlds: Mapping[World, WorldVerdict]) -> dict[World, WorldVerdict]:
    return {world: worlds[world] for world in PRODUCTION if world in worlds and is_broken(worlds[world])}


def _is_promised(name: str, rehearsal: Rehearsal, wanted: Sequence[Change]) -> bool:
    """Whether a cure promises that this no longer fails: of a key, that it finds whom it is asked for."""
    kind, _, subject = name.partition(" ")
    fills = any(isinstance(change, changes.CreateSyncTrigger) for change in wanted)
    if kind == "reference":
        retargeted = {str(change.key.ref) for change in wanted if isinstance(change, changes.RetargetForeignKey)}
        results = [result for result in rehearsal.references if str(result.key.ref) == subject]
        refuses = any(failure.sqlstate == "23503" for result in results for failure in _failures(result))
        return refuses and (fills or subject in retargeted)
    return kind == "flow" and fills and subject.startswith("sign-up")


def _untried(former: Rehearsal, latter: Rehearsal, refs: frozenset[Ref]) -> Iterator[str]:
    """What fails after a cure and could not be tried before it, mostly since nobody could sign up.

    ``refs`` are the keys that the cure leaves where they lead: what it moves or adds has to hold all the same.
    """
    kept = frozenset([ref.part for ref in refs])
    known = {result.key.ref: result for result in former.references}
    fresh = [
        (result, _fresh(result.worlds, known.get(result.key.ref), is_own=result.key.ref not in refs))
        for result in latter.tried
    ]
    for result, worlds in fresh:
        broken = _broken(result.worlds)
        if broken and broken.keys() <= worlds and _are_excused([one.failure for one in broken.values()], kept):
            yield f"reference {result.key.ref}"
    yield from (f"insert into {table}" for table in _untried_inserts(fresh, kept))
    yield from _untried_writes(former, latter, kept)
    flows = {flow.flow: flow for flow in former.flows}
    job = any("service-role" in worlds & _broken(result.worlds).keys() for result, worlds in fresh)
    for flow in latter.flows:
        before = flows.get(flow.flow)
        is_fresh = before is not None and (before.outcome == "not-run" or (job and flow.flow == "service-role-write"))
        if is_fresh and _are_excused([flow.failed_step.failure if flow.failed_step else None], kept):
            yield f"flow {flow.flow}"
    if former.deletion is not None and former.deletion.reason is not None:
        first = latter.deletion.first if latter.deletion is not None else None
        if _are_excused([first.failure if first is not None else None], kept):
            yield "deletion"


def _fresh(
    worlds: Mapping[World, WorldVerdict], before: ReferenceResult | WriteResult | None, *, is_own: bool
) -> set[World]:
    """The worlds in which something was not tried before.

    Of what is the cure's own, none; but no key makes a trigger write somebody else.
    """
    if before is None and is_own:
        return {world for world, verdict in worlds.items() if verdict.outcome == "overwritten"}
    if before is None or before.not_run is not None:
        return set(worlds)
    return {world for world in worlds if world not in before.worlds or before.worlds[world].outcome == "not-run"}


def _are_excused(failures: Iterable[Failure | None], kept: frozenset[str]) -> bool:
    return all(one is None or one.sqlstate != "23503" or one.constraint in kept for one in failures)


def _untried_inserts(fresh: Iterable[tuple[ReferenceResult, set[World]]], kept: frozenset[str]) -> Iterator[QName]:
    tables: dict[QName, bool] = {}
    for result, worlds in fresh:
        for world in PRODUCTION:
            verdict = result.worlds.get(world)
            if verdict is None or not is_misled(verdict) or verdict.first is None:
                continue
            excused = world in worlds and _are_excused([verdict.first.failure], kept)
            tables[result.key.table] = tables.get(result.key.table, True) and excused
    return (table for table, excused in tables.items() if excused)


def _untried_writes(former: Rehearsal, latter: Rehearsal, kept: frozenset[str]) -> Iterator[str]:
    known = {(result.trigger, result.event): result for result in former.writes}
    for result in latter.writes:
        worlds = _fresh(result.worlds, known.get((result.trigger, result.event)), is_own=True)
        broken = _broken(result.worlds)
        if broken.keys() <= worlds and _are_excused([one.failure for one in broken.values()], kept):
            yield f"write {result.trigger} {result.event}"
