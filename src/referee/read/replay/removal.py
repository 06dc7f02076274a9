"""DROP, RENAME and SET SCHEMA of every kind of object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from referee.model.names import FunctionName, QName, Ref
from referee.read.replay import constraints, objects, tables
from referee.read.replay.session import Refused, Session
from referee.sql.statements import Drop, Rename, SetSchema, Written


def drop(session: Session, record: Drop) -> None:
    handler = _DROPS.get(record.kind)
    if handler is None:
        return
    for position, name in enumerate(record.names):
        try:
            handler(session, record, name, position)
        except Refused as refused:
            if not (record.missing_ok and refused.kind == "missing-object"):
                raise


def _missing(what: str, name: str) -> Refused:
    return Refused(f'{what} "{name}" does not exist', "missing-object")


def _drop_table(session: Session, record: Drop, name: Written, position: int) -> None:
    if session.is_temporary(name):
        session.temporary.discard(name.name)
        return
    tables.drop_table(session, session.table(name), record.cascade)


def _drop_view(session: Session, record: Drop, name: Written, position: int) -> None:
    for candidate in session.candidates(name):
        if session.state.views.pop(candidate, None) is not None:
            return
    raise _missing("view", name.name)


def _drop_sequence(session: Session, record: Drop, name: Written, position: int) -> None:
    for candidate in session.candidates(name):
        if candidate in session.state.sequences:
            session.state.sequences.discard(candidate)
            return
    raise _missing("sequence", name.name)


def _drop_index(session: Session, record: Drop, name: Written, position: int) -> None:
    for candidate in session.candidates(name):
        owner = session.state.indexes.get(candidate)
        if owner is None:
            continue
        table = session.state.tables[owner]
        if candidate.name in table.keys or candidate.name in table.exclusions:
            raise Refused(f"cannot drop index {candidate.name} because constraint {candidate.name} requires it")
        constraints.remove_index(session, table, candidate.name)
        return
    raise _missing("index", name.name)


def _drop_trigger(session: Session, record: Drop, name: Written, position: int) -> None:
    if session.is_temporary(name):
        return
    table, part = session.table(name), record.parts[position]
    if part not in table.triggers:
        raise _missing("trigger", part)
    session.altered(table.triggers.pop(part).ref)


def _drop_policy(session: Session, record: Drop, name: Written, position: int) -> None:
    if session.is_temporary(name):
        return
    table, part = session.table(name), record.parts[position]
    if part not in table.policies:
        raise _missing("policy", part)
    session.altered(table.policies.pop(part).ref)


def _drop_function(session: Session, record: Drop, name: Written, position: int) -> None:
    arguments = record.arguments[position] if position < len(record.arguments) else None
    found = session.find_function(name, arguments)
    if found is None:
        raise _missing("function", name.name)
    objects.drop_function(session, found, record.cascade)


def _drop_type(session: Session, record: Drop, name: Written, position: int) -> None:
    for candidate in session.candidates(name):
        for things in (session.state.enums, session.state.domains, session.state.composites):
            if candidate in things:
                _require_unused(session, candidate, record.cascade)
                del things[candidate]  # type: ignore[attr-defined]
                return
    raise _missing("type", name.name)


def _require_unused(session: Session, name: QName, cascade: bool) -> None:
    printed = str(name)
    for table in session.state.tables.values():
        for column in [c.name for c in table.columns.values() if c.type in (printed, f"{printed}[]")]:
            if not cascade:
                raise Refused(f"cannot drop type {printed} because column {column} of table {table.name} depends on it")
            del table.columns[column]


def _drop_schema(session: Session, record: Drop, name: Written, position: int) -> None:
    if name.name not in session.state.namespaces:
        raise _missing("schema", name.name)
    own = [table for table in session.state.tables.values() if table.name.schema == name.name]
    functions = [function for function in session.state.functions if function.schema == name.name]
    if (own or functions) and not record.cascade:
        raise Refused(f"cannot drop schema {name.name} because other objects depend on it")
    for table in own:
        if table.name in session.state.tables:
            tables.drop_table(session, table, True)
    for function in functions:
        objects.drop_function(session, function, True)
    objects.drop_namespace(session, name.name)


def _drop_extension(session: Session, record: Drop, name: Written, position: int) -> None:
    if session.state.extensions.pop(name.name, None) is None:
        raise _missing("extension", name.name)


_DROPS: dict[str, Callable[[Session, Drop, Written, int], None]] = {
    "table": _drop_table,
    "foreign_table": _drop_table,
    "view": _drop_view,
    "matview": _drop_view,
    "sequence": _drop_sequence,
    "index": _drop_index,
    "trigger": _drop_trigger,
    "policy": _drop_policy,
    "function": _drop_function,
    "type": _drop_type,
    "domain": _drop_type,
    "schema": _drop_schema,
    "extension": _drop_extension,
}


# Renames


def rename(session: Session, record: Rename) -> None:
    handler = _RENAMES.get(record.kind)
    if handler is None:
        return
    try:
        handler(session, record)
    except Refused as refused:
        if not (record.missing_ok and refused.kind == "missing-object"):
            raise


def _rename_relation(session: Session, record: Rename) -> None:
    table = session.find_table(record.name)
    if table is not None:
        new = QName(table.name.schema, record.new)
        if session.state.has_relation(new):
            raise Refused(f'relation "{record.new}" already exists')
        tables.move_table(session, table, new)
        return
    for name in session.candidates(record.name):
        if name in session.state.views:
            view = session.state.views.pop(name)
            session.state.views[QName(name.schema, record.new)] = replace(view, name=QName(name.schema, record.new))
            return
        if name in session.state.indexes:
            _rename_index(session, record)
            return
        if name in session.state.sequences:
            session.state.sequences.discard(name)
            session.state.sequences.add(QName(name.schema, record.new))
            return
    session.table(record.name)


def _rename_column(session: Session, record: Rename) -> None:
    if session.is_temporary(record.name):
        return
    if session.find_table(record.name) is None and any(
        name in session.state.views for name in session.candidates(record.name)
    ):
        return
    tables.rename_column(session, session.table(record.name), record.part, record.new)


def _rename_constraint(session: Session, record: Rename) -> None:
    table = session.table(record.name)
    if table.has_constraint(record.new):
        raise Refused(f'constraint "{record.new}" for relation "{table.name.name}" already exists')
    for name in ("keys", "foreign_keys", "checks", "exclusions"):
        container: dict[str, Any] = getattr(table, name)
        if record.part in container:
            item = container.pop(record.part)
            container[record.new] = replace(item, name=record.new)
            break
    else:
        raise _missing("constraint", record.part)
    if record.part in table.indexes:
        _rename_index_of(session, table.name, record.part, record.new)
    for key in [key for key in table.foreign_keys.values() if key.name == record.new]:
        session.state.referencing.get(key.target.table, set()).discard((table.name, record.part))
        session.state.add_reference(key)
    session.state.count_constraint(table.name.schema, record.part, -1)
    session.state.count_constraint(table.name.schema, record.new, 1)
    _rename_places(session, Ref("constraint", *table.name, record.part), Ref("constraint", *table.name, record.new))


def _rename_index(session: Session, record: Rename) -> None:
    for name in session.candidates(record.name):
        owner = session.state.indexes.get(name)
        if owner is not None:
            table = session.state.tables[owner]
            if name.name in table.keys:  # renaming a key's index renames the key
                _rename_constraint(session, Rename("tabconstraint", Written(*owner), record.new, name.name))
            else:
                _rename_index_of(session, owner, name.name, record.new)
            return
    raise _missing("index", record.name.name)


def _rename_index_of(session: Session, owner: QName, old: str, new: str) -> None:
    table = session.state.tables[owner]
    table.indexes[new] = replace(table.indexes.pop(old), name=new)
    session.state.indexes.pop(QName(owner.schema, old), None)
    session.state.indexes[QName(owner.schema, new)] = owner
    _rename_places(session, Ref("index", owner.schema, old), Ref("index", owner.schema, new))


def _rename_places(session: Session, old: Ref, new: Ref) -> None:
    anchor = session.anchors.pop(old, None)
    if anchor is not None:
        session.anchors[new] = anchor
    session.statements[new] = [*session.statements.pop(old, []), session.span]


def _rename_part(container: str, kind: Any) -> Callable[[Session, Rename], None]:
    def apply(session: Session, record: Rename) -> None:
        table = session.table(record.name)
        items: dict[str, Any] = getattr(table, container)
        if record.part not in items:
            raise _missing(kind, record.part)
        items[record.new] = replace(items.pop(record.part), name=record.new)
        _rename_places(session, Ref(kind, *table.name, record.part), Ref(kind, *table.name, record.new))

    return apply


def _rename_function(session: Session, record: Rename) -> None:
    name = session.find_function(record.name, record.arguments)
    if name is None:
        raise _missing("function", record.name.name)
    _move_function(session, name, FunctionName(name.schema, record.new, name.arguments))


def _move_function(session: Session, old: FunctionName, new: FunctionName) -> None:
    function = replace(session.state.functions.pop(old), name=new)
    session.state.functions[new] = function
    overloads = session.state.overloads[old.qualified]
    overloads.remove(old)
    if not overloads:
        del session.state.overloads[old.qualified]
    session.state.overloads.setdefault(new.qualified, []).append(new)
    for table in session.state.tables.values():
        for trigger in list(table.triggers.values()):
            if trigger.function == old.qualified and not old.arguments:
                table.triggers[trigger.name] = replace(trigger, function=new.qualified)
    old_ref, new_ref = replace(function, name=old).ref, function.ref
    _rename_places(session, old_ref, new_ref)
    body = session.bodies.pop(old_ref, None)
    if body is not None:
        session.bodies[new_ref] = body


def _rename_type(session: Session, record: Rename) -> None:
    _move_type(session, record.name, lambda name: QName(name.schema, record.new))


def _move_type(session: Session, written: Written, place: Callable[[QName], QName]) -> None:
    state = session.state
    for name in session.candidates(written):
        for things in (state.enums, state.domains, state.composites):
            container: Any = things
            if name in container:
                new = place(name)
                container[new] = replace(container.pop(name), name=new)
                _retype(session, str(name), str(new))
                session.altered(Ref("type", *new))
                return
    raise _missing("type", written.name)


def _retype(session: Session, old: str, new: str) -> None:
    for table in session.state.tables.values():
        for column in list(table.columns.values()):
            if column.type in (old, f"{old}[]"):
                table.columns[column.name] = replace(column, type=new + column.type[len(old) :])
    session.forget_types()


def _rename_schema(session: Session, record: Rename) -> None:
    state = session.state
    if record.name.name not in state.namespaces:
        raise _missing("schema", record.name.name)
    if record.new in state.namespaces:
        raise Refused(f'schema "{record.new}" already exists')
    state.namespaces[record.new] = state.namespaces.pop(record.name.name)
    for table in [table for table in state.tables.values() if table.name.schema == record.name.name]:
        tables.move_table(session, table, QName(record.new, table.name.name))
    for name in [name for name in state.functions if name.schema == record.name.name]:
        _move_function(session, name, FunctionName(record.new, name.name, name.arguments))
    for view in [view for view in state.views.values() if view.name.schema == record.name.name]:
        moved = QName(record.new, view.name.name)
        del state.views[view.name]
        state.views[moved] = replace(view, name=moved)
    for things in (state.enums, state.domains, state.composites):
        container: Any = things
        for name in [name for name in container if name.schema == record.name.name]:
            _move_type(session, Written(name.schema, name.name), lambda old: QName(record.new, old.name))


_RENAMES: dict[str, Callable[[Session, Rename], None]] = {
    "table": _rename_relation,
    "view": _rename_relation,
    "matview": _rename_relation,
    "sequence": _rename_relation,
    "foreign_table": _rename_relation,
    "index": _rename_relation,
    "column": _rename_column,
    "tabconstraint": _rename_constraint,
    "trigger": _rename_part("triggers", "trigger"),
    "policy": _rename_part("policies", "policy"),
    "function": _rename_function,
    "type": _rename_type,
    "domain": _rename_type,
    "schema": _rename_schema,
}


# SET SCHEMA


def set_schema(session: Session, record: SetSchema) -> None:
    if record.new not in session.state.namespaces:
        raise Refused(f'schema "{record.new}" does not exist', "missing-object")
    try:
        _set_schema(session, record)
    except Refused as refused:
        if not (record.missing_ok and refused.kind == "missing-object"):
            raise


def _set_schema(session: Session, record: SetSchema) -> None:
    if record.kind in ("table", "foreign_table"):
        table = session.table(record.name)
        tables.move_table(session, table, QName(record.new, table.name.name))
    elif record.kind == "function":
        name = session.find_function(record.name, record.arguments)
        if name is None:
            raise _missing("function", record.name.name)
        _move_function(session, name, FunctionName(record.new, name.name, name.arguments))
    elif record.kind in ("type", "domain"):
        _move_type(session, record.name, lambda name: QName(record.new, name.name))
    elif record.kind in ("view", "matview"):
        for name in session.candidates(record.name):
            view = session.state.views.pop(name, None)
            if view is not None:
                moved = QName(record.new, name.name)
                session.state.views[moved] = replace(view, name=moved)
                return
        raise _missing("view", record.name.name)
    elif record.kind == "extension" and record.name.name in session.state.extensions:
        session.state.extensions[record.name.name] = record.new
