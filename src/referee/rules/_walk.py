"""The steps of a function in the order of the text: which are reached, and what is known there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

from referee.rules._nulls import (
    ALWAYS,
    MAYBE,
    UNKNOWN,
    Facts,
    Name,
    Nullness,
    Truth,
    assume,
    document_of,
    nullness,
    truth,
    word,
)
from referee.sql.expressions import walk
from referee.sql.tree import Column, Expr, Guard, Query, Step, Subquery, Variable

_STRICT = re.compile(r"\binto\s+strict\b", re.IGNORECASE)


class Reach(IntEnum):
    """Whether a step is run. SOMETIMES: certainly for some rows; PERHAPS: nothing is known."""

    NOT = 0
    PERHAPS = 1
    SOMETIMES = 2
    SURE = 3


class Walk:
    """One pass through a function. For each step call ``reach``, then ``finish``.

    ``facts`` hold behind the last step, ``given`` at the present one, with what its conditions have shown. Nothing is
    known at first of a variable without a default: what fills it may be hidden.
    """

    def __init__(self, facts: Facts, variables: Iterable[Variable] = ()) -> None:
        for variable in variables:
            if variable.default is not None:
                value = variable.default
                document = document_of(value, facts)
                facts = facts.assign((variable.name,), nullness(value, facts), word(value, facts), document)
        self.facts = facts
        self.given = facts
        self._reach = Reach.NOT
        self._at = -1
        self._held: dict[Guard, tuple[Truth, int]] = {}
        self._assigned: dict[Name, int] = {}

    def reach(self, step: Step) -> Reach:
        """Whether the step is run. What stands in an EXCEPTION section counts as not run."""
        self._at += 1
        self._reach = Reach.NOT
        if step.in_handler >= 0:
            return Reach.NOT
        given, reach = self.facts, Reach.PERHAPS if step.in_loop else Reach.SURE
        for guard in step.guards:
            # A condition is tested once, before the first step behind it; what happens there may change its names.
            known = self._held.get(guard)
            if known is None:
                known = self._held[guard] = (truth(guard.condition, given), self._at)
            held, since = known
            if held is Truth.SOME and reach is Reach.SURE:
                reach = Reach.SOMETIMES
            elif held in (Truth.SOME, Truth.UNKNOWN):
                reach = Reach.PERHAPS  # two conditions that each hold for some rows need not hold for any together
            elif (held is Truth.TRUE) == guard.negated:
                return Reach.NOT
            if not self._has_changed(guard, since):
                given = assume(guard.condition, not guard.negated, given)
        self.given, self._reach = given, reach
        return reach

    def finish(self, step: Step) -> bool:
        """Takes over what a reached step assigns; answers whether the function ends with it."""
        if step.kind == "assign":
            self._assign(tuple(step.target.split(".")), step)
        if step.query is not None:
            found = MAYBE if _may_find_nothing(step, step.query) else UNKNOWN
            for target in step.query.into:
                self._set(tuple(target.lower().split(".")), found)
        if self._reach is not Reach.SURE:
            return False
        return step.kind == "return" or (step.kind == "raise" and step.level == "exception" and not step.handlers)

    def plain_guard(self, step: Step) -> str:
        """The first condition of the present step that may hold or not, where it looks at the new row alone."""
        for guard in step.guards:
            held = self._held.get(guard)
            if (
                held is not None
                and held[0] is Truth.UNKNOWN
                and guard.condition is not None
                and is_plain(guard.condition)
            ):
                return f"NOT ({guard.text})" if guard.negated else guard.text
        return ""

    def _has_changed(self, guard: Guard, since: int) -> bool:
        if guard.condition is None:
            return False
        names = {inner.parts for inner in walk(guard.condition) if isinstance(inner, Column)}
        return any(self._assigned.get(name, -1) >= since for name in names)

    def _assign(self, name: Name, step: Step) -> None:
        nulls, known = nullness(step.value, self.given), word(step.value, self.given)
        if self._reach is Reach.SURE:
            document = document_of(step.value, self.given) if step.value is not None else None
            self._set(name, nulls, known, document)
            return
        before = self._where_not_reached(step)
        former = nullness(Column(name), before)
        self._set(name, self._joined(nulls, former), known if known == word(Column(name), before) else None)

    def _joined(self, assigned: Nullness, former: Nullness) -> Nullness:
        """How often a value is NULL that was assigned where a condition held and stayed as it was elsewhere."""
        if assigned is former:
            return assigned
        both_happen = self._reach is Reach.SOMETIMES and ALWAYS in (assigned, former)
        return MAYBE if both_happen or min(assigned, former) >= MAYBE else UNKNOWN

    def _where_not_reached(self, step: Step) -> Facts:
        """What is known where a step's last condition turned out the other way, and so nothing was assigned."""
        if len(step.guards) != 1:
            return self.facts
        [guard] = step.guards
        return assume(guard.condition, guard.negated, self.facts)

    def _set(self, name: Name, nulls: Nullness, known: str | None = None, document: Name | None = None) -> None:
        self.facts = self.facts.assign(name, nulls, known, document)
        self._assigned[name] = self._at


def _may_find_nothing(step: Step, query: Query) -> bool:
    """Whether SELECT INTO looks up something of the new row, other than its id, that need not be there."""
    if query.action != "select" or not query.sources or query.derived or _STRICT.search(step.text):
        return False
    if not all(isinstance(output.value, Column) for output in query.outputs):
        return False
    names = {inner.parts for condition in query.conditions for inner in walk(condition) if isinstance(inner, Column)}
    return any(name[0] == "new" for name in names) and ("new", "id") not in names


def is_plain(condition: Expr) -> bool:
    """Whether a condition looks at nothing but the row that fires the trigger."""
    for inner in walk(condition):
        if isinstance(inner, Subquery):
            return False
        if isinstance(inner, Column) and inner.parts[0] not in ("new", "old") and not inner.parts[0].startswith("tg_"):
            return False
    return True
