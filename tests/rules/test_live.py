"""Every example of every rule in a live database: the same problems as by replay, apart from places in files."""

from __future__ import annotations

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.finding import Problem
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.read.replay import replay
from referee.rules import ALL, Example, FixtureRule, Rule
from referee.workflow.config import Config
from referee.workflow.database import check_database
from tests.scripts import run

EXAMPLES = [
    pytest.param(rule, example, id=f"{rule.id}-{number}")
    for rule in ALL
    if not isinstance(rule, FixtureRule)
    for number, example in enumerate(rule.examples, 1)
]


def facts(problem: Problem) -> tuple[str, ...]:
    """What a problem says, without where it is written."""
    return (
        str(problem.object),
        str(problem.severity),
        problem.cause,
        problem.consequence,
        str(problem.target),
        str(problem.expected_target),
        problem.key,
    )


def by_replay(rule: Rule, text: str) -> list[tuple[str, ...]]:
    schema = replay([Source("example.sql", text)], SUPABASE).schema
    return sorted(facts(problem) for problem in rule.check(schema, identify(schema, IdentityOptions(SUPABASE))))


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_live_database_has_the_same_problems(rule: Rule, example: Example, server: Server, database: str) -> None:
    assert run(server, database, example.text).failures == ()
    diagnosis = check_database(server.url(database), Config(select=(rule.id,), cache=False))
    assert sorted(facts(finding.problem) for finding in diagnosis.findings) == by_replay(rule, example.text)
    assert all(finding.location is None for finding in diagnosis.findings)
    assert diagnosis.gaps == ()
