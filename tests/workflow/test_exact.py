"""The facts of a throw-away server with the places of the replay."""

from __future__ import annotations

from pathlib import Path

from referee.workflow.check import check
from referee.workflow.config import Config
from referee.workflow.exact import check_exact
from tests import bandbook

CONFIG = Config(cache=False)


def write(folder: Path, **files: str) -> Path:
    """A Supabase project with these migrations."""
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    (folder / "supabase" / "config.toml").write_text("[db]\nmajor_version = 15\n")
    for name, text in files.items():
        (migrations / f"{name[1:]}.sql").write_text(text)
    return folder


def test_bandbook_has_the_same_findings_at_the_same_places() -> None:
    exact, replayed = check_exact(bandbook.PROJECT, CONFIG), check(bandbook.PROJECT, CONFIG)
    assert [(finding.fingerprint, finding.location) for finding in exact.findings] == [
        (finding.fingerprint, finding.location) for finding in replayed.findings
    ]
    assert exact.gaps == ()


def test_a_loop_that_no_replay_follows_is_known_to_the_server(tmp_path: Path) -> None:
    loop = """
do $$
declare name text;
begin
  for name in select 'band_' || n from generate_series(1, 2) n where now() > '2000-01-01' loop
    execute format('create table public.%I (id uuid primary key, owner uuid references auth.users)', name);
  end loop;
end $$;
"""
    project = write(tmp_path, _1_loop=loop)
    assert {gap.kind for gap in check(project, CONFIG).gaps} == {"dynamic-sql"}
    diagnosis = check_exact(project, CONFIG)
    assert diagnosis.gaps == ()
    assert {"band_1", "band_2"} <= {table.name.name for table in diagnosis.schema.own_tables}


def test_a_failing_statement_has_its_place_and_its_sqlstate(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        _1_first="create table public.a (id int primary key);\n"
        "create table public.b (a int references public.later (id));",
        _2_second="create table public.later (id int primary key);\nselect * from public.never;",
    )
    first, second = check_exact(project, CONFIG).gaps
    assert first.kind == second.kind == "would-fail"
    assert "42P01" in first.message
    assert "2_second.sql creates it later" in first.message
    assert second.message.endswith("(42P01); no file creates it")
    source = check(project, CONFIG).origins.sources[first.span.path] if first.span else None
    assert first.span is not None
    assert source is not None
    assert source.position(first.span.start).line == 2


def test_what_the_server_is_not_is_said(tmp_path: Path) -> None:
    project = write(tmp_path, _1_first="create extension if not exists pg_net with schema extensions;")
    messages = [notice.message for notice in check_exact(project, CONFIG).notices]
    assert any("PostgreSQL 15" in message for message in messages)
    assert any("pg_net" in message for message in messages)
