"""Bodies of any language, and what rules ask of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referee.sql.bodies import (
    MAX_ALTERNATIVES,
    place_of,
    read_body,
    reads,
    remember,
    resolve_variables,
    variable_values,
    writes,
)
from referee.sql.describe import describe
from referee.sql.expressions import read_expression
from referee.sql.tree import Body, BodyGap, Other


def plpgsql(text: str) -> Body:
    body = read_body("plpgsql", text)
    assert body.gaps == ()
    return body


def texts(body: Body, text: str) -> list[str]:
    return [text[step.start : step.end] for step in body.steps]


# Languages


def test_sql() -> None:
    text = "-- 😀\ninsert into t (a) values ('é;');\n\n select $1, $$;$$ ; "
    body = read_body("SQL", text)
    assert (body.language, body.gaps) == ("sql", ())
    assert texts(body, text) == ["insert into t (a) values ('é;')", "select $1, $$;$$"]
    [(step, query)] = writes(body)
    assert text[query.assignments[0].start : query.assignments[0].end] == "'é;'"
    assert step.kind == "query"


def test_one_bad_statement_does_not_lose_the_others() -> None:
    text = "insert into t values (1); insrt into t; update u set a = 1"
    body = read_body("sql", text)
    assert [query.target.name for _, query in writes(body) if query.target] == ["t", "u"]
    [gap] = body.gaps
    assert text[gap.start : gap.end] == "insrt into t"
    assert body.steps[1].query is None


def test_begin_atomic() -> None:
    text = "BEGIN ATOMIC\n  INSERT INTO t (a) VALUES (CASE WHEN b THEN 'é' END);\n  RETURN a + 1; SELECT 2;\nEND"
    body = read_body("sql", text)
    assert body.gaps == ()
    assert texts(body, text) == ["INSERT INTO t (a) VALUES (CASE WHEN b THEN 'é' END)", "RETURN a + 1", "SELECT 2"]
    [(_, query)] = writes(body)
    assert text[query.assignments[0].start : query.assignments[0].end] == "CASE WHEN b THEN 'é' END"
    returned = body.steps[1].query
    assert returned is not None
    assert (returned.start, describe(returned.outputs[0].value)) == (text.index("RETURN"), "a + 1")


def test_a_single_return() -> None:
    body = read_body("sql", "RETURN auth.uid()")
    assert body.gaps == ()
    assert body.steps[0].query is not None
    assert body.steps[0].query.outputs[0].value == read_expression("       auth.uid()")


@pytest.mark.parametrize("language", ["c", "internal", "plv8", "plpython3u", ""])
def test_other_languages_are_a_gap(language: str) -> None:
    body = read_body(language, "return 😀")
    assert body.steps == ()
    [gap] = body.gaps
    assert (gap.start, gap.end) == (0, len("return 😀"))


def test_an_empty_sql_body_does_nothing() -> None:
    assert read_body("sql", " -- nothing\n") == Body("sql")


def test_a_body_is_read_once_and_can_be_remembered() -> None:
    assert read_body("sql", "select 'read once'") is read_body("sql", "select 'read once'")
    known = Body("plpgsql", gaps=(BodyGap("from the cache", 0, 1),))
    remember("plpgsql", "BEGIN remembered := 1; END", known)
    assert read_body("plpgsql", "BEGIN remembered := 1; END") is known


def test_bodies_survive_the_cache() -> None:
    text = """DECLARE v uuid := auth.uid(); BEGIN
      IF v IS NULL THEN RETURN NEW; END IF;
      INSERT INTO t AS x (a, b) SELECT coalesce(v, u.id), '😀' FROM u WHERE exists (SELECT 1 FROM w)
        ON CONFLICT (a) DO UPDATE SET b = excluded.b RETURNING a INTO v;
      EXECUTE 'x' USING v;
    EXCEPTION WHEN others THEN RAISE;
    END"""
    body = plpgsql(text)
    assert msgspec.json.decode(msgspec.json.encode(body), type=Body) == body
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=Body) == body


# What a body does


def test_writes_finds_those_in_ctes_and_in_truncate() -> None:
    body = plpgsql(
        """BEGIN
          WITH n AS (INSERT INTO a (x) VALUES (1) RETURNING x), m AS (DELETE FROM b) UPDATE c SET y = n.x FROM n;
          FOR r IN UPDATE d SET z = 1 RETURNING * LOOP
            TRUNCATE e, f;
          END LOOP;
          CREATE TEMP TABLE g AS SELECT 1;
          RETURN QUERY INSERT INTO h VALUES (1) RETURNING *;
        END"""
    )
    found = [(query.action, query.target.name) for _, query in writes(body) if query.target]
    assert found == [
        ("update", "c"),
        ("insert", "a"),
        ("delete", "b"),
        ("update", "d"),
        ("truncate", "e"),
        ("truncate", "f"),
        ("insert", "h"),
    ]


def test_reads_finds_queries_wherever_they_stand() -> None:
    body = plpgsql(
        """DECLARE v int := (SELECT 1 FROM in_default);
        BEGIN
          IF EXISTS (SELECT 1 FROM in_condition) THEN NULL; END IF;
          new.a := (SELECT max(x) FROM in_assignment WHERE x IN (SELECT y FROM in_subquery));
          INSERT INTO t SELECT * FROM in_insert;
          PERFORM 1 FROM in_perform;
          FOR r IN SELECT * FROM in_loop LOOP NULL; END LOOP;
          RAISE EXCEPTION '%', (SELECT 1 FROM in_raise);
          RETURN (SELECT 1 FROM in_return);
        END"""
    )
    found = {source.name for _, query in reads(body) for source in query.sources}
    where = ("default", "condition", "assignment", "subquery", "insert", "perform", "loop", "raise", "return")
    assert found == {f"in_{place}" for place in where}
    assert next(step for step, query in reads(body) if query.sources[0].name == "in_default").text == "v"


def test_place_of() -> None:
    text = """BEGIN
      new.created_by := auth.uid() ;
      INSERT INTO t (a, b) VALUES (1, auth.uid()) ON CONFLICT (a) DO UPDATE SET b = auth.uid();
      UPDATE t SET a = 'é' , b = auth.uid() WHERE c;
      UPDATE t SET (a, b) = (1, auth.uid());
    END"""
    assign, insert, update, together = plpgsql(text).steps

    def place(step: int, *path: int) -> str:
        found = (assign, insert, update, together)[step]
        assignments = found.query.assignments if found.query else ()
        start, end = place_of(found, assignments[path[0]] if path else None)
        return text[start:end]

    assert place(0) == "new.created_by := auth.uid()"
    assert place(1, 1) == "auth.uid()"
    assert place(2, 0) == "a = 'é'"
    assert place(2, 1) == "b = auth.uid()"
    assert place(3, 1) == "auth.uid()"
    assert insert.query is not None
    assert insert.query.on_conflict is not None
    start, end = place_of(insert, insert.query.on_conflict.assignments[0])
    assert text[start:end] == "b = auth.uid()"


def test_place_of_an_assignment_in_a_returned_query() -> None:
    text = "BEGIN RETURN QUERY UPDATE t SET b = auth.uid() RETURNING *; END"
    [step] = plpgsql(text).steps
    assert step.query is not None
    start, end = place_of(step, step.query.assignments[0])
    assert text[start:end] == "b = auth.uid()"


# Variables


VARIABLES = """
DECLARE
  v uuid := auth.uid();
  w uuid;
  twice uuid := NULL;
  r record;
  u public.users%ROWTYPE;
  chained uuid;
BEGIN
  w := coalesce(v, new.id);
  twice := v;
  SELECT a, b + 1 INTO x, new.y FROM t;
  SELECT id, lower(name) AS low INTO r FROM t;
  SELECT * INTO u FROM t;
  SELECT id INTO one FROM t;
  INSERT INTO t (a) VALUES (1) RETURNING id, now() INTO p, q;
  EXECUTE 'select 1' INTO dynamic;
  GET DIAGNOSTICS n = ROW_COUNT;
  FOR l IN SELECT id, name FROM t LOOP NULL; END LOOP;
  chained := w;
END
"""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v", ["auth.uid()"]),
        ("w", ["coalesce(v, new.id)"]),
        ("twice", ["null", "v"]),
        ("x", ["a"]),
        ("new.y", ["b + 1"]),
        ("r", ["...(id, lower(name))"]),
        ("r.id", ["id"]),
        ("r.low", ["lower(name)"]),
        ("u", ["...()"]),
        ("one", ["id"]),
        ("p", ["id"]),
        ("q", ["now()"]),
        ("dynamic", ["...()"]),
        ("n", ["...()"]),
        ("l.name", ["name"]),
    ],
)
def test_variable_values(name: str, expected: list[str]) -> None:
    assert [describe(value) for value in variable_values(plpgsql(VARIABLES))[name]] == expected


def test_a_variable_that_is_never_set_has_no_values() -> None:
    assert "v" not in variable_values(plpgsql("DECLARE v int; BEGIN NULL; END"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v", ["auth.uid()"]),
        ("V", ["auth.uid()"]),
        ("v::text", ["auth.uid()::text"]),
        ("twice", ["null", "auth.uid()"]),
        ("twice::text", ["null", "auth.uid()::text"]),
        ("chained", ["coalesce(auth.uid(), new.id)"]),
        # Inside an expression, a variable with two values stays.
        ("coalesce(twice, v)", ["coalesce(twice, auth.uid())"]),
        ("case when v is null then w else v end", None),
        ("new.id", ["new.id"]),
        ("r.low", ["lower(name)"]),
        ("(select v from t)", ["(select v from t)"]),
        ("array[v, $1]", ["array[auth.uid(), $1]"]),
    ],
)
def test_resolve_variables(text: str, expected: list[str] | None) -> None:
    found = resolve_variables(read_expression(text), variable_values(plpgsql(VARIABLES)))
    if expected is None:
        [value] = found
        assert "v" not in describe(value).replace("null", "").split()
    else:
        assert [describe(value) for value in found] == expected


def test_what_comes_in_may_stay_where_it_is_not_always_assigned() -> None:
    body = plpgsql(
        """DECLARE declared uuid; BEGIN
          IF new.id IS NULL THEN new.id := auth.uid(); declared := new.id; END IF;
          new.owner := auth.uid();
        END"""
    )
    values = variable_values(body)
    found = {name: [describe(value) for value in known] for name, known in values.items()}
    assert found == {"new.id": ["auth.uid()", "new.id"], "declared": ["new.id"], "new.owner": ["auth.uid()"]}
    assert [describe(value) for value in resolve_variables(read_expression("declared"), values)] == [
        "auth.uid()",
        "new.id",
    ]


def test_a_variable_inside_its_own_value_stays() -> None:
    values = variable_values(plpgsql("BEGIN new.id := coalesce(new.id, auth.uid()); END"))
    [value] = resolve_variables(read_expression("new.id"), values)
    assert describe(value) == "coalesce(new.id, auth.uid())"


def test_resolving_ends() -> None:
    values = variable_values(plpgsql("BEGIN a := b; b := a; c := c + c; d := d || 'x'; END"))
    for name in "abcd":
        assert resolve_variables(read_expression(name), values)
    assert resolve_variables(read_expression("a"), values, depth=0) == (read_expression("a"),)


def test_values_that_name_each_other_do_not_grow_without_bound() -> None:
    chain = "".join(f"v{n} := f({', '.join([f'v{n + 1}'] * 10)});" for n in range(8))
    [value] = resolve_variables(read_expression("v0"), variable_values(plpgsql(f"BEGIN {chain} END")))
    assert len(describe(value)) < 50_000
    layers = "".join(f"a{n}_{i} := a{n + 1}_{j};" for n in range(8) for i in range(8) for j in range(8))
    assert resolve_variables(read_expression("a0_0"), variable_values(plpgsql(f"BEGIN {layers} END")))


def test_a_variable_with_very_many_values_stays() -> None:
    body = plpgsql("BEGIN " + "".join(f"a := {number};" for number in range(MAX_ALTERNATIVES + 1)) + " END")
    assert resolve_variables(read_expression("a"), variable_values(body)) == (read_expression("a"),)


def test_what_could_not_be_read_is_an_unknown_value() -> None:
    assert variable_values(read_body("plpgsql", "BEGIN a := 1 +; END"))["a"] == (Other(),)


@given(
    st.sampled_from(["sql", "plpgsql", "SQL", "c"]),
    st.text(max_size=60) | st.text(alphabet="begin atomc;'\"$/*- \n()😀", max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_body_without_an_exception(language: str, text: str) -> None:
    body = read_body(language, text)
    places = [(one.start, one.end) for one in body.steps] + [(one.start, one.end) for one in body.gaps]
    assert all(0 <= start <= end <= len(text) for start, end in places)
    list(reads(body))
    list(writes(body))
    variable_values(body)
