from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.cli.main import main
from tests.cli.projects import CLEAN, LINE, SPLIT, write


def test_the_two_tables(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["identities"]) == 0
    screen = capsys.readouterr().out
    assert "Wrong: 1 user reference" in screen
    assert f"  public.shows  created_by  {LINE}      REFERENCES auth.users(id)" in screen
    assert "Right: 2 user references" in screen


def test_as_json_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["identities", "--format", "json", "--output", "identities.json"]) == 0
    assert capsys.readouterr().out == ""
    data = json.loads(Path("identities.json").read_text())
    assert list(data) == ["version", "identities"]
    assert data["identities"][0]["canonical"] == "public.users(id)"


def test_options_decide_what_an_identity_is(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["identities", "--source", "none"]) == 0
    assert "There is no identity in the current folder: " in capsys.readouterr().out
    assert main(["identities", "--canonical", "auth.users(id)"]) == 0
    assert "User references should point to auth.users(id), as configured." in capsys.readouterr().out


def test_a_project_without_references_has_an_identity_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    write(CLEAN)
    assert main(["identities"]) == 0
    assert capsys.readouterr().out.startswith("Identity auth.users(id)")
