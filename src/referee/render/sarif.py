"""SARIF 2.1.0 (OASIS standard, 27 March 2020), as code scanning services read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from referee import __version__
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding, LocatedNote, Severity
from referee.model.origins import Gap, Origins
from referee.model.source import Location

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}

# What relative paths start from. A name that readers agree on stands for it: a URI would name one machine's folder, and
# section 3.14.14 lets it be absent.
_ROOT = "%SRCROOT%"

Json = dict[str, Any]
Seen = Callable[[str], str]


class RuleText(Protocol):
    """What a rule says about itself."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def summary(self) -> str: ...
    @property
    def page(self) -> str: ...


def render(diagnosis: Diagnosis, rules: Iterable[RuleText], seen: Seen = str) -> str:
    """One run with the rules that ran, the findings as results, and gaps and notices as notifications.

    ``seen`` makes of a printed path the one from the root of the repository, or an absolute one for a file outside.
    """
    ran = [rule for rule in rules if rule.id in diagnosis.subject.rules]
    index = {rule.id: number for number, rule in enumerate(ran)}
    run = {
        "tool": {"driver": {"name": "referee", "version": __version__, "rules": [_rule(rule) for rule in ran]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [_invocation(diagnosis, seen)],
        "results": [_result(finding, index, seen) for finding in diagnosis.findings],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.format(msgspec.json.encode(log), indent=2).decode() + "\n"


def _rule(rule: RuleText) -> Json:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.summary},
        "help": {"text": rule.page, "markdown": rule.page},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, index: Mapping[str, int], seen: Seen) -> Json:
    problem = finding.problem
    result: Json = {
        "ruleId": finding.rule,
        "level": _LEVELS[problem.severity],
        "message": {"text": f"{problem.cause} {problem.consequence}".strip()},
        "locations": [_location(finding.location, seen, str(problem.object))],
        "partialFingerprints": {"referee/v1": finding.fingerprint},
        "properties": {"confidence": str(problem.confidence)},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    if finding.related:
        result["relatedLocations"] = [_related(number, note, seen) for number, note in enumerate(finding.related)]
    if problem.remedy is not None:
        change = problem.remedy.change
        result["properties"]["remedy"] = {
            "kind": change.kind,
            "description": change.describe(),
            "safety": str(problem.remedy.safety),
        }
    return result


def _related(number: int, note: LocatedNote, seen: Seen) -> Json:
    return {"id": number, **_location(note.location, seen, note.object), "message": {"text": note.message}}


def _location(location: Location | None, seen: Seen, name: str | None) -> Json:
    place: Json = {}
    if location is not None:
        place["physicalLocation"] = _physical(location, seen)
    if name is not None:
        place["logicalLocations"] = [{"fullyQualifiedName": name}]
    return place


def _physical(location: Location, seen: Seen) -> Json:
    return {
        "artifactLocation": _artifact(seen(location.file)),
        "region": {
            "startLine": location.line,
            "startColumn": location.column,
            "endLine": location.end_line,
            "endColumn": location.end_column,
        },
    }


def _invocation(diagnosis: Diagnosis, seen: Seen) -> Json:
    notes = [_gap(gap, diagnosis.origins, seen) for gap in diagnosis.gaps]
    for notice in diagnosis.notices:
        place = {"locations": [_location(notice.location, seen, None)]} if notice.location else {}
        notes.append({"level": "note", "message": {"text": notice.message}, **place})
    return {"executionSuccessful": True, "toolExecutionNotifications": notes}


def _gap(gap: Gap, origins: Origins, seen: Seen) -> Json:
    location = gap.span and origins.locate(gap.span)
    note: Json = {"descriptor": {"id": gap.kind}, "level": "note", "message": {"text": gap.message}}
    if location is not None:
        note["locations"] = [_location(location, seen, None)]
    return note


def _artifact(file: str) -> Json:
    if file.startswith("/"):
        return {"uri": "file://" + quote(file)}
    return {"uri": quote(file), "uriBaseId": _ROOT}
