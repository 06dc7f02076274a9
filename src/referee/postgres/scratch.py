"""Folders that are gone when their process is, however it ends.

A scratch folder ``referee-<random>`` has a lock file beside it, ``referee-<random>.lock``, which its process holds with
flock as long as it lives. Whoever gets the lock of another folder knows that its process is dead, and cleans up.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from referee.errors import ServerError
from referee.postgres.programs import Account

#: What a server with some databases needs at least.
ROOM = 300 * 1024 * 1024

# The path of a Unix socket fits into 108 bytes on Linux and 104 on macOS, its end included.
_LONGEST_SOCKET = 103
_SOCKET = "/referee-00000000/.s.PGSQL.00000"

_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder of our own, and the lock that says that we live."""

    path: Path
    lock: Path
    _lock: int

    def remove(self) -> None:
        """Removes folder and lock. What cannot be removed stays for the next sweep."""
        shutil.rmtree(self.path, ignore_errors=True)
        if not self.path.exists():
            self.lock.unlink(missing_ok=True)
        os.close(self._lock)


def make_scratch(account: Account, base: Path | None = None) -> Scratch:
    """A new folder that belongs to ``account``, after removing what dead processes left in the same place.

    ``base`` is where; None for memory (/dev/shm) where it has room, else the folder for temporary files. Raises
    ServerError where no folder can be made.
    """
    sweep()
    base = base or _choose(account)
    if len(os.fsencode(f"{base}{_SOCKET}")) > _LONGEST_SOCKET:
        raise ServerError(
            f"The path of {base} is too long: a server's socket in it would exceed the {_LONGEST_SOCKET} bytes that "
            "the system allows. Point TMPDIR or REFEREE_TEMP_DIR to a folder with a shorter path, such as /tmp."
        )
    try:
        lock, descriptor = _new_lock(base)
        path = lock.with_suffix("")
        path.mkdir(mode=0o700)
        if account.switch:
            os.chown(path, account.uid, account.gid)
    except OSError as error:
        raise ServerError(
            f"No temporary folder could be made in {base}: {error.strerror}. Point TMPDIR or REFEREE_TEMP_DIR to a "
            "folder that can be written to."
        ) from None
    return Scratch(path, lock, descriptor)


def _new_lock(base: Path) -> tuple[Path, int]:
    while True:
        lock = base / f"referee-{secrets.token_hex(4)}.lock"
        try:
            descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        # A sweep may have taken the file between the two calls, and removed it.
        if _is_same(lock, descriptor):
            os.write(descriptor, f"{os.getpid()}\n".encode())
            return lock, descriptor
        os.close(descriptor)


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def _choose(account: Account) -> Path:
    places = list(_places())
    for place in places:
        usable = os.access(place, os.W_OK) and account.reaches(place / "x")
        if usable and len(os.fsencode(f"{place}{_SOCKET}")) <= _LONGEST_SOCKET and _room(place) >= ROOM:
            return place
    return places[-1]


def _places() -> Iterator[Path]:
    """Where scratch folders may lie, the best first."""
    if chosen := os.environ.get("REFEREE_TEMP_DIR"):
        yield Path(chosen).absolute()
        return
    if _MEMORY.is_dir():
        yield _MEMORY
    yield from dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp")))


def _room(place: Path) -> int:
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return 0


def sweep() -> None:
    """Ends the servers and removes the folders that dead processes of this user left."""
    for place in _places():
        for lock in place.glob("referee-*.lock"):
            _sweep_one(lock)


def _sweep_one(lock: Path) -> None:
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_same(lock, descriptor):
            return
        folder = lock.with_suffix("")
        end_server(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            lock.unlink(missing_ok=True)
    except OSError:
        pass  # its process lives
    finally:
        os.close(descriptor)


def end_server(data: Path) -> None:
    """Ends the server that runs on a data folder, if one does, and frees the shared memory that a dead one left."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid = abs(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return
    if _runs_on(pid, data):
        for kind, patience in ((signal.SIGQUIT, 5.0), (signal.SIGKILL, 1.0)):
            with suppress(ProcessLookupError):
                os.kill(pid, kind)
            if _wait_until_gone(pid, data, patience):
                break
    if len(lines) > 6:
        _free_shared_memory(lines[6])


def _runs_on(pid: int, data: Path) -> bool:
    """Whether the process is a server on this folder, and not another one that got the same number."""
    try:
        return str(data) in Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        if Path("/proc/self").exists():
            return False
    shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return str(data) in shown.stdout


def _wait_until_gone(pid: int, data: Path, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if not _runs_on(pid, data):
            return True
        time.sleep(0.005)
    return False


def _free_shared_memory(line: str) -> None:
    """Frees the System V segment named in postmaster.pid as "key id". A server that was killed leaves it behind."""
    words = line.split()
    if len(words) == 2 and words[1].isdigit():
        remove = 0  # IPC_RMID
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).shmctl(int(words[1]), remove, None)
