from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.model.source import Source
from referee.workflow.suppress import suppress
from tests.workflow.findings import finding

pytestmark = pytest.mark.usefixtures("own_rules")

RAN = ("lost-key", "late-trigger")


def suppressed_lines(text: str, rule: str = "lost-key") -> list[int]:
    """The lines of a file on which a finding of the rule is suppressed."""
    lines = range(1, text.count("\n") + 2)
    findings = [finding(rule, line) for line in lines]
    kept = {item.location.line for item in suppress(findings, [Source("a.sql", text)], ()).findings if item.location}
    return [line for line in lines if line not in kept]


def notices(text: str) -> list[str]:
    """What is told about a file without findings."""
    return [f"{notice.location}: {notice.message}" for notice in suppress((), [Source("a.sql", text)], RAN).notices]


def test_behind_code_a_comment_counts_for_its_line() -> None:
    assert suppressed_lines("create table a (\n  b int, -- referee: ignore[lost-key] it is an import\n  c int\n);") == [
        2
    ]


def test_behind_code_it_counts_for_what_ends_there_too() -> None:
    text = "alter table a\n  add foreign key (b)\n  references c; -- referee: ignore[lost-key] why"
    found = suppress([finding(line=2, end_line=3)], [Source("a.sql", text)], RAN)
    assert (found.findings, found.suppressed, found.notices) == ((), 1, ())


def test_above_a_statement_it_counts_for_the_whole_of_it() -> None:
    text = (
        "select 1;\n\n-- referee: ignore[lost-key]\n-- more words\n\ncreate table a (\n  b int,\n  c int\n);\nselect 2;"
    )
    assert suppressed_lines(text) == [6, 7, 8, 9]


def test_inside_a_table_it_counts_for_the_next_column() -> None:
    text = "create table a (\n  -- referee: ignore[lost-key]\n  b int references c\n    (id, x),\n  d int\n);"
    assert suppressed_lines(text) == [3, 4]


def test_above_the_last_column_it_ends_with_the_table() -> None:
    text = (
        "create table a (\n  b int,\n  -- referee: ignore[lost-key]\n  d int\n    references c\n) with (x);\nselect 1;"
    )
    assert suppressed_lines(text) == [4, 5, 6]


BODY = """create function f() returns trigger language plpgsql as {quote}
begin
  -- referee: ignore[lost-key] the service role writes it
  insert into log (a, b)
  values (1,
    auth.uid());
  new.b := auth.uid();
  return new; -- referee: ignore[lost-key]
end {quote};
"""


def test_inside_a_function_it_counts_for_the_next_statement_or_its_line() -> None:
    assert suppressed_lines(BODY.format(quote="$$")) == [4, 5, 6, 8]
    assert suppressed_lines(BODY.format(quote="$fn$")) == [4, 5, 6, 8]
    assert suppressed_lines(BODY.format(quote="'")) == [4, 5, 6, 8]


def test_above_a_function_it_counts_for_its_body() -> None:
    assert len(suppressed_lines("-- referee: ignore[lost-key]\n" + BODY.format(quote="$$"))) == 9


BLOCKS = {
    "behind code, for its line": ("select 1;\nselect 2; /* referee: ignore[lost-key] why */\nselect 3;", [2]),
    "between the code of a line": ("create table a (\n  b int /* referee: ignore[lost-key] */ references c\n);", [2]),
    "above a statement": ("/* referee: ignore[lost-key] why */\ncreate table a (\n  b int\n);\nselect 2;", [2, 3, 4]),
    "before a statement on its line": (
        "/** referee: ignore[lost-key] */ create table a (\n  b int);\nselect 2;",
        [1, 2],
    ),
    "on a later line of its comment": (
        (
            "/*\n * They are copied, /* from the old ones */\n * referee: ignore[lost-key] and never change\n *\n */\n"
            "create table a (\n  b int);\nselect 2;"
        ),
        [6, 7],
    ),
    "around another comment": (
        "/* referee: ignore[lost-key] /* old; 'words */ and */\n-- more\n/* ; */\nselect\n2;\nselect 3;",
        [4, 5],
    ),
    "behind code, on the first line of a long one": (
        "select 1;\nselect 2; /* Why:\nreferee: ignore[lost-key]\n*/",
        [2],
    ),
    "inside a table": ("create table a (\n  /* referee: ignore[lost-key] */\n  b int,\n  c int\n);", [3]),
    "inside a function": ("create function f() as $$\n/*\nreferee: ignore[lost-key]\n*/\na;\nb;\n$$;", [5]),
    "for the file": ("select 1;\n/* generated\n   referee: ignore-file[lost-key] */", [1, 2, 3]),
    "not outside a comment": ("/* x */\nselect '\nreferee: ignore[lost-key]';\nselect 2;", []),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_comment_counts(name: str) -> None:
    text, lines = BLOCKS[name]
    assert suppressed_lines(text) == lines


def test_a_block_comment_in_another_language() -> None:
    text = "f();\n/*\n * referee: ignore[lost-key] why\n */\n// more\n/* and more */\ng();\nh();"
    findings = [finding(file="a.test.ts", line=line) for line in range(1, 9)]
    kept = suppress(findings, [Source("a.test.ts", text)], RAN).findings
    assert [item.location.line for item in kept if item.location] == [1, 2, 3, 4, 5, 6, 8]


def test_what_is_wrong_with_a_block_comment_is_told_at_its_place() -> None:
    assert notices("/* Why:\n   referee: ignore[lost-kee] */ select 1;") == [
        'a.sql:2:4: There is no rule "lost-kee", so this comment does not suppress it. Did you mean "lost-key"?'
    ]
    assert notices("select 1; /* referee: ignore */") == [
        'a.sql:1:11: This comment names no rule, so it suppresses nothing; write "referee: ignore[rule-id] reason".'
    ]
    assert notices("/* A game has a\n   referee: who whistles */ select 1;") == []


def test_behind_a_comment_of_a_line_block_comments_are_no_code() -> None:
    text = "-- referee: ignore[lost-key]\n/* old; */\ncreate table a (\n  b int);"
    assert suppressed_lines(text) == [3, 4]


def test_for_a_whole_file() -> None:
    text = "select 1;\nselect 2;\n-- referee: ignore-file[lost-key] generated"
    assert suppressed_lines(text) == [1, 2, 3]
    other = suppress([finding(file="b.sql")], [Source("a.sql", text), Source("b.sql", "")], ())
    assert len(other.findings) == 1


@pytest.mark.parametrize(("path", "sign"), [("a.sql", "--"), ("a.test.ts", "//"), ("a_test.py", "#"), ("a.py", "--")])
def test_in_the_comments_of_each_language(path: str, sign: str) -> None:
    def left(text: str, line: int) -> int:
        return len(suppress([finding(file=path, line=line)], [Source(path, text)], RAN).findings)

    behind = f"f('é')\ng() {sign} referee: ignore[lost-key] why"
    assert [left(behind, 1), left(behind, 2)] == [1, 0]
    above = f"f()\n{sign} referee: ignore[lost-key] why\n{sign} more\n\ng()\nh()"
    assert [left(above, line) for line in (1, 5)] == [1, 0]
    assert left(f"f()\n{sign} referee: ignore-file[lost-key]", 1) == 0


def test_only_the_named_rules_are_suppressed() -> None:
    text = "select 1; -- referee: ignore[ late-trigger ,lost-key] both"
    assert suppressed_lines(text) == suppressed_lines(text, "late-trigger") == [1]
    assert suppressed_lines(text, "plain-oddity") == []


def test_findings_without_a_place_are_kept() -> None:
    nowhere = finding().__class__("lost-key", finding().problem, None, (), "0")
    assert suppress([nowhere], [Source("a.sql", "-- referee: ignore-file[lost-key]")], ()).findings == (nowhere,)


@pytest.mark.parametrize(
    "text", ["--referee:ignore[lost-key]", "--  referee:  ignore [lost-key]x", "a;\t-- referee: ignore[lost-key]"]
)
def test_blanks_do_not_matter(text: str) -> None:
    assert suppressed_lines(text + "\nselect 1;")


def test_a_comment_that_suppresses_nothing_is_told() -> None:
    assert notices("select 1;\nselect 2; -- referee: ignore[lost-key] because") == [
        "a.sql:2:11: This comment suppresses nothing: there is no lost-key here."
    ]


def test_of_a_rule_that_did_not_run_nothing_is_told() -> None:
    assert notices("select 1; -- referee: ignore[plain-oddity]") == []


def test_an_unknown_rule_is_told_with_the_nearest() -> None:
    assert notices("select 1; -- referee: ignore[lost-kee]") == [
        'a.sql:1:11: There is no rule "lost-kee", so this comment does not suppress it. Did you mean "lost-key"?'
    ]


def test_a_comment_without_a_rule_is_told() -> None:
    for text in ("select 1; -- referee: ignore", "select 1; -- referee: ignore[]"):
        assert notices(text) == [
            'a.sql:1:11: This comment names no rule, so it suppresses nothing; write "referee: ignore[rule-id] reason".'
        ]


def test_an_unknown_word_is_told() -> None:
    assert notices("-- referee: disable[lost-key]") == [
        'a.sql:1:1: "referee: disable" means nothing; write "referee: ignore[rule-id] reason".'
    ]


def test_a_comment_on_the_referee_of_a_game_is_none_of_ours() -> None:
    for text in ("-- referee: who blows the whistle", "a int -- referee:", "/* referee: see people */ select 1;"):
        assert notices(text) == []
    for word in ("ignor", "ignored", "ignore_file"):
        assert notices(f"-- referee: {word} lost-key") == [
            f'a.sql:1:1: "referee: {word}" means nothing; write "referee: ignore[rule-id] reason".'
        ]


def test_two_comments_for_one_finding_are_both_of_use() -> None:
    text = "-- referee: ignore[lost-key]\nselect 1; -- referee: ignore[lost-key]"
    found = suppress([finding(line=2)], [Source("a.sql", text)], RAN)
    assert (found.suppressed, found.notices) == (1, ())


@given(
    st.lists(
        st.sampled_from(
            [
                "-- referee: ignore[lost-key]",
                "/* referee: ignore[lost-key]",
                "referee: ignore[lost-key]",
                "*/",
                "\n",
                "create table a (",
                "b int,",
                ");",
                "$$",
                "'",
                "(",
                ";",
                "ä🎸",
                "/*",
                "\r\n",
            ]
        )
    )
)
def test_any_text_is_read_and_nothing_is_lost_or_doubled(parts: list[str]) -> None:
    text = "".join(parts)
    findings = [finding(line=line) for line in range(1, text.count("\n") + 2)]
    found = suppress(findings, [Source("a.sql", text)], RAN)
    assert len(found.findings) + found.suppressed == len(findings)
