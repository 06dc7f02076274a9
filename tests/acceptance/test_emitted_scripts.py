"""What ``prove --emit`` writes fails in the same way on another version of Postgres, by its own psql."""

from __future__ import annotations

from pathlib import Path

import pytest

from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.prove import Wish, emit, prove
from tests import bandbook
from tests.bandbook import Variant
from tests.rehearse.test_emitted_scripts import assert_fails_alike
from tests.rehearse.test_races import BOTH_WAYS, TABLES, TRIGGER, project

PSQL = "/usr/lib/postgresql/15/bin/psql"


@pytest.mark.parametrize("variant", ["broken", "fixed_with_identity_key"])
def test_each_failure_of_bandbook_on_postgres_15(variant: Variant, postgres15: Server, tmp_path: Path) -> None:
    folder = bandbook.write_project(variant, tmp_path / "project")
    scripts = emit(prove(folder, Config(cache=False)), tmp_path / "scripts")
    assert scripts != []
    for script in scripts:
        assert_fails_alike(PSQL, postgres15, script)


@pytest.mark.parametrize("migrations", [(TABLES,), (TABLES, TRIGGER, BOTH_WAYS)])
def test_a_race_and_a_deadlock_on_postgres_15(migrations: tuple[str, ...], postgres15: Server, tmp_path: Path) -> None:
    """dblink comes with Debian's contrib modules; the sessions are led by one psql."""
    proof = prove(project(tmp_path, *migrations), Config(cache=False), Wish(("races",)))
    (script,) = [path for path in emit(proof, tmp_path / "out") if path.name == "race-arrival.sql"]
    assert_fails_alike(PSQL, postgres15, script)
