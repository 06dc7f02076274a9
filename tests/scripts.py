"""Scripts for tests: statements put into one file, and what came of running them."""

from __future__ import annotations

from referee.postgres.scripts import HostServer, Outcome, Script, Statement, run_scripts
from referee.sql.split import split


def script(text: str, path: str = "1_test.sql", version: str | None = None) -> Script:
    """A script as the parts above cut it."""
    statements = [
        Statement(
            found.start,
            found.end,
            found.text(text),
            None if found.data is None else text[found.data[0] : found.data[1]],
        )
        for found in split(text)
    ]
    return Script(path, statements, version)


def run(server: HostServer, database: str, *texts: str) -> Outcome:
    """Runs texts in a database as files of their own, one after the other."""
    return run_scripts(server, database, [script(text, f"{number}_test.sql") for number, text in enumerate(texts, 1)])


def states(outcome: Outcome) -> list[str]:
    """The SQLSTATEs of all failures, in order."""
    return [failure.report.sqlstate for failure in outcome.failures]
