"""Whatever comes in between, every wrong row is repaired exactly once, nothing is lost, and the journal knows.

A repair is killed at random moments, the server is restarted and crashed while it works, others hold rows and
tables, and two repairs work at once. What is there in the end is compared, row by row, with what a model says.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from referee.errors import ServerError
from referee.model.row_repair import JOURNAL
from referee.platforms import SUPABASE
from referee.postgres.cluster import template_name
from referee.postgres.session import Session
from referee.sql import repairs
from tests import bandbook
from tests.data.mess import MESS_ROWS, Mess, user_id
from tests.data.restartable import Restartable, restartable

_SLOW = """
create function referee.slow() returns trigger language plpgsql as $$ begin perform pg_sleep(0.01); return new; end $$;
create trigger slow before insert on referee.journal for each row execute function referee.slow();
"""
MESS = Mess(users=18_000, songs=6_000) if os.environ.get("REFEREE_ACCEPTANCE") else Mess(users=8_000, songs=3_000)
#: Twenty in `make acceptance`; here as many as there are kinds of disturbances.
KILLS = 20 if os.environ.get("REFEREE_ACCEPTANCE") else 5
RESTART, CRASH, PAIRS = 2, 4, 3
LAST = user_id(MESS.users // 37 * 37)
PROJECT = Path(__file__).parent.parent.parent

Rows = dict[str, dict[str, Any]]
_TABLES = ("auth.users", "public.users", "public.songs", "public.shows", "public.practice_sessions", "public.audit_log")
# What triggers of the application write beside the repair.
_STAMPS = ("updated_date", "version")


@pytest.fixture
def server() -> Iterator[Restartable]:
    with restartable(SUPABASE) as own:
        yield own


def test_every_row_is_right_exactly_once(server: Restartable) -> None:
    url = _load(server)
    before = _state(server)
    expected = _model(before)
    chance = random.Random(20251119)
    with _disturbed(server):
        _kill_at_random_moments(server, url, chance)
        status = _two_at_once(url)
    # Two tables that must not be touched unless named keep their rows: the audit log, and mirror rows without account.
    assert status == 1
    after = _state(server)
    for table in _TABLES:
        assert _differing(expected[table], after[table]) == {}, table
    with server.connect("bandbook") as session:
        assert _moved(session) == {key: row for key, row in before["public.shows"].items() if _is_moved(row)}
        _judge_journal(session, before, expected)


def _load(server: Restartable) -> str:
    with server.connect("postgres") as session:
        session.run(f'create database bandbook owner postgres template "{template_name("exposed")}"')
    with server.connect("bandbook", "postgres") as session:
        session.run(bandbook.migration("broken"))
    with server.connect("bandbook", "postgres") as session:
        session.run(repairs.set_up(JOURNAL))
        # Every batch takes a while, so that most kills come in the middle of one.
        session.run(_SLOW)
    with server.connect("bandbook") as session:
        session.run(MESS_ROWS.replace(":users", str(MESS.users)).replace(":songs", str(MESS.songs)))
    return server.url("bandbook", "postgres")


# The disturbances


def _kill_at_random_moments(server: Restartable, url: str, chance: random.Random) -> None:
    """Kills a repair again and again, every third time two of them."""
    for number in range(1, KILLS + 1):
        with ExitStack() as stack:
            working = [stack.enter_context(_repairing(url)) for _ in range(1 if number % PAIRS else 2)]
            for one in working:
                _wait_until_it_repairs(one)
            time.sleep(chance.uniform(0, 0.25))
            if number in (RESTART, CRASH):
                # The first goes down in good order, the second as if the power had failed; the repair waits for it.
                server.restart(signal.SIGINT if number == RESTART else signal.SIGQUIT)
                time.sleep(chance.uniform(0.2, 0.4))
            assert all(one.poll() is None for one in working), f"there was too little to do for kill {number}"


def _two_at_once(url: str) -> int:
    """Two repairs at the same time, to the end; the worse of their statuses."""
    with _repairing(url) as one, _repairing(url) as other:
        return max(one.wait(120), other.wait(120))


@contextmanager
def _repairing(url: str) -> Iterator[subprocess.Popen[str]]:
    """A repair that is killed at the end of the block."""
    command = [sys.executable, "-m", "tests.data.repairing", url]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait_until_it_repairs(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "repairing\n"


@contextmanager
def _disturbed(server: Restartable) -> Iterator[None]:
    """Others hold rows, whole tables and mirror rows that are not committed, for longer than a batch would wait."""
    stop = threading.Event()
    thread = threading.Thread(target=_disturb, args=(server, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _disturb(server: Restartable, stop: threading.Event) -> None:
    chance = random.Random(1)
    while not stop.is_set():
        try:
            with server.connect("bandbook") as session:
                while not stop.wait(0.05):
                    session.run(f"begin; {chance.choice(_HOLDS)}")
                    stop.wait(chance.uniform(0.05, 0.4))
                    session.run("rollback")
        except ServerError:
            stop.wait(0.1)  # it is being restarted


_HOLDS = (
    "select from public.songs where created_by is not null for update",
    "select from public.shows order by id limit 100 for no key update",
    "lock table public.users in access exclusive mode",
    "lock table public.practice_sessions in share mode",
    # A sign-up whose mirror row the application is about to write.
    f"insert into public.users (id, email, name) values ('{user_id(37)}', 'x', 'x') on conflict do nothing",
    f"insert into public.users (id, email, name) values ('{LAST}', 'x', 'x') on conflict do nothing",
)


# What there should be


def _state(server: Restartable) -> dict[str, Rows]:
    with server.connect("bandbook") as session:
        return {table: _rows(session, table) for table in _TABLES}


def _rows(session: Session, table: str) -> Rows:
    return {row["id"]: row for (row,) in session.rows(f"select to_jsonb(t) from {table} as t")}


def _model(before: dict[str, Rows]) -> dict[str, Rows]:
    """The rows that a repair with its defaults should leave, from what is known about the mess."""
    nowhere = MESS.nowhere
    gone = nowhere | MESS.strays
    moved = {key for key, row in before["public.shows"].items() if _is_moved(row)}
    expected = {table: {key: dict(row) for key, row in rows.items()} for table, rows in before.items()}
    for number in range(1, MESS.users + 1):
        if user_id(number) in MESS.unmirrored:
            account = before["auth.users"][user_id(number)]
            expected["public.users"][user_id(number)] = {
                "id": user_id(number),
                "email": f"user{number}@example.org",
                "name": MESS.name(number)[0],
                "created_date": account["created_at"],
                "last_login": None,
                "auth_provider": "email",
            }
    for song in expected["public.songs"].values():
        if song["created_by"] in nowhere:
            song["created_by"] = None
        if song["last_modified_by"] in gone:
            song["last_modified_by"] = None
    for key in moved:
        del expected["public.shows"][key]
    for session in expected["public.practice_sessions"].values():
        if session["show_id"] in moved:
            session["show_id"] = None
    return expected


def _is_moved(show: dict[str, Any]) -> bool:
    return show["created_by"] in MESS.nowhere | MESS.strays


def _differing(expected: Rows, found: Rows) -> dict[str, tuple[Any, Any]]:
    keys = expected.keys() | found.keys()
    return {
        key: (expected.get(key), found.get(key)) for key in keys if _plain(expected.get(key)) != _plain(found.get(key))
    }


def _plain(row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: value for name, value in row.items() if name not in _STAMPS}


# What the journal should say


def _moved(session: Session) -> Rows:
    """The rows in quarantine, without what is said about them."""
    about = ("referee_run", "referee_reason", "referee_at")
    found = {}
    for (row,) in session.rows('select to_jsonb(t) from referee."public.shows" as t'):
        assert row["id"] not in found, "a row was moved twice"
        assert row["referee_reason"] == "created_by is NOT NULL, so the row cannot stay"
        found[row["id"]] = {name: value for name, value in row.items() if name not in about}
    return found


def _judge_journal(session: Session, before: dict[str, Rows], expected: dict[str, Rows]) -> None:
    """Each row that is different now stands in the journal, once for what was done to it, under a run that ended."""
    created = [
        key for (keys,) in session.rows("select keys from referee.journal where action = 'create'") for key in keys
    ]
    assert Counter(created) == Counter(MESS.unmirrored)
    moved = [
        change[0]["id"]
        for (changes,) in session.rows("select changes from referee.journal where action = 'move'")
        for change in changes
    ]
    assert Counter(moved) == Counter(before["public.shows"].keys() - expected["public.shows"].keys())
    updated: Counter[tuple[str, str, str]] = Counter()
    for table, changes in session.rows("select table_name, changes from referee.journal where action = 'update'"):
        for key, old, new in changes:
            for column in old.keys() - set(_STAMPS):
                assert new[column] is None
                assert old[column] == before[f"public.{table}"][key["id"]][column]
                updated[table, key["id"], column] += 1
    wanted = Counter(
        (table.removeprefix("public."), key, column)
        for table in ("public.songs", "public.practice_sessions")
        for key, row in before[table].items()
        for column in row
        if row[column] != expected[table][key][column]
    )
    assert updated == wanted
    [(rows, counted)] = session.rows(
        "select sum(rows), sum(coalesce(cardinality(keys), jsonb_array_length(changes))) from referee.journal"
    )
    assert rows == counted == len(created) + len(moved) + sum(updated.values())
    assert session.value("select count(*) from referee.run where ended is not null") >= 1
