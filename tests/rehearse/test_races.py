from __future__ import annotations

import re
from pathlib import Path

import pytest

from referee.model.rehearsal import Race, Rehearsal
from referee.postgres.programs import find_programs
from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.prove import Wish, emit, prove
from tests.rehearse.conftest import Rehearse
from tests.rehearse.test_emitted_scripts import expectation, replay

pytestmark = pytest.mark.server

TABLES = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text, email text);
create table public.posts (id uuid primary key default gen_random_uuid(), author uuid references public.profiles (id));
alter table public.profiles enable row level security;
create policy own on public.profiles to authenticated using (id = auth.uid()) with check (id = auth.uid());
"""

TRIGGER = """
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, email) values (new.id, new.email) on conflict (id) do nothing;
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""

# A sign-in writes the account and then the profile, a change of the profile the two the other way round.
BOTH_WAYS = """
create function public.copy_name() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  update public.profiles set name = new.raw_user_meta_data ->> 'name' where id = new.id;
  return new;
end $$;
create trigger on_meta_data after update of raw_user_meta_data on auth.users
  for each row execute function public.copy_name();
create function public.copy_back() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  update auth.users set updated_at = now() where id = new.id;
  return new;
end $$;
create trigger on_profile after update on public.profiles for each row execute function public.copy_back();
grant update on auth.users to postgres;
"""


def arrival(rehearsal: Rehearsal) -> Race:
    (race,) = [race for race in rehearsal.races if race.name == "arrival"]
    return race


def test_the_first_write_may_overtake_the_upsert(rehearse: Rehearse) -> None:
    race = arrival(rehearse(TABLES, only=("races",), races=True))
    assert race.sessions == ("sign-up", "upsert", "first write")
    assert race.run == race.schedules
    assert 0 < race.failed < race.run
    shortest = race.shortest_failure
    assert shortest is not None
    ((at, failure),) = shortest.failed
    # Neither the upsert nor the confirmation of the address has anything to do with it.
    assert (failure.sqlstate, failure.constraint) == ("23503", "posts_author_fkey")
    assert at == len(shortest.steps) - 1
    assert list(dict.fromkeys(step.session for step in shortest.steps)) == ["sign-up", "first write"]


def test_with_a_trigger_no_order_fails_that_production_can_meet(rehearse: Rehearse) -> None:
    race = arrival(rehearse(TABLES, TRIGGER, only=("races",), races=True))
    assert race.failed == 0
    assert race.shortest_failure is None
    # Before the sign-up is committed there is no account to refer to, which is as it should be.
    assert race.too_early > 0
    assert race.merged > 0
    assert race.waited > 0


def test_a_deadlock_is_an_outcome(rehearse: Rehearse) -> None:
    race = arrival(rehearse(TABLES, TRIGGER, BOTH_WAYS, only=("races",), races=True))
    assert race.deadlocks > 0
    assert race.failed > 0
    assert race.shortest_failure is not None
    assert [failure.sqlstate for _, failure in race.shortest_failure.failed] == ["40P01"]
    assert race.shortest_failure.waits != ()


def test_orders_beyond_the_limit_are_counted(rehearse: Rehearse) -> None:
    race = arrival(rehearse(TABLES, only=("races",), races=True, schedules=5))
    assert race.run == 5
    assert race.dropped == race.schedules - 5 > 0


def test_the_same_orders_fail_every_time(tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_all.sql").write_text(TABLES + TRIGGER + BOTH_WAYS)
    runs = [prove(tmp_path, Config(cache=False), Wish(("races",))).rehearsals[0].races for _ in range(3)]
    counts = {tuple((race.schedules, race.run, race.failed, race.too_early) for race in races) for races in runs}
    assert len(counts) == 1


def project(folder: Path, *migrations: str) -> Path:
    (folder / "supabase" / "migrations").mkdir(parents=True)
    for number, text in enumerate(migrations, 1):
        (folder / "supabase" / "migrations" / f"{number}_part.sql").write_text(text)
    return folder


@pytest.mark.parametrize("migrations", [(TABLES,), (TABLES, TRIGGER, BOTH_WAYS)])
def test_the_shortest_that_fails_can_be_replayed(server: Server, tmp_path: Path, migrations: tuple[str, ...]) -> None:
    proof = prove(project(tmp_path, *migrations), Config(cache=False), Wish(("races",)))
    (script,) = [path for path in emit(proof, tmp_path / "out") if path.name == "race-arrival.sql"]
    sqlstate, message = expectation(script)
    with server.database() as database:
        done = replay(str(find_programs().folder / "psql"), server, script, database)
    assert done.returncode == 3, done.stderr
    assert re.search(rf"ERROR:  {sqlstate}: {re.escape(message)}", done.stderr), done.stderr
