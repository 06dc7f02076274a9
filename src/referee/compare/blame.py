"""Which side is at fault: the project's own rules speak on both, and what one of them has to say alone is evidence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from referee.compare.world import World
from referee.model import change as changes
from referee.model.change import Change
from referee.model.comparison import Difference, Side
from referee.model.finding import Problem, Severity
from referee.model.names import FunctionName, QName, Ref, Target
from referee.model.schema import ForeignKey, Function, Index, Policy, Table, Trigger

_SQLSTATE = re.compile(r"\b(?:[0-9]{2}[0-9A-Z]{3}|P0001)\b")

# How closely an object belongs to a difference, and to a problem.
_ITSELF, _PART, _NEAR, _FAR = 8, 4, 2, 1


class Charge(NamedTuple):
    """A problem that one side alone has, and the rule that says so.

    ``indirect`` is whether the problem is another object's, which merely meets the difference on its way: a function
    that fails when a trigger calls it is no worse where the trigger is missing.
    """

    rule: str
    problem: Problem
    indirect: bool


@dataclass
class Evidence:
    """What the rules say on either side about one difference."""

    charges: dict[Side, list[Charge]] = field(default_factory=lambda: {"left": [], "right": []})
    is_trigger: bool = False

    def _severity(self, side: Side, indirect: bool) -> Severity | None:
        found = [one.problem.severity for one in self.charges[side] if indirect or not one.indirect]
        return max(found, default=None)

    @property
    def at_fault(self) -> Side | None:
        """The side about which the rules say the graver things; None where they are silent or say as much of both.

        What is said about the difference itself counts before what is said about other objects. Of a trigger the
        latter never counts alone: where what it calls fails, taking the trigger away is no cure.
        """
        direct = any(not one.indirect for charges in self.charges.values() for one in charges)
        if self.is_trigger and not direct:
            return None
        return self._graver(indirect=False) or self._graver(indirect=True)

    def _graver(self, indirect: bool) -> Side | None:
        left, right = self._severity("left", indirect), self._severity("right", indirect)
        if left == right:
            return None
        if left is None or right is None:
            return "right" if left is None else "left"
        return "left" if left > right else "right"

    def gravest(self, side: Side) -> Problem | None:
        found = [one.problem for one in self.charges[side]]
        return max(found, key=lambda problem: problem.severity, default=None)

    def rules(self, side: Side) -> tuple[str, ...]:
        """The rules that speak against a side, the gravest first."""
        ordered = sorted(self.charges[side], key=lambda charge: -charge.problem.severity)
        return tuple(dict.fromkeys([charge.rule for charge in ordered]))


def sqlstate_in(problem: Problem) -> str | None:
    """The first SQLSTATE that a rule foretells."""
    found = _SQLSTATE.search(problem.consequence)
    return found[0] if found is not None else None


def evidence(differences: Sequence[Difference], left: World, right: World) -> list[Evidence]:
    """The evidence for each difference, in their order."""
    found = [Evidence(is_trigger=difference.object.kind == "trigger") for difference in differences]
    if not differences:
        return found
    index: dict[Ref, list[tuple[int, int]]] = defaultdict(list)
    for at, difference in enumerate(differences):
        for ref, weight in _touched(difference, left, right).items():
            index[ref].append((at, weight))
    sides: tuple[tuple[Side, World, World], ...] = (("left", left, right), ("right", right, left))
    for side, here, there in sides:
        for rule, problem in _fresh(here, there):
            for at in _closest(problem, index, differences, left, right):
                indirect = _is_indirect(problem, differences[at], side)
                found[at].charges[side].append(Charge(rule, problem, indirect))
    return found


def _is_indirect(problem: Problem, difference: Difference, side: Side) -> bool:
    ref = difference.object
    if problem.object == ref:
        return False
    # What is wrong with a function is not wrong with the trigger that leads to it.
    if problem.object.kind == "function" and any(map(_lets_run, difference.towards(side))):
        return True
    return any(note.place is not None and note.place.ref == ref for note in problem.related)


def _lets_run(change: Change) -> bool:
    """Whether a change makes a trigger fire."""
    if isinstance(change, changes.SetTriggerState):
        return change.enabled in ("origin", "always")
    return isinstance(change, changes.CreateTrigger)


def _fresh(here: World, there: World) -> Iterator[tuple[str, Problem]]:
    """The problems of one side that the other has not, or has less gravely."""
    known = {_identity(rule, problem): problem.severity for rule, problem in there.problems}
    for rule, problem in here.problems:
        severity = known.get(_identity(rule, problem))
        if severity is None or severity < problem.severity:
            yield rule, problem


def _identity(rule: str, problem: Problem) -> tuple[object, ...]:
    return rule, problem.object, problem.key, problem.columns


def _closest(
    problem: Problem,
    index: Mapping[Ref, list[tuple[int, int]]],
    differences: Sequence[Difference],
    left: World,
    right: World,
) -> list[int]:
    """The differences that a problem most likely comes from."""
    cured = [at for at, one in enumerate(differences) if _would_cure(one, problem)]
    if cured:
        return cured
    scores: dict[int, int] = defaultdict(int)
    for ref, weight in _about(problem).items():
        for at, other_weight in index.get(ref, ()):
            scores[at] = max(scores[at], weight * other_weight)
    if not scores:
        # Rules reason over several steps: what fills a mirror decides about keys far away from it.
        scores = {at: 1 for at, one in enumerate(differences) if _concerns_identities(one, left, right)}
    best = max(scores.values(), default=0)
    return [at for at, score in scores.items() if score == best]


def _would_cure(difference: Difference, problem: Problem) -> bool:
    """Whether what removes a difference is what the rule itself would do."""
    remedy = problem.remedy
    if remedy is None:
        return False
    return any(_does_the_same(remedy.change, change) for change in (*difference.forward, *difference.backward))


def _does_the_same(remedy: Change, change: Change) -> bool:
    """Whether a change is what a remedy stands for. Other remedies name the object of the difference anyway."""
    if isinstance(remedy, changes.CreateIndex) and isinstance(change, changes.AddIndex):
        return (remedy.table, remedy.columns) == (change.index.table, change.index.columns)
    if isinstance(remedy, changes.AddIdentityKey) and isinstance(change, changes.CreateForeignKey):
        return (remedy.mirror, remedy.source) == (Target(change.key.table, change.key.columns), change.key.target)
    return False


def _concerns_identities(difference: Difference, left: World, right: World) -> bool:
    ref = difference.object
    return any(
        ref.owner in world.sources or ref.owner in world.mirrors or ref in world.synced for world in (left, right)
    )


def _about(problem: Problem) -> dict[Ref, int]:
    found: dict[Ref, int] = {}
    for note in problem.related:
        if note.place is not None:
            found[note.place.ref] = _FAR
    if problem.table is not None:
        found[Ref("table", *problem.table)] = _NEAR
    if problem.remedy is not None:
        found.update(dict.fromkeys(refs_in(problem.remedy.change), _PART))
    found[problem.object] = _ITSELF
    return found


# What a difference touches


def _touched(difference: Difference, left: World, right: World) -> dict[Ref, int]:
    found: dict[Ref, int] = {}
    for change in (*difference.forward, *difference.backward):
        for world in (left, right):
            for ref, weight in _reach(change, world):
                found[ref] = max(found.get(ref, 0), weight)
    found[difference.object] = _ITSELF
    return found


def _reach(change: Change, world: World) -> Iterator[tuple[Ref, int]]:
    """The objects that a change alters, and those whose judgement depends on them."""
    for ref in refs_in(change):
        yield ref, _PART
    for item in _facts(change):
        if isinstance(item, Trigger):
            yield from _around_trigger(item, world)
        elif isinstance(item, Function):
            yield from _around_function(item.name, world)
        elif isinstance(item, Index):
            yield from _around_index(item, world)
        elif isinstance(item, ForeignKey):
            yield Ref("table", *item.target.table), _NEAR
        elif isinstance(item, Table):
            yield from [(key.ref, _PART) for key in item.foreign_keys]
        elif isinstance(item, Ref):
            yield from _around_ref(item, world)


def _facts(change: Change) -> Iterator[object]:
    for one in fields(change):
        yield getattr(change, one.name)


def refs_in(change: Change) -> Iterator[Ref]:
    """The objects that a change names."""
    for item in _facts(change):
        if isinstance(item, Ref):
            yield item
        elif isinstance(item, Target):
            yield Ref("table", *item.table)
        elif isinstance(item, QName):
            yield Ref("table", *item)
        elif isinstance(item, ForeignKey | Trigger | Function | Table | Index):
            yield item.ref
        elif isinstance(item, Policy):
            yield item.ref
            yield Ref("table", *item.table)


def _around_trigger(trigger: Trigger, world: World) -> Iterator[tuple[Ref, int]]:
    yield Ref("function", *trigger.function, "()"), _PART
    yield Ref("table", *trigger.table), _NEAR
    yield from _mirrors(trigger.ref, world)


def _mirrors(trigger: Ref, world: World) -> Iterator[tuple[Ref, int]]:
    for mirror in world.synced.get(trigger, ()):
        yield Ref("table", *mirror.table), _PART
        for key in world.relying(mirror.table):
            yield key.ref, _FAR


def _around_function(name: FunctionName, world: World) -> Iterator[tuple[Ref, int]]:
    for trigger in world.schema.triggers_by_function.get(name.qualified, ()) if not name.arguments else ():
        yield trigger.ref, _PART
        yield from _mirrors(trigger.ref, world)


def _around_index(index: Index, world: World) -> Iterator[tuple[Ref, int]]:
    table = world.schema.table(index.table)
    for key in table.foreign_keys if table is not None else ():
        if set(key.columns) <= set(index.columns):
            yield key.ref, _PART


def _around_ref(ref: Ref, world: World) -> Iterator[tuple[Ref, int]]:
    if ref.kind == "trigger":
        trigger = world.trigger(ref)
        if trigger is not None:
            yield from _around_trigger(trigger, world)
    elif ref.kind == "column":
        table = world.schema.table(ref.owner)
        yield Ref("table", *ref.owner), _NEAR
        for key in table.foreign_keys if table is not None else ():
            if ref.part in key.columns:
                yield key.ref, _PART
        for key in world.schema.referencing.get(ref.owner, ()):
            if ref.part in key.target.columns:
                yield key.ref, _PART
    elif ref.kind == "constraint":
        yield Ref("table", *ref.owner), _NEAR


__all__ = ["Charge", "Evidence", "evidence", "refs_in", "sqlstate_in"]
