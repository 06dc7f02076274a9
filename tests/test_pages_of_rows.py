"""docs/scan.md and docs/repair.md: their commands run, and their screens are what comes out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.postgres.server import Server
from tests import bandbook
from tests.data.mess import Mess, load, user_id

DOCS = Path(__file__).parent.parent / "docs"
MESS = Mess(users=5_000, songs=8_000)
PAGES = ("scan.md", "repair.md")

#: What is different each time, in place of which the pages have something of the same kind.
VARIABLE = (
    (r"\b[0-9a-f]{8}(?:-(?!0000-4000)[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "RUN"),
    (r"postgres@\S+?/(?:postgres|referee_run_\d+)\b", "DATABASE"),
    (r"PostgreSQL [\d.]+", "PostgreSQL"),
    (r"\d+\.\d s\b", "TIME"),
    (r"\d+ batch(?:es)?, the longest \d+ ms", "BATCHES"),
)


@pytest.fixture
def url(server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(bandbook.write_project("broken", tmp_path / "bandbook"))
    monkeypatch.setattr("referee.workflow.scan_state.cache_dir", lambda: tmp_path)
    Path("users.csv").write_text(f"user_id,email\n{user_id(1)},a@example.org\n")
    return load(server, database, MESS)


def blocks(page: str, language: str) -> Iterator[str]:
    text = (DOCS / page).read_text(encoding="utf-8")
    yield from re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def run(command: str, url: str) -> int:
    name, *arguments = shlex.split(command, comments=True)
    assert name == "referee"
    return main([{"$DATABASE_URL": url, "$OTHER_URL": url}.get(argument, argument) for argument in arguments])


@pytest.mark.parametrize("page", PAGES)
def test_the_screens_are_those_that_come(page: str, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    screens = [screen for block in blocks(page, "console") for screen in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    shown = [screen for screen in screens if screen]
    assert shown
    for screen in shown:
        command, _, expected = screen.partition("\n")
        assert run(command, url) in (0, 1), command
        assert plain(capsys.readouterr().out) == plain(expected), command


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_run(
    page: str, url: str, server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if page == "scan.md":
        pytest.importorskip("duckdb")
        with server.connect(database) as session:
            session.run("create table public.people (id uuid primary key)")
    commands = [line for block in blocks(page, "sh") for line in block.splitlines() if line]
    assert len(commands) > 5
    for command in commands:
        assert run(command, url) in (0, 1), (command, capsys.readouterr().out[-3000:])


def plain(text: str) -> str:
    """The text without what differs each time and without the breaks between its lines."""
    text = " ".join(text.split())
    for pattern, name in VARIABLE:
        text = re.sub(pattern, name, text)
    return text
