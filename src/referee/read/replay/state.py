"""A schema while it is being built: the same facts as model.schema, and what only building it needs.

Facts are immutable and replaced as a whole; the mappings that hold them keep a journal, so that every change can be
taken back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from referee.model.history import HistoryEvent
from referee.model.names import FunctionName, QName
from referee.model.schema import (
    Check,
    Column,
    Composite,
    Domain,
    Enum,
    Exclusion,
    ForeignKey,
    Function,
    Grant,
    Index,
    Key,
    Policy,
    Role,
    Trigger,
    View,
)
from referee.read.replay.journal import Journal, Ordered, Recorded, recorded_in

Signature = tuple[tuple[str | None, ...], tuple[str, ...]]
"""The defaults of a function's arguments, as texts, and the names of what only comes out."""


class TableState:
    """One table.

    ``inherited`` counts the parents that have each column, ``own`` are the columns that the table defines itself; both
    matter for tables with parents only. ``derived`` names the constraints and indexes that exist because a parent has
    them, and ``private`` the checks that descendants do not get. ``labels`` and ``parts`` hold what an index on
    expressions was made of, ``key_indexes`` the index that each foreign key relies on. ``conflicting`` are columns with
    different defaults in several parents. ``open`` is a table whose columns are not all known.
    """

    __slots__ = (
        "checks",
        "columns",
        "conflicting",
        "derived",
        "exclusions",
        "force_row_security",
        "foreign_keys",
        "grants",
        "indexes",
        "inherited",
        "inherits",
        "journal",
        "key_indexes",
        "keys",
        "kind",
        "labels",
        "name",
        "not_null_names",
        "open",
        "own",
        "owner",
        "partition_of",
        "parts",
        "policies",
        "private",
        "row_security",
        "sequences",
        "triggers",
    )
    journal: Journal
    name: QName
    owner: str
    grants: tuple[Grant, ...]
    columns: Ordered[str, Column]
    keys: Ordered[str, Key]
    checks: Ordered[str, Check]
    exclusions: Ordered[str, Exclusion]
    foreign_keys: Ordered[str, ForeignKey]
    indexes: Ordered[str, Index]
    triggers: Ordered[str, Trigger]
    policies: Ordered[str, Policy]
    row_security: bool
    force_row_security: bool
    kind: str
    partition_of: QName | None
    inherits: tuple[QName, ...]
    sequences: Recorded[QName, str]
    inherited: Recorded[str, int]
    own: frozenset[str]
    derived: frozenset[str]
    private: frozenset[str]
    conflicting: frozenset[str]
    labels: Recorded[str, tuple[str, ...]]
    parts: Recorded[str, str]
    key_indexes: Recorded[str, str]
    not_null_names: Recorded[str, str]
    open: bool

    def __init__(self, state: State, name: QName, owner: str, grants: tuple[Grant, ...] = ()) -> None:
        put, recorded, ordered = object.__setattr__, state.recorded, state.ordered
        put(self, "journal", state.journal)
        put(self, "name", name)
        put(self, "owner", owner)
        put(self, "grants", grants)
        for container in _ORDERED:
            put(self, container, ordered())
        for container in _UNORDERED:
            put(self, container, recorded())
        for attribute, value in _INITIAL:
            put(self, attribute, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if self.journal.on:
            self.journal.entries.append((self, name, getattr(self, name)))
        object.__setattr__(self, name, value)

    @property
    def parents(self) -> tuple[QName, ...]:
        return self.inherits if self.partition_of is None else (self.partition_of,)

    def has_constraint(self, name: str) -> bool:
        return (
            name in self.keys
            or name in self.foreign_keys
            or name in self.checks
            or name in self.exclusions
            or name in self.not_null_names
        )

    def constraint_names(self) -> Iterator[str]:
        yield from self.keys
        yield from self.foreign_keys
        yield from self.checks
        yield from self.exclusions

    def primary_key(self) -> Key | None:
        for key in self.keys.values():
            if key.primary:
                return key
        return None


def is_alike(one: Index, other: Index) -> bool:
    """Whether indexes of two tables index the same."""
    return (one.columns, one.unique, one.predicate) == (other.columns, other.unique, other.predicate)


def index_below(parent: TableState, name: str, child: TableState) -> str | None:
    """The index of a partition that is a part of its parent's index."""
    index = parent.indexes.get(name)
    if index is None or child.partition_of != parent.name:
        return None
    return next(
        (own.name for own in child.indexes.values() if own.name in child.derived and is_alike(own, index)), None
    )


_ORDERED = ("columns", "keys", "checks", "exclusions", "foreign_keys", "indexes", "triggers", "policies")
_UNORDERED = ("sequences", "inherited", "labels", "parts", "key_indexes", "not_null_names")
_INITIAL: tuple[tuple[str, Any], ...] = (
    ("row_security", False),
    ("force_row_security", False),
    ("open", False),
    ("own", frozenset()),
    ("derived", frozenset()),
    ("private", frozenset()),
    ("conflicting", frozenset()),
    ("kind", "table"),
    ("partition_of", None),
    ("inherits", ()),
)


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A schema in the sense of SQL."""

    owner: str
    managed: bool = False
    grants: tuple[Grant, ...] = ()


class State:
    """Everything that exists so far.

    ``children`` are partitions and inheriting tables by parent; ``indexes`` the table or materialised view of each
    index; ``sequences`` the column that each goes with, if any; ``other_types`` are ranges, multiranges and base types,
    each with the type that it goes with. ``default_rights`` are (creator, schema or "", kind) -> grantee -> privileges,
    ``grant_options`` (printed object, grantee) -> privileges that the grantee may pass on. ``constraint_names`` are the
    tables that have a constraint of a name, by schema; ``referencing`` are the foreign keys by referenced table, oldest
    first. ``switched_off`` are the tables on which the triggers of a foreign key are disabled. ``administered`` are the
    memberships, as (member, role), of those who created a role: they may hand it out, not become it nor use its rights.
    """

    def __init__(self) -> None:
        self.journal = Journal()
        self.recorded, self.ordered = recorded_in(self.journal)
        recorded = self.recorded
        self.tables: Recorded[QName, TableState] = recorded()
        self.children: Recorded[QName, tuple[QName, ...]] = recorded()
        self.views: Recorded[QName, View] = recorded()
        self.indexes: Recorded[QName, QName] = recorded()
        self.sequences: Recorded[QName, tuple[QName, str] | None] = recorded()
        self.functions: Recorded[FunctionName, Function] = recorded()
        self.overloads: Recorded[QName, tuple[FunctionName, ...]] = recorded()
        self.signatures: Recorded[FunctionName, Signature] = recorded()
        self.enums: Recorded[QName, Enum] = recorded()
        self.domains: Recorded[QName, Domain] = recorded()
        self.domain_checks: Recorded[QName, dict[str, str]] = recorded()
        self.composites: Recorded[QName, Composite] = recorded()
        self.other_types: Recorded[QName, QName] = recorded()
        self.namespaces: Recorded[str, NamespaceState] = recorded()
        self.roles: Recorded[str, Role] = recorded()
        self.administered: Recorded[tuple[str, str], bool] = recorded()
        self.extensions: Recorded[str, str] = recorded()
        self.default_rights: Recorded[tuple[str, str, str], dict[str, frozenset[str]]] = recorded()
        self.switched_off: Recorded[tuple[QName, str], frozenset[QName]] = recorded()
        self.grant_options: Recorded[tuple[str, str], frozenset[str]] = recorded()
        self.constraint_names: Recorded[str, Recorded[str, tuple[QName, ...]]] = recorded()
        self.referencing: Recorded[QName, Ordered[tuple[QName, str], None]] = recorded()
        self.events: Recorded[int, HistoryEvent] = recorded()

    def new_table(self, name: QName, owner: str, grants: tuple[Grant, ...] = ()) -> TableState:
        return TableState(self, name, owner, grants)

    def has_relation(self, name: QName) -> bool:
        return (
            name in self.tables
            or name in self.indexes
            or name in self.views
            or name in self.sequences
            or name in self.composites
        )

    def has_type(self, name: QName) -> bool:
        return (
            name in self.enums
            or name in self.domains
            or name in self.composites
            or name in self.tables
            or name in self.views
            or name in self.other_types
        )

    def has_constraint_named(self, schema: str, name: str) -> bool:
        """Whether any table of a schema has a constraint of this name."""
        names = self.constraint_names.get(schema)
        return names is not None and name in names

    def add_constraint_name(self, table: QName, name: str) -> None:
        names = self.constraint_names.get(table.schema)
        if names is None:
            names = self.constraint_names[table.schema] = self.recorded()
        names[name] = (*names.get(name, ()), table)

    def remove_constraint_name(self, table: QName, name: str) -> None:
        names = self.constraint_names.get(table.schema)
        if names is None:
            return
        left = tuple([other for other in names.get(name, ()) if other != table])
        if left:
            names[name] = left
        elif name in names:
            del names[name]

    def add_reference(self, key: ForeignKey) -> None:
        found = self.referencing.get(key.target.table)
        if found is None:
            found = self.referencing[key.target.table] = self.ordered()
        found[key.table, key.name] = None

    def remove_reference(self, key: ForeignKey) -> None:
        found = self.referencing.get(key.target.table)
        if found is not None:
            found.pop((key.table, key.name))

    def references_to(self, table: QName) -> list[ForeignKey]:
        """The foreign keys that reference a table, oldest first."""
        return [self.tables[owner].foreign_keys[name] for owner, name in self.referencing.get(table, ())]
