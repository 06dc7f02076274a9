"""What queries on the system catalogs would find in a schema that is being built.

Rows hold the columns that migrations ask for; a column that is not there is unknown, and so is a relation that is not.
Of what Postgres itself brings, only the names that somebody asks for by name are listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from referee.model.names import FunctionName, QName, Ref, quote
from referee.model.schema import Check, Exclusion, ForeignKey, Key
from referee.read.replay.names import is_known_relation
from referee.read.replay.refused import Refused, missing, missing_schema
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.read.replay.uses import type_name
from referee.sql.builtins import server_names, suppliers
from referee.sql.evaluate import UNKNOWN, Named, Row, Value
from referee.sql.parse import SqlSyntaxError, parse
from referee.sql.statements import Written

Wanted = Mapping[str, Value]


class Oid(Named):
    """The oid of an object: its kind, its name, and how it is printed."""

    __slots__ = ("key", "kind", "texts")

    def __init__(self, kind: str, key: object, *texts: str) -> None:
        self.kind = kind
        self.key = key
        self.texts = texts

    def is_same(self, other: Value) -> bool:
        if isinstance(other, Oid):
            return (self.kind, self.key) == (other.kind, other.key)
        return str(other) in self.texts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Oid) and self.is_same(other)

    def __hash__(self) -> int:
        return hash((self.kind, self.key))

    def __str__(self) -> str:
        return self.texts[0]

    __repr__ = __str__


class Catalogs:
    """The world that the conditions of a DO block ask about."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.state = session.state

    def relation(self, schema: str | None, name: str, wanted: Wanted) -> Iterable[Row] | None:
        provider = _RELATIONS.get(f"information_schema.{name}" if schema == "information_schema" else name)
        if provider is not None and schema in (None, "pg_catalog", "information_schema"):
            return provider(self, wanted)
        if not self.may_exist(schema, name):
            raise self.session.missing_relation(Written(schema, name))
        return None

    def may_exist(self, schema: str | None, name: str) -> bool:
        """Whether there is, or may be, a relation of this name."""
        written = Written(schema, name)
        if self.session.is_temporary(written) or any(map(self._exists, self.session.candidates(written))):
            return True
        return is_known_relation(self.session, schema, name)

    # Oids

    def oid_of_relation(self, name: QName) -> Oid:
        visible = next((one for one in self.session.candidates(Written(None, name.name)) if self._exists(one)), None)
        texts = (quote(name.name), str(name)) if visible == name else (str(name),)
        return Oid("relation", name, *texts)

    def _exists(self, name: QName) -> bool:
        return self.state.has_relation(name)

    def oid_of_type(self, printed: str) -> Oid:
        name = type_name(printed)
        if name is None:
            return Oid("type", printed, printed)
        visible = name.schema in self.session.path
        return Oid("type", printed, *((quote(name.name), printed) if visible else (printed,)))

    def cast(self, value: Value, type_name: str) -> Value:
        if isinstance(value, Oid):
            return str(value) if type_name in ("text", "varchar", "name") else value
        if type_name in ("regclass", "regtype", "regnamespace", "regrole", "regproc", "regprocedure"):
            found = self._registered(str(value), type_name)
            if found is None:
                raise _not_there(str(value), type_name)
            return found
        return UNKNOWN

    def _registered(self, text: str, kind: str) -> Oid | None:
        names = _parts(text)
        if not names:
            return None
        written = Written(names[-2] if len(names) > 1 else None, names[-1])
        if kind == "regclass":
            found = next((name for name in self.session.candidates(written) if self._exists(name)), None)
            return None if found is None else self.oid_of_relation(found)
        if kind == "regtype":
            found = next((name for name in self.session.candidates(written) if self.state.has_type(name)), None)
            return None if found is None else self.oid_of_type(str(found))
        if kind == "regnamespace":
            return _namespace(names[-1]) if names[-1] in self.state.namespaces else None
        if kind == "regrole":
            return Oid("role", names[-1], quote(names[-1])) if names[-1] in self.state.roles else None
        overloads = [name for one in self.session.candidates(written) for name in self.state.overloads.get(one, ())]
        return _routine(overloads[0]) if len(overloads) == 1 else None

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        if name in ("to_regclass", "to_regtype", "to_regnamespace", "to_regrole", "to_regproc"):
            text = arguments[0]
            return text if text is None or text is UNKNOWN else self._registered(str(text), name.removeprefix("to_"))
        if name in ("current_user", "current_role", "user"):
            return self.session.role
        if name == "current_schema":
            return self.session.creation_schema()
        first = arguments[0] if arguments else None
        if isinstance(first, Oid):
            if name == "format_type" and first.kind == "type":
                return str(first.key)
            if name in ("pg_get_function_identity_arguments", "oidvectortypes") and isinstance(first.key, FunctionName):
                return ", ".join(first.key.arguments)
            if name in ("pg_table_is_visible", "pg_type_is_visible", "pg_function_is_visible"):
                return len(first.texts) > 1
        return UNKNOWN

    # Things by the names that are asked for

    def tables(self, name: Value = None) -> list[TableState]:
        if name is None:
            return list(self.state.tables.values())
        found = [self.state.tables.get(QName(space, str(name))) for space in self.state.namespaces]
        return [table for table in found if table is not None]

    def tables_with_constraint(self, name: Value = None) -> list[TableState]:
        if name is None:
            return self.tables()
        names = self.state.constraint_names.values()
        return [self.state.tables[table] for known in names for table in known.get(str(name), ())]

    def tables_of(self, wanted: Wanted, column: str = "tablename") -> list[TableState]:
        return self.tables(wanted.get(column))


def _not_there(text: str, kind: str) -> Refused:
    if kind == "regclass":
        return Refused("42P01", f'relation "{text}" does not exist', Ref("table", "", text))
    if kind == "regnamespace":
        return missing_schema(text)
    if kind in ("regproc", "regprocedure"):
        return Refused("42883", f'function "{text}" does not exist')
    return missing({"regtype": "type", "regrole": "role"}[kind], text)


def _parts(text: str) -> tuple[str, ...]:
    """The parts of a name as it is written in a literal."""
    try:
        trees = parse(f"TABLE {text.partition('(')[0]}")
    except SqlSyntaxError:
        return ()
    if len(trees) != 1 or "fromClause" not in trees[0]["stmt"].get("SelectStmt", {}):
        return ()
    relation = trees[0]["stmt"]["SelectStmt"]["fromClause"][0].get("RangeVar", {})
    return tuple(part for part in (relation.get("schemaname"), relation.get("relname")) if part is not None)


def _namespace(name: str) -> Oid:
    return Oid("namespace", name, quote(name))


def _routine(name: FunctionName) -> Oid:
    return Oid("function", name, str(name))


# pg_catalog


def _pg_namespace(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for name in (*world.state.namespaces, "pg_catalog", "information_schema"):
        yield {"oid": _namespace(name), "nspname": name}


def _pg_class(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    name = wanted.get("relname")
    for table in world.tables(name):
        kind = {"partitioned": "p", "foreign": "f"}.get(table.kind, "r")
        yield _class_row(world, table.name, kind) | {
            "relrowsecurity": table.row_security,
            "relforcerowsecurity": table.force_row_security,
            "relowner": Oid("role", table.owner, quote(table.owner)),
            "relispartition": table.partition_of is not None,
        }
    for view in world.state.views.values():
        if name is None or view.name.name == name:
            yield _class_row(world, view.name, "m" if view.materialized else "v")
    others: tuple[tuple[str, Mapping[QName, Any]], ...] = (
        ("i", world.state.indexes),
        ("S", world.state.sequences),
        ("c", world.state.composites),
    )
    for kind, names in others:
        for one in [QName(space, str(name)) for space in world.state.namespaces] if name is not None else names:
            if one in names:
                yield _class_row(world, one, kind)


def _class_row(world: Catalogs, name: QName, kind: str) -> dict[str, Value]:
    return {
        "oid": world.oid_of_relation(name),
        "relname": name.name,
        "relnamespace": _namespace(name.schema),
        "relkind": kind,
    }


def _pg_attribute(world: Catalogs, wanted: Wanted) -> Iterator[Row] | None:
    tables = _tables_by_oid(world, wanted.get("attrelid"))
    return None if any(table.open for table in tables) else _attributes(world, tables)


def _attributes(world: Catalogs, tables: Iterable[TableState]) -> Iterator[Row]:
    for table in tables:
        for number, column in enumerate(table.columns.values(), 1):
            yield {
                "attrelid": world.oid_of_relation(table.name),
                "attname": column.name,
                "attnum": number,
                "attnotnull": column.not_null,
                "attisdropped": False,
                "atthasdef": column.default is not None or column.generated is not None,
                "atttypid": world.oid_of_type(column.type),
            }


def _tables_by_oid(world: Catalogs, oid: Value) -> list[TableState]:
    if oid is None:
        return world.tables()
    table = world.state.tables.get(oid.key) if isinstance(oid, Oid) and isinstance(oid.key, QName) else None
    return [] if table is None else [table]


def _pg_type(world: Catalogs, wanted: Wanted) -> Iterator[Row] | None:
    name = wanted.get("typname")
    if name is not None and suppliers(str(name)):
        return None
    return _types(world, name)


def _types(world: Catalogs, name: Value) -> Iterator[Row]:
    state = world.state
    kinds: tuple[tuple[str, Mapping[QName, Any]], ...] = (
        ("e", state.enums),
        ("d", state.domains),
        ("c", state.composites),
        ("c", state.tables),
        ("c", state.views),
        ("r", state.other_types),
    )
    for kind, names in kinds:
        for one in names if name is None else [QName(space, str(name)) for space in state.namespaces]:
            if one in names:
                yield _type_row(world, one, kind)
    if name is not None and str(name) in server_names().types:
        yield {"oid": Oid("type", str(name), str(name)), "typname": name, "typnamespace": _namespace("pg_catalog")}


def _type_row(world: Catalogs, name: QName, kind: str) -> Row:
    return {
        "oid": world.oid_of_type(str(name)),
        "typname": name.name,
        "typnamespace": _namespace(name.schema),
        "typtype": kind,
    }


def _pg_enum(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for enum in world.state.enums.values():
        for number, label in enumerate(enum.labels, 1):
            oid = world.oid_of_type(str(enum.name))
            yield {"enumtypid": oid, "enumlabel": label, "enumsortorder": number}


def _pg_constraint(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    name = wanted.get("conname")
    tables = _tables_by_oid(world, wanted["conrelid"]) if "conrelid" in wanted else world.tables_with_constraint(name)
    for table in tables:
        for kind, item in _constraints(table, name):
            yield _constraint_row(world, table, kind, item)
    if "conrelid" not in wanted:
        for domain, checks in world.state.domain_checks.items():
            for name in checks:
                yield {"conname": name, "contype": "c", "conrelid": 0, "connamespace": _namespace(domain.schema)}


def _constraints(table: TableState, name: Value = None) -> Iterator[tuple[str, Any]]:
    containers: tuple[tuple[str, Mapping[str, Any]], ...] = (
        ("u", table.keys),
        ("f", table.foreign_keys),
        ("c", table.checks),
        ("x", table.exclusions),
    )
    for kind, container in containers:
        for item in container.values() if name is None else [container[name]] if name in container else []:
            yield "p" if isinstance(item, Key) and item.primary else kind, item


def _constraint_row(world: Catalogs, table: TableState, kind: str, item: Key | ForeignKey | Check | Exclusion) -> Row:
    numbers = {name: number for number, name in enumerate(table.columns, 1)}
    row: dict[str, Value] = {
        "oid": Oid("constraint", (table.name, item.name), item.name),
        "conname": item.name,
        "contype": kind,
        "conrelid": world.oid_of_relation(table.name),
        "connamespace": _namespace(table.name.schema),
        "confrelid": 0,
    }
    if isinstance(item, Key | ForeignKey):
        row["conkey"] = [numbers.get(column, UNKNOWN) for column in item.columns]
    if isinstance(item, ForeignKey):
        referenced = world.state.tables.get(item.target.table)
        others = {} if referenced is None else {name: number for number, name in enumerate(referenced.columns, 1)}
        row["confrelid"] = world.oid_of_relation(item.target.table)
        row["confkey"] = [others.get(column, UNKNOWN) for column in item.target.columns]
        row["convalidated"] = item.validated
        row["confdeltype"] = (
            item.on_delete[0].lower() if not item.on_delete.startswith("SET") else item.on_delete[4].lower()
        )
    return row


def _pg_index(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in _tables_by_oid(world, wanted.get("indrelid")):
        primary = table.primary_key()
        for index in table.indexes.values():
            yield {
                "indexrelid": world.oid_of_relation(QName(table.name.schema, index.name)),
                "indrelid": world.oid_of_relation(table.name),
                "indisunique": index.unique,
                "indisprimary": primary is not None and primary.name == index.name,
            }


def _pg_indexes(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_of(wanted):
        names = [*table.indexes, *table.exclusions]
        for name in [wanted["indexname"]] if wanted.get("indexname") in names else names:
            yield {"schemaname": table.name.schema, "tablename": table.name.name, "indexname": name}


def _pg_inherits(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for parent, children in world.state.children.items():
        for child in children:
            yield {"inhrelid": world.oid_of_relation(child), "inhparent": world.oid_of_relation(parent)}


def _pg_tables(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_of(wanted):
        yield {
            "schemaname": table.name.schema,
            "tablename": table.name.name,
            "tableowner": table.owner,
            "rowsecurity": table.row_security,
        }


def _pg_views(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for view in world.state.views.values():
        if not view.materialized:
            yield {"schemaname": view.name.schema, "viewname": view.name.name, "viewowner": view.owner}


def _pg_matviews(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for view in world.state.views.values():
        if view.materialized:
            yield {"schemaname": view.name.schema, "matviewname": view.name.name, "matviewowner": view.owner}


def _pg_policies(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_of(wanted):
        for policy in table.policies.values():
            yield {
                "schemaname": table.name.schema,
                "tablename": table.name.name,
                "policyname": policy.name,
                "permissive": "PERMISSIVE" if policy.permissive else "RESTRICTIVE",
                "roles": list(policy.roles),
                "cmd": policy.command.upper(),
                "qual": None if policy.using is None else UNKNOWN,
                "with_check": None if policy.check is None else UNKNOWN,
            }


def _pg_policy(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    signs = {"all": "*", "select": "r", "insert": "a", "update": "w", "delete": "d"}
    for table in _tables_by_oid(world, wanted.get("polrelid")):
        for policy in table.policies.values():
            oid = world.oid_of_relation(table.name)
            yield {"polname": policy.name, "polrelid": oid, "polcmd": signs[policy.command]}


def _pg_trigger(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in _tables_by_oid(world, wanted.get("tgrelid")):
        for trigger in table.triggers.values():
            yield {
                "tgname": trigger.name,
                "tgrelid": world.oid_of_relation(table.name),
                "tgfoid": _routine(trigger.function_name),
                "tgisinternal": False,
                "tgenabled": trigger.enabled[0].upper(),
            }


def _pg_proc(world: Catalogs, wanted: Wanted) -> Iterator[Row] | None:
    name = wanted.get("proname")
    if name is not None and suppliers(str(name)):
        return None
    return _routines(world, name)


def _routines(world: Catalogs, name: Value) -> Iterator[Row]:
    for function in world.state.functions.values():
        if name is None or function.name.name == name:
            yield {
                "oid": _routine(function.name),
                "proname": function.name.name,
                "pronamespace": _namespace(function.name.schema),
                "prokind": function.kind[0],
                "prosecdef": function.security_definer,
                "pronargs": len(function.name.arguments),
                "proargtypes": _routine(function.name),
                "prorettype": world.oid_of_type(function.returns),
            }
    if name is not None and str(name) in server_names().functions:
        yield {"oid": UNKNOWN, "proname": name, "pronamespace": _namespace("pg_catalog"), "prokind": "f"}


def _pg_roles(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for role in world.state.roles.values():
        yield {
            "oid": Oid("role", role.name, quote(role.name)),
            "rolname": role.name,
            "usename": role.name,
            "rolsuper": role.superuser,
            "rolbypassrls": role.bypass_row_security,
        }


def _pg_extension(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for name, schema in world.state.extensions.items():
        yield {"extname": name, "extnamespace": _namespace(schema)}


# information_schema


def _columns(world: Catalogs, wanted: Wanted) -> Iterator[Row] | None:
    name = wanted.get("table_name")
    if any(view.name.name == name or name is None for view in world.state.views.values()):
        return None  # the columns of views are not known
    tables = world.tables(name)
    return None if any(table.open for table in tables) else _column_rows(tables)


def _column_rows(tables: Iterable[TableState]) -> Iterator[Row]:
    for table in tables:
        for number, column in enumerate(table.columns.values(), 1):
            plain = column.type.partition("(")[0]
            own = type_name(column.type) is not None
            yield {
                "table_schema": table.name.schema,
                "table_name": table.name.name,
                "column_name": column.name,
                "ordinal_position": number,
                "is_nullable": "NO" if column.not_null else "YES",
                "data_type": "ARRAY" if column.type.endswith("[]") else "USER-DEFINED" if own else plain,
                "column_default": None if column.default is None else UNKNOWN,
                "is_identity": "YES" if column.identity else "NO",
                "is_generated": "NEVER" if column.generated is None else "ALWAYS",
            }


def _information_tables(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_of(wanted, "table_name"):
        kind = "FOREIGN" if table.kind == "foreign" else "BASE TABLE"
        yield {"table_schema": table.name.schema, "table_name": table.name.name, "table_type": kind}
    for view in world.state.views.values():
        if not view.materialized:
            yield {"table_schema": view.name.schema, "table_name": view.name.name, "table_type": "VIEW"}


def _information_views(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for view in world.state.views.values():
        if not view.materialized:
            yield {"table_schema": view.name.schema, "table_name": view.name.name}


_CONSTRAINT_TYPES = {"p": "PRIMARY KEY", "u": "UNIQUE", "f": "FOREIGN KEY", "c": "CHECK"}


def _table_constraints(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in _tables_of_constraint(world, wanted):
        for kind, item in _constraints(table, wanted.get("constraint_name")):
            if kind in _CONSTRAINT_TYPES:
                yield _usage(table, item) | {"constraint_type": _CONSTRAINT_TYPES[kind]}


def _tables_of_constraint(world: Catalogs, wanted: Wanted) -> list[TableState]:
    if "table_name" in wanted:
        return world.tables_of(wanted, "table_name")
    return world.tables_with_constraint(wanted.get("constraint_name"))


def _usage(table: TableState, item: Any) -> dict[str, Value]:
    return {
        "constraint_schema": table.name.schema,
        "constraint_name": item.name,
        "table_schema": table.name.schema,
        "table_name": table.name.name,
    }


def _key_column_usage(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in _tables_of_constraint(world, wanted):
        for kind, item in _constraints(table, wanted.get("constraint_name")):
            for number, column in enumerate(item.columns if kind in "puf" else (), 1):
                yield _usage(table, item) | {"column_name": column, "ordinal_position": number}


def _constraint_column_usage(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_with_constraint(wanted.get("constraint_name")):
        for kind, item in _constraints(table, wanted.get("constraint_name")):
            place = item.target.table if kind == "f" else table.name
            for column in item.target.columns if kind == "f" else item.columns if kind in "pu" else ():
                yield _usage(table, item) | {
                    "table_schema": place.schema,
                    "table_name": place.name,
                    "column_name": column,
                }


def _referential_constraints(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_with_constraint(wanted.get("constraint_name")):
        for key in table.foreign_keys.values():
            yield {
                "constraint_schema": table.name.schema,
                "constraint_name": key.name,
                "delete_rule": key.on_delete,
                "update_rule": key.on_update,
                "unique_constraint_name": table.key_indexes.get(key.name, UNKNOWN),
                "unique_constraint_schema": key.target.table.schema,
            }


def _schemata(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for name in (*world.state.namespaces, "pg_catalog", "information_schema"):
        yield {"schema_name": name}


def _information_routines(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for function in world.state.functions.values():
        kind = "PROCEDURE" if function.kind == "procedure" else "FUNCTION"
        place = {"routine_schema": function.name.schema, "routine_name": function.name.name}
        yield place | {"routine_type": kind, "security_type": "DEFINER" if function.security_definer else "INVOKER"}


def _information_triggers(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for table in world.tables_of(wanted, "event_object_table"):
        for trigger in table.triggers.values():
            for event in sorted(trigger.events - {"truncate"}):
                yield {
                    "trigger_schema": table.name.schema,
                    "trigger_name": trigger.name,
                    "event_object_schema": table.name.schema,
                    "event_object_table": table.name.name,
                    "event_manipulation": event.upper(),
                    "action_timing": trigger.timing,
                }


def _information_sequences(world: Catalogs, wanted: Wanted) -> Iterator[Row]:
    for name in world.state.sequences:
        yield {"sequence_schema": name.schema, "sequence_name": name.name}


_RELATIONS: dict[str, Callable[[Catalogs, Wanted], Iterable[Row] | None]] = {
    "pg_attribute": _pg_attribute,
    "pg_authid": _pg_roles,
    "pg_class": _pg_class,
    "pg_constraint": _pg_constraint,
    "pg_enum": _pg_enum,
    "pg_extension": _pg_extension,
    "pg_index": _pg_index,
    "pg_indexes": _pg_indexes,
    "pg_inherits": _pg_inherits,
    "pg_matviews": _pg_matviews,
    "pg_namespace": _pg_namespace,
    "pg_policies": _pg_policies,
    "pg_policy": _pg_policy,
    "pg_proc": _pg_proc,
    "pg_roles": _pg_roles,
    "pg_tables": _pg_tables,
    "pg_trigger": _pg_trigger,
    "pg_type": _pg_type,
    "pg_user": _pg_roles,
    "pg_views": _pg_views,
    "information_schema.columns": _columns,
    "information_schema.constraint_column_usage": _constraint_column_usage,
    "information_schema.key_column_usage": _key_column_usage,
    "information_schema.referential_constraints": _referential_constraints,
    "information_schema.routines": _information_routines,
    "information_schema.schemata": _schemata,
    "information_schema.sequences": _information_sequences,
    "information_schema.table_constraints": _table_constraints,
    "information_schema.tables": _information_tables,
    "information_schema.triggers": _information_triggers,
    "information_schema.views": _information_views,
}
