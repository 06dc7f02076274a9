"""Replays scripts without a server: the schema that they build, where each part was written, and what could not be
known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from referee.model.history import History
from referee.model.origins import Gap, Origins
from referee.model.schema import Grant, Role, Schema
from referee.model.source import Source
from referee.platforms import Platform
from referee.read.replay import chronicle
from referee.read.replay.freeze import freeze
from referee.read.replay.run import run
from referee.read.replay.session import Session
from referee.read.replay.state import NamespaceState
from referee.sql import statements as records
from referee.sql.script import read_script

ScriptReader = Callable[[Source], records.Script]


@dataclass(frozen=True)
class Replayed:
    """What a replay found. ``statements`` counts all that were read, also those that do not matter to a schema.

    ``history`` is the way there; a live database has none.
    """

    schema: Schema
    origins: Origins
    gaps: tuple[Gap, ...]
    statements: int
    history: History = field(default_factory=History)


def replay(sources: Sequence[Source], platform: Platform, read: ScriptReader | None = None) -> Replayed:
    """Replays files in their order on top of a platform.

    A statement that Postgres would refuse is left out and reported as a gap; the replay goes on, so that one fault does
    not hide the rest. ``read`` turns a file into records; by default it parses the text.
    """
    reader = read or _read
    session = _start(platform, reader)
    count = 0
    for source in sources:
        script = reader(source)
        count += script.count
        session.begin_file(source.path, _rolls_back(script))
        run(session, script.statements)
        session.end_file()
        del script  # the records of one long file need as much memory as what they build
    origins = Origins(
        {source.path: source for source in sources},
        session.anchors,
        session.statements,
        session.bodies,
        session.definitions,
    )
    return Replayed(freeze(session.state), origins, tuple(session.gaps), count, chronicle.of(session, sources))


def _read(source: Source) -> records.Script:
    return read_script(source.text)


def _rolls_back(script: records.Script) -> bool:
    """Whether a script takes something back, so that it must be known how everything was before."""
    return any(
        isinstance(statement.action, records.Transaction) and statement.action.kind.startswith("rollback")
        for statement in script.statements
    )


def _start(platform: Platform, read: ScriptReader) -> Session:
    """A session in which the platform exists, as if it always had: its objects have no origins and its gaps do not
    count.
    """
    session = Session(platform.superuser, ("$user", "public"))
    _make_database(session, platform)
    for source in platform.scripts():
        session.begin_file(source.path)
        run(session, read(source).statements)
    state = session.state
    for name in platform.managed_schemas:
        if name in state.namespaces:
            state.namespaces[name] = replace(state.namespaces[name], managed=True)
    for role in (platform.superuser, platform.migration_role):
        if role not in state.roles:
            state.roles[role] = Role(role, superuser=True, bypass_row_security=True)
    for places in (session.anchors, session.statements, session.bodies, session.definitions):
        places.clear()
    session.gaps.clear()
    session.state.events.clear()
    session.forget_rights()
    session.login(platform.migration_role, platform.migration_path)
    return session


def _make_database(session: Session, platform: Platform) -> None:
    """What every new database has, and what the host lets the migration role do."""
    usage = Grant("public", frozenset({"USAGE"}))
    session.state.namespaces["public"] = NamespaceState("pg_database_owner", grants=(usage,))
    session.state.extensions["plpgsql"] = "pg_catalog"
    session.database_owner = platform.migration_role
    session.owned_by_host = platform.beyond.owned_by_host
    for stand_in in platform.stand_ins.values():
        session.extension_schemas[stand_in.name] = stand_in.schema
