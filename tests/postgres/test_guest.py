"""A scratch database on somebody else's server: what is made there goes, what was there stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from referee.errors import ServerError, UsageError
from referee.platforms import PLAIN, SUPABASE
from referee.postgres.guest import use_server
from referee.postgres.server import Server, start_server
from tests.platforms.gotrue import sign_up
from tests.scripts import run, states

ROLES = "select rolname::text, rolsuper, rolinherit, rolcanlogin, rolbypassrls, rolconfig from pg_roles order by 1"


@pytest.fixture(scope="module")
def home() -> Iterator[Server]:
    """The server of somebody who is called "me" and has no role of Supabase's."""
    with start_server(replace(PLAIN, name="home", superuser="me", migration_role="me")) as server:
        yield server


def state(server: Server) -> tuple[object, object]:
    with server.connect("postgres", server.host.superuser) as session:
        return session.rows(ROLES), session.rows("select datname::text from pg_database order by 1")


def test_roles_and_databases_are_made_and_go(home: Server) -> None:
    before = state(home)
    with use_server(home.url("postgres"), SUPABASE) as guest:
        with guest.database() as name:
            outcome = run(
                guest,
                name,
                "create table public.p (id uuid primary key references auth.users (id));"
                "create policy p on storage.objects using (true);"
                "create extension pg_prewarm; create extension pg_cron;"
                "create role editor; do $$ begin create role reader; grant editor to reader; end $$;"
                "set session_replication_role = replica;",
                "alter table storage.objects enable row level security;",
            )
            assert states(outcome) == ["42501"]
            assert outcome.left_alone == ()
            assert "pg_cron" in outcome.stand_ins
            with guest.connect(name, "supabase_auth_admin") as auth:
                assert auth.value("show search_path") == "auth"
                sign_up(auth)
        assert state(home) != before
    assert state(home) == before


def test_nothing_stays_after_an_error(home: Server) -> None:
    before = state(home)
    with pytest.raises(RuntimeError, match="mine"), use_server(home.url("postgres"), SUPABASE) as guest:  # noqa: PT012
        guest.create_database()
        raise RuntimeError("mine")
    assert state(home) == before


def test_two_guests_share_the_roles(home: Server) -> None:
    before = state(home)
    with use_server(home.url("postgres"), SUPABASE) as one, one.database("revoked") as first:
        with use_server(home.url("postgres"), SUPABASE) as two, two.database() as second:
            assert run(two, second, "create table public.t (id int);").failures == ()
        # The second has gone, the first still needs the roles.
        assert run(one, first, "create table public.t (id int);").failures == ()
    assert state(home) == before


def test_what_a_killed_guest_left_goes_with_the_next(home: Server) -> None:
    before = state(home)
    with home.connect("postgres") as session:
        session.run("create database referee_0123abcd_1")
        session.run("create role anon nologin; comment on role anon is 'made by referee for a scratch database'")
    with use_server(home.url("postgres"), SUPABASE):
        pass
    assert state(home) == before


def test_roles_that_differ_are_refused_and_stay(home: Server) -> None:
    with home.connect("postgres") as session:
        session.run("create role service_role login nobypassrls")
    before = state(home)
    try:
        wrong = r"service_role differs in canlogin \(True\), bypassrls \(False\)"
        with pytest.raises(ServerError, match=wrong), use_server(home.url("postgres"), SUPABASE):
            pass
        assert state(home) == before
    finally:
        with home.connect("postgres") as session:
            session.run("drop role service_role")


def test_roles_that_are_right_are_used_and_stay(server: Server) -> None:
    """A server that is Supabase's own already."""
    before = state(server)
    with use_server(server.url("postgres", "supabase_admin"), SUPABASE) as guest, guest.database() as name:
        text = "alter role anon set statement_timeout = '1h'; drop role authenticator; create table public.t (id int);"
        outcome = run(guest, name, text)
        assert outcome.failures == ()
        assert [text[span.start : span.end] for span in outcome.left_alone] == [
            "alter role anon set statement_timeout = '1h'",
            "drop role authenticator",
        ]
    assert state(server) == before


def test_acting_as_other_roles_takes_a_superuser(server: Server) -> None:
    url = server.url("postgres", "postgres")
    with pytest.raises(ServerError, match=r"is no superuser.*supabase_admin"), use_server(url, SUPABASE):
        pass


def test_a_plain_host_takes_whoever_may_create_databases(home: Server) -> None:
    with home.connect("postgres") as session:
        session.run("create role maker login createdb; create role idler login")
    before = state(home)
    try:
        with use_server(home.url("postgres", "maker"), PLAIN) as guest, guest.database() as name:
            assert run(guest, name, "create table t (id int);").failures == ()
            assert guest.migration_role == "maker"
        assert state(home) == before
        url = home.url("postgres", "idler")
        with pytest.raises(ServerError, match="may not create databases"), use_server(url, PLAIN):
            pass
    finally:
        with home.connect("postgres") as session:
            session.run("drop role maker; drop role idler")


def test_a_clone_of_a_database_of_the_run(home: Server) -> None:
    with use_server(home.url("postgres"), PLAIN) as guest, guest.database() as name:
        run(guest, name, "create table t (id int);")
        with guest.database(template=name) as copy, guest.connect(copy) as session:
            assert session.value("select to_regclass('t')::text") == "t"
        with pytest.raises(UsageError, match="has no mode"):
            guest.create_database("open")
