"""Runs the records of a script, one after the other, as the server would run the statements."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from referee.read.replay import chronicle, constraints, drops, functions, objects, renames, rights, roles, tables
from referee.read.replay.blocks import run_block
from referee.read.replay.refused import Refused
from referee.read.replay.session import Session
from referee.sql import statements as records


def run(session: Session, statements: Iterable[records.Statement]) -> None:
    """Runs statements one after the other; what Postgres would refuse leaves nothing but a gap."""
    for statement in statements:
        session.span = session.at(statement.start, statement.end)
        try:
            attempt(session, statement.action)
        except Refused as refused:
            session.gap(refused.kind, str(refused), refused.object)


def attempt(session: Session, action: records.Action) -> None:
    """Runs one statement. Where it raises Refused, everything is as it was."""
    kind = type(action)
    if kind in _CHECKED_FIRST or (kind is records.AlterTable and _is_one_step(action)):  # type: ignore[arg-type]
        _HANDLERS[kind](session, action)
        return
    place = session.state.journal.begin()
    try:
        _HANDLERS[kind](session, action)
    except Refused:
        session.undo(place)
        raise
    finally:
        session.state.journal.end()


def _is_one_step(record: records.AlterTable) -> bool:
    """Whether ALTER TABLE can only fail before it changes anything."""
    if len(record.actions) > 1:
        return False
    action = record.actions[0]
    return action.kind in _ONE_STEP and (action.column is None or not action.column.constraints)


# These look at everything before they change anything, or clean up after themselves; and they are most of what there
# is.
_CHECKED_FIRST = frozenset(
    {
        records.CreateFunction,
        records.CreateIndex,
        records.CreatePolicy,
        records.CreateTable,
        records.CreateTrigger,
        records.GrantRights,
        records.MoveRows,
        records.SetVariable,
        records.Transaction,
        records.Unreadable,
    }
)
_ONE_STEP = frozenset({"add column", "add constraint", "default", "enable rls", "force rls", "owner", "set not null"})


def _create_schema(session: Session, record: records.CreateSchema) -> None:
    name = objects.create_namespace(session, record.name, record.owner, record.if_not_exists)
    if name is None or not record.elements:
        return
    path, session.path = session.path, (name, *session.path)
    try:
        for element in record.elements:
            attempt(session, element.action)
    finally:
        session.path = path


def _set_variable(session: Session, record: records.SetVariable) -> None:
    if record.name in ("role", "session_authorization"):
        roles.set_role(session, record)
    else:
        session.set_variable(record.name, record.value, record.local)


def _transaction(session: Session, record: records.Transaction) -> None:
    session.transaction(record.kind, record.name)


def _move_rows(session: Session, record: records.MoveRows) -> None:
    chronicle.rows_moved(session, record.query)


def _run_do(session: Session, block: records.Do) -> None:
    run_block(session, block, attempt)


def _call(session: Session, record: records.Calls) -> None:
    functions.call(session, record.names)


def _note(session: Session, record: records.Unreadable) -> None:
    kind: Any = record.kind
    session.gap(kind, record.message, span=session.at(record.start, record.end))


_HANDLERS: dict[type, Callable[[Session, Any], None]] = {
    records.AddEnumLabel: objects.add_enum_label,
    records.AlterDomain: objects.alter_domain,
    records.AlterFunction: functions.alter_function,
    records.AlterTable: tables.alter_table,
    records.Calls: _call,
    records.CreateComposite: objects.create_composite,
    records.CreateDomain: objects.create_domain,
    records.CreateEnum: objects.create_enum,
    records.CreateExtension: objects.create_extension,
    records.CreateFunction: functions.create_function,
    records.CreateIndex: constraints.create_index,
    records.CreateOtherType: objects.create_other_type,
    records.CreatePolicy: objects.create_policy,
    records.CreateRole: roles.create_role,
    records.CreateSchema: _create_schema,
    records.CreateSequence: objects.create_sequence,
    records.CreateTable: tables.create_table,
    records.CreateTrigger: functions.create_trigger,
    records.CreateView: objects.create_view,
    records.DefaultRights: rights.default_privileges,
    records.Do: _run_do,
    records.Drop: drops.drop,
    records.GrantRights: rights.grant,
    records.GrantRole: roles.grant_role,
    records.MoveRows: _move_rows,
    records.Reassign: roles.reassign,
    records.Rename: renames.rename,
    records.RoleSetting: roles.set_role_setting,
    records.SetOwner: rights.set_owner,
    records.SetSchema: renames.set_schema,
    records.SetVariable: _set_variable,
    records.Transaction: _transaction,
    records.Unreadable: _note,
}
