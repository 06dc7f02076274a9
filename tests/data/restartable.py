"""A server that tests may stop, kill, start again, or turn into a standby."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from referee.errors import ServerError
from referee.platforms import PLAIN, Platform
from referee.postgres.cluster import prepare
from referee.postgres.process import environment
from referee.postgres.programs import account, find_programs
from referee.postgres.scratch import make_scratch
from referee.postgres.session import Session, connect


class Restartable:
    """A server in a folder of its own. ``superuser`` may log in to its databases without a password."""

    def __init__(self, folder: Path, data: Path, host: Platform) -> None:
        self.folder = folder
        self.data = data
        self.superuser = host.superuser
        self._programs = find_programs()
        self._account = account()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it takes connections."""
        postgres = self._programs.folder / "postgres"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [postgres, "-D", self.data, "-k", self.folder, "-p", "5432", "--fsync=off"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=environment(),
                start_new_session=True,
                **self._account.arguments,
            )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.connect("postgres").close()
                return
            except ServerError:
                time.sleep(0.02)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it: SIGINT closes connections and shuts down, SIGQUIT is a crash that needs recovery."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        self.stop(how)
        self.start()

    def become_standby(self) -> None:
        """Lets it start again as a hot standby, which takes queries and no writes."""
        self.stop()
        (self.data / "standby.signal").touch()
        self.start()

    def url(self, database: str, user: str | None = None) -> str:
        return f"host={self.folder} port=5432 dbname={database} user={user or self.superuser}"

    def connect(self, database: str, user: str | None = None) -> Session:
        return connect(self.url(database, user), read_only=False)


@contextmanager
def restartable(host: Platform = PLAIN) -> Iterator[Restartable]:
    """A started server for the time of a block, with the host's roles and templates."""
    runner = account()
    scratch = make_scratch(runner)
    try:
        server = Restartable(scratch.path, prepare(scratch, find_programs(), host, runner), host)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(scratch.path, ignore_errors=True)
        scratch.remove()
