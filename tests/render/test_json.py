from __future__ import annotations

import json
from typing import Any

import msgspec

from referee import __version__
from referee.render.json import JsonDiagnosis, JsonIdentities, render, render_identities
from tests.render.diagnoses import CLEAN, FULL, HOSTILE, hostile


def test_version_1_in_full() -> None:
    data: dict[str, Any] = json.loads(render(FULL))
    file = "supabase/migrations/1_baseline.sql"
    place = {"file": file, "line": 3, "column": 43, "end_line": 3, "end_column": 69}
    assert list(data) == ["version", "referee", "subject", "identities", "findings", "gaps", "summary"]
    assert (data["version"], data["referee"]) == (1, __version__)
    assert data["subject"] == {
        "kind": "supabase",
        "name": "bandbook",
        "platform": "supabase",
        "files": 1,
        "statements": 4,
        "tables": 3,
        "rules": ["split-identity-reference"],
    }
    assert data["findings"] == [
        {
            "rule": "split-identity-reference",
            "severity": "error",
            "confidence": "likely",
            "object": "public.songs.songs_edited_by_fkey",
            "table": "public.songs",
            "columns": ["edited_by"],
            "target": "auth.users(id)",
            "expected_target": "public.users(id)",
            "message": "public.songs(edited_by) references auth.users(id), while the others point to public.users(id). "
            "An insert is accepted here and refused elsewhere with 23503.",
            "location": place,
            "related": [
                {
                    "message": "a right one",
                    "object": "public.bands.bands_owner_fkey",
                    "location": {"file": file, "line": 2, "column": 39, "end_line": 2, "end_column": 67},
                },
                {
                    "message": "another file",
                    "object": "public.x",
                    "location": {"file": "other.sql", "line": 7, "column": 1, "end_line": 7, "end_column": 2},
                },
                {"message": "an object of the platform", "object": "auth.users", "location": None},
                {"message": "the last one", "object": None, "location": None},
            ],
            "remedy": {
                "kind": "retarget-foreign-key",
                "description": "let public.songs.songs_edited_by_fkey reference public.users(id) "
                "instead of auth.users(id)",
                "safety": "unsafe",
            },
            "fingerprint": "0123456789abcdef",
        }
    ]
    assert data["gaps"][-1] == {
        "kind": "missing-object",
        "message": "no file creates it",
        "object": "public.gone",
        "location": {"file": file, "line": 3, "column": 21, "end_line": 3, "end_column": 26},
    }
    assert data["summary"] == {
        "error": 1,
        "warning": 0,
        "info": 0,
        "suppressed": 2,
        "baselined": 3,
        "gaps": {"dynamic-sql": 5, "missing-object": 1, "skipped-file": 1},
        "notices": [
            {
                "message": "This comment suppresses nothing.",
                "location": {"file": file, "line": 4, "column": 1, "end_line": 4, "end_column": 6},
            },
            {"message": "By the way.", "location": None},
        ],
    }


def test_identities_are_the_same_alone_and_in_a_diagnosis() -> None:
    alone = json.loads(render_identities(FULL))
    assert alone == {"version": 1, "identities": json.loads(render(FULL))["identities"]}


def test_an_identity_in_full() -> None:
    (identity,) = json.loads(render_identities(FULL))["identities"]
    file = "supabase/migrations/1_baseline.sql"
    assert identity == {
        "source": "auth.users(id)",
        "mirrors": [
            {
                "table": "public.users",
                "key": "id",
                "confidence": "likely",
                "evidence": [
                    {
                        "kind": "name",
                        "detail": "it is named like a table of users",
                        "location": {"file": file, "line": 1, "column": 14, "end_line": 1, "end_column": 26},
                    },
                    {"kind": "write", "detail": "something writes it", "location": None},
                ],
                "synced_by": [],
            }
        ],
        "canonical": "public.users(id)",
        "decided_by": "vote",
        "votes": {"public.users(id)": 2, "auth.users(id)": 1},
        "references": [
            {
                "foreign_key": "public.songs.songs_edited_by_fkey",
                "table": "public.songs",
                "column": "edited_by",
                "target": "auth.users(id)",
                "on_delete": "NO ACTION",
                "verdict": "wrong",
                "location": {"file": file, "line": 3, "column": 43, "end_line": 3, "end_column": 69},
            },
            {
                "foreign_key": "public.bands.bands_owner_fkey",
                "table": "public.bands",
                "column": "owner",
                "target": "public.users(id)",
                "on_delete": "CASCADE",
                "verdict": "right",
                "location": {"file": file, "line": 2, "column": 39, "end_line": 2, "end_column": 67},
            },
        ],
        "writes": [
            {
                "expression": "auth.uid()",
                "where": "trigger",
                "name": "public.stamp()",
                "location": {"file": file, "line": 4, "column": 23, "end_line": 4, "end_column": 33},
                "reaches": ["public.songs.songs_edited_by_fkey"],
            },
            {"expression": "auth.uid()", "where": "default", "name": "public.x.y", "location": None, "reaches": []},
        ],
    }


def test_hostile_names_come_back_as_they_are() -> None:
    data = msgspec.json.decode(render(hostile()), type=JsonDiagnosis)
    assert data.findings[0].columns == (HOSTILE,)
    assert data.findings[0].object.count('"') > 0
    assert data.identities[0].writes[0].expression == HOSTILE
    assert msgspec.json.decode(render_identities(hostile()), type=JsonIdentities).identities == data.identities


def test_nothing_is_an_empty_list_not_a_missing_key() -> None:
    data = json.loads(render(CLEAN))
    assert (data["identities"], data["findings"], data["gaps"]) == ([], [], [])
    assert data["summary"] == {
        "error": 0,
        "warning": 0,
        "info": 0,
        "suppressed": 0,
        "baselined": 0,
        "gaps": {},
        "notices": [],
    }
