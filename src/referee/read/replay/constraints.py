"""Keys, checks, foreign keys and indexes of a table that is being built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from referee.model.names import QName, Ref, Target
from referee.model.schema import Action, Check, Exclusion, ForeignKey, Index, Key, Match
from referee.read.replay.naming import choose_name, join_columns
from referee.read.replay.session import Refused, Session
from referee.read.replay.state import TableState
from referee.sql.statements import Constraint, CreateIndex, Written

_ACTIONS: dict[str, Action] = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_MATCHES: dict[str, Match] = {"s": "SIMPLE", "f": "FULL", "p": "PARTIAL"}


def add_constraint(session: Session, table: TableState, spec: Constraint) -> None:
    """Adds a constraint as ALTER TABLE ... ADD does. Raises Refused where Postgres would refuse it."""
    if spec.name is not None and table.has_constraint(spec.name):
        raise Refused(f'constraint "{spec.name}" for relation "{table.name.name}" already exists')
    if spec.kind in ("primary", "unique"):
        add_key(session, table, spec)
    elif spec.kind == "foreign":
        add_foreign_key(session, table, spec)
    elif spec.kind == "check":
        add_check(session, table, spec)
    elif spec.kind == "exclude":
        add_exclusion(session, table, spec)
    elif spec.kind == "not null":
        for column in spec.columns:
            set_not_null(table, column, True)


def add_in_order(session: Session, table: TableState, specs: Iterable[Constraint]) -> None:
    """Adds the constraints of CREATE TABLE in Postgres' order: checks, then the primary key, other keys, foreign keys.

    A unique key on the primary key's own columns is the same index twice, and Postgres makes one (transformIndexConstraints).
    """
    specs = list(specs)
    if len(specs) > 1:
        rank = {"check": 0, "not null": 0, "primary": 1, "unique": 2, "exclude": 2, "foreign": 3}
        specs.sort(key=lambda spec: rank[spec.kind])
    seen: set[tuple[str, ...]] = set()
    for spec in specs:
        if spec.kind in ("primary", "unique"):
            if spec.columns in seen and spec.name is None:
                continue
            seen.add(spec.columns)
        add_constraint(session, table, spec)


def add_key(session: Session, table: TableState, spec: Constraint) -> None:
    primary = spec.kind == "primary"
    if primary and table.primary_key() is not None:
        raise Refused(f'multiple primary keys for table "{table.name.name}" are not allowed')
    columns = spec.columns
    if spec.index is not None:
        columns = _adopt_index(session, table, spec)
        name = spec.name or spec.index
    else:
        _require_columns(table, columns)
        name = spec.name or _index_name(session, table, None if primary else join_columns(columns), "pkey" if primary else "key")
    if spec.index is None and session.state.has_relation(QName(table.name.schema, name)):
        raise Refused(f'relation "{name}" already exists')
    key = Key(
        table.name, name, columns, primary, spec.deferrable or spec.deferred, spec.deferred, spec.nulls_not_distinct
    )
    table.keys[name] = key
    session.state.count_constraint(table.name.schema, name, 1)
    if primary:
        for column in columns:
            set_not_null(table, column, True)
    put_index(session, table, Index(table.name, name, columns, unique=True, nulls_not_distinct=spec.nulls_not_distinct))
    session.made(key.ref, session.at(spec.start, max(spec.end, spec.start)))


def _adopt_index(session: Session, table: TableState, spec: Constraint) -> tuple[str, ...]:
    """PRIMARY KEY or UNIQUE USING INDEX: the index becomes the constraint's, and takes its name."""
    index = table.indexes.pop(spec.index or "", None)
    if index is None:
        raise Refused(f'index "{spec.index}" does not exist', "missing-object")
    del session.state.indexes[QName(table.name.schema, index.name)]
    return tuple([column for column in index.columns if column is not None])


def _require_columns(table: TableState, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in table.columns:
            raise Refused(
                f'column "{column}" of relation "{table.name.name}" does not exist',
                "missing-object",
                Ref("column", *table.name, column),
            )


def _index_name(session: Session, table: TableState, columns: str | None, label: str, is_constraint: bool = True) -> str:
    schema = table.name.schema
    taken = session.state.constraint_names.get(schema, {})

    def is_taken(name: str) -> bool:
        return session.state.has_relation(QName(schema, name)) or (is_constraint and name in taken)

    return choose_name(table.name.name, columns, label, is_taken)


def _constraint_name(session: Session, table: TableState, columns: str | None, label: str) -> str:
    taken = session.state.constraint_names.get(table.name.schema, {})
    return choose_name(table.name.name, columns, label, taken.__contains__)


def put_index(session: Session, table: TableState, index: Index) -> None:
    table.indexes[index.name] = index
    session.state.indexes[QName(table.name.schema, index.name)] = table.name


def add_check(session: Session, table: TableState, spec: Constraint) -> None:
    columns = [column for column in spec.columns if column in table.columns]
    name = spec.name or _constraint_name(session, table, columns[0] if len(columns) == 1 else None, "check")
    check = Check(table.name, name, spec.expression, not spec.not_valid)
    table.checks[name] = check
    session.state.count_constraint(table.name.schema, name, 1)
    session.made(check.ref, session.at(spec.start, max(spec.end, spec.start)))


def add_exclusion(session: Session, table: TableState, spec: Constraint) -> None:
    name = spec.name or _index_name(session, table, join_columns(spec.columns), "excl")
    exclusion = Exclusion(table.name, name, spec.expression)
    table.exclusions[name] = exclusion
    session.state.count_constraint(table.name.schema, name, 1)
    # Its index holds the relation name, but is no index that a key can use.
    session.state.indexes[QName(table.name.schema, name)] = table.name
    session.made(exclusion.ref)


def add_foreign_key(session: Session, table: TableState, spec: Constraint) -> None:
    _require_columns(table, spec.columns)
    name = spec.name or _constraint_name(session, table, join_columns(spec.columns), "fkey")
    ref = Ref("constraint", *table.name, name)
    assert spec.target is not None
    key = ForeignKey(
        table.name,
        name,
        spec.columns,
        _target(session, spec, spec.target, ref),
        _ACTIONS.get(spec.on_delete, "NO ACTION"),
        _ACTIONS.get(spec.on_update, "NO ACTION"),
        spec.on_delete_columns,
        _MATCHES.get(spec.match, "SIMPLE"),
        spec.deferrable or spec.deferred,
        spec.deferred,
        not spec.not_valid and spec.enforced,
        spec.enforced,
    )
    table.foreign_keys[name] = key
    session.state.count_constraint(table.name.schema, name, 1)
    session.state.add_reference(key)
    session.made(ref, session.at(spec.start, spec.end))
    session.definitions[ref] = session.at(spec.begin, spec.end)


def _target(session: Session, spec: Constraint, written: Written, ref: Ref) -> Target:
    """The referenced columns, filled in. A key to a table that no file creates is kept, with a gap: its intent is plain."""
    referenced = session.find_table(written)
    if referenced is None:
        name = session.guess(written)
        session.gap("missing-object", f"references {name}, which no file creates before this", ref, session.at(spec.start, spec.end))
        return Target(name, spec.target_columns)
    columns = spec.target_columns
    if not columns:
        primary = referenced.primary_key()
        if primary is None:
            if not referenced.columns:  # its columns are unknown, so its key is too
                return Target(referenced.name, ())
            raise Refused(f'there is no primary key for referenced table "{referenced.name.name}"', object=ref)
        return Target(referenced.name, primary.columns)
    if referenced.columns:
        _require_columns(referenced, columns)
        _require_unique(referenced, columns, ref)
    return Target(referenced.name, columns)


def _require_unique(table: TableState, columns: tuple[str, ...], ref: Ref) -> None:
    wanted = frozenset(columns)
    for index in table.indexes.values():
        if index.unique and index.predicate is None and len(index.columns) == len(columns) and wanted == set(index.columns):
            return
    raise Refused(
        f'there is no unique constraint matching given keys for referenced table "{table.name.name}"', object=ref
    )


def set_not_null(table: TableState, column: str, value: bool) -> None:
    found = table.columns.get(column)
    if found is None:
        raise Refused(
            f'column "{column}" of relation "{table.name.name}" does not exist',
            "missing-object",
            Ref("column", *table.name, column),
        )
    if found.not_null != value:
        table.columns[column] = replace(found, not_null=value)


def create_index(session: Session, record: CreateIndex) -> None:
    if session.is_temporary(record.table):
        return
    table = session.table(record.table)
    _require_columns(table, [column for column in record.columns if column is not None])
    schema = table.name.schema
    if record.name is not None and session.state.has_relation(QName(schema, record.name)):
        if record.if_not_exists:
            return
        raise Refused(f'relation "{record.name}" already exists')
    name = record.name or _index_name(session, table, join_columns(record.labels), "idx", is_constraint=False)
    index = Index(
        table.name,
        name,
        record.columns,
        record.unique,
        record.method,
        record.predicate,
        record.include,
        nulls_not_distinct=record.nulls_not_distinct,
    )
    put_index(session, table, index)
    session.made(index.ref)


# Dropping


def drop_constraint(session: Session, table: TableState, name: str, cascade: bool, missing_ok: bool) -> None:
    if name in table.foreign_keys:
        key = table.foreign_keys.pop(name)
        session.state.remove_reference(key)
    elif name in table.keys:
        _drop_key(session, table, table.keys[name], cascade)
    elif name in table.checks:
        del table.checks[name]
    elif name in table.exclusions:
        del table.exclusions[name]
        session.state.indexes.pop(QName(table.name.schema, name), None)
    elif missing_ok or _is_not_null_name(table, name):
        return
    else:
        raise Refused(
            f'constraint "{name}" of relation "{table.name.name}" does not exist',
            "missing-object",
            Ref("constraint", *table.name, name),
        )
    session.state.count_constraint(table.name.schema, name, -1)
    session.altered(Ref("constraint", *table.name, name))


def _is_not_null_name(table: TableState, name: str) -> bool:
    """Not-null constraints have names since PostgreSQL 18; before, dropping one by name was an error."""
    for column in table.columns.values():
        if name == f"{table.name.name}_{column.name}_not_null":
            table.columns[column.name] = replace(column, not_null=False)
            return True
    return False


def _drop_key(session: Session, table: TableState, key: Key, cascade: bool) -> None:
    dependents = references_to(session, table.name, frozenset(key.columns))
    if dependents and not _has_other_unique(table, key):
        if not cascade:
            raise Refused(
                f"cannot drop constraint {key.name} on table {table.name.name} because other objects depend on it"
            )
        for dependent in dependents:
            drop_constraint(session, session.state.tables[dependent.table], dependent.name, True, True)
    del table.keys[key.name]
    remove_index(session, table, key.name)


def _has_other_unique(table: TableState, key: Key) -> bool:
    return any(
        index.unique and index.name != key.name and index.predicate is None and set(index.columns) == set(key.columns)
        for index in table.indexes.values()
    )


def references_to(session: Session, table: QName, columns: frozenset[str]) -> list[ForeignKey]:
    """Foreign keys that reference exactly these columns of a table."""
    found = []
    for owner, name in sorted(session.state.referencing.get(table, ())):
        key = session.state.tables[owner].foreign_keys[name]
        if frozenset(key.target.columns) == columns:
            found.append(key)
    return found


def remove_index(session: Session, table: TableState, name: str) -> None:
    table.indexes.pop(name, None)
    session.state.indexes.pop(QName(table.name.schema, name), None)
