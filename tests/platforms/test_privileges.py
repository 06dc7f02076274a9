"""What the migration role may do: what the host allows although plain Postgres would refuse it, and what it refuses."""

from __future__ import annotations

import pytest

from referee.postgres.server import Server
from tests.scripts import run, states

FUNCTION = "create function public.f() returns trigger language plpgsql as 'begin return new; end';"
TRIGGER = FUNCTION + "create trigger t after insert on auth.users for each row execute function public.f();"

ALLOWED = {
    "trigger on auth.users": TRIGGER,
    "trigger replaced": TRIGGER
    + "create or replace trigger t after insert on auth.users for each row execute function public.f();",
    "trigger dropped": TRIGGER + "drop trigger t on auth.users;",
    "trigger dropped if it exists": 'drop trigger if exists "No Such" on "auth"."users";',
    "key to auth.users": "create table public.p (id uuid primary key references auth.users (id));",
    "policy on auth.users": "create policy p on auth.users using (true); drop policy p on auth.users;",
    "policy on storage.objects": 'create policy "Org\'s; files" on storage.objects for select to anon using (true);'
    'alter policy "Org\'s; files" on storage.objects using (false); drop policy "Org\'s; files" on storage.objects;',
    "policy in a block": "do $$ begin create policy p on storage.objects using (true); end $$;",
    "trigger dropped in a block": TRIGGER + "do $$ begin drop trigger t on auth.users; end $$;",
    "replication role": "set session_replication_role = replica;",
    "replication role by function": "select set_config('session_replication_role', 'replica', false);",
    "event trigger": "create function public.e() returns event_trigger language plpgsql as 'begin end';"
    "create event trigger e on ddl_command_end execute function public.e(); drop event trigger e;",
    "trusted extension": "create extension pg_trgm;",
    "untrusted extension": "create extension pg_prewarm with schema extensions;",
    "extension with a stand-in": "create extension if not exists pg_cron with schema pg_catalog;"
    "select cron.schedule('nightly', '0 3 * * *', 'select 1');",
    "extension in a version of the host": "create extension pgjwt with schema extensions version '0.1.1';",
    "extension in a place that it does not take": "create schema jobs; create extension pg_cron with schema jobs;",
    "extension that is there": 'create extension if not exists "uuid-ossp" with schema extensions;',
    "setting of another role": "alter role authenticator set pgrst.db_schemas = 'public, api';",
    "time-out of another role": "alter role authenticator set statement_timeout = '15s'; alter role anon reset all;",
    "publication": "create table public.p (id int); alter publication supabase_realtime add table public.p;",
    "publication of everything": "create publication everything for all tables;",
    "truncation": "truncate auth.users cascade;",
    "table in a schema of its own": "create schema private; create table private.t (id int);"
    "grant usage on schema private to anon;",
    "role of its own": "create role editor nologin; grant editor to authenticator;",
}

REFUSED = {
    "row security on storage.objects": ("alter table storage.objects enable row level security;", "42501"),
    "column on auth.users": ("alter table auth.users add column c int;", "42501"),
    "trigger disabled": (TRIGGER + "alter table auth.users disable trigger t;", "42501"),
    "index on auth.users": ("create index on auth.users (email);", "42501"),
    "comment on auth.users": ("comment on table auth.users is 'mine';", "42501"),
    "table in auth": ("create table auth.t (id int);", "42501"),
    "function in auth": ("create function auth.f() returns int language sql as 'select 1';", "42501"),
    "auth.uid replaced": (
        "create or replace function auth.uid() returns uuid language sql as 'select null::uuid';",
        "42501",
    ),
    "policy on a table that is not listed": ("create policy p on auth.custom_oauth_providers using (true);", "42501"),
    "login of the service": ("set session authorization supabase_auth_admin;", "42501"),
    "role of the service": ("set role supabase_auth_admin;", "42501"),
    "direct deletion of files": ("delete from storage.objects;", "42501"),
    "history of the service": ("delete from auth.schema_migrations;", "42501"),
    "superuser": ("alter role postgres superuser;", "42501"),
    "setting that the host keeps": ("set log_statement_stats = on;", "42501"),
    "extension without a stand-in": ("create extension postgis;", "0A000"),
    "key to a partial index": ("create table public.p (email text references auth.users (email));", "42830"),
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_the_host_allows(server: Server, database: str, text: str) -> None:
    assert run(server, database, text).failures == ()


@pytest.mark.parametrize(("text", "sqlstate"), REFUSED.values(), ids=REFUSED)
def test_the_host_refuses(server: Server, database: str, text: str, sqlstate: str) -> None:
    assert states(run(server, database, text)) == [sqlstate]


def test_rights_do_not_last_longer_than_the_statement_that_needs_them(server: Server, database: str) -> None:
    block = "do $$ begin create policy p on storage.objects using (true); end $$;"
    after = "create extension pg_prewarm; alter table storage.objects enable row level security;"
    assert states(run(server, database, block + after, after)) == ["42501", "42710", "42501"]


def test_what_migrations_make_belongs_to_the_migration_role(server: Server, database: str) -> None:
    run(server, database, "create extension pg_prewarm; create table public.t (id int);")
    with server.connect(database) as session:
        assert session.value("select tableowner from pg_tables where tablename = 't'") == "postgres"


def test_a_grant_on_auth_is_a_warning_and_does_nothing(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("create role reporter; grant usage on schema auth to reporter")
        assert [notice.sqlstate for notice in session.notices] == ["01007"]
        assert session.value("select has_schema_privilege('reporter', 'auth', 'usage')") is False


def test_direct_deletion_says_why(server: Server, database: str) -> None:
    (failure,) = run(server, database, "delete from storage.objects;").failures
    assert failure.report.message.startswith("Direct deletion from storage tables is not allowed")
    assert run(server, database, "set storage.allow_delete_query = 'true'; delete from storage.objects;").failures == ()


def test_an_event_trigger_is_the_databases_own(server: Server, database: str) -> None:
    """The superuser's rights are for the statement only; the function still belongs to the project."""
    text = (
        "create function public.e() returns event_trigger language plpgsql as 'begin end';"
        "create event trigger e on ddl_command_end execute function public.e();"
    )
    assert run(server, database, text).failures == ()
    with server.connect(database) as session:
        owner = session.value("select proowner::regrole::text from pg_proc where proname = 'e'")
    assert owner == "postgres"
