"""The journal of repairs is no part of what is judged, whoever reads the database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee.model.names import QName
from referee.model.source import Source
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.postgres.session import Session
from referee.read.catalog import read_catalog
from referee.sql.repairs import quarantine_table, set_up
from referee.workflow.compare import compare
from referee.workflow.config import Config
from referee.workflow.database import check_database
from referee.workflow.journals import without_journals
from referee.workflow.scripts import script_of
from tests import bandbook

SONGS = QName("public", "songs")
CONFIG = Config(cache=False)


@pytest.fixture(scope="module")
def broken(server: Server) -> Iterator[str]:
    """Bandbook as it is; to be cloned or compared with, not to be changed."""
    with server.database() as name:
        assert not run_scripts(server, name, [script_of(Source("1_test.sql", bandbook.migration("broken")))]).failures
        yield name


def keep_journal(session: Session, schema: str) -> None:
    """What a repair that moved songs out of the way leaves behind."""
    session.run(set_up(schema))
    session.run(quarantine_table(schema, read_catalog(session, ()).tables[SONGS]))


@pytest.mark.parametrize("name", ["referee", 'Org\'s;"kept"'])
def test_check_and_compare_leave_the_journal_aside(server: Server, broken: str, name: str) -> None:
    with server.database(template=broken) as repaired:
        before = check_database(server.url(repaired), CONFIG)
        with server.connect(repaired, server.superuser) as session:
            keep_journal(session, name)
        after = check_database(server.url(repaired), CONFIG)
        assert after.findings == before.findings
        assert after.subject.tables == before.subject.tables == 11
        for left, right in ((broken, repaired), (repaired, broken)):
            result = compare(server.url(left), server.url(right))
            assert result.comparison.differences == ()


def test_what_else_lives_beside_a_journal_stays(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("create table public.songs (id uuid primary key); create table public.kept (id uuid)")
        before = read_catalog(session, ())
        keep_journal(session, "public")
        after = read_catalog(session, ())
    assert len(after.tables) == len(before.tables) + 4
    assert without_journals(after) == before


def test_tables_that_are_only_called_like_those_of_a_journal_stay(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("create table run (wish int); create table journal (id int); create table pairs (id int)")
        schema = read_catalog(session, ())
    assert without_journals(schema) is schema


def test_a_namespace_in_which_something_else_is_stays(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(f"{set_up('referee')} create function referee.mine() returns int language sql return 1")
        schema = without_journals(read_catalog(session, ()))
    assert "referee" in schema.namespaces
    assert not [name for name in schema.tables if name.schema == "referee"]
