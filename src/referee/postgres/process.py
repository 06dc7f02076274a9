"""The server's process: started from a data folder, and gone when its owner is."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from referee.errors import ServerError
from referee.postgres.programs import Account, Programs
from referee.postgres.scratch import Scratch, end_server
from referee.postgres.session import Limits, Session, connect_local

_PATIENCE = 60.0

# Sits beside the server and waits for its owner's end of a pipe to close. If the owner went away without a word, it
# ends the server and removes its folder.
_WATCHDOG = """
trap '' INT TERM HUP
read -r word && exit
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
ours() {
  if [ -d /proc/self ]; then grep -q -a -- "$1/data" "/proc/$pid/cmdline" 2>/dev/null
  else ps -o args= -p "$pid" 2>/dev/null | grep -q -- "$1/data"; fi
}
if [ -n "$pid" ] && ours "$1"; then
  kill -QUIT "$pid"
  for _ in 1 2 3 4 5 6 7 8 9 10; do ours "$1" || break; sleep 0.2; done
  ours "$1" && kill -KILL "$pid"
fi
rm -rf "$1" && rm -f "$1.lock"
"""


def environment() -> dict[str, str]:
    """What the programs get of our environment: nothing that changes how they behave."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Process:
    """A running server. It listens on a socket in its folder, and on no port unless one was asked for."""

    folder: Path
    port: int
    _server: subprocess.Popen[bytes]
    _watchdog: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls,
        programs: Programs,
        data: Path,
        scratch: Scratch,
        account: Account,
        *,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Starts a server and waits until it takes connections. Raises ServerError where it does not."""
        watchdog = _start_watchdog(scratch)
        log = scratch.path / "log"
        given = dict(settings or {})
        if port is not None:
            given |= {"listen_addresses": "127.0.0.1"}
        arguments: list[str | Path] = [programs.folder / "postgres", "-D", data, "-k", scratch.path]
        arguments += ["-p", str(port or 5432), *(f"--{name}={value}" for name, value in given.items())]
        with log.open("wb") as output:
            server = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=scratch.path,
                env=environment(),
                umask=0o077,
                start_new_session=True,
                preexec_fn=_die_with_parent(),
                **account.arguments,
            )
        process = cls(scratch.path, port or 5432, server, watchdog)
        try:
            process._wait_until_ready(data, log)
        except BaseException:
            process.stop()
            raise
        return process

    def connect(self, database: str, user: str, limits: Limits | None = None, **settings: str) -> Session:
        """A session that may write, without time limits unless some are given."""
        return connect_local(self.folder, self.port, database, user, limits, self._explain, **settings)

    def _explain(self) -> str:
        """What the log says of the server's end."""
        return f"Its log says: {_reason(self.folder / 'log')}"

    @property
    def is_running(self) -> bool:
        return self._server.poll() is None

    def stop(self, gently: bool = False) -> None:
        """Stops the server: at once, or gently so that its folder can be used again. Its folder stays."""
        if self.is_running:
            self._server.send_signal(signal.SIGINT if gently else signal.SIGQUIT)
            try:
                self._server.wait(timeout=_PATIENCE if gently else 5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        end_server(self.folder / "data")
        self._dismiss_watchdog()

    def _dismiss_watchdog(self) -> None:
        pipe = self._watchdog.stdin
        if pipe is not None and not pipe.closed:
            try:
                pipe.write(b"done\n")
                pipe.close()
            except BrokenPipeError:
                pass
        self._watchdog.wait()

    def _wait_until_ready(self, data: Path, log: Path) -> None:
        deadline = time.monotonic() + _PATIENCE
        status = data / "postmaster.pid"
        while time.monotonic() < deadline:
            if not self.is_running:
                raise ServerError(f"The throw-away server did not start: {_reason(log)}")
            # The eighth line tells; it is cheaper to read than a connection is to try.
            try:
                lines = status.read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) > 7 and lines[7].startswith("ready"):
                return
            time.sleep(0.002)
        raise ServerError(f"The throw-away server did not get ready within {_PATIENCE:.0f} seconds: {_reason(log)}")


def _reason(log: Path) -> str:
    """What the server's log gives as the reason, and what to do about the usual ones."""
    text = log.read_text(errors="replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [
        line for line in lines if re.search(r"FATAL:|PANIC:|No space left|shutdown request|terminated by signal", line)
    ] or lines[-1:]
    said = re.sub(r"^.*?\b[A-Z]+:\s+", "", telling[0]).rstrip(".") if telling else "nothing"
    if "No space left" in said:
        return f"{said}. Free some space, or point REFEREE_TEMP_DIR to a folder with about 300 MB of room."
    if "Address already in use" in " ".join(lines) or "could not create any TCP/IP sockets" in said:
        return f"{said}. Another program uses that port: choose another, or none."
    return f"{said}. If it happens again, report it with this line."


def _start_watchdog(scratch: Scratch) -> subprocess.Popen[bytes]:
    # A session of its own keeps it alive when Ctrl-C or a closing terminal ends the rest.
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "referee-watchdog", scratch.path],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _die_with_parent() -> Callable[[], None] | None:
    """Lets the kernel end the server together with referee, where it can.

    It does so when the *thread* ends that started the server, so only the main thread may ask for it.
    """
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        set_parent_death_signal = 1
        prctl(set_parent_death_signal, int(signal.SIGQUIT), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return ask
