"""Who can fill a mirror: what rules about an unfilled one have in common."""

from __future__ import annotations

from typing import Literal

from referee.model.finding import Confidence
from referee.model.identity import Identity, Mirror
from referee.model.schema import Policy, Schema, Table
from referee.sql import tree
from referee.sql.expressions import read_expression

Command = Literal["insert", "select", "update"]

#: The role in whose name a signed-in user's requests run on Supabase.
SIGNED_IN = "authenticated"


def is_guess(mirror: Mirror) -> bool:
    """Whether nothing but its name speaks for a mirror; then what it lacks is no fault."""
    return all(evidence.kind == "name" for evidence in mirror.evidence)


def sure_unfilled(schema: Schema, identity: Identity, mirror: Mirror) -> Confidence:
    """How sure it is that an incomplete mirror lacks rows.

    Most mirrors without a trigger are filled by application code, so it is possible; likely where a trigger that
    would fill it is idle, or where users may not insert their row.
    """
    idle = not mirror.synced_by and any(evidence.kind == "trigger" for evidence in mirror.evidence)
    likely = idle or users_cannot_insert(schema, identity, mirror)
    return min(mirror.confidence, Confidence.LIKELY if likely else Confidence.POSSIBLE)


def users_cannot_insert(schema: Schema, identity: Identity, mirror: Mirror) -> bool:
    """Whether row security keeps users from inserting their row, and no function with its owner's rights does it for
    them.
    """
    table = schema.table(mirror.table)
    return (
        table is not None
        and table.row_security
        and missing_command(schema, table) == "insert"
        and not has_function_that_fills(schema, identity, mirror)
    )


def has_function_that_fills(schema: Schema, identity: Identity, mirror: Mirror) -> bool:
    """Whether a function with its owner's rights inserts the row for the user who calls it."""
    for write in identity.writes:
        if write.where == "function" and (mirror.table, mirror.column) in write.columns:
            found = schema.functions_by_name.get(write.owner.owner, ())
            if any(function.ref == write.owner and function.security_definer for function in found):
                return True
    return False


def missing_command(schema: Schema, table: Table) -> Command | None:
    """The first command that no policy allows a signed-in user, of those that an upsert needs."""
    commands: tuple[Command, ...] = ("insert", "select", "update")
    return next((command for command in commands if not _allows(schema, table, command)), None)


def _allows(schema: Schema, table: Table, command: Command) -> bool:
    return any(
        policy.permissive
        and policy.command in (command, "all")
        and _is_for_users(schema, policy)
        and not _never_holds(policy, command)
        for policy in table.policies
    )


def _is_for_users(schema: Schema, policy: Policy) -> bool:
    """Whether a policy is for whoever is signed in; on a host without such a role, any policy may be."""
    if "public" in policy.roles or SIGNED_IN in policy.roles or SIGNED_IN not in schema.roles:
        return True
    return any(role in policy.roles for role in schema.roles[SIGNED_IN].member_of)


def _never_holds(policy: Policy, command: Command) -> bool:
    text = (policy.check or policy.using) if command == "insert" else policy.using
    return text is not None and _excludes_users(read_expression(text))


def _excludes_users(condition: tree.Expr) -> bool:
    """Whether a condition holds for no user: FALSE, or a comparison with 'service_role'."""
    if isinstance(condition, tree.Literal):
        return condition.value in (None, "false", "f")
    if not isinstance(condition, tree.Operator):
        return False
    if condition.name == "and":
        return any(_excludes_users(arg) for arg in condition.args)
    if condition.name == "or":
        return all(_excludes_users(arg) for arg in condition.args)
    return condition.name == "=" and any(_is_service_role(arg) for arg in condition.args)


def _is_service_role(value: tree.Expr) -> bool:
    while isinstance(value, tree.Cast):
        value = value.arg
    return isinstance(value, tree.Literal) and value.value == "service_role"
