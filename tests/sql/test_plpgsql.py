"""PL/pgSQL bodies: statements, the conditions they run under, handlers, and what cannot be read."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from referee.sql.describe import describe
from referee.sql.plpgsql import MAX_GUARDS, read_plpgsql
from referee.sql.queries import queries_in
from referee.sql.tree import Body, Column, Guard, Handler, Literal, Step, Variable


def read(text: str) -> Body:
    """A body that is expected to be read whole."""
    body = read_plpgsql(text)
    assert body.gaps == ()
    return body


def run(*statements: str) -> tuple[Step, ...]:
    return read("BEGIN " + "\n".join(statements) + " END;").steps


def only(statement: str) -> Step:
    [step] = run(statement)
    return step


def held(step: Step) -> list[str]:
    """The conditions under which a step runs, as text."""
    return [("not " if guard.negated else "") + guard.text for guard in step.guards]


def step_at(body: Body, text: str, statement: str) -> Step:
    """The step that stands where a statement does."""
    return next(step for step in body.steps if text[step.start : step.end] == statement)


# Statements


@pytest.mark.parametrize(
    ("statement", "target", "text"),
    [
        ("NEW.created_by := auth.uid();", "new.created_by", "auth.uid()"),
        ("new.created_by = auth.uid() ;", "new.created_by", "auth.uid()"),
        ('NEW."createdBy":=auth.uid();', "new.createdBy", "auth.uid()"),
        ("x := a = b;", "x", "a = b"),
        ("items[1] := f(a := 1);", "items", "f(a := 1)"),
        ("x := 'it''s; := 😀';", "x", "'it''s; := 😀'"),
        ("x := $$a;b$$;", "x", "$$a;b$$"),
        ("x := /* ; */ 5 -- five;\n;", "x", "5"),
        ("NEW := r;", "new", "r"),
    ],
)
def test_assignments(statement: str, target: str, text: str) -> None:
    step = only(statement)
    assert (step.kind, step.target, step.text) == ("assign", target, text)
    assert step.value is not None


def test_ranges_exclude_the_semicolon() -> None:
    text = "BEGIN\n  NEW.created_by := auth.uid();\n  RETURN NEW;\nEND;"
    assert [text[step.start : step.end] for step in read(text).steps] == ["NEW.created_by := auth.uid()", "RETURN NEW"]


def test_offsets_inside_values_count_from_the_start_of_the_body() -> None:
    text = "DECLARE /* 😀 */ a text := 'é' || b; BEGIN x := 'ü' || c; END"
    body = read(text)
    default, value = body.variables[0].default, body.steps[0].value
    assert default is not None
    assert value is not None
    assert describe(default) == "'é' || b"
    assert Column(("b",), text.index("b;")) in getattr(default, "args", ())
    assert Column(("c",), text.index("c;")) in getattr(value, "args", ())


@pytest.mark.parametrize(
    ("statement", "action", "into"),
    [
        ("SELECT a, b INTO STRICT v, NEW.w FROM t;", "select", ("v", "new.w")),
        ("SELECT INTO r * FROM t WHERE id = 1;", "select", ("r",)),
        ("INSERT INTO t (a) VALUES (1) RETURNING id INTO v;", "insert", ("v",)),
        ("UPDATE t SET a = 1;", "update", ()),
        ("DELETE FROM t;", "delete", ()),
        ("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x;", "insert", ()),
        ("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE;", "merge", ()),
        ("TRUNCATE t;", "truncate", ()),
        ("PERFORM f(x), 2 FROM t;", "select", ()),
        ("RETURN QUERY SELECT 1;", "select", ()),
        ("RETURN QUERY INSERT INTO t VALUES (1) RETURNING *;", "insert", ()),
        ("CALL p(1);", "other", ()),
        ("CREATE TEMP TABLE x (a int);", "ddl", ()),
        ("OPEN c FOR SELECT * FROM t;", "select", ()),
        ("FOR r IN SELECT * FROM t LOOP END LOOP;", "select", ("r",)),
        ("FOR a, b IN DELETE FROM t RETURNING a, b LOOP END LOOP;", "delete", ("a", "b")),
        ("FOR r IN (SELECT 1) LOOP END LOOP;", "select", ("r",)),
    ],
)
def test_queries(statement: str, action: str, into: tuple[str, ...]) -> None:
    step = only(statement)
    assert step.kind == "query"
    assert step.query is not None
    assert (step.query.action, step.query.into) == (action, into)


def test_perform_and_into_keep_the_offsets_of_the_text() -> None:
    text = "BEGIN\n  PERFORM 'é', f(x) FROM public.t;\n  SELECT a INTO /* here */ v FROM s.u; END"
    perform, select = read(text).steps
    for step, table in ((perform, "public.t"), (select, "s.u")):
        assert step.query is not None
        [use] = step.query.sources
        assert text[use.start : use.end] == table
        assert (step.query.start, step.query.end) == (step.start, step.end)
    assert text[perform.start : perform.end] == "PERFORM 'é', f(x) FROM public.t"


@pytest.mark.parametrize(
    ("statement", "value", "into", "using"),
    [
        ("EXECUTE 'select 1';", "'select 1'", (), []),
        ("EXECUTE format('x %I', a) INTO v USING b, c;", "format('x %I', a)", ("v",), ["b", "c"]),
        ("EXECUTE q USING b, c INTO STRICT v, w;", "q", ("v", "w"), ["b", "c"]),
        ("RETURN QUERY EXECUTE 'x' || y USING z;", "'x' || y", (), ["z"]),
        ("OPEN c FOR EXECUTE q USING z;", "q", (), ["z"]),
        ("FOR r IN EXECUTE q USING z LOOP END LOOP;", "q", ("r",), ["z"]),
    ],
)
def test_dynamic_sql(statement: str, value: str, into: tuple[str, ...], using: list[str]) -> None:
    step = only(statement)
    assert step.kind == "execute"
    assert step.value is not None
    assert describe(step.value) == value
    assert (step.query.into if step.query else ()) == into
    assert [describe(given) for given in step.query.values] == using if step.query else not using


@pytest.mark.parametrize(
    ("statement", "level", "ends"),
    [
        ("RAISE;", "reraise", True),
        ("RAISE EXCEPTION 'no %', x;", "exception", True),
        ("RAISE 'no';", "exception", True),
        ("RAISE unique_violation USING message = 'x';", "exception", True),
        ("RAISE SQLSTATE '23505';", "exception", True),
        ("RAISE USING errcode = '23505';", "exception", True),
        ("RAISE EXCEPTION 'x' USING errcode := '23505';", "exception", True),
        ("RAISE NOTICE 'x', a;", "notice", False),
        ("RAISE WARNING E'tab\\t%', a;", "warning", False),
        ("RAISE NOTICE $$it's$$;", "notice", False),
        ("RAISE INFO 'a'\n 'b';", "info", False),
        ("raise log 'x';", "log", False),
        ("RAISE DEBUG 'x';", "debug", False),
    ],
)
def test_raise(statement: str, level: str, ends: bool) -> None:
    """What follows an error behind a condition runs only where the condition does not hold."""
    _, step, following = run(f"IF c THEN {statement} END IF; NULL;")
    assert (step.kind, step.level) == ("raise", level)
    assert held(following) == (["not c"] if ends else [])


def test_raise_keeps_the_values_it_prints() -> None:
    step = only("RAISE EXCEPTION 'no % for %', auth.uid(), (select 1 from t) USING hint = f(x);")
    assert step.value is not None
    assert describe(step.value) == "...(auth.uid(), (select 1 from t), f(x))"


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("RETURN NEW;", "new"),
        ("RETURN;", None),
        ("RETURN (SELECT max(a) FROM t);", "(select max(a) from t)"),
        ("RETURN count(*) FROM t;", "(select count(*) from t)"),
        ("RETURN CASE WHEN a THEN 1 ELSE 2 END;", "case when a then 1 else 2 end"),
    ],
)
def test_return(statement: str, value: str | None) -> None:
    step = only(statement)
    assert step.kind == "return"
    assert (None if step.value is None else describe(step.value)) == value


@pytest.mark.parametrize(
    ("statement", "into"),
    [
        ("GET DIAGNOSTICS n = ROW_COUNT;", ("n",)),
        ("GET STACKED DIAGNOSTICS a = MESSAGE_TEXT, b := PG_EXCEPTION_DETAIL;", ("a", "b")),
        ("FETCH NEXT FROM c INTO a, b;", ("a", "b")),
        ("FOR r IN c LOOP END LOOP;", ("r",)),
        ("FOR r IN c(1, 'x') LOOP END LOOP;", ("r",)),
        ("FOR i IN 1..10 LOOP END LOOP;", ("i",)),
        ("FOREACH x SLICE 1 IN ARRAY y LOOP END LOOP;", ("x",)),
        ("NULL;", ()),
        ("CLOSE c;", ()),
        ("COMMIT;", ()),
        ("RETURN NEXT x;", ()),
        ("OPEN c;", ()),
    ],
)
def test_other_statements(statement: str, into: tuple[str, ...]) -> None:
    step = only(statement)
    assert step.kind == "other"
    assert (step.query.into if step.query else ()) == into


# Declarations


def test_variables() -> None:
    text = """
    #variable_conflict use_column
    <<outer>>
    DECLARE
      V_Id uuid := auth.uid();
      "My Row" public."Users"%ROWTYPE; -- é
      n CONSTANT numeric(10, 2) NOT NULL DEFAULT 5;
      t text COLLATE "C" = 'x';
      list t.col%TYPE[];
      old_id ALIAS FOR $1;
      c CURSOR (a int) FOR SELECT * FROM t WHERE x = a;
      w timestamp with time zone;
    BEGIN
      DECLARE inner_one "char"; BEGIN NULL; END;
      FOR i IN 1..2 LOOP NULL; END LOOP;
    END;
    """
    body = read(text)
    assert [(one.name, one.type, None if one.default is None else describe(one.default)) for one in body.variables] == [
        ("v_id", "uuid", "auth.uid()"),
        ("My Row", 'public."Users"%ROWTYPE', None),
        ("n", "numeric(10, 2)", "5"),
        ("t", "text", "'x'"),
        ("list", "t.col%TYPE", None),
        ("old_id", "", "$1"),
        ("a", "int", None),
        ("c", "cursor", None),
        ("w", "timestamp with time zone", None),
        ("inner_one", '"char"', None),
        ("i", "integer", None),
    ]
    for variable in body.variables:
        assert text[variable.start :].lower().lstrip('"').startswith(variable.name.lower())


# Guards


@pytest.mark.parametrize(
    ("statements", "guards"),
    [
        ("IF a THEN MARK; END IF;", ["a"]),
        ("IF a THEN NULL; ELSE MARK; END IF;", ["not a"]),
        ("IF a THEN NULL; ELSIF b THEN MARK; END IF;", ["not a", "b"]),
        ("IF a THEN NULL; ELSEIF b THEN NULL; ELSE MARK; END IF;", ["not a", "not b"]),
        ("IF a THEN IF b THEN MARK; END IF; END IF;", ["a", "b"]),
        ("IF a THEN NULL; END IF; MARK;", []),
        # Behind a branch that ends
        ("IF a THEN RETURN NEW; END IF; MARK;", ["not a"]),
        ("IF a THEN x := 1; RAISE EXCEPTION 'x'; END IF; MARK;", ["not a"]),
        ("IF a THEN RETURN; ELSIF b THEN RETURN; END IF; MARK;", ["not a", "not b"]),
        ("IF a THEN RETURN; ELSIF b THEN NULL; END IF; MARK;", ["not a"]),
        # Where the second ends and the first does not, nothing is known.
        ("IF a THEN NULL; ELSIF b THEN RETURN; END IF; MARK;", []),
        ("IF a THEN NULL; ELSE RETURN; END IF; MARK;", ["a"]),
        ("IF a THEN RETURN; ELSE NULL; END IF; MARK;", ["not a"]),
        ("IF a THEN IF b THEN RETURN; ELSE RETURN; END IF; END IF; MARK;", ["not a"]),
        ("IF a THEN IF b THEN RETURN; END IF; END IF; MARK;", []),
        ("IF a THEN RETURN; ELSE IF b THEN RETURN; END IF; END IF; MARK;", ["not a", "not b"]),
        ("IF a THEN RETURN; END IF; IF b THEN RETURN; END IF; MARK;", ["not a", "not b"]),
        ("IF a THEN RETURN NEXT 1; END IF; MARK;", []),
        ("IF a THEN RETURN QUERY SELECT 1; END IF; MARK;", []),
        ("IF a THEN IF b THEN RETURN; END IF; END IF; IF c THEN MARK; END IF;", ["c"]),
        # Blocks
        ("BEGIN IF a THEN RETURN; END IF; END; MARK;", ["not a"]),
        ("BEGIN IF a THEN RETURN; END IF; EXCEPTION WHEN others THEN NULL; END; MARK;", []),
        ("<<b>> BEGIN EXIT b; END; MARK;", []),
        # CASE
        ("CASE WHEN a THEN NULL; WHEN b THEN MARK; END CASE;", ["not a", "b"]),
        ("CASE WHEN a THEN NULL; ELSE MARK; END CASE;", ["not a"]),
        ("CASE x WHEN 1 THEN MARK; END CASE;", ["x = 1"]),
        ("CASE x WHEN 1, 2 THEN MARK; END CASE;", ["x in (1, 2)"]),
        ("CASE x WHEN 1 THEN NULL; WHEN 2 THEN MARK; END CASE;", ["not x = 1", "x = 2"]),
        # Without ELSE a CASE that matches nothing raises.
        ("CASE x WHEN 1 THEN NULL; END CASE; MARK;", ["x = 1"]),
        ("CASE x WHEN 1 THEN NULL; ELSE END CASE; MARK;", []),
        ("CASE WHEN a THEN RETURN; ELSE NULL; END CASE; MARK;", ["not a"]),
        # Loops
        ("WHILE a LOOP MARK; END LOOP;", ["a"]),
        ("WHILE a LOOP NULL; END LOOP; MARK;", []),
        ("FOR i IN 1..2 LOOP IF a THEN CONTINUE; END IF; MARK; END LOOP;", ["not a"]),
        ("FOR i IN 1..2 LOOP CONTINUE WHEN a; MARK; END LOOP;", ["not a"]),
        ("LOOP EXIT WHEN a; MARK; END LOOP;", ["not a"]),
        ("LOOP EXIT WHEN a; END LOOP; MARK;", []),
        ("LOOP IF a THEN RETURN; END IF; EXIT; END LOOP; MARK;", []),
    ],
)
def test_guards(statements: str, guards: list[str]) -> None:
    text = "BEGIN " + statements.replace("MARK", "PERFORM mark()") + " END;"
    assert held(step_at(read(text), text, "PERFORM mark()")) == guards


def test_guards_hold_their_condition_as_an_expression() -> None:
    _, step = run("IF TG_OP = 'INSERT' THEN NULL; END IF;")
    [guard] = step.guards
    assert guard.text == "TG_OP = 'INSERT'"
    assert guard.condition is not None
    assert describe(guard.condition) == "tg_op = 'INSERT'"
    _, _, step = run("CASE x WHEN 1, 2 THEN NULL; END CASE;")
    assert step.guards[0].condition is not None
    assert describe(step.guards[0].condition) == "x in (1, 2)"


def test_conditions_are_steps_under_the_conditions_before_them() -> None:
    steps = run("IF a THEN NULL; ELSIF exists (select 1 from t) THEN NULL; END IF;")
    assert [(step.kind, held(step)) for step in steps if step.kind == "condition"] == [
        ("condition", []),
        ("condition", ["not a"]),
    ]


def test_only_what_is_in_a_loop_is_in_a_loop() -> None:
    steps = run("a := 1;", "FOR r IN SELECT 1 LOOP b := 1; END LOOP;", "c := 1;")
    assert [(step.target, step.in_loop) for step in steps] == [("a", False), ("", False), ("b", True), ("c", False)]


def test_guards_are_bounded() -> None:
    body = read("BEGIN " + "IF a THEN RETURN; END IF;\n" * 500 + "x := 1; END;")
    assert max(len(step.guards) for step in body.steps) == MAX_GUARDS


# Handlers


def test_handlers() -> None:
    text = """BEGIN
      a := 1;
      BEGIN
        b := 1;
        BEGIN
          c := 1;
        EXCEPTION WHEN unique_violation OR SQLSTATE '23503' THEN
          d := 1;
        END;
      EXCEPTION
        WHEN not_null_violation THEN RAISE;
        WHEN Others THEN
          RAISE NOTICE '%', SQLERRM;
          e := 1;
      END;
      f := 1;
    END;"""
    body = read(text)
    assert [(one.conditions, one.reraises) for one in body.handlers] == [
        (("not_null_violation",), True),
        (("others",), False),
        (("unique_violation", "sqlstate '23503'"), False),
    ]
    assert {step.target: (step.handlers, step.in_handler) for step in body.steps if step.kind == "assign"} == {
        "a": ((), -1),
        "b": ((0, 1), -1),
        "c": ((2, 0, 1), -1),
        # What a handler raises, its own section does not catch.
        "d": ((0, 1), 2),
        "e": ((), 1),
        "f": ((), -1),
    }
    assert text[body.handlers[0].start : body.handlers[0].end] == "WHEN not_null_violation THEN RAISE;"


@pytest.mark.parametrize(
    ("handler", "reraises"),
    [
        ("RAISE;", True),
        ("RAISE EXCEPTION 'x';", True),
        ("x := 1; RAISE LOG 'x'; RAISE;", True),
        ("IF a THEN RAISE; ELSE RAISE EXCEPTION 'x'; END IF;", True),
        ("IF a THEN RAISE; END IF; RAISE;", True),
        ("BEGIN x := 1; END; RAISE;", True),
        ("LOOP RAISE; END LOOP;", True),
        ("", False),
        ("NULL;", False),
        ("RAISE NOTICE 'x';", False),
        ("RETURN NEW;", False),
        ("RETURN NEW; RAISE;", False),
        ("IF a THEN RAISE; END IF;", False),
        ("IF a THEN RETURN NULL; END IF; RAISE;", False),
        ("FOR i IN 1..2 LOOP RAISE; END LOOP;", False),
        ("BEGIN RAISE; EXCEPTION WHEN others THEN NULL; END;", False),
        ("BEGIN RAISE; EXCEPTION WHEN others THEN RAISE; END;", True),
    ],
)
def test_whether_a_handler_reraises(handler: str, reraises: bool) -> None:
    body = read(f"BEGIN NULL; EXCEPTION WHEN division_by_zero THEN {handler} END;")
    assert body.handlers[0].reraises is reraises


def test_what_declarations_raise_their_own_block_does_not_catch() -> None:
    body = read("DECLARE c CURSOR FOR SELECT 1; BEGIN NULL; EXCEPTION WHEN others THEN NULL; END")
    assert [step.handlers for step in body.steps] == [(), (0,), ()]


# Gaps


@pytest.mark.parametrize(
    ("text", "gap", "targets"),
    [
        ("BEGIN a := 1; b := 1 +; c := 3; END;", "1 +", ["a", "b", "c"]),
        ("BEGIN a := 1; FROBNICATE the widgets; c := 3; END;", "FROBNICATE the widgets", ["a", "", "c"]),
        ("BEGIN a := 1; DO $x$ BEGIN NULL; END $x$; c := 3; END;", "DO $x$ BEGIN NULL; END $x$", ["a", "", "c"]),
        ("BEGIN a := ; b := 2; END;", "a :=", ["b"]),
        ("BEGIN a := 1; END; and more", "and more", ["a"]),
        ("BEGIN a := 1; IF b THEN c := 3; END;", "BEGIN", ["a", "c"]),
    ],
)
def test_what_cannot_be_read_is_a_gap_and_the_rest_is_read(text: str, gap: str, targets: list[str]) -> None:
    body = read_plpgsql(text)
    assert gap in [text[one.start : one.end].removesuffix(";").rstrip() for one in body.gaps]
    assert [step.target for step in body.steps] == targets


@pytest.mark.parametrize("text", ["", "   ", "-- nothing", "END", "😀", "select 1"])
def test_a_body_that_is_none_has_a_gap(text: str) -> None:
    assert read_plpgsql(text).gaps


def test_deep_nesting_is_a_gap() -> None:
    for opening, closing in (("BEGIN ", "END; "), ("IF a THEN ", "END IF; "), ("LOOP ", "END LOOP; ")):
        body = read_plpgsql("BEGIN " + opening * 5000 + "x := 1; " + closing * 5000 + "y := 2; END;")
        assert body.gaps
        assert [step.target for step in body.steps if step.kind == "assign"] == ["y"]


def test_a_body_without_end_is_not_read_for_ever() -> None:
    body = read_plpgsql("x" * 2_000_001)
    assert body.gaps[0].end == 2_000_001


# Properties


statement = st.sampled_from(
    [
        "new.a := auth.uid()",
        "PERFORM f('it''s; 😀')",
        "INSERT INTO public.t (a, \"B c\") VALUES (new.id, 'é;')",
        "UPDATE \"Org's\" SET a = 1 WHERE b = 'x'",
        "RAISE NOTICE 'no % 😀', x",
        "RAISE WARNING E'it\\'s; %', x",
        "SELECT a INTO v FROM t",
        "EXECUTE 'drop table ' || quote_ident(x)",
        "x := $tag$ ; END; $tag$",
        "NULL",
        'DELETE FROM "select"',
    ]
)
gap = st.sampled_from([" ", "\n", " -- it's; 😀 BEGIN\n", " /* ; END $$ ' */ ", "\n\t"])


@given(st.lists(st.tuples(gap, statement, gap), min_size=1, max_size=8), st.booleans())
@settings(max_examples=150, deadline=None)
def test_steps_stand_where_their_statements_do(parts: list[tuple[str, str, str]], in_branch: bool) -> None:
    inner = "".join(f"{before}{text}{after};" for before, text, after in parts)
    text = f"/* 😀 */ BEGIN IF c THEN {inner} END IF; END" if in_branch else f"BEGIN {inner} END;"
    steps = [step for step in read(text).steps if step.kind != "condition"]
    assert [text[step.start : step.end] for step in steps] == [statement for _, statement, _ in parts]
    assert all(
        step.guards == ((Guard("c", Column(("c",), text.index("c THEN"))),) if in_branch else ()) for step in steps
    )
    for step in steps:
        for query in queries_in(step.query) if step.query else ():
            for one in query.assignments:
                assert text[one.start : one.end] == one.text


FRAGMENTS = """
BEGIN END END; IF THEN ELSE ELSIF LOOP WHILE FOR IN CASE WHEN DECLARE EXCEPTION others RAISE RETURN NEW INTO SELECT
INSERT x := = ; ( ) , 'a' "q" $$ $a$ $a$ -- /* */ 1 .. 😀 é E'\\' ' " <<l>> EXECUTE USING PERFORM OPEN FETCH CURSOR
ALIAS GET DIAGNOSTICS null %rowtype . [ ]
"""
fragment = st.sampled_from(FRAGMENTS.split())


@given(st.lists(fragment | st.just("\n"), max_size=40).map(" ".join) | st.text(max_size=80))
@settings(max_examples=400, deadline=None)
def test_any_text_is_a_body_without_an_exception(text: str) -> None:
    body = read_plpgsql(text)
    places = [(one.start, one.end) for one in body.steps]
    places += [(one.start, one.end) for one in body.gaps]
    places += [(one.start, one.end) for one in body.handlers]
    assert all(0 <= start <= end <= len(text) for start, end in places)
    for step in body.steps:
        assert all(0 <= index < len(body.handlers) for index in step.handlers)
        assert step.in_handler < len(body.handlers)
    assert all(0 <= variable.start < len(text) for variable in body.variables)


def test_reading_is_linear() -> None:
    def seconds(lines: int) -> float:
        text = "DECLARE v text := 'é'; BEGIN\n" + "IF a THEN new.x := f(v, '😀'); END IF;\n" * lines + "END;"
        start = time.process_time()
        assert len(read(text).steps) == 2 * lines
        return time.process_time() - start

    seconds(100)
    assert seconds(10_000) < 30 * seconds(1_000)


def test_struct_defaults_are_what_a_plain_step_has() -> None:
    """The cache stores steps by position: what is not said must stay at its default."""
    step = only("NULL;")
    assert step == Step("other", 6, 10, "NULL")
    assert read("DECLARE a int; BEGIN END").variables == (Variable("a", "int", None, 8),)
    assert read("BEGIN EXCEPTION WHEN others THEN END").handlers == (Handler(("others",), False, 16, 32),)
    assert only("RETURN 'x';").value == Literal("x")
