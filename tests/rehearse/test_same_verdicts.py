"""The same input gives the same verdicts, to the letter: ten runs in a row, and two at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import bandbook

pytestmark = pytest.mark.server


def start(project: Path, output: Path) -> subprocess.Popen[bytes]:
    code = "import sys; from referee.cli.main import main; sys.exit(main())"
    arguments = ["prove", str(project), "--format", "json", "--output", str(output), "--no-cache"]
    return subprocess.Popen([sys.executable, "-c", code, *arguments])


def test_ten_in_a_row_and_two_at_once(tmp_path: Path) -> None:
    project = bandbook.write_project("fixed", tmp_path / "project")
    for number in range(10):
        assert start(project, tmp_path / str(number)).wait() == 1
    at_once = [start(project, tmp_path / name) for name in ("one", "other")]
    assert [process.wait() for process in at_once] == [1, 1]
    texts = {(tmp_path / name).read_text() for name in (*map(str, range(10)), "one", "other")}
    assert len(texts) == 1
