from __future__ import annotations

from pathlib import Path

import pytest

from referee.model.source import Source
from referee.sql import bodies
from referee.sql.script import read_script
from referee.workflow import contributions
from referee.workflow.contributions import Contributions

SOURCE = Source(
    "a.sql",
    """
    create table public."mem""bers" (id uuid primary key references auth.users (id), name text default 'Org''s 🎸');
    create function public.touch() returns trigger language plpgsql as $$
    begin
      new.name := lower(new.name);
      return new;
    end $$;
    create function public.one() returns int language sql as 'select 1';
    """,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REFEREE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(bodies, "_bodies", {})
    return tmp_path


def refuse(text: str) -> None:
    raise AssertionError("the file was read anew")


def test_what_is_kept_is_what_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with Contributions(enabled=True) as fresh:
        assert fresh.script(SOURCE) == read_script(SOURCE.text)
    monkeypatch.setattr(contributions, "read_script", refuse)
    with Contributions(enabled=True) as kept:
        assert kept.script(SOURCE) == read_script(SOURCE.text)


def test_the_bodies_that_were_read_come_along(monkeypatch: pytest.MonkeyPatch) -> None:
    text = SOURCE.text.split("$$")[1]
    with Contributions(enabled=True) as fresh:
        fresh.script(SOURCE)
        body = bodies.read_body("plpgsql", text)
    monkeypatch.setattr(bodies, "_bodies", {})
    with Contributions(enabled=True) as kept:
        kept.script(SOURCE)
        assert bodies.recall("plpgsql", text) == body
        assert bodies.recall("sql", "select 1") is None


def test_other_text_is_another_file() -> None:
    other = Source("a.sql", SOURCE.text.replace("name text", "title text"))
    with Contributions(enabled=True) as fresh:
        fresh.script(SOURCE)
    with Contributions(enabled=True) as kept:
        assert kept.script(other) == read_script(other.text) != read_script(SOURCE.text)


def test_a_damaged_file_of_the_cache_is_read_anew(folder: Path) -> None:
    with Contributions(enabled=True) as fresh:
        fresh.script(SOURCE)
    [file] = [path for path in folder.rglob("*") if path.is_file()]
    file.write_bytes(b"\x92\x00")
    with Contributions(enabled=True) as kept:
        assert kept.script(SOURCE) == read_script(SOURCE.text)


def test_a_run_that_fails_keeps_nothing(folder: Path) -> None:
    def fail() -> None:
        with Contributions(enabled=True) as fresh:
            fresh.script(SOURCE)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert not [path for path in folder.rglob("*") if path.is_file()]
