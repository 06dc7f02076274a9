"""What a rule says about a schema given as SQL text."""

from __future__ import annotations

from collections.abc import Iterable

from referee.model.finding import Problem
from referee.model.names import Target
from referee.model.origins import Place
from referee.rules import Rule
from tests.identity.sql import identities_in, replayed


def problems(rule: Rule, text: str, canonical: Iterable[Target] = ()) -> list[Problem]:
    """All problems, by the names of their objects. Every statement of the text has to work."""
    schema = replayed(text).schema
    found = rule.check(schema, identities_in(schema, canonical=canonical))
    return sorted(found, key=lambda problem: (problem.object, problem.key))


def lines(rule: Rule, text: str) -> list[int]:
    """The lines that the problems are on, in order."""
    read = replayed(text)
    found = rule.check(read.schema, identities_in(read.schema))
    places = [read.origins.location(problem.place or Place(problem.object)) for problem in found]
    assert None not in places
    return sorted(place.line for place in places if place is not None)
