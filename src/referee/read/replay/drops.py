"""DROP of every kind of object."""

from __future__ import annotations

from collections.abc import Callable

from referee.model.names import QName
from referee.read.replay.refused import Refused, missing, missing_schema
from referee.read.replay.removal import remove
from referee.read.replay.roles import drop_role, require_owner, require_policy_right
from referee.read.replay.session import Session
from referee.read.replay.uses import Thing
from referee.sql.statements import Drop, Written


def drop(session: Session, record: Drop) -> None:
    """Drops everything that the statement names at once, or nothing."""
    if record.kind == "role":
        drop_role(session, record)
        return
    finder = _FINDERS.get(record.kind)
    if finder is None:
        return
    targets = []
    for position, name in enumerate(record.names):
        try:
            thing = finder(session, record, name, position)
        except Refused as refused:
            if not (record.missing_ok and refused.is_missing):
                raise
        else:
            if thing is not None:
                targets.append(thing)
    if targets:
        remove(session, targets, record.cascade)


def _find(session: Session, name: Written, known: Callable[[QName], bool]) -> QName | None:
    for candidate in session.candidates(name):
        if known(candidate):
            return candidate
    return None


def _relation(kind: str, article: str) -> Callable[[Session, Drop, Written, int], Thing | None]:
    """A finder of tables, views or sequences; another relation of that name is an error."""

    def find(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
        if session.is_temporary(name):
            session.temporary.discard(name.name)
            return None
        found = session.find_relation(name)
        if found is None:
            raise session.missing_relation(name)
        if not _is_of_kind(session, found, record.kind):
            raise Refused("42809", f'"{name.name}" is not {article} {kind}')
        if kind == "table":
            require_owner(session, session.state.tables[found].owner, found)
        return Thing(kind, *found)

    return find


def _is_of_kind(session: Session, name: QName, kind: str) -> bool:
    state = session.state
    if kind in ("table", "foreign_table"):
        table = state.tables.get(name)
        return table is not None and (table.kind == "foreign") == (kind == "foreign_table")
    if kind in ("view", "matview"):
        view = state.views.get(name)
        return view is not None and view.materialized == (kind == "matview")
    return name in state.sequences


def _index(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    found = session.find_relation(name)
    owner = session.state.indexes.get(found) if found is not None else None
    if found is None or owner is None:
        if session.temporary and found is None:
            return None  # it may be one of a temporary table
        raise missing("index", name.name) if found is None else Refused("42809", f'"{name.name}" is not an index')
    table = session.state.tables.get(owner)
    if table is None:
        del session.state.indexes[found]
        return None
    if found.name in table.keys or found.name in table.exclusions:
        raise Refused("2BP01", f"cannot drop index {found.name} because constraint {found.name} requires it")
    if found.name in table.derived:
        raise Refused("2BP01", f"cannot drop index {found.name} because the index of its parent requires it")
    require_owner(session, table.owner, table.name)
    return Thing("index", *owner, found.name)


def _trigger(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    if session.is_temporary(name):
        return None
    part = record.parts[position]
    view = _find(session, name, session.state.views.__contains__)
    if view is not None and session.find_table(name) is None:
        if all(trigger.name != part for trigger in session.state.views[view].triggers):
            raise missing(f'trigger for table "{name.name}"', part)
        return Thing("trigger", *view, part)
    table = session.table(name)
    if part not in table.triggers:
        raise missing(f'trigger for table "{name.name}"', part)
    require_policy_right(session, table)
    return Thing("trigger", *table.name, part)


def _policy(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    if session.is_temporary(name):
        return None
    table, part = session.table(name), record.parts[position]
    if part not in table.policies:
        raise missing(f'policy for table "{name.name}"', part)
    require_policy_right(session, table)
    return Thing("policy", *table.name, part)


def _function(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    arguments = record.arguments[position] if position < len(record.arguments) else None
    found = session.find_function(name, arguments, record.kind)
    if found is None:
        if session.is_brought(name) and not record.missing_ok:
            raise Refused("2BP01", f"cannot drop function {name.name} because its extension or the server requires it")
        raise session.missing_function(name, arguments)
    require_owner(session, session.state.functions[found].owner, found.qualified)
    return Thing("function", *found)


def _type(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    state = session.state
    found = _find(session, name, state.has_type)
    if found is None:
        if name.schema is not None and name.schema not in state.namespaces:
            raise missing_schema(name.schema)
        raise missing("type", name.name)
    if found in state.tables or found in state.views:
        raise Refused("2BP01", f"cannot drop type {found} because table {found} requires it")
    if record.kind == "domain" and found not in state.domains:
        raise Refused("42809", f'"{name.name}" is not a domain')
    return Thing("type", *found)


def _schema(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    namespace = session.state.namespaces.get(name.name)
    if namespace is None:
        raise missing_schema(name.name)
    require_owner(session, namespace.owner, f"schema {name.name}")
    return Thing("schema", "", name.name)


def _extension(session: Session, record: Drop, name: Written, position: int) -> Thing | None:
    if name.name not in session.state.extensions:
        raise missing("extension", name.name)
    return Thing("extension", "", name.name)


_FINDERS: dict[str, Callable[[Session, Drop, Written, int], Thing | None]] = {
    "table": _relation("table", "a"),
    "foreign_table": _relation("table", "a foreign"),
    "view": _relation("view", "a"),
    "matview": _relation("view", "a materialized"),
    "sequence": _relation("sequence", "a"),
    "index": _index,
    "trigger": _trigger,
    "policy": _policy,
    "function": _function,
    "procedure": _function,
    "routine": _function,
    "aggregate": _function,
    "type": _type,
    "domain": _type,
    "schema": _schema,
    "extension": _extension,
}
