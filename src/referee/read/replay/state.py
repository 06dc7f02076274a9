"""A schema while it is being built: the same facts as model.schema, mutable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

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


class TableState:
    """One table. Everything inside is an immutable fact that is replaced as a whole."""

    __slots__ = (
        "checks",
        "columns",
        "exclusions",
        "force_row_security",
        "foreign_keys",
        "grants",
        "indexes",
        "inherits",
        "keys",
        "kind",
        "name",
        "owner",
        "partition_of",
        "policies",
        "row_security",
        "sequences",
        "triggers",
    )

    def __init__(self, name: QName, owner: str, grants: tuple[Grant, ...]) -> None:
        self.name = name
        self.owner = owner
        self.grants = grants
        self.columns: dict[str, Column] = {}
        self.keys: dict[str, Key] = {}
        self.checks: dict[str, Check] = {}
        self.exclusions: dict[str, Exclusion] = {}
        self.foreign_keys: dict[str, ForeignKey] = {}
        self.indexes: dict[str, Index] = {}
        self.triggers: dict[str, Trigger] = {}
        self.policies: dict[str, Policy] = {}
        self.row_security = False
        self.force_row_security = False
        self.kind = "table"
        self.partition_of: QName | None = None
        self.inherits: tuple[QName, ...] = ()
        self.sequences: tuple[QName, ...] = ()

    def copy(self) -> TableState:
        """A copy that shares the facts and none of the containers."""
        other = TableState.__new__(TableState)
        for name in TableState.__slots__:
            value = getattr(self, name)
            setattr(other, name, value.copy() if isinstance(value, dict) else value)
        return other

    def has_constraint(self, name: str) -> bool:
        return name in self.keys or name in self.foreign_keys or name in self.checks or name in self.exclusions

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


@dataclass
class NamespaceState:
    """A schema in the sense of SQL."""

    owner: str
    managed: bool = False
    grants: tuple[Grant, ...] = ()


@dataclass
class State:
    """Everything that exists so far."""

    tables: dict[QName, TableState] = field(default_factory=dict)
    views: dict[QName, View] = field(default_factory=dict)
    indexes: dict[QName, QName] = field(default_factory=dict)
    """The table of each index."""
    sequences: set[QName] = field(default_factory=set)
    functions: dict[FunctionName, Function] = field(default_factory=dict)
    overloads: dict[QName, list[FunctionName]] = field(default_factory=dict)
    enums: dict[QName, Enum] = field(default_factory=dict)
    domains: dict[QName, Domain] = field(default_factory=dict)
    composites: dict[QName, Composite] = field(default_factory=dict)
    namespaces: dict[str, NamespaceState] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    extensions: dict[str, str] = field(default_factory=dict)
    default_rights: dict[tuple[str, str, str], dict[str, frozenset[str]]] = field(default_factory=dict)
    """(creator, schema or "", kind) -> grantee -> privileges."""
    constraint_names: dict[str, dict[str, int]] = field(default_factory=dict)
    """Schema -> constraint name -> how many constraints have it."""
    referencing: dict[QName, set[tuple[QName, str]]] = field(default_factory=dict)
    """Referenced table -> (referencing table, constraint)."""

    def has_relation(self, name: QName) -> bool:
        return name in self.tables or name in self.views or name in self.indexes or name in self.sequences

    def has_type(self, name: QName) -> bool:
        return (
            name in self.enums
            or name in self.domains
            or name in self.composites
            or name in self.tables
            or name in self.views
        )

    def count_constraint(self, schema: str, name: str, by: int) -> None:
        names = self.constraint_names.setdefault(schema, {})
        count = names.get(name, 0) + by
        if count > 0:
            names[name] = count
        else:
            names.pop(name, None)

    def add_reference(self, key: ForeignKey) -> None:
        self.referencing.setdefault(key.target.table, set()).add((key.table, key.name))

    def remove_reference(self, key: ForeignKey) -> None:
        self.referencing.get(key.target.table, set()).discard((key.table, key.name))
