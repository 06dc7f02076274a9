"""The roles that a replay takes to be there, because every server has them."""

from __future__ import annotations

from referee.postgres.server import Server
from referee.read.replay.session import PREDEFINED_ROLES


def test_the_predefined_roles_are_those_of_the_server(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        found = {name for (name,) in session.rows("select rolname from pg_roles where starts_with(rolname, 'pg_')")}
        version = session.rows("select current_setting('server_version_num')::int / 10000")[0][0]
    assert found <= PREDEFINED_ROLES
    if version == 18:
        assert found == PREDEFINED_ROLES
