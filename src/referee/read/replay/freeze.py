"""From the mutable state to the one Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from referee.model.schema import DefaultOf, Grant, Namespace, Schema, Table
from referee.read.replay.state import State, TableState

_Named = TypeVar("_Named")


def freeze(state: State) -> Schema:
    """The facts of a state, in the order that model.schema promises."""
    return Schema(
        {name: _table(table) for name, table in state.tables.items()},
        dict(state.views),
        dict(state.functions),
        dict(state.enums),
        dict(state.domains),
        dict(state.composites),
        {name: Namespace(name, space.owner, space.grants, space.managed) for name, space in state.namespaces.items()},
        dict(state.extensions),
        dict(state.roles),
        _default_grants(state),
    )


# A new function may be executed by everybody unless a default privilege says otherwise.
_BUILT_IN = {"function": (Grant("public", frozenset({"EXECUTE"})),)}


def _default_grants(state: State) -> dict[DefaultOf, tuple[Grant, ...]]:
    found: dict[DefaultOf, tuple[Grant, ...]] = {}
    for (creator, schema, kind), rights in state.default_rights.items():
        entry: Any = DefaultOf(creator, schema, kind)  # type: ignore[arg-type]
        grants = tuple([Grant(name, rights[name]) for name in sorted(rights) if rights[name] and name != creator])
        if grants != (() if schema else _BUILT_IN.get(kind, ())):
            found[entry] = grants
    return found


def _sorted(items: Mapping[str, _Named]) -> tuple[_Named, ...]:
    if len(items) < 2:
        return tuple(items.values())
    return tuple([items[name] for name in sorted(items)])


def _own(items: Mapping[str, _Named], derived: frozenset[str]) -> tuple[_Named, ...]:
    """What the table has itself; what it has because its parent has it, is the parent's fact."""
    if not derived:
        return _sorted(items)
    return tuple([items[name] for name in sorted(items) if name not in derived])


def _table(table: TableState) -> Table:
    kind: Any = table.kind
    derived = table.derived
    return Table(
        table.name,
        tuple(table.columns.values()),
        _own(table.keys, derived),
        _own(table.checks, derived),
        _sorted(table.exclusions),
        _own(table.foreign_keys, derived),
        _own(table.indexes, derived),
        _sorted(table.triggers),
        _sorted(table.policies),
        table.row_security,
        table.force_row_security,
        table.owner,
        table.grants,
        kind,
        table.partition_of,
        table.inherits,
    )
