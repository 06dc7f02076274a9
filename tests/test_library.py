"""The examples of docs/library.md run, and the calls that it names exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from referee.postgres.server import Server

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
SECTIONS = re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
CALLS = re.findall(r"`referee\.workflow\.(\w+)\.(\w+)\(", PAGE)
MIGRATION = ROOT / "examples/bandbook/supabase/migrations/20251106000000_baseline_schema.sql"


@pytest.fixture(scope="module")
def url(server: Server) -> Iterator[str]:
    """A database with bandbook in it."""
    with server.database() as name:
        with server.connect(name, server.migration_role) as session:
            session.run(MIGRATION.read_text(encoding="utf-8"))
        yield server.url(name)


@pytest.mark.parametrize(("module", "name"), CALLS)
def test_the_calls_exist(module: str, name: str) -> None:
    assert callable(getattr(import_module(f"referee.workflow.{module}"), name))


@pytest.mark.parametrize(("title", "text"), SECTIONS, ids=[title for title, _ in SECTIONS])
def test_examples_run(title: str, text: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks, title
    names: dict[str, object] = {"url": url}
    for block in blocks:
        exec(compile(block, f"docs/library.md: {title}", "exec"), names)
