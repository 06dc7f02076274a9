"""Triggers whose role depends on the version of Postgres: test_s9 of tests/platforms shows that it does."""

from __future__ import annotations

import pytest

from referee.model.names import QName
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.read.replay import replay
from referee.rehearse.versions import triggers_of_cascades

SCHEMA = """
create function public.note() returns trigger language plpgsql as $$ begin return null; end $$;
create function public.safe() returns trigger language plpgsql security definer as $$ begin return null; end $$;
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create table public.posts (id int primary key, author uuid references public.profiles (id) on delete cascade);
create table public.likes (id int primary key, fan uuid references auth.users (id) on delete set null);
create table public.apart (id int primary key, owner uuid references auth.users (id));
create trigger t1 after delete on public.profiles for each row execute function public.note();
create trigger t2 after delete on public.posts for each row execute function public.note();
create trigger t3 after update on public.likes for each row execute function public.note();
create trigger n1 before delete on public.profiles for each row execute function public.note();
create trigger n2 after delete on public.profiles for each row execute function public.safe();
create trigger n3 after delete on public.likes for each row execute function public.note();
create trigger n4 after delete on public.apart for each row execute function public.note();
create trigger n5 after insert on public.posts for each row execute function public.note();
create trigger n6 after delete on public.posts for each row execute function public.note();
alter table public.posts disable trigger n6;
"""


def found(ran_on: int, wanted: int | None) -> dict[str, str]:
    replayed = replay([Source("1_a.sql", SCHEMA)], SUPABASE)
    assert replayed.gaps == ()
    service, origins = "supabase_auth_admin", replayed.origins
    listed = list(triggers_of_cascades(replayed.schema, QName("auth", "users"), service, origins, ran_on, wanted))
    assert all(one.location is not None for one in listed)
    return {one.subject.split()[1]: one.reason for one in listed}


@pytest.mark.parametrize(("ran_on", "wanted"), [(18, 17), (18, 15), (18, None), (17, 18)])
def test_after_triggers_that_a_deletion_reaches_are_listed(ran_on: int, wanted: int | None) -> None:
    reasons = found(ran_on, wanted)
    assert set(reasons) == {"t1", "t2", "t3"}
    assert "runs as postgres on PostgreSQL 18 and later, and as supabase_auth_admin before" in reasons["t1"]
    assert f"this ran on {ran_on}" in reasons["t1"]


@pytest.mark.parametrize(("ran_on", "wanted"), [(18, 18), (17, 17), (15, 17), (17, None)])
def test_nothing_is_listed_where_the_versions_agree(ran_on: int, wanted: int | None) -> None:
    assert found(ran_on, wanted) == {}
