"""A live database is judged by the rules that judge migrations."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest

from referee.errors import ServerError, UsageError
from referee.identity import IdentityOptions, identify
from referee.model.diagnosis import Diagnosis
from referee.model.finding import Confidence, Finding
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.read.catalog import Limits, Unseen
from referee.read.catalog.queries import PARTS, query
from referee.read.catalog.sight import plan
from referee.rules import ALL, FixtureRule, PlanRule
from referee.rules.unsynced_mirror import UnsyncedMirror
from referee.workflow.check import check
from referee.workflow.config import Config
from referee.workflow.database import TOLD_BY, Live, check_database, identities_of_database
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
    (found,) = [finding.problem for finding in live.findings if finding.rule == "unsynced-mirror"]
    assert found.confidence == Confidence.CERTAIN
    assert "on_auth_user_created that would fill it is disabled" in found.cause


def test_a_missing_sync_trigger_is_certain(server: Server, database: str) -> None:
    text = """
        create table public.profiles (id uuid primary key references auth.users (id));
        create table public.posts (author uuid references public.profiles (id));
    """
    live = check_database(load(server, database, text), Config(select=("unsynced-mirror",), cache=False))
    (replayed,) = UnsyncedMirror().check(schema := live.schema, identify(schema, IdentityOptions(SUPABASE)))
    (found,) = live.findings
    assert replayed.confidence < found.problem.confidence == Confidence.CERTAIN


def test_a_doubtful_mirror_is_not_made_certain(server: Server, database: str) -> None:
    text = """
        create table public.users (id uuid primary key);
        create table public.posts (author uuid references public.users (id));
        create table public.songs (singer uuid references auth.users (id));
        alter table public.users enable row level security;
        create policy own on public.users using (id = auth.uid());
    """
    live = check_database(load(server, database, text), Config(select=("unsynced-mirror",), cache=False))
    (mirror,) = live.identities.all[0].mirrors
    assert mirror.confidence < Confidence.CERTAIN
    assert [finding.problem.confidence for finding in live.findings] == [mirror.confidence]


def test_rules_that_need_files_do_not_run(server: Server, database: str) -> None:
    ran = check_database(server.url(database), CONFIG).subject.rules
    assert set(ran) == {rule.id for rule in ALL if not isinstance(rule, FixtureRule | PlanRule)}


@pytest.mark.parametrize("what", TOLD_BY)
def test_what_is_left_out_without_a_catalog_are_rules(what: str) -> None:
    left_out = Live(Schema(), SUPABASE, (Unseen(what, ("pg_some",)),)).rules_to_leave_out()
    assert left_out <= {rule.id for rule in ALL}
    assert left_out >= {rule.id for rule in ALL if isinstance(rule, FixtureRule)}


def test_whatever_can_be_unseen_has_words() -> None:
    catalogs = {name for part in PARTS for name in re.findall(r"\bpg_\w+", query(part, 18))}
    for refused in catalogs:
        with suppress(ServerError):  # without some of them nothing can be read
            assert {unseen.what for unseen in plan(18, "me", frozenset({refused})).unseen} <= TOLD_BY.keys()


def test_a_gap_names_the_rules_that_would_have_run() -> None:
    live = Live(Schema(), SUPABASE, (Unseen("indexes", ("pg_index",)),))
    (gap,) = live.gaps(Config(select=("unindexed-foreign-key", "split-identity-reference")))
    assert gap.kind == "unseen"
    assert gap.message == "indexes (the role may not use pg_index); not run without it: unindexed-foreign-key"
    (gap,) = live.gaps(Config(select=("split-identity-reference",)))
    assert gap.message == "indexes (the role may not use pg_index)"


def test_a_lock_that_somebody_holds(server: Server, database: str) -> None:
    url = load(server, database, "create table public.a (id int);")
    with server.connect(database, server.superuser) as session:
        session.run("begin; lock pg_catalog.pg_policy in access exclusive mode")
        with pytest.raises(ServerError, match=r"waited more than 0.1 seconds for a lock"):
            check_database(url, CONFIG, Limits(lock_timeout=100))
        session.run("rollback")


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
