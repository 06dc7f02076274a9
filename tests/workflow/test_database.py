"""A live database is judged by the rules that judge migrations."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.errors import ServerError, UsageError
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Finding
from referee.model.source import Source
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.rules import ALL, FixtureRule
from referee.workflow.check import check
from referee.workflow.config import Config
from referee.workflow.database import check_database, identities_of_database
from referee.workflow.scripts import script_of
from tests import bandbook

CONFIG = Config(cache=False)


def load(server: Server, database: str, text: str) -> str:
    """Runs a migration as the platform does; the URL of the database."""
    outcome = run_scripts(server, database, [script_of(Source("1_test.sql", text))])
    assert outcome.failures == ()
    return server.url(database)


def about_the_schema(diagnosis: Diagnosis) -> list[Finding]:
    """The findings of a check but those about seeds and tests, which a database has not."""
    ids = {rule.id for rule in ALL if isinstance(rule, FixtureRule)}
    return [finding for finding in diagnosis.findings if finding.rule not in ids]


def problems(diagnosis: Diagnosis) -> set[tuple[str, str, str, str]]:
    """Each finding without its place: rule, object, severity and target."""
    return {
        (finding.rule, str(finding.problem.object), str(finding.problem.severity), str(finding.problem.expected_target))
        for finding in about_the_schema(diagnosis)
    }


@pytest.mark.parametrize("variant", bandbook.VARIANTS)
def test_a_database_has_the_findings_of_its_migrations(
    server: Server, database: str, tmp_path: Path, variant: bandbook.Variant
) -> None:
    url = load(server, database, bandbook.migration(variant))
    live = check_database(url, CONFIG)
    assert problems(live) == problems(check(bandbook.write_project(variant, tmp_path / "project"), CONFIG))
    assert all(finding.location is None for finding in live.findings)
    assert (live.subject.kind, live.subject.platform, live.subject.tables) == ("database", "supabase", 11)


def test_the_fingerprints_are_those_of_the_migrations(server: Server, database: str) -> None:
    url = load(server, database, bandbook.migration("broken"))
    files = check(bandbook.PROJECT, CONFIG)
    live = check_database(url, CONFIG)
    assert {finding.fingerprint for finding in live.findings} == {
        finding.fingerprint for finding in about_the_schema(files)
    }
    assert not {rule.id for rule in ALL if isinstance(rule, FixtureRule)} & set(live.subject.rules)


def test_a_disabled_sync_trigger_is_found(server: Server, database: str) -> None:
    url = load(server, database, bandbook.migration("fixed"))
    with server.connect(database, server.superuser) as session:
        session.run("alter table auth.users disable trigger on_auth_user_created")
    live = check_database(url, CONFIG)
    assert "unsynced-mirror" in {finding.rule for finding in live.findings}


def test_identities_of_a_database(server: Server, database: str) -> None:
    url = load(server, database, bandbook.migration("broken"))
    diagnosis = identities_of_database(url, CONFIG)
    (identity,) = diagnosis.identities.all
    assert str(identity.canonical) == "public.users(id)"
    assert [reference.verdict for reference in identity.references].count("wrong") == 6
    assert diagnosis.findings == ()
    assert diagnosis.subject.rules == ()


def test_a_database_that_is_not_there(server: Server) -> None:
    with pytest.raises(ServerError, match="no_such_database"):
        check_database(server.url("no_such_database"), CONFIG)


def test_a_url_that_makes_no_sense() -> None:
    with pytest.raises(UsageError):
        check_database("postgres//nowhere", CONFIG)


def test_a_role_that_sees_little_reads_the_same_schema(server: Server, database: str) -> None:
    url = load(server, database, bandbook.migration("broken"))
    with server.connect(database, server.superuser) as session:
        session.run("create role onlooker login")
    live = check_database(server.url(database, "onlooker"), CONFIG)
    assert problems(live) == problems(check_database(url, CONFIG))
