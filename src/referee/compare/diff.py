"""Two schemas side by side: what differs, as changes, and what is folded away because it means nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from referee.compare.alike import same_expression, same_expressions
from referee.compare.behaviour import compare_functions, compare_policies, compare_triggers, compare_views
from referee.compare.ground import Ground
from referee.compare.notes import Notes, in_both
from referee.compare.rights import Rights, compare_roles
from referee.compare.tables import compare_tables
from referee.model import change as changes
from referee.model.change import NamedType
from referee.model.comparison import Side
from referee.model.names import QName, Ref, quote
from referee.model.schema import Composite, Domain, Enum, Namespace, Schema, Table, Trigger
from referee.sql.builtins import extension_names, server_names
from referee.sql.tokens import tokens

#: Comes with every server.
_ALWAYS_THERE = frozenset(("plpgsql",))


def diff(ground: Ground) -> Notes:
    """Everything in which the two sides of a ground differ."""
    notes = Notes()
    if ground.left is ground.right:
        return notes
    rights = Rights(ground, notes)
    _namespaces(ground, rights)
    _extensions(ground, notes)
    _types(ground, notes)
    _tables(ground, rights)
    _functions(ground, rights)
    _views(ground, rights)
    rights.defaults()
    compare_roles(ground, notes)
    return notes


def _side(left: object) -> Side:
    """The side that lacks something, given what the left has."""
    return "right" if left is not None else "left"


# Schemas and extensions


def _namespaces(ground: Ground, rights: Rights) -> None:
    for name, left, right in in_both(ground.left.namespaces, ground.right.namespaces):
        if name in ground.managed:
            rights.notes.fold("platform", f"the schema {name}")
        elif left is None or right is None:
            space: Namespace = left or right  # type: ignore[assignment]
            ref = Ref("schema", "", name)
            create, drop = changes.CreateSchema(space), changes.DropSchema(name)
            rights.notes.missing(_side(left), ref, f"schema {quote(name)}", create, drop)
        else:
            ref = Ref("schema", "", name)
            if name == "public" and left.owner != right.owner:
                # Before PostgreSQL 15 it belonged to whoever made the database.
                rights.notes.fold("owners", "the schema public")
            else:
                rights.owners(ref, left.owner, right.owner)
            rights.grants(ref, "schema", left.grants, right.grants)


def _extensions(ground: Ground, notes: Notes) -> None:
    for name, left, right in in_both(ground.left.extensions, ground.right.extensions):
        if name in _ALWAYS_THERE:
            continue
        ref = Ref("extension", "", name)
        if left is not None and right is not None:
            if {left, right} <= ground.managed:
                notes.fold("platform", f"the extension {name}")
                continue
            summary = f"extension {quote(name)} is in {left} on the left and in {right} on the right"
            moves = [changes.MoveExtension(name, schema) for schema in (right, left)]
            notes.differ(ref, summary, moves[:1], moves[1:])
            continue
        schema: str = left if left is not None else right  # type: ignore[assignment]
        holder = ground.left if left is not None else ground.right
        if schema in ground.managed and not uses_extension(holder, name, ground):
            notes.fold("platform", f"the extension {name}")
            continue
        create, drop = changes.CreateExtension(name, schema), changes.DropExtension(name)
        notes.missing(_side(left), ref, f"extension {quote(name)}", create, drop)


def uses_extension(schema: Schema, extension: str, ground: Ground) -> bool:
    """Whether a function, type or operator class of an extension is named in what is the project's own."""
    known = extension_names(extension)
    if known is None:
        return True
    # gen_random_uuid() came with pgcrypto once, and comes with every server now.
    names = (frozenset(known.functions) | frozenset(known.types)) - frozenset(server_names().functions)
    return any(not names.isdisjoint(_words(text)) for text in _own_texts(schema, ground))


def _own_texts(schema: Schema, ground: Ground) -> Iterator[str]:
    for function in schema.functions.values():
        if ground.is_own(function.name.qualified):
            yield function.body
    for table in schema.tables.values():
        if ground.is_own(table.name):
            for column in table.columns:
                yield column.type
                yield column.default or column.generated or ""
            for policy in table.policies:
                yield f"{policy.using or ''} {policy.check or ''}"


def _words(text: str) -> set[str]:
    return {text[start:end].lower() for kind, start, end in tokens(text, 0) if kind == "word"}


# Types


def _types(ground: Ground, notes: Notes) -> None:
    pairs: tuple[tuple[Mapping[QName, Any], Mapping[QName, Any]], ...] = (
        (ground.left.enums, ground.right.enums),
        (ground.left.domains, ground.right.domains),
        (ground.left.composites, ground.right.composites),
    )
    for mine, theirs in pairs:
        for name, left, right in in_both(mine, theirs):
            if not ground.is_own(name):
                notes.fold("platform", f"the type {name}")
            elif left is None or right is None:
                found: Any = left or right
                create, drop = changes.CreateType(found), changes.DropType(found)
                notes.missing(_side(left), Ref("type", *name), f"type {name}", create, drop)
            else:
                _type(left, right, notes)


def _type(left: NamedType, right: NamedType, notes: Notes) -> None:
    ref = Ref("type", *left.name)
    if isinstance(left, Domain) and isinstance(right, Domain) and _same_domain(left, right):
        notes.fold("formatting", f"the domain {left.name}")
        return
    summary = f"type {left.name} {_told(left)} on the left and {_told(right)} on the right"
    notes.differ(ref, summary, (changes.AlterType(left, right),), (changes.AlterType(right, left),))


def _same_domain(left: Domain, right: Domain) -> bool:
    return (
        (left.base, left.not_null) == (right.base, right.not_null)
        and same_expression(left.default, right.default)
        and same_expressions(left.checks, right.checks)
    )


def _told(found: NamedType) -> str:
    if isinstance(found, Enum):
        return f"has the labels {', '.join(found.labels) or 'none'}"
    if isinstance(found, Composite):
        return f"is ({', '.join([f'{quote(column.name)} {column.type}' for column in found.columns])})"
    checks = "".join([f" check {check}" for check in found.checks])
    return f"is {found.base}{' not null' * found.not_null}{checks}"


# Tables


def _tables(ground: Ground, rights: Rights) -> None:
    for name, left, right in in_both(ground.left.tables, ground.right.tables):
        if not ground.is_own(name):
            _managed_table(ground, name, left, right, rights.notes)
        elif left is None or right is None:
            table: Table = left or right  # type: ignore[assignment]
            create, drop = changes.CreateTable(table), changes.DropTable(table)
            rights.notes.missing(_side(left), table.ref, f"table {name}", create, drop)
        else:
            compare_tables(left, right, rights.notes)
            compare_triggers(left.triggers, right.triggers, rights.notes)
            compare_policies(left.policies, right.policies, rights.notes)
            rights.owners(left.ref, left.owner, right.owner)
            rights.grants(left.ref, "table", left.grants, right.grants)


def _managed_table(ground: Ground, name: QName, left: Table | None, right: Table | None, notes: Notes) -> None:
    """Of the platform's tables only what the project hangs on them: triggers with a function of its own, policies."""
    compare_triggers(_own_triggers(ground, left), _own_triggers(ground, right), notes)
    compare_policies(left.policies if left else (), right.policies if right else (), notes)
    if left is None or right is None or _rest(left) != _rest(right):
        notes.fold("platform", f"the table {name}")


def _own_triggers(ground: Ground, table: Table | None) -> list[Trigger]:
    if table is None:
        return []
    return [trigger for trigger in table.triggers if ground.is_own(trigger.function)]


def _rest(table: Table) -> tuple[object, ...]:
    """What is the platform's about one of its tables, without what different readers write differently."""
    columns = [(column.name, column.type, column.not_null) for column in table.columns]
    keys = [(key.name, key.columns) for key in table.keys]
    return columns, keys, table.foreign_keys, table.row_security, table.owner, table.grants


# Functions and views


def _functions(ground: Ground, rights: Rights) -> None:
    for name, left, right in in_both(ground.left.functions, ground.right.functions):
        if not ground.is_own(name.qualified):
            rights.notes.fold("platform", f"the function {name}")
        elif left is None or right is None:
            function: Any = left or right
            create, drop = changes.CreateFunction(function), changes.DropFunction(function)
            rights.notes.missing(_side(left), function.ref, f"{function.kind} {name}", create, drop)
        else:
            compare_functions(left, right, rights.notes)
            rights.owners(left.ref, left.owner, right.owner)
            rights.grants(left.ref, "function", left.grants, right.grants)


def _views(ground: Ground, rights: Rights) -> None:
    for name, left, right in in_both(ground.left.views, ground.right.views):
        if not ground.is_own(name):
            rights.notes.fold("platform", f"the view {name}")
        elif left is None or right is None:
            view: Any = left or right
            create, drop = changes.CreateView(view), changes.DropView(view)
            rights.notes.missing(_side(left), view.ref, f"view {name}", create, drop)
        else:
            compare_views(left, right, rights.notes)
            rights.owners(left.ref, left.owner, right.owner)
