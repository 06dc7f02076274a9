"""The plugin, run as its users run it: a pytest of its own over the example's tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import bandbook
from tests.bandbook import WRONG_LINES

pytestmark = pytest.mark.server

PLAIN_TEST = "def test_a_database(referee_db):\n    assert referee_db.execute('select 1') == [(1,)]\n"


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of pytest in a folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "-rfE", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    return done.returncode, done.stdout + done.stderr


def failed(output: str) -> set[str]:
    return set(re.findall(r"^(?:FAILED|ERROR) \S*::(\S+)", output, re.MULTILINE))


def test_the_examples_tests_fail_where_the_schema_is_wrong() -> None:
    status, output = run(bandbook.PROJECT)
    assert status == 1
    wrong = {f"test_whoever_is_stored_is_a_user[public.{table}-{column}]" for table, column in WRONG_LINES.values()}
    assert {name for name in failed(output) if "is_stored" in name} == wrong
    assert "public.songs.last_modified_by references auth.users(id) (songs_last_modified_by_fkey)" in output
    assert "public.users(id) has no row for 00000000-0000-4000-8000-000000001000" in output
    assert "23503" in output or "violates foreign key constraint" in output


def test_they_pass_on_the_fixed_one_in_two_processes(tmp_path: Path) -> None:
    project = bandbook.write_project("fixed", tmp_path / "bandbook")
    status, output = run(bandbook.PROJECT, f"--referee-project={project}", "-n", "2")
    assert (status, failed(output)) == (0, set()), output


def test_the_project_may_be_named_in_the_configuration(tmp_path: Path) -> None:
    bandbook.write_project("fixed", tmp_path / "application")
    (tmp_path / "pytest.ini").write_text("[pytest]\nreferee_project = application\n")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "test_it.py").write_text(PLAIN_TEST)
    assert run(tmp_path / "checks")[0] == 0


def test_migrations_that_fail_fail_the_tests_unless_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "supabase" / "migrations" / "1_broken.sql").write_text("create table a (b no_such_type);")
    (tmp_path / "test_it.py").write_text(PLAIN_TEST)
    status, output = run(tmp_path)
    assert status == 1
    assert "1 statements of the migrations fail, the first in supabase/migrations/1_broken.sql: 42704" in output
    assert run(tmp_path, "-o", "referee_allow_failures=true")[0] == 0


def test_a_missing_project_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(PLAIN_TEST)
    status, output = run(tmp_path, "--referee-project", "nowhere")
    assert status == 1
    assert "There is no file or folder" in output
    assert "Traceback" not in output
