"""RENAME and SET SCHEMA of every kind of object."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from referee.model.names import FunctionName, QName, Ref, Target, clip
from referee.model.schema import ForeignKey
from referee.read.replay import rewriting
from referee.read.replay.constraints import descendants, not_null_column
from referee.read.replay.journal import Ordered
from referee.read.replay.refused import Refused, missing, missing_column, missing_constraint, missing_schema, taken
from referee.read.replay.removal import forget_table
from referee.read.replay.roles import rename_role, require_create, require_owner, require_policy_right
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.read.replay.uses import Thing, type_name
from referee.sql.statements import Rename, SetSchema, Written

_RELATIONS = frozenset({"table", "view", "matview", "index", "sequence", "foreign_table"})
_ROUTINES = frozenset({"function", "procedure", "routine", "aggregate"})


def rename(session: Session, record: Rename) -> None:
    handler = _RENAMES.get(record.kind)
    if handler is None:
        return
    try:
        handler(session, record)
    except Refused as refused:
        if not (record.missing_ok and refused.is_missing):
            raise


# Relations


def _rename_relation(session: Session, record: Rename) -> None:
    if session.is_temporary(record.name):
        session.temporary.discard(record.name.name)
        session.temporary.add(record.new)
        return
    name = session.find_relation(record.name)
    if name is None:
        raise session.missing_relation(record.name)
    new = QName(name.schema, clip(record.new))
    if session.state.has_relation(new):
        raise taken(new.name)
    is_index = name in session.state.indexes
    if (record.kind == "index") != is_index and record.kind not in ("table", "index"):
        raise Refused("42809", f'"{name.name}" is not of this kind')
    if is_index:
        _rename_index(session, name, new.name)
    elif name in session.state.tables:
        require_owner(session, session.state.tables[name].owner, name)
        move_table(session, session.state.tables[name], new)
    elif name in session.state.views:
        _move_view(session, name, new)
    elif name in session.state.sequences:
        _move_sequence(session, name, new)


def move_table(session: Session, table: TableState, name: QName) -> None:
    """Gives a table another name or schema, and everything that hangs on it or points to it."""
    old, state = table.name, session.state
    rewrites = rewriting.for_relation(session, old, name)
    keys_to_it = state.references_to(old)
    children = state.children.pop(old, ())
    siblings = {parent: state.children.get(parent, ()) for parent in table.parents}
    sequences = dict(table.sequences)
    forget_table(session, table)
    table.name = name
    for container in ("keys", "checks", "exclusions", "foreign_keys", "indexes", "triggers", "policies"):
        items: Ordered[str, Any] = getattr(table, container)
        if items:
            items.put_all({part: replace(item, table=name) for part, item in items.items()})
    state.tables[name] = table
    table.sequences.put_all(sequences)
    _register(session, table)
    _follow(session, old, name, keys_to_it)
    state.children[name] = children
    for child in children:
        _change_parent(state.tables[child], old, name)
    for parent, names in siblings.items():
        state.children[parent] = tuple([name if child == old else child for child in names])
    _move_origins(session, old, name)
    rewriting.apply(session, rewrites, lambda thing: _moved(thing, old, name))
    _note_again(session, table)
    _retype(session, old, name)
    if old.schema != name.schema:
        for sequence in sequences:
            _move_sequence(session, sequence, QName(name.schema, sequence.name))


def _moved(thing: Thing, old: QName, new: QName) -> Thing:
    return thing._replace(schema=new.schema, name=new.name) if thing.owner == old else thing


def _note_again(session: Session, table: TableState) -> None:
    """What hangs on a table is found under its new name from now on."""
    for kind, names in (
        ("check", table.checks),
        ("default", table.columns),
        ("column", table.columns),
        ("index", table.indexes),
        ("trigger", table.triggers),
        ("policy", table.policies),
    ):
        for name in names:
            session.note(kind, table.name, name)


def _register(session: Session, table: TableState) -> None:
    for name in table.constraint_names():
        session.state.add_constraint_name(table.name, name)
    for index in (*table.indexes, *table.exclusions, *table.keys):
        session.state.indexes[QName(table.name.schema, index)] = table.name
    for key in table.foreign_keys.values():
        session.state.add_reference(key)
    for sequence, column in table.sequences.items():
        session.state.sequences[sequence] = (table.name, column)


def _follow(session: Session, old: QName, new: QName, keys: Iterable[ForeignKey]) -> None:
    session.state.referencing.pop(old, None)
    for key in keys:
        owner = session.state.tables[new if key.table == old else key.table]
        followed = replace(owner.foreign_keys[key.name], target=Target(new, key.target.columns))
        owner.foreign_keys[key.name] = followed
        session.state.add_reference(followed)


def _change_parent(child: TableState, old: QName, new: QName) -> None:
    if child.partition_of == old:
        child.partition_of = new
    child.inherits = tuple([new if parent == old else parent for parent in child.inherits])


def _move_origins(session: Session, old: QName, new: QName) -> None:
    for places in (session.anchors, session.statements, session.definitions):
        moved = [ref for ref in places if ref.schema == old.schema and ref.name == old.name and ref.kind != "function"]
        for ref in moved:
            places[ref._replace(schema=new.schema, name=new.name)] = places.pop(ref)  # type: ignore[assignment]
    session.altered(Ref("table", *new))


def _move_view(session: Session, old: QName, new: QName) -> None:
    state = session.state
    require_owner(session, state.views[old].owner, old)
    rewrites = rewriting.for_relation(session, old, new)
    view = state.views.pop(old)
    triggers = tuple([replace(trigger, table=new) for trigger in view.triggers])
    state.views[new] = replace(view, name=new, triggers=triggers)
    for index in [index for index, owner in state.indexes.items() if owner == old]:
        del state.indexes[index]
        state.indexes[QName(new.schema, index.name)] = new
    session.note("view", new)
    rewriting.apply(session, rewrites, lambda thing: _moved(thing, old, new))
    _retype(session, old, new)


def _move_sequence(session: Session, old: QName, new: QName) -> None:
    state = session.state
    rewrites = rewriting.for_relation(session, old, new)
    owner = state.sequences.pop(old)
    state.sequences[new] = owner
    if owner is not None:
        table = state.tables[owner[0]]
        table.sequences.put_all({new if name == old else name: column for name, column in table.sequences.items()})
    rewriting.apply(session, rewrites)


# Columns and parts of tables


def _rename_column(session: Session, record: Rename) -> None:
    if session.is_temporary(record.name) or _is_view(session, record.name):
        return
    if record.kind == "attribute" and _rename_attribute(session, record):
        return
    table = session.table(record.name)
    require_owner(session, table.owner, table.name)
    if table.inherited.get(record.part, 0) > 0:
        raise Refused("42P16", f'cannot rename inherited column "{record.part}"')
    if record.only and session.state.children.get(table.name):
        raise Refused("42P16", f'inherited column "{record.part}" must be renamed in child tables too')
    rename_column(session, table, record.part, clip(record.new))


def _is_view(session: Session, written: Written) -> bool:
    return session.find_table(written) is None and any(
        name in session.state.views for name in session.candidates(written)
    )


def _rename_attribute(session: Session, record: Rename) -> bool:
    """An attribute of a composite type; whether there is such a type."""
    for name in session.candidates(record.name):
        composite = session.state.composites.get(name)
        if composite is None:
            continue
        if all(column.name != record.part for column in composite.columns):
            raise Refused("42703", f'column "{record.part}" does not exist')
        columns = [
            replace(column, name=record.new) if column.name == record.part else column for column in composite.columns
        ]
        session.state.composites[name] = replace(composite, columns=tuple(columns))
        return True
    return False


def rename_column(session: Session, table: TableState, old: str, new: str) -> None:
    """A column's new name, in keys, indexes and texts, and in descendants."""
    column = table.columns.get(old)
    if column is None:
        if table.open:
            return
        raise missing_column(table.name, old)
    if new in table.columns:
        raise Refused("42701", f'column "{new}" of relation "{table.name.name}" already exists')
    for child in list(descendants(session, table)):
        rename_column(session, child, old, new)
    rewrites = rewriting.for_column(session, table.name, old, new)
    table.columns.rename(old, new, lambda column: replace(column, name=new))
    _rename_in_parts(session, table, old, new)
    rewriting.apply(
        session,
        rewrites,
        lambda thing: (
            thing._replace(part=new) if (thing.owner, thing.part, thing.kind) == (table.name, old, "default") else thing
        ),
    )
    session.note("default", table.name, new)
    session.note("column", table.name, new)
    anchor = session.anchors.pop(Ref("column", *table.name, old), None)
    if anchor is not None:
        session.anchors[Ref("column", *table.name, new)] = anchor


def _rename_in_parts(session: Session, table: TableState, old: str, new: str) -> None:
    def renamed(columns: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple([new if name == old else name for name in columns])

    for name, key in table.keys.items():
        table.keys[name] = replace(key, columns=renamed(key.columns))
    for name, index in table.indexes.items():
        table.indexes[name] = replace(index, columns=renamed(index.columns), include=renamed(index.include))
    for name, trigger in table.triggers.items():
        table.triggers[name] = replace(trigger, update_columns=renamed(trigger.update_columns))
    for name, foreign in table.foreign_keys.items():
        table.foreign_keys[name] = replace(
            foreign, columns=renamed(foreign.columns), on_delete_columns=renamed(foreign.on_delete_columns)
        )
    for foreign in session.state.references_to(table.name):
        target = Target(foreign.target.table, renamed(foreign.target.columns))
        session.state.tables[foreign.table].foreign_keys[foreign.name] = replace(foreign, target=target)
    _rename_in_notes(session, table, old, new)


def _rename_in_notes(session: Session, table: TableState, old: str, new: str) -> None:
    """A column's new name in what is no fact of its own."""
    columns = [tuple([new if name == old else name for name in grant.columns]) for grant in table.grants]
    table.grants = tuple([replace(grant, columns=now) for grant, now in zip(table.grants, columns, strict=True)])
    for sequence, column in list(table.sequences.items()):
        if column == old:
            table.sequences[sequence] = new
            session.state.sequences[sequence] = (table.name, new)
    for name, column in table.not_null_names.items():
        if column == old:
            table.not_null_names[name] = new
    if old in table.inherited:
        table.inherited[new] = table.inherited.pop(old)
    if old in table.own:
        table.own = table.own - {old} | {new}


def _rename_constraint(session: Session, record: Rename) -> None:
    table = session.table(record.name)
    require_owner(session, table.owner, table.name)
    if record.only and record.part in table.checks and session.state.children.get(table.name):
        raise Refused("42P16", f'inherited constraint "{record.part}" must be renamed in child tables too')
    rename_constraint(session, table, record.part, clip(record.new))


def rename_constraint(session: Session, table: TableState, old: str, new: str) -> None:
    if not table.has_constraint(old):
        column = not_null_column(table, old)
        if column is None:
            raise missing_constraint(table.name, old)
        table.not_null_names[new] = column
        return
    if table.has_constraint(new):
        raise taken(new, f'constraint for relation "{table.name.name}"', "42710")
    if old in table.derived:
        raise Refused("42P16", f'cannot rename inherited constraint "{old}"')
    if old in table.indexes and session.state.has_relation(QName(table.name.schema, new)):
        raise taken(new)
    if old in table.not_null_names:
        table.not_null_names[new] = table.not_null_names.pop(old)
        return
    _put_constraint(session, table, old, new)
    for child in descendants(session, table):
        if old in child.derived and old in child.checks:
            _put_constraint(session, child, old, new)
            child.derived = child.derived - {old} | {new}


def _put_constraint(session: Session, table: TableState, old: str, new: str) -> None:
    state = session.state
    for kind in ("keys", "foreign_keys", "checks", "exclusions"):
        container: Ordered[str, Any] = getattr(table, kind)
        if old in container:
            container.rename(old, new, lambda item: replace(item, name=new))
    if old in table.indexes:
        _rename_index_of(session, table, old, new)
    elif QName(table.name.schema, old) in state.indexes and new in (*table.exclusions, *table.keys):
        state.indexes[QName(table.name.schema, new)] = state.indexes.pop(QName(table.name.schema, old))
    key = table.foreign_keys.get(new)
    if key is not None:
        state.remove_reference(replace(key, name=old))
        state.add_reference(key)
        if old in table.key_indexes:
            table.key_indexes[new] = table.key_indexes.pop(old)
    if new in table.checks:
        session.note("check", table.name, new)
    state.remove_constraint_name(table.name, old)
    state.add_constraint_name(table.name, new)
    _rename_places(session, Ref("constraint", *table.name, old), Ref("constraint", *table.name, new))


def _rename_index(session: Session, name: QName, new: str) -> None:
    owner = session.state.indexes[name]
    table = session.state.tables.get(owner)
    if table is None:
        session.state.indexes[QName(name.schema, new)] = session.state.indexes.pop(name)
    elif name.name in table.keys or name.name in table.exclusions:
        rename_constraint(session, table, name.name, new)  # renaming a key's index renames the key
    else:
        _rename_index_of(session, table, name.name, new)


def _rename_index_of(session: Session, table: TableState, old: str, new: str) -> None:
    for reference in session.state.references_to(table.name):
        indexes = session.state.tables[reference.table].key_indexes
        if indexes.get(reference.name) == old:
            indexes[reference.name] = new
    table.indexes.rename(old, new, lambda index: replace(index, name=new))
    for notes in (table.parts, table.labels):
        if old in notes:
            notes[new] = notes.pop(old)
    if old in table.derived:
        table.derived = table.derived - {old} | {new}
    session.note("index", table.name, new)
    schema = table.name.schema
    session.state.indexes.pop(QName(schema, old), None)
    session.state.indexes[QName(schema, new)] = table.name
    _rename_places(session, Ref("index", schema, old), Ref("index", schema, new))


def _rename_places(session: Session, old: Ref, new: Ref) -> None:
    for places in (session.anchors, session.definitions):
        place = places.pop(old, None)
        if place is not None:
            places[new] = place
    session.statements[new] = (*session.statements.pop(old, ()), session.span)


def _rename_trigger(session: Session, record: Rename) -> None:
    _rename_part(session, record, "triggers", "trigger")


def _rename_policy(session: Session, record: Rename) -> None:
    _rename_part(session, record, "policies", "policy")


def _rename_part(session: Session, record: Rename, container: str, kind: Any) -> None:
    table = session.table(record.name)
    items: dict[str, Any] = getattr(table, container)
    if record.part not in items:
        raise missing(f'{kind} for table "{table.name.name}"', record.part)
    if record.new in items:
        raise Refused("42710", f'{kind} "{record.new}" for table "{table.name.name}" already exists')
    require_policy_right(session, table)
    items[record.new] = replace(items.pop(record.part), name=record.new)
    session.note(kind, table.name, record.new)
    _rename_places(session, Ref(kind, *table.name, record.part), Ref(kind, *table.name, record.new))


# Functions and types


def _rename_function(session: Session, record: Rename) -> None:
    name = session.find_function(record.name, record.arguments, record.kind)
    if name is None:
        raise session.missing_function(record.name, record.arguments)
    _move_function(session, name, FunctionName(name.schema, record.new, name.arguments))


def _move_function(session: Session, old: FunctionName, new: FunctionName) -> None:
    state = session.state
    if new in state.functions and new != old:
        raise Refused("42723", f'function "{new.name}" already exists with same argument types')
    require_owner(session, state.functions[old].owner, old.qualified)
    rewrites = rewriting.for_function(session, old, new.qualified)
    function = replace(state.functions.pop(old), name=new)
    state.functions[new] = function
    if old in state.signatures:
        state.signatures[new] = state.signatures.pop(old)
    left = tuple([other for other in state.overloads[old.qualified] if other != old])
    if left:
        state.overloads[old.qualified] = left
    else:
        del state.overloads[old.qualified]
    state.overloads[new.qualified] = (*state.overloads.get(new.qualified, ()), new)
    if not old.arguments:
        _retarget_triggers(session, old.qualified, new.qualified)
    old_ref, new_ref = replace(function, name=old).ref, function.ref
    _rename_places(session, old_ref, new_ref)
    body = session.bodies.pop(old_ref, None)
    if body is not None:
        session.bodies[new_ref] = body
    rewriting.apply(
        session, rewrites, lambda thing: Thing("function", *new) if thing == Thing("function", *old) else thing
    )
    session.note("function", new.qualified, new.arguments)


def _retarget_triggers(session: Session, old: QName, new: QName) -> None:
    for table in session.state.tables.values():
        for trigger in list(table.triggers.values()):
            if trigger.function == old:
                table.triggers[trigger.name] = replace(trigger, function=new)
                session.note("trigger", table.name, trigger.name)
    for view in list(session.state.views.values()):
        if any(trigger.function == old for trigger in view.triggers):
            triggers = [replace(one, function=new) if one.function == old else one for one in view.triggers]
            session.state.views[view.name] = replace(view, triggers=tuple(triggers))


def _rename_type(session: Session, record: Rename) -> None:
    _move_type(session, record.name, lambda name: QName(name.schema, record.new))


def _move_type(session: Session, written: Written, place: Callable[[QName], QName]) -> None:
    state = session.state
    for name in session.candidates(written):
        if name in state.tables or name in state.views:
            raise Refused("42809", f"{name} is a table's row type")
        for things in (state.enums, state.domains, state.composites):
            container: Any = things
            if name in container:
                _move_type_in(session, container, name, place(name))
                return
        if name in state.other_types:
            main = state.other_types.pop(name)
            state.other_types[place(name)] = place(name) if main == name else main
            _retype(session, name, place(name))
            return
    raise missing("type", written.name)


def _move_type_in(session: Session, container: Any, old: QName, new: QName) -> None:
    state = session.state
    if state.has_type(new):
        raise Refused("42710", f'type "{new.name}" already exists')
    rewrites = rewriting.for_type(session, old, new)
    container[new] = replace(container.pop(old), name=new)
    if old in state.domain_checks:
        state.domain_checks[new] = state.domain_checks.pop(old)
    session.note("type", new)
    rewriting.apply(session, rewrites, lambda thing: _moved(thing, old, new) if thing.kind == "type" else thing)
    _retype(session, old, new)
    _rename_places(session, Ref("type", *old), Ref("type", *new))


def _retype(session: Session, old: QName, new: QName) -> None:
    """A type's new name in columns, attributes, domains and functions."""
    state, session_uses = session.state, session.uses

    def printed(kind: str) -> str:
        setof = "SETOF " if kind.startswith("SETOF ") else ""
        kind = kind.removeprefix(setof)
        return f"{setof}{new}{kind[len(str(old)) :]}" if type_name(kind) == old else f"{setof}{kind}"

    for thing, _path in list(session_uses.naming(state, old.name)):
        if thing.kind == "column" and thing.owner in state.tables:
            columns = state.tables[thing.owner].columns
            if thing.part in columns:
                columns[thing.part] = replace(columns[thing.part], type=printed(columns[thing.part].type))
                session.note("column", thing.owner, thing.part)
        elif thing.kind == "function" and thing.function in state.functions:
            _retype_function(session, thing.function, printed)
        elif thing.kind == "type":
            _retype_type(session, thing.owner, printed)
    session.forget_types()


def _retype_function(session: Session, old: FunctionName, printed: Callable[[str], str]) -> None:
    state = session.state
    function = state.functions[old]
    new = FunctionName(old.schema, old.name, tuple([printed(argument) for argument in old.arguments]))
    changed = replace(function, name=new, returns=printed(function.returns))
    if new == old:
        state.functions[old] = changed
        return
    del state.functions[old]
    state.functions[new] = changed
    state.overloads[old.qualified] = tuple([new if name == old else name for name in state.overloads[old.qualified]])
    if old in state.signatures:
        state.signatures[new] = state.signatures.pop(old)
    body = session.bodies.pop(function.ref, None)
    if body is not None:
        session.bodies[changed.ref] = body
    _rename_places(session, function.ref, changed.ref)
    session.note("function", new.qualified, new.arguments)


def _retype_type(session: Session, name: QName, printed: Callable[[str], str]) -> None:
    state = session.state
    if name in state.domains:
        state.domains[name] = replace(state.domains[name], base=printed(state.domains[name].base))
    elif name in state.composites:
        composite = state.composites[name]
        columns = tuple([replace(column, type=printed(column.type)) for column in composite.columns])
        state.composites[name] = replace(composite, columns=columns)
    session.note("type", name)


# Schemas and the rest


def _rename_schema(session: Session, record: Rename) -> None:
    state, old, new = session.state, record.name.name, record.new
    if old not in state.namespaces:
        raise missing_schema(old)
    if new in state.namespaces:
        raise Refused("42P06", f'schema "{new}" already exists')
    require_owner(session, state.namespaces[old].owner, f"schema {old}")
    state.namespaces.rename(old, new, lambda space: space)
    _move_all(session, old, new)
    for extension in [extension for extension, place in state.extensions.items() if place == old]:
        state.extensions[extension] = new
    session.forget_rights()
    _rename_places(session, Ref("schema", "", old), Ref("schema", "", new))


def _move_all(session: Session, old: str, new: str) -> None:
    """Everything in a schema, to where the schema is now. Types first, since the others are made of them."""
    state = session.state
    for things in (state.enums, state.domains, state.composites):
        container: Any = things
        for name in [name for name in container if name.schema == old]:
            _move_type_in(session, container, name, QName(new, name.name))
    for name in [name for name in state.other_types if name.schema == old]:
        main = state.other_types.pop(name)
        state.other_types[QName(new, name.name)] = QName(new, main.name)
        _retype(session, name, QName(new, name.name))
    for table in [table for table in state.tables.values() if table.name.schema == old]:
        move_table(session, table, QName(new, table.name.name))
    for sequence in [sequence for sequence in state.sequences if sequence.schema == old]:
        _move_sequence(session, sequence, QName(new, sequence.name))
    for function in [function for function in state.functions if function.schema == old]:
        _move_function(session, function, FunctionName(new, function.name, function.arguments))
    for view in [view for view in state.views if view.schema == old]:
        _move_view(session, view, QName(new, view.name))


_RENAMES: dict[str, Callable[[Session, Rename], None]] = {
    **dict.fromkeys(_RELATIONS, _rename_relation),
    **dict.fromkeys(_ROUTINES, _rename_function),
    "column": _rename_column,
    "attribute": _rename_column,
    "tabconstraint": _rename_constraint,
    "trigger": _rename_trigger,
    "policy": _rename_policy,
    "type": _rename_type,
    "domain": _rename_type,
    "schema": _rename_schema,
    "role": rename_role,
}


# SET SCHEMA


def set_schema(session: Session, record: SetSchema) -> None:
    if session.is_temporary(record.name):
        raise Refused("0A000", "cannot move objects into or out of temporary schemas")
    try:
        _set_schema(session, record)
    except Refused as refused:
        if not (record.missing_ok and refused.is_missing):
            raise


def _set_schema(session: Session, record: SetSchema) -> None:
    if record.kind in ("table", "foreign_table", "view", "matview", "sequence"):
        _set_schema_of_relation(session, record)
    elif record.kind in _ROUTINES:
        name = session.find_function(record.name, record.arguments, record.kind)
        if name is None:
            raise session.missing_function(record.name, record.arguments)
        _require_schema(session, record.new)
        _move_function(session, name, FunctionName(record.new, name.name, name.arguments))
    elif record.kind in ("type", "domain"):

        def place(name: QName) -> QName:
            _require_schema(session, record.new)
            return QName(record.new, name.name)

        _move_type(session, record.name, place)
    elif record.kind == "extension":
        _set_schema_of_extension(session, record)


def _set_schema_of_extension(session: Session, record: SetSchema) -> None:
    if record.name.name not in session.state.extensions:
        raise missing("extension", record.name.name)
    _require_schema(session, record.new)
    old = session.state.extensions[record.name.name]
    session.state.extensions[record.name.name] = record.new
    for table in session.state.tables.values():
        for column in list(table.columns.values()):
            name = type_name(column.type)
            if name is not None and name.schema == old and session.extension_with(Written(record.new, name.name)):
                fresh = str(QName(record.new, name.name)) + column.type[len(str(name)) :]
                table.columns[column.name] = replace(column, type=fresh)
    session.forget_types()


def _require_schema(session: Session, name: str) -> None:
    if name not in session.state.namespaces:
        raise missing_schema(name)
    require_create(session, name)


def _set_schema_of_relation(session: Session, record: SetSchema) -> None:
    state = session.state
    name = session.find_relation(record.name)
    if name is None or name in state.indexes or name in state.composites:
        raise session.missing_relation(record.name)
    _require_schema(session, record.new)
    new = QName(record.new, name.name)
    if new == name:
        return
    if state.has_relation(new):
        raise Refused("42P07", f'relation "{name.name}" already exists in schema "{record.new}"')
    if name in state.tables:
        table = state.tables[name]
        require_owner(session, table.owner, name)
        for index in (*table.indexes, *table.exclusions):
            if state.has_relation(QName(record.new, index)):
                raise Refused("42P07", f'relation "{index}" already exists in schema "{record.new}"')
        move_table(session, table, new)
    elif name in state.views:
        _move_view(session, name, new)
    elif state.sequences[name] is not None:
        raise Refused("0A000", "cannot move an owned sequence into another schema")
    else:
        _move_sequence(session, name, new)
