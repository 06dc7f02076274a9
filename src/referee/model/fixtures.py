"""What seeds and tests do to rows: which tables they fill by hand, in whose name, and what they switch off for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from referee.model.names import QName, Ref
from referee.model.origins import Origins, Place

FixtureKind = Literal["seed", "test", "code"]


@dataclass(frozen=True, slots=True)
class Fill:
    """A statement that puts rows into a table. ``unit`` is the function that it stands in, or the file.

    ``values`` maps the columns that it names to their constants: a text, None for NULL, and ``...`` for what only a run
    tells. It is None where no columns are named. ``role`` is who has been taken to write: None for the role that runs
    the file, which no policy binds. ``is_call`` is for a call of a client in program text, which need not be SQL; then
    ``is_sure`` is whether it is known with whose rights the client writes.
    """

    table: QName
    place: Place
    unit: str
    values: Mapping[str, object] | None = None
    on_conflict: Literal["", "nothing", "update"] = ""
    role: str | None = None
    is_call: bool = False
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Bypass:
    """A statement that keeps foreign keys or triggers from seeing what follows it.

    ``table`` and ``trigger`` are None for a whole session in replica mode; ``trigger`` is "all", "user" or a name.
    """

    kind: Literal["replica", "triggers"]
    place: Place
    table: QName | None = None
    trigger: str | None = None


@dataclass(frozen=True)
class FixtureFile:
    """One file. ``roles`` are those that it takes, ``place`` its first statement that touches rows.

    ``makers`` are the units in which an account comes into being: by hand, or by a helper that is called there.
    ``calls`` are the bare names of the functions that the file itself calls. ``is_code`` is for program text; its
    functions are run by whoever runs the tests.
    """

    path: str
    kind: FixtureKind
    fills: tuple[Fill, ...] = ()
    bypasses: tuple[Bypass, ...] = ()
    roles: frozenset[str] = frozenset()
    makers: frozenset[str] = frozenset()
    calls: frozenset[str] = frozenset()
    place: Place | None = None
    is_code: bool = False

    def function_of(self, fill: Fill) -> str:
        """The function of this file that a fill stands in; empty for the file itself."""
        return "" if fill.unit == self.path else fill.unit


@dataclass(frozen=True)
class Fixtures:
    """Every seed and test of a project that was read, and where what was found in them stands."""

    files: tuple[FixtureFile, ...] = ()
    origins: Origins = field(default_factory=Origins)


@dataclass(frozen=True, slots=True)
class DeleteFill:
    """Delete the statement of a seed or test, at ``line``, that fills a mirror which ``trigger`` fills as well."""

    kind: ClassVar[str] = "delete-fill"
    path: str
    line: int
    table: QName
    trigger: Ref

    def describe(self) -> str:
        return (
            f"delete the statement in {self.path}:{self.line} that fills {self.table} by hand; {self.trigger} fills it"
        )
