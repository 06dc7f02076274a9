"""Comparisons as text, as JSON version 1 and as Markdown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from referee.model.comparison import Comparison
from referee.render import compare_json, compare_markdown, compare_text
from referee.render.plain import width
from tests.render.comparisons import AGREED, COMPARISON, EQUAL, EXPLANATION, TRIAL, VIOLATION


def test_json_has_the_keys_that_were_promised() -> None:
    found = json.loads(compare_json.render(COMPARISON))
    assert found["version"] == 1
    assert {"left", "right", "differences", "folded", "not_seen"} <= set(found)
    first, second = found["differences"]
    promised = {"change", "object", "consequence", "who", "sqlstate", "at_fault", "severity", "remedy"}
    assert promised <= set(first)
    assert (first["change"], first["object"]) == ("drop-trigger", "auth.users.on_auth_user_created")
    assert (first["sqlstate"], first["at_fault"], first["severity"]) == ("23503", "right", "error")
    assert first["remedy"]["kind"] == "create-trigger"
    assert first["remedy"]["statements"] == ["create trigger x\nafter insert"]
    assert (second["sqlstate"], second["at_fault"]) == (None, None)
    assert second["remedy"]["reason"] == "No statement makes one the other."
    assert found["folded"][0] == {"kind": "formatting", "count": 60, "examples": ["the default of public.a.b"]}
    assert found["not_seen"] == list(COMPARISON.not_seen)
    assert "explanation" not in found


def test_json_of_an_explanation() -> None:
    found = json.loads(compare_json.render(COMPARISON, "23503 x", EXPLANATION))["explanation"]
    assert found == {
        "failure": "23503 x",
        "explained_by": "auth.users.on_auth_user_created",
        "proof": list(EXPLANATION.proof),
    }
    found = json.loads(compare_json.render(COMPARISON, "23503 x", None))["explanation"]
    assert found == {"failure": "23503 x", "explained_by": None, "proof": []}


def test_text_tells_what_who_and_how() -> None:
    text = compare_text.render(COMPARISON)
    for told in (
        "left   examples/bandbook (project on supabase, 11 tables)",
        "right  me@host:5432/app (database on supabase, PostgreSQL 18, 1 table)",
        "error  drop-trigger  auth.users.on_auth_user_created  (right is at fault: unsynced-mirror)",
        "right: No row comes into public.users.",
        "hits every user who signs up, with SQLSTATE 23503",
        "made by migration 20251106 baseline",
        "fix on the right: create the trigger",
        "no rule says who is at fault",
        "fix on the right: No statement makes one the other.",
        "folded: 60 texts that are written differently",
        "folded: 1 object that has another name",
        "not seen: me@host:5432/app: the history of migrations (permission denied)",
        "1 error, 1 warning.",
        "Not compared: rows",
    ):
        assert told in text
    assert "create trigger x" not in text
    assert "      create trigger x\n        after insert;" in compare_text.render(COMPARISON, verbose=True)
    assert "the default of public.a.b" in compare_text.render(COMPARISON, verbose=True)


def test_text_without_differences_says_so() -> None:
    text = compare_text.render(EQUAL)
    assert "Nothing that matters differs." in text
    assert "Not compared: rows" in text


def test_text_of_an_explanation_is_short() -> None:
    text = compare_text.render(COMPARISON, failure="23503\n  x", explanation=EXPLANATION)
    assert "failure: 23503 x" in text
    assert "  1. The key needs a row there.\n  2. No row comes." in text
    assert "folded" not in text
    text = compare_text.render(COMPARISON, failure="x", explanation=None)
    assert "`referee prove`" in text
    assert "`referee scan --db URL`" in text.replace("\n", " ")


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_text_fits_and_steers_no_terminal(columns: int) -> None:
    text = compare_text.render(COMPARISON, columns=columns, verbose=True)
    assert "\x1b" not in text
    for line in text.splitlines():
        # Names and headings are not broken.
        assert (
            width(line) <= columns
            or " " not in line.strip()
            or line.startswith(("  error", "  warning", "left", "right"))
        )


def test_markdown_is_one_table_that_no_name_breaks() -> None:
    text = compare_markdown.render(COMPARISON)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert "\\`bands\\`" in text
    assert "\x1b" not in text
    assert "```sql\ncreate trigger x\nafter insert;\n```" in text
    assert "- folded: 60 texts" in text
    assert "Nothing that matters differs." in compare_markdown.render(EQUAL)
    assert "1. The key needs a row there." in compare_markdown.render(COMPARISON, "x", EXPLANATION)


def test_markdown_of_many_differences_names_how_many_are_left_out() -> None:
    many = Comparison(COMPARISON.left, COMPARISON.right, COMPARISON.differences * 40)
    text = compare_markdown.render(many)
    assert len([line for line in text.splitlines() if line.startswith("|")]) == 52
    assert "30 more are in the report as JSON." in text


def test_violations_are_told_with_what_brings_them_back() -> None:
    text = compare_text.render_violations([VIOLATION])
    assert "broken  auth.users.on_auth_user_created" in text
    assert "restore: create the trigger on_auth_user_created on auth.users" in text
    assert "1 locked object missing or otherwise." in text
    assert compare_text.render_violations([]) == "Everything locked is there.\n"


def test_what_was_played_is_told_once_for_each_outcome() -> None:
    text = " ".join(compare_text.render(EQUAL, trial=TRIAL).split())
    for told in (
        "Played on PostgreSQL 18.6: 145 flows and writes; 3 came out differently:",
        "public.bands.owner: passes on the left, fails with 23503 (bands_owner_fkey) on the right",
        "(somebody who has just signed up; the same, by a job)",
        "With the proposed changes 1 of them still come out differently: sign-up | by phone: fails with 23502 on the",
        "refused: right: must be owner (42501)",
        "not built: right: public.a",
    ):
        assert told in text
    assert "\x1b" not in text
    assert "1 flow or write; all came out alike." in compare_text.render(EQUAL, trial=AGREED)


def test_a_long_list_of_what_was_played_is_cut_short() -> None:
    many = tuple(replace(TRIAL.differing[0], name=f"public.t{number}.owner") for number in range(20))
    trial = replace(TRIAL, differing=many, left_over=())
    assert "and 8 more (--verbose shows them)" in compare_text.render(EQUAL, trial=trial)
    assert "public.t19.owner" in compare_text.render(EQUAL, trial=trial, verbose=True)
    assert "With the proposed changes both sides agree." in compare_text.render(EQUAL, trial=trial)


def test_json_and_markdown_of_what_was_played() -> None:
    found = json.loads(compare_json.render(EQUAL, trial=TRIAL))["rehearsal"]
    assert (found["server"], found["played"]) == ("18.6", 145)
    assert found["differing"][2] == {
        "name": "sign-up | by phone",
        "circumstance": None,
        "left": "fails with 23502",
        "right": "passes",
    }
    assert found["after"] == found["differing"][2:]
    assert found["refused"] == ["right: must be owner (42501)"]
    assert "rehearsal" not in json.loads(compare_json.render(EQUAL))
    text = compare_markdown.render(EQUAL, trial=TRIAL)
    assert "| sign-up \\| by phone | fails with 23502 | passes |" in text
    assert "- refused: right: must be owner (42501)" in text
    assert "\x1b" not in text
