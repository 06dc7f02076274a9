"""Rules of these tests' own, so that no change of the real ones moves them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee import rules
from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.schema import Schema
from referee.rules import Rule


class _Silent(Rule):
    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        return iter(())


class LostKey(_Silent):
    """A key is lost."""


class LateTrigger(_Silent):
    """A trigger is late."""

    severity = Severity.WARNING


class PlainOddity(_Silent):
    """Something is odd."""

    severity = Severity.INFO


@pytest.fixture
def own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "ALL", (LateTrigger(), LostKey(), PlainOddity()))
