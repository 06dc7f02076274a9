"""Questions find the rows that they are about, whatever names and types are involved."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.identity import IdentityOptions, identify
from referee.model.names import QName, Target, quote
from referee.model.question import Question
from referee.model.schema import Schema
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.postgres.session import Session
from referee.read.catalog import read_catalog
from referee.sql.questions import (
    Order,
    Questions,
    Range,
    by_reference,
    counted,
    email_column,
    judged,
    keys_of,
    next_bound,
    next_bounds,
)
from tests.identity.sql import replayed

HOSTILE = ("Org's", 'mem"bers', "org;id", "select", "50%", "ümlaut", "🦆", "a" * 63)


def orphans_of(session: Session, table: str) -> Question:
    schema = read_catalog(session)
    [key] = schema.tables[QName("public", table)].foreign_keys
    return Questions(schema).orphans(key)


def test_orphans_of_a_key(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table p (id int primary key); create table c (id int primary key, p int);"
            "insert into p values (1), (2); insert into c values (10, 1), (11, null), (12, 3), (13, 2), (14, 4);"
            "alter table c add foreign key (p) references p not valid"
        )
        question = orphans_of(session, "c")
        assert sorted(session.rows(question.text)) == [(12, 3), (14, 4)]
    assert question.id == "orphans public.c.c_p_fkey"


@pytest.mark.parametrize(
    ("match", "wrong"),
    [("simple", [4]), ("full", [2, 3, 4])],
    ids=["one NULL lets a row pass", "all or nothing"],
)
def test_what_null_means_depends_on_match(server: Server, database: str, match: str, wrong: list[int]) -> None:
    with server.connect(database) as session:
        session.run(
            "create table p (a int, b int, primary key (a, b)); create table c (id int primary key, a int, b int);"
            "insert into p values (1, 1);"
            "insert into c values (1, 1, 1), (2, 1, null), (3, null, 5), (4, 7, 7), (5, null, null);"
            f"alter table c add foreign key (a, b) references p match {match} not valid"
        )
        rows = session.rows(orphans_of(session, "c").text)
    assert sorted(row[0] for row in rows) == wrong


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(server: Server, database: str, name: str) -> None:
    table, column = quote(name), quote(name[:60] + "x")
    with server.connect(database) as session:
        session.run(
            f"create schema {table}; create table {table}.{table} ({column} int primary key);"
            f"create table public.{table} ({table} int primary key, {column} int);"
            f"insert into {table}.{table} values (1); insert into public.{table} values (1, 1), (2, 2), (3, 2);"
            f"alter table public.{table} add foreign key ({column}) references {table}.{table} not valid"
        )
        question = orphans_of(session, name)
        order = by_reference(question)
        assert sorted(session.rows(question.text)) == [(2, 2), (3, 2)]
        assert session.fetch_all(counted(question, 5, with_keys=True)) == [[(1, 2, [[["2"], 2, ["2"]]])]]
        assert session.fetch_all(next_bound(question, order, None, 2)) == [[("2",)]]
        assert session.fetch_all(next_bounds(question, order, None, 2, 5)) == [[("2",)]]
        assert session.fetch_all(next_bounds(question, order, None, 1, 2)) == [[("1",), ("2",)]]
        assert session.fetch_all(next_bounds(question, order, ("1",), 1, 2)) == [[("2",), ("2",)]]
        assert session.fetch_all(judged(question, Range(order, ("1",), ("2",)))) == [[(2,)]]
        assert session.fetch_all(keys_of(question, [("2",)])) in ([[(["2"], ["2"])]], [[(["2"], ["3"])]])


@pytest.mark.parametrize(
    ("type_", "known", "unknown"),
    [
        ("text", "it's", "b\\c"),
        ("varchar(20)", "x", "y"),
        ("char(5)", "x", "y"),
        ("numeric(6,2)", "1.50", "2.25"),
        ("timestamptz", "2025-01-01 00:00:00+00", "infinity"),
        ("bytea", "\\x00ff", "\\xdead"),
        ("public.citext", "Ann", "Bob"),
        ("public.mood", "glad", "sad"),
        ("public.uid", "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"),
    ],
)
def test_types_that_keys_can_have(server: Server, database: str, type_: str, known: str, unknown: str) -> None:
    """Every form gives the same answer for every type, under the empty search_path that questions are asked with."""
    with server.connect(database, server.superuser) as session:
        session.run("create extension citext with schema public; create type public.mood as enum ('glad', 'sad')")
        session.run("create domain public.uid as uuid")
        session.run(f"create table public.p (id {type_} primary key); create table public.c (id int, p {type_})")
        session.rows("insert into public.p values (%s)", [known])
        session.rows("insert into public.c values (1, %s), (2, %s), (3, null)", [known, unknown])
        session.run("alter table public.c add foreign key (p) references public.p not valid")
        question = orphans_of(session, "c")
        order = by_reference(question)
        session.run("set search_path to ''")
        [[row]] = session.fetch_all(counted(question, 5, with_keys=True))
        [[(bound,)]] = session.fetch_all(next_bound(question, order, None, 1))
        parts = [Range(order, None, (bound,)), Range(order, (bound,), None)]
        found = [session.fetch_all(counted(question, 5, part, with_keys=True))[0][0][1] for part in parts]
        checked = [session.fetch_all(judged(question, part))[0][0][0] for part in parts]
    assert row[:2] == (1, 1)
    assert sorted(found) == [0, 1]
    assert checked == [1, 1]


def test_a_key_sees_the_rows_of_its_own_table_only(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table p (id int primary key); create table c (id int, p int); create table c2 () inherits (c);"
            "create table p2 () inherits (p); insert into p2 values (8);"
            "insert into c values (1, 8); insert into c2 values (2, 9);"
            "alter table c add foreign key (p) references p not valid"
        )
        question = orphans_of(session, "c")
        # 8 is in a child of p only, which the key does not see; the row of c2 is not the key's to judge.
        assert session.rows(question.text) == [(8,)]


def test_partitions_are_judged_with_their_table(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table p (id int primary key); create table c (id int, p int) partition by range (id);"
            "create table c1 partition of c for values from (0) to (10);"
            "create table c2 partition of c for values from (10) to (20); insert into p values (1);"
            "insert into c values (1, 1), (2, 5), (12, 6), (13, 1)"
        )
        schema = read_catalog(session)
        question = Questions(schema).undeclared(QName("public", "c"), "p", Target(QName("public", "p"), ("id",)))
        assert sorted(session.rows(question.text)) == [(5,), (6,)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parents=st.frozensets(st.integers(0, 30), max_size=15),
    children=st.lists(st.none() | st.integers(0, 30), max_size=40),
    cuts=st.lists(st.integers(-1, 31), max_size=5, unique=True),
)
def test_ranges_divide_a_question_exactly(
    server: Server,
    database: str,
    parents: frozenset[int],
    children: list[int | None],
    cuts: list[int],
) -> None:
    """However a question is cut, its parts add up to the whole."""
    with server.connect(database) as session:
        session.run("drop table if exists c, p; create table p (id int primary key); create table c (id int, p int)")
        for parent in parents:
            session.rows("insert into p values (%s)", [parent])
        for number, child in enumerate(children):
            session.rows("insert into c values (%s, %s)", [number, child])
        session.run("alter table c add foreign key (p) references p not valid")
        question = orphans_of(session, "c")
        order = Order(("p",), ("integer",), ("id",))
        bounds: list[tuple[str] | None] = [None, *[(str(cut),) for cut in sorted(cuts)], None]
        parts = [Range(order, *pair) for pair in pairwise(bounds)]
        missing = [session.fetch_all(counted(question, 50, part, with_keys=False))[0][0] for part in parts]
        checked = [session.fetch_all(judged(question, part))[0][0][0] for part in parts]
    orphans = [child for child in children if child is not None and child not in parents]
    assert sum(rows for _, rows, _ in missing) == len(orphans)
    assert sum(values for values, _, _ in missing) == len(set(orphans))
    assert {int(value[0]) for _, _, listed in missing for value, _, _ in listed or ()} == set(orphans)
    assert sum(checked) == sum(child is not None for child in children)


def test_e_mails_differ_by_more_than_case(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            "create table public.users (id uuid primary key references auth.users on delete cascade, email text);"
            "insert into auth.users (id, email) select ('00000000-0000-4000-8000-00000000000' || n)::uuid, mail"
            " from (values (1, 'a@x'), (2, 'B@x'), (3, 'c@x'), (4, null), (5, 'e@x'), (6, null)) as x (n, mail);"
            "insert into public.users select ('00000000-0000-4000-8000-00000000000' || n)::uuid, mail"
            " from (values (1, 'a@x'), (2, 'b@X'), (3, 'other@x'), (4, ''), (5, null), (6, 'f@x')) as x (n, mail)"
        )
        schema = read_catalog(session, SUPABASE.managed_schemas)
        [identity] = identify(schema, IdentityOptions(SUPABASE)).all
        question = Questions(schema).disagreeing(identity, identity.mirrors[0])
        assert question is not None
        found = sorted(str(row[0])[-1] for row in session.rows(question.text))
    assert found == ["3", "5", "6"]


def test_without_an_e_mail_there_is_nothing_to_disagree_about() -> None:
    schema: Schema = replayed("create table t (id int, email int); create table u (id int, e_mail varchar(50));").schema
    assert email_column(schema.tables[QName("public", "t")]) is None
    found = email_column(schema.tables[QName("public", "u")])
    assert found is not None
    assert found.name == "e_mail"
