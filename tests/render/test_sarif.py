from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

from referee import __version__
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Severity
from referee.render.sarif import render
from tests.render.diagnoses import CLEAN, FULL, HOSTILE, SPLIT, hostile

FILE = "supabase/migrations/1_baseline.sql"


@dataclass
class Rule:
    id: str = "split-identity-reference"
    severity: Severity = Severity.ERROR
    summary: str = "A summary."
    page: str = "A summary.\n\n## Why"


RULES = (Rule("unused-rule"), Rule())


def run(diagnosis: Diagnosis, seen: Callable[[str], str] = str) -> dict[str, Any]:
    log = json.loads(render(diagnosis, RULES, seen))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-schema-2.1.0.json")
    (only,) = log["runs"]
    assert isinstance(only, dict)
    return only


def test_the_rules_that_ran_are_described() -> None:
    assert run(FULL)["tool"]["driver"] == {
        "name": "referee",
        "version": __version__,
        "rules": [
            {
                "id": "split-identity-reference",
                "shortDescription": {"text": "A summary."},
                "help": {"text": "A summary.\n\n## Why", "markdown": "A summary.\n\n## Why"},
                "defaultConfiguration": {"level": "error"},
            }
        ],
    }


def test_a_result_in_full() -> None:
    (result,) = run(FULL)["results"]
    assert result["ruleId"] == "split-identity-reference"
    assert result["ruleIndex"] == 0
    assert result["level"] == "error"
    assert result["message"]["text"].endswith("refused elsewhere with 23503.")
    assert result["partialFingerprints"] == {"referee/v1": "0123456789abcdef"}
    assert result["properties"]["confidence"] == "likely"
    assert result["properties"]["remedy"]["kind"] == "retarget-foreign-key"
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": FILE, "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 3, "startColumn": 43, "endLine": 3, "endColumn": 69},
            },
            "logicalLocations": [{"fullyQualifiedName": "public.songs.songs_edited_by_fkey"}],
        }
    ]
    assert [(place["id"], place["message"]["text"]) for place in result["relatedLocations"]] == [
        (0, "a right one"),
        (1, "another file"),
        (2, "an object of the platform"),
        (3, "the last one"),
    ]


def test_columns_are_code_points() -> None:
    assert run(CLEAN)["columnKind"] == "unicodeCodePoints"


def test_gaps_and_notices_are_notifications() -> None:
    (invocation,) = run(FULL)["invocations"]
    assert invocation["executionSuccessful"] is True
    notifications = invocation["toolExecutionNotifications"]
    assert len(notifications) == len(FULL.gaps) + len(FULL.notices)
    assert notifications[0]["descriptor"] == {"id": "dynamic-sql"}
    assert notifications[0]["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    assert "locations" not in notifications[5]
    assert notifications[-1] == {"level": "note", "message": {"text": "By the way."}}


def test_without_a_place_the_object_remains() -> None:
    (result,) = run(replace(CLEAN, findings=(replace(SPLIT, location=None, rule="another-rule"),)))["results"]
    assert result["locations"] == [{"logicalLocations": [{"fullyQualifiedName": "public.songs.songs_edited_by_fkey"}]}]
    assert "ruleIndex" not in result


def test_levels() -> None:
    for severity, level in ((Severity.WARNING, "warning"), (Severity.INFO, "note")):
        finding = replace(SPLIT, problem=replace(SPLIT.problem, severity=severity))
        assert run(replace(CLEAN, findings=(finding,)))["results"][0]["level"] == level


def test_paths_are_seen_from_the_root_of_the_repository() -> None:
    only = run(FULL, "apps/db/{}".format)
    assert only["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": f"apps/db/{FILE}",
        "uriBaseId": "%SRCROOT%",
    }
    # Section 3.14.14: what stands for the root needs no URI, and one of its own would have to be absolute.
    assert only["originalUriBaseIds"] == {"%SRCROOT%": {"description": {"text": "The root of the repository."}}}


def test_a_file_outside_the_repository_has_no_base() -> None:
    (result,) = run(FULL, "/srv/a b/{}".format)["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": f"file:///srv/a%20b/{FILE}"}


def test_hostile_names_are_kept_and_paths_are_uris() -> None:
    (result,) = run(hostile())["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.isascii()
    assert unquote(uri) == "a,b:c%d/Org's 🎸\n.sql"
    assert HOSTILE in result["message"]["text"]
