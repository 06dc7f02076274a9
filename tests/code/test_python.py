from __future__ import annotations

import ast
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.code.pieces import Assigned, Chain, CodeSyntaxError, Text
from referee.code.python import read_python
from tests.code.pieces import written


def texts(program: str) -> list[Text]:
    return [piece for piece in read_python(program) if isinstance(piece, Text)]


def chains(program: str) -> list[Chain]:
    return [piece for piece in read_python(program) if isinstance(piece, Chain)]


def test_each_character_of_a_literal_has_its_place() -> None:
    program = "# häß 😀\nrun('é\\n\\x41\\u00e9\\'b' \"\"\"c\n'd\"\"\" # comment 'no'\n r'\\n')"
    (text,) = texts(program)
    assert text.decoded.text == "é\nAé'bc\n'd\\n"
    assert written(program, text, "A") == "\\x41"
    assert written(program, text, "'b") == "\\'b"
    assert written(program, text, "'d") == "'d"
    assert written(program, text, "é\n") == "é\\n"


def test_expressions_in_a_literal_are_placeholders() -> None:
    program = """f(f"insert into t values ({row['id']!r:>{width}}, '{{}}', {d['k']})")"""
    (text,) = texts(program)
    assert text.decoded.text == "insert into t values ($1, '{}', $1)"
    assert written(program, text, "$1") == "{row['id']!r:>{width}}"


def test_literals_that_are_put_together() -> None:
    assert [text.decoded.text for text in texts("a = 'x ' + name + f' y{1}'")] == ["x $1 y$1"]
    assert [text.decoded.text for text in texts("a = 'x %s' % name")] == ["x %s"]
    assert [text.decoded.text for text in texts("a = 'x {} y {b}'.format(1, b=2)")] == ["x $1 y $1"]
    assert [text.decoded.text for text in texts("a = b + c")] == []


def test_documentation_is_no_literal() -> None:
    assert texts('"""insert"""\ndef f():\n    """insert"""\n    "insert"\nclass C:\n    "insert"\n') == []


def test_a_chain_of_calls() -> None:
    program = (
        "async def fill(ä):\n    row = await ä.table('usérs').upsert({'id': 1, 'n': None}, on_conflict='id').execute()"
    )
    (chain,) = chains(program)
    assert program[chain.start : chain.end] == program[program.index("ä.table") :]
    assert (chain.unit, chain.assigned) == ("fill", "row")
    assert [(step.name, step.args) for step in chain.steps] == [
        ("ä", None),
        ("table", ("usérs",)),
        ("upsert", ({"id": "1", "n": None}, {"on_conflict": "id"})),
        ("execute", ()),
    ]


def test_what_a_literal_is_handed_to() -> None:
    program = "with pytest.raises(E):\n    db.as_user(ada).execute('insert')\n"
    (text,) = texts(program)
    assert text.callee == ("raises", "db", "as_user", "execute")


def test_variables_and_how_their_values_read() -> None:
    found = [
        piece for piece in read_python("self.key = os.environ['SERVICE']\nx: str = 'y'") if isinstance(piece, Assigned)
    ]
    assert found == [Assigned("key", "os.environ['SERVICE']"), Assigned("x", "'y'")]


def test_a_byte_order_mark_and_other_line_ends() -> None:
    program = " x = 'a'\r\nf('''b\r\nc''')\rg('d')"
    found = texts(program)
    assert [text.decoded.text for text in found] == ["a", "b\nc", "d"]
    assert [written(program, text, text.decoded.text) for text in found] == ["a", "b\r\nc", "d"]


@pytest.mark.parametrize(
    "program", ["def f(:", "x = '", "a\0b", "(" * 400, "-" * 100_000 + "1", "  x = 1\n y = 2", "print 'x'"]
)
def test_what_is_no_python_is_said(program: str) -> None:
    with pytest.raises(CodeSyntaxError) as caught:
        read_python(program)
    assert caught.value.line >= 1


@given(st.text(max_size=60))
def test_no_text_ends_the_reading(program: str) -> None:
    with suppress(CodeSyntaxError):
        assert isinstance(read_python(program), list)


@given(st.text(alphabet="aé😀\\'\"{}n$x4\n \r", max_size=20), st.sampled_from(["", "r", "f", "b"]), st.booleans())
def test_a_literal_is_read_as_python_reads_it(body: str, prefix: str, long: bool) -> None:
    quote = '"""' if long else '"'
    program = f"é = g({prefix}{quote}{body}{quote})"
    try:
        found = texts(program)
        value = ast.parse(program).body[0].value.args[0]  # type: ignore[attr-defined]
    except (CodeSyntaxError, SyntaxError, IndexError):
        return
    for text in found:
        decoded = text.decoded
        assert len(decoded.text) == len(decoded.starts) == len(decoded.ends)
        assert all(start < end <= len(program) for start, end in zip(decoded.starts, decoded.ends, strict=True))
        assert list(decoded.starts) == sorted(decoded.starts)
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            assert decoded.text == value.value
