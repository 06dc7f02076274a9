"""The examples of docs/compare.md say what the page says."""

from __future__ import annotations

import re
import shlex
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path

import pytest

from referee.cli.main import main
from tests import bandbook

PAGE = (Path(__file__).parent.parent / "docs" / "compare.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ referee (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@pytest.fixture
def _projects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page calls local and production."""
    monkeypatch.chdir(tmp_path)
    for name in ("local", "production"):
        bandbook.write_project("fixed_with_identity_key", Path(name))
    tidy = Path("production", "supabase", "migrations", "20251201000000_tidy.sql")
    tidy.write_text("drop trigger if exists on_auth_user_created on auth.users;\n", encoding="utf-8")


@pytest.mark.usefixtures("_projects")
def test_each_command_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    commands = [found for block in BLOCKS for found in COMMAND.findall(block)]
    assert len(commands) >= 9
    for line, shown in commands:
        main(shlex.split(line))
        printed = capsys.readouterr()
        assert printed.err == ""
        wanted, got = shown.rstrip() + "\n", printed.out.rstrip() + "\n"
        if shown.strip():
            assert OutputChecker().check_output(wanted, got, ELLIPSIS), f"$ referee {line}\n{got}"
