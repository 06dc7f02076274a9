from __future__ import annotations

from referee.model.fixtures import FixtureFile, FixtureKind
from referee.model.names import QName
from referee.model.source import Source
from referee.platforms import platform
from referee.read.fixtures import read_fixtures
from referee.read.replay import replay

SUPABASE = platform("supabase")
SCHEMA = replay(
    [
        Source(
            "1.sql",
            "create table public.users (id uuid primary key);"
            'create schema app; create table app."Org\'s" (id uuid primary key references public.users (id));',
        )
    ],
    SUPABASE,
).schema


def read(*texts: str, kind: FixtureKind = "test") -> list[FixtureFile]:
    sources = [(kind, Source(f"{number}.sql", text)) for number, text in enumerate(texts)]
    return list(read_fixtures(sources, SCHEMA, SUPABASE).files)


def filled(file: FixtureFile) -> list[tuple[str, str | None]]:
    """Table and role of each fill."""
    return [(str(fill.table), fill.role) for fill in file.fills]


def test_names_are_looked_up_by_the_path_in_force() -> None:
    (file,) = read(
        'insert into users values (1); insert into app."Org\'s" values (1); insert into nowhere values (1);'
        "create function f() returns void language sql set search_path = auth as 'insert into users (id) values (1)';"
    )
    assert [str(fill.table) for fill in file.fills] == ["public.users", 'app."Org\'s"', "auth.users"]
    assert file.makers == {"public.f"}


def test_the_role_that_is_taken_writes_what_follows() -> None:
    (file,) = read(
        "insert into users values (1); set local role authenticated; insert into users values (2);"
        "reset role; insert into users values (3);"
    )
    assert filled(file) == [("public.users", None), ("public.users", "authenticated"), ("public.users", None)]
    assert file.roles == {"authenticated"}


def test_the_role_of_migrations_is_nobodys() -> None:
    (file,) = read("set role postgres; insert into users values (1);")
    assert filled(file) == [("public.users", None)]
    assert file.roles == frozenset()


def test_helpers_of_one_file_act_in_the_next() -> None:
    helpers = """
    create function tests.person() returns uuid language sql as 'insert into auth.users default values';
    create function tests.become(u uuid) returns void language plpgsql as $$
    begin perform set_config('role', 'authenticated', true); end $$;
    create function tests.nobody() returns void language sql as 'select set_config(''role'', ''none'', true)';
    """
    first, second = read(
        helpers,
        "select tests.person(); select tests.become(null); insert into users values (1);"
        "select tests.nobody(); insert into users values (2);",
    )
    assert first.makers == {"tests.person"}
    assert second.makers == {"1.sql"}
    assert filled(second) == [("public.users", "authenticated"), ("public.users", None)]


def test_known_helpers_of_others_count() -> None:
    (file,) = read(
        "select tests.create_supabase_user('a'); select tests.authenticate_as('a'); insert into users values (1);"
    )
    assert file.makers == {"0.sql"}
    assert filled(file) == [("public.users", "authenticated")]


def test_the_function_of_a_trigger_is_no_fixture() -> None:
    (file,) = read(
        "create function f() returns trigger language plpgsql as $$ begin insert into users values (1); end $$;"
        "create function g() returns void language sql as 'insert into users values (1)'; select g();"
    )
    assert [fill.unit for fill in file.fills] == ["public.g"]
    assert file.calls == {"g"}


def test_an_update_fills_nothing() -> None:
    (file,) = read("update users set id = id")
    assert file.fills == ()
    assert file.place is not None


def test_what_is_switched_off() -> None:
    (file,) = read(
        "set session_replication_role = replica; alter table auth.users disable trigger all;"
        "set session_replication_role = origin; alter table nowhere disable trigger all;"
    )
    assert [(bypass.kind, bypass.table, bypass.trigger) for bypass in file.bypasses] == [
        ("replica", None, None),
        ("triggers", QName("auth", "users"), "all"),
    ]


def test_places_are_those_of_the_file() -> None:
    text = "-- 🥁\ninsert into users values (1);"
    fixtures = read_fixtures([("seed", Source("seed.sql", text))], SCHEMA, SUPABASE)
    location = fixtures.origins.location(fixtures.files[0].fills[0].place)
    assert location is not None
    assert (str(location), location.end_line) == ("seed.sql:2:1", 2)
