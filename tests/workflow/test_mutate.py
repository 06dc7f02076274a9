"""What suites notice: the example's own lets most faults pass, and the generated tests let none pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from referee.errors import UsageError
from referee.model.suite import FileResult
from referee.testgen.pgtap import NAME
from referee.workflow.config import Config
from referee.workflow.mutate import differences, mutate
from referee.workflow.tests import write_tests
from tests import bandbook
from tests.bandbook import WRONG_LINES

CONFIG = Config(cache=False)


@pytest.mark.server
def test_the_examples_own_suite_is_green_and_notices_no_wrong_target() -> None:
    score = mutate(bandbook.PROJECT, CONFIG)
    assert [result.path for result in score.before if not result.green] == []
    assert [trial.fault for trial in score.trials if trial.not_run] == []
    unnoticed = {trial.fault for trial in score.survivors}
    for table, column in WRONG_LINES.values():
        key = f"public.{table}.{table}_{column}_fkey"
        assert f"let {key} reference public.users(id) instead of auth.users(id)" in unnoticed
        assert f"leave {key} NOT VALID" in unnoticed
    # One test deletes a row of public.users, and sees what becomes of a band.
    assert "let public.bands.bands_created_by_fkey act ON DELETE CASCADE instead of SET NULL" not in unnoticed


@pytest.mark.server
def test_with_the_generated_tests_no_fault_goes_unnoticed(tmp_path: Path) -> None:
    project = bandbook.write_project("fixed", tmp_path / "bandbook")
    write_tests(project, CONFIG, pgtap_folder=str(project / "supabase" / "tests"))
    score = mutate(project, CONFIG)
    assert [result.path for result in score.before if not result.green] == []
    assert score.survivors == ()
    faults = {trial.fault for trial in score.trials}
    assert "drop the trigger on_auth_user_created on auth.users" in faults
    assert "let public.handle_new_user() be SECURITY INVOKER" in faults
    assert score.run == len(score.trials) == 13 * 3 + 2 + 2


@pytest.mark.server
def test_on_the_broken_schema_the_generated_tests_notice_every_fault_as_well(tmp_path: Path) -> None:
    project = bandbook.write_project("broken", tmp_path / "bandbook")
    write_tests(project, CONFIG, pgtap_folder=str(project / "supabase" / "tests"))
    score = mutate(project, CONFIG)
    assert [os.path.basename(result.path) for result in score.before if not result.green] == [NAME]
    assert score.survivors == ()
    assert score.run == len(score.trials) > 13 * 3 - 6


def result(*failed: str, error: str | None = None, said: str = "") -> FileResult:
    return FileResult("a.sql", 1, failed, error, tuple(f"not ok - {name}{said}" for name in failed))


@pytest.mark.parametrize(
    ("old", "new", "noticed"),
    [
        (result(), result(), []),
        (result(), result("x"), ["a.sql: x"]),
        (result(), result(error="42P01 no table"), ["a.sql: 42P01 no table"]),
        (result(error="42P01 no table"), result(error="42P01 no table"), []),
        (result("x"), result("x"), []),
        (result("x"), result(), ["a.sql: x (which passes now)"]),
        (result("x"), result(error="42P01 no table"), ["a.sql: 42P01 no table"]),
        (result("x", said=" have: 1"), result("x", said=" have: 2"), ["a.sql: x (which failed otherwise before)"]),
    ],
)
def test_what_counts_as_noticing(old: FileResult, new: FileResult, noticed: list[str]) -> None:
    assert list(differences(old, old, new)) == noticed


def test_an_assertion_that_says_something_else_each_time_notices_nothing() -> None:
    first, again, later = (result("x", said=f" have: {number}") for number in range(3))
    assert list(differences(first, again, later)) == []


def test_a_project_without_tests_has_no_score(tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_start.sql").write_text("create table a (b int);")
    with pytest.raises(UsageError, match="has no SQL tests"):
        mutate(tmp_path, CONFIG)
