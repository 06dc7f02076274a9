"""Repairs of whole databases: what is chosen, what is done and told, what is left, and the way back."""

from __future__ import annotations

import re
import shlex
import string
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from referee.data import journal as journals
from referee.data.writer import Limits
from referee.errors import ReadError, UsageError
from referee.model.row_repair import Outcome, RowRepair, Undoing
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.postgres.session import Session
from referee.render.repair_text import render_plan, render_repair
from referee.workflow.config import Config
from referee.workflow.plan_run import undo_run
from referee.workflow.repair import (
    Prepared,
    RepairWish,
    execute,
    exit_status,
    journaled,
    parse_actions,
    plan_status,
    prepare,
    read_pairs,
    writing_session,
)
from referee.workflow.scan import ScanWish, scan
from tests.data.mess import Mess, load, user_id
from tests.data.restartable import restartable

CONFIG = Config(cache=False)

#: What the analysis of the first case ran by hand to find accounts without their row.
SEED_QUERY = """
SELECT au.id, au.email
FROM auth.users au
LEFT JOIN public.users pu ON au.id = pu.id
WHERE pu.id IS NULL
"""


def plan(url: str, **wish: Any) -> tuple[Prepared, RepairWish]:
    wanted = RepairWish(**{"limits": Limits(patience=5), **wish})
    return prepare(url, CONFIG, wanted), wanted


def repair(url: str, **wish: Any) -> RowRepair:
    return execute(*plan(url, **wish))


def undo(url: str, run: str | None = None, **how: Any) -> Undoing:
    return undo_run(url, run, CONFIG, **how)


def outcome(result: RowRepair, id_: str, kind: str | None = None) -> Outcome:
    [found] = [
        one for one in result.outcomes if one.action.question.id == id_ and (kind is None or one.action.kind == kind)
    ]
    return found


def rows(session: Session, query: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in session.rows(query)]


def people(session: Session, text: str = "") -> None:
    """Accounts 1 to 9 with a mirror that has the first three, and what else is wanted."""
    session.run(
        "create table public.users (id uuid primary key references auth.users on delete cascade, email text);"
        "create table public.notes (id int primary key, owner uuid references public.users, text text);"
        "set session_replication_role to replica;"
        f"insert into auth.users (id, email) select ('{user_id(0)[:-1]}' || n)::uuid, 'user' || n || '@example.org'"
        " from generate_series(1, 9) as n;"
        "insert into public.users select id, email from auth.users order by id limit 3;"
        f"{text}; set session_replication_role to origin"
    )


# The main road


@pytest.mark.parametrize("users", [100_000])
def test_the_road_of_the_first_case(server: Server, database: str, users: int) -> None:
    mess = Mess(users=users, songs=2_000)
    url = load(server, database, mess)
    with server.connect(database) as session:
        by_hand = {str(id_) for id_, _ in session.rows(SEED_QUERY)}
    prepared, wish = plan(url, touch=("public.audit_log",))
    [found] = [one for one in prepared.plan.scan.answers if one.question.kind == "unmirrored"]
    assert {sample.value[0] for sample in found.kept} == by_hand == mess.unmirrored

    result = execute(prepared, wish)
    assert {answer.question.kind for answer in result.answers if answer.violations} == {"stray"}
    made = outcome(result, "unmirrored public.users")
    names = {number: mess.name(number) for number in range(1, users + 1) if user_id(number) in mess.unmirrored}
    assert made.done == len(names)
    assert made.origins == {
        "metadata": sum(origin == "metadata" for _, origin in names.values()),
        "e-mail": sum(origin == "e-mail" for _, origin in names.values()),
    }
    with server.connect(database) as session:
        assert session.rows(SEED_QUERY) == []
        told: dict[str, str] = dict(session.rows("select id::text, name from public.users"))
    assert {user_id(number): name for number, (name, _) in names.items()}.items() <= told.items()
    again = scan(url, CONFIG, ScanWish())
    assert {one.question.kind for one in again.answers if one.violations} == {"stray"}
    assert not any("referee" in one.question.id for one in again.answers), "the journal is no part of the scan"


def test_what_was_done_can_be_taken_back_to_the_last_bit(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=1_200, songs=800))
    tables = ("public.users", "public.songs", "public.shows", "public.practice_sessions", "public.audit_log")
    with server.connect(database, server.superuser) as session:
        before = {table: set(rows(session, f"select t::text from {table} as t")) for table in tables}
        result = repair(url, touch=("public.audit_log",))
        assert result.left == 0
        assert any(before[table] != set(rows(session, f"select t::text from {table} as t")) for table in tables)
        first = undo(url)
        # New rows that others refer to stay, until somebody wants them gone all the same.
        assert not first.is_whole
        assert {entry.action for entry in first.entries if entry.done < entry.rows} == {"create"}
        second = undo(url, even_referenced=True)
        assert second.run == first.run
        assert second.is_whole
        for table in tables:
            assert set(rows(session, f"select t::text from {table} as t")) == before[table], table
    with pytest.raises(UsageError, match="has no run that could be taken back"):
        undo(url)


def test_nothing_is_written_without_being_told_to(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=200, songs=100))
    prepared, _ = plan(url)
    assert prepared.plan.does_something
    with server.connect(database) as session:
        assert session.value("select to_regnamespace('referee')") is None
        assert len(session.rows(SEED_QUERY)) > 0


def test_there_is_nothing_to_do(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=10))
    result = repair(url)
    assert (result.outcomes, exit_status(result)) == ((), 0)
    with server.connect(database) as session:
        assert session.value("select to_regnamespace('referee')") is None


def test_who_signs_up_without_a_row_before_it_is_asked_once_more_has_one_in_the_end(
    server: Server, database: str
) -> None:
    with server.connect(database) as session:
        people(session)
        told: list[str] = []

        def tell(message: str) -> None:
            if message == "asking once more" and message not in told:
                session.run(f"insert into auth.users (id, email) values ('{user_id(50)}', 'late@example.org')")
            told.append(message)

        result = execute(*plan(server.url(database, server.superuser)), tell)
        assert told.count("asking once more") == 2
        assert outcome(result, "unmirrored public.users").done == 7
        assert result.left == 0
        assert rows(session, f"select id::text from public.users where id = '{user_id(50)}'") == [user_id(50)]


def test_what_a_new_row_holds_is_asked_in_words_that_a_shell_takes_whole(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            'create table public."Org\'s" (id uuid primary key references auth.users on delete cascade,'
            " level int not null check (level > 100 and level % 7 = 3));"
            'create table public.notes (id int, owner uuid references public."Org\'s",'
            ' editor uuid references public."Org\'s");'
            f"insert into auth.users (id, email) values ('{user_id(1)}', 'a@example.org')"
        )
        prepared, _ = plan(server.url(database, server.superuser))
    [action] = [one for one in prepared.plan.actions if one.question.kind == "unmirrored"]
    [given] = re.findall(r"--answer ('.*')", action.reason)
    assert shlex.split(given) == ['value public."Org\'s".level=...']


# What is left alone


def test_tables_that_look_like_money_audit_or_consent_wait_until_they_are_named(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "".join(
                f"create table public.{name} (id int primary key, owner uuid references public.users);"
                f"insert into public.{name} values (1, '{user_id(77)}');"
                for name in ("invoices", "audit_log", "user_consents", "blogs", '"Audit Log"', '"APIPayments"')
            ),
        )
        url = server.url(database)
        prepared, _ = plan(url)
        kinds = {str(one.question.table): one.kind for one in prepared.plan.actions if one.question.kind == "orphans"}
        assert kinds == {
            "public.invoices": "leave",
            "public.audit_log": "leave",
            "public.user_consents": "leave",
            "public.blogs": "set-null",
            'public."Audit Log"': "leave",
            'public."APIPayments"': "leave",
        }
        repair(url)
        assert rows(session, "select count(owner) from public.invoices") == [1]
        result = repair(url, touch=("public.invoices", "public.user_*"))
        assert rows(session, "select owner from public.invoices union select owner from public.user_consents") == [None]
        assert result.left == 3


def test_rows_of_living_accounts_are_never_cut_off(server: Server, database: str) -> None:
    """Their mirror row cannot be made, as nothing tells what its column holds: then they wait, the others do not."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create table public.plans (id int primary key); insert into public.plans values (7);"
            "alter table public.users add column plan int not null default 7 references public.plans;"
            "alter table public.users alter plan drop default;"
            f"insert into public.notes values (1, '{user_id(5)}'), (2, '{user_id(77)}'), (3, '{user_id(1)}')",
        )
        result = repair(server.url(database))
        assert outcome(result, "unmirrored public.users").action.kind == "leave"
        assert result.left == 7
        left = [str(owner) if owner else None for owner in rows(session, "select owner from public.notes order by id")]
        assert left == [user_id(5), None, user_id(1)]
        # Who says so may have it otherwise.
        repair(server.url(database), actions=parse_actions(["public.notes=set-null"]))
        assert rows(session, "select owner from public.notes where id = 1") == [None]


def test_a_person_with_another_id_is_asked_about(server: Server, database: str, tmp_path: Path) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.notes drop constraint notes_owner_fkey,"
            " add foreign key (owner) references auth.users (id);"
            # The account 3 was deleted, and its owner signed up again as 9.
            f"delete from auth.users where id = '{user_id(3)}';"
            f"update auth.users set email = 'User3@example.org' where id = '{user_id(9)}';"
            f"insert into public.notes values (1, '{user_id(3)}'), (2, '{user_id(77)}')",
        )
        key = "orphans public.notes.notes_owner_fkey"
        url = server.url(database)
        prepared, wish = plan(url, only=("public.notes",))
        [action] = prepared.plan.actions
        assert (action.kind, action.pairs) == ("set-null", ((user_id(3), user_id(9)),))
        execute(prepared, wish)
        assert rows(session, "select owner::text from public.notes order by id") == [user_id(3), None]
        repair(url, only=("public.notes",), actions=parse_actions([f"{key}=remap"]))
        assert rows(session, "select owner::text from public.notes order by id") == [user_id(9), None]


def test_old_ids_and_new_ones_from_a_file(server: Server, database: str, tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text(f"old,new\n{user_id(71)},{user_id(1)}\n{user_id(72)},{user_id(88)}\n")
    with server.connect(database, server.superuser) as session:
        people(
            session,
            f"insert into public.notes values (1, '{user_id(71)}'), (2, '{user_id(72)}'), (3, '{user_id(73)}');"
            f"insert into public.users select id, email from auth.users on conflict do nothing",
        )
        remap = parse_actions(["orphans=remap"])
        repair(server.url(database), actions=remap, pairs=read_pairs(file))
        # The first is somebody else now, the second would be nobody once more and is left, the third was not named.
        found = rows(session, "select owner::text from public.notes order by id")
        assert found == [user_id(1), user_id(72), None]


def test_what_refers_to_a_mirror_row_of_old_follows_its_person(server: Server, database: str) -> None:
    """The account 3 was deleted, its mirror row stayed, and its owner signed up again as 9, who has no row yet."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.users drop constraint users_id_fkey;"
            f"delete from auth.users where id = '{user_id(3)}';"
            f"update auth.users set email = 'user3@example.org' where id = '{user_id(9)}';"
            f"insert into public.notes values (1, '{user_id(3)}'), (2, '{user_id(1)}')",
        )
        url = server.url(database)
        result = repair(url, actions=parse_actions(["stray=remap"]))
        assert rows(session, "select owner::text from public.notes order by id") == [user_id(9), user_id(1)]
        assert rows(session, f"select count(*) from public.users where id = '{user_id(3)}'") == [0]
        assert rows(session, 'select id::text from referee."public.users"') == [user_id(3)]
        assert result.left == 0
        assert undo(url, even_referenced=True).is_whole
        assert rows(session, "select owner::text from public.notes order by id") == [user_id(3), user_id(1)]
        assert rows(session, "select id::text from public.users order by id") == [user_id(1), user_id(2), user_id(3)]


def test_rows_of_a_table_without_a_key(server: Server, database: str) -> None:
    """They are divided by their reference, or not at all, and what was moved cannot be found again by a key."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create table public.likes (owner uuid references public.users, note int);"
            "create table public.lists (owner uuid not null references public.users, note int);"
            "create index on public.lists (owner);"
            f"insert into public.likes select '{user_id(77)}', n from generate_series(1, 700) as n;"
            f"insert into public.lists select '{user_id(77)}', n from generate_series(1, 700) as n",
        )
        url = server.url(database)
        told = {str(one.question.table): one.hazards for one in plan(url)[0].plan.actions if one.kind != "create"}
        assert all("--undo cannot take this back in" in " ".join(hazards) for hazards in told.values())
        assert set(told) == {"public.likes", "public.lists"}
        assert repair(url).left == 0
        assert rows(session, "select count(*), count(owner) from public.likes") == [(700, 0)]
        assert rows(session, 'select count(distinct note) from referee."public.lists"') == [700]
        reasons = {entry.reason for entry in undo(url).entries if entry.table in ("public.likes", "public.lists")}
        assert reasons == {"the table has no primary key to find rows by"}


@pytest.mark.parametrize("kind", ["set-null", "quarantine"])
def test_columns_that_are_named_as_the_statements_name_rows(server: Server, database: str, kind: str) -> None:
    """The statements call rows ``r``, ``m``, ``k``, ``b`` and so on, whatever columns are called."""
    names = string.ascii_lowercase
    columns = ", ".join(f"{name} int default {number}" for number, name in enumerate(names))
    with server.connect(database, server.superuser) as session:
        people(
            session,
            f"create table public.marks (id int primary key, owner uuid references public.users, {columns});"
            f"insert into public.marks values (1, '{user_id(77)}'), (2, '{user_id(78)}')",
        )
        before = rows(session, "select to_jsonb(x.*) from public.marks as x order by id")
        url = server.url(database, server.superuser)
        result = repair(url, only=("public.marks",), actions=parse_actions([f"public.marks={kind}"]))
        assert result.left == 0
        assert [one.done for one in result.outcomes] == [2]
        assert undo(url).is_whole
        assert rows(session, "select to_jsonb(x.*) from public.marks as x order by id") == before


def test_references_that_are_computed_or_must_be_whole(server: Server, database: str) -> None:
    """A generated column takes no NULL, and of a key of MATCH FULL all columns have to be NULL or none."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create table public.rooms (house int, room text, primary key (house, room));"
            "create table public.beds (id int primary key, house int not null, room text,"
            " foreign key (house, room) references public.rooms match full);"
            "create table public.tags (name text primary key);"
            "create table public.marks (id int primary key, text text,"
            " tag text generated always as (lower(text)) stored references public.tags);"
            "insert into public.beds values (1, 2, 'a'); insert into public.marks values (1, 'Tag')",
        )
        url = server.url(database)
        with pytest.raises(UsageError, match=r"cannot be set to NULL: tag of public.marks is computed from other"):
            plan(url, actions=parse_actions(["public.marks=set-null"]))
        with pytest.raises(UsageError, match=r"cannot be given another id: tag of public.marks is computed from"):
            plan(url, actions=parse_actions(["public.marks=remap"]))
        result = repair(url, only=("public.beds", "public.marks"))
        assert {one.action.kind for one in result.outcomes} == {"quarantine"}
        assert result.left == 0
        assert undo(url).is_whole
        assert rows(session, "select id, house, room from public.beds") == [(1, 2, "a")]
        assert rows(session, "select id, text, tag from public.marks") == [(1, "Tag", "tag")]


def test_keys_of_several_columns(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create table public.rooms (house int, room text, primary key (house, room));"
            "create table public.beds (id int, part int, house int not null, room text, primary key (id, part),"
            " foreign key (house, room) references public.rooms);"
            "insert into public.rooms values (1, 'a');"
            "insert into public.beds select n, n % 3, n % 2, case when n % 5 > 0 then 'a' end"
            " from generate_series(1, 400) as n",
        )
        url = server.url(database)
        wrong = rows(session, "select count(*) from public.beds where room is not null and house = 0")
        result = repair(url, only=("public.beds",))
        assert [outcome(result, "orphans public.beds.beds_house_room_fkey").done] == wrong == [160]
        assert result.left == 0
        assert undo(url).is_whole
        assert rows(session, "select count(*) from public.beds where room is not null and house = 0") == wrong


def test_a_map_that_leads_on_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "map.csv"
    file.write_text("old,new\na,b\nb,c\n")
    with pytest.raises(ReadError, match="leads from a to b, which is an old id too"):
        read_pairs(file)


# What the server refuses


def test_a_unique_e_mail_is_told_and_not_waited_for(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.users add constraint one_e_mail exclude using btree (lower(email) with =);"
            "update auth.users set email = 'user1@example.org', is_sso_user = true"
            f" where id in ('{user_id(5)}', '{user_id(8)}')",
        )
        began = time.monotonic()
        result = repair(server.url(database))
    made = outcome(result, "unmirrored public.users")
    assert (made.done, made.left, made.unfinished) == (4, 2, False)
    assert {row.key: row.reason for row in made.refused} == {
        (user_id(number),): 'conflicting key value violates exclusion constraint "one_e_mail": Key (lower(email))='
        "(user1@example.org) conflicts with existing key (lower(email))=(user1@example.org). (23P01)"
        for number in (5, 8)
    }
    assert time.monotonic() - began < 4, "others were waited for, and there are none"


_STUBBORN = {
    "a new row": (
        "insert",
        "public.users",
        "new.email like 'user7%'",
        "skip",
        "unmirrored public.users",
        "a trigger of public.users keeps it from being written",
    ),
    "an update": (
        "update",
        "public.notes",
        "old.id = 40",
        "skip",
        "orphans public.notes.notes_owner_fkey",
        "a trigger of public.notes keeps it as it is",
    ),
    "an update that is overruled": (
        "update",
        "public.notes",
        "old.id = 40",
        "restore",
        "orphans public.notes.notes_owner_fkey",
        "a trigger of public.notes keeps it as it is",
    ),
    "an update that fails": (
        "update",
        "public.notes",
        "old.id = 40",
        "complain",
        "orphans public.notes.notes_owner_fkey",
        "no (P0001)",
    ),
}


@pytest.mark.parametrize(
    ("event", "table", "condition", "does", "question", "reason"), _STUBBORN.values(), ids=_STUBBORN.keys()
)
def test_a_row_that_a_trigger_keeps_is_named_and_the_others_are_repaired(
    server: Server, database: str, event: str, table: str, condition: str, does: str, question: str, reason: str
) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create function public.skip() returns trigger language plpgsql as $$ begin return null; end $$;"
            "create function public.restore() returns trigger language plpgsql as"
            " $$ begin new.owner = old.owner; return new; end $$;"
            "create function public.complain() returns trigger language plpgsql as"
            " $$ begin raise exception 'no'; end $$;"
            f"insert into public.notes select n, '{user_id(77)}' from generate_series(1, 500) as n",
        )
        each = f"for each row when ({condition})"
        session.run(f"create trigger t before {event} on {table} {each} execute function public.{does}()")
        began = time.monotonic()
        result = repair(server.url(database))
        assert time.monotonic() - began < 10
        found = outcome(result, question)
        assert [row.reason for row in found.refused] == [reason]
        assert (found.left, found.done) == (1, 5 if "unmirrored" in question else 499)
        assert exit_status(result) == 1
        noted = rows(session, f"select sum(rows)::int from referee.journal where question = '{question}'")
        assert noted == [found.done]


def test_a_table_whose_trigger_keeps_every_row_ends_the_action(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create function public.restore() returns trigger language plpgsql as"
            " $$ begin new.owner = old.owner; return new; end $$;"
            "create trigger t before update on public.notes for each row execute function public.restore();"
            f"insert into public.notes select n, '{user_id(77)}' from generate_series(1, 900) as n",
        )
        result = repair(server.url(database))
    found = outcome(result, "orphans public.notes.notes_owner_fkey")
    assert found.left_because is not None
    assert found.left_because.startswith("the server refused 200 rows, the last with: a trigger of public.notes keeps")
    assert (found.done, found.left) == (0, 900)


# Rows that are moved


def test_what_hangs_on_a_moved_row_moves_with_it(server: Server, database: str) -> None:
    """By two keys at once, too: one lets the row go with its parent, the other would only forget it."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.notes alter owner set not null;"
            "create table public.pages (id int primary key, note int references public.notes on delete cascade);"
            "create table public.marks (id int primary key, page int references public.pages on delete cascade,"
            " note int references public.notes on delete set null, tags text[]);"
            f"insert into public.notes values (1, '{user_id(77)}'), (2, '{user_id(1)}'), (3, '{user_id(77)}');"
            "insert into public.pages values (10, 1), (20, 2);"
            "insert into public.marks values (100, 10, 1), (101, 20, 1), (102, 10, 2), (103, null, 3)",
        )
        tables = ("notes", "pages", "marks")
        before = {table: set(rows(session, f"select t::text from public.{table} as t")) for table in tables}
        url = server.url(database)
        result = repair(url, only=("public.notes",))
        assert outcome(result, "orphans public.notes.notes_owner_fkey").done == 2
        assert rows(session, "select id from public.notes") == [2]
        assert rows(session, "select id from public.pages") == [20]
        assert sorted(rows(session, "select id, page, note from public.marks")) == [(101, 20, None), (103, None, None)]
        kept = 'select id, referee_reason from referee."public.marks" order by id'
        because = "owner is NOT NULL, so the row cannot stay"
        assert rows(session, kept) == [
            (100, f"public.marks.marks_page_fkey: {because}"),
            (102, f"public.marks.marks_page_fkey: {because}"),
        ]
        assert undo(url).is_whole
        for table, was in before.items():
            assert set(rows(session, f"select t::text from public.{table} as t")) == was


def test_a_row_that_others_hold_on_to_stays(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.notes alter owner set not null;"
            "create table public.pages (id int primary key, note int references public.notes);"
            f"insert into public.notes values (1, '{user_id(77)}'), (2, '{user_id(77)}');"
            "insert into public.pages values (10, 1)",
        )
        result = repair(server.url(database), only=("public.notes",))
        assert rows(session, "select id from public.notes") == [1]
        assert result.left == 1
        assert exit_status(result) == 1


def test_a_quarantine_from_before_a_column_was_added(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.notes alter owner set not null;"
            f"insert into public.notes values (1, '{user_id(77)}', 'a')",
        )
        url = server.url(database)
        repair(url, only=("public.notes",))
        session.run(
            "alter table public.notes add column stars numeric(3, 1)[]; set session_replication_role to replica;"
            f"insert into public.notes values (2, '{user_id(78)}', 'b', '{{1.5}}')"
        )
        assert repair(url, only=("public.notes",)).left == 0
        kept = rows(session, 'select id, text, stars::text from referee."public.notes" order by id')
        assert kept == [(1, "a", None), (2, "b", "{1.5}")]


def test_names_of_all_kinds(server: Server, database: str) -> None:
    long = "y" * 60
    with server.connect(database, server.superuser) as session:
        people(session)
        for number, name in enumerate(
            ("Org's", 'mem"bers', "org;id", "select", "\N{GUITAR}", long + "abc", long + "abd")
        ):
            table = '"' + name.replace('"', '""') + '"'
            session.run(
                f'create table public.{table} ("the \'id" int primary key, {table} uuid not null);'
                f"insert into public.{table} values (1, '{user_id(70 + number)}');"
                f"alter table public.{table} add foreign key ({table}) references public.users not valid"
            )
        result = repair(server.url(database))
        assert result.left == 0
        assert undo(server.url(database)).is_whole
        assert rows(session, f"select count(*) from public.{long}abd") == [1]


# Undo


def test_what_was_changed_since_is_not_taken_back(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(session, f"insert into public.notes select n, '{user_id(77)}' from generate_series(1, 3) as n")
        url = server.url(database)
        repair(url)
        session.run(
            f"update public.notes set owner = '{user_id(2)}' where id = 2; delete from public.notes where id = 3"
        )
        session.run(f"update public.users set email = 'new@example.org' where id = '{user_id(5)}'")
        result = undo(url)
        found = {entry.action: (entry.rows, entry.done) for entry in result.entries}
        assert found == {"update": (3, 1), "create": (6, 5)}
        owners = rows(session, "select owner::text from public.notes order by id")
        assert owners == [user_id(77), user_id(2)]
        assert rows(session, f"select email from public.users where id = '{user_id(5)}'") == ["new@example.org"]


def test_a_row_that_a_trigger_would_swallow_stays_in_quarantine(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "alter table public.notes alter owner set not null;"
            "create function public.skip() returns trigger language plpgsql as $$ begin return null; end $$;"
            f"insert into public.notes values (1, '{user_id(77)}')",
        )
        url = server.url(database)
        repair(url, only=("public.notes",))
        session.run(
            "create trigger t before insert on public.notes for each row execute function public.skip();"
            "alter table public.notes enable always trigger t"
        )
        [entry] = undo(url).entries
        assert (entry.done, entry.reason) == (
            0,
            'invalid input syntax for type bigint: "1 rows were swallowed by a trigger" (22P02)',
        )
        assert rows(session, 'select id from referee."public.notes"') == [1]


def test_a_run_that_is_at_work_is_not_taken_back(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(session)
        url = server.url(database)
        run = repair(url).run
        session.run(f"select pg_advisory_lock(hashtextextended('referee run {run}', 1))")
        with pytest.raises(UsageError, match=f"The run {run} is at work"):
            undo(url)
        with pytest.raises(UsageError, match="has no run nonsense in the journal"):
            undo(url, "nonsense")


# Others in the way


def test_others_come_first(server: Server, database: str) -> None:
    """With --max-load nothing is written while more sessions than that are at work."""
    with server.connect(database, server.superuser) as session, server.connect(database) as busy:
        people(session)
        prepared, wish = plan(server.url(database, server.superuser), max_load=0)
        began = threading.Event()
        told: list[tuple[str, int]] = []

        def tell(message: str) -> None:
            told.append((message, rows(session, "select count(*) from public.users")[0]))

        def work() -> None:
            busy.run("set application_name to 'shop'")
            began.set()
            busy.rows("select pg_sleep(1.2)")

        worker = threading.Thread(target=work)
        worker.start()
        began.wait()
        while not rows(session, "select 1 from pg_stat_activity where application_name = 'shop' and state = 'active'"):
            pass
        result = execute(prepared, wish, tell)
        worker.join()
    assert ("1 other sessions are active, more than 0; waiting", 3) in told
    assert result.left == 0


def test_who_holds_rows_for_too_long_is_told_and_the_next_run_goes_on(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(session, f"insert into public.notes select n, '{user_id(77)}' from generate_series(1, 50) as n")
        url = server.url(database)
        session.run("begin; set application_name to 'shop'; select from public.notes where id <= 10 for update")
        result = repair(url, limits=Limits(patience=0.5))
        session.run("rollback")
        found = outcome(result, "orphans public.notes.notes_owner_fkey")
        assert (found.done, found.left, found.unfinished) == (40, 10, True)
        assert found.left_because is not None
        assert f"the oldest transaction is that of process {session.value('select pg_backend_pid()')}" in (
            found.left_because
        )
        assert exit_status(result) == 2
        again = repair(url)
        assert again.resumed
        assert again.run == result.run
        assert {action: done for action, _, done in again.totals} == {"create": 6, "update": 50}
        assert exit_status(again) == 0
        told = " ".join(render_repair(again).split())
        assert "going on with a run that was cut short. In all, that run has created 6 rows, changed 50 rows." in told


def test_a_role_that_may_not_keep_a_journal(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(session)
        session.run(
            "create role clerk login bypassrls; grant usage on schema auth, public to clerk;"
            "grant select, insert, update on all tables in schema auth, public to clerk"
        )
    prepared, wish = plan(server.url(database, "clerk"))
    with pytest.raises(UsageError, match=r"this role may not make the schema referee.*or name another schema"):
        execute(prepared, wish)


def test_a_journal_has_a_schema_of_its_own(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session, f"insert into public.notes values (1, '{user_id(77)}'); create schema empty authorization postgres"
        )
        url = server.url(database)
        with pytest.raises(UsageError, match=r"The schema public of .* has tables or views of others.*--journal"):
            repair(url, journal="public")
        assert rows(session, "select to_regclass('public.journal')") == [None]
        result = repair(url, journal="empty")
        assert "select * from empty.journal where" in render_repair(result)
        assert f"--undo {result.run} --journal empty" in " ".join(render_repair(result).split())
        assert undo(url, result.run, wish=RepairWish(journal="empty")).is_whole


def test_what_is_left_alone_is_no_success(server: Server, database: str) -> None:
    """Not even where nothing else was to be done, or nothing else could be seen."""
    with server.connect(database, server.superuser) as session:
        people(
            session,
            "create table public.audit_log (id int primary key, owner uuid references public.users);"
            f"insert into public.audit_log values (1, '{user_id(77)}');"
            "create role clerk login bypassrls; grant usage on schema public, auth to clerk",
        )
    only = ("public.audit_log",)
    result = repair(server.url(database), only=only)
    assert (result.run, result.left, exit_status(result)) == ("", 1, 1)
    assert "public.audit_log looks like an audit log" in " ".join(render_repair(result).split())
    prepared, wish = plan(server.url(database, "clerk"), only=only)
    assert (prepared.plan.actions, plan_status(prepared.plan)) == ((), 2)
    assert "No wrong row found in what was checked: there is nothing to repair." in render_plan(prepared.plan)
    assert exit_status(execute(prepared, wish)) == 2


def test_a_server_that_takes_no_writes() -> None:
    with restartable(SUPABASE) as own:
        with own.connect("postgres") as session:
            session.run(
                "create table public.a (id int primary key); create table public.b (id int primary key, a int);"
                "insert into public.b values (1, 5);"
                "alter table public.b add foreign key (a) references public.a not valid"
            )
            session.run("alter system set default_transaction_read_only to on")
            session.run("select pg_reload_conf()")
        with pytest.raises(UsageError, match=r"takes no writes .*Repair the\s+primary"):
            _until_it_is_read_only(own.url("postgres"))


def _until_it_is_read_only(url: str) -> None:
    for _ in range(5):
        repair(url)
        time.sleep(0.1)


def test_tables_are_named_as_a_shell_hands_them_on(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            'create table public."Audit Log" (id int primary key, owner uuid references public.users);'
            f"insert into public.\"Audit Log\" values (1, '{user_id(77)}')",
        )
        url = server.url(database)
        prepared, _ = plan(url)
        [left] = [one for one in prepared.plan.actions if one.kind == "leave"]
        assert """--touch 'public."Audit Log"' lets it""" in left.reason
        for name in ('public."Audit Log"', "public.Audit Log", "public.Audit*"):
            prepared, _ = plan(url, touch=(name,))
            assert not [one for one in prepared.plan.actions if one.kind == "leave"]
        with pytest.raises(UsageError, match=r'"public.audit_logs".*Did you mean "public.Audit Log"\?'):
            plan(url, touch=("public.audit_logs",))


def test_actions_that_make_no_sense(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        people(
            session,
            f"alter table public.notes alter owner set not null; insert into public.notes values (1, '{user_id(77)}')",
        )
    url = server.url(database)
    for texts, message in (
        (["nothing=set-null"], r'--action names "nothing", but what is wrong is unmirrored public.users, orphans'),
        (["public.notes=set-null"], r"cannot be set to NULL: owner of public.notes is NOT NULL"),
        (["unmirrored=quarantine"], r"cannot be repaired by quarantine; there is create, leave"),
    ):
        with pytest.raises(UsageError, match=message):
            plan(url, actions=parse_actions(texts))
    with pytest.raises(UsageError, match="The actions are create, remap, set-null, quarantine, leave"):
        parse_actions(["public.notes=delete"])


def test_a_run_stays_its_owners_when_the_connection_is_made_anew(server: Server, database: str) -> None:
    """Else a second repair would go on with a run that is still at work."""

    def quiet(message: str) -> None:
        pass

    def connecting() -> Session:
        return writing_session(server.url(database))

    with (
        journaled(connecting, RepairWish(), "repair", {}, quiet) as (writer, run),
        server.connect(database, server.superuser) as other,
    ):
        asked = "select pg_backend_pid()"
        lost = writer.steadily(lambda session: session.value(asked))
        other.run(f"select pg_terminate_backend({lost})")
        assert writer.steadily(lambda session: session.value(asked)) != lost
        assert not journals.hold(other, run.journal.run)
