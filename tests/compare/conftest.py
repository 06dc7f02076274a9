"""Bandbook as it was repaired, with an identity key, on a server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from tests.bandbook import migration
from tests.compare.bandbook import LATER, as_script


@pytest.fixture(scope="session")
def fixed(server: Server) -> Iterator[str]:
    """A database with both migrations; to be cloned or compared with, not to be changed."""
    with server.database() as name:
        scripts = [as_script("20251106000000", "baseline", migration("fixed_with_identity_key"))]
        scripts.append(as_script("20251201000000", "later", LATER))
        assert not run_scripts(server, name, scripts).failures
        yield name
