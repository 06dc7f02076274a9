"""Plans on databases in use: each step once, whatever comes in between, and back again."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from referee.data.writer import Limits
from referee.errors import ReadError, UsageError
from referee.model.names import QName
from referee.model.plan import Lock, Phase, Plan, Step
from referee.model.row_repair import PlanRun
from referee.postgres.server import Server
from referee.postgres.session import Session
from referee.render.repair_text import render_run
from referee.workflow.config import Config
from referee.workflow.plan_file import read_plan
from referee.workflow.plan_run import run_plan, undo_run
from referee.workflow.repair import RepairWish
from tests.workflow.test_repair import people

CONFIG = Config(cache=False)
NOTES = QName("public", "notes")


def step(sql: str, phase: Phase = Phase.EXPAND, **more: Any) -> Step:
    return Step(phase, sql, sql, (Lock(NOTES, "SHARE ROW EXCLUSIVE"),), **more)


PLAN = Plan(
    "",
    (
        step("alter table public.notes add column size int", undo=("alter table public.notes drop column size",)),
        step(
            "create index concurrently notes_size on public.notes (size)",
            in_transaction=False,
            undo=("drop index if exists public.notes_size",),
        ),
        step("update public.notes set size = 1", Phase.BACKFILL, undo=("update public.notes set size = null",)),
        step(
            "alter table public.notes alter size set not null",
            Phase.CONTRACT,
            undo=("alter table public.notes alter size drop not null",),
        ),
    ),
    (),
    ("select from public.notes where size is null",),
)


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Session]:
    with server.connect(database) as found:
        found.run("create table public.notes (id int primary key); insert into public.notes values (1), (2)")
        yield found


def run(server: Server, database: str, plan: Plan = PLAN, patience: float = 5, **more: Any) -> PlanRun:
    return run_plan(server.url(database), plan, CONFIG, RepairWish(limits=Limits(patience=patience)), **more)


def states(result: PlanRun) -> list[str]:
    return [one.state for one in result.steps]


def is_valid(session: Session) -> bool | None:
    found: bool | None = session.value(
        "select indisvalid from pg_index where indexrelid = to_regclass('public.notes_size')"
    )
    return found


def test_each_step_is_done_and_verified(server: Server, database: str, session: Session) -> None:
    result = run(server, database)
    assert states(result) == ["done"] * 4
    assert (result.is_done, result.broken, result.resumed) == (True, (), False)
    assert session.rows("select size from public.notes") == [(1,), (1,)]
    assert is_valid(session)


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_plan_that_is_cut_short_goes_on_where_it_ended(
    server: Server, database: str, session: Session, last: int
) -> None:
    def stop(message: str) -> None:
        if message.startswith(f"step {last} of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(server, database, tell=stop)
    result = run(server, database)
    assert result.resumed
    assert states(result) == ["done before"] * (last - 1) + ["done"] * (5 - last)
    lines = session.rows("select question from referee.journal where action = 'step' order by entry")
    assert lines == [(f"step {number}",) for number in range(1, 5)]


def test_an_index_that_was_cut_short_is_built_anew(server: Server, database: str, session: Session) -> None:
    """CREATE INDEX CONCURRENTLY leaves an index behind that is not valid; a statement limit ends this one."""

    def stop(message: str) -> None:
        if message.startswith("step 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(server, database, _impatient(PLAN), tell=stop)
    with server.connect(database) as holder:
        holder.run("begin; insert into public.notes values (3)")
        result = run(server, database, _impatient(PLAN), patience=0.5)
        assert states(result) == ["done before", "failed"]
        assert is_valid(session) is False
        holder.run("commit")
    again = run(server, database, _impatient(PLAN))
    assert states(again) == ["done before", "done", "done", "done"]
    assert is_valid(session)


def _impatient(plan: Plan) -> Plan:
    """The plan with a limit for its index: it would wait for ever for a transaction that is open."""
    first, index, *rest = plan.steps
    limits = type(index.timeouts)("500ms", "300ms")
    waiting = Step(index.phase, index.sql, index.about, index.locks, False, timeouts=limits, undo=index.undo)
    return Plan(plan.schema_before, (first, waiting, *rest), (), plan.verification)


def test_an_index_that_came_through_is_not_built_twice(server: Server, database: str, session: Session) -> None:
    """The process was killed between the index and the line about it."""

    def stop(message: str) -> None:
        if message.startswith("step 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(server, database, tell=stop)
    session.run("delete from referee.journal where action = 'step' and question = 'step 2'")
    before = session.value("select 'public.notes_size'::regclass::oid")
    assert states(run(server, database)) == ["done before", "done", "done", "done"]
    assert session.value("select 'public.notes_size'::regclass::oid") == before


def test_a_step_waits_for_others_and_gives_way(server: Server, database: str, session: Session) -> None:
    told: list[str] = []
    with server.connect(database) as holder:
        holder.run("begin; select from public.notes for update")
        release = threading.Timer(1.2, lambda: holder.run("commit"))
        release.start()
        began = time.monotonic()
        result = run(server, database, tell=told.append)
        release.join()
    assert states(result) == ["done"] * 4
    assert time.monotonic() - began > 1
    assert any("canceling statement due to lock timeout; trying again" in message for message in told)


def test_a_step_that_fails_ends_the_plan_and_is_told(server: Server, database: str, session: Session) -> None:
    plan = Plan("", (*PLAN.steps[:1], step("alter table public.nothing add x int"), *PLAN.steps[2:]))
    result = run(server, database, plan)
    assert states(result) == ["done", "failed"]
    assert result.steps[1].trouble == 'relation "public.nothing" does not exist (42P01)'
    assert not result.is_done


def test_what_a_plan_leaves_wrong_is_told(server: Server, database: str, session: Session) -> None:
    result = run(server, database, Plan("", PLAN.steps[:1], (), PLAN.verification))
    assert result.is_done
    assert result.broken == (("select from public.notes where size is null", 2),)
    shown = " ".join(render_run(result).split())
    assert "not as it should be: 2 rows from select from public.notes where size is null All 1 step done, and" in shown
    assert "Run the same command again" not in shown, "it is at its end"
    result = run(server, database, Plan("", PLAN.steps[1:2], (), ("select oops",)))
    assert 'could not be verified: select oops -- column "oops" does not exist' in render_run(result)


def test_two_at_once_do_each_step_once(server: Server, database: str, session: Session) -> None:
    found: list[PlanRun | BaseException] = []

    def work() -> None:
        try:
            found.append(run(server, database, Plan("", PLAN.steps[:1])))
        except BaseException as error:
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Whoever comes second is told by the server that the column is there, or finds the step done.
    done = [one for one in found if isinstance(one, PlanRun) and one.steps[0].state != "failed"]
    assert done
    assert (
        session.value("select count(*) from pg_attribute where attrelid = 'public.notes'::regclass and attnum > 0") == 2
    )


def test_the_way_back(server: Server, database: str, session: Session) -> None:
    run(server, database)
    back = undo_run(server.url(database), config=CONFIG)
    assert back.is_whole
    names = session.rows("select attname from pg_attribute where attrelid = 'public.notes'::regclass and attnum > 0")
    assert [name for (name,) in names if not str(name).startswith("...")] == ["id"]
    with pytest.raises(UsageError, match="has no run that could be taken back"):
        undo_run(server.url(database), config=CONFIG)


def test_a_plan_for_another_schema_is_refused(server: Server, database: str, session: Session) -> None:
    plan = Plan("0" * 32, PLAN.steps, (), PLAN.verification)
    with pytest.raises(UsageError, match="The plan was made for another schema"):
        run(server, database, plan)
    with pytest.raises(UsageError, match="The plan was made for another schema"):
        run(server, database, plan)
    assert states(run(server, database, plan, any_schema=True)) == ["done"] * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no plan"),
        ("{", "is no plan"),
        (json.dumps({"version": 2, "steps": []}), "is a plan of version 2"),
        (json.dumps({"version": 1, "steps": []}), "has no steps"),
        (json.dumps({"version": 1, "steps": [{"phase": "later", "sql": "select"}]}), 'a step of phase "later"'),
        (
            json.dumps({"version": 1, "steps": [{"phase": "expand", "sql": "", "timeouts": {"lock": "1'; drop"}}]}),
            'the time limit "1\'; drop"; write it as 500ms',
        ),
    ],
)
def test_files_that_are_no_plans(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ReadError, match=message):
        read_plan(file)


def test_rows_that_a_new_key_does_not_take_are_named(server: Server, database: str, session: Session) -> None:
    session.run("create table public.pages (note int); insert into public.pages values (1), (7)")
    plan = Plan("", (step("alter table public.pages add foreign key (note) references public.notes"),))
    trouble = run(server, database, plan).steps[0].trouble
    assert trouble is not None
    assert 'Key (note)=(7) is not present in table "notes".' in trouble
    assert "`referee repair --execute` puts them right; then run the plan again" in trouble
    session.run("delete from public.pages where note = 7")
    again = run(server, database, plan)
    assert (again.resumed, states(again)) == (True, ["done"])


def test_a_backfill_waits_while_more_sessions_than_wanted_are_at_work(
    server: Server, database: str, session: Session
) -> None:
    backfill = Step(
        Phase.BACKFILL,
        "insert into public.users (id, email) select id, email from auth.users on conflict do nothing",
        "the accounts from before get their rows",
        (Lock(QName("public", "users"), "ROW EXCLUSIVE"), Lock(QName("auth", "users"), "ACCESS SHARE")),
    )
    asleep = "select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    with server.connect(database, server.superuser) as owner, server.connect(database) as busy:
        session.run("drop table public.notes")
        people(owner)
        busy.run("set application_name to 'shop'")
        worker = threading.Thread(target=lambda: busy.rows("select pg_sleep(1.2)"))
        told: list[str] = []

        def tell(message: str) -> None:
            told.append(message)
            if message.startswith("step 1"):
                worker.start()
                while not owner.rows(asleep):
                    pass

        wish = RepairWish(max_load=0)
        result = run_plan(server.url(database, server.superuser), Plan("", (backfill,)), CONFIG, wish, tell=tell)
        worker.join()
    assert [one.filled for one in result.steps] == [6]
    assert "1 other sessions are active, more than 0; waiting" in told
