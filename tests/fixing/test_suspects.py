"""Errors of a server are traced to the changes that they are about."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referee.fixing.suspects import absent, bringing, doubtful, suspects
from referee.model import change as changes
from referee.model.change import Change
from referee.model.finding import Finding, Note, Problem, Severity
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from tests.fixing.sql import schema_of

AUTH = Target(QName("auth", "users"), ("id",))
USERS = Target(QName("public", "users"), ("id",))
SONGS = QName("public", "songs")
SCHEMA = schema_of(
    "create table public.users (id uuid primary key default gen_random_uuid(), email text);\n"
    "create table public.songs (id int primary key, by uuid references auth.users (id), editor uuid);\n"
    "create table public.plays (song int references public.songs (id));\n"
)
[KEY] = SCHEMA.tables[SONGS].foreign_keys

RETARGET = changes.RetargetForeignKey(KEY, USERS)
IDENTITY = changes.AddIdentityKey(USERS, AUTH)
DEFAULT = changes.DropDefault(Ref("column", "public", "users", "id"))
INDEX = changes.CreateIndex(SONGS, ("by",))
ADDED = changes.AddForeignKey(SONGS, ("editor",), USERS)
ALL: list[Change] = [RETARGET, IDENTITY, DEFAULT, INDEX, ADDED]


@pytest.mark.parametrize(
    ("complaint", "guilty"),
    [
        ('insert or update on table "users" violates foreign key constraint "users_id_fkey" (23503)', [IDENTITY]),
        ('insert or update on table "users" violates foreign key constraint "users_id_fkey1" (23503)', [IDENTITY]),
        ('insert or update on table "songs" violates foreign key constraint "songs_by_fkey" (23503)', [RETARGET]),
        ('null value in column "id" of relation "users" violates not-null constraint (23502)', [IDENTITY, DEFAULT]),
        ('relation "public.songs" does not exist (42P01)', [RETARGET, INDEX, ADDED]),
        ('relation "public.plays" does not exist (42P01)', []),
        ("out of memory", []),
    ],
)
def test_the_names_in_an_error_lead_to_a_change(complaint: str, guilty: list[Change]) -> None:
    assert suspects(ALL, [f"migrations/1.sql: {complaint}"]) == dict.fromkeys(guilty, f"migrations/1.sql: {complaint}")


def test_what_a_server_lacks_is_named() -> None:
    assert [absent(SCHEMA, change) for change in ALL] == [None] * len(ALL)
    bare = schema_of("create table public.users (id uuid primary key); create table public.songs (id int, by uuid);")
    assert str(absent(bare, RETARGET)).startswith("public.songs.songs_by_fkey does not exist on a server")
    assert str(absent(bare, ADDED)).startswith("public.songs.editor does not exist on a server")
    assert absent(bare, INDEX) is None
    nothing = schema_of("select 1;")
    assert str(absent(nothing, INDEX)).startswith("public.songs does not exist on a server")
    function = Ref("function", "public", "sync", "()")
    repair = changes.RepairSyncFunction(function, Ref("trigger", "auth", "users", "sync"), ("mend it",))
    assert str(absent(nothing, repair)).startswith("public.sync() does not exist on a server")


@pytest.mark.parametrize(
    ("worse", "found"),
    [
        ("reference public.songs.songs_editor_fkey", [ADDED]),
        ("insert into public.songs", [ADDED]),
        ("insert into public.plays", [ADDED]),
        ("insert into public.users", []),
        ("flow sign-up by e-mail", []),
        ("deletion", []),
    ],
)
def test_only_keys_that_nobody_had_declared_are_in_doubt(worse: str, found: list[Change]) -> None:
    assert doubtful(SCHEMA, ALL, [worse]) == dict.fromkeys(found, worse)


def test_names_with_spaces_are_read_whole() -> None:
    """A rehearsal's names are told apart by what they begin with."""
    schema = schema_of(
        'create table public.users (id uuid primary key);\ncreate table public."with space" (editor uuid);\n'
    )
    change = changes.AddForeignKey(QName("public", "with space"), ("editor",), USERS)
    worse = ['reference public."with space"."with space_editor_fkey"']
    assert doubtful(schema, [change], worse) == {change: worse[0]}
    assert doubtful(schema, [change], ['insert into public."with space"']) == {
        change: 'insert into public."with space"'
    }


def test_what_is_found_newly_about_a_key_is_traced_to_where_it_leads_now() -> None:
    problem = Problem(
        Ref("column", "public", "songs", "by"),
        "A cause.",
        "A consequence.",
        Severity.ERROR,
        table=SONGS,
        columns=("by",),
    )
    finding = Finding("session-identity-in-key", problem, None, (), "")
    reason = "session-identity-in-key public.songs.by would be found then: A consequence."
    assert bringing(ALL, [finding]) == {RETARGET: reason}
    about_a_function = replace(
        problem,
        object=Ref("function", "public", "f", "()"),
        table=None,
        columns=(),
        related=(Note("a key", Place(KEY.ref)),),
    )
    [(change, _)] = bringing(ALL, [replace(finding, problem=about_a_function)]).items()
    assert change == RETARGET
    elsewhere = replace(problem, object=Ref("column", "public", "songs", "id"), columns=("id",))
    assert bringing(ALL, [replace(finding, problem=elsewhere)]) == {}
