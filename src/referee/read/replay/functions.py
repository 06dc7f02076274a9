"""Functions, procedures and triggers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from referee.model.names import FunctionName, QName, Ref
from referee.model.origins import BodyOrigin
from referee.model.schema import Function, Trigger, View
from referee.read.replay import chronicle
from referee.read.replay.names import require_names
from referee.read.replay.raises import require_raises
from referee.read.replay.refused import Refused, missing, missing_column, missing_schema
from referee.read.replay.roles import require_owner, require_superuser, require_trigger
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.read.replay.tables import place_for
from referee.read.replay.uses import Thing, type_name
from referee.sql.builtins import server_names
from referee.sql.statements import AlterFunction, CreateFunction, CreateTrigger, Written

_LANGUAGES = frozenset({"sql", "plpgsql", "c", "internal"})


def create_function(session: Session, record: CreateFunction) -> None:
    place = place_for(session, record.name)
    ref = Ref("function", *place, "()")
    name = FunctionName(
        place.schema, place.name, tuple([session.argument_type(argument, ref) for argument in record.arguments])
    )
    if record.language not in _LANGUAGES and record.language not in session.state.extensions:
        raise missing("language", record.language)
    if record.language == "plpgsql" and session.checks_bodies:
        require_raises(record.body)
    if record.leakproof:
        require_superuser(session, f"the leakproofness of {name}")
    function = _function(session, record, name)
    former = session.state.functions.get(name)
    if former is not None and not session.gives_way(former.ref):
        _require_replaceable(session, record, former, function)
    if former is not None:
        function = replace(function, owner=former.owner, grants=former.grants)
        require_owner(session, former.owner, place)
    session.state.functions[name] = function
    if former is None:
        if place in session.state.overloads:
            session.known_words -= {place.name}  # which of them is meant must be told anew
        session.state.overloads[place] = (*session.state.overloads.get(place, ()), name)
    if record.defaults or record.outputs:
        session.state.signatures[name] = (record.defaults, record.outputs)
    if record.language == "sql" and session.checks_bodies:
        _check_body(session, record, function, former)
    _note(session, record, function)
    _remember(session, record, function, former)


def _check_body(session: Session, record: CreateFunction, function: Function, former: Function | None) -> None:
    """The body of a function in SQL must find what it names, under the function's own search_path."""
    local = frozenset((*record.argument_names, *record.outputs, function.name.name))
    path = session.path
    session.path = path if function.search_path is None else function.search_path
    try:
        require_names(session, Thing("function", *function.name), function.ref, local)
    except Refused:
        _take_back(session, function, former)
        raise
    finally:
        session.path = path


def _take_back(session: Session, function: Function, former: Function | None) -> None:
    """A function whose body is refused is not made."""
    state, name = session.state, function.name
    if former is not None:
        state.functions[name] = former
        return
    del state.functions[name]
    state.signatures.pop(name)
    left = tuple([other for other in state.overloads[name.qualified] if other != name])
    if left:
        state.overloads[name.qualified] = left
    else:
        del state.overloads[name.qualified]


def _function(session: Session, record: CreateFunction, name: FunctionName) -> Function:
    return Function(
        name,
        record.language,
        _returns(session, record, name),
        record.body,
        record.kind,
        record.security_definer,
        record.volatility,
        record.strict,
        _settings(session, record.settings),
        record.argument_names,
        session.role,
        session.default_grants("function", name.schema),
    )


def _returns(session: Session, record: CreateFunction, name: FunctionName) -> str:
    if record.returns is None or record.kind == "procedure":
        return ""
    printed = session.argument_type(record.returns, Ref("function", name.schema, name.name, "()"))
    return f"SETOF {printed}" if record.returns_set or record.returns_table else printed


def _settings(session: Session, settings: Iterable[tuple[str, str | None]]) -> tuple[tuple[str, str], ...]:
    found = [(name, _current(session, name) if value is None else value) for name, value in settings]
    for name, _ in found:
        if "." in name and not name.startswith("plpgsql."):
            # Postgres knows the setting of no module that is not loaded, so it cannot say who else may change it.
            require_superuser(session, f"the setting {name} of a function")
    return tuple([(name, value) for name, value in found if value is not None])


def _current(session: Session, setting: str) -> str | None:
    """The value that FROM CURRENT takes; only of search_path it is known."""
    if setting == "search_path":
        return session.path_text
    session.gap("unsupported", f"the value of {setting} in this session is not known")
    return None


def _require_replaceable(session: Session, record: CreateFunction, former: Function, function: Function) -> None:
    """What CREATE OR REPLACE may not change (PostgreSQL 18, ProcedureCreate)."""
    name = function.name
    if not record.replace:
        raise Refused("42723", f'function "{name.name}" already exists with same argument types', former.ref)
    if former.kind != function.kind:
        raise Refused("42809", "cannot change routine kind", former.ref)
    defaults, outputs = session.state.signatures.get(name, ((), ()))
    if former.returns != function.returns or outputs != record.outputs:
        raise Refused("42P13", "cannot change return type of existing function", former.ref)
    for old, new in zip(former.argument_names, function.argument_names, strict=False):
        if old and old != new:
            raise Refused("42P13", f'cannot change name of input parameter "{old}"', former.ref)
    if sum(text is not None for text in record.defaults) < sum(text is not None for text in defaults):
        raise Refused("42P13", "cannot remove parameter defaults from existing function", former.ref)


def _note(session: Session, record: CreateFunction, function: Function) -> None:
    is_standard = record.language == "sql" and record.body[:6].lower() in ("begin ", "begin\n", "return")
    types = (*function.name.arguments, function.returns.removeprefix("SETOF "))
    if record.defaults or is_standard or any("." in printed and type_name(printed) for printed in types):
        session.note("function", function.name.qualified, function.name.arguments)


def _remember(session: Session, record: CreateFunction, function: Function, former: Function | None) -> None:
    ref = function.ref
    statements = session.statements.get(ref)
    session.made(ref)
    if former is not None and statements:
        session.statements[ref] = (*statements, session.span)
    if session.fixed is None:
        session.bodies[ref] = BodyOrigin(session.at(record.body_start, record.body_end), record.offsets)


def alter_function(session: Session, record: AlterFunction) -> None:
    name = session.find_function(record.name, record.arguments, record.kind)
    if name is None:
        raise session.missing_function(record.name, record.arguments)
    function = session.state.functions[name]
    if function.kind == "procedure" and (record.volatility is not None or record.strict is not None):
        raise Refused("42P13", "invalid attribute in procedure definition", function.ref)
    require_owner(session, function.owner, name.qualified)
    settings = dict(function.settings)
    for setting, value in record.settings:
        if setting == "all":
            settings.clear()
        elif value is None:
            settings.pop(setting, None)
        else:
            settings[setting] = value
    settings.update(_settings(session, [(setting, None) for setting in record.from_current]))
    changes: dict[str, Any] = {"settings": tuple(sorted(settings.items()))}
    for field in ("security_definer", "volatility", "strict"):
        if getattr(record, field) is not None:
            changes[field] = getattr(record, field)
    session.state.functions[name] = replace(function, **changes)
    session.altered(function.ref)


# Triggers


def create_trigger(session: Session, record: CreateTrigger) -> None:
    if session.is_temporary(record.table):
        return
    view = _view(session, record.table)
    if view is not None:
        _put_on_view(session, record, view)
        return
    table = session.table(record.table)
    if record.timing == "INSTEAD OF":
        raise Refused("42809", f'"{table.name.name}" is a table, which cannot have INSTEAD OF triggers')
    require_trigger(session, table.owner, table.grants, table.name)
    for column in record.update_columns:
        if column not in table.columns and not table.open:
            raise missing_column(table.name, column)
    trigger = _trigger(session, record, table.name, table.triggers)
    table.triggers[record.name] = trigger
    session.note("trigger", table.name, record.name)
    session.made(trigger.ref)
    chronicle.trigger_created(session, trigger)


def _view(session: Session, written: Written) -> View | None:
    for name in session.candidates(written):
        if name in session.state.tables:
            return None
        if name in session.state.views:
            return session.state.views[name]
    return None


def _put_on_view(session: Session, record: CreateTrigger, view: View) -> None:
    if view.materialized or (record.timing != "INSTEAD OF" and record.row):
        raise Refused("42809", f'"{view.name.name}" is a view, which cannot have this trigger')
    known = {trigger.name: trigger for trigger in view.triggers}
    known[record.name] = _trigger(session, record, view.name, known)
    session.state.views[view.name] = replace(view, triggers=tuple([known[name] for name in sorted(known)]))
    session.note("trigger", view.name, record.name)
    session.made(known[record.name].ref)


def _trigger(session: Session, record: CreateTrigger, table: QName, known: Mapping[str, Trigger]) -> Trigger:
    if record.replace and record.constraint:
        raise Refused("0A000", "CREATE OR REPLACE CONSTRAINT TRIGGER is not supported")
    function = _trigger_function(session, record.function)
    former = known.get(record.name)
    if former is not None and (not record.replace or former.constraint):
        raise Refused("42710", f'trigger "{record.name}" for relation "{table.name}" already exists', former.ref)
    if record.referenced is not None and not session.is_temporary(record.referenced):
        session.table(record.referenced)
    return Trigger(
        table,
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


def _trigger_function(session: Session, written: Written) -> QName:
    found = session.find_function(written, ())
    if found is not None:
        if session.state.functions[found].returns != "trigger":
            raise Refused("42P17", f"function {written.name} must return type trigger")
        return found.qualified
    brought = session.extension_with(written)
    if brought is not None:
        return brought
    if written.schema in (None, "pg_catalog") and written.name in server_names().functions:
        return QName("pg_catalog", written.name)
    raise session.missing_function(written, ())


def set_trigger_states(table: TableState, names: Iterable[str], enabled: Any) -> None:
    """ENABLE and DISABLE TRIGGER."""
    for name in names:
        table.triggers[name] = replace(table.triggers[name], enabled=enabled)


# What extensions offer to change a schema with (pgmq 1.5, TimescaleDB 2, pg_partman 5).
_CHANGING = {
    "pgmq": {"create", "create_non_partitioned", "create_partitioned", "create_unlogged", "drop_queue"},
    "timescaledb": {"create_hypertable"},
    "pg_partman": {"create_parent"},
}
_DDL = re.compile(r"\b(?:execute|create|alter|drop|grant|revoke)\b", re.IGNORECASE)


def call(session: Session, names: Iterable[Written]) -> None:
    """SELECT of functions: what they do to the schema is not followed."""
    for written in names:
        if written.schema is not None and written.schema not in session.state.namespaces:
            if written.schema != "information_schema" and not written.schema.startswith("pg_"):
                raise missing_schema(written.schema)
            continue
        for extension, changing in _CHANGING.items():
            if written.name in changing and extension in session.state.extensions:
                session.gap("unsupported", f"{written.name}() of {extension} changes the schema, which is not followed")
        for name in session.candidates(written):
            overloads = session.state.overloads.get(name, ())
            if any(_changes_schema(session.state.functions[one]) for one in overloads):
                session.gap("unsupported", f"{name}() changes the schema when it is called, which is not followed")
                return


def _changes_schema(function: Function) -> bool:
    return function.language in ("plpgsql", "sql") and _DDL.search(function.body) is not None
