"""How long others wait while keys are retargeted, by referee's plan and naively: ``python -m bench.fix``.

A database as bandbook's in production: millions of songs whose last editor references ``auth.users``, and accounts of
which a few lack their row in ``public.users``. Writers sign people up, log them in, add songs and note actions, each
at a fixed rate, while the same six keys are retargeted in two ways, one after the other on the same rows:

naive   the missing rows, then each key dropped and added again, in one transaction
plan    the files of ``referee fix --migration``, each sent as one message

Either is sent again where it gave way: the first after a deadlock, the second after a lock time-out.

"lock" is the longest wait for a lock that was seen in pg_locks, looked at every few milliseconds. Latencies count from
the moment at which a statement was due, so that those that queue behind a slow one count too. The target is for 5
million rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from referee.errors import StatementError
from referee.fixing.order import cut, text_of
from referee.model.plan import Plan
from referee.model.repair import Repair
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import Server, start_server
from referee.postgres.session import Session
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix

TARGET = 20
ROWS = 5_000_000
UNMIRRORED = 50
_BANDBOOK = Path(__file__).parent.parent / "examples" / "bandbook"
_RULES = ("split-identity-reference", "unsynced-mirror", "session-identity-in-key")

# What a server that keeps its data does, unlike a throw-away one.
_SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "maintenance_work_mem": "256MB",
}

_FILL = """
set session_replication_role = replica;
insert into auth.users (id, email)
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, n || '@example.org'
  from generate_series(1, {accounts}) n;
insert into public.users (id, email, name) select id, email, 'x' from auth.users order by id offset {unmirrored};
insert into public.bands (id, name) select ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, 'b'
  from generate_series(1, 1000) n;
insert into public.songs (band_id, title, last_modified_by)
  select ('00000000-0000-4000-9000-' || lpad((1 + n % 1000)::text, 12, '0'))::uuid, 's' || n,
    ('00000000-0000-4000-8000-' || lpad((1 + n % {accounts})::text, 12, '0'))::uuid
  from generate_series(1, {rows}) n;
reset session_replication_role;
"""

_WRONG = """
select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_catalog.pg_constraint
where contype = 'f' and connamespace = 'public'::regnamespace and confrelid = 'auth.users'::regclass
"""

_MISSING = """
insert into public.users (id, email, name) select id, email, 'x' from auth.users as source
where not exists (select from public.users as mirror where mirror.id = source.id) on conflict do nothing
"""

_WAITING = """
select extract(epoch from max(clock_timestamp() - waitstart)) from pg_catalog.pg_locks
where not granted and waitstart is not null and pid = any (%s)
"""


@dataclass
class Seen:
    """What writers saw: seconds from when a statement was due to its end, the longest lock wait, what failed."""

    latencies: list[float] = field(default_factory=list)
    lock: float = 0.0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    repeats: int = 0

    def percentile(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


# Writers

Work = Callable[[int], str]


def _account(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012}"


def _works(accounts: int) -> tuple[tuple[str, Work], ...]:
    """Who does what: a role, and the statement that it runs the n-th time."""
    band = "00000000-0000-4000-9000-000000000001"

    def sign_up(_: int) -> str:
        person = uuid.uuid4()
        return f"insert into auth.users (id, email) values ('{person}', '{person}@example.org')"

    def log_in(number: int) -> str:
        return f"update auth.users set last_sign_in_at = now() where id = '{_account(1 + number % accounts)}'"

    def add_song(number: int) -> str:
        person = _account(1 + number * 7 % accounts)
        return f"insert into public.songs (band_id, title, last_modified_by) values ('{band}', 'n', '{person}')"

    def log_action(number: int) -> str:
        person = _account(1 + number * 11 % accounts)
        action = "(enum_range(null::public.audit_action))[1]"
        return f"insert into public.audit_log (user_id, action, subject) values ('{person}', {action}, 's')"

    door, work = "supabase_auth_admin", "supabase_admin"
    return (door, sign_up), (door, log_in), (work, add_song), (work, log_action)


def write(session: Session, work: Work, rate: float, done: threading.Event, seen: Seen) -> None:
    """Runs a statement each time that one is due; what is late is made up for at once."""
    number, due = 0, time.perf_counter()
    while not done.is_set():
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        try:
            session.run(work(number))
        except StatementError as error:
            seen.failures.append(str(error))
        seen.latencies.append(time.perf_counter() - due)
        number += 1
        due += 1 / rate


def watch(session: Session, pids: list[int], done: threading.Event, seen: Seen) -> None:
    """Looks who waits for a lock, and how long already."""
    while not done.is_set():
        waited = session.value(_WAITING, [pids])
        seen.lock = max(seen.lock, float(waited or 0))
        time.sleep(0.003)


@contextmanager
def traffic(server: Server, database: str, accounts: int, rate: float) -> Iterator[Seen]:
    """Writers for the time of a block, and for a moment before and behind it."""
    seen, done = Seen(), threading.Event()
    works = _works(accounts)
    sessions = [server.connect(database, role) for role, _ in works]
    watcher = server.connect(database, server.superuser)
    pids = [int(session.value("select pg_backend_pid()")) for session in sessions]
    with ThreadPoolExecutor(len(works) + 1) as pool:
        running = [
            pool.submit(write, session, work, rate, done, seen)
            for session, (_, work) in zip(sessions, works, strict=True)
        ]
        running.append(pool.submit(watch, watcher, pids, done, seen))
        try:
            time.sleep(1)
            began = time.perf_counter()
            yield seen
            seen.seconds = time.perf_counter() - began
            time.sleep(1)
        finally:
            done.set()
        for one in running:
            one.result()
    for session in (*sessions, watcher):
        session.close()


# The two ways


def retarget_naively(session: Session, seen: Seen) -> None:
    """What a migration written by hand does, as the field has them; its order is right at least.

    It takes the locks of several tables in an order that others do not keep to, so that it may end in a deadlock.
    """
    keys = session.rows(_WRONG)
    parts = [
        f"alter table {table} drop constraint {name}; alter table {table} add constraint {name} "
        f"{definition.replace('auth.users', 'public.users')}"
        for table, name, definition in keys
    ]
    script = ";".join(["begin", _MISSING, *parts, "commit"])
    while True:
        try:
            session.run(script)
            return
        except StatementError as error:
            session.run("rollback")
            if "deadlock" not in str(error):
                raise
            seen.repeats += 1


def put_back(session: Session, keys: list[tuple[str, str, str]], unmirrored: int) -> None:
    """The keys as they were, valid, and some accounts without their row again. Nobody is there to wait."""
    for table, name, definition in keys:
        session.run(f"alter table {table} drop constraint {name}, add constraint {name} {definition} not valid")
    session.run("update pg_catalog.pg_constraint set convalidated = true where contype = 'f' and not convalidated")
    session.run(f"delete from public.users where id in (select id from auth.users order by id limit {unmirrored})")


def run_plan(session: Session, plan: Plan, seen: Seen) -> None:
    """Each file as one message, which is one transaction; what takes none, statement by statement."""
    parts = cut(plan.steps)
    for number, part in enumerate(parts, 1):
        if not part.steps[0].in_transaction:
            for step in part.steps:
                session.run(step.sql)
            continue
        while True:
            try:
                session.run(text_of(part, number, len(parts)))
                break
            except StatementError as error:
                if "lock timeout" not in str(error):
                    raise
                seen.repeats += 1


def plan_of(folder: Path) -> Plan:
    shutil.copytree(_BANDBOOK, folder / "bandbook")
    config = Config(cache=False, select=_RULES)
    repair: Repair = fix(folder / "bandbook", config, Request("migration", verify=False))
    assert repair.plan is not None
    return repair.plan


def fill(server: Server, database: str, rows: int, accounts: int) -> None:
    [baseline] = (_BANDBOOK / "supabase" / "migrations").glob("*.sql")
    with server.connect(database) as session:
        session.run(baseline.read_text(encoding="utf-8"))
    with server.connect(database, server.superuser) as session:
        session.run(_FILL.format(rows=rows, accounts=accounts, unmirrored=UNMIRRORED))
        session.run("vacuum analyze")
        session.run("checkpoint")


def arrived(session: Session) -> bool:
    """Whether every key is valid and none is left that references the source."""
    not_valid = session.value("select count(*) from pg_catalog.pg_constraint where contype = 'f' and not convalidated")
    return not session.rows(_WRONG) and not not_valid


def measure(server: Server, database: str, plan: Plan, accounts: int, rate: float) -> Iterator[tuple[str, Seen]]:
    with server.connect(database, server.superuser) as session:
        keys = session.rows(_WRONG)
        with traffic(server, database, accounts, rate) as seen:
            time.sleep(10)
        yield "nothing", seen
        session.run("checkpoint")
        with traffic(server, database, accounts, rate) as seen:
            retarget_naively(session, seen)
        assert arrived(session)
        yield "naive", seen
        put_back(session, keys, UNMIRRORED)
        session.run("checkpoint")
        with traffic(server, database, accounts, rate) as seen, server.connect(database) as migrating:
            run_plan(migrating, plan, seen)
        assert arrived(session)
        yield "plan", seen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS, help="songs")
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=50, help="statements of each of the four writers, per second")
    parser.add_argument("--folder", type=Path, help="where the data goes for the time; 6 GB for 5 million rows")
    parser.add_argument("--postgres-bin", help="other programs than the embedded ones")
    chosen = parser.parse_args()
    base = Path(tempfile.mkdtemp(prefix="referee-bench-", dir=chosen.folder or "/var/tmp"))
    base.chmod(0o755)
    waits: dict[str, float] = {}
    failed = 0
    try:
        plan = plan_of(base)
        os.chmod(base, 0o1777)  # the account that runs the server for root makes its folder here
        programs = find_programs(chosen.postgres_bin)
        with start_server(SUPABASE, programs, folder=base, settings=_SETTINGS) as server, server.database() as database:
            began = time.perf_counter()
            fill(server, database, chosen.rows, chosen.accounts)
            seconds = time.perf_counter() - began
            print(
                f"PostgreSQL {server.version}, {chosen.rows:,} songs, {chosen.accounts:,} accounts ({seconds:.0f} s)\n"
            )
            heads = ("seconds", "lock ms", "p50 ms", "p99.9 ms", "longest", "statements", "failed", "again")
            print(f"{'':<8}{''.join(f'{head:>11}' for head in heads)}")
            for name, seen in measure(server, database, plan, chosen.accounts, chosen.rate):
                waits[name] = seen.lock
                failed += len(seen.failures) if name == "plan" else 0
                times = [seen.lock, seen.percentile(0.5), seen.percentile(0.999), max(seen.latencies)]
                numbers = "".join(f"{1000 * seconds:11.1f}" for seconds in times)
                counts = "".join(f"{count:11}" for count in (len(seen.latencies), len(seen.failures), seen.repeats))
                print(f"{name:<8}{seen.seconds:11.1f}{numbers}{counts}", flush=True)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    ratio = waits["naive"] / max(waits["plan"], 0.001)
    is_met = ratio >= TARGET and not failed
    verdict = "met" if is_met else "MISSED" if chosen.rows >= ROWS else f"counts from {ROWS:,} rows on"
    print(f"\nThe longest lock wait is {ratio:.0f} times shorter (target {TARGET}): {verdict}")
    return 0 if is_met or chosen.rows < ROWS else 1


if __name__ == "__main__":
    sys.exit(main())
