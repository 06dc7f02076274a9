"""What cannot be cured is left out and told; the rest is proven without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.model.repair import Repair, Way
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix

CONFIG = Config(cache=False)
MIRROR = "create table public.profiles (id uuid primary key{}, name text);\n"
LINKED = MIRROR.format(" references auth.users (id) on delete cascade")
SYNC = """create function public.sync() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.profiles (id) values (new.id) on conflict (id) do nothing;
  return new;
end $$;
create trigger sync after insert on auth.users for each row execute function public.sync();
"""
RIGHT = "create table public.songs (id int, by uuid references public.profiles (id) on delete cascade);\n"
OWN = """alter table public.profiles enable row level security;
create policy own on public.profiles for select using (id = auth.uid());
"""


def cured(folder: Path, way: Way, *files: str, answers: dict[str, str] | None = None, verify: bool = True) -> Repair:
    migrations = folder / "supabase" / "migrations"
    migrations.mkdir(parents=True)
    for number, text in enumerate(files, 1):
        (migrations / f"2025010100000{number}_part.sql").write_text(text)
    return fix(folder, CONFIG, Request(way, answers=answers or {}, verify=verify))


def applied(repair: Repair) -> list[str]:
    return sorted({proposal.change.kind for proposal in repair.applied})


def reasons(repair: Repair) -> dict[str, str]:
    return {proposal.change.kind: proposal.reason for proposal in repair.proposals if proposal.reason is not None}


def failed(repair: Repair) -> list[object]:
    assert repair.proof is not None
    return [check for check in repair.proof.checks if not check.passed]


def test_a_key_that_the_projects_own_rows_break_is_left_out_of_the_files(tmp_path: Path) -> None:
    rows = "insert into public.profiles (id, name) values (gen_random_uuid(), 'Nobody');\n"
    repair = cured(tmp_path, "in-place", MIRROR.format("") + SYNC + RIGHT + OWN + rows)
    assert "violates foreign key constraint" in reasons(repair)["add-identity-key"]
    assert applied(repair) == ["create-index"]
    assert failed(repair) == []


def test_a_migration_adds_it_and_leaves_it_waiting_for_those_rows(tmp_path: Path) -> None:
    rows = "insert into public.profiles (id, name) values (gen_random_uuid(), 'Nobody');\n"
    repair = cured(tmp_path, "migration", MIRROR.format("") + SYNC + RIGHT + OWN + rows)
    assert "add-identity-key" in applied(repair)
    assert failed(repair) == []
    told = [detail for check in repair.proof.checks for detail in check.details] if repair.proof else []
    assert any("waits for its rows" in detail for detail in told)


def test_a_table_that_no_server_ever_has_is_left_alone(tmp_path: Path) -> None:
    # A value that only a server sees to be wrong ends the second file.
    broken = "create table public.plays (id int, by uuid references auth.users (id), at int default 'never');\n"
    plays = "create table public.albums (id int, by uuid references auth.users (id));\n"
    repair = cured(tmp_path, "in-place", LINKED + SYNC + RIGHT + OWN, broken, plays)
    assert failed(repair) == []
    left = [proposal for proposal in repair.proposals if proposal.reason is not None]
    assert left
    assert all("public.plays" in str(one.reason) for one in left if one.change.kind == "retarget-foreign-key")


@pytest.mark.parametrize("way", ["in-place", "migration"])
def test_keys_to_a_mirror_that_nobody_can_fill_wait_for_an_answer(way: Way, tmp_path: Path) -> None:
    mirror = LINKED.replace("name text", "team uuid not null references public.teams (id)")
    text = "create table public.teams (id uuid primary key default gen_random_uuid());\n"
    text += "insert into public.teams default values;\n" + mirror + RIGHT + OWN
    text += "create table public.more (a uuid references public.profiles (id) on delete cascade);\n"
    text += "create table public.plays (id int, by uuid references auth.users (id) on delete cascade);\n"
    repair = cured(tmp_path / "asked", way, text, verify=False)
    assert set(reasons(repair)) == {"create-sync-trigger", "retarget-foreign-key"}
    assert "public.profiles have in team" in reasons(repair)["retarget-foreign-key"]
    answer = {"value public.profiles.team": "(select id from public.teams limit 1)"}
    repair = cured(tmp_path / "answered", way, text, answers=answer)
    assert {"create-sync-trigger", "retarget-foreign-key"} <= set(applied(repair))
    assert failed(repair) == []


# Deletions that went through so far

#: Rows of this table stop the deletion of whom they name, and their column cannot be emptied.
VOTES = """create table public.votes (id int, voter uuid references public.profiles (id), primary key (id, voter));
create index on public.votes (voter);
"""
ASKED = "on-delete public.votes.votes_voter_fkey"


@pytest.mark.parametrize("way", ["in-place", "migration"])
def test_a_cure_that_would_stop_deletions_waits_until_a_person_has_decided(tmp_path: Path, way: Way) -> None:
    repair = cured(tmp_path, way, MIRROR.format("") + SYNC + VOTES + RIGHT + OWN)
    assert ASKED in reasons(repair)["add-identity-key"]
    assert [(one.id, one.answer) for one in repair.questions if one.id == ASKED] == [(ASKED, "leave")]
    assert applied(repair) == ["create-index"]
    assert failed(repair) == []


def test_once_it_is_decided_it_is_done(tmp_path: Path) -> None:
    repair = cured(tmp_path, "migration", MIRROR.format("") + SYNC + VOTES + OWN, answers={ASKED: "cascade"})
    assert applied(repair) == ["add-identity-key", "set-on-delete"]
    assert failed(repair) == []


def test_a_key_to_accounts_that_would_stop_deletions_waits_too(tmp_path: Path) -> None:
    linked = "create table public.songs (id int, by uuid, primary key (id, by), foreign key (by) references {});\n"
    keys = MIRROR.format("") + linked.format("public.profiles (id)")
    others = [
        f"create table public.t{n} (id int, by uuid references auth.users (id) on delete cascade);\n" for n in "123"
    ]
    repair = cured(tmp_path, "in-place", keys + "".join(others) + OWN, verify=False)
    held = {one.change.describe(): one.reason for one in repair.proposals if one.reason is not None}
    assert [reason for what, reason in held.items() if "songs_by_fkey reference auth.users" in what] != []
    assert all("on-delete public.songs.songs_by_fkey" in reason for reason in held.values()), held


def test_what_was_hidden_behind_a_key_that_stopped_deletions_and_is_left_is_told_in_the_proof(tmp_path: Path) -> None:
    stopping = MIRROR.format(" references auth.users (id)")
    answers = {"on-delete public.profiles.profiles_id_fkey": "cascade"}
    repair = cured(tmp_path, "in-place", stopping + SYNC + VOTES + OWN, answers=answers)
    assert applied(repair) == ["set-on-delete"]
    assert failed(repair) == []
    told = [line for check in repair.proof.checks for line in check.details] if repair.proof else []
    assert [line for line in told if line.startswith("blocked-user-deletion public.votes.votes_voter_fkey: left")] != []


@pytest.mark.parametrize("way", ["in-place", "migration"])
def test_a_key_that_stopped_deletions_before_its_cure_does_not_make_it_wait(tmp_path: Path, way: Way) -> None:
    votes = VOTES.replace("public.profiles", "auth.users")
    repair = cured(tmp_path, way, MIRROR.format("") + SYNC + votes + RIGHT + OWN, verify=False)
    assert applied(repair) == ["add-identity-key", "create-index", "retarget-foreign-key"]


def test_a_cure_waits_too_where_what_would_stop_deletions_cannot_be_cured(tmp_path: Path) -> None:
    parts = "create table public.plays (id int, by uuid references public.profiles (id)) partition by range (id);\n"
    repair = cured(tmp_path, "migration", MIRROR.format("") + SYNC + parts + RIGHT + OWN, verify=False)
    assert "add-identity-key" not in applied(repair)
    assert "public.plays is partitioned" in reasons(repair)["add-identity-key"]


@pytest.mark.parametrize("way", ["in-place", "migration"])
def test_a_key_is_not_moved_to_where_the_session_would_not_be_found(tmp_path: Path, way: Way) -> None:
    """The trigger leaves out whoever has no address: phone sign-ups, and anonymous ones."""
    some = SYNC.replace("for each row", "for each row when (new.email is not null)")
    plays = "create table public.plays (id int, by uuid default auth.uid() references auth.users (id));\n"
    repair = cured(tmp_path, way, LINKED + some + plays + RIGHT + RIGHT.replace("songs", "gigs") + OWN)
    assert "session-identity-in-key public.plays.by would be found then" in reasons(repair)["retarget-foreign-key"]
    assert "create-index" in applied(repair)
    assert failed(repair) == []


def test_a_mirror_that_is_filled_before_there_is_an_account_gets_no_key_to_it(tmp_path: Path) -> None:
    """Each sign-up would fail with 23503."""
    early = SYNC.replace("after insert", "before insert")
    repair = cured(tmp_path, "in-place", MIRROR.format("") + early + RIGHT + OWN)
    assert "unsafe-sync-trigger public.sync() would be found then" in reasons(repair)["add-identity-key"]
    assert failed(repair) == []


def test_what_is_taken_for_a_copy_of_the_users_does_not_change_with_the_cure(tmp_path: Path) -> None:
    """Keys lead to user_id, so id is a surrogate; once they lead elsewhere it is one still."""
    text = """create table public.profiles (
      id uuid primary key default gen_random_uuid(),
      user_id uuid not null unique references auth.users (id) on delete cascade
    );
    create function public.fill() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, user_id) values (new.id, new.id) on conflict (user_id) do nothing;
      return new;
    end $$;
    create trigger fill after insert on auth.users for each row execute function public.fill();
    """
    accounts = [f"{one} uuid references {{}} on delete cascade" for one in "xyz"]
    copies = [one.format("public.profiles (user_id)") for one in accounts[:2]]
    text += f"create table public.a ({', '.join([one.format('auth.users (id)') for one in accounts])});\n"
    text += f"create table public.b ({', '.join(copies)});\n"
    text += "create table public.documents (owner uuid references public.profiles (id) on delete cascade);\n"
    repair = cured(tmp_path, "in-place", text + OWN.replace("(id =", "(user_id ="))
    assert applied(repair) == ["create-index", "retarget-foreign-key"]
    [reason] = set(reasons(repair).values())
    assert reason == "public.profiles(id) looks like the users' id only once no key leads to public.profiles(user_id)"
    assert failed(repair) == []
