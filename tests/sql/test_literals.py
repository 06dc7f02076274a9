"""Constants as values of their types."""

from __future__ import annotations

import pytest

from referee.sql.literals import Constant, interval, same_constant


def text(value: str) -> Constant:
    return (value, "string")


def number(value: str) -> Constant:
    return (value, "number")


@pytest.mark.parametrize(
    ("a", "b", "types"),
    [
        (text("x"), text("x"), ()),
        ((None, "null"), (None, "null"), ("text",)),
        (number("5"), text("5"), ("int4",)),
        (number("1000"), number("1e3"), ()),
        (number(".5"), text("0.5"), ("numeric",)),
        (text("t"), ("true", "boolean"), ()),
        (text("off"), text("false"), ("bool",)),
        (text('{"a":1,"b":[]}'), text('{"b": [], "a": 1}'), ("jsonb",)),
        (text("1 hour"), text("01:00:00"), ("interval",)),
        (text("ABCDEF00-0000-0000-0000-000000000000"), text("abcdef00-0000-0000-0000-000000000000"), ("uuid",)),
        (text("2020-01-01"), text("2020-01-01 00:00:00+00"), ("timestamptz",)),
        (text("epoch"), text("1970-01-01 00:00:00+00"), ("timestamptz",)),
        (text("9:00".zfill(5)), text("09:00:00"), ("time",)),
        (text("a_seq"), text("public.a_seq"), ("regclass",)),
        (text('public."A_seq"'), text('"A_seq"'), ("regclass",)),
    ],
)
def test_same_constants(a: Constant, b: Constant, types: tuple[str, ...]) -> None:
    assert same_constant(a, b, frozenset(types))
    assert same_constant(b, a, frozenset(types))


@pytest.mark.parametrize(
    ("a", "b", "types"),
    [
        (text("x"), text("X"), ("text",)),
        ((None, "null"), text(""), ()),
        (text("1"), text("1.0"), ("text",)),
        (number("1"), ("true", "boolean"), ()),
        (number("1"), text("x"), ()),
        (text("NaN"), number("1"), ("numeric",)),
        (text("{bad json"), text("{other bad json"), ("jsonb",)),
        (text("1 month"), text("30 days"), ("interval",)),
        (text("x"), text("y"), ("interval",)),
        (text("today"), text("tomorrow"), ("date",)),
        (text("b_seq"), text("public.a_seq"), ("regclass",)),
        (text("seq"), text("public.a_seq"), ("regclass",)),
        (text('"A_seq"'), text("a_seq"), ("regclass",)),
    ],
)
def test_different_constants(a: Constant, b: Constant, types: tuple[str, ...]) -> None:
    assert not same_constant(a, b, frozenset(types))
    assert not same_constant(b, a, frozenset(types))


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("24 hours", "24:00:00"),
        ("90 minutes", "01:30:00"),
        ("1 week", "7 days"),
        ("1 year 2 months", "1 year 2 mons"),
        ("1.5 hours", "01:30:00"),
        ("-1 day", "-1 days"),
        ("1 day ago", "-1 days"),
        ("-1 day -2 hours", "-1 days -02:00:00"),
        ("2 centuries", "200 years"),
        ("500 ms", "00:00:00.5"),
        ("1d 2h 3m 4s", "1 day 02:03:04"),
    ],
)
def test_intervals(written: str, printed: str) -> None:
    assert interval(written) is not None
    assert interval(written) == interval(printed)


@pytest.mark.parametrize("written", ["", "P1D", "soon", "1", "1 fortnight", "day"])
def test_intervals_that_are_not_known(written: str) -> None:
    assert interval(written) is None
