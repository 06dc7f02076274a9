from __future__ import annotations

import pytest

from referee.model.change import AlterColumnType
from referee.model.finding import Severity
from referee.rules.mismatched_key_types import MismatchedKeyTypes
from tests.rules.checking import problems

RULE = MismatchedKeyTypes()


def keys(own: str, other: str, more: str = "") -> str:
    return (
        f"{more}create table public.events (id {other} primary key);"
        f"create table public.tickets (event {own} references public.events (id));"
    )


@pytest.mark.parametrize(
    ("own", "other", "sqlstate"),
    [
        ("integer", "bigint", "22003"),
        ("smallint", "serial", "22003"),
        ("integer", "numeric", "22003"),
        ("varchar(10)", "text", "22001"),
        ("varchar(10)", "varchar(20)", "22001"),
        ("char(10)", "varchar(36)", "22001"),
        ("timestamp", "timestamptz", "23503"),
        ("real", "double precision", "23503"),
    ],
)
def test_a_narrower_column_is_a_warning(own: str, other: str, sqlstate: str) -> None:
    [problem] = problems(RULE, keys(own, other))
    assert problem.severity is Severity.WARNING
    assert sqlstate in problem.consequence
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, AlterColumnType)


@pytest.mark.parametrize(
    ("own", "other"), [("bigint", "integer"), ("text", "varchar(10)"), ("varchar(20)", "varchar(10)")]
)
def test_a_wider_column_is_information(own: str, other: str) -> None:
    [problem] = problems(RULE, keys(own, other))
    assert (problem.severity, problem.remedy) == (Severity.INFO, None)


@pytest.mark.parametrize(
    ("own", "other", "more"),
    [
        ("uuid", "uuid", ""),
        ("integer", "serial", ""),
        ("varchar", "text", ""),
        ("public.key", "uuid", "create domain public.key as uuid;"),
        ("public.key", "uuid", "create domain public.base as uuid; create domain public.key as public.base;"),
    ],
)
def test_the_same_type_by_another_name(own: str, other: str, more: str) -> None:
    assert problems(RULE, keys(own, other, more)) == []


def test_each_column_of_a_composite_key_is_compared() -> None:
    text = (
        "create table public.a (x bigint, y bigint, primary key (x, y));"
        "create table public.b (x bigint, y integer, foreign key (x, y) references public.a (x, y));"
    )
    [problem] = problems(RULE, text)
    assert (problem.columns, problem.key) == (("y",), "y")
