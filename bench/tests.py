"""What a fresh database for each test costs: ``python -m bench.tests [PROJECT]``.

The same suite is run three times: with the plugin's clones, with the plugin's clones in two processes, and with the
migrations replayed for each test. The replay gets every advantage: it runs on the same throw-away server in memory,
from a clone of the platform that is ready, with the files read and cut into statements once.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

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


def seconds(suite: str, project: str, *arguments: str) -> float:
    """The wall time of one run of pytest over a suite, its start included."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_rows.py").write_text(suite, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--referee-project={project}"]
        begin = time.perf_counter()
        done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
        took = time.perf_counter() - begin
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return took


def report(name: str, path: str, tests: int) -> Iterator[str]:
    """A line for each way to have a fresh database for each test."""
    place = os.path.abspath(path)
    clones, replays = (text.format(tests=tests, project=place) for text in (_CLONES, _REPLAYS))
    alone = seconds(clones, place)
    both = seconds(clones, place, "-n", "2")
    replayed = seconds(replays, place)
    yield f"{name}, {tests} tests with a fresh database each"
    yield f"  clones            {alone:6.2f} s  {alone / tests * 1000:5.0f} ms a test"
    yield f"  clones, -n 2      {both:6.2f} s"
    each = replayed / tests * 1000
    yield f"  migrations replayed {replayed:4.2f} s  {each:5.0f} ms a test, {replayed / alone:.1f} times"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", nargs="?", help="a project of your own")
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--tables", type=int, default=100, help="of the generated project")
    given = parser.parse_args()
    bandbook = os.path.join(os.path.dirname(__file__), os.pardir, "examples", "bandbook")
    for path in [given.project] if given.project else [bandbook]:
        print(*report(os.path.basename(os.path.abspath(path)), path, given.tests), sep="\n", flush=True)
    if not given.project:
        with tempfile.TemporaryDirectory() as folder:
            generated = write(Path(folder), given.tables, 10)
            print(*report(f"{given.tables} generated tables", str(generated), given.tests), sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
