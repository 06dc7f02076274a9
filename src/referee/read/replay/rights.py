"""Grants, default privileges, roles and owners."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from referee.model.names import FunctionName, Ref
from referee.model.schema import Grant, Role, split_path
from referee.read.replay.session import (
    FUNCTION_PRIVILEGES,
    SCHEMA_PRIVILEGES,
    TABLE_PRIVILEGES,
    Refused,
    Session,
)
from referee.read.replay.tables import alter_table
from referee.sql.statements import (
    AlterAction,
    AlterTable,
    CreateRole,
    DefaultRights,
    GrantRights,
    GrantRole,
    RoleSetting,
    SetOwner,
    Written,
)

_ALL = {"table": TABLE_PRIVILEGES, "function": FUNCTION_PRIVILEGES, "schema": SCHEMA_PRIVILEGES}


def change(grants: tuple[Grant, ...], record: GrantRights, owner: str) -> tuple[Grant, ...]:
    """The grants of one object after GRANT or REVOKE. The owner's own rights are never listed."""
    found = {(grant.grantee, grant.columns): grant.privileges for grant in grants}
    for privilege, columns in record.privileges or (("all", ()),):
        wanted = _ALL[record.kind] if privilege.lower() == "all" else frozenset({privilege.upper()})
        for grantee in record.grantees:
            if grantee == owner:
                continue
            held = found.get((grantee, columns), frozenset())
            found[(grantee, columns)] = held | wanted if record.grant else held - wanted
    return tuple([Grant(grantee, held, columns) for (grantee, columns), held in sorted(found.items()) if held])


def grant(session: Session, record: GrantRights) -> None:
    if record.kind == "schema":
        for name in record.names:
            _grant_schema(session, name.name, record)
    elif record.kind == "function":
        _grant_functions(session, record)
    elif record.everywhere:
        schemas = {name.name for name in record.names}
        for table in session.state.tables.values():
            if table.name.schema in schemas:
                table.grants = change(table.grants, record, table.owner)
    else:
        for name in record.names:
            _grant_table(session, name, record)


def _grant_schema(session: Session, name: str, record: GrantRights) -> None:
    namespace = session.state.namespaces.get(name)
    if namespace is None:
        raise Refused(f'schema "{name}" does not exist', "missing-object", Ref("schema", "", name))
    namespace.grants = change(namespace.grants, record, namespace.owner)


def _grant_table(session: Session, name: Written, record: GrantRights) -> None:
    if session.is_temporary(name):
        return
    table = session.find_table(name)
    if table is not None:
        table.grants = change(table.grants, record, table.owner)
    elif not any(session.state.has_relation(candidate) for candidate in session.candidates(name)):
        session.table(name)


def _grant_functions(session: Session, record: GrantRights) -> None:
    if record.everywhere:
        schemas = {name.name for name in record.names}
        found: Iterable[FunctionName | None] = [name for name in session.state.functions if name.schema in schemas]
    else:
        found = [
            session.find_function(name, arguments) for name, arguments in zip(record.names, record.arguments, strict=True)
        ]
    for name in tuple(found):
        if name is not None:
            function = session.state.functions[name]
            session.state.functions[function.name] = replace(
                function, grants=change(function.grants, record, function.owner)
            )


def default_privileges(session: Session, record: DefaultRights) -> None:
    every = _ALL.get(record.kind)
    if every is None:
        return
    wanted = frozenset[str]()
    for privilege in record.privileges or ("all",):
        wanted |= every if privilege.lower() == "all" else {privilege.upper()}
    for role in record.roles or (session.role,):
        for schema in record.schemas or ("",):
            built_in = {"public": FUNCTION_PRIVILEGES} if record.kind == "function" and not schema else {}
            rights = session.state.default_rights.setdefault((role, schema, record.kind), dict(built_in))
            for grantee in record.grantees:
                held = rights.get(grantee, frozenset())
                rights[grantee] = held | wanted if record.grant else held - wanted
    session.forget_default_grants()


def create_role(session: Session, record: CreateRole) -> None:
    roles = session.state.roles
    known = roles.get(record.name)
    if not record.alter:
        if known is not None:
            raise Refused(f'role "{record.name}" already exists')
        known = Role(record.name, member_of=frozenset(record.member_of))
    if known is None:
        known = Role(record.name)
    for option, value in record.options:
        if option == "superuser":
            known = replace(known, superuser=value)
        elif option == "bypassrls":
            known = replace(known, bypass_row_security=value)
        elif option == "inherit":
            known = replace(known, inherit=value)
    roles[record.name] = known


def set_role_setting(session: Session, record: RoleSetting) -> None:
    role = session.state.roles.get(record.role)
    if role is not None and record.name == "search_path":
        path = None if record.value is None else split_path(record.value)
        session.state.roles[record.role] = replace(role, search_path=path)


def grant_role(session: Session, record: GrantRole) -> None:
    for member in record.members:
        role = session.state.roles.get(member)
        if role is not None:
            groups = frozenset(record.roles)
            member_of = role.member_of | groups if record.grant else role.member_of - groups
            session.state.roles[member] = replace(role, member_of=member_of)


def set_owner(session: Session, record: SetOwner) -> None:
    owner = session.role if record.owner in ("current_user", "session_user") else record.owner
    if record.kind == "schema":
        namespace = session.state.namespaces.get(record.name.name)
        if namespace is not None:
            namespace.owner = owner
    elif record.kind in ("function", "procedure", "routine", "aggregate"):
        name = session.find_function(record.name, record.arguments)
        if name is not None:
            function = session.state.functions[name]
            grants = tuple([grant for grant in function.grants if grant.grantee != owner])
            session.state.functions[name] = replace(function, owner=owner, grants=grants)
    elif record.kind in ("table", "view", "matview", "foreign_table"):
        alter_table(session, AlterTable(record.name, (AlterAction("owner", owner),), True))
