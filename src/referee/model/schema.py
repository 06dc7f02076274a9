"""One schema, whoever read it: what exists, in Postgres' own words.

Names are folded, types are what ``format_type`` prints under an empty search_path, generated names are filled in, and a
foreign key always lists its target columns. Expressions are kept as text: as written when replayed, as Postgres prints
them when read from a catalog; compare them by meaning (``sql.expressions``), never as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from referee.model.names import FunctionName, QName, Ref, Target

Action = Literal["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]
Match = Literal["SIMPLE", "FULL", "PARTIAL"]
Enabled = Literal["origin", "disabled", "replica", "always"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``default`` is an expression; so is ``generated``, which is None for ordinary columns."""

    name: str
    type: str
    not_null: bool = False
    default: str | None = None
    generated: str | None = None
    identity: Literal["", "always", "by default"] = ""


@dataclass(frozen=True, slots=True)
class Key:
    """A PRIMARY KEY or UNIQUE constraint."""

    table: QName
    name: str
    columns: tuple[str, ...]
    primary: bool = False
    deferrable: bool = False
    initially_deferred: bool = False
    nulls_not_distinct: bool = False

    @property
    def ref(self) -> Ref:
        return Ref("constraint", *self.table, self.name)


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint of a table."""

    table: QName
    name: str
    expression: str
    validated: bool = True

    @property
    def ref(self) -> Ref:
        return Ref("constraint", *self.table, self.name)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An EXCLUDE constraint; its elements stay text."""

    table: QName
    name: str
    definition: str

    @property
    def ref(self) -> Ref:
        return Ref("constraint", *self.table, self.name)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key. ``target.columns`` is filled in; it is empty only where the referenced table is unknown.

    ``enforced`` is False for one that is NOT ENFORCED, and in a live database also where somebody has disabled the
    triggers that enforce it.
    """

    table: QName
    name: str
    columns: tuple[str, ...]
    target: Target
    on_delete: Action = "NO ACTION"
    on_update: Action = "NO ACTION"
    on_delete_columns: tuple[str, ...] = ()
    match: Match = "SIMPLE"
    deferrable: bool = False
    initially_deferred: bool = False
    validated: bool = True
    enforced: bool = True

    @property
    def ref(self) -> Ref:
        return Ref("constraint", *self.table, self.name)


@dataclass(frozen=True, slots=True)
class Index:
    """An index. ``columns`` holds None where the key part is an expression."""

    table: QName
    name: str
    columns: tuple[str | None, ...]
    unique: bool = False
    method: str = "btree"
    predicate: str | None = None
    include: tuple[str, ...] = ()
    valid: bool = True
    nulls_not_distinct: bool = False

    @property
    def ref(self) -> Ref:
        return Ref("index", self.table.schema, self.name)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on a table or view. ``events`` is a subset of insert, update, delete, truncate."""

    table: QName
    name: str
    function: QName
    timing: Literal["BEFORE", "AFTER", "INSTEAD OF"]
    events: frozenset[str]
    update_columns: tuple[str, ...] = ()
    level: Literal["row", "statement"] = "row"
    when: str | None = None
    arguments: tuple[str, ...] = ()
    enabled: Enabled = "origin"
    constraint: bool = False
    deferrable: bool = False
    initially_deferred: bool = False

    @property
    def ref(self) -> Ref:
        return Ref("trigger", *self.table, self.name)

    @property
    def function_name(self) -> FunctionName:
        """Trigger functions take no arguments, so this is their whole identity."""
        return FunctionName(*self.function)


@dataclass(frozen=True, slots=True)
class Policy:
    """A row security policy. ``roles`` is sorted; ("public",) where none was named."""

    table: QName
    name: str
    command: Literal["all", "select", "insert", "update", "delete"] = "all"
    permissive: bool = True
    roles: tuple[str, ...] = ("public",)
    using: str | None = None
    check: str | None = None

    @property
    def ref(self) -> Ref:
        return Ref("policy", *self.table, self.name)


@dataclass(frozen=True, slots=True)
class Grant:
    """Privileges of one role on one object; ``columns`` is empty for the whole object. Privileges are upper case."""

    grantee: str
    privileges: frozenset[str]
    columns: tuple[str, ...] = ()


class DefaultOf(NamedTuple):
    """What a default privilege is about: objects of a kind that ``creator`` makes in a schema, or in any ("")."""

    creator: str
    schema: str
    kind: Literal["table", "function", "schema"]


@dataclass(frozen=True)
class Table:
    """A table with everything that hangs on it. Columns stand in their order, the rest is sorted by name."""

    name: QName
    columns: tuple[Column, ...] = ()
    keys: tuple[Key, ...] = ()
    checks: tuple[Check, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[Index, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    policies: tuple[Policy, ...] = ()
    row_security: bool = False
    force_row_security: bool = False
    owner: str = ""
    grants: tuple[Grant, ...] = ()
    kind: Literal["table", "partitioned", "foreign"] = "table"
    partition_of: QName | None = None
    inherits: tuple[QName, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("table", *self.name)

    @cached_property
    def column_by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column | None:
        return self.column_by_name.get(name)

    @cached_property
    def primary_key(self) -> Key | None:
        return next((key for key in self.keys if key.primary), None)

    @cached_property
    def unique_sets(self) -> frozenset[frozenset[str]]:
        """Sets of columns that identify a row: keys, and unique indexes without predicate or expression."""
        by_keys = {frozenset(key.columns) for key in self.keys}
        by_indexes = {
            frozenset(column for column in index.columns if column is not None)
            for index in self.indexes
            if index.unique and index.predicate is None and None not in index.columns
        }
        return frozenset(by_keys | by_indexes)

    def is_unique(self, columns: tuple[str, ...]) -> bool:
        """Whether these columns, or some of them, identify a row."""
        wanted = frozenset(columns)
        return any(unique <= wanted for unique in self.unique_sets)


@dataclass(frozen=True, slots=True)
class View:
    """A view or materialised view; ``definition`` is its query."""

    name: QName
    definition: str = ""
    materialized: bool = False
    security_invoker: bool = False
    triggers: tuple[Trigger, ...] = ()
    owner: str = ""

    @property
    def ref(self) -> Ref:
        return Ref("view", *self.name)


@dataclass(frozen=True)
class Function:
    """A function or procedure. ``settings`` are its SET clauses, as pg_proc.proconfig holds them, sorted by name."""

    name: FunctionName
    language: str
    returns: str
    body: str
    kind: Literal["function", "procedure", "aggregate", "window"] = "function"
    security_definer: bool = False
    volatility: Literal["volatile", "stable", "immutable"] = "volatile"
    strict: bool = False
    settings: tuple[tuple[str, str], ...] = ()
    argument_names: tuple[str, ...] = ()
    owner: str = ""
    grants: tuple[Grant, ...] = ()

    @property
    def ref(self) -> Ref:
        return Ref("function", self.name.schema, self.name.name, f"({', '.join(self.name.arguments)})")

    @cached_property
    def search_path(self) -> tuple[str, ...] | None:
        """The schemas that the function's own SET search_path names, in order; None where it sets none."""
        for setting, value in self.settings:
            if setting == "search_path":
                return split_path(value)
        return None


def split_path(value: str) -> tuple[str, ...]:
    """The schemas of a search_path setting; names in double quotes are taken whole, an empty name counts for nothing.

    >>> split_path('"$user", public, ""')
    ('$user', 'public')
    """
    names, rest = [], value.strip()
    while rest:
        if rest.startswith('"'):
            end = rest.find('"', 1)
            while end != -1 and rest[end : end + 2] == '""':
                end = rest.find('"', end + 2)
            end = len(rest) if end == -1 else end
            names.append(rest[1:end].replace('""', '"'))
            rest = rest[end + 1 :].lstrip()
        else:
            word, _, tail = rest.partition(",")
            names.append(word.strip().lower())
            rest = "," + tail if _ else ""
        rest = rest[1:].lstrip() if rest.startswith(",") else rest
    return tuple(name for name in names if name)


@dataclass(frozen=True, slots=True)
class Enum:
    """An enumerated type."""

    name: QName
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain; ``checks`` are its expressions over VALUE."""

    name: QName
    base: str
    not_null: bool = False
    default: str | None = None
    checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite type made by CREATE TYPE ... AS."""

    name: QName
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A schema in the sense of SQL. ``managed`` ones belong to the platform, not to the project."""

    name: str
    owner: str = ""
    grants: tuple[Grant, ...] = ()
    managed: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A role. ``member_of`` is direct membership; ``search_path`` its own setting, None where it has none."""

    name: str
    superuser: bool = False
    bypass_row_security: bool = False
    inherit: bool = True
    member_of: frozenset[str] = frozenset()
    search_path: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Schema:
    """Everything that one reading found. Two readings of the same database are equal."""

    tables: Mapping[QName, Table] = field(default_factory=dict)
    views: Mapping[QName, View] = field(default_factory=dict)
    functions: Mapping[FunctionName, Function] = field(default_factory=dict)
    enums: Mapping[QName, Enum] = field(default_factory=dict)
    domains: Mapping[QName, Domain] = field(default_factory=dict)
    composites: Mapping[QName, Composite] = field(default_factory=dict)
    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    extensions: Mapping[str, str] = field(default_factory=dict)
    """Installed extensions and the schema that each lives in."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    default_grants: Mapping[DefaultOf, tuple[Grant, ...]] = field(default_factory=dict)
    """ALTER DEFAULT PRIVILEGES. An entry for one schema adds to what new objects get, one for "" replaces the built-in
    rights (EXECUTE to public on functions). The creator's own rights are left out, and so are entries without any."""

    def table(self, name: QName) -> Table | None:
        return self.tables.get(name)

    def is_managed(self, schema: str) -> bool:
        """Whether a schema belongs to the platform; what lives there is not the project's to judge."""
        namespace = self.namespaces.get(schema)
        return namespace is not None and namespace.managed

    @cached_property
    def own_tables(self) -> tuple[Table, ...]:
        """The project's own tables."""
        return tuple(table for table in self.tables.values() if not self.is_managed(table.name.schema))

    @cached_property
    def own_triggers(self) -> tuple[Trigger, ...]:
        """The project's own triggers: those on its tables, and those on managed tables that call its functions."""
        return tuple(
            trigger
            for trigger in self.triggers()
            if not (self.is_managed(trigger.table.schema) and self.is_managed(trigger.function.schema))
        )

    def foreign_keys(self) -> Iterator[ForeignKey]:
        for table in self.tables.values():
            yield from table.foreign_keys

    def triggers(self) -> Iterator[Trigger]:
        for table in self.tables.values():
            yield from table.triggers

    @cached_property
    def referencing(self) -> Mapping[QName, tuple[ForeignKey, ...]]:
        """Foreign keys by the table that they reference."""
        found: dict[QName, list[ForeignKey]] = {}
        for key in self.foreign_keys():
            found.setdefault(key.target.table, []).append(key)
        return {table: tuple(keys) for table, keys in found.items()}

    @cached_property
    def functions_by_name(self) -> Mapping[QName, tuple[Function, ...]]:
        """Overloads by qualified name."""
        found: dict[QName, list[Function]] = {}
        for function in self.functions.values():
            found.setdefault(function.name.qualified, []).append(function)
        return {name: tuple(functions) for name, functions in found.items()}

    @cached_property
    def triggers_by_function(self) -> Mapping[QName, tuple[Trigger, ...]]:
        """Triggers by the function that they call."""
        found: dict[QName, list[Trigger]] = {}
        for trigger in self.triggers():
            found.setdefault(trigger.function, []).append(trigger)
        return {name: tuple(triggers) for name, triggers in found.items()}
