from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.errors import UsageError
from referee.workflow.config import Config
from referee.workflow.mutate import mutate
from referee.workflow.playground import open_playground
from tests.cli.projects import SPLIT, write


def test_files_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["tests", "--pgtap", "supabase/tests", "--pytest", "checks"]) == 0
    assert capsys.readouterr().out == (
        "supabase/tests/900-referee-users.test.sql: written\nchecks/test_referee_users.py: written\n"
    )
    assert main(["tests", "--pgtap", "supabase/tests"]) == 0
    assert capsys.readouterr().out == "supabase/tests/900-referee-users.test.sql: unchanged\n"
    assert "shows" in Path("checks/test_referee_users.py").read_text(encoding="utf-8")


def test_a_folder_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["tests"]) == 2
    assert "--pgtap DIR, --pytest DIR or both" in capsys.readouterr().err
    assert main(["tests", "--pgtap", "checks", "--pytest", ""]) == 2
    assert "Invalid value for '--pytest': it is empty" in capsys.readouterr().err
    assert not Path("checks").exists()


def test_programs_without_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["tests", "--pgtap", "checks", "--postgres-bin", "auto"]) == 2
    assert "--postgres-bin is for --mutate" in capsys.readouterr().err
    assert not Path("checks").exists()


@pytest.mark.parametrize("module", ["mutate", "playground"])
def test_installed_programs_are_those_of_the_projects_version(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(SPLIT)
    Path("supabase/config.toml").write_text("[db]\nmajor_version = 15\n")
    Path("supabase/tests").mkdir()
    Path("supabase/tests/a.sql").write_text("select 1;")
    asked: list[tuple[object, ...]] = []

    def find(*arguments: object) -> None:
        asked.append(arguments)
        raise UsageError("found")

    monkeypatch.setattr(f"referee.workflow.{module}.find_programs", find)
    start = mutate if module == "mutate" else lambda *arguments, **how: open_playground(*arguments, **how).__enter__()
    with pytest.raises(UsageError, match="found"):
        start(".", Config(cache=False), programs="auto")
    assert asked == [("auto", 15)]


def test_what_was_written_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["tests", "--pytest", "checks", "--format", "json", "--output", "out.json"]) == 0
    assert capsys.readouterr().out == ""
    document = json.loads(Path("out.json").read_text(encoding="utf-8"))
    files = [{"path": "checks/test_referee_users.py", "changed": True}]
    assert document == {"version": 1, "files": files, "mutation": None}
