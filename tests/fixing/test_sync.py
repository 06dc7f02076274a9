"""The trigger that fills a mirror takes every sign-up, and no rule finds fault with it."""

from __future__ import annotations

import pytest

from referee.fixing.sync import backfill, compose, sync_values
from referee.model.change import CreateSyncTrigger
from referee.model.names import QName, Target
from referee.postgres.server import Server
from referee.postgres.session import literal
from referee.rules import ALL
from tests.fixing.sql import edited, schema_of
from tests.identity.sql import identities_in

AUTH = Target(QName("auth", "users"), ("id",))
USERS = Target(QName("public", "users"), ("id",))
CHANGE = CreateSyncTrigger(AUTH, USERS)

MIRRORS = {
    "key alone": "",
    "address": "email text not null",
    "address that is optional": "email text",
    "address of its own": "email text not null unique",
    "name": "name text not null, full_name varchar(10) not null",
    "handle": "username text unique not null",
    "plain values": "admin boolean not null, points int not null, tags text[] not null, seen timestamptz not null",
    "defaults": "email text not null default '', created_at timestamptz not null default now()",
    "under an index": "email text not null, x int); create unique index on public.users (lower(email)",
    "optional under an index": "email text, x int); create unique index on public.users (lower(email)",
    "a checked address": "email text not null check (email like '%@%')",
    "a checked address of its own": "email text not null unique check (email like '%_@_%' and email <> '')",
    "a telephone number": "phone text not null unique",
    "a listed value": "role text not null check (role in ('b''s', 'c'))",
    "a checked name": "name text not null check (char_length(name) >= 4)",
    "a checked option": "full_name text check (length(full_name) > 5)",
    "an enumerated type": "role public.role not null",
    "a domain": "nick public.nick not null",
}


def project(columns: str) -> str:
    inside = f", {columns}" if columns else ""
    return (
        "create type public.role as enum ('guest', 'host');\ncreate domain public.nick as text default 'nobody';\n"
        f"create table public.users (id uuid primary key references auth.users on delete cascade{inside});\n"
        "create table public.songs (by uuid references public.users (id) on delete cascade);\n"
    )


SIGN_UPS = (
    (None, "{}"),
    ("a@example.org", '{"full_name": "A very long name indeed", "user_name": "a"}'),
    ("b@example.org", '{"full_name": "  "}'),
    ("c@example.org", "[]"),
    ("same@example.org", '{"name": "é"}'),
    ("same@example.org", "{}"),
)


@pytest.mark.parametrize("columns", [columns for name, columns in MIRRORS.items() if name != "a domain"])
def test_every_sign_up_gets_its_row(columns: str, server: Server, database: str) -> None:
    text = edited(project(columns), [CHANGE])
    with server.connect(database, server.superuser) as session:
        for number, (email, data) in enumerate(SIGN_UPS):
            if number == 0:
                session.run("set role postgres; set check_function_bodies = on;" + text + "; reset role")
            session.run(
                "insert into auth.users (id, email, raw_user_meta_data, is_sso_user) values "
                f"(gen_random_uuid(), {'null' if email is None else literal(email)}, {literal(data)}, true)"
            )
        count = "select (select count(*) from auth.users), (select count(*) from public.users)"
        assert session.rows(count) == [(len(SIGN_UPS), len(SIGN_UPS))]


@pytest.mark.parametrize("columns", list(MIRRORS.values()))
def test_no_rule_finds_fault_with_it(columns: str) -> None:
    if "nick" in columns:
        columns = columns.replace("nick public.nick not null", "nick public.nick")
    schema = schema_of(edited(project(columns), [CHANGE]))
    identities = identities_in(schema)
    found = [
        (rule.id, problem.cause)
        for rule in ALL
        for problem in rule.check(schema, identities)
        if rule.id not in ("unindexed-foreign-key", "undeclared-reference")
    ]
    assert found == []
    [mirror] = identities.all[0].mirrors
    assert mirror.complete


def test_a_login_rewrites_nothing_and_a_new_address_is_followed(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("set role postgres;" + edited(project("email text not null"), [CHANGE]) + "; reset role")
        session.run("insert into auth.users (id, email) values (gen_random_uuid(), 'old@example.org')")
        place = session.value("select ctid::text from public.users")
        session.run("update auth.users set last_sign_in_at = now()")
        session.run("update auth.users set email = email")
        assert session.value("select ctid::text from public.users") == place
        session.run("update auth.users set email = 'new@example.org'")
        assert session.value("select email from public.users") == "new@example.org"


def test_nobody_may_call_the_function(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("set role postgres;" + edited(project(""), [CHANGE]) + "; reset role")
        for role in ("anon", "authenticated", "service_role"):
            allowed = "select has_function_privilege(%s, 'public.sync_users()', 'execute')"
            assert session.value(allowed, [role]) is False
        settings = "select prosecdef, proconfig from pg_proc where proname = 'sync_users'"
        assert session.rows(settings) == [(True, ['search_path=""'])]


def test_names_that_are_taken_are_left_alone() -> None:
    text = project("") + "create function public.sync_users() returns int language sql as 'select 1';\n"
    found = compose(schema_of(text), CHANGE)
    assert found.function == QName("public", "sync_users_2")


def test_what_has_a_default_is_left_to_it() -> None:
    values, questions = sync_values(schema_of(project(MIRRORS["defaults"])), CHANGE, {})
    assert [value.column for value in values] == ["id"]
    assert questions == ()


def test_a_guess_is_a_question_and_an_answer_wins() -> None:
    schema = schema_of(project(MIRRORS["an enumerated type"]))
    _, [question] = sync_values(schema, CHANGE, {})
    assert (question.id, question.answer) == ("value public.users.role", "'guest'")
    values, _ = sync_values(schema, CHANGE, {question.id: "'host'"})
    assert values[1].expression == "'host'"


def test_what_stands_in_for_an_address_is_a_question() -> None:
    """'' where rows may share it, the account's id where they may not, and an address where only that is taken."""
    recommended = {
        "email text not null": "''",
        "phone text not null": "''",
        "email text not null unique": "new.id::text",
        "email text not null check (email <> '')": "new.id::text",
        "email text not null check (email like '%@%')": "new.id::text || '@users.invalid'",
        "email text not null check (public.is_address(email))": None,
    }
    for columns, answer in recommended.items():
        text = "create function public.is_address(text) returns boolean language sql as 'select true';\n"
        _, [question] = sync_values(schema_of(text + project(columns)), CHANGE, {})
        assert question.id.startswith("without public.users."), columns
        assert question.answer == question.recommended == answer, columns


def test_an_answer_may_speak_of_the_account(server: Server, database: str) -> None:
    columns = "email text not null unique, handle text not null"
    answers = {
        "without public.users.email": "'new.' || new.id || '@example.org'",
        "value public.users.handle": "upper(new.id::text)",
    }
    text = edited(project(columns), [CHANGE], answers)
    values = sync_values(schema_of(project(columns)), CHANGE, answers)[0]
    with server.connect(database, server.superuser) as session:
        session.run("set role postgres;" + text + "; reset role")
        session.run("alter table auth.users disable trigger sync_users")
        session.run("insert into auth.users (id) values (gen_random_uuid())")
        session.run(backfill(CHANGE, values))
        session.run("alter table auth.users enable trigger sync_users")
        session.run("insert into auth.users (id) values (gen_random_uuid())")
        wrong = "select from public.users where email <> 'new.' || id || '@example.org' or handle <> upper(id::text)"
        assert session.rows(wrong) == []
        assert session.value("select count(*) from public.users") == 2


def test_a_value_that_a_check_refuses_is_not_recommended() -> None:
    _, [question] = sync_values(schema_of(project("org text not null check (org <> '')")), CHANGE, {})
    assert (question.id, question.answer) == ("value public.users.org", None)
