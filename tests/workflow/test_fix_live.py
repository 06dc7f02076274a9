"""The files of `fix --migration` on databases: in use, with awkward rows, half done; and what a database decides."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from referee.model.names import QName
from referee.model.repair import FileChange, Repair
from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.plan_run import run_plan, undo_run
from tests import bandbook
from tests.live import PSQL, RETARGETED, UNMIRRORED, fill, goes_back, goes_through, keys, psql

CONFIG = Config(cache=False)
_ANYBODY = "select id from auth.users order by id limit 1"


@pytest.fixture(scope="module")
def repair(tmp_path_factory: pytest.TempPathFactory) -> Repair:
    folder = bandbook.write_project("broken", tmp_path_factory.mktemp("fix") / "bandbook")
    return fix(folder, CONFIG, Request("migration", verify=False))


@pytest.fixture
def former(server: Server) -> Iterator[str]:
    """A database at the old state."""
    with server.database() as database:
        psql(server, database, bandbook.migration("broken"))
        yield database


def forward(repair: Repair) -> list[FileChange]:
    return [file for file in repair.files if file.kind == "migration"]


def text(repair: Repair, count: int | None = None) -> str:
    """The first files as one, which is quicker where nobody is in the way."""
    return "".join([file.after for file in forward(repair)[:count]])


def rollback(repair: Repair) -> str:
    [file] = [file for file in repair.files if file.kind == "rollback"]
    return file.after


def test_it_goes_through_and_back_while_people_go_on(repair: Repair, server: Server, former: str) -> None:
    with server.connect(former) as session:
        before = keys(session)

    def apply() -> None:
        for file in forward(repair):
            psql(server, former, file.after)

    assert repair.plan is not None
    goes_through(server, former, 5_000, repair.plan.verification, apply)
    # The host lets its migration role drop triggers on its tables; plain Postgres asks for their owner.
    goes_back(server, former, before, lambda: psql(server, former, rollback(repair), server.superuser))


def test_repair_runs_the_plan_and_takes_it_back_while_people_go_on(repair: Repair, server: Server, former: str) -> None:
    url = server.url(former, server.superuser)
    plan = repair.plan
    assert plan is not None
    with server.connect(former) as session:
        before = keys(session)
    goes_through(server, former, 5_000, plan.verification, lambda: run_plan(url, plan, CONFIG))
    undone = []
    goes_back(server, former, before, lambda: undone.append(undo_run(url, config=CONFIG)))
    steps = [entry for entry in undone[0].entries if entry.action == "step"]
    assert len(steps) == len(plan.steps)
    assert all(entry.done == entry.rows for entry in steps)


def test_the_way_back_leads_there_from_everywhere(repair: Repair, server: Server, former: str) -> None:
    """After each file, and twice."""
    schema = (
        "select conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated from pg_constraint "
        "where connamespace = 'public'::regnamespace and contype <> 'n' union all "
        "select attrelid::regclass::text, attname, attnotnull::text, null from pg_attribute "
        "where attrelid = 'public.shows'::regclass and attnum > 0 union all "
        "select tgrelid::regclass::text, tgname, null, null from pg_trigger where not tgisinternal union all "
        "select tablename, indexname, null, null from pg_indexes where schemaname = 'public' union all "
        "select tablename, policyname, null, null from pg_policies order by 1, 2, 3"
    )
    with server.connect(former, server.superuser) as session:
        fill(session, 1_000)
        before = session.rows(schema)
        for last in range(1, len(forward(repair)) + 1, 5):
            psql(server, former, text(repair, last))
            for _ in range(2):
                psql(server, former, rollback(repair), server.superuser)
                assert session.rows(schema) == before, last


def test_the_way_back_decides_nothing_about_rows(repair: Repair, server: Server, former: str) -> None:
    """A show forgot its maker, and a song is by somebody who is in the mirror only: neither fits the old schema."""
    with server.connect(former, server.superuser) as session:
        fill(session, 1_000)
        before = keys(session)
        psql(server, former, text(repair))
        session.run(
            f"update public.shows set created_by = null where created_by = ({_ANYBODY});"
            "alter table public.users drop constraint users_id_fkey;"
            "insert into public.users (id, email, name) values (gen_random_uuid(), 'stray', 'x');"
            "update public.songs set last_modified_by = (select id from public.users where email = 'stray') "
            f"where last_modified_by = ({_ANYBODY})"
        )
        psql(server, former, rollback(repair), server.superuser)
        assert keys(session) == {**before, "songs_last_modified_by_fkey": ("auth.users", False)}
        check = "select conname, convalidated from pg_constraint where contype = 'c' and conname like '%filled'"
        assert session.rows(check) == [("shows_created_by_filled", False)]
        # Once a person has decided about the rows, the same file ends it.
        session.run(
            f"update public.shows set created_by = ({_ANYBODY}) where created_by is null;"
            "update public.songs set last_modified_by = null "
            "where last_modified_by = (select id from public.users where email = 'stray')"
        )
        psql(server, former, rollback(repair), server.superuser)
        assert keys(session) == before
        assert session.rows(check) == []
        filled = "select attnotnull from pg_attribute where attrelid = 'public.shows'::regclass and attname = %s"
        assert session.value(filled, ["created_by"]) is True


def test_stray_rows_keep_the_identity_key_unvalidated_and_nothing_else(
    repair: Repair, server: Server, former: str
) -> None:
    with server.connect(former, server.superuser) as session:
        fill(session, 1_000)
        session.run("insert into public.users (id, email, name) values (gen_random_uuid(), 'stray', 'x')")
        psql(server, former, text(repair))
        assert [name for name, key in keys(session).items() if not key[1]] == ["users_id_fkey"]
        assert session.value("select count(*) from public.users where email = 'stray'") == 1
        assert repair.plan is not None
        found = [query for query in repair.plan.verification if session.rows(query)]
        assert len(found) == 1
        assert "from public.users as r" in found[0]


# What a database decides


def test_its_history_says_which_files_have_run(tmp_path: Path, server: Server, former: str) -> None:
    project = bandbook.write_project("broken", tmp_path / "bandbook")

    def decided(database: str) -> tuple[str, str]:
        found = fix(project, CONFIG, Request(db=server.url(database, server.superuser), verify=False))
        return found.way, found.because.replace(database, "it")

    history = "supabase_migrations.schema_migrations"
    with server.database() as empty, server.connect(empty, server.superuser) as session:
        way, because = decided(empty)
        assert way == "in-place"
        assert "holds 0 of 1 files" in because
        session.run(f"drop table {history}")
        way, because = decided(empty)
        assert way == "migration"
        assert "keeps no history" in because
    with server.connect(former, server.superuser) as session:
        # Applied by hand, as `psql --file` does: the tables tell.
        way, because = decided(former)
        assert way == "migration"
        assert "has the table public.audit_log, though its history holds none" in because
        session.run(f"insert into {history} (version) values ('20251106000000')")
    way, because = decided(former)
    assert way == "migration"
    assert "holds 1 of 1 files" in because


def test_its_rows_are_counted(tmp_path: Path, server: Server, former: str) -> None:
    with server.connect(former, server.superuser) as session:
        fill(session, 1_000)
    project = bandbook.write_project("broken", tmp_path / "bandbook")
    found = fix(project, CONFIG, Request("migration", db=server.url(former, server.superuser), verify=False))
    assert found.plan is not None
    rows = {step.sql.split("\n")[0][:60]: step.rows for step in found.plan.steps}
    assert rows["insert into public.users (id, email, name)"] == UNMIRRORED
    assert rows["alter table public.songs validate constraint songs_last_modi"] == 1_000
    assert rows["create trigger sync_users"] == 0
    [backfill] = [file.after for file in found.files if "backfill" in file.path]
    assert f"-- Touches: {UNMIRRORED} rows" in backfill


def test_who_waits_behind_a_plan_that_waits_goes_on_after_half_a_second(
    repair: Repair, server: Server, former: str
) -> None:
    """A transaction is open that has read accounts; a file wants them for itself, and gives way."""
    changing = [file for file in forward(repair) if "do $$" in file.after and "drop constraint" in file.after]
    with (
        server.connect(former, server.superuser) as session,
        server.connect(former, server.superuser) as holder,
        server.connect(former, "supabase_auth_admin") as door,
    ):
        fill(session, 1_000)
        psql(server, former, text(repair, forward(repair).index(changing[0])))
        before = keys(session)
        holder.run(f"begin; {_ANYBODY}")
        with ThreadPoolExecutor() as pool:
            began = time.monotonic()
            refused = pool.submit(once, server, former, changing[0].after)
            while not session.rows("select from pg_catalog.pg_locks where not granted"):
                assert not refused.done()
            door.run("insert into users (id) values (gen_random_uuid())")
            waited = time.monotonic() - began
            assert "canceling statement due to lock timeout" in refused.result()
        assert waited < 5  # half a second, on a machine that does other things too
        assert keys(session) == before
        holder.run("commit")
        for file in changing:
            psql(server, former, file.after)
        assert all(table == "users" and valid for name, (table, valid) in keys(session).items() if name in RETARGETED)


def once(server: Server, database: str, text: str) -> str:
    """What psql says of a file that it runs once."""
    command = [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(database)]
    return subprocess.run(command, input=text, text=True, capture_output=True, check=False).stderr


_HELD = """
select n.nspname, c.relname, array_agg(l.mode) from pg_catalog.pg_locks l
join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where l.pid = pg_backend_pid() and c.relkind = 'r' and n.nspname in ('public', 'auth') group by 1, 2
"""
#: Modes that a reader or writer of rows has too.
_WEAK = {"AccessShareLock", "RowShareLock", "RowExclusiveLock"}


def test_each_step_takes_the_locks_that_it_states(repair: Repair, server: Server, former: str) -> None:
    plan = repair.plan
    assert plan is not None
    with server.connect(former, server.superuser) as session:
        fill(session, 1_000)
        tried = 0
        for step in plan.steps:
            if not step.in_transaction:
                session.run(step.sql)
                continue
            session.run(f"begin; {step.sql}")
            held = {QName(schema, table): set(modes) for schema, table, modes in session.rows(_HELD)}
            session.run("commit")
            stated = {lock.relation: f"{lock.mode.title().replace(' ', '')}Lock" for lock in step.locks}
            assert {table for table, modes in held.items() if modes - _WEAK} <= stated.keys(), step.sql
            for table, mode in stated.items():
                assert mode in held[table], step.sql
                # Where a step states a weak lock, it has no strong one.
                assert held[table] - _WEAK <= {mode, *_IMPLIED.get(mode, ())}, step.sql
            tried += 1
        assert tried == len(plan.steps) - 1


#: What a statement may hold besides a strong lock: weaker ones of its own parts.
_IMPLIED = {"AccessExclusiveLock": ("ShareRowExclusiveLock", "ShareUpdateExclusiveLock")}
