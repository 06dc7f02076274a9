"""Tables: creating, altering, dropping, renaming and moving them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from referee.model.names import QName, Ref, Target
from referee.model.schema import Column, ForeignKey
from referee.model.source import Span
from referee.read.replay import constraints
from referee.read.replay.naming import choose_name
from referee.read.replay.session import Refused, Session
from referee.read.replay.state import TableState
from referee.read.replay.types import SERIALS
from referee.sql.statements import AlterAction, AlterTable, ColumnSpec, CreateTable, Like

_LIKE_CONSTRAINTS, _LIKE_DEFAULTS, _LIKE_GENERATED, _LIKE_IDENTITY, _LIKE_INDEXES = 4, 8, 16, 32, 64


def create_table(session: Session, record: CreateTable) -> None:
    if record.temporary or record.name.schema == "pg_temp":
        session.temporary.add(record.name.name)
        return
    name = session.new_name(record.name)
    state = session.state
    if state.has_relation(name):
        if record.if_not_exists:
            return
        raise Refused(f'relation "{name.name}" already exists', object=Ref("table", *name))
    table = TableState(name, session.role, session.default_grants("table", name.schema))
    table.kind = "foreign" if record.foreign else "partitioned" if record.partitioned else "table"
    _inherit(session, table, record)
    _add_columns(session, table, record)
    ref = Ref("table", *name)
    if record.unknown_columns:
        session.gap("unsupported", f"the columns of {name} come from a query or type", ref)
    state.tables[name] = table
    session.made(ref, session.at(record.name.start, record.name.start + _written_length(record)))
    try:
        _add_constraints(session, table, record)
    except Refused:
        forget_table(session, table)
        raise


def _written_length(record: CreateTable) -> int:
    """The length of the name as most people write it; quotes and blanks inside are not counted."""
    return len(record.name.name) + (len(record.name.schema) + 1 if record.name.schema else 0)


def _inherit(session: Session, table: TableState, record: CreateTable) -> None:
    if record.partition_of is not None:
        parent = session.table(record.partition_of)
        table.partition_of = parent.name
        table.columns.update({column.name: column for column in parent.columns.values()})
    for written in record.inherits:
        parent = session.table(written)
        table.inherits += (parent.name,)
        for column in parent.columns.values():
            table.columns.setdefault(column.name, column)


def _add_columns(session: Session, table: TableState, record: CreateTable) -> None:
    likes = {like.position: like for like in record.likes}
    for position, spec in enumerate(record.columns):
        if position in likes:
            _copy_columns(session, table, likes.pop(position))
        if spec.name in table.columns and table.partition_of is None and not table.inherits:
            raise Refused(f'column "{spec.name}" specified more than once')
        put_column(session, table, spec)
    for like in likes.values():
        _copy_columns(session, table, like)


def _copy_columns(session: Session, table: TableState, like: Like) -> None:
    model = session.table(like.table)
    for column in model.columns.values():
        table.columns[column.name] = Column(
            column.name,
            column.type,
            column.not_null,
            column.default if like.options & _LIKE_DEFAULTS else None,
            column.generated if like.options & _LIKE_GENERATED else None,
            column.identity if like.options & _LIKE_IDENTITY else "",
        )


def _add_constraints(session: Session, table: TableState, record: CreateTable) -> None:
    specs = [spec for column in record.columns for spec in column.constraints]
    specs.extend(record.constraints)
    constraints.add_in_order(session, table, specs)
    for like in record.likes:
        _copy_constraints(session, table, like)


def _copy_constraints(session: Session, table: TableState, like: Like) -> None:
    model = session.table(like.table)
    if like.options & _LIKE_CONSTRAINTS:
        for check in model.checks.values():
            table.checks[check.name] = replace(check, table=table.name)
            session.state.count_constraint(table.name.schema, check.name, 1)
    if like.options & _LIKE_INDEXES:
        for index in model.indexes.values():
            _copy_index(session, table, model, index.name)


def _copy_index(session: Session, table: TableState, model: TableState, name: str) -> None:
    index, key = model.indexes[name], model.keys.get(name)
    columns = [column if column is not None else "expr" for column in index.columns]
    label = "pkey" if key is not None and key.primary else "key" if key is not None else "idx"
    joined = None if label == "pkey" else constraints.join_columns(columns)
    fresh = choose_name(
        table.name.name, joined, label, lambda taken: session.state.has_relation(QName(table.name.schema, taken))
    )
    constraints.put_index(session, table, replace(index, table=table.name, name=fresh))
    if key is not None:
        table.keys[fresh] = replace(key, table=table.name, name=fresh)
        session.state.count_constraint(table.name.schema, fresh, 1)


def put_column(session: Session, table: TableState, spec: ColumnSpec) -> None:
    """Adds a column without its constraints."""
    inherited = table.columns.get(spec.name)
    if not spec.type.name and inherited is not None:
        column = replace(inherited, not_null=inherited.not_null or spec.not_null, default=spec.default or inherited.default)
    elif spec.type.schema is None and spec.type.name in SERIALS:
        column = _serial(session, table, spec)
    else:
        default = None if spec.default is not None and spec.default.lower() == "null" else spec.default
        column = Column(spec.name, session.type(spec.type), spec.not_null, default, spec.generated, spec.identity)
        if spec.identity:
            _make_sequence(session, table, spec.name)
    table.columns[spec.name] = column
    session.anchors[Ref("column", table.name.schema, table.name.name, spec.name)] = Span(session.file, spec.start, spec.end)


def _serial(session: Session, table: TableState, spec: ColumnSpec) -> Column:
    sequence = _make_sequence(session, table, spec.name)
    literal = str(sequence).replace("'", "''")
    return Column(spec.name, SERIALS[spec.type.name], True, f"nextval('{literal}'::regclass)")


def _make_sequence(session: Session, table: TableState, column: str) -> QName:
    schema = table.name.schema
    name = choose_name(
        table.name.name, column, "seq", lambda taken: session.state.has_relation(QName(schema, taken))
    )
    sequence = QName(schema, name)
    session.state.sequences.add(sequence)
    table.sequences += (sequence,)
    return sequence


# ALTER TABLE


def alter_table(session: Session, record: AlterTable) -> None:
    if session.is_temporary(record.name):
        return
    table = session.find_table(record.name)
    if table is None:
        if _alter_view(session, record) or record.if_exists:
            return
        table = session.table(record.name)
    backup = table.copy() if len(record.actions) > 1 else None
    try:
        for action in record.actions:
            _ALTER[action.kind](session, table, action)
    except Refused:
        if backup is not None:
            _restore(session, backup)
        raise
    session.altered(Ref("table", *table.name))


def _restore(session: Session, backup: TableState) -> None:
    """Puts a table back as it was before a statement that failed half-way."""
    failed = session.state.tables[backup.name]
    for key in failed.foreign_keys.values():
        session.state.remove_reference(key)
    for name in failed.constraint_names():
        session.state.count_constraint(backup.name.schema, name, -1)
    for name in failed.indexes:
        session.state.indexes.pop(QName(backup.name.schema, name), None)
    session.state.tables[backup.name] = backup
    for key in backup.foreign_keys.values():
        session.state.add_reference(key)
    for name in backup.constraint_names():
        session.state.count_constraint(backup.name.schema, name, 1)
    for name in backup.indexes:
        session.state.indexes[QName(backup.name.schema, name)] = backup.name


def _alter_view(session: Session, record: AlterTable) -> bool:
    for name in session.candidates(record.name):
        view = session.state.views.get(name)
        if view is not None:
            for action in record.actions:
                if action.kind == "owner":
                    view = replace(view, owner=action.name)
                elif action.kind == "security invoker":
                    view = replace(view, security_invoker=_is_true(action.text or ""))
            session.state.views[name] = view
            return True
        if name in session.state.sequences or name in session.state.indexes:
            return True
    return False


def _is_true(text: str) -> bool:
    return any(word in text.lower() for word in ("true", "'on'", "'1'")) or text == "{}"


def _add_column(session: Session, table: TableState, action: AlterAction) -> None:
    spec = action.column
    assert spec is not None
    if spec.name in table.columns:
        if action.missing_ok:
            return
        raise Refused(f'column "{spec.name}" of relation "{table.name.name}" already exists')
    put_column(session, table, spec)
    constraints.add_in_order(session, table, spec.constraints)


def _column(table: TableState, name: str) -> Column:
    column = table.columns.get(name)
    if column is None:
        raise Refused(
            f'column "{name}" of relation "{table.name.name}" does not exist',
            "missing-object",
            Ref("column", *table.name, name),
        )
    return column


def _drop_column(session: Session, table: TableState, action: AlterAction) -> None:
    if action.name not in table.columns:
        if action.missing_ok:
            return
        _column(table, action.name)
    _drop_dependents(session, table, action)
    del table.columns[action.name]
    for name in [key.name for key in table.foreign_keys.values() if action.name in key.columns]:
        constraints.drop_constraint(session, table, name, action.cascade, True)
    for name in [key.name for key in table.keys.values() if action.name in key.columns]:
        constraints.drop_constraint(session, table, name, action.cascade, True)
    for name in [index.name for index in table.indexes.values() if action.name in (*index.columns, *index.include)]:
        constraints.remove_index(session, table, name)
    for name in [check.name for check in table.checks.values() if _mentions(check.expression, action.name)]:
        constraints.drop_constraint(session, table, name, action.cascade, True)


def _drop_dependents(session: Session, table: TableState, action: AlterAction) -> None:
    """What hangs on a column and would stop its dropping without CASCADE: policies, triggers, keys of other tables."""
    policies = [
        policy.name
        for policy in table.policies.values()
        if _mentions(policy.using or "", action.name) or _mentions(policy.check or "", action.name)
    ]
    for name in policies:
        if action.cascade:
            del table.policies[name]
    for owner, name in sorted(session.state.referencing.get(table.name, ())):
        key = session.state.tables[owner].foreign_keys[name]
        if action.name in key.target.columns and owner != table.name:
            if not action.cascade:
                raise Refused(
                    f"cannot drop column {action.name} of table {table.name.name} because other objects depend on it"
                )
            constraints.drop_constraint(session, session.state.tables[owner], name, True, True)


def _mentions(expression: str, column: str) -> bool:
    """Whether an expression may name a column; a word inside a literal counts too, which is the safe side here."""
    at = expression.find(column)
    while at != -1:
        before, after = expression[at - 1 : at], expression[at + len(column) : at + len(column) + 1]
        if not (before.isalnum() or before == "_") and not (after.isalnum() or after in ("_", "(") and after):
            return True
        at = expression.find(column, at + 1)
    return False


def _set_column(**changes: Any) -> Callable[[Session, TableState, AlterAction], None]:
    def apply(session: Session, table: TableState, action: AlterAction) -> None:
        table.columns[action.name] = replace(_column(table, action.name), **changes)

    return apply


def _set_default(session: Session, table: TableState, action: AlterAction) -> None:
    text = None if action.text is None or action.text.lower() == "null" else action.text
    table.columns[action.name] = replace(_column(table, action.name), default=text)
    session.altered(Ref("column", *table.name, action.name))


def _set_type(session: Session, table: TableState, action: AlterAction) -> None:
    assert action.type is not None
    table.columns[action.name] = replace(_column(table, action.name), type=session.type(action.type))


def _add_identity(session: Session, table: TableState, action: AlterAction) -> None:
    identity: Any = action.text
    table.columns[action.name] = replace(_column(table, action.name), identity=identity, not_null=True)
    _make_sequence(session, table, action.name)


def _add_constraint(session: Session, table: TableState, action: AlterAction) -> None:
    assert action.constraint is not None
    constraints.add_constraint(session, table, action.constraint)


def _drop_constraint(session: Session, table: TableState, action: AlterAction) -> None:
    constraints.drop_constraint(session, table, action.name, action.cascade, action.missing_ok)


def _validate(session: Session, table: TableState, action: AlterAction) -> None:
    if action.name in table.foreign_keys:
        key = table.foreign_keys[action.name]
        table.foreign_keys[action.name] = replace(key, validated=key.enforced)
        session.altered(key.ref)
    elif action.name in table.checks:
        table.checks[action.name] = replace(table.checks[action.name], validated=True)
    else:
        raise Refused(
            f'constraint "{action.name}" of relation "{table.name.name}" does not exist',
            "missing-object",
            Ref("constraint", *table.name, action.name),
        )


def _alter_constraint(session: Session, table: TableState, action: AlterAction) -> None:
    key = table.foreign_keys.get(action.name)
    if key is None:
        raise Refused(f'constraint "{action.name}" of relation "{table.name.name}" is not a foreign key constraint')
    if action.text == "not enforced":
        changed = replace(key, enforced=False, validated=False)
    elif action.text == "enforced":
        changed = replace(key, enforced=True, validated=True)
    else:
        deferred = action.text == "deferred"
        changed = replace(key, deferrable=deferred or action.text == "deferrable", initially_deferred=deferred)
    table.foreign_keys[action.name] = changed
    session.altered(key.ref)


def _set_trigger(enabled: str) -> Callable[[Session, TableState, AlterAction], None]:
    def apply(session: Session, table: TableState, action: AlterAction) -> None:
        trigger = table.triggers.get(action.name)
        if trigger is None:
            raise Refused(
                f'trigger "{action.name}" for table "{table.name.name}" does not exist',
                "missing-object",
                Ref("trigger", *table.name, action.name),
            )
        state: Any = enabled
        table.triggers[action.name] = replace(trigger, enabled=state)
        session.altered(trigger.ref)

    return apply


def _set_triggers(enabled: str) -> Callable[[Session, TableState, AlterAction], None]:
    def apply(session: Session, table: TableState, action: AlterAction) -> None:
        state: Any = enabled
        for name, trigger in table.triggers.items():
            table.triggers[name] = replace(trigger, enabled=state)

    return apply


def _set_flag(flag: str, value: bool) -> Callable[[Session, TableState, AlterAction], None]:
    def apply(session: Session, table: TableState, action: AlterAction) -> None:
        setattr(table, flag, value)

    return apply


def _set_owner(session: Session, table: TableState, action: AlterAction) -> None:
    owner = session.role if action.name in ("current_user", "session_user") else action.name
    # The former owner's rights go over to the new one, and a grant to the new owner is no longer separate.
    table.grants = tuple([grant for grant in table.grants if grant.grantee != owner])
    table.owner = owner


def _attach(session: Session, table: TableState, action: AlterAction) -> None:
    assert action.other is not None
    session.table(action.other).partition_of = table.name


def _detach(session: Session, table: TableState, action: AlterAction) -> None:
    assert action.other is not None
    session.table(action.other).partition_of = None


def _add_parent(session: Session, table: TableState, action: AlterAction) -> None:
    assert action.other is not None
    table.inherits += (session.table(action.other).name,)


def _nothing(session: Session, table: TableState, action: AlterAction) -> None:
    return None


_ALTER: dict[str, Callable[[Session, TableState, AlterAction], None]] = {
    "add column": _add_column,
    "drop column": _drop_column,
    "set not null": _set_column(not_null=True),
    "drop not null": _set_column(not_null=False),
    "drop expression": _set_column(generated=None),
    "add identity": _add_identity,
    "drop identity": _set_column(identity=""),
    "default": _set_default,
    "type": _set_type,
    "add constraint": _add_constraint,
    "drop constraint": _drop_constraint,
    "validate": _validate,
    "alter constraint": _alter_constraint,
    "enable rls": _set_flag("row_security", True),
    "disable rls": _set_flag("row_security", False),
    "force rls": _set_flag("force_row_security", True),
    "no force rls": _set_flag("force_row_security", False),
    "trigger origin": _set_trigger("origin"),
    "trigger always": _set_trigger("always"),
    "trigger replica": _set_trigger("replica"),
    "trigger disabled": _set_trigger("disabled"),
    "triggers disabled": _set_triggers("disabled"),
    "triggers origin": _set_triggers("origin"),
    "owner": _set_owner,
    "attach partition": _attach,
    "detach partition": _detach,
    "inherit": _add_parent,
    "security invoker": _nothing,
}


# Dropping, renaming, moving


def drop_table(session: Session, table: TableState, cascade: bool) -> None:
    """Drops a table; keys of other tables to it go with CASCADE, and stop the drop without."""
    others = [pair for pair in session.state.referencing.get(table.name, ()) if pair[0] != table.name]
    if others and not cascade:
        raise Refused(
            f"cannot drop table {table.name.name} because other objects depend on it: "
            + ", ".join(sorted(f"{name} on {owner}" for owner, name in others)[:3])
        )
    for owner, name in sorted(others):
        constraints.drop_constraint(session, session.state.tables[owner], name, True, True)
    if table.kind == "partitioned":
        for child in [child for child in session.state.tables.values() if child.partition_of == table.name]:
            drop_table(session, child, cascade)
    forget_table(session, table)


def forget_table(session: Session, table: TableState) -> None:
    """Removes a table from every list that knows it."""
    state = session.state
    for key in table.foreign_keys.values():
        state.remove_reference(key)
    for name in table.constraint_names():
        state.count_constraint(table.name.schema, name, -1)
    for name in [*table.indexes, *table.exclusions]:
        state.indexes.pop(QName(table.name.schema, name), None)
    state.sequences.difference_update(table.sequences)
    state.tables.pop(table.name, None)


def move_table(session: Session, table: TableState, name: QName) -> None:
    """Gives a table another name or schema, and everything that hangs on it or points to it."""
    old = table.name
    keys_to_it = [
        session.state.tables[owner].foreign_keys[key] for owner, key in session.state.referencing.get(old, ())
    ]
    moved = table.copy()
    forget_table(session, table)
    moved.name = name
    for container in ("keys", "checks", "exclusions", "foreign_keys", "indexes", "triggers", "policies"):
        items = getattr(moved, container)
        setattr(moved, container, {part: replace(item, table=name) for part, item in items.items()})
    session.state.tables[name] = moved
    _register(session, moved)
    _follow(session, old, name, keys_to_it)
    _move_origins(session, old, name)


def _register(session: Session, table: TableState) -> None:
    for constraint in table.constraint_names():
        session.state.count_constraint(table.name.schema, constraint, 1)
    for index in [*table.indexes, *table.exclusions]:
        session.state.indexes[QName(table.name.schema, index)] = table.name
    for key in table.foreign_keys.values():
        session.state.add_reference(key)
    session.state.sequences.update(table.sequences)


def _follow(session: Session, old: QName, new: QName, keys: Iterable[ForeignKey]) -> None:
    session.state.referencing.pop(old, None)
    for key in keys:
        owner = session.state.tables[new if key.table == old else key.table]
        followed = replace(owner.foreign_keys[key.name], target=Target(new, key.target.columns))
        owner.foreign_keys[key.name] = followed
        session.state.add_reference(followed)


def _move_origins(session: Session, old: QName, new: QName) -> None:
    for places in (session.anchors, session.statements, session.definitions):
        moved = [ref for ref in places if ref.schema == old.schema and ref.name == old.name and ref.kind != "function"]
        for ref in moved:
            places[ref._replace(schema=new.schema, name=new.name)] = places.pop(ref)  # type: ignore[index,assignment]
    session.altered(Ref("table", *new))


def rename_column(session: Session, table: TableState, old: str, new: str) -> None:
    column = _column(table, old)
    if new in table.columns:
        raise Refused(f'column "{new}" of relation "{table.name.name}" already exists')
    table.columns = {
        (new if name == old else name): (replace(column, name=new) if name == old else item)
        for name, item in table.columns.items()
    }

    def renamed(columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([new if name == old else name for name in columns])

    for name, key in table.keys.items():
        table.keys[name] = replace(key, columns=renamed(key.columns))
    for name, index in table.indexes.items():
        table.indexes[name] = replace(index, columns=renamed(index.columns), include=renamed(index.include))
    for name, trigger in table.triggers.items():
        table.triggers[name] = replace(trigger, update_columns=renamed(trigger.update_columns))
    for name, foreign in table.foreign_keys.items():
        table.foreign_keys[name] = replace(foreign, columns=renamed(foreign.columns))
    for owner, name in session.state.referencing.get(table.name, ()):
        foreign = session.state.tables[owner].foreign_keys[name]
        target = Target(foreign.target.table, renamed(foreign.target.columns))
        session.state.tables[owner].foreign_keys[name] = replace(foreign, target=target)
    anchor = session.anchors.pop(Ref("column", *table.name, old), None)
    if anchor is not None:
        session.anchors[Ref("column", *table.name, new)] = anchor
