"""The rows of a plan's steps, and steps with many rows in batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from referee.errors import ServerError
from referee.fixing.order import cut, text_of
from referee.model.plan import BATCH, Phase, Plan, Step
from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.plan_rows import MOST, in_batches, with_rows
from tests import bandbook
from tests.live import psql

STEP = Step(Phase.BACKFILL, "all", "fill:\nselect 1", touches="select 1", batch="some")


@pytest.mark.parametrize("rows", [None, 0, BATCH, 2 * BATCH])
def test_few_rows_are_one_step(rows: int | None) -> None:
    step = replace(STEP, rows=rows)
    assert list(in_batches(step)) == [step]
    assert list(in_batches(replace(step, rows=10**9, batch=None))) == [replace(step, rows=10**9, batch=None)]


@pytest.mark.parametrize(("rows", "parts"), [(2 * BATCH + 1, 3), (30 * BATCH, 30), (10**9, MOST)])
def test_many_rows_are_parts_and_the_last_takes_what_is_left(rows: int, parts: int) -> None:
    found = list(in_batches(replace(STEP, rows=rows)))
    assert [step.sql for step in found] == ["some"] * (parts - 1) + ["all"]
    assert sum(step.rows or 0 for step in found) == rows
    assert all((step.rows or 0) > 0 for step in found)
    assert found[1].about == f"part 2 of {parts}: fill:\nselect 1"
    # Each is committed by itself.
    assert len(cut(found)) == parts


def test_the_parts_fill_everything(tmp_path: Path, server: Server) -> None:
    project = bandbook.write_project("broken", tmp_path / "bandbook")
    repair = fix(project, Config(cache=False), Request("migration", verify=False))
    assert repair.plan is not None
    with server.database() as database:
        psql(server, database, bandbook.migration("broken"))
        with server.connect(database, server.superuser) as session:
            session.run(
                "insert into auth.users (id, email) select gen_random_uuid(), n || '@example.org' "
                f"from generate_series(1, {2 * BATCH + 7}) n"
            )
            plan = with_rows(repair.plan, server.url(database, server.superuser))
            backfills = [step for step in plan.steps if step.phase is Phase.BACKFILL]
            assert [step.rows for step in backfills] == [BATCH, BATCH, 7]
            filled = []
            for part in cut(backfills):
                psql(server, database, text_of(part, 1, 1))
                filled.append(session.value("select count(*) from public.users"))
            assert filled == [BATCH, 2 * BATCH, 2 * BATCH + 7]


def test_what_cannot_be_counted_is_unknown(server: Server) -> None:
    steps = tuple([replace(STEP, touches=touches) for touches in ("select from nowhere", "select 1", None)])
    with server.database() as database:
        found = with_rows(Plan("", steps), server.url(database)).steps
    assert [step.rows for step in found] == [None, 1, 0]
    with pytest.raises(ServerError):
        with_rows(Plan("", steps), "host=/nowhere")
