from __future__ import annotations

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
