"""Which programs --postgres-bin means."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.cli.main import main
from referee.errors import UsageError
from referee.workflow.programs import programs_for

Asked = list[tuple[object, ...]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    found: Asked = []

    def find(*arguments: object) -> None:
        found.append(arguments)
        raise UsageError("found")

    monkeypatch.setattr("referee.workflow.programs.find_programs", find)
    return found


@pytest.fixture
def project(tmp_path: Path) -> str:
    migrations = tmp_path / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (tmp_path / "supabase" / "config.toml").write_text("[db]\nmajor_version = 15\n")
    (migrations / "20250101000000_a.sql").write_text("create table public.a (id int);")
    return str(tmp_path)


def test_the_ones_that_come_along_are_asked_for_by_nothing(project: str, asked: Asked) -> None:
    assert programs_for(None, project) is None
    assert asked == []


@pytest.mark.parametrize("command", ["prove", "fix", "snapshot"])
def test_installed_ones_are_those_of_the_projects_version(command: str, project: str, asked: Asked) -> None:
    assert main([command, project, "--postgres-bin", "auto"]) == 2
    assert asked == [("auto", 15)]


def test_of_two_sides_the_project_says_which(project: str, asked: Asked, tmp_path: Path) -> None:
    assert main(["compare", "postgresql://nobody@localhost/x", project, "--postgres-bin", "auto"]) == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="found"):
        programs_for("auto", str(tmp_path / "empty"))
    assert asked == [("auto", 15), ("auto", None)]


def test_a_folder_is_taken_as_it_is(project: str, asked: Asked) -> None:
    with pytest.raises(UsageError, match="found"):
        programs_for("/somewhere", project)
    assert asked == [("/somewhere", None)]
