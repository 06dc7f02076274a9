"""What `referee fix --in-place` does about seeds and SQL tests that fill a mirror by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.model.repair import Repair
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from tests import bandbook

pytestmark = pytest.mark.server

CONFIG = Config(cache=False, select=("masking-fixture",))
SCHEMA = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
create table public.posts (author uuid not null references public.profiles (id));
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.profiles (id) values (new.id) {conflict}; return new; end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
SCHEMA_AS_IT_SHOULD = SCHEMA.format(conflict="on conflict do nothing")
ADA = "'a0000000-0000-4000-8000-000000000001'"


def project(folder: Path, seed: str, schema: str = SCHEMA_AS_IT_SHOULD) -> Path:
    (folder / "supabase" / "migrations").mkdir(parents=True)
    (folder / "supabase" / "migrations" / "1_start.sql").write_text(schema)
    (folder / "supabase" / "seed.sql").write_text(seed, encoding="utf-8")
    return folder


def cured(folder: Path, config: Config = CONFIG, *, verify: bool = True) -> tuple[Repair, str]:
    """The repair, and the seed behind it."""
    repair = fix(folder, config, Request("in-place", write=True, verify=verify))
    return repair, (folder / "supabase" / "seed.sql").read_text(encoding="utf-8")


def test_a_statement_that_the_trigger_makes_needless_goes(tmp_path: Path) -> None:
    seed = (
        f"-- häß\ninsert into auth.users (id) values ({ADA});\n\n"
        f"insert into public.profiles (id) values ({ADA}) on conflict do nothing;\n\n"
        f"insert into public.posts values ({ADA});\n"
    )
    repair, now = cured(project(tmp_path, seed))
    assert now == (f"-- häß\ninsert into auth.users (id) values ({ADA});\n\ninsert into public.posts values ({ADA});\n")
    assert repair.proof is not None
    assert [check.name for check in repair.proof.checks if check.passed] == ["the seed still loads"]
    assert [one.change.kind for one in repair.applied] == ["delete-fill"]
    assert cured(tmp_path)[0].files == ()


def test_a_seed_that_would_not_load_without_it_stays(tmp_path: Path) -> None:
    seed = (
        f"insert into auth.users (id) values ({ADA});\n"
        f"insert into public.profiles (id, name) values ({ADA}, 'Ada') on conflict do nothing;\n"
        "insert into public.posts select id from public.profiles;\n"
    )
    lost = SCHEMA_AS_IT_SHOULD.replace("values (new.id) on", "select new.id where new.email is not null on")
    repair, now = cured(project(tmp_path, seed, lost))
    assert now == seed
    (proposal,) = repair.proposals
    assert "public.profiles lacks rows for accounts of the seed" in (proposal.reason or "")


def test_one_statement_that_makes_the_account_too_stays(tmp_path: Path) -> None:
    seed = (
        f"with person as (insert into auth.users (id) values ({ADA}) returning id)"
        " insert into public.profiles (id) select id from person on conflict do nothing;\n"
    )
    repair, now = cured(project(tmp_path, seed))
    assert now == seed
    assert [proposal.reason for proposal in repair.proposals] == ["the statement does something else as well"]


def test_without_a_trigger_nothing_goes(tmp_path: Path) -> None:
    seed = f"insert into auth.users (id) values ({ADA});\ninsert into public.profiles (id) values ({ADA});\n"
    tables = SCHEMA_AS_IT_SHOULD[: SCHEMA_AS_IT_SHOULD.index("create function")]
    repair, now = cured(project(tmp_path, seed, tables))
    assert now == seed
    assert [proposal.reason for proposal in repair.proposals] == ["no trigger fills public.profiles"]


def test_nothing_is_done_for_a_rule_that_was_not_asked_for(tmp_path: Path) -> None:
    seed = f"insert into auth.users (id) values ({ADA});\ninsert into public.profiles (id) values ({ADA});\n"
    repair, now = cured(project(tmp_path, seed), Config(cache=False, select=("split-identity-reference",)))
    assert (now, repair.proposals) == (seed, ())


def test_unproven_where_nobody_wants_a_proof(tmp_path: Path) -> None:
    account = f"insert into auth.users (id) values ({ADA});\n"
    seed = f"{account}insert into public.profiles (id) values ({ADA}) on conflict do nothing;"
    repair, now = cured(project(tmp_path, seed), verify=False)
    assert now == f"insert into auth.users (id) values ({ADA});\n"
    assert repair.proof is None


def test_the_examples_helper_leaves_the_row_to_the_trigger_of_the_same_fix(tmp_path: Path) -> None:
    folder = bandbook.write_project("broken", tmp_path / "bandbook")
    config = Config(cache=False, select=("masking-fixture", "unsynced-mirror", "split-identity-reference"))
    repair = fix(folder, config, Request("in-place", write=True))
    assert repair.proof is not None
    assert repair.proof.holds
    assert "the SQL tests still pass" in [check.name for check in repair.proof.checks]
    helpers = (folder / bandbook.HELPERS).read_text(encoding="utf-8")
    assert "INSERT INTO public.users" not in helpers
    assert helpers == bandbook.helpers("fixed")
