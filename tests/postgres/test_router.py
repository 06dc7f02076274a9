"""Which statements are run with other rights, and with which."""

from __future__ import annotations

import pytest

from referee.platforms import PLAIN, SUPABASE
from referee.postgres.router import Router, roles_made

ROUTER = Router("postgres", "supabase_admin", SUPABASE.beyond, SUPABASE.stand_ins, frozenset({"pg_trgm"}), ("owner",))

PLAIN_STATEMENTS = [
    "create table auth.t (id int)",
    "create policy p on public.t using (true)",
    'create policy "on auth.users" on public.t using (true)',
    "create policy p on auth.no_such_table using (true)",
    'drop trigger t on public."auth.users"',
    "drop trigger t on users",
    "create trigger t after insert on auth.users for each row execute function f()",
    "create publication p for table t",
    "set search_path to auth",
    "set role anon",
    "alter role editor set statement_timeout = '1s'",
    "comment on table t is 'create extension x'",
    "do $$ begin create policy p on public.t using (true); end $$",
    "select 'drop policy p on storage.objects'",
]

ROUTED = [
    "drop trigger t on auth.users",
    'DROP TRIGGER IF EXISTS "Org\'s; t" ON "auth"."users" CASCADE',
    "create policy p on storage.objects using (true)",
    'alter policy "a""b" on realtime . messages using (true)',
    "drop extension pg_trgm",
    "comment on extension pg_trgm is 'x'",
    "create event trigger e on ddl_command_end execute function f()",
    "alter event trigger e disable",
    "create publication p for all tables",
    "create publication p for tables in schema public",
    "create foreign data wrapper w",
    "set session_replication_role = replica",
    "set local log_statement to 'all'",
    "set session pgaudit.log = 'write'",
    "reset session_replication_role",
    "alter role authenticator set pgrst.db_schemas = 'x'",
    "alter database postgres set log_statement = 'ddl'",
    "alter role anon set statement_timeout = '1s'",
]


@pytest.mark.parametrize("statement", PLAIN_STATEMENTS)
def test_runs_as_it_is(statement: str) -> None:
    assert ROUTER.route(statement) == (statement,)


@pytest.mark.parametrize("statement", ROUTED)
def test_runs_as_the_superuser(statement: str) -> None:
    assert ROUTER.route(statement) == (
        "set session authorization supabase_admin",
        statement,
        "set session authorization postgres",
    )


@pytest.mark.parametrize("statement", [*PLAIN_STATEMENTS, *ROUTED])
def test_a_plain_host_routes_nothing(statement: str) -> None:
    router = Router("postgres", "postgres", PLAIN.beyond, PLAIN.stand_ins, frozenset())
    assert router.route(statement) == (statement,)


@pytest.mark.parametrize(
    ("statement", "installed"),
    [
        ("create extension pg_trgm", "create extension pg_trgm"),
        (
            'CREATE EXTENSION IF NOT EXISTS "pg_trgm" WITH SCHEMA "Org\'s" VERSION \'1.2\' CASCADE',
            'create extension if not exists pg_trgm with schema "Org\'s" cascade',
        ),
        ("create extension postgis schema public", "create extension postgis with schema public"),
    ],
)
def test_extensions_are_installed_without_their_version(statement: str, installed: str) -> None:
    assert ROUTER.route(statement)[1] == installed


def test_a_missing_extension_is_imitated() -> None:
    (_, made, _) = ROUTER.route("create extension pg_jsonschema with schema extensions")
    assert "create function jsonb_matches_schema" in made


def test_a_block_gets_the_owners_rights_for_its_time() -> None:
    block = 'do $x$ begin execute \'\'; DROP POLICY IF EXISTS "p" ON "storage"."objects"; end $x$'
    before, grant, back, run, again, revoke, last = ROUTER.route(block)
    assert (grant, run, revoke) == ("grant owner to postgres", block, "revoke owner from postgres")
    assert before == again == "set session authorization supabase_admin"
    assert back == last == "set session authorization postgres"


def test_going_back_to_the_login_role_ends_at_the_migration_role() -> None:
    for statement in ("reset session authorization", "SET SESSION AUTHORIZATION DEFAULT"):
        assert ROUTER.route(statement) == ("set session authorization postgres",)


def test_nobody_else_can_be_logged_in_as() -> None:
    assert ROUTER.route("set session authorization postgres") == ("set session authorization postgres",)
    assert ROUTER.route("discard all") == ("discard all", "set session authorization postgres")
    (refusal,) = ROUTER.route('SET SESSION AUTHORIZATION "Org\'s"')
    assert "raise insufficient_privilege using message = 'permission denied to set session authorization" in refusal


def test_protected_roles_are_left_alone() -> None:
    router = Router("postgres", "me", SUPABASE.beyond, {}, frozenset(), protected=frozenset({"anon", "Org's"}))
    assert router.route("alter role anon set statement_timeout = '1s'") == ()
    assert router.route('drop role if exists "Org\'s"') == ()
    assert router.route("alter role editor nologin") == ("alter role editor nologin",)


def test_roles_made_in_blocks_count() -> None:
    assert roles_made('do $$ begin create role a; CREATE USER "B c"; end $$') == {"a", "B c"}
    assert roles_made("create table role (id int)") == set()
