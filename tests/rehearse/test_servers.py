"""Where rehearsals take place: programs of another version, and a server that belongs to somebody else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from referee.errors import UsageError
from referee.model.names import QName, Target
from referee.model.rehearsal import Rehearsal
from referee.platforms import PLAIN, SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import start_server
from referee.workflow.config import Config
from referee.workflow.prove import Wish, prove
from tests import bandbook

pytestmark = pytest.mark.server

ONLY = Wish(("sign-up-email", "references", "deletion", "races"))


def gist(rehearsal: Rehearsal) -> object:
    return (
        [(flow.flow, flow.outcome) for flow in rehearsal.flows],
        [
            (str(one.key.ref), world, verdict.outcome, verdict.failure.sqlstate if verdict.failure else None)
            for one in rehearsal.references
            for world, verdict in one.worlds.items()
        ],
        [str(blocker.key.ref) for blocker in rehearsal.deletion.blocked_by] if rehearsal.deletion else None,
        [(race.schedules, race.run, race.failed) for race in rehearsal.races],
    )


@pytest.fixture(scope="module")
def expected() -> object:
    return gist(prove(bandbook.PROJECT, Config(), ONLY).rehearsals[0])


def test_postgres_15_gives_the_same_verdicts(expected: object) -> None:
    try:
        programs = find_programs("auto", 15)
    except UsageError:
        pytest.skip("no Postgres is installed here")
    found = prove(bandbook.PROJECT, Config(), ONLY, programs=programs).rehearsals[0]
    assert found.conditions.version == programs.version
    assert gist(found) == expected


def test_a_server_of_somebody_elses_gives_the_same_verdicts_and_is_left_as_it_was(expected: object) -> None:
    # On Supabase "postgres" is no superuser, so theirs must not be called that.
    theirs = replace(PLAIN, superuser="owner", migration_role="owner")
    with start_server(theirs) as server, server.connect("postgres", server.superuser) as session:
        names = "select rolname from pg_roles union all select datname from pg_database order by 1"
        before = session.rows(names)
        found = prove(bandbook.PROJECT, Config(), ONLY, server_url=server.url("postgres", server.superuser))
        assert gist(found.rehearsals[0]) == expected
        assert session.rows(names) == before


def test_a_project_that_runs_another_version_is_told_so() -> None:
    found = prove(bandbook.PROJECT, Config(), Wish(("login",), False)).rehearsals[0]
    assert "PostgreSQL" in [one.subject for one in found.unverified]
    assert found.conditions.platform == SUPABASE.name


def test_plain_postgres_has_no_sign_up_to_rehearse(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("create table accounts (id int primary key);")
    with pytest.raises(UsageError, match="looks like plain Postgres"):
        prove(tmp_path, Config())


def test_users_of_the_application_are_left_open() -> None:
    sources = (Target(QName("auth", "users"), ("id",)), Target(QName("public", "bands"), ("id",)))
    found = prove(bandbook.PROJECT, Config(sources=sources), Wish(("login",), False)).rehearsals[0]
    assert "public.bands(id)" in [one.subject for one in found.unverified]
    with pytest.raises(UsageError, match="names other sources only"):
        prove(bandbook.PROJECT, Config(sources=sources[1:]), Wish(("login",), False))


def test_a_wish_for_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match='--only names no flow "sign-off"'):
        prove(bandbook.PROJECT, Config(), Wish(("sign-off",)))
