"""A plan comes out of its file as it went in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from referee.render.fix_json import render
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.plan_file import read_plan
from tests.render.test_fix import OTHER, PLAN, REPAIR
from tests.workflow.test_generators import SPLIT

_HOSTILE = SPLIT.replace("public.", '"Org.s".').replace("songs", '"mem""bers"')


def test_everything_that_running_it_needs_is_there(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations/1.sql").write_text('create schema "Org.s";' + _HOSTILE)
    config = Config(cache=False, platform="supabase")
    made = fix(tmp_path / "migrations", config, Request("migration", verify=False))
    assert made.plan is not None
    assert any(lock.relation == ("Org.s", 'mem"bers') for step in made.plan.steps for lock in step.locks)
    for repair in (made, REPAIR):
        plan = repair.plan
        assert plan is not None
        file = tmp_path / "plan.json"
        file.write_text(render(repair), encoding="utf-8")
        steps = tuple([replace(step, touches=None, batch=None) for step in plan.steps])
        found = read_plan(file)
        assert found.steps == steps
        assert (found.schema_before, found.verification) == (plan.schema_before, plan.verification)
    assert found.steps[0].undo is OTHER.undo is None
    assert found.steps[-1].undo == PLAN.steps[-1].undo
