"""Where the database itself stores an identity: triggers, defaults and functions that write ``auth.uid()`` or
``NEW.id``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from referee.model.identity import Identity, Write, Writer
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.schema import ForeignKey, Function, Schema, Trigger
from referee.sql.bodies import place_of, read_body, variable_values, writes
from referee.sql.expressions import describe, is_session_identity, read_expression
from referee.sql.queries import with_columns
from referee.sql.resolve import effective_path, resolve_table
from referee.sql.tree import Assignment, Body, Call, Case, Cast, Column, Expr, Query, Step, Subquery, TableUse

#: What a stored value is, with the text that says so: "session" for the id of the request's user, "new.id" for a
#: field of NEW.
Origins = Mapping[str, str]
Values = Mapping[str, tuple[Expr, ...]]

SESSION = "session"

# Bodies without any of these cannot speak of the session's user; most bodies are never parsed.
_SPEAKS_OF_SESSION = re.compile(r"\buid\b|\bjwt\b|request\.jwt", re.IGNORECASE)
_SPEAKS_OF_NEW = re.compile(r"\bnew\s*\.", re.IGNORECASE)
_SPEAKS_OF_INSERT = re.compile(r"\b(insert|merge)\b", re.IGNORECASE)
_READ = frozenset(("sql", "plpgsql"))
_PASSED_ON = frozenset(("coalesce", "greatest", "least"))


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """One statement of a function body, read for the identities that it stores."""

    function: Function
    body: Body
    step: Step
    query: Query | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One identity stored in one column.

    ``origin`` is what the value is, as in ``Origins``. ``trigger`` is the one through which the statement runs, None
    for defaults, for other functions and for trigger functions that no trigger calls. ``misread`` is set where the
    name of the table means another one, or none, under the search_path in force, and ``table`` is the one it would
    mean in a request.
    """

    origin: str
    expression: str
    where: Literal["trigger", "default", "function"]
    owner: Ref
    place: Place
    table: QName
    column: str
    statement: Statement | None = None
    trigger: Trigger | None = None
    misread: bool = False


def fires(trigger: Trigger | None) -> bool:
    """Whether a trigger fires in an ordinary session."""
    return trigger is not None and trigger.enabled in ("origin", "always")


def find_stored(schema: Schema, source: Target, writer: Writer) -> tuple[Stored, ...]:
    """Every place that stores the session's user, or a field of a new row of the source."""
    return (*_in_defaults(schema), *_in_functions(schema, source, writer))


def find_stored_by(
    schema: Schema, tables: Iterable[QName], writer: Writer, seen: Iterable[Stored]
) -> tuple[Stored, ...]:
    """Every place that stores a field of NEW in the triggers of these tables, but for the functions already seen."""
    known = {stored.owner for stored in seen}
    functions: dict[Ref, Function] = {}
    for name in tables:
        table = schema.table(name)
        for trigger in table.triggers if table is not None else ():
            function = schema.functions.get(trigger.function_name)
            if function is not None and function.ref not in known and _SPEAKS_OF_NEW.search(function.body):
                functions[function.ref] = function
    return tuple(
        chain.from_iterable(_in_function(schema, function, writer, frozenset()) for function in functions.values())
    )


def _in_defaults(schema: Schema) -> Iterator[Stored]:
    for table in schema.own_tables:
        for column in table.columns:
            if column.default is None or not _SPEAKS_OF_SESSION.search(column.default):
                continue
            expression = read_expression(column.default)
            if is_session_identity(expression):
                ref = Ref("column", *table.name, column.name)
                yield Stored(SESSION, describe(expression), "default", ref, Place(ref), table.name, column.name)


def _in_functions(schema: Schema, source: Target, writer: Writer) -> Iterator[Stored]:
    writers = frozenset({source.table})
    for function in schema.functions.values():
        if function.language not in _READ or schema.is_managed(function.name.schema):
            continue
        if _SPEAKS_OF_SESSION.search(function.body) or _may_store_new(schema, function, source):
            yield from _in_function(schema, function, writer, writers)


def _may_store_new(schema: Schema, function: Function, source: Target) -> bool:
    """Whether a function is a trigger's on the source, or could be one but no trigger calls it."""
    if function.returns != "trigger" or not _SPEAKS_OF_NEW.search(function.body):
        return False
    triggers = schema.triggers_by_function.get(function.name.qualified, ())
    if not triggers:
        return _SPEAKS_OF_INSERT.search(function.body) is not None
    return any(trigger.table == source.table for trigger in triggers)


def _in_function(schema: Schema, function: Function, writer: Writer, sign_up: frozenset[QName]) -> Iterator[Stored]:
    body = read_body(function.language, function.body)
    values = variable_values(body)
    if function.returns != "trigger":
        path = effective_path(function, writer.api_path)
        yield from _Run(schema, function, body, values, "function", path, writer).stored()
        return
    for trigger in schema.triggers_by_function.get(function.name.qualified) or (None,):
        signs_up = trigger is None or trigger.table in sign_up
        path = effective_path(function, writer.search_path if signs_up else writer.api_path)
        yield from _Run(schema, function, body, values, "trigger", path, writer, trigger).stored()


@dataclass(frozen=True, slots=True)
class _Run:
    """A function body, run by one trigger or by none, under the search_path then in force."""

    schema: Schema
    function: Function
    body: Body
    values: Values
    where: Literal["trigger", "function"]
    path: tuple[str, ...]
    writer: Writer
    trigger: Trigger | None = None

    def stored(self) -> Iterator[Stored]:
        if self.trigger is not None and _changes_rows(self.trigger):
            yield from self._in_new(self.trigger.table)
        for step, query in writes(self.body):
            if query.action not in ("insert", "update", "merge") or query.target is None:
                continue
            table, misread = self._resolve(query.target)
            if table is not None:
                for assignment in _assignments(self.schema, table, query):
                    yield from self._in_statement(step, query, assignment, table, misread)

    def _in_new(self, table: QName) -> Iterator[Stored]:
        """What is assigned to the fields of NEW."""
        for step in self.body.steps:
            if step.kind == "assign" and step.value is not None and step.target.startswith("new."):
                statement = Statement(self.function, self.body, step)
                yield from self._all(step.value, place_of(step), table, step.target.removeprefix("new."), statement)

    def _in_statement(
        self, step: Step, query: Query, assignment: Assignment, table: QName, misread: bool
    ) -> Iterator[Stored]:
        if assignment.value is not None:
            statement = Statement(self.function, self.body, step, query)
            at = place_of(step, assignment)
            yield from self._all(assignment.value, at, table, assignment.column, statement, misread)

    def _all(
        self,
        value: Expr,
        at: tuple[int, int],
        table: QName,
        column: str,
        statement: Statement,
        misread: bool = False,
    ) -> Iterator[Stored]:
        owner = self.function.ref
        for origin, text in origins(value, self.values).items():
            place = Place(owner, at)
            yield Stored(origin, text, self.where, owner, place, table, column, statement, self.trigger, misread)

    def _resolve(self, use: TableUse) -> tuple[QName | None, bool]:
        """The table that a statement writes, and whether that is a guess. Where a bare name means nothing, or a table
        of the platform, the one that it would mean in a request is taken for the one that was meant.
        """
        found = resolve_table(self.schema, self.path, use)
        if use.schema is not None or (found is not None and not self.schema.is_managed(found.schema)):
            return found, False
        meant = resolve_table(self.schema, self.writer.api_path, use)
        return (found, False) if meant is None else (meant, meant != found)


def _changes_rows(trigger: Trigger) -> bool:
    """Whether assigning to NEW has any effect."""
    return trigger.timing != "AFTER" and trigger.level == "row" and bool(trigger.events & {"insert", "update"})


def _assignments(schema: Schema, table: QName, query: Query) -> Iterator[Assignment]:
    known = schema.table(table)
    if known is not None and not query.columns_given:
        query = with_columns(query, [column.name for column in known.columns])
    yield from query.assignments
    if query.on_conflict is not None:
        yield from query.on_conflict.assignments


# What a value is


def origins(value: Expr, values: Values) -> Origins:
    """The identities that a value may be; empty where it is none, or is computed from one.

    ``values`` are what variables may hold, whichever of their assignments ran.
    """
    found: dict[str, str] = {}
    seen: set[tuple[str, ...]] = set()
    stack = [value]
    while stack:
        expr = stack.pop()
        if is_session_identity(expr):
            found.setdefault(SESSION, describe(expr))
        elif not isinstance(expr, Column):
            stack.extend(_passed_on(expr))
        elif len(expr.parts) == 2 and expr.parts[0] == "new":
            found.setdefault(f"new.{expr.parts[1]}", f"NEW.{expr.parts[1]}")
        elif expr.parts not in seen:
            seen.add(expr.parts)
            stack.extend(values.get(".".join(expr.parts), ()))
    return found


def _passed_on(expr: Expr) -> Sequence[Expr]:
    """The parts of an expression whose value may be the value of the whole."""
    if isinstance(expr, Cast):
        return (expr.arg,)
    if isinstance(expr, Call) and expr.schema in (None, "pg_catalog"):
        return expr.args if expr.name in _PASSED_ON else expr.args[:1] if expr.name == "nullif" else ()
    if isinstance(expr, Case):
        return expr.results if expr.otherwise is None else (*expr.results, expr.otherwise)
    if isinstance(expr, Subquery) and expr.kind == "scalar" and len(expr.query.outputs) == 1:
        return (expr.query.outputs[0].value,)
    return ()


# What is told of them


def find_writes(identity: Identity, stored: Sequence[Stored]) -> tuple[Write, ...]:
    """One Write for each statement or default that stores this identity, with the user references that it reaches.

    A write that reaches none of them is kept too: it may reach a column that should be one.
    """
    keys = _keys_by_column(identity)
    groups: dict[tuple[Ref, Place | int, str], list[Stored]] = {}
    for one in stored:
        if is_identity_of(identity, one) and (one.where != "trigger" or fires(one.trigger)):
            at = id(one.statement.query or one.statement.step) if one.statement is not None else one.place
            groups.setdefault((one.owner, at, one.origin), []).append(one)
    writes = (_write(group, keys) for group in groups.values())
    return tuple(sorted(writes, key=lambda write: (write.owner, write.place.within or (0, 0), write.expression)))


def _write(group: Sequence[Stored], keys: Mapping[tuple[QName, str], Sequence[ForeignKey]]) -> Write:
    first = group[0]
    columns = tuple(sorted({(one.table, one.column) for one in group}))
    reached = chain.from_iterable(keys.get(column, ()) for column in columns)
    return Write(first.expression, first.where, first.owner, first.place, columns, tuple(dict.fromkeys(reached)))


def is_identity_of(identity: Identity, stored: Stored) -> bool:
    """Whether what is stored is an id of this identity: the session's user, or the key of a new row of source or
    mirror.
    """
    if stored.origin == SESSION:
        return True
    if stored.trigger is None:
        return False
    table, column = stored.trigger.table, stored.origin.removeprefix("new.")
    return Target(table, (column,)) in identity.targets


def _keys_by_column(identity: Identity) -> Mapping[tuple[QName, str], Sequence[ForeignKey]]:
    found: dict[tuple[QName, str], list[ForeignKey]] = {}
    for reference in identity.references:
        found.setdefault((reference.key.table, reference.column), []).append(reference.key)
    return found
