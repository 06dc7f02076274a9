from __future__ import annotations

from dataclasses import replace
from typing import Literal, get_args

import pytest

from referee.model.change import Remedy, Safety
from referee.model.diagnosis import Subject
from referee.model.finding import Severity
from referee.model.origins import GapKind
from referee.render.text import GAP_NAMES, render
from tests.render.diagnoses import CLEAN, FULL, IDENTITY, SPLIT, SUBJECT, USERS, hostile

SCREEN = """\
supabase/migrations/1_baseline.sql

  3:43  error  split-identity-reference  public.songs.songs_edited_by_fkey  (likely)
      | create table public.songs (edited_by uuid references auth.users (id));
      |                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^
      public.songs(edited_by) references auth.users(id), while the others point to public.users(id).
      An insert is accepted here and refused elsewhere with 23503.
      see line 2: a right one
      see other.sql:7: another file
      see auth.users: an object of the platform
      see 1 more with --verbose
      fix (unproven): let public.songs.songs_edited_by_fkey reference public.users(id) instead of
      auth.users(id)

What could not be known

  1 name that no file creates
      supabase/migrations/1_baseline.sql:3: no file creates it
  5 pieces of SQL that are built at run time
      supabase/migrations/1_baseline.sql:4: EXECUTE number 0
      supabase/migrations/1_baseline.sql:4: EXECUTE number 1
      supabase/migrations/1_baseline.sql:4: EXECUTE number 2
      ... and 2 more (--verbose lists all)
  1 file or folder that was skipped
      supabase/migrations/fix.sql: not run

note: supabase/migrations/1_baseline.sql:4: This comment suppresses nothing.
note: By the way.

1 error (2 suppressed, 3 in the baseline).
Checked bandbook (Supabase project): 1 file, 4 statements, 3 tables, 1 rule.
Identity auth.users(id): references should point to public.users(id), by the vote of the existing
keys (2 to public.users(id), 1 to auth.users(id)).
Not checked: 1 name that no file creates; 5 pieces of SQL that are built at run time; 1 file or
folder that was skipped; what a database holds that no file creates.
"""


def test_the_whole_screen() -> None:
    assert render(FULL) == SCREEN


def test_a_clean_result_states_its_scope() -> None:
    assert render(CLEAN) == (
        "Nothing found.\n"
        "Checked bandbook (Supabase project): 1 file, 4 statements, 3 tables, 1 rule.\n"
        "No identity source was found, so the rules about identities had nothing to judge (--source names\none).\n"
        "Not checked: what a database holds that no file creates.\n"
    )


def test_a_guessed_platform_is_said() -> None:
    text = render(replace(CLEAN, subject=replace(SUBJECT, kind="folder", platform="plain")))
    assert "Checked bandbook (folder, taken to run on plain): 1 file" in text


def test_a_database_has_neither_files_nor_lines() -> None:
    subject = Subject("database", "db.example.org/app", "supabase", tables=3, rules=("a", "b"))
    text = render(replace(FULL, subject=subject, findings=(replace(SPLIT, location=None),), gaps=()))
    assert text.startswith("db.example.org/app\n\n  error  split-identity-reference  public.songs")
    assert "Checked db.example.org/app (database): 3 tables, 2 rules." in text
    assert "Not checked: nothing that referee knows of." in text


def test_verbose_cuts_nothing_short() -> None:
    text = render(FULL, verbose=True)
    assert "see the last one" in text
    assert "EXECUTE number 4" in text
    assert "--verbose" not in text


def test_the_source_is_shown_once_for_findings_at_one_place() -> None:
    text = render(replace(FULL, findings=(SPLIT, replace(SPLIT, rule="other-rule"))))
    assert text.count("| create table public.songs") == 1
    assert "other-rule" in text


def test_severities_are_counted_from_the_gravest() -> None:
    findings = tuple(
        replace(SPLIT, problem=replace(SPLIT.problem, severity=severity))
        for severity in (Severity.INFO, Severity.WARNING, Severity.WARNING, Severity.INFO)
    )
    assert "\n2 warnings, 2 notes (" in render(replace(FULL, findings=findings))


@pytest.mark.parametrize(
    ("safety", "words"), [(Safety.SAFE, "proven"), (Safety.UNSAFE, "unproven"), (Safety.SHOW_ONLY, "to consider")]
)
def test_a_remedy_says_how_far_it_may_be_trusted(safety: Safety, words: str) -> None:
    assert SPLIT.problem.remedy is not None
    problem = replace(SPLIT.problem, remedy=Remedy(SPLIT.problem.remedy.change, safety))
    assert f"fix ({words}): let " in render(replace(FULL, findings=(replace(SPLIT, problem=problem),)))


@pytest.mark.parametrize(
    ("decided_by", "words"),
    [("configuration", "point to public.users(id), as configured."), ("default", "public.users(id), by default.")],
)
def test_why_a_table_is_canonical(decided_by: Literal["configuration", "default"], words: str) -> None:
    identity = replace(IDENTITY, decided_by=decided_by, canonical=USERS)
    assert words in render(replace(FULL, identities=replace(FULL.identities, all=(identity,))))


def test_every_kind_of_gap_has_a_name() -> None:
    assert set(GAP_NAMES) == set(get_args(GapKind))


def test_narrow_screens_wrap_earlier() -> None:
    lines = render(FULL, columns=60).splitlines()
    assert max(len(line) for line in lines if line.startswith("      ") and " " in line.strip()) <= 60


def test_styles_go_around_the_words() -> None:
    text = render(FULL, paint=lambda style, words: f"<{style}>{words}</{style}>")
    assert "<heading>supabase/migrations/1_baseline.sql</heading>" in text
    assert "<error>error</error>  <name>split-identity-reference</name>" in text
    assert "uuid <error>references auth.users (id)</error>);" in text
    assert "<place>supabase/migrations/1_baseline.sql:4: </place>EXECUTE number 0" in text


def test_hostile_names_steer_nothing() -> None:
    text = render(hostile(), verbose=True)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert not any(line.startswith("::error") for line in text.splitlines())
