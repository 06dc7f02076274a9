"""``referee scan``: its statuses, its JSON, and what it says about what it cannot do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from referee.cli.main import main
from referee.postgres.server import Server
from tests.data.mess import Mess, load, user_id
from tests.workflow.test_across import csv

MESS = Mess(users=400, songs=300)

#: The keys of version 1. Readers rely on each of them.
QUESTION = {
    "id",
    "kind",
    "subject",
    "table",
    "columns",
    "target",
    "foreign_key",
    "validated",
    "enforced",
    "severity",
    "rows_checked",
    "rows_estimated",
    "violations",
    "values",
    "new_values",
    "sample",
    "complete",
    "left_out",
    "since",
    "seconds",
    "cause",
    "query",
}
SCOPE = {
    "database",
    "server",
    "role",
    "replica",
    "mode",
    "parallel",
    "statement_timeout",
    "lock_timeout",
    "budget",
    "only",
    "tables",
    "questions",
    "identities",
    "platform_schemas_left_aside",
}


@pytest.fixture
def url(server: Server, database: str) -> str:
    return load(server, database, MESS)


def found(capsys: pytest.CaptureFixture[str], *arguments: str, status: int) -> dict[str, Any]:
    assert main(["scan", *arguments, "--format", "json"]) == status
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_version_1_of_the_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    result = found(capsys, "--db", url, status=1)
    assert set(result) == {"version", "scope", "questions", "skipped", "complete", "seconds", "notices"}
    assert result["version"] == 1
    assert set(result["scope"]) == SCOPE
    assert all(set(question) == QUESTION for question in result["questions"])
    [question] = [one for one in result["questions"] if one["id"] == "orphans public.shows.shows_created_by_fkey"]
    assert (question["kind"], question["target"], question["complete"]) == ("orphans", "auth.users(id)", True)
    sample = question["sample"][0]
    assert set(sample) == {"value", "rows", "key"}
    assert sample["value"].keys() == {"created_by"}
    assert sample["key"].keys() == {"id"}
    cause = question["cause"]
    assert set(cause) == {"kind", "confidence", "evidence", "of_all", "groups"}
    assert all(
        set(group) == {"kind", "confidence", "values", "rows", "evidence", "example"} for group in cause["groups"]
    )


def test_the_status(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scan", "--db", url, "--only", "unmirrored"]) == 1
    shown = capsys.readouterr().out
    assert f"{len(MESS.unmirrored)} of " in shown
    assert "rows of auth.users without their row in public.users" in shown
    assert main(["scan", "--db", url, "--only", "public.band_memberships"]) == 0
    assert "nothing wrong" in capsys.readouterr().out
    assert main(["scan", "--db", url, "--only", "stray", "--fail-on", "error"]) == 0
    assert main(["scan", "--db", url, "--fail-on", "never"]) == 0


def test_what_may_not_be_read_makes_the_status_2(
    server: Server, database: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            "create role reader login bypassrls; grant usage on schema public, auth to reader;"
            "grant select on public.bands, public.users, public.band_memberships to reader"
        )
    reader = server.url(database, "reader")
    result = found(capsys, "--db", reader, status=2)
    assert result["skipped"]
    assert all("may not read" in one["reason"] for one in result["skipped"])
    assert not result["complete"]
    assert main(["scan", "--db", reader, "--allow-partial"]) == 0
    assert "Not checked" in capsys.readouterr().out


def test_what_makes_no_sense(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ([], "Name a database with --db"),
        (["--db", url, "--only", "public.sogns"], 'Did you mean "public.songs"?'),
        (["--db", url, "--budget", "soon"], "soon"),
        (["--db", "postgresql://localhost:1/nothing"], "localhost:1"),
        (["--db", ""], "Invalid value for '--db': it is empty"),
        (["--db", url, "--mirror", ""], "Invalid value for '--mirror': it is empty"),
        (["--db", url, "--source-key", "auth.users(id)"], "name the other one with --source or --mirror"),
    ):
        assert main(["scan", *arguments]) == 2
        assert message in capsys.readouterr().err


# In different places


def test_accounts_and_mirror_in_different_places(
    server: Server, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("duckdb")
    file = csv(tmp_path / "people.csv", [user_id(1), user_id(2), user_id(5_000)])
    result = found(capsys, "--db", url, "--mirror", str(file), status=1)
    assert result["scope"]["mode"] == "across"
    accounts = sum(not MESS.is_stray(number) for number in range(1, MESS.users + 1))
    assert [one["violations"] for one in result["questions"]] == [accounts - 2, 1]
    assert [set(one) for one in result["questions"]] == [QUESTION, QUESTION]
    assert main(["scan", "--db", url, "--mirror", str(file)]) == 1
    assert "referee repair" not in capsys.readouterr().out, "nothing repairs a file"


def test_one_place_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb")
    assert main(["scan", "--source", "users.csv"]) == 2
    assert "Two places are needed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--only", "orphans"], "--only"),
        (["--budget", "30s"], "--budget"),
        (["--save", "last.json"], "--save"),
        (["--parallel", "1"], "--parallel"),
        (["--max-load", "3", "--fast"], "--fast, --max-load"),
    ],
)
def test_what_means_nothing_for_two_places_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], named: str
) -> None:
    """Not ignored, also where the value is that of the default; it is said before anything is read."""
    missing = str(tmp_path / "missing.csv")
    assert main(["scan", "--source", missing, "--mirror", missing, *options]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"which {named} cannot change: leave" in told
    assert "There is no file" not in told


def test_without_duckdb_it_says_what_to_install(tmp_path: Path) -> None:
    """As where the package is not there."""
    (tmp_path / "duckdb.py").write_text("raise ModuleNotFoundError('No module named duckdb', name='duckdb')")
    done = subprocess.run(
        [sys.executable, "-m", "referee", "scan", "--source", "a.csv", "--mirror", "b.csv"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "which is not installed: pip install 'referee[duckdb]'." in " ".join(done.stderr.split())
