"""Scans and repairs of large tables beside plain SQL on the same server, in the same run: ``python -m bench.scan``.

The server keeps its data on disk and flushes what it commits. Accounts (``auth.users``), a mirror (``public.users``)
and rows that refer to it (``public.posts``, indexed); one reference in a thousand leads nowhere. Times are wall times,
medians of alternating runs. Targets: the scan of one key as one query at most 1.15 times the plain NOT EXISTS, in
pieces at most 2 times, two sessions faster than one, no statement above 5 s; a repair at least 0.8 times as fast as
one INSERT ... SELECT of the same rows, while nobody waits longer than 100 ms for a lock; ids in two databases compared
in at most 2 times what reading them by COPY takes; 150 MiB for referee, 512 MiB where it joins by itself.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import Cost, once, program
from referee.data import scan as scanning
from referee.data.ask import Manners, ask
from referee.data.scan import ScanOptions, scan_rows
from referee.model.question import Question
from referee.model.schema import Schema
from referee.platforms import SUPABASE
from referee.postgres.server import Server, start_server
from referee.postgres.session import Limits, Row, Session, connect
from referee.read.catalog import read_catalog
from referee.sql.questions import Questions
from referee.workflow.config import Config
from referee.workflow.repair import RepairWish, execute, prepare

FAST, GENTLE, REPAIR, ACROSS = 1.15, 2.0, 0.8, 2.0
STATEMENT, LOCK_WAIT = 5.0, 0.1
MEMORY, MEMORY_ACROSS = 150, 512

#: A server as people have them, not one that forgets everything.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "replica",
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "5min",
    "maintenance_work_mem": "512MB",
    "effective_cache_size": "8GB",
}

# The n-th id: like random, and always the same.
_ID = "md5('{salt}' || n)::uuid"
_TABLES = """
create table public.users (id uuid primary key, email text not null, name text not null, created_at timestamptz);
create table public.posts (id bigint primary key, author uuid, body text not null);
"""
_PARENTS = "insert into public.users select {id}, 'user' || n || '@example.org', 'User ' || n, now() from {series}"
_CHILDREN = """
insert into public.posts
select n, case when n % 1000 = 0 then md5('nobody' || n)::uuid
               else md5('user' || (1 + (n * 7919::bigint) % {parents}))::uuid end,
       'Nothing much to say about number ' || n
from {series}
"""
_ACCOUNTS = """
insert into auth.users (instance_id, id, aud, role, email, raw_app_meta_data, raw_user_meta_data, created_at)
select '00000000-0000-0000-0000-000000000000', {id}, 'authenticated', 'authenticated', 'new' || n || '@example.org',
       '{{"provider": "email"}}', jsonb_build_object('name', 'New ' || n), now()
from {series}
"""
_KEY = (
    "alter table public.posts add constraint posts_author_fkey foreign key (author) references public.users not valid"
)
_PER_STATEMENT = 1_000_000

PLAIN = (
    "select count(*) from public.posts as p where p.author is not null"
    " and not exists (select from public.users as u where u.id = p.author)"
)
LEFT_JOIN = (
    "select count(*) from public.posts as p left join public.users as u on u.id = p.author"
    " where p.author is not null and u.id is null"
)
#: What a person would write to make the missing rows, with the values that referee gives them.
INSERT = """
insert into public.users (id, email, name, created_at)
select r.id, coalesce(r.email, ''),
       coalesce(nullif(btrim(r.raw_user_meta_data ->> 'full_name'), ''),
                nullif(btrim(r.raw_user_meta_data ->> 'name'), ''),
                nullif(split_part(r.email, '@', 1), ''), 'New user'), coalesce(r.created_at, now())
from auth.users as r where not exists (select from public.users as t where t.id = r.id)
on conflict do nothing
"""

UNMIRRORED = "select count(*) from auth.users as r where not exists (select from public.users as t where t.id = r.id)"


@dataclass
class Table:
    """The rows of the report, and whether every target was met."""

    met: bool = True
    lines: list[str] = field(default_factory=list)

    def add(self, what: str, value: str, beside: str, ratio: float | None, target: str, met: bool | None) -> None:
        """``met`` None is no target."""
        self.met = self.met and met is not False
        shown = "" if ratio is None else f"{ratio:.2f}"
        verdict = {None: "", True: "met", False: "missed"}[met]
        print(f"| {what} | {value} | {beside} | {shown} | {target} | {verdict} |", flush=True)


class Bench:
    """A loaded server and what is measured on it."""

    def __init__(self, server: Server, sizes: Sizes, table: Table) -> None:
        self.server = server
        self.sizes = sizes
        self.table = table
        self.name = server.create_database()
        self.url = server.url(self.name, server.superuser)

    @contextmanager
    def session(self, *, read_only: bool = True) -> Iterator[Session]:
        with connect(self.url, read_only=read_only, limits=Limits(statement=None, lock=None)) as session:
            yield session

    def timed(self, text: str, *, read_only: bool = True) -> float:
        with self.session(read_only=read_only) as session:
            began = time.perf_counter()
            session.rows(text)
            return time.perf_counter() - began

    def load(self) -> None:
        began = time.perf_counter()
        sizes = self.sizes
        with self.session(read_only=False) as session:
            session.run("set synchronous_commit to off")
            session.run(_TABLES)
            for series in _series(sizes.parents):
                session.run(_PARENTS.format(id=_ID.format(salt="user"), series=series))
            for series in _series(sizes.children):
                session.run(_CHILDREN.format(parents=sizes.parents, series=series))
            for series in _series(sizes.accounts):
                session.run(_ACCOUNTS.format(id=_ID.format(salt="new"), series=series))
            session.run("create index on public.posts (author)")
            session.run(_KEY)
            for name in ("public.users", "public.posts", "auth.users"):
                session.run(f"vacuum (analyze, freeze) {name}")
            session.run("checkpoint")
        print(
            f"{sizes.parents:,} parents, {sizes.children:,} children, {sizes.accounts:,} accounts without their row; "
            f"loaded in {time.perf_counter() - began:.0f} s\n",
            flush=True,
        )

    # Scans

    def scans(self) -> None:
        with self.session() as session:
            schema = read_catalog(session)
            size = session.value("select reltuples::bigint from pg_class where oid = 'public.posts'::regclass")
        [key] = [one for one in schema.foreign_keys() if one.name == "posts_author_fkey"]
        asking = _Asking(self, schema, Questions(schema).orphans(key), int(size))
        kinds: dict[str, Callable[[], float]] = {
            "plain": lambda: self.timed(PLAIN),
            "fast": lambda: asking.seconds(ScanOptions(fast=True, parallel=2)),
            "gentle": lambda: asking.seconds(ScanOptions()),
            "gentle, 2 sessions": lambda: asking.seconds(ScanOptions(parallel=2)),
        }
        times = _alternating(kinds, self.sizes.runs)
        plain = times["plain"]
        add = self.table.add
        add("plain NOT EXISTS", f"{plain:.2f} s", "", None, "", None)
        add("plain LEFT JOIN", f"{self.timed(LEFT_JOIN):.2f} s", "", None, "", None)
        for kind, target in (("fast", FAST), ("gentle", GENTLE)):
            ratio = times[kind] / plain
            add(f"scan, {kind}", f"{times[kind]:.2f} s", "NOT EXISTS", ratio, f"<= {target}", ratio <= target)
        pair = times["gentle, 2 sessions"] / times["gentle"]
        add("scan, 2 sessions", f"{times['gentle, 2 sessions']:.2f} s", "1 session", pair, "< 1", pair < 1)
        longest = asking.longest
        add("longest statement", f"{longest:.2f} s", "", None, f"<= {STATEMENT:g} s", longest <= STATEMENT)
        cost = self._cost("scan", "--db", self.url, "--only", "orphans")
        add("memory of a scan", f"{cost.memory:.0f} MiB", "", None, f"<= {MEMORY} MiB", cost.memory <= MEMORY)

    def _cost(self, *arguments: str) -> Cost:
        return once([program("referee"), *arguments, "--format", "json"])

    # Repairs

    def repairs(self) -> None:
        """New rows: what the writing takes, and what it takes with the question in the end whether any is missing."""
        times: dict[str, list[tuple[float, float]]] = {"plain": [], "repair": []}
        for turn in range(self.sizes.repairs + 1):
            for name, measured in (("plain", self._plain_insert), ("repair", self._repair)):
                with self._clean():
                    seconds = measured()
                if turn:
                    times[name].append(seconds)
        rows = self.sizes.accounts
        for place, also in enumerate(("", ", and asking whether any is missing")):
            plain, repair = [statistics.median([pair[place] for pair in times[name]]) for name in times]
            ratio = plain / repair
            target, met = (f">= {REPAIR}", ratio >= REPAIR) if place == 0 else ("", None)
            add = self.table.add
            add(f"one INSERT ... SELECT{also}", f"{rows / plain:,.0f} rows/s", "", None, "", None)
            add(f"repair{also}", f"{rows / repair:,.0f} rows/s", "INSERT ... SELECT", ratio, target, met)
        with self._clean(), _Writer(self) as writer:
            self._plain_insert()
        add("a writer beside INSERT ... SELECT waits", f"{writer.longest * 1000:.0f} ms", "", None, "", None)
        with self._clean(), _Writer(self) as writer:
            self._repair()
        wait = writer.longest
        told = f"{wait * 1000:.0f} ms in {writer.count:,} writes"
        add("a writer beside a repair waits", told, "", None, f"<= {LOCK_WAIT * 1000:.0f} ms", wait <= LOCK_WAIT)

    def _plain_insert(self) -> tuple[float, float]:
        """Seconds for the rows, and with the count afterwards."""
        seconds = self.timed(INSERT, read_only=False)
        return seconds, seconds + self.timed(UNMIRRORED)

    def _repair(self) -> tuple[float, float]:
        """Seconds for the rows, and for the whole run from the journal to the answers in the end."""
        wish = RepairWish(only=("unmirrored",))
        prepared = prepare(self.url, Config(cache=False), wish)
        result = execute(prepared, wish)
        [outcome] = result.outcomes
        assert result.left == 0
        return outcome.seconds, result.seconds

    @contextmanager
    def _clean(self) -> Iterator[None]:
        """Takes the new rows away afterwards, so that the next run finds what this one found."""
        yield
        with self.session(read_only=False) as session:
            session.run("set synchronous_commit to off")
            session.run("delete from public.users as u using auth.users as a where a.id = u.id")
            session.run("drop schema if exists referee cascade")
            session.run("vacuum (analyze) public.users")
            session.run("checkpoint")

    # Two databases

    def across(self) -> None:
        """The same ids in another database, all but one in ten thousand."""
        other = self.server.create_database()
        url = self.server.url(other, self.server.superuser)
        with connect(url, read_only=False, limits=Limits(statement=None)) as session:
            session.run("create table public.people (id uuid primary key)")
            for series in _series(self.sizes.parents):
                of = _ID.format(salt="user")
                session.run(f"insert into public.people select {of} from {series} where n % 10000 > 0")
            session.run("vacuum (analyze, freeze) public.people")
            session.run("checkpoint")
        command = ["scan", "--source", self.url, "--source-key", "public.users(id)"]
        command += ["--mirror", url, "--mirror-key", "public.people(id)"]
        costs: list[Cost] = []

        def reading() -> float:
            return _copied(self.url, "public.users") + _copied(url, "public.people")

        def comparing() -> float:
            costs.append(self._cost(*command))
            return costs[-1].wall

        times = _alternating({"reading": reading, "comparing": comparing}, 3)
        ratio = times["comparing"] / times["reading"]
        memory = max(cost.memory for cost in costs)
        add = self.table.add
        add("reading both ids by COPY", f"{times['reading']:.2f} s", "", None, "", None)
        add("scan of two databases", f"{times['comparing']:.2f} s", "COPY", ratio, f"<= {ACROSS:g}", ratio <= ACROSS)
        add("its memory", f"{memory:.0f} MiB", "", None, f"<= {MEMORY_ACROSS} MiB", memory <= MEMORY_ACROSS)


@dataclass
class _Asking:
    """One question, asked in every way."""

    bench: Bench
    schema: Schema
    question: Question
    size: int
    longest: float = 0.0

    def seconds(self, options: ScanOptions) -> float:
        def measured(session: Session, queries: list[str], manners: Manners) -> list[list[Row]]:
            began = time.perf_counter()
            try:
                return ask(session, queries, manners)
            finally:
                if not options.fast:
                    self.longest = max(self.longest, time.perf_counter() - began)

        vars(scanning)["ask"] = measured
        try:
            began = time.perf_counter()
            sizes = {self.question.id: self.size}
            [answer] = scan_rows(self._connect, self.schema, [self.question], sizes, options).answers
            seconds = time.perf_counter() - began
        finally:
            vars(scanning)["ask"] = ask
        assert answer.complete, answer.left_out
        assert answer.violations == self.bench.sizes.children // 1000
        return seconds

    def _connect(self) -> Session:
        return connect(self.bench.url, limits=Limits(statement=None))


class _Writer:
    """Somebody who signs up, and edits, all the time; ``longest`` is the longest that a lock was waited for, in s."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write), threading.Thread(target=self._watch)]
        self._pid: int | None = None
        self.longest = 0.0
        self.count = 0

    def __enter__(self) -> _Writer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self) -> None:
        accounts = self._bench.sizes.accounts
        with self._bench.session(read_only=False) as session:
            self._pid = session.value("select pg_backend_pid()")
            while not self._stop.is_set():
                self.count += 1
                # All over the ids, so that some are in the batch that is under way.
                number = self.count * 7919 % accounts + 1
                session.run(
                    "insert into public.users (id, email, name) values"
                    f" (md5('new{number}')::uuid, 'x', 'x') on conflict (id) do update set name = excluded.name"
                )

    def _watch(self) -> None:
        """What the server itself calls waiting for a lock, looked at all the time."""
        query = "select wait_event_type = 'Lock' from pg_stat_activity where pid = {}"
        since: float | None = None
        with self._bench.session() as session:
            while not self._stop.is_set():
                time.sleep(0.002)
                if self._pid is None:
                    continue
                waits = session.value(query.format(self._pid))
                now = time.perf_counter()
                since = (since or now) if waits else None
                if since is not None:
                    self.longest = max(self.longest, now - since)


@dataclass(frozen=True)
class Sizes:
    """Rows and runs."""

    parents: int
    children: int
    accounts: int
    runs: int
    repairs: int


def _series(rows: int) -> Iterator[str]:
    for start in range(1, rows + 1, _PER_STATEMENT):
        yield f"generate_series({start}, {min(start + _PER_STATEMENT - 1, rows)}) as n"


def _alternating(kinds: dict[str, Callable[[], float]], runs: int) -> dict[str, float]:
    """The median of each, measured in turns, after one turn that warms everything up."""
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for turn in range(runs + 1):
        for name, measured in kinds.items():
            seconds = measured()
            if turn:
                times[name].append(seconds)
    return {name: statistics.median(found) for name, found in times.items()}


def _copied(url: str, table: str) -> float:
    with connect(url, limits=Limits(statement=None)) as session:
        began = time.perf_counter()
        for _ in session.copy_out(f"copy (select id::text from {table}) to stdout"):
            pass
        return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parents", type=int, default=5_000_000)
    parser.add_argument("--children", type=int, default=20_000_000)
    parser.add_argument("--accounts", type=int, default=500_000, help="accounts whose mirror row a repair makes")
    parser.add_argument("--runs", type=int, default=7, help="runs of each scan")
    parser.add_argument("--repairs", type=int, default=3, help="runs of each repair")
    parser.add_argument("--small", action="store_true", help="a tenth of the rows, three runs")
    parser.add_argument("--only", choices=("scans", "repairs", "across"), nargs="*", default=None)
    parser.add_argument("--folder", type=Path, default=Path("/var/tmp"), help="where the server keeps its data")
    chosen = parser.parse_args()
    tenth = 10 if chosen.small else 1
    sizes = Sizes(
        chosen.parents // tenth,
        chosen.children // tenth,
        chosen.accounts // tenth,
        3 if chosen.small else chosen.runs,
        chosen.repairs,
    )
    table = Table()
    folder = Path(tempfile.mkdtemp(prefix="rb-", dir=chosen.folder))
    folder.chmod(0o755)
    try:
        with start_server(SUPABASE, folder=folder, settings=SETTINGS) as server:
            bench = Bench(server, sizes, table)
            bench.load()
            print("| what | result | beside | ratio | target | |\n| --- | ---: | --- | ---: | --- | --- |", flush=True)
            for part in chosen.only or ("scans", "repairs", "across"):
                getattr(bench, part)()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if table.met else 1


if __name__ == "__main__":
    sys.exit(main())
