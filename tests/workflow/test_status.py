from __future__ import annotations

import pytest

from referee.model.diagnosis import Diagnosis, Subject
from referee.model.finding import Finding, Severity
from referee.model.identity import Identities
from referee.model.origins import Gap, Origins
from referee.model.schema import Schema
from referee.workflow.config import Config
from referee.workflow.status import exit_status
from tests.workflow.findings import problem

pytestmark = pytest.mark.usefixtures("own_rules")

SYNTAX, SKIPPED = Gap("syntax", "a statement"), Gap("skipped-file", "a file")


def diagnosis(*severities: Severity, gaps: tuple[Gap, ...] = ()) -> Diagnosis:
    findings = tuple(Finding("lost-key", problem(severity=severity), None, (), "") for severity in severities)
    return Diagnosis(Schema(), Identities(), Origins(), findings, gaps, Subject("file", "a.sql", "plain"))


@pytest.mark.parametrize(
    ("severities", "fail_on", "status"),
    [
        ((), Severity.INFO, 0),
        ((Severity.INFO,), Severity.WARNING, 0),
        ((Severity.INFO, Severity.WARNING), Severity.WARNING, 1),
        ((Severity.WARNING,), Severity.ERROR, 0),
        ((Severity.ERROR,), Severity.WARNING, 1),
        ((Severity.INFO,), Severity.INFO, 1),
        ((Severity.ERROR,), None, 0),
    ],
)
def test_findings_from_the_chosen_severity_on_make_it_1(
    severities: tuple[Severity, ...], fail_on: Severity | None, status: int
) -> None:
    assert exit_status(diagnosis(*severities), Config(fail_on=fail_on)) == status


def test_gaps_leave_the_status_alone_unless_they_may_not() -> None:
    assert exit_status(diagnosis(gaps=(SYNTAX,)), Config()) == 0
    assert exit_status(diagnosis(gaps=(SYNTAX,)), Config(strict_gaps=True)) == 2
    assert exit_status(diagnosis(gaps=(SKIPPED,)), Config(strict_gaps=True)) == 0
    assert exit_status(diagnosis(Severity.ERROR, gaps=(SYNTAX,)), Config(strict_gaps=True)) == 2
