"""``referee prove``: its statuses, what it prints where, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.cli.main import main
from tests.cli.projects import CLEAN, SPLIT, write

pytestmark = pytest.mark.server


@pytest.fixture(autouse=True)
def _usual_cache(_own_repository: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers need a cache whose folder their account may enter."""
    monkeypatch.delenv("REFEREE_CACHE_DIR")


QUICK = ("--only", "login", "--no-races")
REFERENCES = ("--only", "references", "--no-races")


def test_what_fails_is_status_1_and_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["prove", *REFERENCES]) == 1
    told = capsys.readouterr()
    assert told.err == ""
    lines = {line.split()[0]: line.split()[1:] for line in told.out.splitlines() if line.startswith("  ")}
    # The mirror's own key keeps out rows without an account, and nothing but the application fills the mirror.
    assert lines["bands.owner"] == ["pass", "23503", "pass", "pass", "-", "23503"]
    assert lines["shows.created_by"] == ["pass", "pass", "pass", "pass", "-", "pass"]
    assert "2 things that production will do wrong." in told.out
    assert "Rehearsed on PostgreSQL" in told.out


def test_what_passes_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["prove", *QUICK]) == 0
    assert "Nothing that was rehearsed fails in production." in capsys.readouterr().out


def test_a_project_without_users_has_flows_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    write(CLEAN)
    assert main(["prove", "--only", "sign-up-email", "--only", "profile-write", "--no-races"]) == 0
    assert "not run profile-write: there is no mirror" in capsys.readouterr().out


def test_both_modes_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["prove", *REFERENCES, "--default-privileges", "both", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["server"]["privileges"]) == (1, "exposed")
    (also,) = found["also"]
    assert also["server"]["privileges"] == "revoked"
    first = {one["table"]: one["worlds"]["fresh-sign-up"]["first"] for one in also["references"]}
    assert first["public.shows"]["refused_by"] == "privilege"


def test_markdown_goes_to_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["prove", *QUICK, "--format", "markdown", "--output", "rehearsal.md"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("rehearsal.md").read_text().startswith("# Rehearsal of ")


def test_each_failure_becomes_a_script(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["prove", *REFERENCES, "--emit", "failures/now"]) == 1
    assert {path.name for path in Path("failures/now").iterdir()} == {
        "reference-public.bands.bands_owner_fkey.sql",
        "reference-public.songs.songs_made_by_fkey.sql",
    }


def test_a_row_that_the_project_supplies(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody guesses a number with the right check digits."""
    secret = "alter table public.shows add licence text not null check (md5(licence) like '5d41402a%');\n"
    write(SPLIT + secret)
    only = ("--only", "references", "--no-races", "--format", "json")
    main(["prove", *only])
    (before,) = [one for one in json.loads(capsys.readouterr().out)["references"] if one["table"] == "public.shows"]
    assert "23514" in before["not_run"]
    Path("referee.toml").write_text('[rows]\n"public.shows(licence)" = "\'hello\'"\n')
    main(["prove", *only])
    (after,) = [one for one in json.loads(capsys.readouterr().out)["references"] if one["table"] == "public.shows"]
    assert after["not_run"] is None
    assert after["worlds"]["fixture"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "sing-up-email"), '--only names no flow "sing-up-email". There are sign-up-email'),
        (("--default-privileges", "none"), "none"),
        (("--max-schedules", "0"), "--max-schedules"),
        (("--platform", "plain"), "`prove` rehearses Supabase projects"),
        (("--emit", "file/inside"), "file/inside could not be made: Not a directory. Name another folder."),
    ],
)
def test_what_cannot_be_asked_is_status_2(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SPLIT)
    Path("file").write_text("")
    assert main(["prove", *QUICK, *arguments] if "--only" not in arguments else ["prove", *arguments]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
