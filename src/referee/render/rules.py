"""The list of rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from referee.model.finding import Severity
from referee.render.plain import Paint, columns, no_paint


class RuleSummary(Protocol):
    """What the list says of a rule."""

    @property
    def id(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def summary(self) -> str: ...


def render(rules: Sequence[RuleSummary], paint: Paint = no_paint) -> str:
    """A line for each rule."""
    lines = columns([[rule.id, str(rule.severity), rule.summary] for rule in rules])
    return "".join(
        paint("name", line[: len(rule.id)]) + line[len(rule.id) :] + "\n"
        for rule, line in zip(rules, lines, strict=True)
    )


def render_json(rules: Sequence[RuleSummary]) -> str:
    """``{"version": 1, "rules": [{"id", "severity", "summary"}]}``."""
    listed = [{"id": rule.id, "severity": str(rule.severity), "summary": rule.summary} for rule in rules]
    return msgspec.json.format(msgspec.json.encode({"version": 1, "rules": listed}), indent=2).decode() + "\n"
