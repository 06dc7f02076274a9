"""Servers of versions that are read and repaired, but that no throw-away server is made of."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote as escape

from referee.model.names import quote
from referee.model.source import Source
from referee.platforms import Platform
from referee.postgres.process import Process, environment
from referee.postgres.programs import Account, Programs, account
from referee.postgres.scratch import make_scratch
from referee.postgres.scripts import Failure
from referee.postgres.session import FailedStatementError, Session, connect
from referee.read.catalog import read_catalog
from referee.read.replay import replay
from referee.workflow.scripts import script_of
from tests.read.agreement import Readings

SUPERUSER = "postgres"


@dataclass
class OldServer:
    """A server that runs; its superuser logs in without a password."""

    process: Process

    def url(self, database: str, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}@/{database}?host={escape(str(self.process.folder), safe='')}&port=5432"

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database for the time of a block; the roles that are made meanwhile go with it."""
        name = f"db{next(_NUMBERS)}"
        with self.session("postgres") as session:
            before = _roles(session)
            session.run(f"create database {name} template template0")
        yield name
        with self.session("postgres") as session:
            session.run(f"drop database {name}")
            for role in _roles(session) - before:
                session.run(f"drop role {quote(role)}")

    @contextmanager
    def session(self, database: str) -> Iterator[Session]:
        with connect(self.url(database), read_only=False) as session:
            yield session


_NUMBERS = count()


def _roles(session: Session) -> set[str]:
    return {str(name) for (name,) in session.rows("select rolname from pg_roles")}


@contextmanager
def old_server(programs: Programs) -> Iterator[OldServer]:
    """Starts a server of any version in a folder of its own, and takes both away."""
    runner = account()
    scratch = make_scratch(runner)
    try:
        data = scratch.path / "data"
        _initialise(programs, data, runner)
        process = Process.start(programs, data, scratch, runner, settings={"fsync": "off"})
        try:
            yield OldServer(process)
        finally:
            process.stop()
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
        scratch.remove()


def _initialise(programs: Programs, data: Path, runner: Account) -> None:
    arguments: list[str | Path] = ["-D", data, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(
        [programs.folder / "initdb", *arguments, "--locale", "C"],
        check=True,
        capture_output=True,
        cwd=data.parent,
        env=environment(),
        **runner.arguments,
    )


def read_both(server: OldServer, sources: Sequence[Source], platform: Platform) -> Readings:
    """As ``tests.read.agreement.read_both``; each statement is a transaction of its own."""
    with server.database() as database, server.session(database) as session:
        failures = [failure for source in sources for failure in _run(session, source)]
        catalog = read_catalog(session, platform.managed_schemas)
    return Readings(replay(sources, platform), catalog, tuple(failures))


def _run(session: Session, source: Source) -> Iterator[Failure]:
    for statement in script_of(source).statements:
        try:
            session.run(statement.text)
        except FailedStatementError as error:
            yield Failure(source.path, statement.start, statement.end, error.report)
