"""What a change means, kind by kind, over a small project."""

from __future__ import annotations

from typing import get_args

import pytest

from referee.compare.consequence import _WEIGHERS
from referee.compare.diff import diff
from referee.compare.ground import Ground
from referee.compare.judge import Bench, judge
from referee.compare.world import World, listed, sentence
from referee.identity import IdentityOptions, identify
from referee.model.change import Change
from referee.model.comparison import Judged
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.read.replay import replay
from referee.rules import ALL
from tests.identity.sql import SYNC

BASE = (
    """
create table public.users (id uuid primary key references auth.users (id) on delete cascade);
create table public.bands (id uuid primary key, owner uuid not null references public.users (id) on delete cascade,
  name text not null default 'x', size int, made_by uuid references public.users (id) on delete set null, seats int);
alter table public.bands enable row level security;
create policy own on public.bands to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy all_read on public.bands for select to authenticated using (true);
create policy narrow on public.bands as restrictive to authenticated using (size > 0);
create index bands_owner_idx on public.bands (owner);
create index bands_made_by_idx on public.bands (made_by);
create unique index bands_name_idx on public.bands (name);
create index bands_size_idx on public.bands (size);
alter table public.bands add constraint size_check check (size < 100);
alter table public.bands add constraint size_key unique (size);
create function public.stamp() returns trigger language plpgsql as $$
begin new.made_by := auth.uid(); return new; end $$;
create trigger stamp before insert on public.bands for each row execute function public.stamp();
create function public.log() returns trigger language plpgsql as $$
begin insert into public.events (what) values (new.name); return new; end $$;
create trigger log after update on public.bands for each row execute function public.log();
create table public.events (id bigint generated always as identity primary key, what text);
create function public.owns(band uuid) returns boolean language sql stable security definer set search_path = ''
  as 'select exists (select from public.bands b where b.id = band and b.owner = auth.uid())';
create policy of_band on public.events for select to authenticated using (public.owns(id::text::uuid));
create function public.add(a int, b int) returns int language sql as 'select a + b';
create type public.mood as enum ('good', 'bad');
create view public.names with (security_invoker = on) as select name from public.bands;
create role keeper;
grant keeper to postgres; grant create on schema public to keeper;
create schema extra;
create extension citext with schema extensions;
"""
    + SYNC
)


def world(text: str) -> World:
    replayed = replay([Source("a.sql", text)], SUPABASE)
    assert [gap.message for gap in replayed.gaps] == []
    identities = identify(replayed.schema, IdentityOptions(SUPABASE))
    problems = tuple((rule.id, problem) for rule in ALL for problem in rule.check(replayed.schema, identities))
    return World(replayed.schema, identities, SUPABASE, problems, server=18)


LEFT = world(BASE)


def judged(sql: str) -> list[Judged]:
    """What is said of a right side on which this has been done."""
    right = world(BASE + sql)
    return list(judge(diff(Ground(LEFT.schema, right.schema, SUPABASE)).differences, Bench(LEFT, right, {})))


def key(column: str, rest: str) -> str:
    """Replaces the foreign key of a column."""
    name = f"bands_{column}_fkey"
    return (
        f"alter table public.bands drop constraint {name}, "
        f"add constraint {name} foreign key ({column}) references public.users (id) on delete {rest};"
    )


MOVED = """
drop trigger on_auth_user_created on auth.users;
create trigger on_auth_user_created after update on auth.users for each row execute function public.handle_new_user();
"""
REFIRED = """
drop trigger log on public.bands;
create trigger log before update of name on public.bands for each row execute function public.log();
"""
OPENED = """
drop policy own on public.bands;
create policy own on public.bands to authenticated using (true) with check (owner = auth.uid());
"""
UNWATCHED = "create or replace view public.names with (security_invoker = off) as select name from public.bands;"
SHUT = "create table public.shut (id int); alter table public.shut enable row level security;"
BOSS = "create function public.boss() returns int language sql security definer as 'select 1';"
MORE = "create trigger more after insert on auth.users for each row execute function public.log();"

# What is done on the right, and what is said of the gravest difference: severity, side, SQLSTATE, words.
CASES = (
    ("drop trigger stamp on public.bands;", "warning right - no longer says who did it in public.bands.made_by"),
    ("drop trigger log on public.bands;", "warning right - it inserts into public.events"),
    (MORE, "error right - "),
    (MOVED, "error right 23503 No row comes into public.users"),
    (REFIRED, "warning right - at updates of name"),
    ("drop function public.add(int, int);", "warning right 42883 every call of public.add"),
    ("create function public.sub() returns int language sql as 'select 1';", "warning left 42883 every call"),
    (BOSS, "warning right - acts with the rights of postgres"),
    ("alter function public.owns(uuid) security invoker;", "warning right 42501 rights of whoever calls it"),
    ("alter function public.add(int, int) stable;", "info right - planned and called differently"),
    ("alter table public.bands drop constraint bands_owner_fkey;", "warning right - may hold what public.users"),
    ("alter table public.events add column who uuid references public.users;", "error left 42703 public.events.who"),
    (key("made_by", "cascade"), "error right - deletes the rows of public.bands that refer to it, which were kept"),
    (key("owner", "set null"), "error right 23502 owner refuses NULL"),
    (key("owner", "restrict"), "error right 23001 cannot be deleted"),
    ("drop policy own on public.bands;", "error right 42501 can insert nothing into public.bands"),
    ("drop policy all_read on public.bands;", "warning right - other policies remain"),
    ("drop policy narrow on public.bands;", "error right - that the policy held back"),
    ("create policy open on public.bands to anon using (size > 1);", "error right - anon may use any row"),
    (OPENED, "warning right 42501 other rows of public.bands"),
    ("alter table public.bands disable row level security;", "error right - every row of public.bands is open"),
    ("alter table public.events enable row level security;", "error left - every row of public.events is open"),
    ("alter table public.bands force row level security;", "warning right - binds its owner"),
    ("revoke select on public.bands from authenticated;", "error right 42501 is refused SELECT on public.bands"),
    ("revoke truncate on public.bands from anon;", "info right - as before"),
    ("revoke insert on public.bands from anon;", "warning right 42501 is refused INSERT"),
    (
        "revoke execute on function public.owns(uuid) from public, authenticated;",
        "error right 42501 which the policies of public.events ask",
    ),
    ("revoke usage on schema public from anon, public;", "error right 42501 and everything in it"),
    ("grant usage on schema extra to anon;", "error right - may USAGE on extra"),
    ("drop table public.events cascade;", "error right 42P01 every statement that names public.events"),
    ("create table public.open (id int);", "error right - every row of public.open is open"),
    (SHUT, "error left 42P01 every statement that names public.shut"),
    ("alter table public.bands drop column size cascade;", "error right 42703 every statement that names"),
    ("alter table public.bands add column must text not null;", "error left 42703 that names public.bands.must"),
    ("alter table public.bands alter column size set not null;", "warning right 23502 without size"),
    ("alter table public.bands alter column owner drop not null;", "warning left 23502 without owner"),
    ("alter table public.bands alter column name drop default;", "warning right 23502 leaves public.bands.name out"),
    ("alter table public.bands alter column size set default 3;", "info right - gets 3"),
    (
        "alter table public.bands alter column made_by set default auth.uid();",
        "warning right 23503 user of the session",
    ),
    ("alter table public.events alter column what type varchar;", "warning right 22001 does not fit"),
    ("alter table public.bands alter column seats type smallint;", "warning right 22003 does not fit"),
    ("alter table public.events alter column id drop identity;", "warning right 23502 no longer numbers"),
    ("alter table public.bands drop constraint size_check;", "warning left 23514 is refused unless size < 100"),
    ("alter table public.bands add constraint more check (name <> '');", "warning right 23514 unless name <> ''"),
    ("alter table public.bands drop constraint size_key;", "warning right 42P10 ON CONFLICT"),
    ("alter table public.bands add constraint more unique (made_by);", "warning right 23505 a second row"),
    ("drop index public.bands_owner_idx;", "warning right - reads the whole of public.bands"),
    ("drop index public.bands_size_idx;", "info right - reads more"),
    ("drop index public.bands_name_idx;", "warning right 42P10 may hold the same name"),
    ("create index more on public.bands (name, size);", "info right - an index more"),
    ("drop view public.names;", "error right 42P01 every query of public.names"),
    (UNWATCHED, "error right - row security does not bind its readers"),
    ("drop type public.mood;", "error right 42704 every statement that names public.mood"),
    ("alter type public.mood add value 'new';", "warning right 22P02 takes other values"),
    ("drop schema extra;", "error right 3F000 is missing"),
    ("alter extension citext set schema extra;", "warning right 42883 under extra only"),
    ("alter role authenticated bypassrls;", "warning right - does not bind authenticated"),
    ("alter default privileges in schema extra grant select on tables to anon;", "warning right - is open to anon"),
    ("alter table public.bands owner to keeper;", "info right - keeper may alter and drop public.bands"),
    ("alter function public.owns(uuid) owner to keeper;", "warning right 42501 acts with the rights of keeper"),
)


@pytest.mark.parametrize(("sql", "expected"), CASES, ids=[" ".join(case[0].split())[:60] for case in CASES])
def test_a_change_is_told(sql: str, expected: str) -> None:
    severity, side, sqlstate, words = expected.split(" ", 3)
    found = judged(sql)
    assert found, "nothing differs"
    assert (str(found[0].severity), found[0].affected) == (severity, side)
    told = [one for one in found if words.lower() in one.consequence.text.lower()]
    assert told, [one.consequence.text for one in found]
    if sqlstate != "-":
        assert sqlstate in {one.consequence.sqlstate for one in told}


@pytest.mark.parametrize("sql", [case[0] for case in CASES], ids=[" ".join(case[0].split())[:60] for case in CASES])
def test_a_change_can_be_told_from_either_side(sql: str) -> None:
    """Each consequence is a sentence of its own, and so is that of the change back."""
    right = world(BASE + sql)
    for left, other in ((LEFT, right), (right, LEFT)):
        for one in judge(diff(Ground(left.schema, other.schema, SUPABASE)).differences, Bench(left, other, {})):
            text = one.consequence.text
            assert text.endswith(".")
            assert "\n" not in text
            assert ".." not in text
            assert text == text.strip()


def test_every_change_that_a_comparison_finds_has_a_meaning() -> None:
    proposals = {
        "AddForeignKey",
        "AddIdentityKey",
        "CreateIndex",
        "CreatePolicy",
        "CreateSyncTrigger",
        "EnableTrigger",
        "RepairSyncFunction",
    }
    assert {kind.__name__ for kind in get_args(Change)} - proposals == {kind.__name__ for kind in _WEIGHERS}


def test_lists_and_sentences() -> None:
    assert [listed("abcd"[:number]) for number in range(5)] == ["", "a", "a and b", "a, b and c", "a, b, c and 1 more"]
    assert sentence("a row") == "A row."
    assert sentence("public.users is empty") == "public.users is empty."


def test_a_trigger_is_not_to_blame_for_what_fails_behind_it() -> None:
    chain = """
    create table public.settings (user_id uuid primary key references public.users (id));
    create function public.add_settings() returns trigger language plpgsql security definer as $$
    begin insert into settings (user_id) values (new.id); return new; end $$;
    create trigger add_settings after insert on public.users for each row execute function public.add_settings();
    """
    left, right = world(BASE + chain), world(BASE + chain + "drop trigger on_auth_user_created on auth.users;")
    assert "indirect-sync-failure" in {rule for rule, _ in left.problems}
    [found] = judge(diff(Ground(left.schema, right.schema, SUPABASE)).differences, Bench(left, right, {}))
    assert (found.affected, found.at_fault, found.fix.side) == ("right", "right", "right")
    assert "unsynced-mirror" in found.because
