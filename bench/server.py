"""How long a throw-away platform takes, from nothing and from the cache: ``python -m bench.server``.

Each start happens in a process of its own. "Whole" counts from the start of that process, imports included; "start"
from the call. The targets are for the clone being ready: cold 6 s, warm 0.5 s, a further clone 0.15 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from referee.errors import UsageError
from referee.postgres.programs import find_programs

COLD, WARM, CLONE = 6.0, 0.5, 0.15

_CODE = """
import json, sys, time
begin = float(sys.argv[1])
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import start_server
call = time.time()
with start_server(SUPABASE, find_programs(sys.argv[2] or None)) as server:
    up = time.time()
    server.create_database()
    first = time.time()
    server.create_database("revoked")
    second = time.time()
    whole, start, clone, version = first - begin, first - call, second - first, server.version
down = time.time()
server = {"whole": whole, "start": start, "clone": clone, "stop": down - second, "version": version}
print(json.dumps(server))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds of one process: until the first clone is ready (``whole``, ``start``), one more clone, and the stop."""

    whole: float
    start: float
    clone: float
    stop: float
    version: str


def once(cache: Path, programs: str = "") -> Run:
    """Starts a server in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, str(time.time()), programs],
        env=os.environ | {"REFEREE_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return Run(**json.loads(done.stdout))


def median(runs: list[Run]) -> Run:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in runs))

    return Run(middle("whole"), middle("start"), middle("clone"), middle("stop"), runs[0].version)


def measure(programs: str, runs: int) -> Iterator[tuple[str, Run]]:
    """The median of cold starts and of warm ones."""
    # Short, and open to the account that runs the server for root.
    base = Path(tempfile.mkdtemp(prefix="referee-bench-", dir="/tmp"))
    base.chmod(0o755)
    try:
        yield "cold", median([once(base / f"cold-{number}", programs) for number in range(runs)])
        yield "warm", median([once(base / "cold-0", programs) for _ in range(runs)])
    finally:
        shutil.rmtree(base)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="starts of each kind, of which the median is printed")
    parser.add_argument("--installed", action="store_true", help="measure the programs of this machine too")
    chosen = parser.parse_args()
    kinds = [""]
    if chosen.installed:
        try:
            kinds.append(str(find_programs("auto").folder))
        except UsageError as error:
            print(error)
    missed = 0
    print(f"{'PostgreSQL':<12}{'':<8}{'whole':>8}{'start':>8}{'clone':>8}{'stop':>8}   target")
    for programs in kinds:
        for name, run in measure(programs, chosen.runs):
            target = COLD if name == "cold" else WARM
            is_met = run.whole <= target and run.clone <= CLONE
            missed += not is_met
            times = "".join(f"{seconds:8.3f}" for seconds in (run.whole, run.start, run.clone, run.stop))
            verdict = "met" if is_met else "MISSED"
            print(f"{run.version:<12}{name:<8}{times}   whole {target} s, clone {CLONE} s: {verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
