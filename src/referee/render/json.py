"""Version 1 of referee's own JSON. It is frozen: a change that a reader could notice is a version 2.

Lines and columns count from 1, in code points; ends are exclusive. Objects are named as SQL names them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

import msgspec

from referee import __version__
from referee.model.diagnosis import Diagnosis, Notice, Subject
from referee.model.finding import Finding
from referee.model.identity import Evidence, Identity, Mirror, Reference, Write
from referee.model.origins import Gap, Origins, Place
from referee.model.remedy import Remedy
from referee.model.source import Location


class JsonLocation(msgspec.Struct, frozen=True, gc=False):
    file: str
    line: int
    column: int
    end_line: int
    end_column: int


class JsonRelated(msgspec.Struct, frozen=True, gc=False):
    message: str
    object: str | None
    location: JsonLocation | None


class JsonRemedy(msgspec.Struct, frozen=True, gc=False):
    kind: str
    description: str
    safety: str


class JsonFinding(msgspec.Struct, frozen=True, gc=False):
    rule: str
    severity: str
    confidence: str
    object: str
    table: str | None
    columns: tuple[str, ...]
    target: str | None
    expected_target: str | None
    message: str
    location: JsonLocation | None
    related: tuple[JsonRelated, ...]
    remedy: JsonRemedy | None
    fingerprint: str


class JsonGap(msgspec.Struct, frozen=True, gc=False):
    kind: str
    message: str
    object: str | None
    location: JsonLocation | None


class JsonSubject(msgspec.Struct, frozen=True, gc=False):
    kind: str
    name: str
    platform: str
    files: int
    statements: int
    tables: int
    rules: tuple[str, ...]


class JsonNotice(msgspec.Struct, frozen=True, gc=False):
    message: str
    location: JsonLocation | None


class JsonSummary(msgspec.Struct, frozen=True, gc=False):
    error: int
    warning: int
    info: int
    suppressed: int
    baselined: int
    gaps: dict[str, int]
    notices: tuple[JsonNotice, ...]


class JsonEvidence(msgspec.Struct, frozen=True, gc=False):
    kind: str
    detail: str
    location: JsonLocation | None


class JsonMirror(msgspec.Struct, frozen=True, gc=False):
    table: str
    key: str
    confidence: str
    evidence: tuple[JsonEvidence, ...]
    synced_by: tuple[str, ...]


class JsonReference(msgspec.Struct, frozen=True, gc=False):
    foreign_key: str
    table: str
    column: str
    target: str
    on_delete: str
    verdict: str
    location: JsonLocation | None


class JsonWrite(msgspec.Struct, frozen=True, gc=False):
    expression: str
    where: str
    name: str
    location: JsonLocation | None
    reaches: tuple[str, ...]


class JsonIdentity(msgspec.Struct, frozen=True, gc=False):
    source: str
    mirrors: tuple[JsonMirror, ...]
    canonical: str
    decided_by: str
    votes: dict[str, int]
    references: tuple[JsonReference, ...]
    writes: tuple[JsonWrite, ...]


class JsonDiagnosis(msgspec.Struct, frozen=True, gc=False):
    version: Literal[1]
    referee: str
    subject: JsonSubject
    identities: tuple[JsonIdentity, ...]
    findings: tuple[JsonFinding, ...]
    gaps: tuple[JsonGap, ...]
    summary: JsonSummary


class JsonIdentities(msgspec.Struct, frozen=True, gc=False):
    version: Literal[1]
    identities: tuple[JsonIdentity, ...]


def render(diagnosis: Diagnosis) -> str:
    """The whole diagnosis."""
    return "".join(pieces(diagnosis))


def pieces(diagnosis: Diagnosis) -> Iterator[str]:
    """The whole diagnosis in pieces, one for each item of a list, which is one line: tens of thousands of findings
    need no more memory than one. Put together they are what ``JsonDiagnosis`` says.
    """
    origins = diagnosis.origins
    yield from _members(("version", 1), ("referee", __version__), ("subject", _subject(diagnosis.subject)))
    yield from _list("identities", (_pieces_of(identity, origins) for identity in diagnosis.identities.all))
    yield from _list("findings", ((_text_of(_finding(finding)),) for finding in diagnosis.findings))
    yield from _list("gaps", ((_text_of(_gap(gap, origins)),) for gap in diagnosis.gaps))
    yield f',\n  "summary": {_indented(_summary(diagnosis), 1)}\n}}\n'


def render_identities(diagnosis: Diagnosis) -> str:
    """The identities alone."""
    return _indented(JsonIdentities(1, _identities(diagnosis)), 0) + "\n"


def _members(*members: tuple[str, object]) -> Iterator[str]:
    for number, (name, value) in enumerate(members):
        yield f'{"," if number else "{"}\n  "{name}": {_indented(value, 1)}'


def _list(name: str, items: Iterable[Iterable[str]]) -> Iterator[str]:
    """A list of items, each of which is a line in pieces."""
    opening = f',\n  "{name}": ['
    is_empty = True
    for item in items:
        yield f"{opening}\n    "
        yield from item
        opening, is_empty = ",", False
    yield f"{opening}]" if is_empty else "\n  ]"


_REFERENCES, _WRITES = '"references":[', '],"writes":['


def _pieces_of(identity: Identity, origins: Origins) -> Iterator[str]:
    """An identity as ``JsonIdentity`` says it. Most references of a project, and most writes, belong to one."""
    bare = _text_of(_identity(replace(identity, references=(), writes=()), origins))
    end = f"{_REFERENCES}{_WRITES}]}}"
    yield bare.removesuffix(end) + _REFERENCES
    yield from _separated(_reference(reference, origins) for reference in identity.references)
    yield _WRITES
    yield from _separated(_write(write, origins) for write in identity.writes)
    yield "]}"


def _separated(items: Iterable[object]) -> Iterator[str]:
    for number, item in enumerate(items):
        yield f",{_text_of(item)}" if number else _text_of(item)


_encode = msgspec.json.Encoder().encode


def _text_of(item: object) -> str:
    return _encode(item).decode()


def _indented(value: object, level: int) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode().replace("\n", "\n" + "  " * level)


def _subject(subject: Subject) -> JsonSubject:
    return JsonSubject(
        subject.kind,
        subject.name,
        subject.platform,
        subject.files,
        subject.statements,
        subject.tables,
        subject.rules,
    )


def _finding(finding: Finding) -> JsonFinding:
    problem = finding.problem
    return JsonFinding(
        finding.rule,
        str(problem.severity),
        str(problem.confidence),
        str(problem.object),
        _text(problem.table),
        problem.columns,
        _text(problem.target),
        _text(problem.expected_target),
        f"{problem.cause} {problem.consequence}".strip(),
        _location(finding.location),
        tuple([JsonRelated(note.message, note.object, _location(note.location)) for note in finding.related]),
        None if problem.remedy is None else _remedy(problem.remedy),
        finding.fingerprint,
    )


def _remedy(remedy: Remedy) -> JsonRemedy:
    return JsonRemedy(remedy.change.kind, remedy.change.describe(), str(remedy.safety))


def _gap(gap: Gap, origins: Origins) -> JsonGap:
    return JsonGap(gap.kind, gap.message, _text(gap.object), _location(gap.span and origins.locate(gap.span)))


def _summary(diagnosis: Diagnosis) -> JsonSummary:
    numbers = {str(severity): number for severity, number in diagnosis.by_severity.items()}
    return JsonSummary(
        **numbers,
        suppressed=diagnosis.suppressed,
        baselined=diagnosis.baselined,
        gaps=dict(sorted(Counter(gap.kind for gap in diagnosis.gaps).items())),
        notices=tuple(_notice(notice) for notice in diagnosis.notices),
    )


def _notice(notice: Notice) -> JsonNotice:
    return JsonNotice(notice.message, _location(notice.location))


def _identities(diagnosis: Diagnosis) -> tuple[JsonIdentity, ...]:
    return tuple(_identity(identity, diagnosis.origins) for identity in diagnosis.identities.all)


def _identity(identity: Identity, origins: Origins) -> JsonIdentity:
    return JsonIdentity(
        str(identity.source),
        tuple(_mirror(mirror, origins) for mirror in identity.mirrors),
        str(identity.canonical),
        identity.decided_by,
        {str(target): number for target, number in identity.votes},
        tuple(_reference(reference, origins) for reference in identity.references),
        tuple(_write(write, origins) for write in identity.writes),
    )


def _mirror(mirror: Mirror, origins: Origins) -> JsonMirror:
    evidence = tuple(_evidence(item, origins) for item in mirror.evidence)
    synced_by = tuple(str(trigger) for trigger in mirror.synced_by)
    return JsonMirror(str(mirror.table), mirror.column, str(mirror.confidence), evidence, synced_by)


def _evidence(evidence: Evidence, origins: Origins) -> JsonEvidence:
    return JsonEvidence(evidence.kind, evidence.detail, _place(evidence.place, origins))


def _reference(reference: Reference, origins: Origins) -> JsonReference:
    key = reference.key
    ref = key.ref
    return JsonReference(
        str(ref),
        str(key.table),
        reference.column,
        str(key.target),
        key.on_delete,
        reference.verdict,
        _location(origins.location_of(ref)),
    )


def _write(write: Write, origins: Origins) -> JsonWrite:
    reaches = tuple(str(key.ref) for key in write.reaches)
    return JsonWrite(write.expression, write.where, str(write.owner), _place(write.place, origins), reaches)


def _place(place: Place | None, origins: Origins) -> JsonLocation | None:
    return None if place is None else _location(origins.location(place))


def _location(location: Location | None) -> JsonLocation | None:
    if location is None:
        return None
    return JsonLocation(location.file, location.line, location.column, location.end_line, location.end_column)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
