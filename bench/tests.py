"""What a fresh database for each test costs: ``python -m bench.tests [PROJECT]``.

The same suite is run three times: with the plugin's databases, with those in two processes, and with the migrations
replayed for each test. The replay gets every advantage: it runs on the same throw-away server in memory, from a clone
of the platform that is ready, with the files read and cut into statements once. Each figure is of a whole run of
pytest, its start and the server's included: wall time, and the CPU time of pytest, the server and all its processes,
which other work on the machine disturbs less. A test inserts one row and counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.generate import write

_CLONES = """
import pytest

@pytest.mark.parametrize("number", range({tests}))
def test_a_row_is_alone(referee_db, number):
    referee_db.execute("insert into auth.users (id) values (gen_random_uuid())")
    assert referee_db.execute("select count(*) from auth.users") == [(1,)]
"""

_REPLAYS = """
import pytest

from referee.postgres.scripts import run_scripts
from referee.workflow.check import read
from referee.workflow.config import read_config
from referee.workflow.scripts import script_of

@pytest.fixture(scope="session")
def scripts():
    reading = read({project!r}, read_config({project!r}))
    return [script_of(source) for source in reading.migrations.files]

@pytest.fixture
def replayed(referee_playground, scripts):
    server = referee_playground.server
    name = server.create_database()
    run_scripts(server, name, scripts)
    with server.connect(name) as session:
        yield session
    server.drop_database(name)

@pytest.mark.parametrize("number", range({tests}))
def test_a_row_is_alone(replayed, number):
    replayed.run("insert into auth.users (id) values (gen_random_uuid())")
    assert replayed.rows("select count(*) from auth.users") == [(1,)]
"""


class Cost(NamedTuple):
    """What a run took, in seconds."""

    wall: float
    cpu: float


def cost(suite: str, project: str, *arguments: str) -> Cost:
    """What one run of pytest over a suite takes, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_rows.py").write_text(suite, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--referee-project={project}"]
        begin, used = time.perf_counter(), _children()
        done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
        took = Cost(time.perf_counter() - begin, _children() - used)
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return took


def _children() -> float:
    """The CPU seconds of all processes that were waited for, and of those that they waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def report(path: str, tests: int) -> Iterator[str]:
    """A line for each way to have a fresh database for each test."""
    place = os.path.abspath(path)
    clones, replays = (text.format(tests=tests, project=place) for text in (_CLONES, _REPLAYS))
    alone = cost(clones, place)
    both = cost(clones, place, "-n", "2")
    replayed = cost(replays, place)
    yield "                           wall        CPU   CPU a test"
    for name, one in (("clones", alone), ("clones, -n 2", both), ("migrations replayed", replayed)):
        yield f"  {name:20} {one.wall:8.2f} s {one.cpu:8.2f} s {one.cpu / tests * 1000:8.1f} ms"
    yield f"  replayed / clones   {replayed.wall / alone.wall:9.1f}  {replayed.cpu / alone.cpu:9.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", nargs="?", help="a project of your own")
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--tables", type=int, default=100, help="of the generated project")
    given = parser.parse_args()
    bandbook = os.path.join(os.path.dirname(__file__), os.pardir, "examples", "bandbook")
    for path in [given.project] if given.project else [bandbook]:
        _print(os.path.basename(os.path.abspath(path)), path, given.tests)
    if not given.project:
        with tempfile.TemporaryDirectory() as folder:
            generated = write(Path(folder), given.tables, 10)
            _print(f"{given.tables} generated tables", str(generated), given.tests)
    return 0


def _print(name: str, path: str, tests: int) -> None:
    print(f"{name}, {tests} tests with a fresh database each", flush=True)
    print(*report(path, tests), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
