"""SARIF 2.1.0 (OASIS standard, 27 March 2020), as code scanning services read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from referee import __version__
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding, LocatedNote, Severity
from referee.model.origins import Gap, Origins
from referee.model.source import Location
from referee.render.plain import from_root

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}

Json = dict[str, Any]


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


def render(diagnosis: Diagnosis, rules: Iterable[RuleText], base: str = "") -> str:
    """One run with the rules that ran, the findings as results, and gaps and notices as notifications.

    ``base`` is the folder that printed paths start from, seen from the root of the repository.
    """
    ran = [rule for rule in rules if rule.id in diagnosis.subject.rules]
    index = {rule.id: number for number, rule in enumerate(ran)}
    run = {
        "tool": {"driver": {"name": "referee", "version": __version__, "rules": [_rule(rule) for rule in ran]}},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(diagnosis, base)],
        "results": [_result(finding, index, base) for finding in diagnosis.findings],
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


def _result(finding: Finding, index: Mapping[str, int], base: str) -> Json:
    problem = finding.problem
    result: Json = {
        "ruleId": finding.rule,
        "level": _LEVELS[problem.severity],
        "message": {"text": f"{problem.cause} {problem.consequence}".strip()},
        "locations": [_location(finding.location, base, str(problem.object))],
        "partialFingerprints": {"referee/v1": finding.fingerprint},
        "properties": {"confidence": str(problem.confidence)},
    }
    if finding.rule in index:
        result["ruleIndex"] = index[finding.rule]
    if finding.related:
        result["relatedLocations"] = [_related(number, note, base) for number, note in enumerate(finding.related)]
    if problem.remedy is not None:
        change = problem.remedy.change
        result["properties"]["remedy"] = {
            "kind": change.kind,
            "description": change.describe(),
            "safety": str(problem.remedy.safety),
        }
    return result


def _related(number: int, note: LocatedNote, base: str) -> Json:
    return {"id": number, **_location(note.location, base, note.object), "message": {"text": note.message}}


def _location(location: Location | None, base: str, name: str | None) -> Json:
    place: Json = {}
    if location is not None:
        place["physicalLocation"] = _physical(location, base)
    if name is not None:
        place["logicalLocations"] = [{"fullyQualifiedName": name}]
    return place


def _physical(location: Location, base: str) -> Json:
    return {
        "artifactLocation": {"uri": _uri(location.file, base)},
        "region": {
            "startLine": location.line,
            "startColumn": location.column,
            "endLine": location.end_line,
            "endColumn": location.end_column,
        },
    }


def _invocation(diagnosis: Diagnosis, base: str) -> Json:
    notes = [_gap(gap, diagnosis.origins, base) for gap in diagnosis.gaps]
    for notice in diagnosis.notices:
        place = {"locations": [_location(notice.location, base, None)]} if notice.location else {}
        notes.append({"level": "note", "message": {"text": notice.message}, **place})
    return {"executionSuccessful": True, "toolExecutionNotifications": notes}


def _gap(gap: Gap, origins: Origins, base: str) -> Json:
    location = gap.span and origins.locate(gap.span)
    note: Json = {"descriptor": {"id": gap.kind}, "level": "note", "message": {"text": gap.message}}
    if location is not None:
        note["locations"] = [_location(location, base, None)]
    return note


def _uri(file: str, base: str) -> str:
    if file.startswith("/"):
        return "file://" + quote(file)
    return quote(from_root(file, base))
