from __future__ import annotations

from collections.abc import Mapping

import pytest

from referee.model.names import QName
from referee.model.rehearsal import Acting, Rehearsal, World, WorldVerdict
from referee.render import prove_text
from referee.workflow.config import Config
from referee.workflow.prove import Wish, prove
from tests.rehearse.conftest import Rehearse
from tests.rehearse.test_races import project

pytestmark = pytest.mark.server

MIRROR = "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, bio text);\n"
SYNC = """
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id) values (new.id);
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
NOTES = "create table public.notes (id int generated always as identity, owner uuid references auth.users (id));\n"

ONLY = ("references", "writes")


def worlds(rehearsal: Rehearsal, table: str, column: str) -> Mapping[World, WorldVerdict]:
    (found,) = [one for one in rehearsal.references if (one.key.table.name, one.column) == (table, column)]
    assert found.not_run is None
    return found.worlds


def outcomes(found: Mapping[World, WorldVerdict]) -> dict[str, str]:
    return {world: verdict.outcome for world, verdict in found.items()}


def test_a_trigger_that_replaces_the_user_is_never_a_pass(rehearse: Rehearse) -> None:
    stamp = """
    create function public.stamp() returns trigger language plpgsql as $$
    begin
      new.owner := auth.uid();
      return new;
    end $$;
    create trigger stamp before insert on public.notes for each row execute function public.stamp();
    """
    found = worlds(rehearse(NOTES, stamp, only=ONLY), "notes", "owner")
    # Where there is no session the trigger stores nobody; where there is one it stores the same user.
    assert outcomes(found) == {
        "fixture": "overwritten",
        "fresh-sign-up": "pass",
        "upsert-own-session": "not-run",
        "upsert-no-session": "not-run",
        "mirror-only": "not-run",
        "service-role": "overwritten",
    }
    assert found["service-role"].stored is None
    assert found["service-role"].acting == Acting("service_role")


def test_a_row_that_a_trigger_drops_is_not_a_pass(rehearse: Rehearse) -> None:
    drop = """
    create function public.drop() returns trigger language plpgsql as $$ begin return null; end $$;
    create trigger drop before insert on public.notes for each row execute function public.drop();
    """
    found = worlds(rehearse(NOTES, drop, only=ONLY), "notes", "owner")["fresh-sign-up"]
    assert (found.outcome, found.reason) == ("overwritten", "a trigger dropped the row")


def test_a_missing_grant_is_told_apart_from_a_policy(rehearse: Rehearse) -> None:
    policies = """
    create table public.secured (id int generated always as identity, owner uuid references auth.users (id));
    alter table public.secured enable row level security;
    create table public.closed (id int generated always as identity, owner uuid references auth.users (id));
    revoke all on public.closed from anon, authenticated, service_role;
    """
    rehearsal = rehearse(policies, only=ONLY)
    secured = worlds(rehearsal, "secured", "owner")["fresh-sign-up"]
    closed = worlds(rehearsal, "closed", "owner")["fresh-sign-up"]
    assert secured.first is not None
    assert closed.first is not None
    assert (secured.first.refused_by, closed.first.refused_by) == ("row-security", "privilege")
    assert rehearsal.refusals() == {
        (role, by): [table]
        for role in ("authenticated", "service_role")
        for by, table in (("privilege", QName("public", "closed")), ("row-security", QName("public", "secured")))
        if (role, by) != ("service_role", "row-security")
    }
    # The key is asked all the same, by somebody whom neither stops.
    assert secured.acting == closed.acting == Acting("postgres", "own")
    assert (secured.outcome, closed.outcome) == ("pass", "pass")


def test_default_privileges_decide_whether_the_service_role_may_write(rehearse: Rehearse) -> None:
    exposed = worlds(rehearse(NOTES, only=ONLY), "notes", "owner")["service-role"]
    assert exposed.acting == Acting("service_role")


def test_without_default_privileges_it_may_not(rehearse: Rehearse) -> None:
    revoked = worlds(rehearse(NOTES, only=ONLY, privileges=("revoked",)), "notes", "owner")["service-role"]
    assert revoked.first is not None
    assert revoked.first.acting == Acting("service_role")
    assert revoked.first.refused_by == "privilege"


def test_both_modes_are_rehearsed_one_after_the_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = project(tmp_path_factory.mktemp("both"), NOTES)
    both = prove(folder, Config(cache=False), Wish(("sign-up-email",), False, 1, ("exposed", "revoked")))
    assert [one.conditions.privileges for one in both.rehearsals] == ["exposed", "revoked"]


def test_a_world_that_cannot_be_is_not_run(rehearse: Rehearse) -> None:
    broken = """
    create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'closed'; end $$;
    create trigger refuse after insert on auth.users for each row execute function public.refuse();
    """
    found = worlds(rehearse(NOTES, broken, only=ONLY), "notes", "owner")
    assert outcomes(found) == dict.fromkeys(found, "not-run") | {"fixture": "pass"}
    assert found["fresh-sign-up"].reason == "sign-up fails: P0001 closed"


def test_a_mirror_row_without_an_account_is_kept_out_by_an_identity_key(rehearse: Rehearse) -> None:
    rehearsal = rehearse(MIRROR, SYNC, NOTES, only=ONLY)
    (setup,) = [setup for setup in rehearsal.setups if setup.world == "mirror-only"]
    assert not setup.usable
    assert "profiles_id_fkey" in (setup.reason or "")


def test_a_dual_reference_is_tried_by_each_of_its_keys(rehearse: Rehearse) -> None:
    table = """
    create table public.tasks (
      id uuid primary key default gen_random_uuid(),
      owner uuid constraint to_account references auth.users (id) constraint to_profile references public.profiles (id)
    );
    """
    rehearsal = rehearse(MIRROR, table, only=ONLY)
    found = {one.key.name: one.worlds["fresh-sign-up"] for one in rehearsal.references}
    assert {name: verdict.outcome for name, verdict in found.items()} == {"to_account": "fail", "to_profile": "fail"}
    # The account is there, so it is the other key that refuses, and the verdict says so.
    blamed = {verdict.failure.constraint for verdict in found.values() if verdict.failure is not None}
    assert blamed == {"to_profile"}
    assert "the key itself was not reached" in (found["to_account"].reason or "")


def test_a_deferred_key_speaks_at_the_end(rehearse: Rehearse) -> None:
    table = """
    create table public.tasks (
      id uuid primary key default gen_random_uuid(),
      owner uuid references public.profiles (id) deferrable initially deferred
    );
    """
    verdict = worlds(rehearse(MIRROR, table, only=ONLY), "tasks", "owner")["fresh-sign-up"]
    assert verdict.failure is not None
    assert (verdict.failure.sqlstate, verdict.failure.constraint) == ("23503", "tasks_owner_fkey")


def test_a_partitioned_table(rehearse: Rehearse) -> None:
    table = """
    create table public.events (
      id int generated always as identity,
      at timestamptz not null,
      kind text not null,
      actor uuid references public.profiles (id)
    ) partition by list (kind);
    create table public.events_clicks partition of public.events for values in ('click') partition by range (at);
    create table public.events_clicks_25 partition of public.events_clicks
      for values from ('2025-01-01') to ('2025-02-01');
    """
    found = worlds(rehearse(MIRROR, table, only=ONLY), "events", "actor")
    assert found["fixture"].outcome == "pass"
    assert found["fresh-sign-up"].failure is not None
    assert found["fresh-sign-up"].failure.sqlstate == "23503"
    # The server names the partition; it is the table's key all the same.
    assert found["fresh-sign-up"].reason is None


def test_references_inside_the_mirror(rehearse: Rehearse) -> None:
    table = """
    create table public.profiles (
      id uuid primary key references auth.users (id),
      invited_by uuid references public.profiles (id)
    );
    """
    found = worlds(rehearse(table, only=ONLY), "profiles", "invited_by")
    assert found["fixture"].outcome == "pass"
    assert found["fresh-sign-up"].outcome == "fail"


def test_a_key_that_names_the_user_with_something_else_gets_a_row_of_the_users(rehearse: Rehearse) -> None:
    members = """
    create table public.orgs (id uuid primary key default gen_random_uuid(), name text not null);
    create table public.members (
      id uuid primary key default gen_random_uuid(),
      org uuid not null references public.orgs (id),
      person uuid not null references auth.users (id),
      unique (org, person)
    );
    create table public.tasks (
      id uuid primary key default gen_random_uuid(),
      org uuid not null,
      assignee uuid not null references public.profiles (id),
      foreign key (org, assignee) references public.members (org, person)
    );
    """
    found = worlds(rehearse(MIRROR, members, only=ONLY), "tasks", "assignee")
    assert found["fixture"].outcome == "pass"
    assert found["fresh-sign-up"].failure is not None
    # Not the membership, which is there, but the profile, which nobody has made.
    assert found["fresh-sign-up"].failure.constraint == "tasks_assignee_fkey"
    assert found["upsert-own-session"].outcome == "pass"


def test_what_is_unique_differs_between_users(rehearse: Rehearse) -> None:
    """The application writes several users' mirror rows, each with a name of its own."""
    unique = "alter table public.profiles add username text not null unique;"
    rehearsal = rehearse(MIRROR, unique, NOTES, only=(*ONLY, "races"), races=True)
    failures = {one.world: [attempt.failure for _, attempt in one.attempts] for one in rehearsal.setups}
    assert failures["upsert-own-session"] == failures["upsert-no-session"] == [None]
    # A name that somebody has would have been 23505.
    assert [failure.constraint for failure in failures["mirror-only"] if failure] == ["profiles_id_fkey"]
    assert [setup.world for setup in rehearsal.setups if not setup.usable] == ["mirror-only"]
    assert [(race.name, race.failed) for race in rehearsal.races] == [("arrival", 0)]


def test_a_row_that_the_sign_up_makes_itself_is_no_broken_key(rehearse: Rehearse) -> None:
    """A second one is refused (23505); the key was asked by the first."""
    settings = """
    create table public.settings (owner uuid primary key references public.profiles (id) on delete cascade);
    create function public.settle() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.settings (owner) values (new.id);
      return new;
    end $$;
    create trigger settle after insert on public.profiles for each row execute function public.settle();
    """
    rehearsal = rehearse(MIRROR, SYNC, settings, only=ONLY)
    found = worlds(rehearsal, "settings", "owner")
    assert outcomes(found)["fresh-sign-up"] == outcomes(found)["service-role"] == "pass"
    assert found["fresh-sign-up"].reason == "the row is there already, and the key took the user with it"
    assert list(rehearsal.failures()) == []
    told = prove_text.render([rehearsal], "settings", columns=120)
    assert "pass=" in told
    assert "= The row is there already: the sign-up made it, and its key took the user." in told


def test_without_a_mirror_row_to_write_there_is_no_upsert(rehearse: Rehearse) -> None:
    refuse = """
    create function public.refuse() returns trigger language plpgsql as $$ begin raise exception 'closed'; end $$;
    create trigger refuse before insert on public.profiles for each row execute function public.refuse();
    create table public.posts (id int generated always as identity, author uuid references public.profiles (id));
    """
    found = worlds(rehearse(MIRROR, refuse, only=ONLY), "posts", "author")
    assert outcomes(found) == {
        "fixture": "pass",  # whose mirror rows go in with triggers off
        "fresh-sign-up": "fail",
        "upsert-own-session": "not-run",
        "upsert-no-session": "not-run",
        "mirror-only": "not-run",
        "service-role": "fail",
    }
    assert found["upsert-own-session"].reason == "no row of public.profiles could be made: P0001 closed"


def test_an_insert_that_fails_whoever_makes_it_names_the_table_that_refuses(rehearse: Rehearse) -> None:
    log = """
    create table public.log (id int generated always as identity, actor uuid references public.profiles (id));
    create function public.log_note() returns trigger language plpgsql as $$
    begin
      insert into public.log (actor) values (new.owner);
      return new;
    end $$;
    create trigger log_note after insert on public.notes for each row execute function public.log_note();
    """
    rehearsal = rehearse(MIRROR, NOTES, log, only=ONLY)
    ((table, failure),) = rehearsal.stopped_inserts().items()
    assert (table.name, failure.constraint) == ("notes", "log_actor_fkey")
    assert failure.raised_by is not None
    assert str(failure.raised_by.trigger) == "public.notes.log_note"


def test_a_row_that_nobody_can_insert_says_nothing_about_production(rehearse: Rehearse) -> None:
    """A trigger lets nobody insert any more once somebody has signed up, which is after the row was made."""
    once = """
    create table public.seen (who uuid);
    create function public.once() returns trigger language plpgsql as $$
    begin
      if current_setting('session_replication_role') = 'origin' and exists (select from public.seen) then
        raise exception 'closed';
      end if;
      return new;
    end $$;
    create table public.posts (id int generated always as identity primary key, author uuid
      references public.profiles (id));
    create trigger once before insert on public.posts for each row execute function public.once();
    create function public.close() returns trigger language plpgsql security definer as $$
    begin
      insert into public.seen values (new.id);
      return new;
    end $$;
    create trigger close after insert on auth.users for each row execute function public.close();
    """
    rehearsal = rehearse(MIRROR, once, only=ONLY)
    (found,) = [one for one in rehearsal.references if one.key.table.name == "posts"]
    assert found.not_run is not None
    assert found.not_run.startswith("not even a superuser can insert it: the key itself was not reached: P0001 closed")
    assert "raised by public.once() line 4" in found.not_run
    assert list(rehearsal.failures()) == []


HOSTILE = """
create schema "my;app";
create table "my;app"."Org's" (id uuid primary key references auth.users (id), "select" text not null default 'x');
create table "my;app"."mem""bers 🥁" (
  id int generated always as identity,
  "where" text not null check ("where" in ('a''b', 'c')),
  "Who; drop" uuid not null references "my;app"."Org's" (id)
);
"""


def test_hostile_names(rehearse: Rehearse) -> None:
    rehearsal = rehearse(HOSTILE, only=(*ONLY, "deletion", "profile-write"))
    found = worlds(rehearsal, 'mem"bers 🥁', "Who; drop")
    assert found["fixture"].outcome == "pass"
    assert found["fresh-sign-up"].failure is not None
    assert found["fresh-sign-up"].failure.sqlstate == "23503"
    assert rehearsal.deletion is not None
    assert {blocker.key.table.name for blocker in rehearsal.deletion.blocked_by} == {"Org's"}
