"""What means nothing is counted and left out, whatever there is of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee.model.comparison import Comparison
from referee.postgres.server import Server
from referee.workflow.compare import compare
from tests import bandbook
from tests.compare.applying import run as run_as_host
from tests.scripts import run

# What somebody puts in the place of Supabase on a Postgres of their own.
STAND_IN = """
create schema auth;
create table auth.users (
  id uuid primary key, email text, phone text, raw_user_meta_data jsonb, raw_app_meta_data jsonb,
  created_at timestamptz default now()
);
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
grant usage on schema auth to postgres, anon, authenticated, service_role;
grant all on auth.users to postgres;
grant usage on schema public to anon, authenticated, service_role;
grant usage, create on schema public to postgres;
"""


def compared(server: Server, left: str, right: str) -> Comparison:
    return compare(server.url(left), server.url(right)).comparison


def folded(comparison: Comparison) -> dict[str, int]:
    return {one.kind: one.count for one in comparison.folded}


@pytest.fixture
def filled(server: Server) -> Iterator[str]:
    with server.database() as name:
        assert not run(server, name, bandbook.migration("fixed_with_identity_key")).failures
        yield name


def test_two_modes_of_default_privileges_are_one_line(server: Server, filled: str) -> None:
    with server.database("revoked") as revoked:
        assert not run(server, revoked, bandbook.migration("fixed_with_identity_key")).failures
        for left, right in ((filled, revoked), (revoked, filled)):
            found = compared(server, left, right)
            assert found.differences == ()
            assert set(folded(found)) == {"default-privileges"}


def test_a_table_without_grants_of_its_own_is_told_of_where_the_modes_differ(server: Server) -> None:
    text = """
    create table public.notes (id uuid primary key, owner uuid references auth.users (id));
    create table public.marks (id uuid primary key);
    alter table public.notes enable row level security;
    create policy own on public.notes to authenticated using (owner = auth.uid());
    """
    with server.database() as exposed, server.database("revoked") as revoked:
        for name in (exposed, revoked):
            assert not run(server, name, text).failures
        result = compare(server.url(exposed), server.url(revoked))
        [judged] = result.comparison.differences
        assert "public.marks and public.notes have no grant of their own" in judged.difference.summary.replace(
            ", ", " and "
        )
        assert judged.affected == "right"
        assert (str(judged.severity), judged.consequence.sqlstate) == ("error", "42501")
        assert not run_as_host(server, revoked, judged.fix.statements).failures
        found = compared(server, exposed, revoked)
        assert (found.differences, folded(found)) == ((), {})


def test_a_host_beside_a_plain_server_is_at_most_one_line_of_a_kind(server: Server, filled: str) -> None:
    with server.connect("postgres", server.superuser) as admin:
        admin.run("create database plain_stand_in template template0")
    try:
        with server.connect("plain_stand_in", server.superuser) as session:
            session.run(STAND_IN)
        assert not run(server, "plain_stand_in", bandbook.migration("fixed_with_identity_key")).failures
        for left, right in ((filled, "plain_stand_in"), ("plain_stand_in", filled)):
            found = compared(server, left, right)
            assert "\n".join(judged.difference.summary for judged in found.differences) == ""
            assert set(folded(found)) <= {"platform", "default-privileges", "owners"}
    finally:
        with server.connect("postgres", server.superuser) as admin:
            admin.run("drop database plain_stand_in with (force)")


def test_a_database_of_somebody_else_differs_in_its_owners_once(server: Server, filled: str) -> None:
    with server.database() as other:
        with server.connect(other, server.superuser) as session:
            session.run(bandbook.migration("fixed_with_identity_key"))
        found = compared(server, filled, other)
        assert found.differences == ()
        assert "owners" in folded(found)


def test_names_layout_and_order_are_folded(server: Server, filled: str) -> None:
    with server.database(template=filled) as other:
        with server.connect(other, server.superuser) as session:
            session.run(
                """
                alter table public.songs rename constraint songs_created_by_fkey to made_by;
                alter index public.songs_created_by_idx rename to made_by_idx;
                alter policy "Members share songs" on public.songs rename to shared;
                alter trigger songs_stamp_edit on public.songs rename to stamp;
                alter table public.users drop column auth_provider, drop column last_login;
                alter table public.users add column auth_provider text default 'email';
                alter table public.users add column last_login timestamptz;
                comment on table public.users is 'People';
                create or replace function public.touch_updated_date() returns trigger language plpgsql
                set search_path = '' as $$ begin
                  -- Now, whatever the client says
                  new.updated_date = NOW(); return new;
                end $$;
                """
            )
        found = compared(server, filled, other)
        assert [judged.difference.summary for judged in found.differences] == []
        assert folded(found) == {"names": 4, "formatting": 1, "order": 1}


def test_what_a_project_builds_is_what_its_files_say(server: Server, filled: str, tmp_path: object) -> None:
    project = bandbook.write_project("fixed_with_identity_key", tmp_path / "project")  # type: ignore[operator]
    found = compare(str(project), server.url(filled)).comparison
    # The database was filled without its history.
    assert {judged.difference.object.kind for judged in found.differences} <= {"migration"}
    assert set(folded(found)) <= {"formatting", "platform"}
    assert found.not_seen == ()
