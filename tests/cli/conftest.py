"""Each test runs in an empty repository of its own, with a cache of its own and nothing of the caller's environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _own_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("REFEREE_", "GITHUB_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("REFEREE_CACHE_DIR", str(tmp_path / "cache"))
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    monkeypatch.chdir(repository)
