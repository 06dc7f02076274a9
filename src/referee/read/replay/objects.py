"""Functions, triggers, policies, views, types, schemas and extensions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from referee.model.names import FunctionName, QName, Ref
from referee.model.origins import BodyOrigin
from referee.model.schema import Column, Composite, Domain, Enum, Function, Policy, Trigger, View
from referee.read.replay.session import Refused, Session
from referee.read.replay.state import NamespaceState
from referee.sql.builtins import extension_names, server_names, suppliers
from referee.sql.statements import (
    AddEnumLabel,
    AlterFunction,
    CreateComposite,
    CreateDomain,
    CreateEnum,
    CreateExtension,
    CreateFunction,
    CreatePolicy,
    CreateSequence,
    CreateTrigger,
    CreateView,
    Written,
)

# Functions


def create_function(session: Session, record: CreateFunction) -> None:
    place = session.new_name(record.name)
    name = FunctionName(place.schema, place.name, tuple([session.type(argument) for argument in record.arguments]))
    former = session.state.functions.get(name)
    if former is not None and not record.replace:
        raise Refused(f'function "{name.name}" already exists with same argument types', object=former.ref)
    function = Function(
        name,
        record.language,
        _returns(session, record),
        record.body,
        record.kind,
        record.security_definer,
        record.volatility,
        record.strict,
        record.settings,
        record.argument_names,
        former.owner if former is not None else session.role,
        former.grants if former is not None else session.default_grants("function", place.schema),
    )
    session.state.functions[name] = function
    if former is None:
        session.state.overloads.setdefault(place, []).append(name)
    ref = function.ref
    statements = session.statements.get(ref)
    session.made(ref)
    if former is not None and statements:
        session.statements[ref] = [*statements, session.span]
    session.bodies[ref] = BodyOrigin(session.at(record.body_start, record.body_end), record.offsets)


def _returns(session: Session, record: CreateFunction) -> str:
    if record.returns is None:
        return ""
    printed = session.type(record.returns)
    return f"SETOF {printed}" if record.returns_set or record.returns_table else printed


def alter_function(session: Session, record: AlterFunction) -> None:
    name = session.find_function(record.name, record.arguments)
    if name is None:
        raise Refused(f"function {record.name.name} does not exist", "missing-object")
    function = session.state.functions[name]
    settings = dict(function.settings)
    for setting, value in record.settings:
        if setting == "all":
            settings.clear()
        elif value is None:
            settings.pop(setting, None)
        else:
            settings[setting] = value
    changes: dict[str, Any] = {"settings": tuple(sorted(settings.items()))}
    for field in ("security_definer", "volatility", "strict"):
        if getattr(record, field) is not None:
            changes[field] = getattr(record, field)
    session.state.functions[name] = replace(function, **changes)
    session.altered(function.ref)


def drop_function(session: Session, name: FunctionName, cascade: bool) -> None:
    function = session.state.functions[name]
    if not name.arguments:
        _drop_triggers_of(session, function, cascade)
    del session.state.functions[name]
    overloads = session.state.overloads[name.qualified]
    overloads.remove(name)
    if not overloads:
        del session.state.overloads[name.qualified]


def _drop_triggers_of(session: Session, function: Function, cascade: bool) -> None:
    if function.returns != "trigger":
        return
    name = function.name.qualified
    for table in session.state.tables.values():
        if not table.triggers:
            continue
        for trigger in [trigger for trigger in table.triggers.values() if trigger.function == name]:
            if not cascade:
                raise Refused(
                    f"cannot drop function {name} because trigger {trigger.name} on table {table.name} depends on it",
                    object=function.ref,
                )
            del table.triggers[trigger.name]


# Triggers


def create_trigger(session: Session, record: CreateTrigger) -> None:
    if session.is_temporary(record.table):
        return
    function = _trigger_function(session, record.function)
    table = session.find_table(record.table)
    if table is None and _has_view(session, record.table):
        return  # INSTEAD OF triggers of views write no keys of their own
    if table is None:
        table = session.table(record.table)
    if record.name in table.triggers and not record.replace:
        raise Refused(f'trigger "{record.name}" for relation "{table.name.name}" already exists')
    for column in record.update_columns:
        if column not in table.columns and table.columns:
            raise Refused(f'column "{column}" of relation "{table.name.name}" does not exist', "missing-object")
    trigger = Trigger(
        table.name,
        record.name,
        function,
        record.timing,
        frozenset(record.events),
        record.update_columns,
        "row" if record.row else "statement",
        record.when,
        record.arguments,
        "origin",
        record.constraint,
        record.deferrable or record.deferred,
        record.deferred,
    )
    table.triggers[record.name] = trigger
    session.made(trigger.ref)


def _has_view(session: Session, written: Written) -> bool:
    return any(name in session.state.views for name in session.candidates(written))


def _trigger_function(session: Session, written: Written) -> QName:
    found = session.find_function(written, ())
    if found is not None:
        return found.qualified
    for extension in suppliers(written.name):
        schema = session.state.extensions.get(extension)
        if schema is not None and written.schema in (None, schema):
            return QName(schema, written.name)
    if written.schema in (None, "pg_catalog") and written.name in server_names().functions:
        return QName("pg_catalog", written.name)
    name = session.guess(written)
    raise Refused(f"function {name}() does not exist", "missing-object", Ref("function", name.schema, name.name, "()"))


# Policies


def create_policy(session: Session, record: CreatePolicy) -> None:
    if session.is_temporary(record.table):
        return
    table = session.table(record.table)
    former = table.policies.get(record.name)
    if record.alter:
        if former is None:
            raise Refused(f'policy "{record.name}" for table "{table.name.name}" does not exist', "missing-object")
        policy = replace(
            former,
            roles=former.roles if record.roles is None else tuple(sorted(record.roles)),
            using=former.using if record.using is None else record.using,
            check=former.check if record.check is None else record.check,
        )
        table.policies[record.name] = policy
        session.altered(policy.ref)
        return
    if former is not None:
        raise Refused(f'policy "{record.name}" for table "{table.name.name}" already exists', object=former.ref)
    command: Any = record.command
    roles = ("public",) if record.roles is None else tuple(sorted(record.roles))
    policy = Policy(table.name, record.name, command, record.permissive, roles, record.using, record.check)
    table.policies[record.name] = policy
    session.made(policy.ref)


# Views, types, schemas, extensions


def create_view(session: Session, record: CreateView) -> None:
    if record.temporary:
        session.temporary.add(record.name.name)
        return
    name = session.new_name(record.name)
    if session.state.has_relation(name) and not (record.replace and name in session.state.views):
        if record.if_not_exists:
            return
        raise Refused(f'relation "{name.name}" already exists')
    view = View(name, record.definition, record.materialized, record.security_invoker, owner=session.role)
    session.state.views[name] = view
    session.made(view.ref)


def create_sequence(session: Session, record: CreateSequence) -> None:
    name = session.new_name(record.name)
    if session.state.has_relation(name):
        if record.if_not_exists:
            return
        raise Refused(f'relation "{name.name}" already exists')
    session.state.sequences.add(name)


def _new_type(session: Session, written: Written) -> QName:
    name = session.new_name(written)
    if session.state.has_type(name):
        raise Refused(f'type "{name.name}" already exists', object=Ref("type", *name))
    session.made(Ref("type", *name))
    return name


def create_enum(session: Session, record: CreateEnum) -> None:
    name = _new_type(session, record.name)
    session.state.enums[name] = Enum(name, record.labels)


def create_domain(session: Session, record: CreateDomain) -> None:
    name = _new_type(session, record.name)
    session.state.domains[name] = Domain(
        name, session.type(record.base), record.not_null, record.default, record.checks
    )


def create_composite(session: Session, record: CreateComposite) -> None:
    name = _new_type(session, record.name)
    columns = tuple([Column(column.name, session.type(column.type)) for column in record.columns])
    session.state.composites[name] = Composite(name, columns)


def add_enum_label(session: Session, record: AddEnumLabel) -> None:
    enum = next((session.state.enums[n] for n in session.candidates(record.name) if n in session.state.enums), None)
    if enum is None:
        raise Refused(f'type "{record.name.name}" does not exist', "missing-object")
    labels = list(enum.labels)
    if record.renames:
        labels = [record.label if label == record.neighbour else label for label in labels]
    elif record.label in labels:
        if record.if_not_exists:
            return
        raise Refused(f'enum label "{record.label}" already exists')
    else:
        at = len(labels)
        if record.neighbour in labels:
            at = labels.index(record.neighbour) + (1 if record.after else 0)
        labels.insert(at, record.label)
    session.state.enums[enum.name] = Enum(enum.name, tuple(labels))


def create_namespace(session: Session, name: str, owner: str | None, if_not_exists: bool) -> None:
    if name in session.state.namespaces:
        if if_not_exists:
            return
        raise Refused(f'schema "{name}" already exists')
    session.state.namespaces[name] = NamespaceState(owner or session.role)
    session.made(Ref("schema", "", name))


def create_extension(session: Session, record: CreateExtension) -> None:
    if record.name in session.state.extensions:
        if record.if_not_exists:
            return
        raise Refused(f'extension "{record.name}" already exists')
    names = extension_names(record.name)
    if names is not None and names.schema:
        schema = names.schema
        session.state.namespaces.setdefault(schema, NamespaceState(session.role, managed=True))
    elif record.schema is not None:
        if record.schema not in session.state.namespaces:
            raise Refused(f'schema "{record.schema}" does not exist', "missing-object")
        schema = record.schema
    else:
        schema = session.creation_schema()
    session.state.extensions[record.name] = schema


def drop_namespace(session: Session, name: str) -> None:
    """DROP SCHEMA ... CASCADE, as far as tables and functions go (they are dropped before)."""
    state = session.state
    for things in (state.views, state.enums, state.domains, state.composites):
        for key in [key for key in things if key.schema == name]:
            del things[key]  # type: ignore[arg-type]
    for sequence in [sequence for sequence in state.sequences if sequence.schema == name]:
        state.sequences.discard(sequence)
    for extension in [extension for extension, schema in state.extensions.items() if schema == name]:
        del state.extensions[extension]
    del state.namespaces[name]
