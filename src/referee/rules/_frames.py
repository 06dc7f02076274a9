"""A function while it runs: with whose rights, under which search_path, called by what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from referee.model.names import QName, Ref
from referee.model.schema import Function, Schema, Table, Trigger
from referee.rules._names import Mentions, NameFault, mentions_of
from referee.rules._sign_up import Event
from referee.rules._troubles import Names
from referee.sql.bodies import variable_values
from referee.sql.resolve import effective_path
from referee.sql.tree import Body, Expr, Handler

_MAX_DEPTH = 4
_MAX_CALLS = 3


@dataclass(frozen=True, slots=True)
class Caller:
    """What a function is run with: the rights and the search_path in force, and what has run before it.

    ``event`` is what happens to the source.     ``depth`` counts the triggers above, ``calls`` the calls since the
    last one; ``catchers`` are the EXCEPTION sections around all of it; ``around`` are the triggers and functions that
    are running.
    """

    role: str
    path: tuple[str, ...]
    event: Event
    depth: int = -1
    calls: int = 0
    catchers: tuple[Handler, ...] = ()
    around: tuple[Ref, ...] = ()

    def is_too_deep(self, ref: Ref) -> bool:
        return ref in self.around or self.depth >= _MAX_DEPTH or self.calls >= _MAX_CALLS

    def inside(self, trigger: Ref, function: Function) -> Caller:
        """Within the function of a trigger."""
        entered = self._entered(function, trigger)
        return replace(entered, depth=self.depth + 1, calls=0)

    def calling(self, function: Function, handlers: tuple[Handler, ...]) -> Caller:
        """Within a function that is called."""
        entered = self._entered(function, function.ref)
        return replace(entered, calls=self.calls + 1, catchers=(*self.catchers, *handlers))

    def further(self, handlers: tuple[Handler, ...]) -> Caller:
        """Around what a statement under these EXCEPTION sections fires."""
        return replace(self, catchers=(*self.catchers, *handlers))

    def _entered(self, function: Function, ref: Ref) -> Caller:
        role = function.owner if function.security_definer and function.owner else self.role
        return replace(self, role=role, path=effective_path(function, self.path), around=(*self.around, ref))


@dataclass(frozen=True)
class Frame:
    """A function while it runs.

    ``path`` is where its names are looked up: the schemas of the search_path that its role may look into. ``table`` is
    the one whose trigger called it, None for a function called by name.
    """

    trigger: Trigger
    function: Function
    body: Body
    caller: Caller
    path: tuple[str, ...]
    table: Table | None = None

    @cached_property
    def origins(self) -> Mapping[str, tuple[Expr, ...]]:
        """What each variable may be assigned."""
        return variable_values(self.body)


class Library:
    """The functions that are met, each read once for all ways to sign up."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._said: dict[Ref, tuple[Mentions, ...]] = {}
        self._names: dict[tuple[Ref, tuple[str, ...], QName | None], tuple[list[NameFault], list[list[NameFault]]]] = {}

    def said(self, frame: Frame) -> tuple[Mentions, ...]:
        """What the steps of a function name."""
        known = self._said.get(frame.function.ref)
        if known is None:
            known = self._said[frame.function.ref] = tuple([mentions_of(step) for step in frame.body.steps])
        return known

    def name_faults(self, frame: Frame) -> tuple[list[NameFault], list[list[NameFault]]]:
        """The names that lead nowhere or astray: of variables, and of each step."""
        key = (frame.function.ref, frame.path, frame.table.name if frame.table is not None else None)
        known = self._names.get(key)
        if known is None:
            names = Names(self._schema, frame.function, frame.body, frame.path, frame.table)
            known = self._names[key] = (
                list(names.of_variables()),
                [names.of_step(each) for each in self.said(frame)],
            )
        return known
