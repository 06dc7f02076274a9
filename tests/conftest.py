"""What every test may ask for: a throw-away server, and a database of one's own on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from referee.model.names import quote
from referee.platforms import SUPABASE
from referee.postgres.programs import find_programs
from referee.postgres.server import Server, start_server

# Started in the background we ignore Ctrl-C, and so would every program that a test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says more about the machine than about the code. `make test` draws the same examples each
# time, so that what turns red is what was changed; `make search` draws new ones.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("server")


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One server for all tests of a process, with Supabase's roles and templates.

    REFEREE_TEST_POSTGRES names other programs than the embedded ones, as --postgres-bin does.
    """
    with start_server(SUPABASE, find_programs(os.environ.get("REFEREE_TEST_POSTGRES"))) as started:
        yield started


@pytest.fixture(autouse=True)
def _roles_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Roles belong to the whole server: what one test creates, the next one must not meet."""
    if "server" not in request.fixturenames:
        yield
        return
    server: Server = request.getfixturevalue("server")
    before = _roles(server)
    yield
    for role in _roles(server) - before:
        with server.connect("postgres", server.superuser) as session:
            session.run(f"drop role {quote(role)}")


def _roles(server: Server) -> set[str]:
    with server.connect("postgres", server.superuser) as session:
        return {str(name) for (name,) in session.rows("select rolname from pg_roles")}


@pytest.fixture
def database(server: Server) -> Iterator[str]:
    """The name of a fresh Supabase database, in the mode "exposed"."""
    with server.database() as name:
        yield name
