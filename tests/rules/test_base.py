from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.schema import Schema
from referee.rules import Rule


class TwoWordDefect(Rule):
    """
    A summary.

    ## Wrong
    ```sql
    select 1;
    select 2;  -- finding
    ```
    ## Right
    ```sql
    select 3;  -- findings are elsewhere
    ```
    """

    severity = Severity.INFO

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        yield from ()


def test_the_id_is_the_class_name_in_kebab_case() -> None:
    assert TwoWordDefect().id == "two-word-defect"


def test_the_summary_is_the_first_line_of_the_page() -> None:
    rule = TwoWordDefect()
    assert rule.summary == "A summary."
    assert rule.page.splitlines()[2] == "## Wrong"


def test_examples_know_their_heading_and_their_marked_lines() -> None:
    wrong, right = TwoWordDefect().examples
    assert (wrong.heading, wrong.lines) == ("Wrong", frozenset({2}))
    assert (right.heading, right.lines) == ("Right", frozenset())
    assert right.text == "select 3;  -- findings are elsewhere\n"
