"""Statements as queries: what they write, from which expression, and what they read."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referee.sql.describe import describe
from referee.sql.expressions import read_expression, walk_query
from referee.sql.parse import SqlSyntaxError, parse
from referee.sql.queries import queries_in, read_statement, translate_statement, with_columns
from referee.sql.tree import Assignment, Call, Column, Literal, Other, Query, TableUse


def assigned(query: Query) -> dict[str, str | None]:
    """Each column with the canonical text of its value; None for DEFAULT and unknown."""
    return {one.column: None if one.value is None else describe(one.value) for one in query.assignments}


def tables(query: Query) -> list[str]:
    return [source.name if source.schema is None else f"{source.schema}.{source.name}" for source in query.sources]


def check_places(query: Query, text: str) -> None:
    """Every position in a query points at what it claims."""
    for found in queries_in(query):
        conflict = found.on_conflict.assignments if found.on_conflict is not None else ()
        for one in (*found.assignments, *conflict):
            assert text[one.start : one.end] == one.text if one.start >= 0 else one.text == ""
            there = text[one.column_start :]
            assert there.startswith('"') or there[: len(one.column)].lower() == one.column
        for use in (*found.sources, *((found.target,) if found.target else ())):
            written = text[use.start : use.end].replace('""', '"')
            assert written.endswith((use.name, use.name + '"')) or written.lower().endswith(use.name)


# INSERT


def test_insert_of_values() -> None:
    text = 'insert into public.users as u (id, "E-mail", at) values (new.id, lower(new.email), DEFAULT)'
    query = read_statement(text)
    assert query.action == "insert"
    assert query.target == TableUse("public", "users", "u", 12, 24)
    assert query.rows == "values"
    assert query.assignments == (
        Assignment("id", Column(("new", "id"), 57), "new.id", 57, 63, 31),
        Assignment("E-mail", Call(None, "lower", (Column(("new", "email"), 71),), 65), "lower(new.email)", 65, 81, 35),
        Assignment("at", None, "DEFAULT", 83, 90, 45),
    )
    assert (query.start, query.end) == (0, len(text))


def test_insert_of_several_rows_takes_what_they_agree_on() -> None:
    query = read_statement("insert into t (a, b, c, d) values (1, 'x', now(), default), (1, 'y', now(), default)")
    values = {one.column: one.value for one in query.assignments}
    assert values["a"] == Literal("1", "number")
    assert values["b"] == Other((Literal("x"), Literal("y")))
    assert isinstance(values["c"], Call)
    assert values["d"] is None
    assert [one.text for one in query.assignments] == ["1", "'x'", "now()", "default"]


def test_insert_of_a_select() -> None:
    text = "insert into t (a, b, c) select auth.uid() as who, x.name || ',' label, count(*) from x where x.id = 1"
    query = read_statement(text)
    assert query.rows == "select"
    assert assigned(query) == {"a": "auth.uid()", "b": "x.name || ','", "c": "count(*)"}
    assert [one.text for one in query.assignments] == ["auth.uid()", "x.name || ','", "count(*)"]
    check_places(query, text)
    [rows] = query.nested
    assert tables(rows) == ["x"]
    assert tables(query) == []


def test_behind_a_star_positions_are_unknown() -> None:
    query = read_statement("insert into t (a, b, c) select new.id, x.*, now() from x")
    assert assigned(query) == {"a": "new.id", "b": None, "c": None}
    assert [one.text for one in query.assignments] == ["new.id", "", ""]


def test_insert_of_a_union_takes_what_the_arms_agree_on() -> None:
    query = read_statement("insert into t (a, b) select 1, 2 union select 1, 3")
    assert assigned(query) == {"a": "1", "b": "...(2, 3)"}


def test_the_query_that_supplies_rows_comes_first() -> None:
    query = read_statement("with w as (select 1 from v) insert into t (a) select id from w")
    assert [one.derived for one in query.nested] == [("w",), ()]


def test_insert_without_columns() -> None:
    query = read_statement("insert into t values (new.id, auth.uid())")
    assert not query.columns_given
    assert query.assignments == ()
    assert [describe(value) for value in query.values] == ["new.id", "auth.uid()"]
    completed = with_columns(query, ["id", "owner", "note"])
    assert assigned(completed) == {"id": "new.id", "owner": "auth.uid()"}
    assert [(one.text, one.start) for one in completed.assignments] == [("new.id", 22), ("auth.uid()", 30)]
    given_columns = read_statement("insert into t (id) values (1)")
    assert with_columns(given_columns, ["x"]) is given_columns


def test_insert_of_default_values() -> None:
    query = read_statement("insert into t default values")
    assert (query.rows, query.values, query.assignments) == ("default", (), ())


@pytest.mark.parametrize(
    ("clause", "action", "columns", "constraint"),
    [
        ("on conflict do nothing", "nothing", (), None),
        ("on conflict (id, lower(name)) do nothing", "nothing", ("id",), None),
        ("on conflict on constraint t_pkey do nothing", "nothing", (), "t_pkey"),
        ("on conflict (id) where x do update set a = 1", "update", ("id",), None),
    ],
)
def test_on_conflict(clause: str, action: str, columns: tuple[str, ...], constraint: str | None) -> None:
    text = f"insert into t (id) values (1) {clause}"
    found = read_statement(text).on_conflict
    assert found is not None
    assert (found.action, found.columns, found.constraint) == (action, columns, constraint)
    assert text[found.start :].startswith("on conflict")


def test_on_conflict_update() -> None:
    text = (
        "insert into t as x (id) values (1)"
        " on conflict (id) do update set a = excluded.a, b = x.b + 1 where x.c returning x.d"
    )
    query = read_statement(text)
    assert query.on_conflict is not None
    assert [one.text for one in query.on_conflict.assignments] == ["excluded.a", "x.b + 1"]
    assert query.derived == ("excluded",)
    assert Column(("x", "c"), text.index("x.c")) in query.conditions
    assert [output.name for output in query.outputs] == ["d"]
    check_places(query, text)


# UPDATE, DELETE, MERGE, TRUNCATE


def test_update() -> None:
    text = (
        "update only public.t as x set a = x.b is distinct from y.b, b[1] = default,"
        " c = case when d then 'from' else e end from y join z on z.id = y.id where x.id = y.id returning x.a as q, *"
    )
    query = read_statement(text)
    assert (query.action, query.target and query.target.alias) == ("update", "x")
    assert [one.text for one in query.assignments] == [
        "x.b is distinct from y.b",
        "default",
        "case when d then 'from' else e end",
    ]
    assert [one.value is None for one in query.assignments] == [False, True, False]
    assert tables(query) == ["y", "z"]
    assert [output.name for output in query.outputs] == ["q", None]
    assert len(query.conditions) == 2
    check_places(query, text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("(1, new.x)", ["1", "new.x"]),
        ("row(1, new.x)", ["1", "new.x"]),
        ("(select 1, new.x as y from u)", ["1", "new.x"]),
        ("(1, default)", ["1", None]),
    ],
)
def test_update_of_several_columns_at_once(source: str, expected: list[str | None]) -> None:
    text = f'update t set z = 0, (a, "b") = {source}, c = 3 where d'
    query = read_statement(text)
    assert assigned(query) == {"z": "0", "a": expected[0], "b": expected[1], "c": "3"}
    assert [one.text for one in query.assignments] == ["0", "1", expected[1] or "default", "3"]
    check_places(query, text)


def test_delete() -> None:
    query = read_statement("delete from t using u, (select 1) v where t.id = u.id returning t.id")
    assert (query.action, tables(query), query.derived) == ("delete", ["u"], ("v",))
    assert query.target is not None
    assert query.target.name == "t"


def test_merge() -> None:
    text = (
        "merge into public.t using s on t.id = s.id when matched and s.gone then delete"
        " when matched then update set a = s.a, b = case when s.c then 1 end"
        ' when not matched then insert (id, "values") values (s.id, auth.uid())'
    )
    query = read_statement(text)
    assert (query.action, tables(query)) == ("merge", ["s"])
    assert assigned(query) == {"a": "s.a", "b": "case when s.c then 1 end", "id": "s.id", "values": "auth.uid()"}
    assert len(query.conditions) == 2
    check_places(query, text)


def test_truncate_of_several_tables() -> None:
    found = list(queries_in(read_statement("truncate a, only s.b cascade")))
    assert [(query.action, query.target and query.target.name) for query in found] == [
        ("truncate", "a"),
        ("truncate", "b"),
    ]


# SELECT and scopes


def test_sources_and_derived_names() -> None:
    query = read_statement(
        "select * from a, public.b as bb join c on bb.x = c.x left join lateral (select 1 from d) e on true,"
        " unnest(c.y) f, generate_series(1, 2), g tablesample system (1) natural join h"
    )
    assert tables(query) == ["a", "public.b", "c", "g", "h"]
    assert query.derived == ("e", "f", "generate_series")
    assert [tables(inner) for inner in query.nested] == [["d"]]


def test_ctes_are_no_tables_where_they_are_in_scope() -> None:
    query = read_statement(
        "with a as (select * from b, c), b as (select * from a) select * from a x, b, public.a, (select * from b) y"
    )
    first, second, inner = query.nested
    # The first CTE does not see the second, nor itself.
    assert tables(first) == ["b", "c"]
    assert (tables(second), second.derived) == ([], ("a",))
    assert (tables(inner), inner.derived) == ([], ("b",))
    assert (tables(query), query.derived) == (["public.a"], ("x", "b", "y"))


def test_recursive_ctes_see_themselves_and_each_other() -> None:
    query = read_statement(
        "with recursive a as (select 1 union all select n from a, b), b as (select 1 from t) select * from a"
    )
    assert all("a" not in tables(inner) and "b" not in tables(inner) for inner in queries_in(query))


def test_a_cte_ends_with_its_query() -> None:
    query = read_statement("select * from (with a as (select 1) select * from a) x, a")
    assert tables(query) == ["a"]


def test_ctes_reach_into_subqueries_of_expressions() -> None:
    query = read_statement(
        "with a as (select 1) select (select max(x) from a), b from t where exists (select 1 from a, u)"
    )
    assert [tables(inner) for inner in queries_in(query)] == [["t"], [], [], ["u"]]


def test_writing_ctes() -> None:
    query = read_statement(
        "with n as (insert into t (a) values (auth.uid()) returning id) update u set b = n.id from n"
    )
    assert [inner.action for inner in queries_in(query)] == ["update", "insert"]
    assert assigned(query.nested[0]) == {"a": "auth.uid()"}


def test_clauses_that_are_no_conditions_are_kept_aside() -> None:
    query = read_statement("select a from f(x) group by b having c order by d limit e offset g")
    conditions = [condition for condition in query.conditions if not isinstance(condition, Other)]
    assert [describe(condition) for condition in conditions] == ["c"]
    walked = {expr.parts[0] for expr in walk_query(query) if isinstance(expr, Column)}
    assert walked == set("abcdexg")


def test_set_operations() -> None:
    query = read_statement("select a as x, 1 from t union select b, 1 from u union all (select c, 1 from v) order by x")
    assert [tables(arm) for arm in query.nested] == [["t"], ["u"], ["v"]]
    assert [(output.name, describe(output.value)) for output in query.outputs] == [("x", "...(a, b, c)"), (None, "1")]


def test_a_union_of_hundreds_of_arms() -> None:
    query = read_statement(" union all ".join(f"select {number} from t{number}" for number in range(300)))
    assert len(query.nested) == 300


def test_a_join_of_a_hundred_tables() -> None:
    query = read_statement("select * from t0 " + " ".join(f"join t{n} on t{n}.a = t0.a" for n in range(1, 100)))
    assert tables(query) == [f"t{number}" for number in range(100)]
    assert len(query.conditions) == 99


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("a", "a"),
        ("t.a", "a"),
        ("a as b", "b"),
        ("t.*", None),
        ("f(x)", "f"),
        ("a::text", "a"),
        ("'x'::text", "text"),
        ("1", None),
        ("coalesce(a, b)", "coalesce"),
        ("case when a then b end", "case"),
        ("case when a then 1 else b end", "b"),
        ("(select b from u)", "b"),
        ("exists (select 1)", "exists"),
        ("array(select 1)", "array"),
        ("array[1]", "array"),
        ("count(*) filter (where a)", "count"),
        ("a + b", None),
    ],
)
def test_names_of_outputs(item: str, name: str | None) -> None:
    assert read_statement(f"select {item} from t").outputs[0].name == name


# Other statements


@pytest.mark.parametrize(
    ("text", "action", "target"),
    [
        ("create temp table x (a int)", "ddl", "x"),
        ("create table s.x as select * from t", "ddl", "x"),
        ("create view v as select 1", "ddl", "v"),
        ("drop table x", "ddl", None),
        ("alter table x add column y int", "ddl", None),
        ("grant select on x to y", "ddl", None),
        ("set local search_path = ''", "other", None),
        ("notify x", "other", None),
    ],
)
def test_statements_that_are_no_queries(text: str, action: str, target: str | None) -> None:
    query = read_statement(text)
    assert (query.action, query.target.name if query.target else None) == (action, target)


def test_create_table_as_holds_its_query() -> None:
    assert tables(read_statement("create temp table x as select * from t").nested[0]) == ["t"]
    assert tables(read_statement("explain select * from t").nested[0]) == ["t"]


def test_call() -> None:
    [output] = read_statement("call public.p(auth.uid())").outputs
    assert describe(output.value) == "public.p(auth.uid())"


def test_only_one_statement_is_read() -> None:
    for text in ("", "select 1; select 2", "selec 1"):
        with pytest.raises(SqlSyntaxError):
            read_statement(text)


def test_translate_statement_of_a_script() -> None:
    text = "-- 😀\nselect 1;\n /* é */ insert into t (a) values ('😀'), ('é') ; "
    first, second = (translate_statement(tree, text, 10) for tree in parse(text))
    assert text[first.start - 10 : first.end - 10] == "select 1"
    assert text[second.start - 10 : second.end - 10] == "insert into t (a) values ('😀'), ('é')"
    assert second.assignments[0].start == text.index("'😀'") + 10


hostile = st.sampled_from(
    ["a", '"Org\'s"', '"mem""bers"', '"org;id"', '"select"', '"values"', '"😀 into"', "été", '"a(b"', '"x,y"']
)
blank = st.sampled_from([" ", "\n", " -- it's, 😀 ( values\n", " /* , ) from ' */ ", "\t"])
value = st.sampled_from(
    [
        "1",
        "new.id",
        "'it''s, 😀 )'",
        "$$a,b)$$",
        "f(1, g(2))",
        "E'\\', x'",
        "(select 1 from b)",
        "a is distinct from b",
        "case when a then 'x,' end",
    ]
)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_positions_hold_for_hostile_names_and_comments(data: st.DataObject) -> None:
    columns = data.draw(st.lists(hostile, min_size=1, max_size=4, unique=True))
    values = [data.draw(value) for _ in columns]
    table = data.draw(hostile)

    def spaced(parts: list[str]) -> str:
        return "".join(part + data.draw(blank) for part in parts)

    separated = [word for name in columns for word in (name, ",")][:-1]
    listed = [word for text in values for word in (text, ",")][:-1]
    pairs = [word for name, text in zip(columns, values, strict=True) for word in (name, "=", text, ",")][:-1]
    for text in (
        spaced(
            ["/* 😀 */", "insert", "into", table, "(", *separated, ")", "values", "(", *listed, ")", "returning", "1"]
        ),
        spaced(
            ["insert", "into", table, "(", *separated, ")", "select", *listed, "from", "b", "on conflict do nothing"]
        ),
        spaced(["update", table, "set", *pairs, "from", "b", "where", "c"]),
    ):
        query = read_statement(text)
        assert [one.text for one in query.assignments] == values
        check_places(query, text)
        for one in query.assignments:
            assert one.value is not None
            assert describe(read_expression(one.text)) == describe(one.value)


@given(st.text(alphabet="insertupdaelc ()',.*=\n\"😀;", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = read_statement("select " + text)
    except SqlSyntaxError:
        return
    assert 0 <= query.start <= query.end <= len("select " + text)
