"""Replays scripts without a server: the schema that they build, where each part was written, and what could not be known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from referee.model.origins import Gap, Origins
from referee.model.schema import Grant, Schema
from referee.model.source import Source
from referee.platforms import Platform
from referee.read.replay import constraints, objects, removal, rights, tables
from referee.read.replay.freeze import freeze
from referee.read.replay.session import Refused, Session
from referee.read.replay.state import NamespaceState
from referee.sql import statements as records
from referee.sql.script import read_script

ScriptReader = Callable[[Source], records.Script]


@dataclass(frozen=True)
class Replayed:
    """What a replay found. ``statements`` counts all that were read, also those that do not matter to a schema."""

    schema: Schema
    origins: Origins
    gaps: tuple[Gap, ...]
    statements: int


def replay(sources: Sequence[Source], platform: Platform, read: ScriptReader | None = None) -> Replayed:
    """Replays files in their order on top of a platform.

    A statement that Postgres would refuse is left out and reported as a gap; the replay goes on, so that one fault does not
    hide the rest. ``read`` turns a file into records; by default it parses the text.
    """
    reader = read or _read
    session = _start(platform, reader)
    count = 0
    for source in sources:
        script = reader(source)
        count += script.count
        session.begin_file(source.path)
        run(session, script.statements)
    origins = Origins(
        {source.path: source for source in sources},
        session.anchors,
        session.statements,
        session.bodies,
        session.definitions,
    )
    return Replayed(freeze(session.state), origins, tuple(session.gaps), count)


def _read(source: Source) -> records.Script:
    return read_script(source.text)


def _start(platform: Platform, read: ScriptReader) -> Session:
    """A session in which the platform exists, as if it always had: its objects have no origins and its gaps do not count."""
    session = Session(platform.superuser, ("$user", "public"))
    everybody = Grant("public", frozenset({"USAGE"}))
    session.state.namespaces["public"] = NamespaceState("pg_database_owner", grants=(everybody,))
    for source in platform.scripts():
        session.begin_file(source.path)
        run(session, read(source).statements)
    for name in platform.managed_schemas:
        if name in session.state.namespaces:
            session.state.namespaces[name].managed = True
    for places in (session.anchors, session.statements, session.bodies, session.definitions):
        places.clear()
    session.gaps.clear()
    session.login(platform.migration_role, platform.migration_path)
    return session


def run(session: Session, statements: Iterable[records.Statement]) -> None:
    """Runs statements one after the other; what Postgres would refuse becomes a gap."""
    for statement in statements:
        session.span = session.at(statement.start, statement.end)
        try:
            _HANDLERS[type(statement.action)](session, statement.action)
        except Refused as refused:
            session.gap(refused.kind, str(refused), refused.object)


def _run_do(session: Session, block: records.Do) -> None:
    """What a DO block does. Behind a condition, a statement that cannot run is taken for one that is not meant to."""
    for gap in block.gaps:
        _note(session, gap)
    for statement, conditional in zip(block.statements, block.conditional, strict=True):
        session.span = session.at(statement.start, statement.end)
        try:
            _HANDLERS[type(statement.action)](session, statement.action)
        except Refused as refused:
            if not conditional:
                session.gap(refused.kind, str(refused), refused.object)


def _note(session: Session, record: records.Unreadable) -> None:
    kind: Any = record.kind
    session.gap(kind, record.message, span=session.at(record.start, record.end))


def _create_schema(session: Session, record: records.CreateSchema) -> None:
    objects.create_namespace(session, record.name, record.owner, record.if_not_exists)
    path, session.path = session.path, (record.name, *session.path)
    run(session, record.elements)
    session.path = path


def _set_variable(session: Session, record: records.SetVariable) -> None:
    session.set_variable(record.name, record.value)


_HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    records.AddEnumLabel: objects.add_enum_label,
    records.AlterFunction: objects.alter_function,
    records.AlterTable: tables.alter_table,
    records.CreateComposite: objects.create_composite,
    records.CreateDomain: objects.create_domain,
    records.CreateEnum: objects.create_enum,
    records.CreateExtension: objects.create_extension,
    records.CreateFunction: objects.create_function,
    records.CreateIndex: constraints.create_index,
    records.CreatePolicy: objects.create_policy,
    records.CreateRole: rights.create_role,
    records.CreateSchema: _create_schema,
    records.CreateSequence: objects.create_sequence,
    records.CreateTable: tables.create_table,
    records.CreateTrigger: objects.create_trigger,
    records.CreateView: objects.create_view,
    records.DefaultRights: rights.default_privileges,
    records.Do: _run_do,
    records.Drop: removal.drop,
    records.GrantRights: rights.grant,
    records.GrantRole: rights.grant_role,
    records.Rename: removal.rename,
    records.RoleSetting: rights.set_role_setting,
    records.SetOwner: rights.set_owner,
    records.SetSchema: removal.set_schema,
    records.SetVariable: _set_variable,
    records.Unreadable: _note,
}
