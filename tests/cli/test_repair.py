"""``referee repair``: its statuses, its JSON, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from referee.cli.main import main
from referee.postgres.server import Server
from tests import bandbook
from tests.data.mess import Mess, load

MESS = Mess(users=1_200, songs=1_600)

#: The keys of version 1. Readers rely on each of them.
PLAN = {"actions", "values", "skipped"}
ACTION = {
    "action",
    "question",
    "table",
    "rows",
    "values",
    "cured_by_created_rows",
    "reason",
    "other_ids",
    "hazards",
    "moves_along",
    "alternatives",
}
OUTCOME = {
    "action",
    "question",
    "done",
    "origins",
    "left",
    "left_because",
    "unfinished",
    "refused",
    "seconds",
    "batches",
    "longest_batch",
}
DONE = PLAN | {
    "version",
    "executed",
    "database",
    "run",
    "resumed",
    "finished",
    "outcomes",
    "journal",
    "verification",
    "seconds",
}
STEP = {"number", "phase", "about", "state", "trouble", "rows_filled", "seconds"}


@pytest.fixture
def url(server: Server, database: str) -> str:
    return load(server, database, MESS)


def found(capsys: pytest.CaptureFixture[str], *arguments: str, status: int) -> dict[str, Any]:
    assert main(["repair", *arguments, "--format", "json"]) == status
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_version_1_of_the_json(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    plan = found(capsys, "--db", url, status=1)
    assert set(plan) == PLAN | {"version", "executed", "database"}
    assert (plan["version"], plan["executed"]) == (1, False)
    assert all(set(action) == ACTION for action in plan["actions"])

    done = found(capsys, "--db", url, "--execute", status=1)
    assert set(done) == DONE
    assert (done["version"], done["executed"], done["finished"], done["resumed"]) == (1, True, True, False)
    assert all(set(outcome) == OUTCOME for outcome in done["outcomes"])
    assert all(set(line) == {"action", "question", "rows"} for line in done["journal"])
    assert all(set(answer) == {"question", "violations", "complete"} for answer in done["verification"])
    [created] = [one for one in done["outcomes"] if one["action"] == "create"]
    assert created["done"] == sum(created["origins"].values()) == len(MESS.unmirrored)

    undone = found(capsys, "--db", url, "--undo", "last", "--even-referenced", status=0)
    assert set(undone) == {"version", "database", "run", "whole", "entries", "seconds"}
    assert all(set(entry) == {"action", "table", "rows", "undone", "reason"} for entry in undone["entries"])
    assert undone["run"] == done["run"]


def test_the_screens(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["repair", "--db", url]) == 1
    shown = capsys.readouterr().out
    assert f"create  {len(MESS.unmirrored)} rows: unmirrored public.users" in shown
    assert "--touch public.audit_log lets it be changed all the same." in " ".join(shown.split())
    assert "Nothing was written." in shown
    assert main(["repair", "--db", url, "--execute", "--touch", "public.audit_log"]) == 0
    shown = capsys.readouterr().out
    assert "from the e-mail's first part" in shown
    assert "from the metadata" in shown
    assert "takes it back" in shown
    # Rows without an account may be all that is left of somebody: they stay, and are told.
    assert main(["repair", "--db", url]) == 1
    assert main(["repair", "--db", url, "--only", "orphans"]) == 0
    assert "there is nothing to repair" in capsys.readouterr().out


def test_a_plan_of_fix_is_run(
    server: Server, database: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = bandbook.write_project("broken", tmp_path / "bandbook")
    url = load(server, database, MESS)
    main(["fix", str(folder), "--migration", "--no-verify", "--format", "json"])
    plan = tmp_path / "plan.json"
    plan.write_text(capsys.readouterr().out)
    result = found(capsys, "--db", url, "--plan", str(plan), status=1)
    assert set(result) == {
        "version",
        "database",
        "run",
        "resumed",
        "finished",
        "steps",
        "not_reached",
        "broken",
        "seconds",
    }
    assert all(set(step) == STEP for step in result["steps"])
    assert {step["state"] for step in result["steps"]} == {"done"}
    assert sum(step["rows_filled"] for step in result["steps"]) == len(MESS.unmirrored)
    # What was wrong beyond the reach of a plan for the schema is still found.
    assert result["broken"]


def test_what_makes_no_sense(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["--execute", "--undo", "last"], "exclude each other"),
        (["--action", "songs"], "--action takes a name and an action"),
        (["--undo", "last"], "has no run"),
        (["--plan", "nothing.json"], "There is no plan nothing.json"),
        (["--map", "nothing.csv"], "The map nothing.csv could not be read: No such file or directory. It must be"),
        (["--undo", "last", "--only", "public.songs"], "whatever --only may say: leave it out"),
        (["--db", "", "--execute"], "Invalid value for '--db': it is empty"),
        (["--undo", ""], "Invalid value for '--undo': it is empty"),
        (["--undo", "last", "--any-schema"], "--any-schema is about a plan"),
        (["--plan", "p", "--touch", "x", "--action", "x=leave"], "--action, --touch may say: leave them out"),
        (["--plan", "p", "--even-referenced"], "--even-referenced is about taking a run back"),
    ):
        assert main(["repair", "--db", url, *arguments]) == 2
        assert message in " ".join(capsys.readouterr().err.split())
