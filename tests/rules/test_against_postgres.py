"""What the rules foretell, tried on a server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import pytest

from referee.model.finding import Confidence
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from referee.rules.mirror_write_blocked import MirrorWriteBlocked
from referee.rules.session_identity_in_key import SessionIdentityInKey
from tests.identity.sql import SYNC
from tests.rules.checking import problems

USER = "00000000-0000-0000-0000-000000000001"


@pytest.fixture
def session(server: Server, database: str) -> Iterator[Session]:
    with server.connect(database) as opened:
        yield opened


@contextmanager
def undone(session: Session) -> Iterator[None]:
    session.run("begin")
    try:
        yield
    finally:
        session.run("rollback")


def outcome(session: Session, *statements: str) -> str:
    """The SQLSTATE of the first statement that fails; "passes" where none does."""
    session.run("savepoint before")
    try:
        for statement in statements:
            session.run(statement)
    except FailedStatementError as failed:
        session.run("rollback to before")
        return failed.report.sqlstate
    return "passes"


# Deletion

ACTIONS = ("no action", "restrict", "cascade", "set null")


def random_schema(seed: int) -> tuple[str, list[str]]:
    """A few tables that hang on each other and on the user, and one row for each, all of the same user."""
    choose = random.Random(seed)
    tables, texts, rows = ["auth.users"], [], [f"insert into auth.users (id) values ('{USER}')"]
    if choose.random() < 0.6:
        action = choose.choice(("cascade", "cascade", "cascade", "no action"))
        texts.append(f"create table public.users (id uuid primary key references auth.users on delete {action});")
        rows.append(f"insert into public.users values ('{USER}')")
        tables.append("public.users")
    for number in range(choose.randint(1, 4)):
        columns = ["id uuid primary key"]
        for name in ("a", "b")[: choose.randint(1, 2)]:
            table = choose.choice(tables)
            not_null = choose.choice(("", "not null"))
            keys = f"references {table} on delete {choose.choice(ACTIONS)}"
            if table == "auth.users" and "public.users" in tables and choose.random() < 0.3:
                keys += f" references public.users on delete {choose.choice(ACTIONS)}"
            columns.append(f"{name} uuid {not_null} {keys}")
        texts.append(f"create table public.t{number} ({', '.join(columns)});")
        rows.append(f"insert into public.t{number} values ({', '.join([repr(USER)] * len(columns))})")
        tables.append(f"public.t{number}")
    return "\n".join(texts), rows


def test_deletions_fail_where_it_is_said(session: Session) -> None:
    outcomes = set()
    for seed in range(80):
        text, rows = random_schema(seed)
        found = problems(BlockedUserDeletion(), text)
        with undone(session):
            session.run(text)
            for row in rows:
                session.run(row)
            result = outcome(session, f"delete from auth.users where id = '{USER}'")
        outcomes.add(result)
        if not found:
            assert result == "passes", text
        if any(problem.confidence is Confidence.CERTAIN for problem in found):
            assert result != "passes", text
            assert any(result in problem.consequence for problem in found), text
    assert outcomes == {"passes", "23503", "23001", "23502"}


# Upserts

TABLE = """
create table public.users (id uuid primary key references auth.users (id), name text);
create table public.bands (owner uuid references public.users (id));
alter table public.users enable row level security;
grant all on public.users to authenticated;
"""
UPSERT = f"insert into public.users values ('{USER}', 'Ann') on conflict (id) do update set name = excluded.name"


def policy(command: str) -> str:
    clause = "with check" if command == "insert" else "using"
    return f"create policy {command}_own on public.users for {command} {clause} (id = auth.uid());\n"


def test_upserts_fail_where_it_is_said(session: Session) -> None:
    commands = ("select", "insert", "update")
    for chosen in (chosen for size in range(4) for chosen in combinations(commands, size)):
        text = TABLE + "".join(map(policy, chosen))
        missing = [problem.key for problem in problems(MirrorWriteBlocked(), text)]
        with undone(session):
            session.run(text)
            session.run(f"insert into auth.users (id) values ('{USER}')")
            session.run(f'set local request.jwt.claims = \'{{"sub": "{USER}"}}\'; set local role authenticated')
            first, second = outcome(session, UPSERT), outcome(session, UPSERT, UPSERT)
        expected = {"insert": ("42501", "42501"), "select": ("42501", "42501"), "update": ("passes", "42501")}
        assert (first, second) == (expected[missing[0]] if missing else ("passes", "passes")), chosen


# Triggers on the source

SIGN_UP = f"insert into auth.users (id, email) values ('{USER}', 'ann@example.org')"
TABLES = """
create table public.users (id uuid primary key references auth.users (id));
create table public.settings (who uuid references public.users (id) {deferred});
"""
SETTLE = """
create function public.settle() returns trigger language plpgsql security definer as $$
begin insert into public.settings (who) values (new.id); return new; end $$;
create trigger {name} {timing} insert on auth.users for each row execute function public.settle();
"""
TWICE = SYNC.replace("  return new;", "  insert into public.settings (who) values (new.id);\n  return new;")


TO_SOURCE = TABLES.format(deferred="").replace("public.users (id) )", "auth.users (id))")
TO_MIRROR = TABLES.format(deferred="")


@pytest.mark.parametrize(
    ("text", "fails"),
    [
        (TO_MIRROR + SYNC + SETTLE.format(name="z", timing="after"), False),
        (TO_MIRROR + SYNC + SETTLE.format(name="a", timing="after"), True),
        (TO_MIRROR + SYNC + SETTLE.format(name="z", timing="before"), True),
        (
            TABLES.format(deferred="deferrable initially deferred") + SYNC + SETTLE.format(name="a", timing="after"),
            False,
        ),
        (TO_SOURCE + SETTLE.format(name="a", timing="after"), False),
        (TO_SOURCE + SETTLE.format(name="a", timing="before"), True),
        (TO_MIRROR + TWICE, False),
        (TO_MIRROR + SETTLE.format(name="a", timing="after"), True),
    ],
)
def test_sign_ups_fail_where_it_is_said(session: Session, text: str, fails: bool) -> None:
    found = problems(SessionIdentityInKey(), text)
    with undone(session):
        session.run(text)
        result = outcome(session, SIGN_UP, "set constraints all immediate")
    assert (bool(found), result) == ((True, "23503") if fails else (False, "passes"))
