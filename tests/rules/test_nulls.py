from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.rules._nulls import ALWAYS, MAYBE, NEVER, UNKNOWN, Facts, Nullness, Truth, assume, nullness, truth, word
from referee.sql.expressions import read_expression

FACTS = Facts(
    nulls={
        ("new", "id"): NEVER,
        ("new", "email"): MAYBE,
        ("new", "phone"): ALWAYS,
        ("new", "meta"): NEVER,
        ("new", "app"): NEVER,
        ("tg_op",): NEVER,
    },
    words={("tg_op",): "INSERT", ("new", "role"): ""},
    documents=frozenset({("new", "meta"), ("new", "app")}),
    keys={(("new", "app"), "provider"): NEVER, (("new", "app"), ""): ALWAYS},
    session=False,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", ALWAYS),
        ("'x'", NEVER),
        ("new.email", MAYBE),
        ("new.phone::text", ALWAYS),
        ("new.something", UNKNOWN),
        ("coalesce(new.phone, new.email)", MAYBE),
        ("coalesce(new.email, '')", NEVER),
        ("coalesce(new.something, new.email)", UNKNOWN),
        ("lower(new.email) || 'x'", MAYBE),
        ("new.email || new.something", MAYBE),
        ("concat(new.phone, 'x')", NEVER),
        ("nullif(new.id, null)", UNKNOWN),
        ("new.meta ->> 'name'", MAYBE),
        ("new.meta -> 'a' ->> 'b'", MAYBE),
        ("new.app ->> 'provider'", NEVER),
        ("new.app ->> 'other'", ALWAYS),
        ("coalesce(new.meta, '{}') ->> 'name'", MAYBE),
        ("new.other ->> 'name'", UNKNOWN),
        ("auth.uid()", ALWAYS),
        ("(select auth.uid())", ALWAYS),
        ("public.anything(new.id)", UNKNOWN),
        ("(select 1 from x)", UNKNOWN),
        ("exists (select 1 from x)", NEVER),
        ("case when new.phone is null then 'a' else null end", NEVER),
        ("case when new.email is null then 'a' else new.email end", NEVER),
        ("case when new.email is null then null else 'a' end", UNKNOWN),
        ("new.phone is null", NEVER),
    ],
)
def test_how_often_a_value_is_null(text: str, expected: Nullness) -> None:
    assert nullness(read_expression(text), FACTS) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tg_op = 'INSERT'", Truth.TRUE),
        ("tg_op <> 'INSERT'", Truth.FALSE),
        ("tg_op in ('UPDATE', 'DELETE')", Truth.FALSE),
        ("tg_op = any (array['INSERT', 'UPDATE'])", Truth.TRUE),
        ("new.phone is null", Truth.TRUE),
        ("new.id is null", Truth.FALSE),
        ("new.email is not null", Truth.SOME),
        ("new.phone = 'x'", Truth.NULL),
        ("not new.phone = 'x'", Truth.NULL),
        ("new.phone = 'x' or tg_op = 'INSERT'", Truth.TRUE),
        ("new.phone = 'x' and tg_op = 'UPDATE'", Truth.FALSE),
        ("new.email is null and new.meta ->> 'a' is null", Truth.UNKNOWN),
        ("new.email = 'x'", Truth.UNKNOWN),
        ("new.role = ''", Truth.TRUE),
        ("new.phone is distinct from new.id", Truth.TRUE),
        ("new.phone is not distinct from null", Truth.TRUE),
        ("(new.phone = 'x') is true", Truth.FALSE),
        ("(new.phone = 'x') is not true", Truth.TRUE),
        ("true", Truth.TRUE),
        ("auth.uid() = new.id", Truth.NULL),
        ("public.anything()", Truth.UNKNOWN),
    ],
)
def test_what_a_condition_comes_to(text: str, expected: Truth) -> None:
    assert truth(read_expression(text), FACTS) is expected


@pytest.mark.parametrize(
    ("condition", "holds", "value", "expected"),
    [
        ("new.email is not null", True, "new.email", NEVER),
        ("new.email is null", False, "lower(new.email)", NEVER),
        ("new.email is null or new.email = ''", False, "new.email", NEVER),
        ("new.email <> '' and true", True, "new.email", NEVER),
        ("length(trim(new.email)) > 0", True, "new.email", NEVER),
        ("not (new.email = '')", True, "new.email", NEVER),
        ("new.meta ? 'name'", True, "new.meta ->> 'name'", NEVER),
        ("new.meta ->> 'name' is not null", True, "new.meta ->> 'other'", MAYBE),
        ("new.email = ''", False, "new.email", MAYBE),
        ("new.email is not null or true", True, "new.email", MAYBE),
    ],
)
def test_what_a_condition_shows(condition: str, holds: bool, value: str, expected: Nullness) -> None:
    given = assume(read_expression(condition), holds, FACTS)
    assert nullness(read_expression(value), given) is expected


def test_an_assignment_ends_what_a_condition_has_shown() -> None:
    given = assume(read_expression("chosen is not null"), True, FACTS)
    assert nullness(read_expression("chosen"), given) is NEVER
    assert nullness(read_expression("chosen"), given.assign(("chosen",), MAYBE)) is MAYBE


def test_words() -> None:
    assert word(read_expression("coalesce(new.phone, 'x')"), FACTS) == "x"
    assert word(read_expression("coalesce(new.email, 'x')"), FACTS) is None
    assert word(read_expression("lower('ABC'::text)"), FACTS) == "abc"


VALUES = st.sampled_from(["new.id", "new.email", "new.phone", "new.something", "'x'", "null", "new.meta ->> 'k'"])


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_coalesce_with_a_constant_is_never_null(values: list[str]) -> None:
    assert nullness(read_expression(f"coalesce({', '.join(values)}, '')"), FACTS) is NEVER


@given(VALUES)
def test_is_null_and_is_not_null_are_opposites(value: str) -> None:
    one, other = (truth(read_expression(f"{value} is {word}"), FACTS) for word in ("null", "not null"))
    opposite = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}
    assert other is opposite.get(one, one)
