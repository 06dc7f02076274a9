"""From problems with symbolic places to findings with lines and columns."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted

from referee.model.finding import Finding, LocatedNote, Note, Problem
from referee.model.names import Ref
from referee.model.origins import Origins
from referee.model.source import Location


def locate(rule: str, problem: Problem, origins: Origins) -> Finding:
    """The finding of a rule, its places looked up in ``origins``.

    Where an object itself was not written in any file (a key that LIKE copied), its table is pointed at.
    """
    return _located(rule, problem, _notes(problem, origins), origins)


def locate_all(problems: Iterable[tuple[str, Problem]], origins: Origins) -> Iterator[Finding]:
    """The findings of problems, each with the rule that found it. Problems that share their notes do so as findings."""
    related: tuple[Note, ...] | None = None
    notes: tuple[LocatedNote, ...] = ()
    for rule, problem in problems:
        if problem.related is not related:
            related, notes = problem.related, _notes(problem, origins)
        yield _located(rule, problem, notes, origins)


def _located(rule: str, problem: Problem, notes: tuple[LocatedNote, ...], origins: Origins) -> Finding:
    place = problem.place
    location = _locate(problem.object, origins) if place is None else _locate(place.ref, origins, place.within)
    return Finding(rule, problem, location, notes, fingerprint(rule, problem, origins.root))


def _notes(problem: Problem, origins: Origins) -> tuple[LocatedNote, ...]:
    return tuple([_note(note, origins) for note in problem.related])


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by file, line and object, the gravest of each first; those without a place in a file come last."""
    return tuple(sorted(findings, key=_order))


def fingerprint(rule: str, problem: Problem, root: str = "") -> str:
    """What stays the same while lines move: 16 hexadecimal digits from rule, object, columns, target, key and file.

    Files count as they are seen from the folder ``root``, so that it is the same wherever one stands.
    """
    columns = ",".join([quoted(column) for column in problem.columns])
    target = "null" if problem.target is None else quoted(str(problem.target))
    name = _seen_from(root, problem.object.name) if problem.object.kind == "file" else str(problem.object)
    file = f",{quoted(_seen_from(root, problem.file))}" if problem.file else ""
    text = f"[{quoted(rule)},{quoted(name)},[{columns}],{target},{quoted(problem.key)}{file}]"
    return blake2b(text.encode(), digest_size=8).hexdigest()


def _seen_from(root: str, path: str) -> str:
    if not root:
        return path
    try:
        return os.path.relpath(path, root).replace(os.sep, "/")
    except (OSError, ValueError):  # the current folder is gone, or the path is on another drive
        return path


def _order(finding: Finding) -> tuple[bool, str, int, str, int, int, str, str]:
    at, problem = finding.location, finding.problem
    file, line, column = ("", 0, 0) if at is None else (at.file, at.line, at.column)
    return (at is None, file, line, str(problem.object), column, -problem.severity, finding.rule, problem.key)


def _note(note: Note, origins: Origins) -> LocatedNote:
    if note.place is None:
        return LocatedNote(note.message, None, None)
    ref = note.place.ref
    return LocatedNote(note.message, str(ref), _locate(ref, origins, note.place.within))


def _locate(ref: Ref, origins: Origins, within: tuple[int, int] | None = None) -> Location | None:
    location = origins.location_of(ref, within)
    if location is None and ref.part and ref.kind != "function":
        return origins.location_of(Ref("table", ref.schema, ref.name))
    return location
