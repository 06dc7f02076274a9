"""Tables that take after others: LIKE, INHERITS, PARTITION OF, OF, ATTACH and DETACH."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from referee.model.names import QName, Ref
from referee.model.schema import Column
from referee.read.replay.constraints import (
    derive_check,
    derive_foreign_key,
    derive_index,
    descendants,
    put_check,
    put_index,
    put_key,
)
from referee.read.replay.naming import choose_name, join_columns
from referee.read.replay.refused import Refused
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.sql.statements import Like, Written

# Bits of CREATE_TABLE_LIKE_* (PostgreSQL 18, nodes/parsenodes.h).
_LIKE_CONSTRAINTS, _LIKE_DEFAULTS, _LIKE_GENERATED, _LIKE_IDENTITY, _LIKE_INDEXES = 4, 8, 16, 32, 64


def note_column(session: Session, table: TableState, column: Column) -> None:
    """Notes what a column's type and default may use."""
    if column.default is not None or column.generated is not None:
        session.note("default", table.name, column.name)
    if "." in column.type:
        session.note("column", table.name, column.name)


# INHERITS and PARTITION OF


def become_partition(session: Session, table: TableState, written: Written) -> None:
    """A new table takes the columns of the table that it is a partition of."""
    parent = session.table(written)
    if parent.kind != "partitioned":
        raise Refused("42809", f'"{parent.name.name}" is not partitioned')
    table.partition_of = parent.name
    _take_columns(session, table, parent)


def inherit(session: Session, table: TableState, parents: tuple[Written, ...]) -> None:
    """A new table takes the columns of its parents."""
    for written in parents:
        parent = session.table(written)
        if parent.kind == "partitioned":
            raise Refused("42809", f'cannot inherit from partitioned table "{parent.name.name}"')
        if parent.name in table.inherits:
            raise Refused("42P07", f'relation "{parent.name.name}" would be inherited from more than once')
        table.inherits += (parent.name,)
        _take_columns(session, table, parent)


def _take_columns(session: Session, table: TableState, parent: TableState) -> None:
    table.open = table.open or parent.open
    for column in parent.columns.values():
        known = table.columns.get(column.name)
        table.inherited[column.name] = table.inherited.get(column.name, 0) + 1
        if known is None:
            # An identity belongs to the table that has its sequence; partitions share that of their parent.
            identity = column.identity if table.partition_of is not None else ""
            table.columns[column.name] = replace(column, identity=identity)
            note_column(session, table, column)
            continue
        _require_type(table, column, known)
        if known.default != column.default and known.default is not None and column.default is not None:
            table.conflicting |= {column.name}
        table.columns[column.name] = replace(
            known, not_null=known.not_null or column.not_null, default=known.default or column.default
        )


def _require_type(table: TableState, column: Column, other: Column) -> None:
    if column.type != other.type:
        raise Refused("42804", f'column "{column.name}" of "{table.name.name}" has a type conflict')


def merge_column(session: Session, table: TableState, column: Column, inherited: Column) -> Column:
    """A column that a table defines and inherits as well."""
    table.own |= {column.name}
    table.conflicting = table.conflicting - {column.name} if column.default is not None else table.conflicting
    _require_type(table, column, inherited)
    return replace(column, not_null=column.not_null or inherited.not_null, default=column.default or inherited.default)


def require_no_conflict(table: TableState) -> None:
    """Parents with different defaults leave it to the table to say which."""
    for column in table.conflicting:
        raise Refused("42611", f'column "{column}" inherits conflicting default values')


def take_constraints(session: Session, table: TableState) -> None:
    """A new table takes the checks of its parents, and a partition their keys and indexes too."""
    for name in table.parents:
        parent = session.state.tables[name]
        for check in list(parent.checks.values()):
            if check.name not in parent.private:
                derive_check(session, table, check)
        if table.partition_of is not None:
            _take_indexes(session, parent, table)


def _take_indexes(session: Session, parent: TableState, table: TableState) -> None:
    for index in list(parent.indexes):
        derive_index(session, parent, table, index)
    for key in list(parent.foreign_keys):
        derive_foreign_key(session, parent, table, key)


def add_child(session: Session, parent: QName, child: QName) -> None:
    session.state.children[parent] = (*session.state.children.get(parent, ()), child)


def remove_child(session: Session, parent: QName, child: QName) -> None:
    session.state.children[parent] = tuple([name for name in session.state.children.get(parent, ()) if name != child])


def enlist(session: Session, table: TableState) -> None:
    """Lets the parents know their child."""
    for parent in table.parents:
        add_child(session, parent, table.name)


# ATTACH, DETACH, INHERIT, NO INHERIT


def attach(session: Session, parent: TableState, child: TableState) -> None:
    if parent.kind != "partitioned":
        raise Refused("42809", f'ALTER action ATTACH PARTITION cannot be performed on relation "{parent.name.name}"')
    if child.partition_of is not None:
        raise Refused("42809", f'"{child.name.name}" is already a partition')
    _require_columns_of(parent, child)
    for column in child.columns.values():
        if column.name not in parent.columns and not parent.open:
            raise Refused("42804", f'table "{child.name.name}" contains column "{column.name}" not found in parent')
    _require_checks_of(parent, child)
    child.partition_of = parent.name
    add_child(session, parent.name, child.name)
    for name in parent.columns:
        child.inherited[name] = 1
    child.derived |= {check for check in parent.checks if check in child.checks}
    child.own = frozenset()
    _take_indexes(session, parent, child)


def _require_columns_of(parent: TableState, child: TableState) -> None:
    for column in parent.columns.values():
        other = child.columns.get(column.name)
        if other is None:
            if child.open:
                continue
            raise Refused("42804", f'child table is missing column "{column.name}"')
        if other.type != column.type:
            raise Refused("42804", f'child table "{child.name.name}" has different type for column "{column.name}"')
        if column.not_null and not other.not_null:
            raise Refused("42804", f'column "{column.name}" in child table must be marked NOT NULL')


def _require_checks_of(parent: TableState, child: TableState) -> None:
    for check in parent.checks:
        if check not in child.checks and check not in parent.private:
            raise Refused("42804", f'child table is missing constraint "{check}"')


def detach(session: Session, parent: TableState, child: TableState) -> None:
    if child.partition_of != parent.name:
        raise Refused("42P01", f'relation "{child.name.name}" is not a partition of relation "{parent.name.name}"')
    child.partition_of = None
    remove_child(session, parent.name, child.name)
    child.inherited.put_all({})
    child.derived = frozenset()
    for column in list(child.columns.values()):
        if column.identity:
            child.columns[column.name] = replace(column, identity="")


def add_parent(session: Session, child: TableState, parent: TableState) -> None:
    if parent.name in child.inherits:
        raise Refused("42P07", f'relation "{parent.name.name}" would be inherited from more than once')
    _require_columns_of(parent, child)
    _require_checks_of(parent, child)
    if not child.inherits:
        child.own = frozenset(child.columns)
    child.inherits += (parent.name,)
    add_child(session, parent.name, child.name)
    for name in parent.columns:
        child.inherited[name] = child.inherited.get(name, 0) + 1


def drop_parent(session: Session, child: TableState, parent: TableState) -> None:
    if parent.name not in child.inherits:
        raise Refused("42P01", f'relation "{parent.name.name}" is not a parent of relation "{child.name.name}"')
    child.inherits = tuple([name for name in child.inherits if name != parent.name])
    remove_child(session, parent.name, child.name)
    for name in parent.columns:
        child.inherited[name] = child.inherited.get(name, 1) - 1
        if child.inherited[name] <= 0:
            child.own |= {name}
    left = [session.state.tables[name] for name in child.inherits]
    child.derived -= {check for check in parent.checks if not any(check in other.checks for other in left)}


# LIKE and OF


def copy_columns(session: Session, table: TableState, like: Like) -> None:
    """The columns that LIKE stands for."""
    columns = _columns_of(session, table, like.table)
    for column in columns.values():
        if column.name in table.columns:
            raise Refused("42701", f'column "{column.name}" specified more than once')
        copied = Column(
            column.name,
            column.type,
            column.not_null,
            column.default if like.options & _LIKE_DEFAULTS else None,
            column.generated if like.options & _LIKE_GENERATED else None,
            column.identity if like.options & _LIKE_IDENTITY else "",
        )
        if copied.identity:
            make_sequence(session, table, copied.name)
        table.columns[column.name] = copied
        table.own |= {column.name}
        note_column(session, table, copied)


def _columns_of(session: Session, table: TableState, written: Written) -> Mapping[str, Column]:
    """The columns of a table or composite type; of a view they are not known."""
    found = session.find_table(written)
    if found is not None:
        table.open = table.open or found.open
        return found.columns
    for name in session.candidates(written):
        composite = session.state.composites.get(name)
        if composite is not None:
            return {column.name: column for column in composite.columns}
        if name in session.state.views:
            table.open = True
            session.gap("unsupported", f"the columns of {table.name} are those of a view", Ref("table", *table.name))
            return {}
    raise session.missing_relation(written)


def columns_of_type(session: Session, table: TableState, written: Written) -> None:
    """The columns of CREATE TABLE OF."""
    for name in session.candidates(written):
        composite = session.state.composites.get(name)
        if composite is not None:
            for column in composite.columns:
                table.columns[column.name] = column
                note_column(session, table, column)
            session.note("table", name)
            return
    raise Refused("42704", f'type "{written.name}" does not exist')


def copy_constraints(session: Session, table: TableState, like: Like) -> None:
    """The checks, keys and indexes that LIKE stands for."""
    model = session.find_table(like.table)
    if model is None:
        return
    if like.options & _LIKE_CONSTRAINTS:
        for check in list(model.checks.values()):
            if check.name in table.checks:
                raise Refused("42710", f'check constraint "{check.name}" already exists')
            put_check(session, table, replace(check, table=table.name))
    if like.options & _LIKE_INDEXES:
        for name in list(model.indexes):
            _copy_index(session, table, model, name)


def _copy_index(session: Session, table: TableState, model: TableState, name: str) -> None:
    index, key = model.indexes[name], model.keys.get(name)
    labels = model.labels.get(name) or tuple([column or "expr" for column in index.columns])
    label = "pkey" if key is not None and key.primary else "key" if key is not None else "idx"
    joined = None if label == "pkey" else join_columns((*labels, *index.include))
    schema = table.name.schema
    fresh = choose_name(
        table.name.name,
        joined,
        label,
        lambda wanted: (
            session.state.has_relation(QName(schema, wanted))
            or (key is not None and session.state.has_constraint_named(schema, wanted))
        ),
    )
    if key is not None and key.primary and table.primary_key() is not None:
        raise Refused("42P16", f'multiple primary keys for table "{table.name.name}" are not allowed')
    put_index(session, table, replace(index, table=table.name, name=fresh))
    if name in model.parts:
        table.parts[fresh], table.labels[fresh] = model.parts[name], labels
    if index.predicate is not None or name in model.parts:
        session.note("index", table.name, fresh)
    if key is not None:
        put_key(session, table, replace(key, table=table.name, name=fresh))


# Sequences of serial and identity columns


def make_sequence(session: Session, table: TableState, column: str) -> QName:
    schema = table.name.schema
    taken = session.state.has_relation
    name = QName(schema, choose_name(table.name.name, column, "seq", lambda wanted: taken(QName(schema, wanted))))
    session.state.sequences[name] = (table.name, column)
    table.sequences[name] = column
    return name


__all__ = [
    "add_parent",
    "attach",
    "become_partition",
    "columns_of_type",
    "copy_columns",
    "copy_constraints",
    "descendants",
    "detach",
    "drop_parent",
    "enlist",
    "inherit",
    "make_sequence",
    "merge_column",
    "note_column",
    "require_no_conflict",
    "take_constraints",
]
