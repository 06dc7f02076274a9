"""A scan as version 1 of its JSON. It is frozen: a change that a reader could notice is a version 2."""

from __future__ import annotations

from typing import Literal

import msgspec

from referee.model.scan import Answer, Cause, CauseGroup, Sample, Scan, ScanScope, Unenforced

Named = dict[str, str | None]


class JsonSample(msgspec.Struct, frozen=True):
    value: Named
    rows: int
    key: Named | None


class JsonGroup(msgspec.Struct, frozen=True):
    kind: str
    confidence: str
    values: int
    rows: int
    evidence: tuple[str, ...]
    example: Named | None


class JsonCause(msgspec.Struct, frozen=True):
    kind: str
    confidence: str
    evidence: tuple[str, ...]
    of_all: bool
    groups: tuple[JsonGroup, ...]


class JsonQuestion(msgspec.Struct, frozen=True):
    id: str
    kind: str
    subject: str
    table: str | None
    columns: tuple[str, ...]
    target: str | None
    foreign_key: str | None
    validated: bool | None
    enforced: bool | None
    severity: str
    rows_checked: int
    rows_estimated: bool
    violations: int
    values: int | None
    new_values: int | None
    sample: tuple[JsonSample, ...]
    complete: bool
    left_out: str | None
    since: str | None
    seconds: float
    cause: JsonCause | None
    query: str | None


class JsonSkipped(msgspec.Struct, frozen=True):
    subject: str
    reason: str


class JsonScope(msgspec.Struct, frozen=True):
    database: str
    server: str
    role: str
    replica: str | None
    mode: str
    parallel: int
    statement_timeout: float | None
    lock_timeout: float | None
    budget: float | None
    only: tuple[str, ...]
    tables: int
    questions: int
    identities: tuple[str, ...]
    platform_schemas_left_aside: tuple[str, ...]


class JsonScan(msgspec.Struct, frozen=True):
    version: Literal[1]
    scope: JsonScope
    questions: tuple[JsonQuestion, ...]
    skipped: tuple[JsonSkipped, ...]
    complete: bool
    seconds: float
    notices: tuple[str, ...]


def render(scan: Scan) -> str:
    """The whole scan."""
    is_sql = scan.scope.mode != "across"
    asked = (*(_answer(answer, is_sql) for answer in scan.answers), *(_unenforced(one) for one in scan.unenforced))
    skipped = tuple(JsonSkipped(*one) for one in scan.skipped)
    value = JsonScan(1, _scope(scan.scope), asked, skipped, scan.is_complete, scan.seconds, scan.notices)
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"


def _scope(scope: ScanScope) -> JsonScope:
    return JsonScope(
        scope.database,
        scope.version,
        scope.role,
        scope.replica,
        scope.mode,
        scope.parallel,
        scope.statement_timeout,
        scope.lock_timeout,
        scope.budget,
        scope.only,
        scope.tables,
        scope.questions,
        scope.identities,
        scope.left_aside,
    )


def _answer(answer: Answer, is_sql: bool) -> JsonQuestion:
    question, key = answer.question, answer.question.key
    return JsonQuestion(
        id=question.id,
        kind=question.kind,
        subject=str(question.subject),
        table=str(question.table),
        columns=question.columns,
        target=str(question.target),
        foreign_key=None if key is None else str(key.ref),
        validated=None if key is None else key.validated,
        enforced=None if key is None else key.enforced,
        severity=str(answer.severity),
        rows_checked=answer.rows_checked,
        rows_estimated=answer.estimated,
        violations=answer.violations,
        values=answer.values,
        new_values=answer.new,
        sample=tuple(_sample(answer, sample) for sample in answer.sample),
        complete=answer.complete,
        left_out=answer.left_out,
        since=answer.since,
        seconds=answer.seconds,
        cause=None if answer.cause is None else _cause(answer, answer.cause),
        query=question.text if is_sql else None,
    )


def _sample(answer: Answer, sample: Sample) -> JsonSample:
    question = answer.question
    key = None if sample.key is None else _named(question.row_key, sample.key)
    return JsonSample(_named(question.columns, sample.value), sample.rows, key)


def _named(names: tuple[str, ...], values: tuple[str | None, ...]) -> Named:
    return dict(zip(names, values, strict=True))


def _cause(answer: Answer, cause: Cause) -> JsonCause:
    first = cause.groups[0]
    groups = tuple(_group(answer, group) for group in cause.groups)
    return JsonCause(first.kind, str(first.confidence), first.evidence, cause.of_all, groups)


def _group(answer: Answer, group: CauseGroup) -> JsonGroup:
    example = None if group.example is None else _named(answer.question.columns, group.example)
    return JsonGroup(group.kind, str(group.confidence), group.values, group.rows, group.evidence, example)


def _unenforced(one: Unenforced) -> JsonQuestion:
    """A key that is switched off, as a question whose one answer is the key itself."""
    key = one.key
    return JsonQuestion(
        id=f"unenforced {one.subject}",
        kind="unenforced",
        subject=one.subject,
        table=None if key is None else str(key.table),
        columns=() if key is None else key.columns,
        target=None if key is None else str(key.target),
        foreign_key=None if key is None else str(key.ref),
        validated=None if key is None else key.validated,
        enforced=False,
        severity="error",
        rows_checked=0,
        rows_estimated=False,
        violations=1,
        values=None,
        new_values=None,
        sample=(),
        complete=True,
        left_out=None,
        since=None,
        seconds=0.0,
        cause=JsonCause("unenforced-key", "certain", one.reasons, True, ()),
        query=None,
    )
