"""What suites notice: the example's own lets most faults pass, and the generated tests let none pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.errors import UsageError
from referee.workflow.config import Config
from referee.workflow.mutate import mutate
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


def test_a_project_without_tests_has_no_score(tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_start.sql").write_text("create table a (b int);")
    with pytest.raises(UsageError, match="has no SQL tests"):
        mutate(tmp_path, CONFIG)
