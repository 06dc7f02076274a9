from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.compare.lock import Lock, function_hash, make_lock, read_lock, violations, write_lock
from referee.errors import ReadError
from referee.identity import IdentityOptions, identify
from referee.model.finding import Severity
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.read.replay import replay
from referee.workflow.check import check
from referee.workflow.compare import compare
from referee.workflow.database import check_database
from referee.workflow.lock import BROKEN_LOCK, find_lock, hold, hold_diagnosis, lock_of, open_lock, restore
from tests import bandbook
from tests.compare.applying import run
from tests.scripts import script

TRIGGER, FUNCTION = "trigger on_auth_user_created on auth.users", "public.handle_new_user"
MIGRATION = bandbook.migration("fixed_with_identity_key")
OVERWRITTEN = """
create or replace function public.handle_new_user() returns trigger language plpgsql security definer
set search_path = public as $$ begin insert into public.user_profiles (user_id, display_name) values (new.id, 'x');
return new; end $$;
"""


LAID_OUT = (
    bandbook.SYNC_TRIGGER.partition("CREATE TRIGGER")[0]
    .replace("BEGIN\n", "begin -- everybody has a row here\n\n")
    .replace("INSERT INTO", "insert  into")
    .replace("RETURN NEW", "return new")
)


def schema_of(text: str = "") -> Schema:
    return replay([Source("a.sql", MIGRATION + text)], SUPABASE).schema


@pytest.fixture(scope="module")
def lock() -> Lock:
    schema = schema_of()
    made = make_lock(schema, identify(schema, IdentityOptions(SUPABASE)), "supabase", "supabase_auth_admin")
    return read_lock(write_lock(made), "referee.lock")


def messages(lock: Lock, text: str) -> list[str]:
    return [violation.message for violation in violations(schema_of(text), lock)]


def test_it_holds_what_identities_rest_on(lock: Lock) -> None:
    assert [trigger.name for trigger in lock.triggers] == ["on_auth_user_created"]
    assert [str(locked.function.name) for locked in lock.functions] == ["public.handle_new_user()"]
    assert [str(one.canonical) for one in lock.identities] == ["public.users(id)"]
    assert len(lock.keys) == 14
    assert {policy.command for policy in lock.policies} == {"select", "update"}
    assert [one.table.name for one in lock.tables if one.row_security] == ["users"]
    assert [role.name for role in lock.roles] == ["supabase_auth_admin"]


def test_what_was_locked_holds(lock: Lock) -> None:
    assert violations(schema_of(), lock) == ()


def test_it_is_the_same_text_each_time(lock: Lock) -> None:
    assert write_lock(lock) == write_lock(read_lock(write_lock(lock), "x"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "drop trigger on_auth_user_created on auth.users;",
            f"{TRIGGER}, which calls {FUNCTION}, is locked and missing; its function {FUNCTION} was kept",
        ),
        (OVERWRITTEN, "function public.handle_new_user() has another body in the database"),
        (
            "alter function public.handle_new_user() security invoker;",
            "function public.handle_new_user() is SECURITY DEFINER in the lock and SECURITY INVOKER in the database",
        ),
        (
            "alter table auth.users disable trigger on_auth_user_created;",
            "trigger on_auth_user_created on auth.users is enabled in the lock and disabled in the database",
        ),
        (
            "alter table public.bands drop constraint bands_created_by_fkey;",
            "foreign key public.bands.bands_created_by_fkey to public.users(id) is locked and missing",
        ),
        (
            "alter table public.users drop constraint users_id_fkey;",
            "foreign key public.users.users_id_fkey to auth.users(id) is locked and missing",
        ),
        (
            "alter table public.users disable row level security;",
            "row security of public.users is off, unlike in the lock",
        ),
        (
            'drop policy "Users read their own row" on public.users;',
            'policy "Users read their own row" on public.users for SELECT to authenticated is locked and missing',
        ),
        (
            "create policy x on public.users to anon using (true);",
            "policy x on public.users for ALL to anon is there and not locked",
        ),
        (
            "alter role supabase_auth_admin set search_path = public;",
            "role supabase_auth_admin has another search_path than the lock says",
        ),
    ],
)
def test_what_is_lost_is_told(lock: Lock, text: str, message: str) -> None:
    assert messages(lock, text) == [message]


def test_a_trigger_that_somebody_elses_migration_clobbers_is_noticed(lock: Lock) -> None:
    text = OVERWRITTEN.replace("handle_new_user", "greet") + (
        "drop trigger if exists on_auth_user_created on auth.users;"
        "create trigger on_auth_user_created after insert on auth.users for each row execute function public.greet();"
    )
    [message] = messages(lock, text)
    assert message.startswith("trigger on_auth_user_created on auth.users calls public.handle_new_user")
    assert "public.greet" in message


@pytest.mark.parametrize(
    "text",
    [
        "create trigger other after insert on auth.users for each row execute function public.handle_new_user();",
        "alter table public.bands add column genre text;",
        "alter table public.bands rename constraint bands_created_by_fkey to made_by;",
        LAID_OUT,
    ],
    ids=["another trigger", "another column", "another name", "another layout"],
)
def test_what_says_the_same_holds(lock: Lock, text: str) -> None:
    assert messages(lock, text) == []


def test_a_hash_tells_what_is_done_not_how_it_is_written() -> None:
    functions = schema_of().functions
    one = next(function for name, function in functions.items() if name.name == "handle_new_user")
    laid_out = schema_of(LAID_OUT)
    assert laid_out.functions[one.name].body != one.body
    assert function_hash(laid_out.functions[one.name]) == function_hash(one)
    assert function_hash(schema_of(OVERWRITTEN).functions[one.name]) != function_hash(one)


def test_a_file_that_was_changed_by_hand_is_refused(lock: Lock) -> None:
    found = json.loads(write_lock(lock))
    found["functions"][0]["function"]["body"] = "begin return new; end"
    with pytest.raises(ReadError, match="changed by hand"):
        read_lock(json.dumps(found), "referee.lock")
    for text in ("", "{}", '{"version": 2}'):
        with pytest.raises(ReadError, match="is no lock file"):
            read_lock(text, "referee.lock")


def test_a_project_without_identities_has_nothing_to_lock(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create table t (id int);", encoding="utf-8")
    with pytest.raises(ReadError, match="nothing to lock"):
        lock_of(str(tmp_path))


LOSSES = """
drop trigger on_auth_user_created on auth.users;
drop function public.handle_new_user();
alter table public.users disable row level security;
alter table public.users drop constraint users_id_fkey;
alter table public.bands drop constraint bands_created_by_fkey,
  add constraint bands_created_by_fkey foreign key (created_by) references auth.users (id) not valid;
drop policy "Users read their own row" on public.users;
"""


def test_one_migration_brings_everything_back(server: Server, fixed: str, lock: Lock) -> None:
    with server.database(template=fixed) as other:
        with server.connect(other, server.superuser) as session:
            session.run(LOSSES)
        held = hold(server.url(other), lock)
        assert len(held.violations) == 6
        statements = [
            statement.text for statement in script(restore(held.violations, held.schema, lock, held.server)).statements
        ]
        outcome = run(server, other, statements)
        assert [failure.report.message for failure in outcome.failures] == []
        assert hold(server.url(other), lock).violations == ()


def test_what_cannot_be_written_stands_in_the_migration_as_a_comment(lock: Lock) -> None:
    schema = schema_of("drop table public.users cascade;")
    text = restore(violations(schema, lock), schema, lock)
    assert "-- table public.users is locked and missing" in text
    assert "has to be brought back by hand" in text


def test_a_lock_says_who_is_at_fault_where_rules_are_silent(server: Server, fixed: str, tmp_path: Path) -> None:
    path = tmp_path / "referee.lock"
    path.write_text(lock_of(server.url(fixed)), encoding="utf-8")
    with server.database(template=fixed) as other:
        with server.connect(other) as session:
            session.run(OVERWRITTEN)
        [silent] = compare(server.url(other), server.url(fixed)).comparison.differences
        [told] = compare(server.url(other), server.url(fixed), locked=str(path)).comparison.differences
    assert (silent.at_fault, told.at_fault, told.affected) == (None, "left", "left")


def test_the_lock_of_a_project_lies_in_its_root(tmp_path: Path) -> None:
    project = bandbook.write_project("fixed_with_identity_key", tmp_path / "project")
    (project / ".git").mkdir()
    assert find_lock(project / "supabase") is None
    (project / "referee.lock").write_text(lock_of(str(project)), encoding="utf-8")
    assert find_lock(project / "supabase") == project / "referee.lock"
    assert hold(str(project), open_lock(project / "referee.lock")).violations == ()


def test_a_role_that_may_not_see_triggers_breaks_no_lock(server: Server, fixed: str, lock: Lock) -> None:
    with server.database(template=fixed) as other:
        with server.connect(other, server.superuser) as session:
            session.run("create role looker login; revoke select on pg_catalog.pg_trigger from public")
        held = hold(server.url(other, "looker"), lock)
        checked = hold_diagnosis(check_database(server.url(other, "looker")), lock)
    assert held.violations == ()
    assert [finding for finding in checked.findings if finding.rule == BROKEN_LOCK] == []
    assert any("triggers (the role may not use pg_trigger" in told for told in held.not_seen)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("select 1;\ndrop trigger if exists on_auth_user_created on auth.users;", 2),
        ("drop function public.handle_new_user() cascade;", 1),
        (OVERWRITTEN, 2),
        ("alter table public.bands\n  drop constraint bands_created_by_fkey;", 1),
        ("alter function public.handle_new_user() security invoker;", 1),
    ],
    ids=["trigger dropped", "function dropped", "overwritten", "key dropped", "invoker"],
)
def test_the_migration_that_did_it_is_named(lock: Lock, tmp_path: Path, text: str, line: int) -> None:
    project = bandbook.write_project("fixed_with_identity_key", tmp_path / "project")
    later = project / "supabase" / "migrations" / "20251201000000_somebody_else.sql"
    later.write_text(text, encoding="utf-8")
    found = hold(str(project), lock).violations
    assert found
    for violation in found:
        assert violation.done_by is not None
        assert violation.done_by.file.endswith("20251201000000_somebody_else.sql")
        assert violation.done_by.line == line
    diagnosis = hold_diagnosis(check(project), lock)
    broken = [finding for finding in diagnosis.findings if finding.rule == BROKEN_LOCK]
    assert [(finding.problem.object, finding.location) for finding in broken] == [
        (violation.object, violation.done_by) for violation in sorted(found, key=lambda one: str(one.object))
    ]
    assert all(finding.problem.severity == Severity.ERROR for finding in broken)
    assert BROKEN_LOCK in diagnosis.subject.rules
