"""From problems with symbolic places to findings with lines and columns."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b

from referee.model.finding import Finding, LocatedNote, Note, Problem
from referee.model.names import Ref
from referee.model.origins import Origins, Place
from referee.model.source import Location


def locate(rule: str, problem: Problem, origins: Origins) -> Finding:
    """The finding of a rule, its places looked up in ``origins``.

    Where an object itself was not written in any file (a key that LIKE copied), its table is pointed at.
    """
    location = _locate(problem.place or Place(problem.object), origins)
    notes = tuple(_note(note, origins) for note in problem.related)
    return Finding(rule, problem, location, notes, fingerprint(rule, problem))


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by file, line and object, the gravest of each first; those without a place in a file come last."""
    return tuple(sorted(findings, key=_order))


def fingerprint(rule: str, problem: Problem) -> str:
    """What stays the same while lines move: 16 hexadecimal digits from rule, object, columns, target and key."""
    target = problem.target and str(problem.target)
    identity = [rule, str(problem.object), problem.columns, target, problem.key]
    text = json.dumps(identity, ensure_ascii=True, separators=(",", ":"))
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _order(finding: Finding) -> tuple[bool, str, int, str, int, int, str, str]:
    at, problem = finding.location, finding.problem
    file, line, column = ("", 0, 0) if at is None else (at.file, at.line, at.column)
    return (at is None, file, line, str(problem.object), column, -problem.severity, finding.rule, problem.key)


def _note(note: Note, origins: Origins) -> LocatedNote:
    if note.place is None:
        return LocatedNote(note.message, None, None)
    return LocatedNote(note.message, str(note.place.ref), _locate(note.place, origins))


def _locate(place: Place, origins: Origins) -> Location | None:
    location = origins.location(place)
    if location is None and place.ref.part and place.ref.kind != "function":
        return origins.location(Place(Ref("table", *place.ref.owner)))
    return location
