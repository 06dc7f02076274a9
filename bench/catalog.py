"""Reading a live database of many tables, beside its bare rows and beside pgrls: ``python -m bench catalog``.

"Bare rows" is the least that reading can cost: the queries of ``read/catalog/*.sql`` in one message, sent by psycopg,
every row fetched as a tuple, and nothing built of them. ``read_catalog`` gets the same rows in the same way and builds
the schema. Each run is a process of its own. "Reading" counts from the moment at which the connection stands, "whole"
from the start of the process; ``pgrls snapshot`` is measured whole, as it comes. The server's CPU time is that of all
its processes.

With latency, each direction is delayed on its way through a proxy, and the proxy counts the round trips. The targets:
reading costs at most twice the bare rows, a sixth of ``pgrls snapshot`` and three round trips.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.latency import Seen, delayed
from bench.measure import once, program
from referee.platforms import SUPABASE
from referee.postgres.server import Server, start_server

TIMES_BARE, TIMES_FASTER, ROUND_TRIPS = 2.0, 6.0, 3
DELAY = 0.010
BARE, READ, PGRLS = "bare rows", "read_catalog", "pgrls snapshot"

_HUBS = 100
_AT_ONCE = 50
_HEAD = """
create function public.touch() returns trigger language plpgsql as $$ begin new.created_at := now(); return new; end $$;
"""
_HUB = "create table public.hub_{number} (id uuid primary key);"
# 8 columns, a primary and 3 foreign keys, 3 indexes, a policy, a trigger. The keys go to a hundred tables, since making
# 10,000 keys to one takes the server minutes.
_TABLE = """
create table public.{table} (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  owner uuid not null references public.hub_{first} (id) on delete cascade,
  band uuid references public.hub_{second} (id),
  parent uuid references public.{parent} (id) on delete set null,
  amount numeric(10,2) default 0,
  created_at timestamptz not null default now(),
  data jsonb default '{{}}'::jsonb
);
create index {table}_owner_idx on public.{table} (owner);
create index {table}_band_idx on public.{table} (band, created_at);
create index {table}_parent_idx on public.{table} (parent) where parent is not null;
alter table public.{table} enable row level security;
create policy {table}_own on public.{table} to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create trigger {table}_touch before insert or update on public.{table} for each row execute function public.touch();
"""

_CLIENT = """
import json, sys, time
what, url, begin = sys.argv[1], sys.argv[2], float(sys.argv[3])
from referee.platforms import SUPABASE
from referee.postgres.session import connect
from referee.read.catalog import Limits, read_catalog
from referee.read.catalog.queries import script
with connect(url) as session:
    wall, cpu = time.perf_counter(), time.process_time()
    if what == "bare rows":
        found = session.fetch_all(script(session.major, Limits()))
    elif what == "read_catalog":
        found = read_catalog(session, SUPABASE.managed_schemas)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
print(json.dumps([wall, cpu, time.time() - begin, time.process_time()]))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds. ``wall`` and ``cpu`` are the client's while it read, ``server`` is the CPU time of the server."""

    wall: float
    cpu: float
    whole_wall: float
    whole_cpu: float
    server: float
    seen: Seen


@dataclass(frozen=True, slots=True)
class Row:
    """The median of several runs."""

    tables: int
    delay: float
    what: str
    cost: Cost
    round_trips: int | None


def fill(server: Server, database: str, tables: int) -> None:
    """Makes the tables, and lets the planner know how many there are."""
    with server.connect(database) as session:
        session.run(_HEAD + "".join(_HUB.format(number=number) for number in range(_HUBS)))
        for start in range(0, tables, _AT_ONCE):
            session.run("".join(_table(number) for number in range(start, min(start + _AT_ONCE, tables))))
    with server.connect(database, server.superuser) as session:
        session.run("vacuum analyze")


def _table(number: int) -> str:
    return _TABLE.format(
        table=f"t{number}", first=number % _HUBS, second=number * 7 % _HUBS, parent=f"t{max(number - 1, 0)}"
    )


class Bench:
    """One filled database, and what reads it."""

    def __init__(self, server: Server, tables: int, runs: int, with_peers: bool) -> None:
        self.server = server
        self.tables = tables
        self.runs = runs
        self.database = server.create_database()
        self.what = (BARE, READ, PGRLS) if with_peers else (BARE, READ)
        fill(server, self.database, tables)

    def near(self) -> list[Row]:
        """Through the server's own socket."""
        host = str(self.server.folder)
        return [self._row(0, what, costs) for what, costs in self._rounds(lambda what: self._cost(what, host, 5432))]

    def far(self, delay: float) -> list[Row]:
        """With every message late by ``delay``."""
        connecting = self._delayed("nothing", delay).seen.turns
        return [
            self._row(delay, what, costs, connecting)
            for what, costs in self._rounds(lambda what: self._delayed(what, delay))
        ]

    def _rounds(self, measure: Callable[[str], Cost]) -> Iterator[tuple[str, list[Cost]]]:
        """Takes turns, so that a busy moment of the machine hits all alike."""
        found = [(what, measure(what)) for _ in range(self.runs) for what in self.what]
        for what in self.what:
            yield what, [cost for kind, cost in found if kind == what]

    def _row(self, delay: float, what: str, costs: list[Cost], connecting: int | None = None) -> Row:
        middle = Cost(
            statistics.median(cost.wall for cost in costs),
            statistics.median(cost.cpu for cost in costs),
            statistics.median(cost.whole_wall for cost in costs),
            statistics.median(cost.whole_cpu for cost in costs),
            statistics.median(cost.server for cost in costs),
            costs[0].seen,
        )
        round_trips = None if connecting is None else middle.seen.turns - middle.seen.connections * connecting
        return Row(self.tables, delay, what, middle, round_trips)

    def _delayed(self, what: str, delay: float) -> Cost:
        with delayed(self.server.folder / ".s.PGSQL.5432", delay) as line:
            cost = self._cost(what, "127.0.0.1", line.port)
        return replace(cost, seen=line.seen)

    def _cost(self, what: str, host: str, port: int) -> Cost:
        url = f"host={host} port={port} user=postgres dbname={self.database} sslmode=disable gssencmode=disable"
        before = self._server_cpu()
        if what == PGRLS:
            whole = once([program("pgrls"), "snapshot", "--database-url", url, "--schemas", "public", "-o", os.devnull])
            found = (whole.wall, whole.cpu, whole.wall, whole.cpu)
        else:
            command = [sys.executable, "-c", _CLIENT, what, url, str(time.time())]
            found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        time.sleep(0.1)  # until the session's process has ended and its time is counted
        return Cost(*found, server=self._server_cpu() - before, seen=Seen())

    def _server_cpu(self) -> float:
        """The CPU seconds that all processes of the server have used so far; 0 where the system does not tell."""
        head = (self.server.folder / "data" / "postmaster.pid").read_text().split("\n", 1)[0]
        try:
            children = Path(f"/proc/{head}/task/{head}/children").read_text().split()
            return sum(_cpu(pid) for pid in (head, *children))
        except OSError:
            return 0.0


def _cpu(pid: str) -> float:
    """A process's own CPU seconds, and those of its children that have ended (proc_pid_stat(5), fields 14 to 17)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def report(rows: list[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [
        "| tables | delay | | reading s | CPU s | server CPU s | whole s | CPU s | x bare rows | round trips |",
        "| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        cost, base = row.cost, _find(rows, row, BARE).cost
        reading = "| | " if row.what == PGRLS else f"| {cost.wall:.2f} | {cost.cpu:.2f} "
        trips = "" if row.round_trips is None else row.round_trips
        lines.append(
            f"| {row.tables:,} | {row.delay * 2000:.0f} ms | {row.what} {reading}| {cost.server:.2f} "
            f"| {cost.whole_wall:.2f} | {cost.whole_cpu:.2f} | {cost.wall / base.wall:.2f} | {trips} |"
        )
    return "\n".join(lines)


def verdicts(rows: list[Row]) -> Iterator[tuple[bool, str]]:
    """Each target, and whether it is met."""
    for row in rows:
        if row.what != READ:
            continue
        place = f"{row.tables:,} tables" + (f", {row.delay * 2000:.0f} ms of latency" if row.delay else "")
        times = row.cost.wall / _find(rows, row, BARE).cost.wall
        yield times <= TIMES_BARE, f"{place}: reading takes {times:.2f}x the bare rows (at most {TIMES_BARE:.0f}x)"
        if row.round_trips is not None:
            yield row.round_trips <= ROUND_TRIPS, f"{place}: {row.round_trips} round trips (at most {ROUND_TRIPS})"
        peer = next((other for other in rows if _same(other, row) and other.what == PGRLS), None)
        if peer is not None:
            faster = peer.cost.whole_wall / row.cost.wall
            whole = peer.cost.whole_wall / row.cost.whole_wall
            yield (
                faster >= TIMES_FASTER,
                (
                    f"{place}: {faster:.1f}x faster than pgrls snapshot (at least {TIMES_FASTER:.0f}x), start-up and "
                    f"connecting included {whole:.1f}x"
                ),
            )


def _same(one: Row, other: Row) -> bool:
    return (one.tables, one.delay) == (other.tables, other.delay)


def _find(rows: list[Row], like: Row, what: str) -> Row:
    return next(row for row in rows if _same(row, like) and row.what == what)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=10_000, help="tables of the database that is read")
    parser.add_argument("--latency-tables", type=int, default=1_000, help="tables of the one that is read from afar")
    parser.add_argument("--runs", type=int, default=5, help="runs of each kind, of which the median is printed")
    parser.add_argument("--no-peers", action="store_true", help="measure referee alone")
    chosen = parser.parse_args()
    rows: list[Row] = []
    # The catalogs of so many tables exceed the memory that a throw-away server gives itself.
    with start_server(SUPABASE, settings={"shared_buffers": "512MB"}) as server:
        for tables, delay in ((chosen.tables, 0.0), (chosen.latency_tables, DELAY)):
            bench = Bench(server, tables, chosen.runs, not chosen.no_peers)
            print(f"{tables:,} tables made", file=sys.stderr)
            rows += bench.far(delay) if delay else bench.near()
            server.drop_database(bench.database)
    print(report(rows))
    print()
    found = list(verdicts(rows))
    for is_met, text in found:
        print(f"{'met' if is_met else 'MISSED'}: {text}")
    return 0 if all(is_met for is_met, _ in found) else 1


if __name__ == "__main__":
    sys.exit(main())
