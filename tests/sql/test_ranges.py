"""Ends of list items, INTO clauses and folded names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.sql import ranges


def inside(text: str) -> list[str]:
    return [text[start:end] for start, end in ranges.items_in_parentheses(text, text.index("("))]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("(a, b)", ["a", "b"]),
        ("( f(a, b) , c[1, 2] ) , d", ["f(a, b)", "c[1, 2]"]),
        ("('a,b', E'it\\'s, ok', \"x,)y\")", ["'a,b'", "E'it\\'s, ok'", '"x,)y"']),
        ("($$a,)b$$, $t$ , $$ ) $t$, $1)", ["$$a,)b$$", "$t$ , $$ ) $t$", "$1"]),
        ("(a -- first, really\n , /* (b, */ c /* /* nested */ ) */)", ["a", "c"]),
        ("('😀', '日本', x)", ["'😀'", "'日本'", "x"]),
        ("(a - b, c / d, type'e')", ["a - b", "c / d", "type'e'"]),
        ("()", [""]),
        ("(a, 'never closed, b)", ["a", "'never closed, b)"]),
        ("(a, b", ["a", "b"]),
    ],
)
def test_items_in_parentheses(text: str, items: list[str]) -> None:
    assert inside(text) == items


@pytest.mark.parametrize(
    ("text", "item"),
    [
        (" a + 1, b", "a + 1"),
        ("a is distinct from b from c", "a is distinct from b"),
        ("a IS NOT DISTINCT\n FROM b where c", "a IS NOT DISTINCT\n FROM b"),
        ("case when a then b end where c", "case when a then b end"),
        (
            "case when a then case b when 1 then 2 end else 3 end when matched",
            "case when a then case b when 1 then 2 end else 3 end",
        ),
        ("percentile_cont(0.5) within group (order by x) from t", "percentile_cont(0.5) within group (order by x)"),
        ("new.from, b", "new.from"),
        ("(select 1 from t where u) returning id", "(select 1 from t where u)"),
        ("'from' || \"where\" -- from\n from t", "'from' || \"where\""),
        ("a)", "a"),
        ("a; b", "a"),
        ("fromage from t", "fromage"),
        ("x$from from t", "x$from"),
    ],
)
def test_item_ends_at_a_comma_or_a_clause(text: str, item: str) -> None:
    start, end, _ = ranges.item(text, 0)
    assert text[start:end] == item


@pytest.mark.parametrize(
    ("text", "without"),
    [("a as b", "a"), ("a b", "a"), ('f(x) AS "Mixed ""b"""', "f(x)"), ("count(*)c", "count(*)"), ("a as  as_", "a")],
)
def test_without_alias(text: str, without: str) -> None:
    assert text[: ranges.without_alias(text, 0, len(text))] == without


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [
        ("  a  ", "a"),
        ("", ""),
        ("   ", ""),
        ("-- only a comment", ""),
        ("/* a */ b /* c */", "b"),
        ("a -- b\n + c -- d", "a -- b\n + c"),
        ("'-- no comment'", "'-- no comment'"),
        ("a /* b", "a /* b"),
        # Postgres takes a no-break space for a letter.
        (" \u00a0a\t", "\u00a0a"),
    ],
)
def test_trim(text: str, trimmed: str) -> None:
    start, end = ranges.trim(text, 0, len(text))
    assert text[start:end] == trimmed


@pytest.mark.parametrize(
    ("text", "clause", "targets"),
    [
        ("select a into b from t", "into b", ("b",)),
        ('select a, b INTO STRICT x , NEW."Y" from t', 'INTO STRICT x , NEW."Y"', ("x", "new.Y")),
        ("select into r a, b from t", "into r", ("r",)),
        ("insert into t values (1) returning id into v", "into v", ("v",)),
        ("with i as (insert into t values (1)) select 1 into x.y[1]", "into x.y[1]", ("x.y",)),
        ("select 'into z' as \"into\", a into /* here */ v from t -- into w", "into /* here */ v", ("v",)),
        ("merge into t using s on true when matched then delete returning id into v", "into v", ("v",)),
    ],
)
def test_into_clause(text: str, clause: str, targets: tuple[str, ...]) -> None:
    found = ranges.into_clause(text)
    assert found is not None
    (start, end), names = found
    assert (text[start:end], names) == (clause, targets)


@pytest.mark.parametrize(
    "text",
    [
        "insert into t values ('x into y')",
        "insert\n-- c\ninto t values (1)",
        "INSERT INTO into_table SELECT 1",
        "merge into t using s on true when matched then delete",
        "import foreign schema a from server b into c",
        "select t.into from t",
        "select 1",
    ],
)
def test_no_into_clause(text: str) -> None:
    assert ranges.into_clause(text) is None


def test_first_row_is_found_behind_whatever_precedes_it() -> None:
    for text in (
        "t (a, b) values (1, 2)",
        't as x ("A", "values") overriding user value values (1, 2)',
        "t (a) /* values (3) */ VALUES\n(1, 2)",
    ):
        opening = ranges.first_row(text, ranges.name_end(text, 0))
        assert text[opening:] == "(1, 2)"
    assert ranges.first_row("t select 1", 1) == -1


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("NEW.Created_By", "new.created_by"),
        ('"A"".b".C', 'A".b.c'),
        ("x[1].y", "x.y"),
        ("$1", "$1"),
        ("Ünï.x", "ünï.x"),
    ],
)
def test_folded(name: str, folded: str) -> None:
    assert ranges.folded(name) == folded


@given(st.text(alphabet="abcefE(),;[]'\"$-*/ \n\\=.😀é", max_size=60))
def test_any_text_has_ranges_within_itself(text: str) -> None:
    start, end, stop = ranges.item(text, 0)
    assert 0 <= start <= end <= max(stop, start) <= len(text)
    assert all(0 <= first <= last <= len(text) for first, last in ranges.items_in_parentheses("(" + text, 0)[:-1])
    ranges.into_clause("select 1 into " + text)
    ranges.first_row(text, 0)
    ranges.value_after_equals(text, 0)
    assert 0 <= ranges.closing(text, 0) <= len(text)
