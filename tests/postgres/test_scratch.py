"""Scratch folders: theirs who live, gone with those who died."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from referee.postgres.programs import Account
from referee.postgres.scratch import ROOM, make_scratch, sweep

SELF = Account(os.geteuid(), os.getegid(), switch=False)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Short, because the path of a socket is.
    folder = Path("/tmp") / f"r{os.getpid()}-{tmp_path.name[:8]}"
    folder.mkdir()
    monkeypatch.setenv("REFEREE_TEMP_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def _clean(base: Path) -> object:
    yield
    for path in base.iterdir():
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    base.rmdir()


def test_it_is_private_and_goes(base: Path) -> None:
    scratch = make_scratch(SELF)
    assert scratch.path.parent == base
    assert scratch.path.stat().st_mode & 0o777 == 0o700
    assert int(scratch.lock.read_text()) == os.getpid()
    scratch.remove()
    assert list(base.iterdir()) == []


def test_the_living_are_left_alone(base: Path) -> None:
    scratch = make_scratch(SELF)
    sweep()
    assert scratch.path.exists()
    scratch.remove()


def test_the_dead_are_swept_by_the_next(base: Path) -> None:
    code = (
        "import os; from referee.postgres.programs import Account; from referee.postgres.scratch import make_scratch;"
        "s = make_scratch(Account(os.geteuid(), os.getegid(), False)); (s.path / 'x').write_text('x'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert len(list(base.iterdir())) == 2
    scratch = make_scratch(SELF)
    assert sorted(base.iterdir()) == sorted([scratch.path, scratch.lock])
    scratch.remove()


def test_what_somebody_else_named_alike_is_left_alone(base: Path) -> None:
    target = base / "target"
    target.mkdir()
    (base / "referee-evil.lock").symlink_to(target)
    (base / "referee-other").mkdir()
    sweep()
    assert {path.name for path in base.iterdir()} == {"target", "referee-evil.lock", "referee-other"}
    assert target.is_dir()


def test_a_process_that_is_no_server_is_never_ended(base: Path) -> None:
    """The number in a dead server's folder may belong to somebody else by now."""
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        data = base / "referee-dead" / "data"
        data.mkdir(parents=True)
        (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n")
        (base / "referee-dead.lock").write_text("1\n")
        sweep()
        assert not data.exists()
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_lock_that_is_held_keeps_the_folder(base: Path) -> None:
    (base / "referee-held").mkdir()
    with (base / "referee-held.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep()
        assert (base / "referee-held").exists()
    sweep()
    assert not (base / "referee-held").exists()


def test_room_is_enough_for_a_server() -> None:
    assert ROOM >= 200 * 1024 * 1024
