"""What rules report, and what is printed of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.remedy import Remedy
from referee.model.source import Location


class Severity(IntEnum):
    """What happens if it stays."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    def __str__(self) -> str:
        return ("info", "warning", "error")[self]


class Confidence(IntEnum):
    """How sure referee is."""

    POSSIBLE = 0
    LIKELY = 1
    CERTAIN = 2

    def __str__(self) -> str:
        return ("possible", "likely", "certain")[self]


@dataclass(frozen=True, slots=True)
class Note:
    """A second place that helps to understand a problem."""

    message: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule's report, with symbolic places.

    ``cause`` and ``consequence`` are one sentence each, without a line break. ``object`` is the constraint, trigger,
    function, policy or table at fault; ``place`` is what to point at where that is not the object as a whole. ``key``
    tells apart two problems of one rule on one object; it takes part in the fingerprint and so must not hold a
    position, nor a path: ``file`` is the file, as it is printed, where that too tells them apart.
    ``misses`` is the bare name of the object that the project lacks, where the problem is that it does.
    """

    object: Ref
    cause: str
    consequence: str
    severity: Severity
    confidence: Confidence = Confidence.CERTAIN
    table: QName | None = None
    columns: tuple[str, ...] = ()
    target: Target | None = None
    expected_target: Target | None = None
    place: Place | None = None
    related: tuple[Note, ...] = ()
    remedy: Remedy | None = None
    key: str = ""
    file: str = ""
    misses: str = ""


@dataclass(frozen=True, slots=True)
class LocatedNote:
    """A note with its place made printable; None where no file holds it."""

    message: str
    object: str | None
    location: Location | None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of one rule with its place made printable. ``location`` is None in a live database."""

    rule: str
    problem: Problem
    location: Location | None
    related: tuple[LocatedNote, ...]
    fingerprint: str
