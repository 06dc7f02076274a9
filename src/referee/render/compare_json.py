"""A comparison as JSON, version 1. Once released, keys are added and never change.

``change`` is the kind of change that leads from the left side to the right one (several with "+" between them), empty
where no statement can bring it about; ``remedy`` is what removes the difference.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from referee import __version__
from referee.model.comparison import Comparison, Explanation, Fix, Folded, Judged, Played, Subject, Trial


class JsonSubject(msgspec.Struct, frozen=True):
    kind: str
    name: str
    platform: str
    server: int | None
    tables: int


class JsonRemedy(msgspec.Struct, frozen=True):
    side: str
    kind: str
    description: str
    statements: tuple[str, ...]
    reason: str | None


class JsonDifference(msgspec.Struct, frozen=True):
    change: str
    object: str
    difference: str
    consequence: str
    who: str | None
    sqlstate: str | None
    affected: str
    at_fault: str | None
    rules: tuple[str, ...]
    severity: str
    migration: str | None
    remedy: JsonRemedy


class JsonFolded(msgspec.Struct, frozen=True):
    kind: str
    count: int
    examples: tuple[str, ...]


class JsonExplanation(msgspec.Struct, frozen=True):
    failure: str
    explained_by: str | None
    proof: tuple[str, ...]


class JsonPlayed(msgspec.Struct, frozen=True):
    name: str
    circumstance: str | None
    left: str
    right: str


class JsonRehearsal(msgspec.Struct, frozen=True):
    """``played`` counts what both sides have; ``after`` is what still differs with the proposed changes."""

    server: str
    played: int
    differing: tuple[JsonPlayed, ...]
    after: tuple[JsonPlayed, ...]
    not_built: tuple[str, ...]
    refused: tuple[str, ...]


class JsonComparison(msgspec.Struct, frozen=True, omit_defaults=True):
    version: Literal[1]
    referee: str
    left: JsonSubject
    right: JsonSubject
    differences: tuple[JsonDifference, ...]
    folded: tuple[JsonFolded, ...]
    not_seen: tuple[str, ...]
    explanation: JsonExplanation | None = None
    rehearsal: JsonRehearsal | None = None


def render(
    comparison: Comparison,
    failure: str | None = None,
    explanation: Explanation | None = None,
    trial: Trial | None = None,
) -> str:
    """The whole comparison; with the explanation of a failure and what playing both sides gave, if asked for."""
    found = JsonComparison(
        1,
        __version__,
        _subject(comparison.left),
        _subject(comparison.right),
        tuple(_difference(judged) for judged in comparison.differences),
        tuple(_folded(folded) for folded in comparison.folded),
        comparison.not_seen,
        None if failure is None else _explanation(failure, explanation),
        None if trial is None else _rehearsal(trial),
    )
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _subject(subject: Subject) -> JsonSubject:
    return JsonSubject(subject.kind, subject.name, subject.platform, subject.server, subject.tables)


def _difference(judged: Judged) -> JsonDifference:
    difference, consequence = judged.difference, judged.consequence
    return JsonDifference(
        "+".join(change.kind for change in difference.forward),
        str(difference.object),
        difference.summary,
        consequence.text,
        consequence.who or None,
        consequence.sqlstate,
        judged.affected,
        judged.at_fault,
        judged.because,
        str(judged.severity),
        judged.migration,
        _remedy(judged.fix),
    )


def _remedy(fix: Fix) -> JsonRemedy:
    return JsonRemedy(
        fix.side,
        "+".join(change.kind for change in fix.changes),
        "; ".join(change.describe() for change in fix.changes),
        fix.statements,
        fix.reason,
    )


def _folded(folded: Folded) -> JsonFolded:
    return JsonFolded(folded.kind, folded.count, folded.examples)


def _explanation(failure: str, explanation: Explanation | None) -> JsonExplanation:
    if explanation is None:
        return JsonExplanation(failure, None, ())
    return JsonExplanation(failure, str(explanation.judged.difference.object), explanation.proof)


def _rehearsal(trial: Trial) -> JsonRehearsal:
    return JsonRehearsal(
        trial.server,
        trial.played,
        tuple(map(_played, trial.differing)),
        tuple(map(_played, trial.left_over)),
        trial.not_built,
        trial.refused,
    )


def _played(one: Played) -> JsonPlayed:
    return JsonPlayed(one.name, one.circumstance or None, one.left, one.right)
