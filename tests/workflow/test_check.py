"""What a whole check says: of the example exactly what its README lists, seeds and tests included."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from referee.model.diagnosis import Diagnosis
from referee.rules import ALL, FixtureRule
from referee.workflow.check import check
from referee.workflow.config import Config
from tests import bandbook
from tests.bandbook import BASELINE

CONFIG = Config(cache=False)
FIXTURE_RULES = {rule.id for rule in ALL if isinstance(rule, FixtureRule)}
MIGRATION = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create table public.posts (author uuid references public.profiles (id) on delete cascade);
"""


def found(diagnosis: Diagnosis) -> set[tuple[str, str, str, str, int]]:
    """Rule, severity, object, file and line of every finding."""
    return {
        (finding.rule, str(finding.problem.severity), str(finding.problem.object), at.file, at.line)
        for finding in diagnosis.findings
        if (at := finding.location) is not None
    }


def listed() -> set[tuple[str, str, str, str, int]]:
    """The findings that the example's README lists."""
    readme = (bandbook.PROJECT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \| (\w+) \| (\S+) \|(?: (\S+) \|)? (\d+) \|$", readme, re.MULTILINE)
    base = "examples/bandbook/supabase/"
    return {
        (rule, severity, object_, base + (file or str(BASELINE.relative_to("supabase"))), int(line))
        for rule, severity, object_, file, line in rows
    }


def test_the_example_has_the_findings_of_its_readme_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(bandbook.PROJECT.parent.parent)
    assert found(check("examples/bandbook", CONFIG)) == listed()


@pytest.mark.parametrize("variant", ["fixed", "fixed_with_identity_key"])
def test_the_repaired_example_masks_nothing(variant: bandbook.Variant, tmp_path: Path) -> None:
    diagnosis = check(bandbook.write_project(variant, tmp_path / "project"), CONFIG)
    assert {finding.rule for finding in diagnosis.findings} & FIXTURE_RULES == {"impossible-signup"}


def project(folder: Path, seed: str) -> Path:
    (folder / "supabase" / "migrations").mkdir(parents=True)
    (folder / "supabase" / "migrations" / "1_start.sql").write_text(MIGRATION)
    (folder / "supabase" / "seed.sql").write_text(seed)
    return folder


SEED = """
insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
insert into public.profiles (id) values ('a0000000-0000-4000-8000-000000000001');
"""


def test_a_comment_in_a_seed_keeps_a_finding_quiet(tmp_path: Path) -> None:
    seed = SEED.replace("insert into public", "-- referee: ignore[masking-fixture] a demo\ninsert into public")
    diagnosis = check(project(tmp_path, seed), CONFIG)
    assert "masking-fixture" not in {finding.rule for finding in diagnosis.findings}
    assert diagnosis.suppressed == 1
    assert diagnosis.notices == ()


def test_a_function_that_nobody_calls_is_no_fixture(tmp_path: Path) -> None:
    backfill = """
    create function public.backfill() returns void language sql as
      'insert into public.profiles select id from auth.users';
    insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
    """
    for called in (False, True):
        seed = backfill + "select public.backfill();" * called
        rules = {finding.rule for finding in check(project(tmp_path / str(called), seed), CONFIG).findings}
        assert ("masking-fixture" in rules) is called


def test_a_seed_that_cannot_be_read_is_a_gap_and_the_rest_is_checked(tmp_path: Path) -> None:
    folder = project(tmp_path, SEED)
    (folder / "supabase" / "seed.sql").write_bytes(b"insert into \xff")
    diagnosis = check(folder, CONFIG)
    assert [gap.kind for gap in diagnosis.gaps] == ["skipped-file"]
    assert "unsynced-mirror" in {finding.rule for finding in diagnosis.findings}
    assert diagnosis.subject.fixtures == 0


def test_seeds_are_left_alone_where_no_rule_asks_for_them(tmp_path: Path) -> None:
    folder = project(tmp_path, SEED)
    (folder / "supabase" / "seed.sql").write_bytes(b"insert into \xff")
    diagnosis = check(folder, Config(cache=False, select=("unsynced-mirror",)))
    assert (diagnosis.gaps, diagnosis.subject.fixtures) == ((), 0)
