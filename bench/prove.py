"""`referee prove`: the example whole and without races, projects of 10 and 100 tables, the cost of a flow, of a
reference in a world, and of an order of sessions.

Limits: the example 10 s whole and 4 s without races, warm, on two cores that nobody else uses; 100 tables 60 s. CPU
seconds, where they are given, are those of referee and of its server.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.generate import write
from bench.measure import once, program
from referee.workflow.config import Config
from referee.workflow.prove import MOST_SCHEDULES, Wish, prove

_EXAMPLE = Path(__file__).parent.parent / "examples" / "bandbook"

# A user who may write the own profile: sign-up, upsert and first write run in many orders.
_MEETING = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, email text);
create table public.posts (id uuid primary key default gen_random_uuid(), author uuid references public.profiles (id));
alter table public.profiles enable row level security;
create policy own on public.profiles to authenticated using (id = auth.uid()) with check (id = auth.uid());
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, email) values (new.id, new.email) on conflict (id) do update set email = new.email;
  return new;
end $$;
create trigger on_auth_user_created after insert or update on auth.users
  for each row execute function public.handle_new_user();
"""

# The generated tables are filled by a function that stores nobody where there is no session, which a NOT NULL column
# refuses; with a guard every row can be made.
_UNGUARDED = re.compile(r"if tg_op = 'INSERT' then")
_GUARD = "if auth.uid() is null then return new; end if;\n  if tg_op = 'INSERT' then"


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: seconds on the clock, the best and the median of several runs, and the limit if there is one."""

    what: str
    best: float
    median: float
    limit: float | None = None
    cpu: float | None = None


def commands(runs: int) -> Iterator[Row]:
    """Whole processes over the example."""
    command = [program("referee"), "prove", str(_EXAMPLE), "--format", "json"]
    once(command)
    for what, extra, limit in (("bandbook", [], 10.0), ("bandbook, without races", ["--no-races"], 4.0)):
        costs = [once([*command, *extra]) for _ in range(runs)]
        times = [cost.wall for cost in costs]
        yield Row(what, min(times), statistics.median(times), limit, min(cost.cpu for cost in costs))


def projects(root: Path, sizes: tuple[int, ...]) -> Iterator[Row]:
    """Whole runs over generated projects."""
    for size in sizes:
        folder = write(root / str(size), size, 1)
        for file in (folder / "supabase" / "migrations").iterdir():
            file.write_text(_UNGUARDED.sub(_GUARD, file.read_text()))
        begin = time.perf_counter()
        found = prove(folder, Config(cache=False)).rehearsals[0]
        seconds = time.perf_counter() - begin
        yield Row(f"{size} tables", seconds, seconds, 60.0 if size <= 100 else None)
        tried = sum(len(one.worlds) for one in found.references)
        part = _seconds(folder, ("references",)) - _seconds(folder, ("login",))
        yield Row(f"{size} tables, a reference in a world ({tried})", part / max(tried, 1), part / max(tried, 1))
        flows = sum(flow.flow.startswith("sign-up-") for flow in found.flows)
        part = _seconds(folder, ("sign-up-*", "login")) - _seconds(folder, ("login",))
        yield Row(f"{size} tables, a flow ({flows})", part / flows, part / flows)


def orders(root: Path, runs: int) -> Iterator[Row]:
    """The cost of one order of sessions: all of them against the first alone."""
    folder = root / "meeting" / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_all.sql").write_text(_MEETING)
    (race,) = prove(folder, Config(cache=False), Wish(("races",))).rehearsals[0].races
    costs: list[float] = []
    for _ in range(runs):
        part = _seconds(folder, ("races",)) - _seconds(folder, ("races",), schedules=1)
        costs.append(part / max(race.run - 1, 1))
    yield Row(f"an order of sessions ({race.run} of {race.schedules})", min(costs), statistics.median(costs))


def _seconds(folder: Path, only: tuple[str, ...], schedules: int = MOST_SCHEDULES) -> float:
    begin = time.perf_counter()
    prove(folder, Config(cache=False), Wish(only, schedules=schedules))
    return time.perf_counter() - begin


def report(rows: list[Row]) -> str:
    lines = ["| what | best, s | median, s | CPU, s | limit, s |", "| --- | ---: | ---: | ---: | ---: |"]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:.0f}"
        cpu = "" if row.cpu is None else f"{row.cpu:.3g}"
        lines.append(f"| {row.what} | {row.best:.4g} | {row.median:.4g} | {cpu} | {limit} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs over the example")
    parser.add_argument("--sizes", type=int, nargs="*", default=(10, 100), help="numbers of tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        rows = [*commands(options.runs), *orders(root, options.runs), *projects(root, tuple(options.sizes))]
    print(report(rows))
    return int(any(row.limit is not None and row.best > row.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
