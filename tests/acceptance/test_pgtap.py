"""The generated pgTAP file and the example's own suite under a real pg_prove: PostgreSQL 15 with Debian's pgTAP."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.mutate import mutate
from referee.workflow.scripts import script_of
from referee.workflow.tests import write_tests
from tests import bandbook
from tests.bandbook import WRONG_LINES, Variant

CONFIG = Config(cache=False)
ALL_WAYS = "\n[auth]\nenable_anonymous_sign_ins = true\n\n[auth.sms]\nenable_signup = true\n"
PROFILES = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, phone text);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.profiles (id, phone) values (new.id, new.phone); return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""


@contextmanager
def migrated(server: Server, text: str) -> Iterator[str]:
    """A database with pgTAP in which these migrations ran."""
    with server.database(SUPABASE.default_mode) as name:
        assert run_scripts(server, name, [script_of(Source("1.sql", text))]).failures == ()
        with server.connect(name, server.superuser) as session:
            session.run("create extension if not exists pgtap with schema extensions")
        yield name


def proved(program: str, server: Server, database: str, files: Sequence[Path]) -> tuple[int, str]:
    """Exit status and output of pg_prove, as the role that ``supabase test db`` uses."""
    command = [program, "--verbose", "-h", str(server.folder), "-p", str(server.port), "-U", server.migration_role]
    done = subprocess.run([*command, "-d", database, *map(str, files)], capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def own_tests(project: Path) -> list[Path]:
    return sorted((project / "supabase" / "tests").glob("*.sql"))


def generated(project: Path, folder: Path) -> Path:
    (written,) = write_tests(project, CONFIG, pgtap_folder=str(folder))
    return Path(written.path)


def failures(output: str) -> list[str]:
    return re.findall(r"^not ok \d+ - (.*)$", output, re.MULTILINE)


@pytest.mark.parametrize("variant", ["broken", "fixed"])
def test_the_examples_own_suite_is_green_on_either_schema(
    pg_prove: str, postgres15: Server, tmp_path: Path, variant: Variant
) -> None:
    project = bandbook.write_project(variant, tmp_path / "project")
    with migrated(postgres15, bandbook.migration(variant)) as database:
        status, output = proved(pg_prove, postgres15, database, own_tests(project))
    assert (status, failures(output)) == (0, []), output
    assert "Result: PASS" in output


def test_the_generated_file_is_red_on_the_broken_schema(pg_prove: str, postgres15: Server, tmp_path: Path) -> None:
    project = bandbook.write_project("broken", tmp_path / "project")
    with migrated(postgres15, bandbook.migration("broken")) as database:
        status, output = proved(pg_prove, postgres15, database, [generated(project, tmp_path)])
    assert status != 0
    wrong = [f"public.{table}.{column} stores a user" for table, column in WRONG_LINES.values()]
    assert sorted(failures(output)) == sorted([*wrong, *["and leaves its row in public.users"] * 3])


@pytest.mark.parametrize("variant", ["fixed", "fixed_with_identity_key"])
def test_and_green_on_the_fixed_one(pg_prove: str, postgres15: Server, tmp_path: Path, variant: Variant) -> None:
    project = bandbook.write_project(variant, tmp_path / "project")
    with migrated(postgres15, bandbook.migration(variant)) as database:
        status, output = proved(pg_prove, postgres15, database, [*own_tests(project), generated(project, tmp_path)])
    assert (status, failures(output)) == (0, []), output
    assert "Result: PASS" in output


def test_what_the_fixed_schema_promises_fails_on_the_broken_one(
    pg_prove: str, postgres15: Server, tmp_path: Path
) -> None:
    project = bandbook.write_project("fixed", tmp_path / "project")
    with migrated(postgres15, bandbook.migration("broken")) as database:
        status, output = proved(pg_prove, postgres15, database, [generated(project, tmp_path)])
    assert status != 0
    assert "the trigger on_auth_user_created on auth.users is there, and enabled" in failures(output)
    assert any(text.startswith("public.handle_new_user") for text in failures(output))


def test_every_way_to_sign_up(pg_prove: str, postgres15: Server, tmp_path: Path) -> None:
    (tmp_path / "supabase" / "migrations").mkdir(parents=True)
    (tmp_path / "supabase" / "migrations" / "1_start.sql").write_text(PROFILES)
    (tmp_path / "supabase" / "config.toml").write_text(ALL_WAYS)
    with migrated(postgres15, PROFILES) as database:
        status, output = proved(pg_prove, postgres15, database, [generated(tmp_path, tmp_path)])
    assert (status, failures(output)) == (0, []), output
    for title in ("sign-up by e-mail", "sign-up through Google", "sign-up by phone", "anonymous sign-up"):
        assert re.search(rf"^ok \d+ - {title} passes$", output, re.MULTILINE), title


@pytest.mark.parametrize("variant", ["broken", "fixed"])
def test_with_the_generated_file_no_fault_survives_under_pgtap(tmp_path: Path, variant: Variant) -> None:
    project = bandbook.write_project(variant, tmp_path / "project")
    generated(project, project / "supabase" / "tests")
    score = mutate(project, CONFIG, programs=find_programs("/usr/lib/postgresql/15/bin"))
    assert score.assertions == "pgTAP"
    assert score.survivors == ()
    assert score.run == len(score.trials) >= 39


def test_the_examples_own_suite_lets_faults_survive_under_pgtap() -> None:
    score = mutate(bandbook.PROJECT, CONFIG, programs=find_programs("/usr/lib/postgresql/15/bin"))
    assert all(result.green for result in score.before)
    assert len(score.survivors) > score.run / 2
