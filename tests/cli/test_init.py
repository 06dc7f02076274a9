from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.workflow.config import read_config
from referee.workflow.keys import KEYS


def test_the_file_says_every_key_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = read_config(environ={})
    assert main(["init"]) == 0
    assert capsys.readouterr().out == "Wrote referee.toml; every key is explained there and commented out.\n"
    text = Path("referee.toml").read_text()
    assert tomllib.loads(text) == {}
    assert all(f"\n# {key.name} = " in text and key.option in text and key.variable in text for key in KEYS)
    after = read_config(environ={})
    assert after.file == Path.cwd() / "referee.toml"
    assert after.rules == before.rules


def test_every_line_is_good_once_it_is_uncommented() -> None:
    main(["init"])
    lines = Path("referee.toml").read_text().splitlines()
    names = tuple(f"# {key.name} = " for key in KEYS)
    Path("referee.toml").write_text("\n".join(line[2:] for line in lines if line.startswith(names)))
    assert read_config(environ={}).strict_gaps is False


def test_a_file_that_exists_is_left_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Path("referee.toml").write_text("# mine\n")
    assert main(["init"]) == 2
    assert "referee.toml exists and was left as it is" in capsys.readouterr().err
    assert Path("referee.toml").read_text() == "# mine\n"


def test_a_folder_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "gone"]) == 2
    assert "gone/referee.toml could not be written: No such file or directory" in capsys.readouterr().err
