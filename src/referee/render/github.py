"""Workflow commands of GitHub Actions, which become annotations in a pull request.

Source: GitHub Docs, "Workflow commands for GitHub Actions"; the escapes are those of @actions/core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding, Severity
from referee.model.source import Location
from referee.render.text import summary

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(diagnosis: Diagnosis, seen: Callable[[str], str] = str) -> str:
    """One command for each finding, then the summary for the log.

    ``seen`` makes of a printed path the one that GitHub knows: from the root of the repository.
    """
    return "\n".join(_lines(diagnosis, seen)) + "\n"


def _lines(diagnosis: Diagnosis, seen: Callable[[str], str]) -> Iterator[str]:
    for finding in diagnosis.findings:
        yield _command(finding, seen)
    for notice in diagnosis.notices:
        yield _format("notice", {**_properties(notice.location, seen), "title": "referee"}, notice.message)
    yield from summary(diagnosis)


def _command(finding: Finding, seen: Callable[[str], str]) -> str:
    problem = finding.problem
    where = "" if finding.location else f"{problem.object}: "
    message = f"{where}{problem.cause} {problem.consequence}".strip()
    if problem.remedy is not None:
        message += f"\nfix: {problem.remedy.change.describe()}"
    properties = {**_properties(finding.location, seen), "title": f"{finding.rule} ({problem.confidence})"}
    return _format(_COMMANDS[problem.severity], properties, message)


def _properties(location: Location | None, seen: Callable[[str], str]) -> dict[str, str]:
    if location is None:
        return {}
    found = {"file": seen(location.file), "line": str(location.line)}
    found["endLine"] = str(location.end_line)
    if location.end_line == location.line:  # columns mean nothing to GitHub over several lines
        found |= {"col": str(location.column), "endColumn": str(location.end_column)}
    return found


def _format(command: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
