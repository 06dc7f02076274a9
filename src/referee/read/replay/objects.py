"""Policies, views, sequences, types, schemas and extensions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from referee.model.names import QName, Ref, quote
from referee.model.schema import Column, Composite, Domain, Enum, Policy, View
from referee.read.replay.names import learn_words, require_names, unknown_words
from referee.read.replay.naming import choose_name, multirange_name
from referee.read.replay.refused import Refused, missing, missing_column, missing_schema, taken
from referee.read.replay.roles import require_policy_right, require_set_role
from referee.read.replay.session import Session
from referee.read.replay.state import NamespaceState, TableState
from referee.read.replay.tables import place_for
from referee.read.replay.uses import Thing
from referee.sql.builtins import extension_names
from referee.sql.statements import (
    AddEnumLabel,
    AlterDomain,
    CreateComposite,
    CreateDomain,
    CreateEnum,
    CreateExtension,
    CreateOtherType,
    CreatePolicy,
    CreateSequence,
    CreateView,
    Written,
)

# Policies


def create_policy(session: Session, record: CreatePolicy) -> None:
    if session.is_temporary(record.table):
        return
    table = session.table(record.table)
    former = table.policies.get(record.name)
    if record.alter:
        _alter_policy(session, record, table, former)
        return
    _require_clauses(record.command, record.using, record.check)
    if former is not None and not session.gives_way(former.ref):
        raise Refused("42710", f'policy "{record.name}" for table "{table.name.name}" already exists', former.ref)
    require_policy_right(session, table)
    command: Any = record.command
    roles = ("public",) if record.roles is None else _roles(session, record.roles)
    policy = Policy(table.name, record.name, command, record.permissive, roles, record.using, record.check)
    _put_policy(session, table, policy)
    session.made(policy.ref)


def _alter_policy(session: Session, record: CreatePolicy, table: TableState, former: Policy | None) -> None:
    if former is None:
        raise missing(f'policy of table "{table.name.name}"', record.name)
    _require_clauses(former.command, record.using, record.check)
    require_policy_right(session, table)
    policy = replace(
        former,
        roles=former.roles if record.roles is None else _roles(session, record.roles),
        using=former.using if record.using is None else record.using,
        check=former.check if record.check is None else record.check,
    )
    _put_policy(session, table, policy)
    session.altered(policy.ref)


def _put_policy(session: Session, table: TableState, policy: Policy) -> None:
    words = unknown_words(session, table, policy.using, policy.check)
    former = table.policies.get(policy.name)
    table.policies[policy.name] = policy
    if words:
        _check_policy(session, table, policy, former)
        learn_words(session, words)
    session.note("policy", table.name, policy.name)


def _check_policy(session: Session, table: TableState, policy: Policy, former: Policy | None) -> None:
    try:
        require_names(session, Thing("policy", *table.name, policy.name), policy.ref)
    except Refused:
        if former is None:
            del table.policies[policy.name]
        else:
            table.policies[policy.name] = former
        raise


def _require_clauses(command: str, using: str | None, check: str | None) -> None:
    if command in ("select", "delete") and check is not None:
        raise Refused("42601", "WITH CHECK cannot be applied to SELECT or DELETE")
    if command == "insert" and using is not None:
        raise Refused("42601", "only WITH CHECK expression allowed for INSERT")


def _roles(session: Session, roles: tuple[str, ...]) -> tuple[str, ...]:
    return ("public",) if "public" in roles else tuple(sorted({session.resolve_role(role) for role in roles}))


# Views and sequences


def create_view(session: Session, record: CreateView) -> None:
    if record.temporary:
        session.temporary.add(record.name.name)
        return
    name = place_for(session, record.name)
    former = session.state.views.get(name)
    if former is not None and session.gives_way(former.ref):
        del session.state.views[name]
        former = None
    if session.state.has_relation(name) and not (record.replace and former is not None and not former.materialized):
        if record.if_not_exists:
            return
        raise taken(name.name)
    if former is None:
        _require_no_type(session, name)
    owner = session.role if former is None else former.owner
    triggers = () if former is None else former.triggers
    view = View(name, record.definition, record.materialized, record.security_invoker, triggers, owner)
    session.state.views[name] = view
    require_names(session, Thing("view", *name), view.ref)
    session.note("view", name)
    session.made(view.ref)


def create_sequence(session: Session, record: CreateSequence) -> None:
    if record.temporary or session.is_temporary(record.name):
        session.temporary.add(record.name.name)
        return
    if record.alter:
        name = next((name for name in session.candidates(record.name) if name in session.state.sequences), None)
        if name is None:
            raise session.missing_relation(record.name)
    else:
        name = place_for(session, record.name)
        if session.state.has_relation(name):
            if record.if_not_exists:
                return
            raise taken(name.name)
    owner = None
    if record.owner is not None:
        table, column = session.table(record.owner[0]), record.owner[1]
        if column not in table.columns and not table.open:
            raise missing_column(table.name, column)
        if table.name.schema != name.schema:
            raise Refused("55000", "sequence must be in same schema as table it is linked to")
        owner = (table.name, column)
        table.sequences[name] = column
    former = session.state.sequences.get(name)
    if former is not None and former != owner and former[0] in session.state.tables:
        session.state.tables[former[0]].sequences.pop(name, None)
    session.state.sequences[name] = owner


# Types


def _require_no_type(session: Session, name: QName) -> None:
    if session.state.has_type(name):
        raise Refused("42710", f'type "{name.name}" already exists', Ref("type", *name))


def _new_type(session: Session, written: Written) -> QName:
    name = place_for(session, written)
    _require_no_type(session, name)
    session.made(Ref("type", *name))
    return name


def create_enum(session: Session, record: CreateEnum) -> None:
    name = _new_type(session, record.name)
    if len(set(record.labels)) < len(record.labels):
        raise Refused("23505", f"a label appears twice in the enum {name}")
    session.state.enums[name] = Enum(name, record.labels)


def create_domain(session: Session, record: CreateDomain) -> None:
    name = _new_type(session, record.name)
    checks: dict[str, str] = {}
    for given, expression in record.checks:
        checks[given or choose_name(name.name, None, "check", checks.__contains__)] = expression
    default = _default(record.default)
    base = session.type(record.base, Ref("type", *name))
    session.state.domains[name] = Domain(name, base, record.not_null, default)
    _put_checks(session, name, checks)
    session.note("type", name)


def _default(text: str | None) -> str | None:
    return None if text is not None and text.lower() == "null" else text


def _put_checks(session: Session, name: QName, checks: dict[str, str]) -> None:
    state = session.state
    state.domain_checks[name] = checks
    state.domains[name] = replace(state.domains[name], checks=tuple([checks[key] for key in sorted(checks)]))


def alter_domain(session: Session, record: AlterDomain) -> None:
    state = session.state
    name = next((name for name in session.candidates(record.name) if name in state.domains), None)
    if name is None:
        raise missing("type", record.name.name)
    domain, checks = state.domains[name], dict(state.domain_checks[name])
    if record.kind == "default":
        state.domains[name] = replace(domain, default=_default(record.expression))
    elif record.kind in ("set not null", "drop not null"):
        state.domains[name] = replace(domain, not_null=record.kind == "set not null")
    elif record.kind == "add":
        chosen = record.constraint or choose_name(name.name, None, "check", checks.__contains__)
        if chosen in checks:
            raise taken(chosen, f'constraint for domain "{name.name}"', "42710")
        _put_checks(session, name, checks | {chosen: record.expression or ""})
    elif (record.constraint or "") not in checks:
        if not record.missing_ok:
            raise Refused("42704", f'constraint "{record.constraint}" of domain "{name.name}" does not exist')
    elif record.kind == "drop":
        del checks[record.constraint or ""]
        _put_checks(session, name, checks)
    session.note("type", name)
    session.altered(Ref("type", *name))


def create_composite(session: Session, record: CreateComposite) -> None:
    name = place_for(session, record.name)
    if session.state.has_relation(name):
        raise taken(name.name)
    _new_type(session, record.name)
    ref = Ref("type", *name)
    columns = tuple([Column(column.name, session.type(column.type, ref)) for column in record.columns])
    session.state.composites[name] = Composite(name, columns)
    session.note("type", name)


def create_other_type(session: Session, record: CreateOtherType) -> None:
    name = _new_type(session, record.names[0])
    session.state.other_types[name] = name
    if record.generated:
        second = QName(name.schema, multirange_name(name.name))
        session.state.other_types.setdefault(second, name)
    for written in record.names[1:]:
        session.state.other_types[_new_type(session, written)] = name


def add_enum_label(session: Session, record: AddEnumLabel) -> None:
    enum = next((session.state.enums[n] for n in session.candidates(record.name) if n in session.state.enums), None)
    if enum is None:
        raise missing("type", record.name.name)
    labels = list(enum.labels)
    if record.neighbour is not None and record.neighbour not in labels:
        raise Refused("22023", f'"{record.neighbour}" is not an existing enum label')
    if record.renames:
        if record.label in labels:
            raise taken(record.label, "enum label", "42710")
        labels = [record.label if label == record.neighbour else label for label in labels]
        _rename_label(session, enum.name, record.neighbour or "", record.label)
    elif record.label in labels:
        if record.if_not_exists:
            return
        raise taken(record.label, "enum label", "42710")
    else:
        at = len(labels) if record.neighbour is None else labels.index(record.neighbour) + (1 if record.after else 0)
        labels.insert(at, record.label)
    session.state.enums[enum.name] = Enum(enum.name, tuple(labels))
    session.altered(Ref("type", *enum.name))


def _rename_label(session: Session, enum: QName, old: str, new: str) -> None:
    """Defaults of columns that are just the label; casts elsewhere are found by their text when compared."""
    literal = "'" + old.replace("'", "''") + "'"
    for table in session.state.tables.values():
        for column in list(table.columns.values()):
            if column.default is not None and column.type == str(enum) and column.default.startswith(literal):
                fresh = "'" + new.replace("'", "''") + "'" + column.default[len(literal) :]
                table.columns[column.name] = replace(column, default=fresh)


# Schemas and extensions


def create_namespace(session: Session, name: str, owner: str | None, if_not_exists: bool) -> str | None:
    """Makes a schema; its name, or None where it was there already."""
    holder = session.role if owner is None else session.resolve_role(owner)
    name = name or holder
    require_set_role(session, session.role, holder)
    if name in session.state.namespaces:
        if if_not_exists:
            return None
        raise Refused("42P06", f'schema "{name}" already exists')
    if name.startswith("pg_"):
        raise Refused("42939", f'unacceptable schema name "{name}"')
    grants = tuple([grant for grant in session.default_grants("schema", "") if grant.grantee != holder])
    session.state.namespaces[name] = NamespaceState(holder, grants=grants)
    session.made(Ref("schema", "", name))
    session.forget_rights()
    return name


def create_extension(session: Session, record: CreateExtension) -> None:
    state = session.state
    if record.name in state.extensions:
        if record.if_not_exists:
            return
        raise Refused("42710", f'extension "{record.name}" already exists')
    ref = Ref("extension", "", record.name)
    names = extension_names(record.name)
    if names is None and record.name not in session.extension_schemas:
        session.gap("unsupported", f"what the extension {quote(record.name)} brings is not known to referee", ref)
    fixed = session.extension_schemas.get(record.name)
    if fixed is not None:
        schema = fixed
    elif record.schema is not None:
        if record.schema not in state.namespaces:
            raise missing_schema(record.schema)
        schema = record.schema
    else:
        schema = session.creation_schema()
    for brought in {fixed, names.schema if names is not None else None} - {None, "", "pg_catalog"}:
        if brought not in state.namespaces:
            state.namespaces[str(brought)] = NamespaceState(session.role, managed=True)
    state.extensions[record.name] = schema
    session.forget_types()
    session.made(ref)
