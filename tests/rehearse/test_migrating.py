"""A trigger that is made before the backfill misses nobody; the other way round somebody is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.identity import Identities
from referee.model.rehearsal import Race
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import Server
from referee.read.replay import replay
from referee.rehearse.migrating import find_plan
from referee.workflow.config import Config
from referee.workflow.prove import Wish, emit, prove
from referee.workflow.scripts import script_of
from tests.rehearse import test_emitted_scripts as scripts
from tests.rehearse.test_races import project

TABLE = "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, email text);\n"
FUNCTION = """
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id, email) values (new.id, new.email) on conflict (id) do nothing;
  return new;
end $$;
"""
TRIGGER = """
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
BACKFILL = "insert into public.profiles (id, email) select id, email from auth.users on conflict (id) do nothing;\n"


def race_of(folder: Path, *migrations: str) -> Race | None:
    races = prove(project(folder, *migrations), Config(cache=False), Wish(("races",))).rehearsals[0].races
    return next((race for race in races if race.name == "migrations"), None)


@pytest.mark.server
def test_trigger_first_misses_nobody(tmp_path: Path) -> None:
    race = race_of(tmp_path, TABLE, FUNCTION + TRIGGER + BACKFILL)
    assert race is not None
    assert race.title.startswith("trigger before backfill")
    assert (race.run, race.failed) == (race.schedules, 0)
    # CREATE TRIGGER waits for the open sign-up: that is why.
    assert race.waited > 0


@pytest.mark.server
def test_backfill_first_loses_the_user_in_flight(tmp_path: Path) -> None:
    race = race_of(tmp_path, TABLE, FUNCTION + BACKFILL + TRIGGER)
    assert race is not None
    assert race.title == "backfill before trigger, while somebody signs up; the other way round nobody is missed"
    assert 0 < race.failed < race.run
    assert race.shortest_failure is not None
    assert race.shortest_failure.failed == ()
    assert race.shortest_failure.missed == 1


@pytest.mark.server
def test_in_files_of_their_own_the_order_matters_too(tmp_path: Path) -> None:
    good = race_of(tmp_path / "good", TABLE, FUNCTION + TRIGGER, BACKFILL)
    bad = race_of(tmp_path / "bad", TABLE, BACKFILL, FUNCTION + TRIGGER)
    assert good is not None
    assert bad is not None
    assert good.failed == 0
    assert bad.failed > 0


@pytest.mark.server
def test_migrations_that_fail_with_nobody_signing_up_are_no_race(tmp_path: Path) -> None:
    again = "create table public.notes (id int);\ncreate table public.notes (id int);\n"
    race = race_of(tmp_path, TABLE, FUNCTION + TRIGGER, again, BACKFILL)
    assert race is not None
    assert (race.run, race.failed) == (0, 0)
    assert race.reason is not None
    assert race.reason.startswith("the migrations fail by themselves, with nobody signing up: 42P07")


@pytest.mark.server
def test_the_lost_user_can_be_replayed(server: Server, tmp_path: Path) -> None:
    proof = prove(project(tmp_path, TABLE, FUNCTION + BACKFILL + TRIGGER), Config(cache=False), Wish(("races",)))
    (script,) = [path for path in emit(proof, tmp_path / "out") if path.name == "race-migrations.sql"]
    with server.database() as database:
        done = scripts.replay(str(find_programs().folder / "psql"), server, script, database)
    assert done.returncode == 3
    assert "P0004: 1 users are without a mirror row" in done.stderr


def identities(*texts: str) -> Identities:
    sources = [Source(f"{number}_part.sql", text) for number, text in enumerate(texts, 1)]
    return identify(replay(sources, SUPABASE).schema, IdentityOptions(SUPABASE))


@pytest.mark.parametrize(
    "backfill",
    [
        BACKFILL,
        'INSERT INTO "public"."profiles" (id) SELECT u.id FROM auth.users u;',
        "with missing as (select id from auth.users) insert into profiles (id) select id from missing;",
        "do $$ begin insert into public.profiles (id) select id from auth.users; end $$;",
    ],
)
def test_backfills_are_known_by_the_tables_that_they_name(backfill: str) -> None:
    texts = (TABLE, FUNCTION + TRIGGER, backfill)
    parts = [script_of(Source(f"{number}_part.sql", text)) for number, text in enumerate(texts, 1)]
    plan = find_plan(parts, identities(*texts).all[0])
    assert plan is not None
    assert (plan.trigger.file, plan.backfill.file) == (1, 2)


@pytest.mark.parametrize("other", ["", "insert into public.profiles_archive (id) select id from auth.users;"])
def test_without_a_backfill_there_is_no_race(other: str) -> None:
    texts = (TABLE, FUNCTION + TRIGGER, other)
    parts = [script_of(Source(f"{number}_part.sql", text)) for number, text in enumerate(texts, 1)]
    assert find_plan(parts, identities(*texts).all[0]) is None
