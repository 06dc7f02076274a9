"""What a role may do to a table, by its grants and by row security."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from referee.model.schema import Grant, Policy, Schema, Table

_PUBLIC = "public"
Command = Literal["select", "insert", "update", "delete"]


def stands_for(schema: Schema, role: str) -> frozenset[str]:
    """The roles whose rights a role has: its own, everybody's, and those it inherits."""
    found = {role, _PUBLIC}
    pending = [role]
    while pending:
        known = schema.roles.get(pending.pop())
        if known is not None and known.inherit:
            new = known.member_of - found
            found |= new
            pending.extend(new)
    return frozenset(found)


def lacks(schema: Schema, role: str, table: Table, command: Command, columns: Iterable[str] = ()) -> str | None:
    """What keeps a role from a command on a table, for the end of a sentence; None where it may, or is not known.

    ``columns`` are those that the command names; a grant on each of them is as good as one on the table.
    """
    known = schema.roles.get(role)
    if known is None or known.superuser:
        return None
    roles = stands_for(schema, role)
    if not _may_use(schema, roles, table.name.schema):
        return f"has no USAGE on schema {table.name.schema}"
    if not table.owner or table.owner in roles:
        return None
    if not _holds(table.grants, roles, command.upper(), tuple(columns)):
        return f"has no {command.upper()} privilege on {table.name}"
    return None


def reachable(schema: Schema, role: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """The schemas of a search_path that count for a role: those that it may not look into are passed over."""
    known = schema.roles.get(role)
    if known is None or known.superuser:
        return path
    roles = stands_for(schema, role)
    return tuple(name for name in path if _may_use(schema, roles, name))


def _may_use(schema: Schema, roles: frozenset[str], name: str) -> bool:
    namespace = schema.namespaces.get(name)
    return namespace is None or namespace.owner in roles or _holds(namespace.grants, roles, "USAGE", ())


def _holds(grants: Iterable[Grant], roles: frozenset[str], privilege: str, columns: tuple[str, ...]) -> bool:
    granted = [grant for grant in grants if grant.grantee in roles and privilege in grant.privileges]
    if any(not grant.columns for grant in granted):
        return True
    held = {column for grant in granted for column in grant.columns}
    return bool(columns) and held.issuperset(columns)


def is_subject_to_row_security(schema: Schema, role: str, table: Table) -> bool:
    """Whether policies decide what a role sees and writes in a table. False for a role that is not known."""
    known = schema.roles.get(role)
    if known is None or not table.row_security or known.superuser or known.bypass_row_security:
        return False
    return table.force_row_security or table.owner not in stands_for(schema, role)


def policies_for(schema: Schema, role: str, table: Table, command: Command) -> Iterator[Policy]:
    """The policies that apply to a command of a role."""
    roles = stands_for(schema, role)
    for policy in table.policies:
        if policy.command in ("all", command) and roles & set(policy.roles):
            yield policy


def refuses_insert(
    schema: Schema, role: str, table: Table, commands: tuple[Command, ...], can_hold: Callable[[str], bool]
) -> str | None:
    """What in row security keeps a role from inserting, for the end of a sentence; None where it may.

    ``commands`` are those whose policies the new row must meet: "insert", and "select" where the statement reads it too
    (ON CONFLICT with columns, RETURNING). ``can_hold`` tells whether a policy's expression may come to true.
    """
    if not is_subject_to_row_security(schema, role, table):
        return None
    for command in commands:
        permitting = [policy for policy in policies_for(schema, role, table, command) if policy.permissive]
        if not permitting:
            return f"is under row security on {table.name}, where no policy lets it {command}"
        if not any(can_hold(_condition(policy, command)) for policy in permitting):
            names = " and ".join(f'"{policy.name}"' for policy in permitting)
            return f"is under row security on {table.name}, where {names} asks for a signed-in user, and nobody is yet"
    return None


def _condition(policy: Policy, command: Command) -> str:
    """The expression that a new row must meet."""
    return (policy.check if command == "insert" else None) or policy.using or "true"
