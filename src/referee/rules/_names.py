"""Names in function bodies that lead nowhere, or elsewhere than meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal as OneOf
from typing import NamedTuple

from referee.model.names import QName, quote
from referee.model.schema import Schema, Table
from referee.sql.expressions import children, expressions_of
from referee.sql.queries import queries_in
from referee.sql.resolve import Found, find_table, resolve_function, resolve_type
from referee.sql.tree import (
    Assignment,
    Body,
    Call,
    Cast,
    Column,
    Expr,
    Literal,
    Query,
    Step,
    Subquery,
    TableUse,
    Variable,
)

Kind = OneOf["table", "function", "type", "column", "field", "arbiter", "astray"]

_SQLSTATES = {
    "table": "42P01",
    "function": "42883",
    "type": "42704",
    "column": "42703",
    "field": "42703",
    "arbiter": "42P10",
    "astray": "",
}
_SETS_PATH = re.compile(r"\bset(?:_config\s*\(\s*'|\s+(?:local\s+|session\s+)?)search_path\b", re.IGNORECASE)
_ROW_FIELDS = frozenset({"new", "old"})
_SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"})


@dataclass(frozen=True, slots=True)
class NameFault:
    """A name that fails when the statement with it runs.

    ``text`` is the name as it would be printed, ``elsewhere`` where it exists beyond reach, ``unseen`` whether it names
    a schema that nothing creates. ``table`` is the table that lacks a column, a field or an arbiter. A name gone
    "astray" does not fail: it finds ``table`` instead of what was meant; ``action`` is then what the query does.
    """

    kind: Kind
    text: str
    within: tuple[int, int]
    elsewhere: tuple[QName, ...] = ()
    unseen: bool = False
    table: QName | None = None
    action: str = ""

    @property
    def sqlstate(self) -> str:
        return _SQLSTATES[self.kind]

    @property
    def is_bare_table(self) -> bool:
        """Whether it is a table without its schema, as transition tables of triggers are named."""
        return self.kind == "table" and "." not in self.text


def names_are_settled(body: Body) -> bool:
    """Whether the search_path stays what it is while a body runs."""
    return not any("search_path" in step.text.lower() and _SETS_PATH.search(step.text) for step in body.steps)


def made_in(body: Body) -> frozenset[str]:
    """The tables that a body creates, mostly temporary ones, by their bare names."""
    made = (step.query for step in body.steps if step.query is not None and step.query.action == "ddl")
    return frozenset(query.target.name for query in made if query.target is not None)


def queries_of(step: Step) -> Iterator[Query]:
    """Every query of a step, those inside its expressions included; each once."""
    if step.query is not None:
        yield from queries_in(step.query)
    if step.value is not None:
        for node in nodes(step.value):
            if isinstance(node, Subquery):
                yield from queries_in(node.query)


def nodes(expr: Expr) -> Iterator[Expr]:
    """An expression and all inside it, but for what stands in its subqueries."""
    stack = [expr]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(children(found)))


def nodes_of(step: Step) -> Iterator[Expr]:
    """Every expression of a step, those of all its queries included; each once."""
    if step.value is not None:
        yield from nodes(step.value)
    for query in queries_of(step):
        for expr in expressions_of(query):
            yield from nodes(expr)


class Mentions(NamedTuple):
    """Everything that one step names, sorted once: of a thousand functions most have nothing to report."""

    step: Step
    queries: tuple[Query, ...]
    calls: tuple[Call, ...]
    casts: tuple[Cast, ...]
    columns: tuple[Column, ...]


def mentions_of(step: Step) -> Mentions:
    """What a step names, its queries and those inside its expressions included; each once, in no order."""
    queries = tuple(queries_of(step))
    stack: list[Expr] = [] if step.value is None else [step.value]
    for query in queries:
        stack.extend(expressions_of(query))
    calls: list[Call] = []
    casts: list[Cast] = []
    columns: list[Column] = []
    while stack:
        found = stack.pop()
        if isinstance(found, Column):
            columns.append(found)
        elif not isinstance(found, Literal):
            if isinstance(found, Call):
                calls.append(found)
            elif isinstance(found, Cast):
                casts.append(found)
            stack.extend(children(found))
    return Mentions(step, queries, tuple(calls), tuple(casts), tuple(columns))


# Tables, functions and types


def unresolved(schema: Schema, path: tuple[str, ...], said: Mentions, made: frozenset[str]) -> Iterator[NameFault]:
    """The tables, functions and types that a step names and that do not exist where they are looked for."""
    for query in said.queries:
        if query.action != "ddl":
            yield from _tables(schema, path, query, made)
    for call in said.calls:
        fault = _function(schema, path, call)
        if fault is not None:
            yield fault
    for cast in said.casts:
        fault = _type(schema, path, cast, said.step)
        if fault is not None:
            yield fault


def meant_table(schema: Schema, path: tuple[str, ...], use: TableUse) -> Table | None:
    """The table that a name means, or was meant to mean: the project's only one of that name where none is reached."""
    found = find_table(schema, path, use.schema, use.name)
    if found.name is not None:
        return schema.table(found.name)
    own = [place for place in found.elsewhere if not schema.is_managed(place.schema)]
    return schema.table(own[0]) if use.schema is None and len(own) == 1 else None


def tables_of(query: Query) -> Iterator[TableUse]:
    """The tables that a query itself names, the written one first."""
    if query.target is not None:
        yield query.target
    yield from query.sources


def _tables(schema: Schema, path: tuple[str, ...], query: Query, made: frozenset[str]) -> Iterator[NameFault]:
    for use in tables_of(query):
        if use.schema is None and use.name in made:
            continue
        found = find_table(schema, path, use.schema, use.name)
        if found.kind == "missing":
            yield _fault(schema, "table", use.schema, use.name, _place(use), found)


def _function(schema: Schema, path: tuple[str, ...], call: Call) -> NameFault | None:
    found = resolve_function(schema, path, call)
    if found.kind != "missing" or call.start < 0:
        return None
    within = (call.start, call.start + len(_written(call.schema, call.name)))
    return _fault(schema, "function", call.schema, call.name, within, found)


def _type(schema: Schema, path: tuple[str, ...], cast: Cast, step: Step) -> NameFault | None:
    if cast.type.endswith("%type"):
        return None
    found = resolve_type(schema, path, cast.type_schema, cast.type)
    if found.kind != "missing":
        return None
    end = cast.start + len(_written(cast.type_schema, cast.type))
    within = (cast.start, end) if cast.start >= 0 else (step.start, step.end)
    return _fault(schema, "type", cast.type_schema, cast.type, within, found)


_DECLARED = re.compile(
    r"(?:([a-z_][\w$]*)\.)?([a-z_][\w$]*)(%rowtype|(?:\.[a-z_][\w$]*)%type)?", re.IGNORECASE | re.ASCII
)


def unresolved_variable(schema: Schema, path: tuple[str, ...], variable: Variable) -> NameFault | None:
    """The type of a declared variable, where it does not exist; a body with one never runs at all."""
    match = _DECLARED.match(variable.type.strip())
    if match is None or variable.start < 0:
        return None
    named_schema, name, of_table = match[1], match[2], match[3]
    rest = variable.type.strip()[match.end() :].lstrip()
    if rest and not rest.startswith(("(", "[", "array")):
        return None  # "double precision" and its kind
    named_schema = named_schema.lower() if named_schema else None
    name = name.lower()
    found: Found
    if of_table:
        found = find_table(schema, path, named_schema, name)
    elif "%" in variable.type:
        return None  # the type of another variable
    else:
        found = resolve_type(schema, path, named_schema, name)
    if found.kind != "missing":
        return None
    within = (variable.start, variable.start + len(variable.name))
    return _fault(schema, "table" if of_table else "type", named_schema, name, within, found)


def _fault(
    schema: Schema, kind: Kind, named_schema: str | None, name: str, within: tuple[int, int], found: Found
) -> NameFault:
    """A name that was not found. One that names its schema is not meant to be anywhere else; nor is a bare name of a
    table meant to be one of the platform's."""
    elsewhere = found.elsewhere if named_schema is None else ()
    if kind == "table":
        elsewhere = tuple(place for place in elsewhere if not schema.is_managed(place.schema))
    text = _written(named_schema, name) + ("()" if kind == "function" else "")
    unseen = named_schema is not None and named_schema not in schema.namespaces
    return NameFault(kind, text, within, elsewhere, unseen)


def _written(named_schema: str | None, name: str) -> str:
    return quote(name) if named_schema is None else f"{quote(named_schema)}.{quote(name)}"


def _place(use: TableUse) -> tuple[int, int]:
    return use.start, max(use.end, use.start + 1)


# Columns


def missing_columns(schema: Schema, path: tuple[str, ...], said: Mentions, made: frozenset[str]) -> Iterator[NameFault]:
    """The columns that the queries of a step name and that their tables do not have."""
    if not said.queries:
        return
    qualified = any(len(column.parts) > 1 and column.parts[0] not in _ROW_FIELDS for column in said.columns)
    for query in said.queries:
        if query.action == "ddl":
            continue
        tables = dict(_known_tables(schema, path, query, made))
        target = tables.get(query.target) if query.target is not None else None
        if target is not None:
            yield from _assigned(target, query)
            yield from _missing_arbiter(target, query)
        names = _names_of_tables(tables, query) if qualified else {}
        for expr in expressions_of(query) if names else ():
            for node in nodes(expr):
                if isinstance(node, Column) and (table := names.get(node.parts[:-1])) and node.start >= 0:
                    yield from _qualified_column(table, node)


def _known_tables(
    schema: Schema, path: tuple[str, ...], query: Query, made: frozenset[str]
) -> Iterator[tuple[TableUse, Table]]:
    for use in tables_of(query):
        if use.schema is None and use.name in made:
            continue
        name = find_table(schema, path, use.schema, use.name).name
        table = schema.table(name) if name is not None else None
        if table is not None and table.columns and not schema.is_managed(table.name.schema):
            yield use, table


def _names_of_tables(tables: dict[TableUse, Table], query: Query) -> dict[tuple[str, ...], Table]:
    """What stands before the dot, for tables that only one thing in scope is called by."""
    names: dict[tuple[str, ...], Table | None] = {}
    for use, table in tables.items():
        called = [(use.alias,)] if use.alias else [(use.name,), (table.name.schema, use.name)]
        for name in called:
            names[name] = None if name in names and names[name] is not table else table
    return {name: table for name, table in names.items() if table is not None and name[-1] not in query.derived}


def _assigned(table: Table, query: Query) -> Iterator[NameFault]:
    on_conflict = query.on_conflict
    for assignment in (*query.assignments, *(on_conflict.assignments if on_conflict is not None else ())):
        if table.column(assignment.column) is None:
            yield _missing_column(table, assignment.column, _column_place(assignment))


def _column_place(assignment: Assignment) -> tuple[int, int]:
    start = assignment.column_start if assignment.column_start >= 0 else assignment.start
    return start, start + len(quote(assignment.column))


def _missing_column(table: Table, column: str, within: tuple[int, int]) -> NameFault:
    return NameFault("column", f"{table.name}.{quote(column)}", within, table=table.name)


def _qualified_column(table: Table, column: Column) -> Iterator[NameFault]:
    name = column.parts[-1]
    if name != "*" and name not in _SYSTEM_COLUMNS and table.column(name) is None:
        yield _missing_column(table, name, (column.start, column.start + len(".".join(column.parts))))


def _missing_arbiter(table: Table, query: Query) -> Iterator[NameFault]:
    """ON CONFLICT needs a unique index on exactly the columns that it lists; expressions in it are not looked at."""
    conflict = query.on_conflict
    if conflict is None or conflict.start < 0:
        return
    within = (conflict.start, conflict.start + len("ON CONFLICT"))
    if conflict.constraint is not None:
        known = {key.name for key in table.keys} | {exclusion.name for exclusion in table.exclusions}
        if conflict.constraint not in known:
            text = f"a constraint {quote(conflict.constraint)} of {table.name}"
            yield NameFault("arbiter", text, within, table=table.name)
        return
    wanted = frozenset(conflict.columns)
    if wanted and wanted <= table.column_by_name.keys() and not _has_arbiter(table, wanted):
        text = f"a unique constraint of {table.name} on ({', '.join(quote(name) for name in conflict.columns)})"
        yield NameFault("arbiter", text, within, table=table.name)


def _has_arbiter(table: Table, wanted: frozenset[str]) -> bool:
    if any(frozenset(key.columns) == wanted for key in table.keys):
        return True
    # The clause may repeat a partial index's predicate or list an expression too; neither is compared here.
    return any(
        index.unique and wanted == {column for column in index.columns if column is not None} for index in table.indexes
    )


def uses_row(said: Mentions) -> bool:
    """Whether a step speaks of a field of NEW or OLD."""
    if said.step.kind == "assign" and said.step.target.partition(".")[0] in _ROW_FIELDS:
        return True
    return any(column.parts[0] in _ROW_FIELDS for column in said.columns)


def missing_fields(table: Table, said: Mentions) -> Iterator[NameFault]:
    """The fields of NEW and OLD that a trigger's table does not have."""
    step = said.step
    parts = tuple(step.target.split(".")) if step.kind == "assign" else ()
    if len(parts) == 2 and parts[0] in _ROW_FIELDS and table.column(parts[1]) is None:
        yield _missing_field(table, parts, step.start)
    for column in said.columns:
        if len(column.parts) == 2 and column.parts[0] in _ROW_FIELDS:
            name = column.parts[1]
            if table.column(name) is None and name != "*" and name not in _SYSTEM_COLUMNS:
                yield _missing_field(table, column.parts, column.start if column.start >= 0 else step.start)


def _missing_field(table: Table, parts: tuple[str, ...], start: int) -> NameFault:
    text = f"{parts[0].upper()}.{quote(parts[1])}"
    return NameFault("field", text, (start, start + len(text)), table=table.name)


def without_repetition(faults: Iterable[NameFault]) -> list[NameFault]:
    """The faults in the order in which Postgres meets them, tables first, each name once."""
    found: dict[tuple[str, str], NameFault] = {}
    for fault in sorted(faults, key=lambda fault: (fault.kind != "table", fault.within)):
        found.setdefault((fault.kind, fault.text), fault)
    return list(found.values())
