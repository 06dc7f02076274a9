from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.sql.rows import Called, Disabled, Event, Set, Wrote, constant, events


def read(text: str) -> list[Event]:
    return list(events(text))


def written(text: str) -> list[tuple[str, str]]:
    """Unit and table of everything that is written."""
    found = []
    for event in read(text):
        if isinstance(event, Wrote) and event.query.target is not None:
            use = event.query.target
            found.append((event.unit, f"{use.schema}.{use.name}" if use.schema else use.name))
    return found


def test_statements_in_ctes_write_too() -> None:
    text = (
        "with one as (insert into auth.users (id) values (1) returning id) insert into public.users select id from one"
    )
    assert written(text) == [("", "public.users"), ("", "auth.users")]


def test_values_of_columns_are_told_apart() -> None:
    text = "insert into a (b, c, d, e, f) values ('x', null, gen_random_uuid(), '1'::int, default)"
    (event,) = [event for event in read(text) if isinstance(event, Wrote)]
    values = {one.column: constant(one.value) for one in event.query.assignments}
    assert values == {"b": "x", "c": None, "d": ..., "e": "1", "f": ...}


def test_functions_carry_their_name_and_path_and_exact_places() -> None:
    text = (
        'create function tests.make("mem""bers" text) returns void language sql set search_path = app as '
        "'insert into people (name) values (''O''''Neill'')';"
    )
    (event,) = [event for event in read(text) if isinstance(event, Wrote)]
    assert (event.unit, event.path) == ("tests.make", ("app",))
    assert text[event.start :].startswith("insert into people")


def test_blocks_run_at_once() -> None:
    text = "do $$ begin perform 1; insert into a values (1); end $$"
    assert written(text) == [("", "a")]
    (event,) = [event for event in read(text) if isinstance(event, Wrote)]
    assert text[event.start : event.end].startswith("insert into a")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("set local role authenticated", "role", "authenticated"),
        ("set role none", "role", None),
        ("reset role", "role", None),
        ("select set_config('role', 'anon', true)", "role", "anon"),
        ("select set_config('role', who, true) from people", "role", ...),
        ("set session_replication_role to 'replica'", "session_replication_role", "replica"),
        ("set session authorization anon", "session_authorization", "anon"),
    ],
)
def test_settings(text: str, name: str, value: object) -> None:
    found = [(event.name, event.value) for event in read(text) if isinstance(event, Set)]
    assert found == [(name, value)]


def test_roles_that_are_put_together_are_some_role() -> None:
    text = (
        "create function f(r text) returns void language plpgsql as $$ begin execute format('set role %I', r); end $$"
    )
    assert [(event.name, event.value, event.unit) for event in read(text) if isinstance(event, Set)] == [
        ("role", ..., "public.f")
    ]


@pytest.mark.parametrize(
    ("text", "table", "trigger"),
    [
        ("alter table auth.users disable trigger all", "users", "all"),
        ('ALTER TABLE ONLY "Org\'s" DISABLE TRIGGER "mem""bers"', "Org's", 'mem"bers'),
        ("alter table a disable trigger user", "a", "user"),
    ],
)
def test_disabled_triggers(text: str, table: str, trigger: str) -> None:
    (event,) = read(text)
    assert isinstance(event, Disabled)
    assert (event.table, event.trigger) == (table, trigger)


def test_what_an_assertion_runs_is_run_unless_it_is_to_fail() -> None:
    assert written("select lives_ok($$ insert into a (b) values (1) $$, 'fine')") == [("", "a")]
    assert written("select throws_ok($$ insert into a (b) values (1) $$, '42501')") == []


def test_copy_and_long_statements_are_read_by_their_head() -> None:
    rows = ", ".join(["(1, 'x')"] * 5_000)
    assert written(f'insert into "select"."Org" (a, "B") values {rows}') == [("", "select.Org")]
    (event,) = [
        event for event in read("copy auth.users (id, email) from stdin;\n1\ta\n\\.\n") if isinstance(event, Wrote)
    ]
    assert [one.column for one in event.query.assignments] == ["id", "email"]


def test_calls_are_named() -> None:
    calls = [
        (event.schema, event.name)
        for event in read("select tests.sign_in(u) from cast_list")
        if isinstance(event, Called)
    ]
    assert calls == [("tests", "sign_in")]


@given(st.text(alphabet="insertuodcopyw '\"$;()\\\n-", max_size=80))
def test_no_text_stops_the_reading(text: str) -> None:
    for event in events(text):
        assert 0 <= event.start <= event.end <= len(text)
