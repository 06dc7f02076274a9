"""Findings and problems for tests."""

from __future__ import annotations

from referee.model.finding import Confidence, Finding, Problem, Severity
from referee.model.names import QName, Ref, Target
from referee.model.source import Location
from referee.workflow.locate import fingerprint

SONGS = QName("public", "songs")


def problem(name: str = "songs_created_by_fkey", key: str = "", severity: Severity = Severity.ERROR) -> Problem:
    return Problem(
        object=Ref("constraint", *SONGS, name),
        cause="The key points to the wrong table.",
        consequence="An insert fails with 23503.",
        severity=severity,
        confidence=Confidence.CERTAIN,
        table=SONGS,
        columns=("created_by",),
        target=Target(QName("auth", "users"), ("id",)),
        expected_target=Target(QName("public", "users"), ("id",)),
        key=key,
    )


def finding(
    rule: str = "lost-key", line: int = 1, end_line: int = 0, file: str = "a.sql", name: str = "songs_created_by_fkey"
) -> Finding:
    found = problem(name)
    return Finding(rule, found, Location(file, line, 1, end_line or line, 9), (), fingerprint(rule, found))
