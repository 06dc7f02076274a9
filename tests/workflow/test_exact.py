"""The facts of a throw-away server with the places of the replay."""

from __future__ import annotations

from pathlib import Path

from referee.postgres.server import Server
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


def test_seeds_and_roles_run_as_a_reset_runs_them(tmp_path: Path) -> None:
    project = write(
        tmp_path,
        _1_first="create table public.a (id int primary key);\n"
        "grant select on public.a to reporter;\n"
        "select set_config('search_path', '', false);",
    )
    (project / "supabase" / "roles.sql").write_text("create role reporter;\n")
    # What the last migration set still holds for the seeds: the name without its schema is not found.
    seed = "insert into public.a values (1);\n\ninsert into a values (2);\n"
    (project / "supabase" / "seed.sql").write_text(seed)
    diagnosis = check_exact(project, CONFIG)
    (gap,) = diagnosis.gaps
    assert gap.kind == "would-fail"
    assert gap.message.startswith('relation "a" does not exist (42P01)')
    location = diagnosis.origins.locate(gap.span) if gap.span else None
    assert location is not None
    assert location.file.endswith("supabase/seed.sql")
    assert (location.line, location.column) == (3, 13)
    assert "reporter" in diagnosis.schema.roles


def test_a_row_that_breaks_a_key_in_a_seed_is_told(tmp_path: Path) -> None:
    project = write(tmp_path, _1_first="create table public.a (owner uuid references auth.users (id));")
    (project / "supabase" / "seed.sql").write_text("insert into public.a values (gen_random_uuid());\n")
    (gap,) = check_exact(project, CONFIG).gaps
    assert "(23503)" in gap.message


def test_a_server_of_the_users_own(server: Server) -> None:
    here = check_exact(bandbook.PROJECT, CONFIG)
    there = check_exact(bandbook.PROJECT, CONFIG, server_url=server.url("postgres", server.superuser))
    assert there.findings == here.findings
    assert there.gaps == here.gaps
    assert there.schema.tables == here.schema.tables


def test_a_role_of_the_users_server_is_left_alone(tmp_path: Path, server: Server) -> None:
    text = "create table public.a (id int);\nalter role anon set statement_timeout = '1s';"
    url = server.url("postgres", server.superuser)
    (gap,) = check_exact(write(tmp_path, _1_first=text), CONFIG, server_url=url).gaps
    assert gap.kind == "unsupported"
    assert "changes a role of a server that referee is a guest on" in gap.message
    with server.connect("postgres", server.superuser) as session:
        assert session.value("select rolconfig from pg_roles where rolname = 'anon'") == ["statement_timeout=3s"]


def test_what_the_server_is_not_is_said(tmp_path: Path) -> None:
    project = write(tmp_path, _1_first="create extension if not exists pg_net with schema extensions;")
    messages = [notice.message for notice in check_exact(project, CONFIG).notices]
    assert any("PostgreSQL 15" in message for message in messages)
    assert any("pg_net" in message for message in messages)
