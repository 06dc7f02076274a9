"""Both sides built and played: what fails on one of them only, and that the proposed changes put an end to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.errors import UsageError
from referee.model.comparison import Trial
from referee.postgres.server import Server
from referee.workflow.compare import compare, config_for
from referee.workflow.sides import Options
from referee.workflow.snapshot import snapshot_of
from tests.scripts import run

PROJECT = """
create table public.users (id uuid primary key references auth.users (id) on delete cascade, email text);
create table public.bands (
  id uuid primary key default gen_random_uuid(),
  owner uuid not null references public.users (id) on delete cascade
);
create index on public.bands (owner);
alter table public.bands enable row level security;
create policy own on public.bands to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.users (id, email) values (new.id, new.email) on conflict (id) do nothing;
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
KEY = "public.bands.owner"


@pytest.fixture(scope="module")
def sound(server: Server) -> Iterator[str]:
    with server.database() as name:
        assert not run(server, name, PROJECT).failures
        yield name


def outcomes_of(trial: Trial) -> dict[tuple[str, str], tuple[str, str]]:
    return {(one.name, one.circumstance): (one.left, one.right) for one in trial.differing}


def tried(server: Server, sound: str, sql: str) -> Trial:
    """What playing gives where this was done to the right side by a superuser."""
    with server.database(template=sound) as other:
        with server.connect(other, server.superuser) as session:
            session.run(sql)
        return compare(server.url(sound), server.url(other), to_prove=True).prove()


def test_a_trigger_that_only_a_superuser_can_disable_is_played_disabled(server: Server, sound: str) -> None:
    trial = tried(server, sound, "alter table auth.users disable trigger on_auth_user_created")
    outcomes = outcomes_of(trial)
    assert outcomes[KEY, "somebody who has just signed up"] == ("passes", "fails with 23503 (bands_owner_fkey)")
    assert (KEY, "somebody put there by hand") not in outcomes
    assert (trial.left_over, trial.not_built, trial.refused) == ((), (), ())
    assert trial.played > len(trial.differing)
    assert trial.server == server.version


def test_sign_ups_and_deletions_that_fail_on_one_side_are_told(server: Server, sound: str) -> None:
    trial = tried(
        server,
        sound,
        "alter function public.handle_new_user() security invoker;"
        "alter table public.users drop constraint users_id_fkey, add foreign key (id) references auth.users (id)",
    )
    outcomes = outcomes_of(trial)
    assert outcomes["sign-up by e-mail, confirmed at once", ""] == ("passes", "fails with 42501")
    assert outcomes["deletion of a user who has rows everywhere", ""] == ("passes", "fails with 23503 (users_id_fkey)")
    assert (trial.left_over, trial.not_built, trial.refused) == ((), (), ())


def test_a_project_a_snapshot_and_a_database_play_alike(server: Server, sound: str, tmp_path: Path) -> None:
    (tmp_path / "project.sql").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "kept.json").write_text(snapshot_of(server.url(sound)), encoding="utf-8")
    trial = compare(str(tmp_path / "project.sql"), str(tmp_path / "kept.json"), to_prove=True).prove()
    assert (trial.differing, trial.left_over, trial.not_built) == ((), (), ())
    assert trial.played > 20


def test_where_nobody_signs_up_there_is_nothing_to_play(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("create table t (id int);", encoding="utf-8")
    file = str(tmp_path / "a.sql")
    options = Options(config_for(file, file, {"platform": "plain"}))
    with pytest.raises(UsageError, match="--platform supabase"):
        compare(file, file, options, to_prove=True).prove()


def test_the_command_line_plays_both_sides(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound, broken = tmp_path / "sound.sql", tmp_path / "broken.sql"
    sound.write_text(PROJECT, encoding="utf-8")
    broken.write_text(PROJECT + "drop trigger on_auth_user_created on auth.users;", encoding="utf-8")
    assert main(["compare", str(sound), str(broken), "--platform", "supabase", "--prove"]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "came out differently:" in told
    assert "public.bands.owner: passes on the left, fails with 23503 (bands_owner_fkey) on the right" in told
    assert "With the proposed changes both sides agree." in told
