"""What deleting one user does: what blocks, what goes, what stays, each with how many rows of that user's."""

from __future__ import annotations

import pytest

from referee.model.rehearsal import Deletion, TableCount
from tests.rehearse.conftest import Rehearse

pytestmark = pytest.mark.server

PROFILES = "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);\n"


def deletion(rehearse: Rehearse, *migrations: str) -> Deletion:
    found = rehearse(*migrations, only=("deletion",)).deletion
    assert found is not None
    assert found.reason is None
    assert found.unmade == ()
    return found


def counts(found: tuple[TableCount, ...]) -> dict[str, tuple[int, tuple[str, ...]]]:
    return {one.table.name: (one.rows, one.columns) for one in found}


def blockers(found: Deletion) -> dict[str, tuple[int, list[str]]]:
    return {one.key.name: (one.rows, [key.name for key in one.path]) for one in found.blocked_by}


def test_each_way_of_a_key(rehearse: Rehearse) -> None:
    tables = """
    create table public.gone (id int generated always as identity, who uuid references public.profiles
      on delete cascade);
    create table public.kept (id int generated always as identity, who uuid references auth.users on delete set null);
    create table public.loose (id int generated always as identity, who uuid references public.profiles);
    alter table public.loose drop constraint loose_who_fkey, add column account uuid references auth.users
      on delete set null;
    """
    found = deletion(rehearse, PROFILES, tables)
    assert found.first is None
    assert found.blocked_by == ()
    assert counts(found.destroyed) == {"profiles": (1, ()), "gone": (1, ())}
    assert counts(found.emptied) == {"kept": (1, ("who",)), "loose": (1, ("account",))}
    assert found.left == ()


def test_only_rows_of_the_user_count(rehearse: Rehearse) -> None:
    """Somebody else has a profile too; it blocks nothing."""
    found = deletion(rehearse, "create table public.profiles (id uuid primary key references auth.users (id));\n")
    assert blockers(found) == {"profiles_id_fkey": (1, ["profiles_id_fkey"])}


def test_every_row_in_the_way_counts(rehearse: Rehearse) -> None:
    """A table that two others hang on gets a row for itself and one from a trigger."""
    tables = """
    create table public.bands (id uuid primary key default gen_random_uuid(), founder uuid not null
      references public.profiles (id));
    create table public.log (id int generated always as identity, actor uuid references auth.users (id));
    create function public.log_band() returns trigger language plpgsql as $$
    begin
      insert into public.log (actor) values (new.founder);
      return new;
    end $$;
    create trigger log_band after insert on public.bands for each row execute function public.log_band();
    """
    found = deletion(rehearse, PROFILES, tables)
    assert blockers(found) == {
        "bands_founder_fkey": (1, ["profiles_id_fkey", "bands_founder_fkey"]),
        "log_actor_fkey": (2, ["log_actor_fkey"]),
    }
    assert found.first is not None
    assert found.first.failure.sqlstate == "23503"


def test_a_column_that_cannot_be_emptied_blocks(rehearse: Rehearse) -> None:
    table = """
    create table public.notes (id int generated always as identity, owner uuid not null references auth.users (id)
      on delete set null);
    """
    found = deletion(rehearse, PROFILES, table)
    assert found.first is not None
    assert found.first.failure.sqlstate == "23502"
    assert blockers(found) == {"notes_owner_fkey": (1, ["notes_owner_fkey"])}


def test_restrict_refuses_for_rows_that_would_go_anyway(rehearse: Rehearse) -> None:
    tables = """
    create table public.orders (id int generated always as identity primary key,
      buyer uuid not null references public.profiles (id) on delete cascade);
    create table public.boxes (id int generated always as identity primary key,
      owner uuid not null references public.profiles (id) on delete cascade);
    create table public.items (id int generated always as identity,
      "order" int not null references public.orders (id) on delete restrict,
      box int not null references public.boxes (id) on delete cascade);
    """
    found = deletion(rehearse, PROFILES, tables)
    assert blockers(found) == {"items_order_fkey": (1, ["profiles_id_fkey", "orders_buyer_fkey", "items_order_fkey"])}
    assert counts(found.destroyed) == dict.fromkeys(("profiles", "orders", "boxes", "items"), (1, ()))


def test_a_trigger_that_refuses_is_the_answer(rehearse: Rehearse) -> None:
    refuse = """
    create function public.keep() returns trigger language plpgsql as $$ begin raise exception 'never'; end $$;
    create trigger keep before delete on public.profiles for each row execute function public.keep();
    """
    found = deletion(rehearse, PROFILES, refuse)
    assert found.first is not None
    assert (found.first.failure.sqlstate, found.first.failure.message) == ("P0001", "never")
    assert found.first.told == "HTTP 500: Database error deleting user"
