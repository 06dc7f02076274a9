"""What the usual dumps, restores and squashes lose of a project on Supabase, and who notices."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.compare.lock import Lock, read_lock
from referee.postgres.programs import find_programs
from referee.postgres.server import Server
from referee.workflow.compare import Result, compare
from referee.workflow.lock import hold, lock_of, restore
from tests.bandbook import migration
from tests.compare.applying import run
from tests.scripts import script

TRIGGER = "auth.users.on_auth_user_created"
REGAINED = {
    "role authenticated has DELETE, UPDATE on public.audit_log on the right only",
    "role service_role has DELETE, UPDATE on public.audit_log on the right only",
}
USER = "00000000-0000-0000-0000-000000000001"


def program(server: Server, name: str, database: str, *arguments: str, text: str = "") -> str:
    """What a program of Postgres prints, logged in as the host's superuser."""
    done = subprocess.run(
        [find_programs().folder / name, "--dbname", server.url(database, server.superuser), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def filled(server: Server, fixed: str) -> Iterator[str]:
    """Production: somebody has signed up."""
    with server.database(template=fixed) as name:
        with server.connect(name, server.superuser) as session:
            session.run(f"insert into auth.users (id, email) values ('{USER}', 'ann@example.org')")
            assert session.value("select count(*) from public.users") == 1
        yield name


@pytest.fixture(scope="module")
def dump(server: Server, filled: str) -> str:
    """The schema as `supabase db dump` takes it: everything but the platform's schemas."""
    return program(server, "pg_dump", filled, "--schema-only", "--schema=public", "--schema=supabase_migrations")


@pytest.fixture
def restored(server: Server, filled: str, dump: str) -> Iterator[str]:
    """Schema and data in a new project; the data under the role of a replica, as the official restore does it."""
    data = program(server, "pg_dump", filled, "--data-only", "--schema=public", "--schema=auth")
    with server.database() as name:
        program(server, "psql", name, "--quiet", text=dump)
        program(server, "psql", name, "--quiet", text=f"set session_replication_role = replica;\n{data}")
        yield name


@pytest.fixture(scope="module")
def lock(server: Server, fixed: str) -> Lock:
    return read_lock(lock_of(server.url(fixed)), "referee.lock")


def objects(result: Result) -> list[str]:
    return [str(judged.difference.object) for judged in result.comparison.differences]


def test_a_restore_without_auth_loses_the_trigger_and_compare_says_what_that_means(
    server: Server, filled: str, restored: str
) -> None:
    result = compare(server.url(filled), server.url(restored))
    missing, *others = result.comparison.differences
    assert str(missing.difference.object) == TRIGGER
    assert missing.at_fault == "right"
    assert "handle_new_user is still there, and nothing calls it" in missing.consequence.text
    # The history is a table of the platform, and its rows were not dumped. A dump holds no REVOKE for what the default
    # privileges of the new project give, so the log can be changed again.
    told = {judged.difference.summary for judged in others if judged.difference.object.kind != "migration"}
    assert told == REGAINED
    with server.connect(restored, server.superuser) as session:
        session.run("insert into auth.users (id, email) values (gen_random_uuid(), 'bob@example.org')")
        assert session.value("select count(*) from public.users") == 1


def test_the_lock_finds_it_and_its_migration_brings_it_back(server: Server, restored: str, lock: Lock) -> None:
    held = hold(server.url(restored), lock)
    [violation] = held.violations
    assert str(violation.object) == TRIGGER
    assert violation.message.endswith("is locked and missing; its function public.handle_new_user was kept")
    text = restore(held.violations, held.schema, lock, held.server)
    statements = [statement.text for statement in script(text).statements]
    assert not run(server, restored, statements).failures
    assert hold(server.url(restored), lock).violations == ()


def test_the_dump_itself_can_be_compared(server: Server, filled: str, dump: str, tmp_path: Path) -> None:
    path = tmp_path / "schema.sql"
    path.write_text(dump, encoding="utf-8")
    result = compare(server.url(filled), str(path))
    assert set(objects(result)) == {TRIGGER, "public.audit_log"}
    assert result.comparison.right.kind == "dump"
    assert result.comparison.not_seen == (), result.comparison.not_seen


def test_a_dump_that_brings_auth_along_has_everything(server: Server, filled: str, tmp_path: Path) -> None:
    path = tmp_path / "all.sql"
    path.write_text(program(server, "pg_dump", filled, "--schema-only"), encoding="utf-8")
    result = compare(server.url(filled), str(path))
    assert [judged.difference.summary for judged in result.comparison.differences] == []


def test_a_squash_loses_it_too(dump: str, tmp_path: Path, lock: Lock) -> None:
    """The squashed migration is the dump of a shadow database, without what belongs to auth."""
    for name, text in (("before", migration("fixed_with_identity_key")), ("after", dump)):
        folder = tmp_path / name / "supabase" / "migrations"
        folder.mkdir(parents=True)
        (folder / "20251106000000_baseline.sql").write_text(text, encoding="utf-8")
    result = compare(str(tmp_path / "before"), str(tmp_path / "after"))
    assert objects(result)[0] == TRIGGER
    assert result.comparison.differences[0].at_fault == "right"
    found = hold(str(tmp_path / "after"), lock).violations
    assert [str(violation.object) for violation in found] == [TRIGGER]
