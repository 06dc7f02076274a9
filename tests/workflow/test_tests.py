from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from referee.errors import UsageError
from referee.workflow.config import Config
from referee.workflow.tests import expected_of, write_tests
from tests import bandbook
from tests.bandbook import Variant

CONFIG = Config(cache=False)


def project(folder: Path, migration: str, config: str = "") -> Path:
    (folder / "supabase" / "migrations").mkdir(parents=True)
    (folder / "supabase" / "migrations" / "1_start.sql").write_text(migration, encoding="utf-8")
    (folder / "supabase" / "config.toml").write_text(config)
    return folder


def test_wrong_references_are_expected_where_the_others_point() -> None:
    expected = expected_of(bandbook.PROJECT, CONFIG)
    assert len(expected.references) == 13
    assert {str(one.target) for one in expected.references} == {"public.users(id)"}
    assert [str(one.mirror) for one in expected.mirrors] == ["public.users(id)"]


@pytest.mark.parametrize(("config", "expected"), [("", False), ("[auth]\nenable_anonymous_sign_ins = true", True)])
def test_anonymous_sign_up_is_tried_where_the_project_allows_it(tmp_path: Path, config: str, expected: bool) -> None:
    migration = "create table public.profiles (id uuid primary key references auth.users (id));"
    assert ("anonymous" in expected_of(project(tmp_path, migration, config), CONFIG).ways) is expected


@pytest.mark.parametrize(("config", "expected"), [("", False), ("[auth.sms]\nenable_signup = true", True)])
def test_sign_up_by_phone_is_tried_where_the_project_allows_it(tmp_path: Path, config: str, expected: bool) -> None:
    migration = "create table public.profiles (id uuid primary key references auth.users (id));"
    assert ("phone" in expected_of(project(tmp_path, migration, config), CONFIG).ways) is expected


def test_a_project_without_users_has_nothing_to_pin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="stores no users"):
        expected_of(project(tmp_path, "create table a (b int);"), CONFIG)


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_referee_users.py").write_text("# mine")
    with pytest.raises(UsageError, match="was not written by referee"):
        write_tests(bandbook.PROJECT, CONFIG, pytest_folder=str(tmp_path))
    assert (tmp_path / "test_referee_users.py").read_text() == "# mine"


def test_what_was_changed_by_hand_is_left_alone(tmp_path: Path) -> None:
    folders = {"pgtap_folder": str(tmp_path / "sql"), "pytest_folder": str(tmp_path / "python")}
    sql, python = [Path(one.path) for one in write_tests(bandbook.PROJECT, CONFIG, **folders)]
    written = sql.read_text()
    python.write_text(python.read_text() + "\n\ndef test_mine(referee_db):\n    pass\n")
    sql.write_text(written.replace("SELECT", "select"))
    edited = python.read_text()
    with pytest.raises(UsageError, match=r"test_referee_users\.py was changed by hand since .* remove this one"):
        write_tests(bandbook.PROJECT, CONFIG, **folders)
    assert python.read_text() == edited
    assert sql.read_text() != written, "none is written where one is refused"
    python.unlink()
    assert [one.changed for one in write_tests(bandbook.PROJECT, CONFIG, **folders)] == [True, True]
    assert sql.read_text() == written


def test_a_file_of_another_encoding_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "test_referee_users.py").write_bytes("# für mich".encode("latin-1"))
    with pytest.raises(UsageError, match="was not written by referee"):
        write_tests(bandbook.PROJECT, CONFIG, pytest_folder=str(tmp_path))


HOSTILE = """
create table public."Org's" (id uuid primary key references auth.users (id) on delete cascade);
create table public."mem""bers" ("org;id" uuid references public."Org's" (id));
alter table public."mem""bers" add column "back\\slash" uuid references auth.users (id);
"""


def test_hostile_names_are_quoted_in_both_languages(tmp_path: Path) -> None:
    folder = project(tmp_path / "p", HOSTILE)
    sql, python = write_tests(folder, CONFIG, pgtap_folder=str(tmp_path / "t"), pytest_folder=str(tmp_path / "t"))
    compile(Path(python.path).read_text(encoding="utf-8"), python.path, "exec")
    text = Path(sql.path).read_text(encoding="utf-8")
    assert """pg_temp.reference('public."mem""bers"', 'org;id')""" in text
    assert r"""pg_temp.reference('public."mem""bers"', E'back\\slash')""" in text


@pytest.mark.server
@pytest.mark.parametrize(("variant", "status"), [("broken", 1), ("fixed", 0)])
def test_the_file_for_pytest_is_red_and_green_where_it_should_be(tmp_path: Path, variant: Variant, status: int) -> None:
    folder = bandbook.write_project(variant, tmp_path / "bandbook")
    write_tests(bandbook.PROJECT, CONFIG, pytest_folder=str(tmp_path / "checks"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--referee-project={folder}"]
    done = subprocess.run([*command, "checks"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == status, done.stdout
    assert ("9 failed" in done.stdout) is (variant == "broken")
