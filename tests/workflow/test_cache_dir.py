from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest

from referee.workflow.cache_dir import cache_dir


def test_the_variable_names_the_folder(tmp_path: Path) -> None:
    named = tmp_path / "deep" / "cache"
    assert cache_dir({"REFEREE_CACHE_DIR": str(named), "HOME": str(tmp_path)}) == named
    assert stat.S_IMODE(named.stat().st_mode) == 0o700


@pytest.mark.skipif(sys.platform != "linux", reason="the folders of Linux")
def test_else_it_lies_where_the_system_keeps_caches(tmp_path: Path) -> None:
    assert cache_dir({"XDG_CACHE_HOME": str(tmp_path / "x"), "HOME": str(tmp_path)}) == tmp_path / "x" / "referee"
    assert cache_dir({"HOME": str(tmp_path)}) == tmp_path / ".cache" / "referee"
    assert cache_dir({"XDG_CACHE_HOME": "relative", "HOME": str(tmp_path)}) == tmp_path / ".cache" / "referee"


def test_where_there_can_be_none_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert cache_dir({"REFEREE_CACHE_DIR": str(tmp_path / "file" / "cache")}) is None
    assert cache_dir({}) is None
