"""What each flow does to a user, and what it tells where it fails."""

from __future__ import annotations

import pytest

from referee.model.rehearsal import FlowResult, Rehearsal
from referee.rehearse.flows import FLOWS
from referee.rehearse.providers import PROVIDERS
from tests.rehearse.conftest import Rehearse

pytestmark = pytest.mark.server

PROFILES = """
create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  name text,
  email text
);
"""
SIGN_UPS = ("sign-up-*",)


def sync(values: str) -> str:
    """A trigger that makes a profile with these values for id, name and email."""
    return f"""
    create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as
    $$
    begin
      insert into public.profiles (id, name, email) values ({values});
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    """


BY_NAME = sync("new.id, new.raw_user_meta_data ->> 'name', new.email")


def flow(rehearsal: Rehearsal, name: str) -> FlowResult:
    return next(found for found in rehearsal.flows if found.flow == name)


def failed(rehearsal: Rehearsal) -> dict[str, str]:
    """The failed flows, with the SQLSTATE or the reason of each."""
    return {
        one.flow: one.failed_step.failure.sqlstate if one.failed_step else one.reason or ""
        for one in rehearsal.flows
        if one.outcome == "fail"
    }


def test_there_is_a_flow_for_everything_that_happens_to_a_user() -> None:
    ways = {"email", "email-confirmed", "email-bare", "phone", "anonymous", "oauth-bare", "invited",
            "by-administrator", "again", "same-email", "long-name", "non-ascii-name", *PROVIDERS}  # fmt: skip
    later = {"login", "login-unmirrored", "change-email", "profile-write", "hard-delete", "soft-delete",
             "prune-anonymous", "outliving-token", "service-role-write"}  # fmt: skip
    assert {one.name for one in FLOWS} == {f"sign-up-{way}" for way in ways} | later


def test_who_brings_no_name(rehearse: Rehearse) -> None:
    """The providers that name nobody, or under another key, and the ways in which nobody is asked for a name."""
    rehearsal = rehearse(PROFILES, "alter table public.profiles alter name set not null;", BY_NAME, only=SIGN_UPS)
    nameless = {"email-bare", "anonymous", "apple", "azure", "fly", "oauth-bare", "same-email", "invited",
                "by-administrator"}  # fmt: skip
    assert failed(rehearsal) == {f"sign-up-{way}": "23502" for way in nameless}
    told = {one.flow: one.failed_step.told for one in rehearsal.flows if one.failed_step is not None}
    assert told["sign-up-azure"] == "HTTP 500: Database error saving new user"
    assert told["sign-up-anonymous"] == "HTTP 500: Database error creating anonymous user"
    assert told["sign-up-by-administrator"] == "HTTP 500: Database error creating new user"


def test_who_has_no_email(rehearse: Rehearse) -> None:
    rehearsal = rehearse(PROFILES, "alter table public.profiles alter email set not null;", BY_NAME, only=SIGN_UPS)
    assert failed(rehearsal) == {"sign-up-phone": "23502", "sign-up-anonymous": "23502"}


def test_a_short_column_takes_no_long_name(rehearse: Rehearse) -> None:
    rehearsal = rehearse(PROFILES, "alter table public.profiles alter name type varchar(60);", BY_NAME, only=SIGN_UPS)
    assert failed(rehearsal) == {"sign-up-long-name": "22001"}


def test_an_address_that_another_user_has(rehearse: Rehearse) -> None:
    """SSO users may share one with somebody who signed up otherwise."""
    rehearsal = rehearse(PROFILES, "alter table public.profiles add unique (email);", BY_NAME, only=SIGN_UPS)
    assert failed(rehearsal) == {"sign-up-same-email": "23505"}


def test_a_row_that_outlives_its_account_keeps_the_user_from_coming_back(rehearse: Rehearse) -> None:
    loose = """
    alter table public.profiles drop constraint profiles_id_fkey;
    alter table public.profiles add unique (email);
    """
    rehearsal = rehearse(PROFILES, loose, BY_NAME, only=("sign-up-again", "hard-delete"))
    assert failed(rehearsal) == {"sign-up-again": "23505"}
    assert flow(rehearsal, "hard-delete").notes == ("public.profiles still has a row for the deleted user",)


def test_what_an_administrator_gives_comes_by_update(rehearse: Rehearse) -> None:
    """A trigger on INSERT does not see it; one that insists on it refuses everybody."""
    plan = """
    create function public.want_plan() returns trigger language plpgsql as $$
    begin
      if new.raw_app_meta_data ->> 'plan' is null then raise exception 'no plan'; end if;
      return new;
    end $$;
    create trigger want_plan after insert on auth.users for each row execute function public.want_plan();
    """
    rehearsal = rehearse(PROFILES, plan, only=("sign-up-by-administrator",))
    step = flow(rehearsal, "sign-up-by-administrator").failed_step
    assert step is not None
    assert (step.failure.sqlstate, step.failure.message) == ("P0001", "no plan")
    assert step.step.sql.startswith("insert into users")


SLOW = """
alter table public.profiles enable row level security;
create policy own on public.profiles to authenticated using (id = auth.uid()) with check (id = auth.uid());
create function public.slowly() returns trigger language plpgsql as $$
begin
  perform pg_sleep(0.3);
  return new;
end $$;
create trigger slowly before insert or update on public.profiles for each row execute function public.slowly();
"""


def test_a_request_has_the_time_that_its_role_has(rehearse: Rehearse) -> None:
    """SET ROLE brings no settings of the role; PostgREST sets them, those that a migration gave included."""
    limit = "alter role authenticated set statement_timeout to '100ms';"
    rehearsal = rehearse(PROFILES, SLOW, limit, only=("profile-write",))
    step = flow(rehearsal, "profile-write").failed_step
    assert step is not None
    assert step.failure.sqlstate == "57014"
    assert step.told.startswith("HTTP 500: 57014")


def test_the_own_time_of_the_role_is_enough_for_the_same(rehearse: Rehearse) -> None:
    assert failed(rehearse(PROFILES, SLOW, only=("profile-write",))) == {}


def test_rows_that_name_two_users_find_both_there(rehearse: Rehearse) -> None:
    reviews = """
    create table public.reviews (
      id int generated always as identity,
      author uuid not null references public.profiles (id),
      reviewer uuid not null references public.profiles (id),
      check (author <> reviewer)
    );
    """
    rehearsal = rehearse(PROFILES, BY_NAME, reviews, only=("outliving-token", "service-role-write"))
    assert [one.outcome for one in rehearsal.flows] == ["pass", "pass"]


def test_a_stale_address_is_noted(rehearse: Rehearse) -> None:
    rehearsal = rehearse(PROFILES, BY_NAME, only=("change-email", "soft-delete"))
    assert flow(rehearsal, "change-email").notes == ("public.profiles.email still holds the old address",)
    assert flow(rehearsal, "soft-delete").notes == (
        "public.profiles.email still holds the address of the deleted account",
    )
