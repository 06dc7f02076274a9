"""Grants, default privileges and owners."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from referee.model.names import FunctionName
from referee.model.schema import Grant
from referee.read.replay.refused import Refused, missing_column, missing_schema
from referee.read.replay.roles import acts_as, require_heir, require_owner, require_set_role
from referee.read.replay.session import (
    COLUMN_PRIVILEGES,
    FUNCTION_PRIVILEGES,
    SCHEMA_PRIVILEGES,
    TABLE_PRIVILEGES,
    Session,
)
from referee.read.replay.state import NamespaceState, TableState
from referee.read.replay.tables import alter_table
from referee.sql.statements import (
    AlterAction,
    AlterTable,
    DefaultRights,
    GrantRights,
    SetOwner,
    Written,
)

_ALL = {"table": TABLE_PRIVILEGES, "function": FUNCTION_PRIVILEGES, "schema": SCHEMA_PRIVILEGES}
# Privileges that exist and are no fact of a schema.
_UNLISTED = frozenset({"MAINTAIN"})

_Held = dict[tuple[str, tuple[str, ...]], frozenset[str]]


def _wanted(kind: str, privilege: str, columns: tuple[str, ...]) -> frozenset[str]:
    """The privileges that a word of GRANT means."""
    known = COLUMN_PRIVILEGES if columns else _ALL[kind]
    if privilege.lower() == "all":
        return known
    if privilege.upper() in known:
        return frozenset({privilege.upper()})
    if privilege.upper() in _UNLISTED:
        return frozenset()
    if privilege.upper() in TABLE_PRIVILEGES | FUNCTION_PRIVILEGES | SCHEMA_PRIVILEGES:
        raise Refused("0LP01", f"invalid privilege type {privilege.upper()} for {kind}")
    raise Refused("42601", f'unrecognized privilege type "{privilege}"')


@lru_cache(maxsize=1024)
def _all_wanted(
    kind: str, privileges: tuple[tuple[str, tuple[str, ...]], ...]
) -> tuple[tuple[frozenset[str], tuple[str, ...]], ...]:
    """The privileges that a statement names, put together by columns."""
    found: dict[tuple[str, ...], frozenset[str]] = {}
    for privilege, columns in privileges or (("all", ()),):
        found[columns] = found.get(columns, frozenset()) | _wanted(kind, privilege, columns)
    return tuple([(wanted, columns) for columns, wanted in found.items()])


def _change(session: Session, holder: Any, record: GrantRights, key: str) -> tuple[Grant, ...]:
    """The grants of one object after GRANT or REVOKE. The owner's own rights are never listed."""
    grants: tuple[Grant, ...] = holder.grants
    owner: str = holder.owner
    found: _Held = {(grant.grantee, grant.columns): grant.privileges for grant in grants}
    grantable = None if acts_as(session, owner) else session.state.grant_options.get((key, session.role), frozenset())
    if grantable is not None and not grantable:
        if not any(grant.grantee in (session.role, "public") for grant in grants):
            session.gap("would-fail", f"permission denied for {key}: {session.role} may not pass on its privileges")
        return grants
    grantees = [name for name in map(session.resolve_role, record.grantees) if name != owner]
    for wanted, columns in _all_wanted(record.kind, record.privileges):
        if grantable is not None:
            wanted &= grantable
        for grantee in grantees:
            _change_one(session, found, record, key, grantee, columns, wanted)
    return _listed(found)


def _change_one(
    session: Session,
    found: _Held,
    record: GrantRights,
    key: str,
    grantee: str,
    columns: tuple[str, ...],
    wanted: frozenset[str],
) -> None:
    options = session.state.grant_options
    if record.with_option:
        options[key, grantee] = options.get((key, grantee), frozenset()) | wanted
    elif not record.grant and (key, grantee) in options:
        options[key, grantee] -= wanted
    if record.option_only:
        return
    places: list[tuple[str, ...]] = [(column,) for column in columns] or [()]
    for place in places:
        held = found.get((grantee, place), frozenset())
        found[grantee, place] = held | wanted if record.grant else held - wanted
    if not record.grant and not columns:
        # What is revoked on the table is revoked on its columns too.
        for other, place in found:
            if other == grantee and place:
                found[other, place] -= wanted


def _listed(found: _Held) -> tuple[Grant, ...]:
    order = sorted(found.items(), key=lambda item: (bool(item[0][1]), item[0][1], item[0][0]))
    return tuple([_make_grant(grantee, held, columns) for (grantee, columns), held in order if held])


# The tables of a project grant the same rights to the same roles.
_make_grant = lru_cache(maxsize=4096)(Grant)


def grant(session: Session, record: GrantRights) -> None:
    """GRANT and REVOKE on tables, schemas and routines. Nothing changes where one of the objects is missing."""
    _all_wanted(record.kind, record.privileges)
    if record.kind == "schema":
        namespaces = [_namespace(session, name.name) for name in record.names]
        for name, namespace in zip(record.names, namespaces, strict=True):
            grants = _change(session, namespace, record, f"schema {name.name}")
            session.state.namespaces[name.name] = replace(namespace, grants=grants)
        session.forget_rights()
    elif record.kind == "function":
        for function_name in list(_functions(session, record)):
            function = session.state.functions[function_name]
            grants = _change(session, function, record, f"function {function_name}")
            session.state.functions[function_name] = replace(function, grants=grants)
    else:
        for table in list(_tables(session, record)):
            table.grants = _change(session, table, record, f"table {table.name}")


def _namespace(session: Session, name: str) -> NamespaceState:
    namespace = session.state.namespaces.get(name)
    if namespace is None:
        raise missing_schema(name)
    return namespace


def _tables(session: Session, record: GrantRights) -> list[TableState]:
    if record.everywhere:
        for name in record.names:
            _namespace(session, name.name)
        schemas = {name.name for name in record.names}
        return [table for table in session.state.tables.values() if table.name.schema in schemas]
    found = [_table(session, name) for name in record.names]
    tables = [table for table in found if table is not None]
    for _, columns in record.privileges:
        for table in tables:
            for column in columns:
                if column not in table.columns and not table.open:
                    raise missing_column(table.name, column)
    return tables


def _table(session: Session, name: Written) -> TableState | None:
    """The table of that name; None for other relations, whose grants are no facts of a schema."""
    if session.is_temporary(name):
        return None
    table = session.find_table(name)
    if table is None and session.find_relation(name) is None:
        raise session.missing_relation(name)
    return table


def _functions(session: Session, record: GrantRights) -> list[FunctionName]:
    if record.everywhere:
        schemas = {written.name for written in record.names}
        for schema in schemas:
            _namespace(session, schema)
        return [
            name
            for name, function in session.state.functions.items()
            if name.schema in schemas and _is_meant(record.routine, function.kind)
        ]
    found = []
    for written, arguments in zip(record.names, record.arguments, strict=True):
        name = session.find_function(written, arguments, record.routine)
        if name is not None:
            found.append(name)
        elif not session.is_brought(written):
            raise session.missing_function(written, arguments)
    return found


def _is_meant(routine: str, kind: str) -> bool:
    """Whether ALL FUNCTIONS, ALL PROCEDURES or ALL ROUTINES means a function of a kind."""
    return routine == "routine" or (routine == "procedure") == (kind == "procedure")


def default_privileges(session: Session, record: DefaultRights) -> None:
    """ALTER DEFAULT PRIVILEGES."""
    every = _ALL.get(record.kind)
    for schema in record.schemas:
        _namespace(session, schema)
    roles = [session.resolve_role(role) for role in record.roles] or [session.role]
    for role in roles:
        if not session.knows_role(role):
            raise Refused("42704", f'role "{role}" does not exist')
        require_owner(session, role, f"the default privileges of {role}")
    if every is None:
        return
    wanted = frozenset[str]()
    for privilege in record.privileges or ("all",):
        wanted |= _wanted(record.kind, privilege, ())
    grantees = [session.resolve_role(grantee) for grantee in record.grantees]
    for role in roles:
        for schema in record.schemas or ("",):
            built_in = {"public": FUNCTION_PRIVILEGES} if record.kind == "function" and not schema else {}
            key = (role, schema, record.kind)
            rights = dict(session.state.default_rights.get(key, built_in))
            for grantee in grantees:
                held = rights.get(grantee, frozenset())
                rights[grantee] = held | wanted if record.grant else held - wanted
            session.state.default_rights[key] = rights
    session.forget_rights()


def set_owner(session: Session, record: SetOwner) -> None:
    """ALTER ... OWNER TO of what is no table."""
    owner = session.resolve_role(record.owner)
    if not session.knows_role(owner):
        raise Refused("42704", f'role "{owner}" does not exist')
    if record.kind == "schema":
        namespace = _namespace(session, record.name.name)
        require_owner(session, namespace.owner, f"schema {record.name.name}")
        require_set_role(session, session.role, owner)
        session.state.namespaces[record.name.name] = replace(
            namespace, owner=owner, grants=_without(namespace.grants, owner)
        )
        session.forget_rights()
    elif record.kind in ("function", "procedure", "routine", "aggregate"):
        name = session.find_function(record.name, record.arguments, record.kind)
        if name is None:
            raise session.missing_function(record.name, record.arguments)
        function = session.state.functions[name]
        require_owner(session, function.owner, name.qualified)
        require_heir(session, owner, name.schema)
        session.state.functions[name] = replace(function, owner=owner, grants=_without(function.grants, owner))
        session.altered(function.ref)
    elif record.kind in ("table", "view", "matview", "foreign_table"):
        alter_table(session, AlterTable(record.name, (AlterAction("owner", owner),), True))


def _without(grants: tuple[Grant, ...], owner: str) -> tuple[Grant, ...]:
    return tuple([grant for grant in grants if grant.grantee != owner])
