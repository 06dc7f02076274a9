"""The programs of the acceptance tests are those that the tests were written for."""

from __future__ import annotations

import subprocess

from referee.postgres.server import Server


def test_the_cli_is_the_pinned_one(supabase_cli: str) -> None:
    said = subprocess.run([supabase_cli, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip().endswith("3.1.0")


def test_pgtap_can_be_created(postgres15: Server) -> None:
    with postgres15.database() as name, postgres15.connect(name, postgres15.superuser) as session:
        session.run("create extension pgtap")
        assert str(session.value("select pgtap_version()")).startswith("1.")
