"""Keys, checks, foreign keys and indexes of a table that is being built."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from referee.model.names import QName, Ref, Target
from referee.model.schema import Action, Check, Exclusion, ForeignKey, Index, Key, Match
from referee.read.replay import chronicle
from referee.read.replay.comparable import comparable
from referee.read.replay.naming import choose_name, join_columns, make_name
from referee.read.replay.refused import Refused, missing_column, taken
from referee.read.replay.removal import remove
from referee.read.replay.roles import require_owner, require_reference
from referee.read.replay.session import Session
from referee.read.replay.state import TableState, index_below, is_alike
from referee.read.replay.uses import Thing
from referee.sql.mentions import Mention, mentions
from referee.sql.statements import Constraint, CreateIndex, Written

_ACTIONS: dict[str, Action] = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_MATCHES: dict[str, Match] = {"s": "SIMPLE", "f": "FULL", "p": "PARTIAL"}


def add_constraint(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    """Adds a constraint as ALTER TABLE ... ADD does, to its descendants too. Raises Refused where Postgres would."""
    if spec.name is not None and table.has_constraint(spec.name):
        if not session.gives_way(Ref("constraint", *table.name, spec.name)):
            raise taken(spec.name, f'constraint of relation "{table.name.name}"', "42710")
        remove(session, [Thing("constraint", *table.name, spec.name)], True)
    _ADD[spec.kind](session, table, spec, only)


def descendants(session: Session, table: TableState) -> Iterator[TableState]:
    """The partitions and inheriting tables directly below a table."""
    for child in session.state.children.get(table.name, ()):
        yield session.state.tables[child]


def add_in_order(session: Session, table: TableState, specs: Iterable[Constraint]) -> None:
    """Adds the constraints of CREATE TABLE in Postgres' order: checks, the primary key, other keys, foreign keys."""
    specs = list(specs)
    if len(specs) > 1:
        if sum(spec.kind == "primary" for spec in specs) > 1:
            raise Refused("42P16", f'multiple primary keys for table "{table.name.name}" are not allowed')
        specs = list(_merge_keys(specs))
        specs.sort(key=_order)
    for spec in specs:
        add_constraint(session, table, spec)


def _order(spec: Constraint) -> tuple[int, int]:
    return _RANK[spec.kind], spec.begin


_RANK = {"check": 0, "not null": 0, "primary": 1, "unique": 2, "exclude": 2, "foreign": 3}


def _merge_keys(specs: list[Constraint]) -> Iterator[Constraint]:
    """Keys that are one index twice become one key (transformIndexConstraints); the first name given to any of them
    stays.
    """
    keys: list[Constraint] = []
    for spec in sorted(specs, key=_order):
        if spec.kind not in ("primary", "unique"):
            yield spec
            continue
        for position, other in enumerate(keys):
            if _is_same_key(spec, other):
                if other.name is None and spec.name is not None:
                    keys[position] = _named(other, spec.name)
                break
        else:
            keys.append(spec)
    yield from keys


def _is_same_key(one: Constraint, other: Constraint) -> bool:
    return (
        one.columns == other.columns
        and one.include == other.include
        and one.nulls_not_distinct == other.nulls_not_distinct
        and (one.deferrable or one.deferred) == (other.deferrable or other.deferred)
        and one.deferred == other.deferred
        and one.index is None
        and other.index is None
    )


def _named(spec: Constraint, name: str) -> Constraint:
    values = {field: getattr(spec, field) for field in spec.__struct_fields__}
    return Constraint(**{**values, "name": name})


# Keys


def add_key(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    primary = spec.kind == "primary"
    if primary and table.primary_key() is not None:
        raise Refused("42P16", f'multiple primary keys for table "{table.name.name}" are not allowed')
    columns, include = spec.columns, spec.include
    if spec.index is not None:
        index = _adopt_index(session, table, spec)
        columns, include = tuple([column for column in index.columns if column is not None]), index.include
        name = spec.name or spec.index
    else:
        require_columns(table, (*columns, *include))
        if len(set(columns)) < len(columns):
            raise Refused("42701", "a column appears twice in a key")
        label = "pkey" if primary else "key"
        name = spec.name or _index_name(session, table, None if primary else join_columns((*columns, *include)), label)
    if session.state.has_relation(QName(table.name.schema, name)):
        raise taken(name)
    if primary and only:
        _require_not_null_below(session, table, columns)
    deferrable = spec.deferrable or spec.deferred
    key = Key(table.name, name, columns, primary, deferrable, spec.deferred, spec.nulls_not_distinct)
    put_key(session, table, key)
    if not spec.overlaps:
        nulls_not_distinct = spec.nulls_not_distinct
        put_index(
            session,
            table,
            Index(table.name, name, columns, unique=True, include=include, nulls_not_distinct=nulls_not_distinct),
        )
    else:
        session.state.indexes[QName(table.name.schema, name)] = table.name
    session.made(key.ref, session.at(spec.start, max(spec.end, spec.start)))
    if only:
        _leave_partitions_out(session, table, name)
    elif table.kind == "partitioned":
        for child in descendants(session, table):
            derive_index(session, table, child, name)


def _require_not_null_below(session: Session, table: TableState, columns: Iterable[str]) -> None:
    """A primary key of a parent needs columns that are NOT NULL in its children as well."""
    for child in descendants(session, table):
        for column in columns:
            found = child.columns.get(column)
            if found is not None and not found.not_null:
                raise Refused("55000", f'column "{column}" of table "{child.name.name}" is not marked NOT NULL')


def _leave_partitions_out(session: Session, table: TableState, index: str) -> None:
    """An index of ONLY a partitioned table is not valid until an index of every partition is attached to it."""
    if table.kind == "partitioned" and session.state.children.get(table.name) and index in table.indexes:
        table.indexes[index] = replace(table.indexes[index], valid=False)


def put_key(session: Session, table: TableState, key: Key) -> None:
    """Adds a key whose index is there or comes next."""
    table.keys[key.name] = key
    session.state.add_constraint_name(table.name, key.name)
    if key.primary:
        for column in key.columns:
            set_not_null(table, column, True)


def _adopt_index(session: Session, table: TableState, spec: Constraint) -> Index:
    """PRIMARY KEY or UNIQUE USING INDEX: the index becomes the constraint's, and takes its name."""
    index = table.indexes.get(spec.index or "")
    if index is None:
        raise Refused("42704", f'index "{spec.index}" does not exist')
    if index.name in table.keys:
        raise Refused("55000", f'index "{index.name}" is already associated with a constraint')
    if not index.unique:
        raise Refused("42809", f'"{index.name}" is not a unique index')
    if None in index.columns:
        raise Refused("42809", f'index "{index.name}" contains expressions')
    if index.predicate is not None:
        raise Refused("42809", f'"{index.name}" is a partial index')
    new = spec.name or index.name
    if new != index.name and session.state.has_relation(QName(table.name.schema, new)):
        raise taken(new)
    del table.indexes[index.name]
    del session.state.indexes[QName(table.name.schema, index.name)]
    for foreign, used in list(_users_of_index(session, table, index.name)):
        session.state.tables[foreign.table].key_indexes[foreign.name] = new if used == index.name else used
    return index


def _users_of_index(session: Session, table: TableState, index: str) -> Iterator[tuple[ForeignKey, str]]:
    """Foreign keys of any table that rely on an index of this one."""
    for foreign in session.state.references_to(table.name):
        used = session.state.tables[foreign.table].key_indexes.get(foreign.name)
        if used == index:
            yield foreign, used


def require_columns(table: TableState, columns: Iterable[str]) -> None:
    for column in columns:
        if column not in table.columns and not table.open:
            raise missing_column(table.name, column)


def set_not_null(table: TableState, column: str, value: bool) -> None:
    found = table.columns.get(column)
    if found is None:
        if table.open:
            return
        raise missing_column(table.name, column)
    if found.not_null != value:
        table.columns[column] = replace(found, not_null=value)


def _index_name(
    session: Session, table: TableState, columns: str | None, label: str, is_constraint: bool = True
) -> str:
    schema, state = table.name.schema, session.state

    def is_taken(name: str) -> bool:
        return state.has_relation(QName(schema, name)) or (is_constraint and state.has_constraint_named(schema, name))

    return choose_name(table.name.name, columns, label, is_taken)


def _constraint_name(session: Session, table: TableState, columns: str | None, label: str) -> str:
    schema, state = table.name.schema, session.state
    return choose_name(table.name.name, columns, label, lambda name: state.has_constraint_named(schema, name))


def put_index(session: Session, table: TableState, index: Index) -> None:
    table.indexes[index.name] = index
    session.state.indexes[QName(table.name.schema, index.name)] = table.name


# Checks and exclusions


def add_check(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    for column in spec.columns:
        if column not in table.columns and column != table.name.name and not table.open:
            raise missing_column(table.name, column)
    columns = [column for column in spec.columns if column in table.columns]
    if not spec.inherit and table.kind == "partitioned":
        raise Refused("42P16", f'cannot add NO INHERIT constraint to partitioned table "{table.name.name}"')
    if spec.inherit and only and session.state.children.get(table.name):
        raise Refused("42P16", "constraint must be added to child tables too")
    name = spec.name or _constraint_name(session, table, columns[0] if len(columns) == 1 else None, "check")
    check = Check(table.name, name, spec.expression, not spec.not_valid and spec.enforced)
    put_check(session, table, check)
    session.made(check.ref, session.at(spec.start, max(spec.end, spec.start)))
    if spec.inherit:
        for child in descendants(session, table):
            derive_check(session, child, check)
    else:
        table.private |= {name}


def put_check(session: Session, table: TableState, check: Check) -> None:
    table.checks[check.name] = check
    session.state.add_constraint_name(table.name, check.name)
    session.note("check", table.name, check.name)


def derive_check(session: Session, child: TableState, check: Check) -> None:
    """Gives a descendant the check of its parent; one that it has already stays its own."""
    if check.name not in child.checks:
        put_check(session, child, replace(check, table=child.name))
        child.derived |= {check.name}
    for below in descendants(session, child):
        derive_check(session, below, check)


def add_exclusion(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    name = spec.name or _index_name(session, table, join_columns(spec.columns), "excl")
    if session.state.has_relation(QName(table.name.schema, name)):
        raise taken(name)
    exclusion = Exclusion(table.name, name, spec.expression)
    table.exclusions[name] = exclusion
    session.state.add_constraint_name(table.name, name)
    # Its index holds the relation name, but is no index that a key can use.
    session.state.indexes[QName(table.name.schema, name)] = table.name
    session.made(exclusion.ref)


def _add_not_null(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    for column in spec.columns:
        set_not_null(table, column, True)
        if spec.name is not None:
            table.not_null_names[spec.name] = column


# Foreign keys


def add_foreign_key(session: Session, table: TableState, spec: Constraint, only: bool = False) -> None:
    if only and table.kind == "partitioned":
        raise Refused("42809", f'cannot use ONLY for foreign key on partitioned table "{table.name.name}"')
    require_columns(table, spec.columns)
    name = spec.name or _constraint_name(session, table, join_columns(spec.columns), "fkey")
    ref = Ref("constraint", *table.name, name)
    assert spec.target is not None
    target, index = _target(session, table, spec, spec.target, ref)
    key = ForeignKey(
        table.name,
        name,
        spec.columns,
        target,
        _ACTIONS.get(spec.on_delete, "NO ACTION"),
        _ACTIONS.get(spec.on_update, "NO ACTION"),
        spec.on_delete_columns,
        _MATCHES.get(spec.match, "SIMPLE"),
        spec.deferrable or spec.deferred,
        spec.deferred,
        not spec.not_valid and spec.enforced,
        spec.enforced,
    )
    put_foreign_key(session, table, key, index)
    span = session.at(spec.start, spec.end)
    session.made(ref, span)
    session.definitions[ref] = session.at(spec.begin, spec.end)
    chronicle.key_added(session, table, key, span)
    if table.kind == "partitioned":
        for child in descendants(session, table):
            derive_foreign_key(session, table, child, name)


def put_foreign_key(session: Session, table: TableState, key: ForeignKey, index: str | None) -> None:
    table.foreign_keys[key.name] = key
    session.state.add_constraint_name(table.name, key.name)
    session.state.add_reference(key)
    if index is not None:
        table.key_indexes[key.name] = index


def _target(
    session: Session, table: TableState, spec: Constraint, written: Written, ref: Ref
) -> tuple[Target, str | None]:
    """The referenced columns, filled in, and the index that makes them a key.

    A key to a table that no file creates is kept, with a gap: its intent is plain.
    """
    referenced = session.find_table(written)
    if referenced is None:
        if session.find_relation(written) is not None:
            raise Refused("42809", f'referenced relation "{written.name}" is not a table', ref)
        name = session.guess(written)
        message = f"references {name}, which no file creates before this"
        session.lack("42P01", message, ref, session.at(spec.start, spec.end))
        return Target(name, spec.target_columns), None
    require_reference(session, referenced, ref)
    if spec.target_columns:
        if referenced.open:
            return Target(referenced.name, spec.target_columns), None
        require_columns(referenced, spec.target_columns)
        columns, index = spec.target_columns, _unique_index(referenced, spec.target_columns, ref)
    else:
        primary = referenced.primary_key()
        if primary is None and referenced.open:
            return Target(referenced.name, ()), None
        if primary is None:
            raise Refused("42704", f'there is no primary key for referenced table "{referenced.name.name}"', ref)
        columns, index = primary.columns, primary.name
        _require_immediate(primary, ref)
    if len(columns) != len(spec.columns):
        raise Refused("42830", "number of referencing and referenced columns for foreign key disagree", ref)
    _require_comparable(session, table, spec.columns, referenced, columns, ref)
    return Target(referenced.name, columns), index


def _unique_index(table: TableState, columns: tuple[str, ...], ref: Ref) -> str:
    """The name of the oldest unique index on exactly these columns, which the foreign key will rely on."""
    wanted = frozenset(columns)
    deferrable = None
    for index in table.indexes.values():
        if (
            index.unique
            and index.valid
            and index.predicate is None
            and len(index.columns) == len(columns)
            and wanted == set(index.columns)
        ):
            key = table.keys.get(index.name)
            if key is None or not key.deferrable:
                return index.name
            deferrable = key
    for key in table.keys.values():
        if key.name not in table.indexes and frozenset(key.columns) == wanted:
            return key.name  # WITHOUT OVERLAPS
    if deferrable is not None:
        _require_immediate(deferrable, ref)
    raise Refused(
        "42830", f'there is no unique constraint matching given keys for referenced table "{table.name.name}"', ref
    )


def _require_immediate(key: Key, ref: Ref) -> None:
    if key.deferrable:
        name = key.table.name
        raise Refused("55000", f'cannot use a deferrable unique constraint for referenced table "{name}"', ref)


def _require_comparable(
    session: Session,
    table: TableState,
    columns: tuple[str, ...],
    referenced: TableState,
    targets: tuple[str, ...],
    ref: Ref,
) -> None:
    for column, target in zip(columns, targets, strict=True):
        ours, theirs = table.columns.get(column), referenced.columns.get(target)
        if ours is None or theirs is None or ours.type == theirs.type:
            continue
        if not comparable(session.state, ours.type, theirs.type):
            raise Refused(
                "42804",
                f'foreign key cannot be implemented: "{column}" and the referenced "{target}" are of incompatible '
                f"types: {ours.type} and {theirs.type}",
                ref,
            )


# Indexes


def create_index(session: Session, record: CreateIndex) -> None:
    if session.is_temporary(record.table):
        return
    if (view := _materialized_view(session, record.table)) is not None:
        _index_view(session, view, record)
        return
    table = session.table(record.table)
    _require_index_columns(table, record)
    _require_immutable(session, record.parts, "expression")
    _require_immutable(session, record.predicate or "", "predicate")
    schema = table.name.schema
    if record.name is not None and session.state.has_relation(QName(schema, record.name)):
        if record.if_not_exists:
            return
        raise taken(record.name)
    require_owner(session, table.owner, table.name)
    name = record.name or _index_name(
        session, table, join_columns((*record.labels, *record.include)), "idx", is_constraint=False
    )
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
    if record.parts or record.predicate:
        session.note("index", table.name, name)
    if record.parts:
        table.parts[name] = record.parts
        table.labels[name] = record.labels
    session.made(index.ref)
    if record.only:
        _leave_partitions_out(session, table, name)
    elif table.kind == "partitioned":
        for child in descendants(session, table):
            derive_index(session, table, child, name)


def _require_index_columns(table: TableState, record: CreateIndex) -> None:
    require_columns(table, [column for column in (*record.columns, *record.include) if column is not None])
    for text in (record.parts, record.predicate or ""):
        if text and not table.open:
            named = [mention.name for mention in mentions(text) if mention.kind == "column" and mention.table is None]
            require_columns(table, [name for name in named if name not in ("*", table.name.name)])


# What of Postgres looks at the clock, at chance or at the session (pg_proc.provolatile, PostgreSQL 18).
_MUTABLE = frozenset(
    """
    clock_timestamp current_setting gen_random_uuid now random statement_timestamp timeofday transaction_timestamp
    """.split()
)
_MUTABLE_WORDS = re.compile(
    r"'[^']*'|\"[^\"]*\"|\b(current_(?:date|role|time|timestamp|user)|localtime|localtimestamp|session_user)\b",
    re.IGNORECASE,
)


def _require_immutable(session: Session, text: str, what: str) -> None:
    """Raises Refused where an index rests on something that is known not to be immutable."""
    if text and (
        any(found[1] for found in _MUTABLE_WORDS.finditer(text))
        or any(_is_mutable(session, mention) for mention in mentions(text) if mention.kind == "function")
    ):
        raise Refused("42P17", f"functions in index {what} must be marked IMMUTABLE")


def _is_mutable(session: Session, call: Mention) -> bool:
    state = session.state
    found = [
        state.functions[one]
        for name in session.candidates(Written(call.schema, call.name))
        for one in state.overloads.get(name, ())
    ]
    if not found:
        return call.schema in (None, "pg_catalog") and call.name in _MUTABLE
    # A function in SQL may be taken apart, so that only what is in it counts.
    return all(one.language == "plpgsql" and one.volatility != "immutable" for one in found)


def _materialized_view(session: Session, written: Written) -> QName | None:
    for name in session.candidates(written):
        if name in session.state.tables:
            return None
        view = session.state.views.get(name)
        if view is not None:
            if not view.materialized:
                raise Refused("42809", f'cannot create index on relation "{name.name}"')
            return name
    return None


def _index_view(session: Session, view: QName, record: CreateIndex) -> None:
    """An index of a materialised view is no fact of a schema, but it takes a name."""
    stand_in = session.state.new_table(view, "")
    label = join_columns((*record.labels, *record.include))
    name = QName(view.schema, record.name or _index_name(session, stand_in, label, "idx", is_constraint=False))
    if not session.state.has_relation(name):
        session.state.indexes[name] = view
    elif not record.if_not_exists:
        raise taken(name.name)


# What partitions get from their parent


def derive_index(session: Session, parent: TableState, child: TableState, name: str) -> None:
    """Gives a partition the index, and the key, of its parent, unless it has one like it (DefineIndex,
    AttachPartition).
    """
    index, key = parent.indexes[name], parent.keys.get(name)
    for own in child.indexes.values():
        if is_alike(own, index) and own.name not in child.derived and (own.name in child.keys) == (key is not None):
            child.derived |= {own.name}
            return
    labels = parent.labels.get(name) or tuple([column or "expr" for column in index.columns])
    label = "idx" if key is None else "pkey" if key.primary else "key"
    joined = None if label == "pkey" else join_columns((*labels, *index.include))
    fresh = _index_name(session, child, joined, label, is_constraint=key is not None)
    put_index(session, child, replace(index, table=child.name, name=fresh))
    if name in parent.parts:
        child.parts[fresh], child.labels[fresh] = parent.parts[name], labels
    child.derived |= {fresh}
    if key is not None:
        put_key(session, child, replace(key, table=child.name, name=fresh))
    if child.kind == "partitioned":
        for below in descendants(session, child):
            derive_index(session, child, below, fresh)


def attach_index(session: Session, name: QName, written: Written) -> None:
    """ALTER INDEX ... ATTACH PARTITION: an index of a partition becomes a part of the index of its parent."""
    state = session.state
    parent = state.tables.get(state.indexes[name])
    if parent is None or parent.kind != "partitioned":
        raise Refused("42809", f'ALTER action ATTACH PARTITION cannot be performed on relation "{name.name}"')
    place = session.find_relation(written)
    if place is None:
        raise session.missing_relation(written)
    child = state.tables.get(state.indexes.get(place, name))
    if child is None or place.name not in child.indexes:
        raise Refused("42809", f'"{place.name}" is not an index')
    attached = index_below(parent, name.name, child)
    if attached == place.name:
        return
    if attached is not None or child.partition_of != parent.name or place.name in child.derived:
        raise _not_attached(place, name, "55000")
    if not is_alike(parent.indexes[name.name], child.indexes[place.name]):
        raise _not_attached(place, name, "42P17")
    if name.name in parent.keys and place.name not in child.keys:
        raise _not_attached(place, name, "42P17")
    child.derived |= {place.name}
    if all(index_below(parent, name.name, state.tables[below]) for below in state.children[parent.name]):
        parent.indexes[name.name] = replace(parent.indexes[name.name], valid=True)


def _not_attached(child: QName, parent: QName, sqlstate: str) -> Refused:
    return Refused(sqlstate, f'cannot attach index "{child.name}" as a partition of index "{parent.name}"')


def derive_foreign_key(session: Session, parent: TableState, child: TableState, name: str) -> None:
    """Gives a partition the foreign key of its parent, unless it has one like it."""
    key = parent.foreign_keys[name]
    for own in child.foreign_keys.values():
        if (own.columns, own.target, own.on_delete, own.on_update) == (
            key.columns,
            key.target,
            key.on_delete,
            key.on_update,
        ):
            child.derived |= {own.name}
            return
    fresh = (
        name if not child.has_constraint(name) else _constraint_name(session, child, join_columns(key.columns), "fkey")
    )
    put_foreign_key(session, child, replace(key, table=child.name, name=fresh), parent.key_indexes.get(name))
    child.derived |= {fresh}
    for below in descendants(session, child):
        derive_foreign_key(session, child, below, fresh)


def not_null_column(table: TableState, constraint: str) -> str | None:
    """The column of a not-null constraint; they have names since PostgreSQL 18."""
    known = table.not_null_names.get(constraint)
    if known is not None:
        return known
    if constraint.endswith("_not_null"):
        for column in table.columns.values():
            if column.not_null and constraint == make_name(table.name.name, column.name, "not_null"):
                return column.name
    return None


_ADD = {
    "primary": add_key,
    "unique": add_key,
    "check": add_check,
    "exclude": add_exclusion,
    "foreign": add_foreign_key,
    "not null": _add_not_null,
}
