"""Dropping things together with what depends on them, as Postgres does (PostgreSQL 18, dependency.c).

A thing that depends on another goes with it: by itself where it is a part of it (an index of its table), else only with
CASCADE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from referee.model.names import QName, Ref
from referee.model.schema import ForeignKey, Key
from referee.read.replay import chronicle
from referee.read.replay.journal import Recorded
from referee.read.replay.refused import in_use
from referee.read.replay.session import Session
from referee.read.replay.state import TableState, index_below
from referee.read.replay.uses import Path, Thing, Used, type_name, types, used_by
from referee.sql.builtins import extension_names

Dependent = tuple[Thing, bool]
"""A thing and whether it goes by itself, without CASCADE."""


def remove(session: Session, targets: Sequence[Thing], cascade: bool) -> None:
    """Drops things. Raises Refused where something else depends on them and ``cascade`` is not set."""
    found: dict[Thing, bool] = dict.fromkeys(targets, True)
    waiting = list(targets)
    while waiting:
        thing = waiting.pop(0)
        for dependent, goes_along in _dependents(session, thing):
            if dependent not in found:
                found[dependent] = goes_along
                waiting.append(dependent)
            elif goes_along:
                found[dependent] = True
    if not cascade:
        users = [
            str(thing) for thing, goes_along in found.items() if not goes_along and not _goes_with_owner(thing, found)
        ]
        if users:
            raise in_use(" and ".join(map(str, targets)), users)
    for thing in reversed(found):
        _REMOVE[thing.kind](session, thing)


def _goes_with_owner(thing: Thing, found: Mapping[Thing, bool]) -> bool:
    """Whether a thing is a part of a table or column that goes."""
    if thing.kind == "default" and found.get(Thing("column", *thing.owner, thing.part), False):
        return True
    return found.get(Thing("table", *thing.owner), False)


def _dependents(session: Session, thing: Thing) -> Iterator[Dependent]:
    finder = _DEPENDENTS.get(thing.kind)
    return iter(()) if finder is None else finder(session, thing)


def constraint(table: QName, name: str) -> Thing:
    return Thing("constraint", *table, name)


# What depends on a table


def _on_table(session: Session, thing: Thing) -> Iterator[Dependent]:
    state, name = session.state, thing.owner
    table = state.tables[name]
    for key in state.references_to(name):
        if key.table != name:
            yield constraint(key.table, key.name), False
    for ancestor in _ancestors(session, table):
        # A foreign key to a partitioned table references every partition.
        for key in state.references_to(ancestor):
            yield constraint(key.table, key.name), False
    for child in state.children.get(name, ()):
        yield Thing("table", *child), state.tables[child].partition_of == name
    for sequence in table.sequences:
        yield Thing("sequence", *sequence), True
    yield from _on_relation(session, name)
    yield from _on_type(session, thing)


def _ancestors(session: Session, table: TableState) -> Iterator[QName]:
    while table.partition_of is not None:
        yield table.partition_of
        table = session.state.tables[table.partition_of]


def _on_relation(session: Session, name: QName) -> Iterator[Dependent]:
    """The things of others whose texts name a relation."""
    for user, used in _users(session, name.name):
        if name in used.relations and user.owner != name:
            yield _dropped_with(user), False


def _users(session: Session, name: str) -> Iterator[tuple[Thing, Used]]:
    """The things that may name something, with what they use."""
    for user, path in list(session.uses.naming(session.state, name)):
        yield user, used_by(session.state, user, _schemas(session, path))


def _schemas(session: Session, path: Path) -> Path:
    return tuple([session.role if schema == "$user" else schema for schema in path])


def _dropped_with(user: Thing) -> Thing:
    """What is dropped when a thing that is used goes: a check is a constraint."""
    return user._replace(kind="constraint") if user.kind == "check" else user


def _on_view(session: Session, thing: Thing) -> Iterator[Dependent]:
    yield from _on_relation(session, thing.owner)
    yield from _on_type(session, thing)


def _on_sequence(session: Session, thing: Thing) -> Iterator[Dependent]:
    yield from _on_relation(session, thing.owner)
    owner = session.state.sequences.get(thing.owner)
    table = session.state.tables.get(owner[0]) if owner is not None else None
    if owner is not None and table is not None:
        default = Thing("default", *owner[0], owner[1])
        column = table.columns.get(owner[1])
        if column is not None and column.default is not None and thing.name in column.default:
            yield default, False


# What depends on a column


def _on_column(session: Session, thing: Thing) -> Iterator[Dependent]:
    state, table, column = session.state, session.state.tables[thing.owner], thing.part
    keys: tuple[Key | ForeignKey, ...] = (*table.foreign_keys.values(), *table.keys.values())
    for key in keys:
        if column in key.columns:
            yield constraint(table.name, key.name), True
    for index in table.indexes.values():
        if column in (*index.columns, *index.include):
            is_key = index.name in table.keys
            yield constraint(table.name, index.name) if is_key else Thing("index", *table.name, index.name), True
    for exclusion in table.exclusions.values():
        if column in exclusion.definition:
            yield constraint(table.name, exclusion.name), True
    for sequence, owner in table.sequences.items():
        if owner == column:
            yield Thing("sequence", *sequence), True
    for reference in state.references_to(table.name):
        if column in reference.target.columns:
            yield constraint(reference.table, reference.name), False
    yield from _texts_on_column(session, table, column)


def _texts_on_column(session: Session, table: TableState, column: str) -> Iterator[Dependent]:
    for user in _own_users(table):
        used = used_by(session.state, user, _schemas(session, session.path))
        is_named = user.kind == "trigger" and column in table.triggers[user.part].update_columns
        if (table.name, column) in used.columns or is_named:
            if user.kind == "default":
                if user.part != column:
                    yield Thing("column", *table.name, user.part), False
            else:
                yield _dropped_with(user), user.kind in ("check", "index")
    for user, used in _users(session, table.name.name):
        if user.owner != table.name and (table.name, column) in used.columns:
            yield _dropped_with(user), False


def _own_users(table: TableState) -> Iterator[Thing]:
    """The things of a table that have texts."""
    for check in table.checks:
        yield Thing("check", *table.name, check)
    for index in table.indexes.values():
        if index.predicate is not None or index.name in table.parts:
            yield Thing("index", *table.name, index.name)
    for trigger in table.triggers:
        yield Thing("trigger", *table.name, trigger)
    for policy in table.policies:
        yield Thing("policy", *table.name, policy)
    for column in table.columns.values():
        if column.generated is not None:
            yield Thing("default", *table.name, column.name)


def users_of_column(session: Session, table: TableState, column: str) -> list[Thing]:
    """The views, policies, triggers and generated columns that name a column."""
    return [user for user, _ in _texts_on_column(session, table, column) if user.kind not in ("constraint", "index")]


# What depends on a constraint or index


def _on_constraint(session: Session, thing: Thing) -> Iterator[Dependent]:
    table = session.state.tables[thing.owner]
    if thing.part in table.keys:
        yield from _on_index(session, thing)


def _on_index(session: Session, thing: Thing) -> Iterator[Dependent]:
    """Foreign keys rely on the index of the key that they reference."""
    for key in session.state.references_to(thing.owner):
        if session.state.tables[key.table].key_indexes.get(key.name) == thing.part:
            yield constraint(key.table, key.name), False
    parent = session.state.tables[thing.owner]
    for child in session.state.children.get(thing.owner, ()):
        below = session.state.tables[child]
        index = index_below(parent, thing.part, below)
        if index is not None:
            yield Thing("constraint" if index in below.keys else "index", *child, index), True


# What depends on functions and types


def _on_function(session: Session, thing: Thing) -> Iterator[Dependent]:
    name = thing.function
    for user, used in _users(session, name.name):
        if name in used.functions:
            yield _dropped_with(user), False


def _on_type(session: Session, thing: Thing) -> Iterator[Dependent]:
    name = thing.owner
    for user, used in _users(session, name.name):
        if name not in used.types or user.owner == name:
            continue
        if user.kind == "type" and user.owner in session.state.composites:
            for column in session.state.composites[user.owner].columns:
                if type_name(column.type) == name:
                    yield Thing("attribute", *user.owner, column.name), False
        else:
            yield _dropped_with(user), False
    for other, main in session.state.other_types.items():
        if main == name and other != name:
            yield Thing("type", *other), True


def _on_extension(session: Session, thing: Thing) -> Iterator[Dependent]:
    names = extension_names(thing.name)
    if names is None:
        return
    schema = names.schema or session.state.extensions[thing.name]
    for brought in sorted(names.types):
        for user, _ in _users(session, brought):
            if any(type_name(printed) == QName(schema, brought) for printed in types(session.state, user)):
                yield _dropped_with(user), False
    for brought in sorted(names.functions):
        for user, used in _users(session, brought):
            if (None, brought) in used.unknown_functions or (schema, brought) in used.unknown_functions:
                yield _dropped_with(user), False


def _on_schema(session: Session, thing: Thing) -> Iterator[Dependent]:
    state, schema = session.state, thing.name
    for kind, container in (
        ("table", state.tables),
        ("view", state.views),
        ("sequence", state.sequences),
        ("type", state.enums),
        ("type", state.domains),
        ("type", state.composites),
        ("type", state.other_types),
    ):
        for name in container:
            if name.schema == schema:
                yield Thing(kind, *name), False
    for function in state.functions:
        if function.schema == schema:
            yield Thing("function", *function), False
    for extension, place in state.extensions.items():
        if place == schema:
            yield Thing("extension", "", extension), False


_DEPENDENTS: dict[str, Callable[[Session, Thing], Iterator[Dependent]]] = {
    "column": _on_column,
    "constraint": _on_constraint,
    "extension": _on_extension,
    "function": _on_function,
    "index": _on_index,
    "schema": _on_schema,
    "sequence": _on_sequence,
    "table": _on_table,
    "type": _on_type,
    "view": _on_view,
}


# Removing one thing, and nothing else


def _remove_table(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    if table is not None:
        forget_table(session, table)
        session.altered(Ref("table", *thing.owner))


def forget_table(session: Session, table: TableState) -> None:
    """Removes a table from every list that knows it."""
    state, name = session.state, table.name
    for key in table.foreign_keys.values():
        state.remove_reference(key)
    for constraint_name in table.constraint_names():
        state.remove_constraint_name(name, constraint_name)
    for index in (*table.indexes, *table.exclusions, *table.keys):
        state.indexes.pop(QName(name.schema, index), None)
    for sequence in table.sequences:
        state.sequences.pop(sequence, None)
    for parent in table.parents:
        state.children[parent] = tuple([child for child in state.children.get(parent, ()) if child != name])
    state.tables.pop(name, None)
    session.forget_types()


def _remove_view(session: Session, thing: Thing) -> None:
    session.state.views.pop(thing.owner, None)
    for index in [index for index, owner in session.state.indexes.items() if owner == thing.owner]:
        del session.state.indexes[index]
    session.forget_types()


def _remove_sequence(session: Session, thing: Thing) -> None:
    owner = session.state.sequences.pop(thing.owner, None)
    table = session.state.tables.get(owner[0]) if owner is not None else None
    if table is not None:
        table.sequences.pop(thing.owner, None)


def _remove_column(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    if table is None or thing.part not in table.columns:
        return
    del table.columns[thing.part]
    table.inherited.pop(thing.part, None)
    table.own -= {thing.part}
    session.altered(Ref("table", *thing.owner))
    for child in session.state.children.get(thing.owner, ()):
        leave_column(session, session.state.tables[child], thing.part)


def leave_column(session: Session, child: TableState, column: str) -> None:
    """A parent has lost a column: its child does too, unless another parent or the child itself has it."""
    if column not in child.columns:
        return
    count = child.inherited.get(column, 1) - 1
    child.inherited[column] = count
    if count <= 0 and column not in child.own:
        remove(session, [Thing("column", *child.name, column)], True)


def _remove_default(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    column = table.columns.get(thing.part) if table is not None else None
    if table is None or column is None:
        return
    if column.generated is not None:
        remove(session, [Thing("column", *thing.owner, thing.part)], True)
    else:
        table.columns[column.name] = replace(column, default=None)


def _remove_constraint(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    if table is None or not table.has_constraint(thing.part):
        return
    name = thing.part
    if name in table.foreign_keys:
        key = table.foreign_keys.pop(name)
        _forget_foreign_key(session, table, key)
        chronicle.key_dropped(session, key)
    elif name in table.keys:
        del table.keys[name]
        _forget_index(session, table, name)
    elif name in table.checks:
        _forget_check(session, table, name)
    elif name in table.exclusions:
        del table.exclusions[name]
        session.state.indexes.pop(QName(table.name.schema, name), None)
    else:
        return
    table.derived -= {name}
    session.state.remove_constraint_name(table.name, name)
    session.altered(Ref("constraint", *table.name, name))


def _forget_foreign_key(session: Session, table: TableState, key: ForeignKey) -> None:
    session.state.remove_reference(key)
    table.key_indexes.pop(key.name, None)
    for child in session.state.children.get(table.name, ()):
        below = session.state.tables[child]
        for other in list(below.foreign_keys.values()):
            if other.name in below.derived and (other.columns, other.target) == (key.columns, key.target):
                _remove_constraint(session, constraint(child, other.name))


def _forget_check(session: Session, table: TableState, name: str) -> None:
    del table.checks[name]
    for child in session.state.children.get(table.name, ()):
        if name in session.state.tables[child].derived:
            _remove_constraint(session, constraint(child, name))


def _remove_index(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    if table is not None:
        _forget_index(session, table, thing.part)


def _forget_index(session: Session, table: TableState, name: str) -> None:
    table.indexes.pop(name, None)
    table.parts.pop(name, None)
    table.labels.pop(name, None)
    table.derived -= {name}
    session.state.indexes.pop(QName(table.name.schema, name), None)


def _remove_trigger(session: Session, thing: Thing) -> None:
    table, view = session.state.tables.get(thing.owner), session.state.views.get(thing.owner)
    if table is not None and table.triggers.pop(thing.part, None) is not None:
        session.altered(Ref("trigger", *thing.owner, thing.part))
    elif view is not None:
        left = tuple([trigger for trigger in view.triggers if trigger.name != thing.part])
        session.state.views[view.name] = replace(view, triggers=left)


def _remove_policy(session: Session, thing: Thing) -> None:
    table = session.state.tables.get(thing.owner)
    if table is not None and table.policies.pop(thing.part, None) is not None:
        session.altered(Ref("policy", *thing.owner, thing.part))


def _remove_function(session: Session, thing: Thing) -> None:
    state, name = session.state, thing.function
    if state.functions.pop(name, None) is None:
        return
    state.signatures.pop(name, None)
    left = tuple([other for other in state.overloads[name.qualified] if other != name])
    if left:
        state.overloads[name.qualified] = left
    else:
        del state.overloads[name.qualified]


def _remove_type(session: Session, thing: Thing) -> None:
    state = session.state
    containers: tuple[Recorded[QName, Any], ...] = (
        state.enums,
        state.domains,
        state.composites,
        state.other_types,
        state.domain_checks,
    )
    for container in containers:
        container.pop(thing.owner)
    session.forget_types()


def _remove_attribute(session: Session, thing: Thing) -> None:
    composite = session.state.composites.get(thing.owner)
    if composite is not None:
        left = tuple([column for column in composite.columns if column.name != thing.part])
        session.state.composites[composite.name] = replace(composite, columns=left)


def _remove_extension(session: Session, thing: Thing) -> None:
    session.state.extensions.pop(thing.name, None)
    session.forget_types()


def _remove_schema(session: Session, thing: Thing) -> None:
    session.state.namespaces.pop(thing.name, None)
    session.state.constraint_names.pop(thing.name, None)
    session.forget_rights()


_REMOVE: dict[str, Callable[[Session, Thing], None]] = {
    "attribute": _remove_attribute,
    "column": _remove_column,
    "constraint": _remove_constraint,
    "default": _remove_default,
    "extension": _remove_extension,
    "function": _remove_function,
    "index": _remove_index,
    "policy": _remove_policy,
    "schema": _remove_schema,
    "sequence": _remove_sequence,
    "table": _remove_table,
    "trigger": _remove_trigger,
    "type": _remove_type,
    "view": _remove_view,
}
