"""A disabled trigger fires again, by what the migration role of a host may say."""

from __future__ import annotations

from collections.abc import Callable
from difflib import ndiff

import pytest

from referee.fixing.migration import plan_steps
from referee.fixing.trigger import enabling
from referee.model import change as changes
from referee.model.names import QName, Ref
from referee.postgres.server import Server
from referee.postgres.session import Session
from tests.fixing.sql import edited, schema_of

MIRROR = """create table public.users (id uuid primary key references auth.users on delete cascade);
create function public.sync() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.users (id) values (new.id); return new; end $$;
"""
TRIGGER = """create trigger "Sync's" after insert or update of email on auth.users
  for each row when (new.email is distinct from 'it''s') execute function public.sync('a');
"""
DISABLED = """grant supabase_auth_admin to postgres; alter table auth.users disable trigger "Sync's";
revoke supabase_auth_admin from postgres;
"""
REF = Ref("trigger", "auth", "users", "Sync's")
CHANGE = changes.EnableTrigger(REF)


def named(table: str, columns: tuple[str, ...], label: str, is_taken: Callable[[str], bool]) -> str:
    return f"{table}_{label}"


def disable(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(MIRROR + TRIGGER)
    with server.connect(database, server.superuser) as session:
        session.run('alter table auth.users disable trigger "Sync\'s"')


def trigger(session: Session) -> tuple[str, str]:
    [found] = session.rows(
        "select pg_get_triggerdef(oid), tgenabled::text from pg_trigger where not tgisinternal "
        "and tgrelid = 'auth.users'::regclass"
    )
    return found


def test_a_plan_enables_it_without_owning_the_table(server: Server, database: str) -> None:
    disable(server, database)
    [step] = plan_steps(schema_of(MIRROR + TRIGGER + DISABLED), [CHANGE], {}, named).steps
    with server.connect(database) as session:
        before, state = trigger(session)
        assert state == "D"
        for _ in range(2):
            session.run(step.sql)
            assert trigger(session) == (before, "O")
        # The role may not disable it either: the way back says so, and ends.
        [back] = step.undo or ()
        session.run(back)
        assert trigger(session) == (before, "O")
    with server.connect(database, server.superuser) as session:
        session.run(back)
        assert trigger(session) == (before, "D")


def test_an_edit_enables_it_without_owning_the_table(server: Server, database: str) -> None:
    disable(server, database)
    text = MIRROR + TRIGGER + DISABLED
    after = edited(text, [CHANGE])
    [ref] = [one for one in schema_of(after).tables[QName("auth", "users")].triggers if one.name == "Sync's"]
    assert ref.enabled == "origin"
    with server.connect(database) as session:
        before, _ = trigger(session)
        session.run(added(text, after))
        assert trigger(session) == (before, "O")


def added(before: str, after: str) -> str:
    """The lines that are new."""
    return "".join([line[2:] for line in ndiff(before.splitlines(True), after.splitlines(True)) if line[0] == "+"])


def test_the_own_tables_have_their_owner() -> None:
    schema = schema_of(MIRROR)
    assert enabling(schema, Ref("trigger", "public", "users", "t")) == "alter table public.users enable trigger t"


@pytest.mark.parametrize(
    "text",
    [
        "create constraint trigger t after insert on auth.users for each row execute function public.sync();",
        "create trigger t after insert on auth.users referencing new table as made execute function public.sync();",
    ],
)
def test_what_cannot_be_written_anew_is_left_to_a_person(text: str) -> None:
    disabled = f"{text}\n{DISABLED}".replace('"Sync\'s"', "t")
    change = changes.EnableTrigger(Ref("trigger", "auth", "users", "t"))
    found = plan_steps(schema_of(MIRROR + disabled), [change], {}, named)
    assert found.steps == ()
    assert "only the owner of auth.users may enable t" in found.failed[change]
