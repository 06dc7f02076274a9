"""From the rows of a catalog to the one Schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal, TypeVar

from referee.model.names import FunctionName, QName, Target
from referee.model.schema import (
    Action,
    Check,
    Column,
    Composite,
    DefaultOf,
    Domain,
    Enabled,
    Enum,
    Exclusion,
    ForeignKey,
    Function,
    Grant,
    Index,
    Key,
    Match,
    Namespace,
    Policy,
    Role,
    Schema,
    Table,
    Trigger,
    View,
    split_path,
)

_Row = tuple[Any, ...]
_Named = TypeVar("_Named")
_ByTable = Mapping[int, tuple[_Named, ...]]

_ACTIONS: Mapping[str, Action] = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}
_UNKNOWN = QName("", "?")
_MATCHES: Mapping[str, Match] = {"s": "SIMPLE", "f": "FULL", "p": "PARTIAL"}
_ENABLED: Mapping[str, Enabled] = {"O": "origin", "D": "disabled", "R": "replica", "A": "always"}
_COMMANDS = {"*": "all", "r": "select", "a": "insert", "w": "update", "d": "delete"}
_TABLE_KINDS = {"r": "table", "p": "partitioned", "f": "foreign"}
_VOLATILITIES = {"v": "volatile", "s": "stable", "i": "immutable"}
_ROUTINES = {"f": "function", "p": "procedure", "a": "aggregate", "w": "window"}
_DEFAULT_KINDS: Mapping[str, Literal["table", "function", "schema"]] = {"r": "table", "f": "function", "n": "schema"}
_PRIVILEGES = {
    "a": "INSERT",
    "r": "SELECT",
    "w": "UPDATE",
    "d": "DELETE",
    "D": "TRUNCATE",
    "x": "REFERENCES",
    "t": "TRIGGER",
    "X": "EXECUTE",
    "U": "USAGE",
    "C": "CREATE",
}
# Bits of pg_trigger.tgtype (PostgreSQL 18, catalog/pg_trigger.h).
_EVENT_BITS = ((4, "insert"), (8, "delete"), (16, "update"), (32, "truncate"))
_ROW_BIT, _BEFORE_BIT, _INSTEAD_BIT = 1, 2, 64
_WHEN = re.compile(r" WHEN \((.*)\) EXECUTE FUNCTION ", re.DOTALL)
_ACL_ITEM = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^,{}]+))')
_GRANTEE = re.compile(r'(?:"((?:[^"]|"")*)"|([^=]*))=([A-Za-z*]*)/')


@dataclass(frozen=True)
class Rows:
    """The rows of each query, in the columns that its .sql file states."""

    namespaces: Sequence[_Row] = ()
    roles: Sequence[_Row] = ()
    extensions: Sequence[_Row] = ()
    tables: Sequence[_Row] = ()
    columns: Sequence[_Row] = ()
    constraints: Sequence[_Row] = ()
    indexes: Sequence[_Row] = ()
    triggers: Sequence[_Row] = ()
    policies: Sequence[_Row] = ()
    functions: Sequence[_Row] = ()
    types: Sequence[_Row] = ()
    views: Sequence[_Row] = ()
    defaults: Sequence[_Row] = ()


def build(rows: Rows, managed: frozenset[str]) -> Schema:
    """The schema that the rows describe; ``managed`` names the schemas that belong to the platform."""
    return _Builder(rows).schema(managed)


class _Builder:
    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.roles: dict[int, str] = {row[0]: row[1] for row in rows.roles}
        self.schemas = {row[0]: row[1] for row in rows.namespaces}
        self.names = {row[0]: QName(self.schemas[row[1]], row[2]) for row in rows.tables}
        self.columns: dict[int, dict[int, Column]] = defaultdict(dict)
        self.column_grants: dict[int, list[tuple[str, str]]] = defaultdict(list)
        self.nulls_not_distinct: set[tuple[int, str]] = set()
        # What hangs on tables, by their oids and sorted by name.
        self.keys: _ByTable[Key] = {}
        self.checks: _ByTable[Check] = {}
        self.exclusions: _ByTable[Exclusion] = {}
        self.foreign_keys: _ByTable[ForeignKey] = {}
        self.indexes: _ByTable[Index] = {}
        self.triggers: _ByTable[Trigger] = {}
        self.policies: _ByTable[Policy] = {}

    def schema(self, managed: frozenset[str]) -> Schema:
        self._read_columns()
        self._read_indexes()
        self._read_constraints()
        self._read_triggers()
        self._read_policies()
        enums, domains, composites = self._types()
        return Schema(
            {self.names[row[0]]: self._table(row) for row in self.rows.tables},
            self._views(),
            self._functions(),
            enums,
            domains,
            composites,
            {row[1]: self._namespace(row, managed) for row in self.rows.namespaces},
            {row[0]: row[1] for row in self.rows.extensions},
            {row[1]: _role(row) for row in self.rows.roles},
            self._default_grants(),
        )

    def _role_name(self, oid: int) -> str:
        return self.roles.get(oid, "public" if oid == 0 else "pg_database_owner")

    def _namespace(self, row: _Row, managed: frozenset[str]) -> Namespace:
        owner = self._role_name(row[2])
        return Namespace(row[1], owner, grants(row[3], owner), row[1] in managed)

    def _read_columns(self) -> None:
        # Many columns look like one of another table, and then the same object serves both.
        known: dict[_Row, Column] = {}
        for row in self.rows.columns:
            relation, facts, acl = row[0], row[2:8], row[8]
            column = known.get(facts)
            if column is None:
                column = known[facts] = _column(*facts)
            self.columns[relation][row[1]] = column
            if acl is not None:
                self.column_grants[relation].append((column.name, acl))

    def _columns_of(self, relation: int) -> tuple[Column, ...]:
        columns = self.columns[relation]
        return tuple([columns[number] for number in sorted(columns)])

    def _column_names(self, relation: int, numbers: Sequence[int] | None) -> tuple[str, ...]:
        if not numbers:
            return ()
        columns = self.columns[relation]
        return tuple([columns[number].name for number in numbers])

    def _read_constraints(self) -> None:
        keys: defaultdict[int, list[Key]] = defaultdict(list)
        checks: defaultdict[int, list[Check]] = defaultdict(list)
        exclusions: defaultdict[int, list[Exclusion]] = defaultdict(list)
        foreign_keys: defaultdict[int, list[ForeignKey]] = defaultdict(list)
        for row in self.rows.constraints:
            relation, name, kind, numbers = row[:4]
            table = self.names.get(relation)
            if table is None:
                continue
            if kind == "f":
                foreign_keys[relation].append(self._foreign_key(table, row))
            elif kind == "c":
                checks[relation].append(Check(table, name, row[14], row[11]))
            elif kind == "x":
                exclusions[relation].append(Exclusion(table, name, row[14]))
            else:
                columns = self._column_names(relation, numbers)
                nulls_not_distinct = (relation, name) in self.nulls_not_distinct
                keys[relation].append(Key(table, name, columns, kind == "p", row[9], row[10], nulls_not_distinct))
        self.keys, self.checks = _by_name(keys), _by_name(checks)
        self.exclusions, self.foreign_keys = _by_name(exclusions), _by_name(foreign_keys)

    def _foreign_key(self, table: QName, row: _Row) -> ForeignKey:
        referenced = self.names.get(row[4], _UNKNOWN)
        return ForeignKey(
            table,
            row[1],
            self._column_names(row[0], row[3]),
            Target(referenced, self._column_names(row[4], row[5])),
            _ACTIONS[row[6]],
            _ACTIONS[row[7]],
            self._column_names(row[0], row[13]),
            _MATCHES[row[8]],
            row[9],
            row[10],
            row[11],
            row[12],
        )

    def _read_indexes(self) -> None:
        indexes: defaultdict[int, list[Index]] = defaultdict(list)
        for (
            relation,
            name,
            numbers,
            key_count,
            unique,
            method,
            predicate,
            valid,
            nulls_not_distinct,
        ) in self.rows.indexes:
            table = self.names.get(relation)
            if table is None:
                continue
            if nulls_not_distinct:
                self.nulls_not_distinct.add((relation, name))
            columns = self.columns[relation]
            parts = [columns[number].name if number > 0 else None for number in numbers]
            included = [part for part in parts[key_count:] if part is not None] if len(parts) > key_count else ()
            indexes[relation].append(
                Index(
                    table,
                    name,
                    tuple(parts[:key_count]),
                    unique,
                    method,
                    predicate,
                    tuple(included),
                    valid,
                    nulls_not_distinct,
                )
            )
        self.indexes = _by_name(indexes)

    def _read_triggers(self) -> None:
        triggers: defaultdict[int, list[Trigger]] = defaultdict(list)
        for row in self.rows.triggers:
            (
                relation,
                name,
                schema,
                function,
                bits,
                numbers,
                enabled,
                arguments,
                constraint,
                deferrable,
                deferred,
                text,
            ) = row
            table = self.names.get(relation)
            if table is None:
                continue
            when = _WHEN.search(text) if text is not None else None
            triggers[relation].append(
                Trigger(
                    table,
                    name,
                    QName(self.schemas.get(schema, "pg_catalog"), function),
                    "INSTEAD OF" if bits & _INSTEAD_BIT else "BEFORE" if bits & _BEFORE_BIT else "AFTER",
                    _events(bits),
                    self._column_names(relation, numbers),
                    "row" if bits & _ROW_BIT else "statement",
                    when[1] if when is not None else None,
                    _arguments(arguments),
                    _ENABLED[enabled],
                    constraint,
                    deferrable,
                    deferred,
                )
            )
        self.triggers = _by_name(triggers)

    def _read_policies(self) -> None:
        policies: defaultdict[int, list[Policy]] = defaultdict(list)
        for relation, name, command, permissive, roles, using, check in self.rows.policies:
            table = self.names.get(relation)
            if table is not None:
                names = tuple(sorted([self._role_name(role) for role in roles]))
                kind: Any = _COMMANDS[command]
                policies[relation].append(Policy(table, name, kind, permissive, names, using, check))
        self.policies = _by_name(policies)

    def _table(self, row: _Row) -> Table:
        oid, _schema, _name, kind, secured, forced, owner_id, acl, partition_of, parents = row
        owner = self._role_name(owner_id)
        table_kind: Any = _TABLE_KINDS[kind]
        return Table(
            self.names[oid],
            self._columns_of(oid),
            self.keys.get(oid, ()),
            self.checks.get(oid, ()),
            self.exclusions.get(oid, ()),
            self.foreign_keys.get(oid, ()),
            self.indexes.get(oid, ()),
            self.triggers.get(oid, ()),
            self.policies.get(oid, ()),
            secured,
            forced,
            owner,
            (*grants(acl, owner), *self._grants_of_columns(oid, owner)),
            table_kind,
            self.names.get(partition_of) if partition_of is not None else None,
            tuple([self.names[parent] for parent in parents or () if parent in self.names]),
        )

    def _grants_of_columns(self, relation: int, owner: str) -> list[Grant]:
        return [
            Grant(grant.grantee, grant.privileges, (column,))
            for column, acl in sorted(self.column_grants.get(relation, ()))
            for grant in grants(acl, owner)
        ]

    def _functions(self) -> dict[FunctionName, Function]:
        found = {}
        for row in self.rows.functions:
            name = FunctionName(self.schemas[row[0]], row[1], tuple(row[2]))
            owner, kind, volatility = self._role_name(row[14]), _ROUTINES[row[7]], _VOLATILITIES[row[9]]
            found[name] = Function(
                name,
                row[3],
                "" if kind == "procedure" else f"SETOF {row[4]}" if row[5] else row[4],
                row[6],
                kind,  # type: ignore[arg-type]
                row[8],
                volatility,  # type: ignore[arg-type]
                row[10],
                tuple(sorted(_setting(setting) for setting in row[11] or ())),
                _input_names(row[12], row[13], len(row[2])),
                owner,
                grants(row[15], owner) if row[15] is not None else (Grant("public", frozenset({"EXECUTE"})),),
            )
        return found

    def _default_grants(self) -> dict[DefaultOf, tuple[Grant, ...]]:
        found: dict[DefaultOf, tuple[Grant, ...]] = {}
        for creator_id, schema, kind, acl in self.rows.defaults:
            creator = self._role_name(creator_id)
            entry = DefaultOf(creator, self.schemas[schema] if schema else "", _DEFAULT_KINDS[kind])
            if (given := grants(acl, creator)) or not schema:
                found[entry] = given
        return found

    def _types(self) -> tuple[dict[QName, Enum], dict[QName, Domain], dict[QName, Composite]]:
        enums: dict[QName, Enum] = {}
        domains: dict[QName, Domain] = {}
        composites: dict[QName, Composite] = {}
        for _oid, schema, type_name, kind, relation, base, not_null, default, labels, checks in self.rows.types:
            name = QName(self.schemas[schema], type_name)
            if kind == "e":
                enums[name] = Enum(name, tuple(labels))
            elif kind == "d":
                domains[name] = Domain(name, base, not_null, default, tuple(checks))
            else:
                composites[name] = Composite(name, self._columns_of(relation))
        return enums, domains, composites

    def _views(self) -> dict[QName, View]:
        found = {}
        for schema, view_name, kind, owner, options, definition in self.rows.views:
            name = QName(self.schemas[schema], view_name)
            invoker = any(option in ("security_invoker=true", "security_invoker=on") for option in options or ())
            found[name] = View(name, definition, kind == "m", invoker, owner=self._role_name(owner))
        return found


_name = attrgetter("name")


def _by_name(found: Mapping[int, list[_Named]]) -> _ByTable[_Named]:
    """Sorts what each table has. Kind by kind, since what was made together lies together in memory."""
    for items in found.values():
        if len(items) > 1:
            items.sort(key=_name)
    return {table: tuple(items) for table, items in found.items()}


def _column(name: str, kind: str, not_null: bool, default: str | None, generated: str, identity: str) -> Column:
    return Column(
        name,
        kind,
        not_null,
        None if generated else default,
        default if generated else None,
        "" if not identity else "always" if identity == "a" else "by default",
    )


@lru_cache(maxsize=256)
def _events(bits: int) -> frozenset[str]:
    """The events in pg_trigger.tgtype."""
    return frozenset(event for bit, event in _EVENT_BITS if bits & bit)


def _role(row: _Row) -> Role:
    path = split_path(row[5].partition("=")[2]) if row[5] is not None else None
    return Role(row[1], row[2], row[3], row[4], frozenset(row[6]), path)


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _arguments(arguments: bytes | None) -> tuple[str, ...]:
    if not arguments:
        return ()
    return tuple(arguments.decode("utf-8", "replace").split("\0")[:-1])


def _input_names(names: Sequence[str] | None, modes: Sequence[str] | None, count: int) -> tuple[str, ...]:
    if names is None:
        return ("",) * count
    if modes is None:
        return tuple(names[:count])
    return tuple([name for name, mode in zip(names, modes, strict=False) if mode in ("i", "b", "v")])


@lru_cache(maxsize=4096)
def grants(acl: str | None, owner: str) -> tuple[Grant, ...]:
    """The grants in an aclitem[] as text. The owner's own rights are left out; a role without a name is "public"."""
    if acl is None:
        return ()
    held: dict[str, set[str]] = {}
    for item in _ACL_ITEM.finditer(acl.strip("{}")):
        text = item[1].replace('\\"', '"').replace("\\\\", "\\") if item[1] is not None else item[2]
        match = _GRANTEE.match(text)
        if match is None:
            continue
        grantee = (match[1].replace('""', '"') if match[1] is not None else match[2]) or "public"
        if grantee != owner:
            held.setdefault(grantee, set()).update(_PRIVILEGES[sign] for sign in match[3] if sign in _PRIVILEGES)
    return tuple([Grant(grantee, frozenset(held[grantee])) for grantee in sorted(held) if held[grantee]])
