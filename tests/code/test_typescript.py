from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.code.pieces import Assigned, Chain, Text
from referee.code.typescript import read_typescript
from tests.code.pieces import written


def texts(program: str) -> list[Text]:
    return [piece for piece in read_typescript(program) if isinstance(piece, Text)]


def chains(program: str) -> list[Chain]:
    return [piece for piece in read_typescript(program) if isinstance(piece, Chain)]


def test_each_character_of_a_literal_has_its_place() -> None:
    program = "/* häß 😀 */ run('é\\n\\x41\\u00e9\\u{1F600}\\'b\\\n')"
    (text,) = texts(program)
    assert text.decoded.text == "é\nAé😀'b"
    assert written(program, text, "A") == "\\x41"
    assert written(program, text, "😀'b") == "\\u{1F600}\\'b"


def test_templates_and_sums() -> None:
    program = "const ä = sql`insert into t ${sql(row)} 'é' ${x}`; q('a ' + b + `c${d}`);"
    found = texts(program)
    assert [text.decoded.text for text in found] == ["insert into t $1 'é' $1", "a $1c$1"]
    assert found[0].callee == ("sql",)
    assert written(program, found[0], "$1") == "${sql(row)}"
    assert written(program, found[1], "$1c") == "b + `c"


def test_literals_inside_a_placeholder_are_read_too() -> None:
    assert [text.decoded.text for text in texts("f(`a ${g('b')}`)")] == ["a $1", "b"]


def test_a_chain_of_calls() -> None:
    program = (
        "async function fill(ä: C) { const row = await ä.from('usérs')"
        ".upsert([{ id: 1, n: null, m, ...x }], { ignoreDuplicates: true }).select(); }"
    )
    (chain,) = chains(program)
    assert program[chain.start : chain.end] == program[program.index("ä.from") : program.index("; }")]
    assert (chain.unit, chain.assigned) == ("fill", "row")
    assert [(step.name, step.args) for step in chain.steps] == [
        ("ä", None),
        ("from", ("usérs",)),
        ("upsert", ([{"id": "1", "n": None, "m": ...}], {"ignoreDuplicates": True})),
        ("select", ()),
    ]


def test_the_functions_that_tests_consist_of() -> None:
    program = """
    describe('x', () => {
      beforeAll(async () => { a(); });
      it("mäkes a\\n user", function () { b(); });
      const helper = async () => c();
    });
    class T { d = () => e(); async m() { return g(); } }
    """
    units = {chain.steps[0].name: chain.unit for chain in chains(program)}
    assert {name: units[name] for name in "abceg"} == {
        "a": "beforeAll",
        "b": 'test "mäkes a\\n user"',
        "c": "helper",
        "e": "d",
        "g": "m",
    }


def test_optional_calls_and_casts_change_nothing() -> None:
    (chain,) = chains("(client as any)!.from?.('users')?.insert({} as Row)")
    assert [step.name for step in chain.steps] == ["client", "from", "insert"]


def test_variables_and_how_their_values_read() -> None:
    found = [one for one in read_typescript("const key = process.env.X!; this.b = 'é'") if isinstance(one, Assigned)]
    assert found == [Assigned("key", "process.env.X!"), Assigned("b", "'é'")]


def test_angle_brackets_are_casts_or_elements() -> None:
    assert [c.steps[0].name for c in read_typescript("f(<A>g())", elements=False) if isinstance(c, Chain)] == ["f", "g"]
    assert [c.steps[0].name for c in read_typescript("f(<a b={g()} />)") if isinstance(c, Chain)] == ["f", "g"]


def test_what_is_broken_loses_itself_only() -> None:
    program = "const = ;;; }}} ( 'x\n a.from('users').insert({}); `${"
    assert any([step.name for step in chain.steps] == ["a", "from", "insert"] for chain in chains(program))


@pytest.mark.parametrize(
    "program",
    ["(" * 20_000, "a." * 20_000 + "b()", "f(" * 5_000 + ")" * 5_000, "x+" * 20_000 + "x", "'a'+" * 20_000 + "'a'",
     "[" * 20_000, "`${" * 3_000, "f(`${" * 2_000 + "1" + "}`)" * 2_000, "{a:" * 5_000, "f()." * 20_000 + "g()"],
    ids=lambda program: program[:6],
)  # fmt: skip
def test_deep_and_long_texts_take_no_time(program: str) -> None:
    begin = time.process_time()
    read_typescript(program)
    assert time.process_time() - begin < 5


@given(st.text(max_size=60), st.booleans())
def test_no_text_ends_the_reading(program: str, elements: bool) -> None:
    for piece in read_typescript(program, elements=elements):
        if isinstance(piece, Chain):
            assert 0 <= piece.start < piece.end <= len(program)


@given(st.text(alphabet="aé😀\\'\"`${}n4xu\n \r()", max_size=25), st.sampled_from(["'", '"', "`"]))
def test_places_are_inside_the_literal(body: str, quote: str) -> None:
    program = f"/* 😀 */ g({quote}{body}{quote})"
    for text in texts(program):
        decoded = text.decoded
        assert len(decoded.text) == len(decoded.starts) == len(decoded.ends)
        assert all(0 <= start < end <= len(program) for start, end in zip(decoded.starts, decoded.ends, strict=True))
        for number, character in enumerate(decoded.text):
            if character in "aé😀" and decoded.ends[number] - decoded.starts[number] == 1:
                assert program[decoded.starts[number]] == character
