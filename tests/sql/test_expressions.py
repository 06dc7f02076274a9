"""Expressions as they are read, and what rules ask of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referee.sql.expressions import (
    is_session_identity,
    may_be_null,
    read_expression,
    read_values,
    session_identity_in,
    translate,
    walk,
)
from referee.sql.parse import SqlSyntaxError, char_offsets, parse
from referee.sql.translation import MAX_DEPTH
from referee.sql.tree import Call, Case, Cast, Column, Expr, Literal, Operator, Other, Subquery

A, B = Column(("a",), 0), Literal("b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", A),
        ("NEW.Id", Column(("new", "id"), 0)),
        ('"NEW"."Id"', Column(("NEW", "Id"), 0)),
        ("(NEW).id", Column(("new", "id"), 1)),
        ("t.*", Column(("t", "*"), 0)),
        ("$2", Column(("$2",), 0)),
        ("''", Literal("")),
        ("E'it\\'s'", Literal("it's")),
        ("0", Literal("0", "number")),
        ("-1", Literal("-1", "number")),
        ("1.50", Literal("1.50", "number")),
        ("true", Literal("true", "boolean")),
        ("false", Literal("false", "boolean")),
        ("null", Literal(None, "null")),
        ("b'101'", Literal("101")),
        ("auth.uid()", Call("auth", "uid", (), 0)),
        ("Now()", Call(None, "now", (), 0)),
        ("current_timestamp", Call(None, "current_timestamp", (), 0)),
        ("current_timestamp(3)", Call(None, "current_timestamp", (), 0)),
        ("CURRENT_USER", Call(None, "current_user", (), 0)),
        ("coalesce(a, 'b')", Call(None, "coalesce", (Column(("a",), 9), B), 0)),
        ("greatest(a, 'b')", Call(None, "greatest", (Column(("a",), 9), B), 0)),
        ("least(a)", Call(None, "least", (Column(("a",), 6),), 0)),
        ("nullif(a, 'b')", Call(None, "nullif", (Column(("a",), 7), B), 0)),
        ("row(a)", Call(None, "row", (Column(("a",), 4),), 0)),
        ("count(*)", Call(None, "count", (Column(("*",)),), 0)),
        ("f(x => a)", Call(None, "f", (Operator("=>", (Literal("x"), Column(("a",), 7))),), 0)),
        ("json_object('b': a)", Call(None, "json_object", (B, Column(("a",), 17)), 0)),
        ("a::int", Cast(A, None, "int4", 3)),
        ("a::public.kind", Cast(A, "public", "kind", 3)),
        ("a::text[]", Cast(A, None, "text[]", 3)),
        ("cast(a as varchar(10))", Cast(Column(("a",), 5), None, "varchar", 10)),
        ("a = 'b'", Operator("=", (A, B))),
        ("a != 'b'", Operator("<>", (A, B))),
        ("- a", Operator("-", (Column(("a",), 2),))),
        ("a -> 'b'", Operator("->", (A, B))),
        ("a operator(extensions.@>) 'b'", Operator("@>", (A, B))),
        ("a and b and c", Operator("and", (A, Column(("b",), 6), Column(("c",), 12)))),
        ("not a", Operator("not", (Column(("a",), 4),))),
        ("a is null", Operator("is null", (A,))),
        ("a is not null", Operator("is not null", (A,))),
        ("a is not true", Operator("is not true", (A,))),
        ("a is distinct from 'b'", Operator("is distinct from", (A, B))),
        ("a is not distinct from 'b'", Operator("is not distinct from", (A, B))),
        ("a in ('b', 'b')", Operator("in", (A, B, B))),
        ("a not in ('b')", Operator("not in", (A, B))),
        ("a between 'b' and 'b'", Operator("between", (A, B, B))),
        ("a not between 'b' and 'b'", Operator("not between", (A, B, B))),
        ("a like 'b'", Operator("like", (A, B))),
        ("a ~~ 'b'", Operator("like", (A, B))),
        ("a not ilike 'b'", Operator("not ilike", (A, B))),
        ("a = any (b)", Operator("any", (A, Column(("b",), 9)))),
        ("a > any (b)", Operator("> any", (A, Column(("b",), 9)))),
        ("a <> all (b)", Operator("<> all", (A, Column(("b",), 10)))),
        ("array['b']", Operator("array", (B,))),
        ("a[1]", Operator("[]", (A, Literal("1", "number")))),
        ("a || 'b' || 'b'", Operator("||", (A, B, B))),
        ('a collate "C"', A),
        ("case when a then 'b' end", Case((Column(("a",), 10),), (B,))),
        ("case a when 'b' then 'b' else a end", Case((B,), (B,), Column(("a",), 30), Column(("a",), 5))),
    ],
)
def test_read_expression(text: str, expected: Expr) -> None:
    assert read_expression(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "sources"),
    [
        ("(select a from t)", "scalar", ["t"]),
        ("exists (select 1 from t join u on true)", "exists", ["t", "u"]),
        ("a in (select b from t)", "in", ["t"]),
        ("a = any (select b from t)", "in", ["t"]),
        ("a <> all (select b from t)", "all", ["t"]),
        ("array(select b from t)", "array", ["t"]),
        # PL/pgSQL takes clauses behind an expression; an expression of SQL cannot have them.
        ("count(*) from t", "scalar", ["t"]),
    ],
)
def test_subqueries(text: str, kind: str, sources: list[str]) -> None:
    found = read_expression(text)
    assert isinstance(found, Subquery)
    assert found.kind == kind
    assert [source.name for source in found.query.sources] == sources


def test_other_comparisons_with_subqueries_keep_their_operator() -> None:
    found = read_expression("a < all (select b from t)")
    assert isinstance(found, Operator)
    assert (found.name, found.args[0]) == ("< all", A)
    assert isinstance(found.args[1], Subquery)


@pytest.mark.parametrize(
    "text", ["", " ", "a b c", "a; select b", "a into b", "a, b", "(", "'", "\0", "-- a", "select 1"]
)
def test_what_is_not_one_expression_is_other(text: str) -> None:
    assert read_expression(text) == Other()


@pytest.mark.parametrize(
    "word", ["default", "user", "current_date", "null", "true", "session_user", "select", "coalesce()"]
)
def test_keywords_are_not_taken_for_names(word: str) -> None:
    """Plain names are read without the parser; a keyword must not pass for one."""
    assert not isinstance(read_expression(word), Column)
    assert not isinstance(read_expression(f"{word}.x"), Column)


def test_read_values_shifts_offsets() -> None:
    assert read_values("a, f(b)", 100) == (Column(("a",), 100), Call(None, "f", (Column(("b",), 105),), 103))


def test_read_values_says_where_the_error_is() -> None:
    with pytest.raises(SqlSyntaxError) as caught:
        read_values("a + + ) b")
    assert caught.value.offset == 6


def test_translate_maps_offsets() -> None:
    text = "SELECT '😀' || f(a)"
    tree = parse(text)[0]["stmt"]["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
    found = translate(tree, char_offsets(text))
    assert isinstance(found, Operator)
    assert found.args[1] == Call(None, "f", (Column(("a",), text.index("a)")),), text.index("f("))


def test_a_filter_and_a_window_are_kept_beside_the_call() -> None:
    for text in ("count(a) filter (where auth.uid() = a)", "lag(a) over (partition by auth.uid())"):
        found = read_expression(text)
        assert isinstance(found, Other)
        assert isinstance(found.children[0], Call)
        assert session_identity_in(found) == Call("auth", "uid", (), text.index("auth"))


def test_long_chains_stay_flat() -> None:
    for operator in ("||", "and", "or"):
        found = read_expression(f" {operator} ".join(["a"] * 400))
        assert isinstance(found, Operator)
        assert len(found.args) == 400


@pytest.mark.parametrize(
    "text", ["(" * 3000 + "a" + ")" * 3000, "- " * 3000 + "a", "f(" * 3000 + ")" * 3000, " + ".join("a" * 3000)]
)
def test_what_is_nested_too_deeply_is_other(text: str) -> None:
    # Parentheses alone leave no trace in the tree; the rest is deeper than MAX_DEPTH.
    assert read_expression(text) == (Column(("a",), 3000) if text.startswith("(") else Other())


def test_nesting_up_to_the_limit_is_read() -> None:
    depth = MAX_DEPTH - 2
    found = read_expression("f(" * depth + "a" + ")" * depth)
    assert Column(("a",), 2 * depth) in list(walk(found))


names = st.sampled_from(
    ["a", "New.b", 'x."Mixed ""q"""', '"select"', "été", '"mem""bers"', '"😀"', '"org;id"', "x" * 70]
)
leaves = st.one_of(names, st.sampled_from(["'it''s 😀'", "$$it's$$", "1", "null", "E'\\n'", "/* 😀 */ 1"]))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "||", "->>", "=", "and", "is distinct from"]), inner).map(
            lambda parts: f"({' '.join(parts)})"
        ),
        st.lists(inner, max_size=3).map(lambda args: f"call_me({', '.join(args)})"),
        inner.map(lambda arg: f"({arg})::text"),
        inner.map(lambda arg: f"(select {arg} -- é\n from t where {arg} is null)"),
        st.lists(inner, min_size=1, max_size=3).map(lambda items: f"a in ({', '.join(items)})"),
    ),
    max_leaves=8,
)


@given(trees)
@settings(max_examples=200, deadline=None)
def test_offsets_point_at_the_names_they_claim(text: str) -> None:
    found = read_expression(text)
    for expr in walk(found):
        if isinstance(expr, Column):
            first = expr.parts[0]
            there = text[expr.start :]
            assert there.startswith('"') or there[: len(first)].lower() == first
        elif isinstance(expr, Call):
            assert text[expr.start :].startswith("call_me(")
        elif isinstance(expr, Cast):
            assert text[expr.start :].startswith("text")


@given(st.text(max_size=40) | st.text(alphabet="abc().,'\"$:-*/=<>| \n😀", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_without_an_exception(text: str) -> None:
    found = read_expression(text)
    assert next(walk(found)) is found


# Who is asking


@pytest.mark.parametrize(
    "text",
    [
        "auth.uid()",
        "AUTH.UID()",
        "uid()",
        "(select auth.uid())",
        "( SELECT auth.uid() AS uid)",
        "auth.uid()::text",
        "(auth.jwt() ->> 'sub')::uuid",
        "((select auth.jwt()) ->> 'sub')::uuid",
        "(auth.jwt() ->> 'sub'::text)",
        "auth.jwt() #>> '{sub}'",
        "current_setting('request.jwt.claim.sub')::uuid",
        "current_setting('request.jwt.claim.sub', true)::uuid",
        "nullif(current_setting('request.jwt.claim.sub', true), '')::uuid",
        "(current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid",
        "(current_setting('request.jwt.claims'::text, true)::json ->> 'sub')::uuid",
        "(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid",
        # The definition of auth.uid() itself.
        (
            "coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),"
            " (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid"
        ),
    ],
)
def test_is_session_identity(text: str) -> None:
    assert is_session_identity(read_expression(text))


@pytest.mark.parametrize(
    "text",
    [
        "new.id",
        "auth.uid(1)",
        "other.uid()",
        "auth.role()",
        "auth.jwt()",
        "auth.jwt() ->> 'email'",
        "auth.jwt() -> 'user_metadata' ->> 'sub'",
        "auth.jwt() ->> new.claim",
        "coalesce(auth.uid(), new.id)",
        "coalesce(new.id, auth.uid())",
        "(select auth.uid() from t)",
        "(select auth.uid() where false)",
        "(select id from users where id = auth.uid())",
        "auth.uid() = a",
        "current_setting('app.user', true)",
        "current_setting(a)",
        "x.current_setting('request.jwt.claim.sub')",
        "array[auth.uid()]",
    ],
)
def test_is_not_session_identity(text: str) -> None:
    assert not is_session_identity(read_expression(text))


@pytest.mark.parametrize(
    "text",
    [
        "coalesce(new.id, auth.uid())",
        "(select id from users where id = (select auth.uid()))",
        "exists (with m as (select * from members where user_id = auth.uid()) select 1 from m)",
        "case when auth.uid() is null then a end",
        "(select a from t group by auth.uid())",
        "(select a from t order by auth.uid() limit 1)",
        "(select f from rows_of(auth.uid()) as f)",
        "(select a from t union select auth.uid())",
    ],
)
def test_session_identity_is_found_wherever_it_stands(text: str) -> None:
    found = session_identity_in(read_expression(text))
    assert found is not None
    assert is_session_identity(found)


def test_session_identity_is_not_found_where_there_is_none() -> None:
    assert session_identity_in(read_expression("(select id from users where id = new.id)")) is None


# NULL: names that start with n may be NULL


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("null", True),
        ("'x'", False),
        ("a", False),
        ("n", True),
        ("new.n", True),
        ("n::text", True),
        ("a::text", False),
        ("coalesce(n, 'x')", False),
        ("coalesce(n, n)", True),
        ("coalesce(n, a)", False),
        ("coalesce(n, null)", True),
        ("greatest(n, a)", False),
        ("nullif(a, 'x')", True),
        ("a ->> 'x'", True),
        ("a -> 'x'", True),
        ("a || n", True),
        ("a || 'x'", False),
        ("a + 1 > 2", False),
        ("concat(a, n)", False),
        ("concat_ws(' ', n, n)", False),
        ("split_part(a, '@', 1)", False),
        ("split_part(n, '@', 1)", True),
        ("coalesce(a ->> 'name', split_part(a, '@', 1))", False),
        ("lower(trim(n))", True),
        ("substring(a from 1 for 3)", False),
        ("substring(a from '@(.*)$')", True),
        ("unknown_function(a)", False),
        ("unknown_function(n)", True),
        ("now()", False),
        ("current_timestamp", False),
        ("gen_random_uuid()", False),
        ("auth.uid()", True),
        ("current_setting('x', true)", True),
        ("max(a)", True),
        ("count(n)", False),
        ("n is null", False),
        ("n is distinct from a", False),
        ("n = a", True),
        ("n in ('x')", True),
        ("array[n]", False),
        ("jsonb_build_object('x', n)", False),
        ("a[1]", True),
        ("case when a then 'x' end", True),
        ("case when a then 'x' else 'y' end", False),
        ("case when a then 'x' else n end", True),
        ("case when n is not null then n else 'x' end", False),
        ("case when n is not null and a then n else 'x' end", False),
        ("case when n is not null or a then n else 'x' end", True),
        ("case when n is null then 'x' else n end", False),
        ("case when n is null or a then 'x' else n end", False),
        ("case when n is null and a then 'x' else n end", True),
        ("case n when 1 then 'x' else n end", True),
        ("(select 'x')", False),
        ("(select n)", True),
        ("(select 'x' from t)", True),
        ("(select 'x' where a)", True),
        ("(select count(*) from t)", False),
        ("(select count(*) from t group by a)", True),
        ("exists (select 1 from t)", False),
        ("array(select n from t)", False),
        ("a in (select n from t)", True),
    ],
)
def test_may_be_null(text: str, expected: bool) -> None:
    assert may_be_null(read_expression(text), lambda column: column.parts[-1].startswith("n")) is expected


def test_what_could_not_be_read_may_be_null() -> None:
    assert may_be_null(Other(), lambda _: False)
