"""Reads databases, and applies changes to them as the host's migration role may."""

from __future__ import annotations

from collections.abc import Iterable

from referee.compare.diff import diff
from referee.compare.ground import Ground
from referee.compare.notes import Notes
from referee.model.change import Change
from referee.model.comparison import Difference
from referee.model.schema import Schema
from referee.platforms import SUPABASE
from referee.postgres.scripts import Outcome, Script, Statement, run_scripts
from referee.postgres.server import Server
from referee.read.catalog import read_catalog
from referee.sql.write import Writer, script


def read(server: Server, database: str) -> Schema:
    with server.connect(database) as session:
        return read_catalog(session, SUPABASE.managed_schemas)


def run(server: Server, database: str, statements: Iterable[str]) -> Outcome:
    """Runs statements in one transaction, through the router that stands for the host."""
    return run_scripts(server, database, [Script("change.sql", [Statement(0, 0, text) for text in statements])])


def apply(server: Server, database: str, schema: Schema, changes: Iterable[Change]) -> None:
    """Applies changes to a database that holds ``schema``; none may fail."""
    statements = script(changes, Writer(schema, "postgres", server.major))
    failures = run(server, database, statements).failures
    assert not failures, "\n".join([*statements, *(f"{failure.report}" for failure in failures)])


def compared(left: Schema, right: Schema) -> Notes:
    return diff(Ground(left, right, SUPABASE))


def forward(differences: Iterable[Difference]) -> list[Change]:
    return [change for difference in differences for change in difference.forward]


def backward(differences: Iterable[Difference]) -> list[Change]:
    return [change for difference in differences for change in difference.backward]


def summaries(notes: Notes) -> list[str]:
    return [difference.summary for difference in notes.differences]
