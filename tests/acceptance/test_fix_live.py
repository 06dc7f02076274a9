"""`referee fix --migration` on a PostgreSQL 15 in use, by psql and by the Supabase CLI: 100,000 accounts."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.model.repair import Repair
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import Server, start_server
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from tests import bandbook
from tests.live import goes_back, goes_through, keys, psql

ACCOUNTS = 100_000
PASSWORD = "only here"


@pytest.fixture(scope="module")
def listening() -> Iterator[Server]:
    """A throw-away server of PostgreSQL 15 that also listens on a port of 127.0.0.1: the CLI knows no sockets."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start_server(SUPABASE, find_programs("/usr/lib/postgresql/15/bin"), port=port) as started:
        with started.connect("postgres", started.superuser) as session:
            session.run(f"alter role postgres password '{PASSWORD}'")
        yield started


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return bandbook.write_project("broken", tmp_path / "bandbook")


def migrated(project: Path) -> Repair:
    programs = find_programs("/usr/lib/postgresql/15/bin")
    repair = fix(project, Config(cache=False), Request("migration", write=True), programs=programs)
    assert repair.written
    assert repair.proof is not None
    assert repair.proof.holds
    return repair


def files(repair: Repair, kind: str) -> list[str]:
    return [file.after for file in repair.files if file.kind == kind]


def verification(repair: Repair) -> tuple[str, ...]:
    assert repair.plan is not None
    assert len(repair.plan.verification) == 8
    return repair.plan.verification


def test_plain_psql(project: Path, postgres15: Server) -> None:
    repair = migrated(project)
    with postgres15.database() as database:
        psql(postgres15, database, bandbook.migration("broken"))
        with postgres15.connect(database) as session:
            former = keys(session)

        def forward() -> None:
            for text in files(repair, "migration"):
                psql(postgres15, database, text)

        goes_through(postgres15, database, ACCOUNTS, verification(repair), forward)
        [rollback] = files(repair, "rollback")
        # The host lets its migration role drop triggers on its tables; plain Postgres asks for their owner.
        goes_back(postgres15, database, former, lambda: psql(postgres15, database, rollback, postgres15.superuser))


def test_the_supabase_cli(project: Path, supabase_cli: str, listening: Server, tmp_path: Path) -> None:
    with listening.database() as database:
        remote = f"--remote=postgresql://postgres:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{listening.port}/{database}"
        environment = {**os.environ, "HOME": str(tmp_path), "SUPABASE_TELEMETRY_DISABLED": "1"}

        def run(*arguments: str) -> subprocess.CompletedProcess[str]:
            command = [supabase_cli, *arguments, "--yes", f"{remote}?sslmode=disable"]
            return subprocess.run(command, cwd=project, env=environment, text=True, capture_output=True, check=False)

        def push() -> None:
            for _ in range(50):  # a lock time-out is an invitation to try again, and the CLI goes on where it stopped
                done = run("db", "push")
                if "lock timeout" not in done.stderr:
                    break
            assert done.returncode == 0, done.stderr

        def versions() -> list[str]:
            with listening.connect(database) as session:
                rows = session.rows("select version from supabase_migrations.schema_migrations order by version")
            return [version for (version,) in rows]

        push()
        assert versions() == ["20251106000000"]
        with listening.connect(database) as session:
            former = keys(session)
        repair = migrated(project)
        new = [re.split(r"[/_]", file.path.rpartition("/")[2])[0] for file in repair.files if file.kind == "migration"]
        with listening.connect(database, listening.superuser) as holder:
            # Somebody signs up and takes very long: the push gives way, and has changed nothing.
            holder.run("begin; insert into auth.users (id) values (gen_random_uuid())")
            refused = run("db", "push")
            assert refused.returncode != 0
            assert "lock timeout" in refused.stderr
            assert versions() == ["20251106000000"]
            holder.run("rollback")
        goes_through(listening, database, ACCOUNTS, verification(repair), push)
        assert versions() == ["20251106000000", *new]
        [rollback] = files(repair, "rollback")
        goes_back(listening, database, former, lambda: psql(listening, database, rollback, listening.superuser))
        # What the rollback says to do afterwards, so that the migrations can be pushed once more.
        [afterwards] = re.findall(r"-- Afterwards: supabase (.*)", rollback)
        done = run(*afterwards.split())
        assert done.returncode == 0, done.stderr
        assert versions() == ["20251106000000"]
        push()
        assert versions() == ["20251106000000", *new]
