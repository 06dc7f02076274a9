"""What a comparison of two databases says: differences with their meaning, what was folded away, what was not seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from referee.model.change import Change
from referee.model.finding import Severity
from referee.model.names import Ref
from referee.model.source import Location

Side = Literal["left", "right"]

FoldKind = Literal[
    "formatting",  # expressions, queries and bodies that are written differently and mean the same
    "names",  # constraints, indexes, triggers and policies that differ in nothing but their names
    "order",  # columns that stand in another order
    "owners",  # what belongs to whoever owns everything on that side
    "platform",  # the platform's own objects: its version
    "default-privileges",  # default privileges, and rights of objects that came from them
    "unread",  # views and constraints that cannot be compared by meaning
]


SIDES: tuple[Side, Side] = ("left", "right")


def other(side: Side) -> Side:
    """The opposite side."""
    return "right" if side == "left" else "left"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which two databases differ.

    ``summary`` says so in one sentence with the words "left" and "right". ``forward`` makes the left like the right,
    ``backward`` the right like the left; either is empty where no statement can.
    """

    object: Ref
    summary: str
    forward: tuple[Change, ...]
    backward: tuple[Change, ...]

    def towards(self, side: Side) -> tuple[Change, ...]:
        """The changes that bring about what ``side`` has, on the other one."""
        return self.backward if side == "left" else self.forward


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a change does to those who use the database: one sentence, who is hit, with which SQLSTATE if any."""

    text: str
    severity: Severity
    who: str = ""
    sqlstate: str | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """What would remove a difference: changes of one side, as statements, or the reason why there are none."""

    side: Side
    changes: tuple[Change, ...]
    statements: tuple[str, ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """A difference with its meaning.

    ``affected`` is the side on which the consequence is felt. ``at_fault`` is the side that the project's own rules, or
    its lock file, find fault with; None where they are silent or blame both. ``because`` are these rules. ``migration``
    is the one that makes the object, where that is known, with what its history says.
    """

    difference: Difference
    consequence: Consequence
    affected: Side
    at_fault: Side | None
    fix: Fix
    because: tuple[str, ...] = ()
    migration: str | None = None

    @property
    def severity(self) -> Severity:
        return self.consequence.severity


@dataclass(frozen=True, slots=True)
class Explanation:
    """The difference that explains a failure. ``proof`` leads from the failure to it, one sentence a step."""

    judged: Judged
    proof: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Folded:
    """Differences that mean nothing: how many of a kind, and the first of them."""

    kind: FoldKind
    count: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subject:
    """One side as it is printed: ``kind`` is "project", "database", "dump" or "snapshot".

    ``server`` is the major version, None where no server was asked; ``tables`` counts the project's own.
    """

    kind: Literal["project", "database", "dump", "snapshot"]
    name: str
    platform: str
    server: int | None = None
    tables: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """A flow, a write or a deletion with what came of it on each side, in words: "fails with 23503 (bands_fkey)".

    ``circumstance`` tells apart what was tried of one name: whose id was written. It is empty for a flow.
    """

    name: str
    circumstance: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class Trial:
    """Both sides as they were played on a throw-away server, whose version is ``server``.

    ``differing`` is what came out differently of the ``played`` things that both sides have, ``left_over`` what still
    does with the proposed changes. ``not_built`` are objects that could not be made here, each behind its side, and
    ``refused`` what the host's migration role was refused of the proposed changes.
    """

    server: str
    differing: tuple[Played, ...]
    left_over: tuple[Played, ...]
    played: int
    not_built: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole result. ``differences`` are ranked, the gravest first."""

    left: Subject
    right: Subject
    differences: tuple[Judged, ...]
    folded: tuple[Folded, ...] = ()
    not_seen: tuple[str, ...] = ()

    def has_from(self, severity: Severity) -> bool:
        """Whether any difference is at least this severe."""
        return any(judged.severity >= severity for judged in self.differences)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something locked that a database has not, or has otherwise. ``restore`` brings it back, as far as that can be.

    ``done_by`` is the statement that took it away or made it what it is now, where a file holds one.
    """

    object: Ref
    message: str
    restore: tuple[Change, ...]
    done_by: Location | None = None
