import re
from collections.abc import Iterator

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.finding import Problem, Severity
from referee.model.fixtures import FixtureKind
from referee.model.identity import Identities
from referee.model.origins import Origins, Place
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import platform
from referee.read.fixtures import merged, read_fixtures
from referee.read.replay import replay
from referee.rules import ALL, Example, FixtureRule, PlanRule, Rule

EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.id}-{number}")
    for rule in ALL
    for number, example in enumerate(rule.examples, 1)
]


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


def test_all_rules_are_listed_once_in_the_order_of_their_ids() -> None:
    ids = [rule.id for rule in ALL]
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in ALL])
def test_a_page_explains_shows_wrong_and_right_and_says_how_sure_it_is(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z].*\.", rule.summary)
    assert "## Why it fails" in rule.page
    assert re.search(r"^## .*(How referee knows|confidence)", rule.page, re.MULTILINE)
    assert any(example.lines for example in rule.examples), "no example has a finding"
    assert any(not example.lines for example in rule.examples), "no example is without a finding"


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_an_example_has_findings_on_its_marked_lines_and_no_other(rule: Rule, example: Example) -> None:
    migrations = [Source("example.sql", example.schema)]
    if isinstance(rule, PlanRule):
        migrations += [Source(path, text) for path, text in example.files]
    replayed = replay(migrations, platform("supabase"))
    assert [gap.message for gap in replayed.gaps] == [], "the example does not replay"
    identities = identify(replayed.schema, IdentityOptions(platform("supabase")))
    assert bool(example.files) == isinstance(rule, FixtureRule) or isinstance(rule, PlanRule)
    origins = replayed.origins
    if isinstance(rule, FixtureRule):
        sources: list[tuple[FixtureKind, Source]] = [
            ("test" if "/tests/" in path else "seed", Source(path, text)) for path, text in example.files
        ]
        fixtures = read_fixtures(sources, replayed.schema, platform("supabase"))
        origins = merged(origins, fixtures.origins)
        problems = list(rule.check_fixtures(replayed.schema, identities, fixtures))
        assert list(rule.check(replayed.schema, identities)) == []
    elif isinstance(rule, PlanRule):
        problems = list(rule.check_history(replayed.schema, identities, replayed.history))
        assert list(rule.check(replayed.schema, identities)) == []
    else:
        problems = list(rule.check(replayed.schema, identities))
    assert {_line(problem, origins) for problem in problems} == example.lines
    for problem in problems:
        assert_well_formed(rule, problem)


def assert_well_formed(rule: Rule, problem: Problem) -> None:
    assert problem.severity <= rule.severity
    for sentence in (problem.cause, problem.consequence):
        assert re.fullmatch(r"\S.*\S[.]", sentence), f"not one sentence on one line: {sentence!r}"


def _line(problem: Problem, origins: Origins) -> int | None:
    location = origins.location(problem.place or Place(problem.object))
    return None if location is None else location.line
