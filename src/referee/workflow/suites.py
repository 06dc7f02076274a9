"""Runs a project's SQL tests on a throw-away server, with pgTAP where the server has it, else with functions of our
own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files

from referee.model.source import Source
from referee.model.suite import FileResult
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session
from referee.sql.split import split

_EXTENSION = re.compile(r"create\s+extension\s+(?:if\s+not\s+exists\s+)?\"?pgtap\"?", re.IGNORECASE)
_NUMBER = re.compile(r"(?<=ok )\d+|(?<=Failed test )\d+")
_LINE = re.compile(r"(not )?ok\b(?: \d+)?(?: - (.*))?")


def provide_assertions(server: Server, database: str) -> str:
    """Installs pgTAP in a database, or our own functions where the server has none. Returns what it was."""
    with server.connect(database, server.superuser) as session:
        if session.rows("select from pg_catalog.pg_available_extensions where name = 'pgtap'"):
            session.run("create extension if not exists pgtap with schema extensions")
            return "pgTAP"
        session.run(files("referee.testgen").joinpath("tap.sql").read_text(encoding="utf-8"))
    return "referee's own assertions"


def run_suite(server: Server, database: str, sources: Sequence[Source]) -> tuple[FileResult, ...]:
    """Runs files in their order, each in a session of its own of the role that runs migrations, as pg_prove does."""
    results = []
    for source in sources:
        with server.connect(database) as session:
            results.append(_run(session, source))
    return tuple(results)


def _run(session: Session, source: Source) -> FileResult:
    passed, failed, reports = 0, [], []
    try:
        for cut in split(source.text):
            text = cut.text(source.text)
            if _EXTENSION.match(text):
                continue
            for row in session.rows(text):
                line = _LINE.match(row[0]) if row and isinstance(row[0], str) else None
                if line is not None and line[1]:
                    failed.append(line[2] or "")
                    reports.append(_NUMBER.sub("", row[0]))
                elif line is not None:
                    passed += 1
    except FailedStatementError as error:
        with suppress(FailedStatementError):
            session.run("rollback")
        said = f"{error.report.sqlstate} {error.report.message}"
        return FileResult(source.path, passed, tuple(failed), said, tuple(reports))
    return FileResult(source.path, passed, tuple(failed), None, tuple(reports))
