"""What one side could not see is left out of the other too: a role with few rights makes no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from referee.model.schema import Role, Schema, Table


def blinded(schema: Schema, parts: Iterable[str]) -> Schema:
    """The schema without these parts, which are named as ``read.catalog`` names what a role may not see."""
    for part in parts:
        schema = _BLINDERS[part](schema)
    return schema


def _each_table(change: Callable[[Table], Table]) -> Callable[[Schema], Schema]:
    return lambda schema: replace(schema, tables={name: change(table) for name, table in schema.tables.items()})


def _without_defaults(table: Table) -> Table:
    return replace(table, columns=tuple([replace(one, default=None, generated=None) for one in table.columns]))


def _without_checks(table: Table) -> Table:
    keys = tuple([replace(key, enforced=True) for key in table.foreign_keys])
    return replace(table, checks=(), exclusions=(), foreign_keys=keys)


def _without_types(schema: Schema) -> Schema:
    return replace(schema, enums={}, domains={}, composites={})


def _bare_roles(schema: Schema) -> Schema:
    return replace(schema, roles={name: Role(name) for name in schema.roles})


def _bare_views(schema: Schema) -> Schema:
    return replace(schema, views={name: replace(view, definition="") for name, view in schema.views.items()})


_BLINDERS: Mapping[str, Callable[[Schema], Schema]] = {
    "columns_without_defaults": _each_table(_without_defaults),
    "constraints_without_checks": _each_table(_without_checks),
    "defaults": lambda schema: replace(schema, default_grants={}),
    "extensions": lambda schema: replace(schema, extensions={}),
    "functions": lambda schema: replace(schema, functions={}),
    "indexes": _each_table(lambda table: replace(table, indexes=())),
    "policies": _each_table(lambda table: replace(table, policies=())),
    "roles_by_name": _bare_roles,
    "triggers": _each_table(lambda table: replace(table, triggers=())),
    "types": _without_types,
    "views": lambda schema: replace(schema, views={}),
    "views_by_name": _bare_views,
}
