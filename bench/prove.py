"""`referee prove`: the example whole and without races, projects of 10 and 100 tables, the cost of a reference and of
an order of sessions.

Limits: the example 10 s whole and 4 s without races, warm, on two cores; 100 tables 60 s.
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
from referee.workflow.prove import Wish, prove

_EXAMPLE = Path(__file__).parent.parent / "examples" / "bandbook"

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


def commands(runs: int) -> Iterator[Row]:
    """Whole processes over the example."""
    command = [program("referee"), "prove", str(_EXAMPLE), "--format", "json"]
    once(command)
    for what, extra, limit in (("bandbook", [], 10.0), ("bandbook, without races", ["--no-races"], 4.0)):
        times = [once([*command, *extra]).wall for _ in range(runs)]
        yield Row(what, min(times), statistics.median(times), limit)


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
        orders = sum(race.run for race in found.races)
        part = _seconds(folder, ("races",)) - _seconds(folder, ("references",))
        yield Row(f"{size} tables, an order of sessions ({orders})", part / max(orders, 1), part / max(orders, 1))


def _seconds(folder: Path, only: tuple[str, ...]) -> float:
    begin = time.perf_counter()
    prove(folder, Config(cache=False), Wish(only))
    return time.perf_counter() - begin


def report(rows: list[Row]) -> str:
    lines = ["| what | best, s | median, s | limit, s |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:.0f}"
        lines.append(f"| {row.what} | {row.best:.4g} | {row.median:.4g} | {limit} |")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="runs over the example")
    parser.add_argument("--sizes", type=int, nargs="*", default=(10, 100), help="numbers of tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = [*commands(options.runs), *projects(Path(name), tuple(options.sizes))]
    print(report(rows))
    return int(any(row.limit is not None and row.best > row.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
