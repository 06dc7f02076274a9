"""Tables: creating and altering them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from referee.model.names import QName, Ref
from referee.model.schema import Column
from referee.read.replay import chronicle, constraints, relatives
from referee.read.replay.comparable import comparable
from referee.read.replay.refused import Refused, missing_column, missing_constraint, taken
from referee.read.replay.removal import constraint, forget_table, remove, users_of_column
from referee.read.replay.roles import require_create, require_heir, require_owner, require_superuser
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.read.replay.types import SERIALS
from referee.read.replay.uses import Thing, type_name
from referee.sql.mentions import mentions
from referee.sql.statements import AlterAction, AlterTable, ColumnSpec, CreateTable, Written

_STRINGS = ("text", "character varying", "character", "bpchar", "name")


def place_for(session: Session, written: Written) -> QName:
    """Where something new goes; reports where the role may not create there."""
    name = session.new_name(written)
    require_create(session, name.schema)
    return name


def create_table(session: Session, record: CreateTable) -> None:
    if record.temporary or record.name.schema == "pg_temp":
        session.temporary.add(record.name.name)
        return
    state = session.state
    name = session.new_name(record.name)
    ref = Ref("table", *name)
    if name in state.tables and session.gives_way(ref):
        forget_table(session, state.tables[name])
    if state.has_relation(name):
        if record.if_not_exists:
            return
        raise taken(name.name)
    if state.has_type(name):
        raise Refused("42710", f'type "{name.name}" already exists', Ref("table", *name))
    require_create(session, name.schema)
    table = state.new_table(name, session.role, session.default_grants("table", name.schema))
    session.fresh.add(name)
    table.kind = "foreign" if record.foreign else "partitioned" if record.partitioned else "table"
    session.made(ref, session.at(record.name.start, record.name.start + _written_length(record)))
    session.making = ref
    try:
        _add_columns(session, table, record)
        state.tables[name] = table
        _add_constraints(session, table, record)
    except Refused:
        forget_table(session, table)
        raise
    finally:
        session.making = None
    if record.partition_of is not None or record.inherits:
        relatives.enlist(session, table)


def _written_length(record: CreateTable) -> int:
    """The length of the name as most people write it; quotes and blanks inside are not counted."""
    return len(record.name.name) + (len(record.name.schema) + 1 if record.name.schema else 0)


def _add_columns(session: Session, table: TableState, record: CreateTable) -> None:
    if record.partition_of is not None:
        relatives.become_partition(session, table, record.partition_of)
    elif record.inherits:
        relatives.inherit(session, table, record.inherits)
    if record.of_type is not None:
        relatives.columns_of_type(session, table, record.of_type)
    if record.unknown_columns:
        table.open = True
        session.gap("unsupported", f"the columns of {table.name} come from a query", Ref("table", *table.name))
    likes = list(record.likes)
    for position, spec in enumerate(record.columns):
        while likes and likes[0].position == position:
            relatives.copy_columns(session, table, likes.pop(0))
        if spec.name in table.columns and (spec.name in table.own or not table.inherited) and record.of_type is None:
            raise Refused("42701", f'column "{spec.name}" specified more than once')
        put_column(session, table, spec)
    for like in likes:
        relatives.copy_columns(session, table, like)
    if table.conflicting:
        relatives.require_no_conflict(table)


def _add_constraints(session: Session, table: TableState, record: CreateTable) -> None:
    specs = [spec for column in record.columns if column.constraints for spec in column.constraints]
    specs.extend(record.constraints)
    constraints.add_in_order(session, table, specs)
    for like in record.likes:
        relatives.copy_constraints(session, table, like)
    if table.partition_of is not None or table.inherits:
        relatives.take_constraints(session, table)


def put_column(session: Session, table: TableState, spec: ColumnSpec) -> Column:
    """Adds a column without its constraints."""
    inherited = table.columns.get(spec.name)
    ref = Ref("column", *table.name, spec.name)
    if not spec.type.name and inherited is not None:
        not_null = inherited.not_null or spec.not_null
        column = replace(inherited, not_null=not_null, default=spec.default or inherited.default)
    elif spec.type.schema is None and spec.type.name in SERIALS and not spec.type.array:
        column = _serial(session, table, spec)
    else:
        column = _plain(session, table, spec, ref)
    if inherited is not None and spec.type.name:
        column = relatives.merge_column(session, table, column, inherited)
    elif table.inherited:
        table.own |= {spec.name}
    table.columns[spec.name] = column
    if column.default is not None or column.generated is not None or "." in column.type:
        relatives.note_column(session, table, column)
    session.anchors[ref] = session.at(spec.start, spec.end)
    return column


def _plain(session: Session, table: TableState, spec: ColumnSpec, ref: Ref) -> Column:
    kind = session.type(spec.type, ref)
    default = spec.default
    if default is not None:
        default = _default(default, kind)
        if default is not None and "nextval" in default.lower():
            _lack_sequence(session, default, ref)
    if spec.identity:
        relatives.make_sequence(session, table, spec.name)
    return _make_column(spec.name, kind, spec.not_null, default, spec.generated, spec.identity)


# Most columns of a project look like columns of its other tables.
_make_column = lru_cache(maxsize=65536)(Column)


def _default(text: str, kind: str) -> str | None:
    """DEFAULT NULL is no default, except where NULL has to be cast to a length (AddRelationNewConstraints)."""
    return None if text.lower() == "null" and "(" not in kind else text


def _serial(session: Session, table: TableState, spec: ColumnSpec) -> Column:
    if spec.default is not None:
        raise Refused(
            "42601", f'multiple default values specified for column "{spec.name}" of table "{table.name.name}"'
        )
    sequence = relatives.make_sequence(session, table, spec.name)
    literal = str(sequence).replace("'", "''")
    return Column(spec.name, SERIALS[spec.type.name], True, f"nextval('{literal}'::regclass)")


# ALTER TABLE


def alter_table(session: Session, record: AlterTable) -> None:
    """All actions of ALTER TABLE. The caller sees to it that nothing stays where one of them is refused."""
    if session.is_temporary(record.name):
        return
    if record.composite:
        _alter_composite(session, record)
        return
    table = session.find_table(record.name)
    if table is None:
        if _alter_view(session, record):
            return
        try:
            table = session.table(record.name)
        except Refused as refused:
            if record.if_exists and refused.is_missing:
                return
            raise
    require_owner(session, table.owner, table.name)
    for action in _in_passes(record.actions):
        _ALTER[action.kind](session, table, action, record.only)
    session.altered(Ref("table", *table.name))


# The passes in which ALTER TABLE does its work (PostgreSQL 18, tablecmds.c, AlterTablePass): what one action adds,
# another may use, wherever it stands. All other kinds come last.
_PASSES = {
    "drop column": 0,
    "drop constraint": 0,
    "drop not null": 0,
    "drop identity": 0,
    "drop expression": 0,
    "type": 1,
    "add column": 2,
    "set not null": 3,
    "add constraint": 5,
    "default": 5,
    "add identity": 5,
}


def _in_passes(actions: tuple[AlterAction, ...]) -> Iterable[AlterAction]:
    return actions if len(actions) == 1 else sorted(actions, key=_pass)


def _pass(action: AlterAction) -> int:
    """Keys come before other constraints, which may rest on them; a default is dropped with the first pass."""
    spec = action.constraint
    if spec is not None and spec.kind in ("primary", "unique", "exclude"):
        return 4
    return 0 if action.kind == "default" and action.text is None else _PASSES.get(action.kind, 6)


def _family(session: Session, table: TableState, only: bool) -> Iterator[TableState]:
    """The table and, without ONLY, all its descendants, each once."""
    seen, waiting = {table.name}, [table]
    while waiting:
        found = waiting.pop(0)
        yield found
        for child in () if only else session.state.children.get(found.name, ()):
            if child not in seen:
                seen.add(child)
                waiting.append(session.state.tables[child])


def _alter_view(session: Session, record: AlterTable) -> bool:
    """ALTER of a view, index or sequence through ALTER TABLE; whether there was one."""
    for name in session.candidates(record.name):
        view = session.state.views.get(name)
        if view is not None:
            require_owner(session, view.owner, name)
            for action in record.actions:
                if action.kind == "owner":
                    view = replace(view, owner=session.resolve_role(action.name))
                    require_heir(session, view.owner, name.schema)
                elif action.kind == "security invoker":
                    view = replace(view, security_invoker=action.text == "on")
            session.state.views[name] = view
            return True
        if name in session.state.indexes:
            for action in record.actions:
                if action.other is not None and action.kind == "attach partition":
                    constraints.attach_index(session, name, action.other)
            return True
        if name in session.state.sequences:
            return True
    return False


def _alter_composite(session: Session, record: AlterTable) -> None:
    state = session.state
    name = next((name for name in session.candidates(record.name) if name in state.composites), None)
    if name is None:
        raise Refused("42704", f'type "{record.name.name}" does not exist')
    for action in record.actions:
        composite = state.composites[name]
        columns = {column.name: column for column in composite.columns}
        if action.column is not None:
            if action.column.name in columns:
                raise Refused("42701", f'column "{action.column.name}" of relation "{name.name}" already exists')
            kind = session.type(action.column.type, Ref("type", *name))
            columns[action.column.name] = Column(action.column.name, kind)
        elif action.kind == "type" and action.type is not None and action.name in columns:
            _require_unused_type(session, name)
            columns[action.name] = Column(action.name, session.type(action.type, Ref("type", *name)))
        elif action.kind == "drop column" and columns.pop(action.name, None) is None and not action.missing_ok:
            raise missing_column(name, action.name)
        state.composites[name] = replace(composite, columns=tuple(columns.values()))
    session.note("type", name)
    session.altered(Ref("type", *name))


def _require_unused_type(session: Session, name: QName) -> None:
    for table in session.state.tables.values():
        for column in table.columns.values():
            if type_name(column.type) == name:
                raise Refused(
                    "0A000", f'cannot alter type "{name.name}" because column "{table.name.name}.{column.name}" uses it'
                )


# Columns


def _add_column(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    spec = action.column
    assert spec is not None
    ref = Ref("column", *table.name, spec.name)
    if spec.name in table.columns and session.gives_way(ref):
        remove(session, [Thing("column", *table.name, spec.name)], True)
    if spec.name in table.columns:
        if action.missing_ok:
            return
        raise Refused("42701", f'column "{spec.name}" of relation "{table.name.name}" already exists')
    if table.partition_of is not None:
        raise Refused("42809", "cannot add column to a partition")
    if only and session.state.children.get(table.name):
        raise Refused("42P16", "column must be added to child tables too")
    session.making = ref
    try:
        column = put_column(session, table, spec)
        session.fresh.add((table.name, spec.name))
        for child in constraints.descendants(session, table):
            _inherit_column(session, child, column)
        constraints.add_in_order(session, table, spec.constraints)
    finally:
        session.making = None


def _inherit_column(session: Session, child: TableState, column: Column) -> None:
    """A parent has a new column: its child gets it too, or its own one becomes the inherited one as well."""
    known = child.columns.get(column.name)
    child.inherited[column.name] = child.inherited.get(column.name, 0) + 1
    if known is not None:
        child.own |= {column.name}
        if known.type != column.type:
            raise Refused("42804", f'child table "{child.name.name}" has different type for column "{column.name}"')
        return
    child.columns[column.name] = column if child.partition_of is not None else replace(column, identity="")
    relatives.note_column(session, child, column)
    for below in constraints.descendants(session, child):
        _inherit_column(session, below, column)


def _column(table: TableState, name: str) -> Column:
    column = table.columns.get(name)
    if column is None:
        raise missing_column(table.name, name)
    return column


def _drop_column(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    if action.name not in table.columns:
        if action.missing_ok or table.open:
            return
        _column(table, action.name)
    if table.inherited.get(action.name, 0) > 0:
        raise Refused("42P16", f'cannot drop inherited column "{action.name}"')
    if only:
        _require_no_partitions(session, table, "drop column from")
        for child in constraints.descendants(session, table):
            child.own |= {action.name}
    remove(session, [Thing("column", *table.name, action.name)], action.cascade)


def _require_no_partitions(session: Session, table: TableState, deed: str) -> None:
    if table.kind == "partitioned" and session.state.children.get(table.name):
        raise Refused("42P16", f"cannot {deed} only the partitioned table when partitions exist")


def _set_not_null(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    if only and table.kind == "partitioned":
        for child in constraints.descendants(session, table):
            if not _column(child, action.name).not_null:
                raise Refused("42P16", "constraint must be added to child tables too")
    for one in _family(session, table, only):
        constraints.set_not_null(one, action.name, True)


def _drop_not_null(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    primary = table.primary_key()
    if primary is not None and action.name in primary.columns:
        raise Refused("42P16", f'column "{action.name}" is in a primary key')
    if column.identity:
        raise Refused("42601", f'column "{action.name}" of relation "{table.name.name}" is an identity column')
    for one in _family(session, table, only):
        if one is table or action.name not in one.own:
            constraints.set_not_null(one, action.name, False)


def _set_default(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    if column.generated is not None:
        raise Refused("42601", f'column "{action.name}" of relation "{table.name.name}" is a generated column')
    if column.identity:
        raise Refused("42601", f'column "{action.name}" of relation "{table.name.name}" is an identity column')
    text = None if action.text is None else _default(action.text, column.type)
    _require_sequence(session, text)
    for one in _family(session, table, only):
        one.columns[action.name] = replace(_column(one, action.name), default=text)
        if text is not None:
            session.note("default", one.name, action.name)
    session.altered(Ref("column", *table.name, action.name))


def _require_sequence(session: Session, text: str | None) -> None:
    """nextval() looks its sequence up when the default is set."""
    missing = _missing_sequence(session, text) if text is not None and "nextval" in text.lower() else None
    if missing is not None:
        raise session.missing_relation(missing)


def _lack_sequence(session: Session, text: str, ref: Ref) -> None:
    missing = _missing_sequence(session, text)
    if missing is not None:
        session.lack("42P01", f"{ref} counts with {missing.name}, which no file creates before this", ref)


def _missing_sequence(session: Session, text: str) -> Written | None:
    for mention in mentions(text):
        if mention.kind == "relation" and mention.quoted:
            written = Written(mention.schema, mention.name)
            if session.find_relation(written) is None:
                return written
    return None


def _drop_expression(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    if column.generated is None:
        if action.missing_ok:
            return
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" is not a generated column')
    for one in _family(session, table, only):
        one.columns[action.name] = replace(_column(one, action.name), generated=None)


def _set_expression(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    if _column(table, action.name).generated is None:
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" is not a generated column')
    for one in _family(session, table, only):
        one.columns[action.name] = replace(_column(one, action.name), generated=action.text)
        session.note("default", one.name, action.name)


def _set_type(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.type is not None
    column = _column(table, action.name)
    if table.inherited.get(action.name, 0) > 0:
        raise Refused("42P16", f'cannot alter inherited column "{action.name}"')
    if only and session.state.children.get(table.name):
        raise Refused("42P16", f'type of inherited column "{action.name}" must be changed in child tables too')
    kind = session.type(action.type, Ref("column", *table.name, action.name))
    if kind == column.type:
        return
    users = [user for user in users_of_column(session, table, action.name) if user.kind != "function"]
    if users:
        raise Refused("0A000", f"cannot alter type of a column used by {users[0]}")
    _require_cast(session, table, column, kind, action)
    for one in _family(session, table, False):
        one.columns[action.name] = replace(_column(one, action.name), type=kind)
        relatives.note_column(session, one, one.columns[action.name])
    _require_keys_comparable(session, table, action.name)
    session.altered(Ref("column", *table.name, action.name))


def _require_cast(session: Session, table: TableState, column: Column, kind: str, action: AlterAction) -> None:
    """Without USING, text turns into nothing but text by itself, and nothing turns into an enum."""
    if action.text is not None:
        return
    is_text, becomes_text = column.type.partition("(")[0] in _STRINGS, kind.partition("(")[0] in _STRINGS
    name = type_name(kind)
    to_enum = name in session.state.enums
    if (is_text and not becomes_text and (name is None or to_enum)) or (to_enum and not is_text):
        raise Refused("42804", f'column "{column.name}" cannot be cast automatically to type {kind}')


def _require_keys_comparable(session: Session, table: TableState, column: str) -> None:
    """Foreign keys at both ends of a column must fit its new type."""
    ends = [(key, table, session.state.tables.get(key.target.table)) for key in table.foreign_keys.values()]
    ends.extend((key, session.state.tables[key.table], table) for key in session.state.references_to(table.name))
    for key, referencing, referenced in ends:
        for ours, theirs in zip(key.columns, key.target.columns, strict=False):
            if referenced is None or column not in ((ours,) if referencing is table else ()) + (
                (theirs,) if referenced is table else ()
            ):
                continue
            left, right = referencing.columns.get(ours), referenced.columns.get(theirs)
            if left is not None and right is not None and not comparable(session.state, left.type, right.type):
                raise Refused("42804", f'foreign key constraint "{key.name}" cannot be implemented', key.ref)


def _add_identity(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    if column.identity:
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" is already an identity column')
    if not column.not_null:
        raise Refused("55000", f'column "{action.name}" must be declared NOT NULL before identity can be added')
    if column.default is not None:
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" already has a default value')
    identity: Any = action.text
    table.columns[action.name] = replace(column, identity=identity)
    relatives.make_sequence(session, table, action.name)


def _set_identity(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    if not column.identity:
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" is not an identity column')
    identity: Any = action.text
    table.columns[action.name] = replace(column, identity=identity)


def _drop_identity(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    column = _column(table, action.name)
    if not column.identity:
        if action.missing_ok:
            return
        raise Refused("55000", f'column "{action.name}" of relation "{table.name.name}" is not an identity column')
    table.columns[action.name] = replace(column, identity="")
    for sequence in [sequence for sequence, owner in table.sequences.items() if owner == action.name]:
        del table.sequences[sequence]
        session.state.sequences.pop(sequence, None)


# Constraints


def _add_constraint(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.constraint is not None
    constraints.add_constraint(session, table, action.constraint, only)


def _drop_constraint(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    name = action.name
    if table.has_constraint(name) and name not in table.not_null_names:
        if name in table.derived:
            raise Refused("42P16", f'cannot drop inherited constraint "{name}" of relation "{table.name.name}"')
        if only and name in table.checks:
            _require_no_partitions(session, table, "remove constraint from")
            for child in constraints.descendants(session, table):
                child.derived -= {name}
        remove(session, [constraint(table.name, name)], action.cascade)
        return
    column = constraints.not_null_column(table, name)
    if column is not None:
        _drop_not_null(session, table, AlterAction("drop not null", column), only)
        table.not_null_names.pop(name, None)
    elif not action.missing_ok:
        raise missing_constraint(table.name, name)


def _validate(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    if action.name in table.foreign_keys:
        key = table.foreign_keys[action.name]
        if not key.enforced:
            raise Refused("42809", f'cannot validate NOT ENFORCED constraint "{key.name}"', key.ref)
        table.foreign_keys[action.name] = replace(key, validated=True)
        session.altered(key.ref)
        chronicle.key_validated(session, key)
    elif action.name in table.checks:
        for one in _family(session, table, only):
            if action.name in one.checks:
                one.checks[action.name] = replace(one.checks[action.name], validated=True)
    elif constraints.not_null_column(table, action.name) is None:
        if table.has_constraint(action.name):
            raise Refused("42809", f'constraint "{action.name}" cannot be validated')
        raise missing_constraint(table.name, action.name)


def _alter_constraint(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    key = table.foreign_keys.get(action.name)
    if key is None:
        if table.has_constraint(action.name):
            raise Refused("42809", f'constraint "{action.name}" of relation "{table.name.name}" is not a foreign key')
        raise missing_constraint(table.name, action.name)
    if action.text == "not enforced":
        changed = replace(key, enforced=False, validated=False)
    elif action.text == "enforced":
        changed = replace(key, enforced=True, validated=True)
    else:
        deferred = action.text == "deferred"
        changed = replace(key, deferrable=deferred or action.text == "deferrable", initially_deferred=deferred)
    table.foreign_keys[action.name] = changed
    session.altered(key.ref)


# Triggers, flags, relatives


def _set_trigger(enabled: str) -> Callable[[Session, TableState, AlterAction, bool], None]:
    def apply(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
        trigger = table.triggers.get(action.name)
        if trigger is None:
            raise Refused(
                "42704",
                f'trigger "{action.name}" for table "{table.name.name}" does not exist',
                Ref("trigger", *table.name, action.name),
            )
        state: Any = enabled
        table.triggers[action.name] = replace(trigger, enabled=state)
        session.altered(trigger.ref)

    return apply


def _set_triggers(enabled: str, system: bool = False) -> Callable[[Session, TableState, AlterAction, bool], None]:
    def apply(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
        state: Any = enabled
        for name, trigger in table.triggers.items():
            table.triggers[name] = replace(trigger, enabled=state)
            session.altered(trigger.ref)
        if system:
            _switch_keys(session, table, enabled == "origin")

    return apply


def _switch_keys(session: Session, table: TableState, on: bool) -> None:
    """Enables or disables the triggers on a table that enforce foreign keys from it and to it."""
    state = session.state
    keys = {(key.table, key.name): key for key in (*table.foreign_keys.values(), *state.references_to(table.name))}
    if keys:
        require_superuser(session, f"the triggers behind the foreign keys of {table.name}")
    for place, key in keys.items():
        off = state.switched_off.get(place, frozenset())
        if not key.enforced and not off:
            continue  # NOT ENFORCED has no triggers
        state.switched_off[place] = now = off - {table.name} if on else off | {table.name}
        owner = state.tables[key.table]
        owner.foreign_keys[key.name] = replace(owner.foreign_keys[key.name], enforced=not now)
        session.altered(key.ref)


def _set_flag(flag: str, value: bool) -> Callable[[Session, TableState, AlterAction, bool], None]:
    def apply(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
        setattr(table, flag, value)

    return apply


def _set_owner(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    owner = session.resolve_role(action.name)
    if not session.knows_role(owner):
        raise Refused("42704", f'role "{owner}" does not exist')
    require_heir(session, owner, table.name.schema)
    # The former owner's rights go over to the new one, and a grant to the new owner is no longer separate.
    table.grants = tuple([grant for grant in table.grants if grant.grantee != owner])
    table.owner = owner


def _attach(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.other is not None
    relatives.attach(session, table, session.table(action.other))


def _detach(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.other is not None
    relatives.detach(session, table, session.table(action.other))


def _add_parent(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.other is not None
    relatives.add_parent(session, table, session.table(action.other))


def _drop_parent(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    assert action.other is not None
    relatives.drop_parent(session, table, session.table(action.other))


def _nothing(session: Session, table: TableState, action: AlterAction, only: bool) -> None:
    return None


_ALTER: dict[str, Callable[[Session, TableState, AlterAction, bool], None]] = {
    "add column": _add_column,
    "drop column": _drop_column,
    "set not null": _set_not_null,
    "drop not null": _drop_not_null,
    "drop expression": _drop_expression,
    "set expression": _set_expression,
    "add identity": _add_identity,
    "set identity": _set_identity,
    "drop identity": _drop_identity,
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
    "all triggers disabled": _set_triggers("disabled", system=True),
    "all triggers origin": _set_triggers("origin", system=True),
    "owner": _set_owner,
    "attach partition": _attach,
    "detach partition": _detach,
    "inherit": _add_parent,
    "no inherit": _drop_parent,
    "security invoker": _nothing,
}
