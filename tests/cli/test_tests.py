from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.cli.main import main
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


def test_what_was_written_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["tests", "--pytest", "checks", "--format", "json", "--output", "out.json"]) == 0
    assert capsys.readouterr().out == ""
    document = json.loads(Path("out.json").read_text(encoding="utf-8"))
    files = [{"path": "checks/test_referee_users.py", "changed": True}]
    assert document == {"version": 1, "files": files, "mutation": None}
