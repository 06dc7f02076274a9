"""`referee check` beside squawk and pgrls over generated projects of 10 to 10,000 tables, one file and many."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.generate import STATEMENTS_PER_TABLE, write
from bench.measure import Cost, median, once, program

SIZES = (10, 100, 1_000, 10_000)


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement."""

    tables: int
    files: int
    tool: str
    cost: Cost


def measure(tables: int, files: int, root: Path, with_peers: bool = True) -> Iterator[Row]:
    """Every tool over one generated project."""
    project = write(root / f"{tables}x{files}", tables, files)
    runs = 3 if tables <= 1_000 else 1
    cache = {"REFEREE_CACHE_DIR": str(root / f"cache-{tables}x{files}")}
    check = [program("referee"), "check", str(project), "--format", "json"]
    yield Row(tables, files, "referee, cold", median([*check, "--no-cache"], runs))
    once(check, cache)
    yield Row(tables, files, "referee, one file edited", _edited(check, project, runs, cache))
    if with_peers:
        yield from _peers(tables, files, project, runs)


def _edited(check: list[str], project: Path, runs: int, cache: dict[str, str]) -> Cost:
    """The cost with a filled cache after one file was edited; every run edits it anew."""
    first = sorted((project / "supabase" / "migrations").iterdir())[0]
    costs = []
    for run in range(runs):
        first.write_text(first.read_text() + f"-- edit {run}\n")
        costs.append(once(check, cache))
    return sorted(costs, key=lambda cost: cost.cpu)[len(costs) // 2]


def _peers(tables: int, files: int, project: Path, runs: int) -> Iterator[Row]:
    scripts = sorted(str(path) for path in (project / "supabase" / "migrations").iterdir())
    squawk = program("squawk")
    yield Row(tables, files, "squawk json", median([squawk, "--reporter", "json", *scripts], runs))
    # The time of squawk's own format grows with the square of what it prints: at 10,000 tables it takes minutes.
    if files == 1 and tables <= 1_000:
        yield Row(tables, files, "squawk", median([squawk, *scripts], runs))
        yield Row(tables, files, "pgrls", median([program("pgrls"), "lint", "--sql-file", scripts[0]], runs))


def report(rows: list[Row]) -> str:
    """The rows as a Markdown table, each tool's CPU time as a ratio to referee's cold run."""
    lines = [
        "| tables | statements | files | tool | CPU s | x referee cold | peak MiB |",
        "| ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        base = next(r.cost.cpu for r in rows if (r.tables, r.files, r.tool) == (row.tables, row.files, "referee, cold"))
        lines.append(
            f"| {row.tables:,} | {row.tables * STATEMENTS_PER_TABLE:,} | {row.files} | {row.tool} | {row.cost.cpu:.2f} "
            f"| {row.cost.cpu / base:.2f} | {row.cost.memory:.0f} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="numbers of tables")
    parser.add_argument("--no-peers", action="store_true", help="measure referee alone")
    options = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        for tables in options.sizes:
            for files in (1, 100) if tables >= 100 else (1,):
                rows.extend(measure(tables, files, Path(name), not options.no_peers))
                print(f"{tables:,} tables in {files} files done", file=sys.stderr)
    print(report(rows))
    version, nothing = median([program("referee"), "--version"], 5), median([sys.executable, "-c", "pass"], 5)
    print(f"\n`referee --version` takes {version.cpu / nothing.cpu:.1f}x the CPU time of `python -c pass`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
