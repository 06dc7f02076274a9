"""Where the database itself stores an identity: triggers, defaults and functions that write ``auth.uid()`` or
``NEW.id``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal, NamedTuple

from referee.model.identity import Identity, Write, Writer
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.schema import ForeignKey, Function, Schema, Trigger
from referee.sql.bodies import place_of, read_body, variable_values, writes
from referee.sql.expressions import describe, is_session_identity, read_expression
from referee.sql.queries import with_columns
from referee.sql.resolve import effective_path, resolve_table
from referee.sql.tree import Assignment, Body, Call, Case, Cast, Column, Expr, Query, Step, Subquery, TableUse

#: What a stored value is, with the expression that says so: "session" for the id of the request's user, "new.id" for
#: a field of NEW.
Origins = Mapping[str, Expr]
Values = Mapping[str, tuple[Expr, ...]]

SESSION = "session"

# Bodies without any of these cannot speak of the session's user; most bodies are never parsed.
_SPEAKS_OF_SESSION = re.compile(r"\buid\b|\bjwt\b|request\.jwt", re.IGNORECASE)
_SPEAKS_OF_NEW = re.compile(r"\bnew\s*\.", re.IGNORECASE)
_SPEAKS_OF_INSERT = re.compile(r"\b(insert|merge)\b", re.IGNORECASE)
_READ = frozenset(("sql", "plpgsql"))
_PASSED_ON = frozenset(("coalesce", "greatest", "least"))
_NOWHERE = QName("", "")
_TYPES_OF_IDS = frozenset(("uuid", "text", "character varying"))
_NONE: Values = {}


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
    value: Expr
    where: Literal["trigger", "default", "function"]
    owner: Ref
    place: Place
    table: QName
    column: str
    statement: Statement | None = None
    trigger: Trigger | None = None
    misread: bool = False

    @property
    def expression(self) -> str:
        """The value as it is printed: ``auth.uid()``, ``NEW.id``."""
        return describe(self.value) if self.origin == SESSION else f"NEW.{self.origin.removeprefix('new.')}"


def fires(trigger: Trigger | None) -> bool:
    """Whether a trigger fires in an ordinary session."""
    return trigger is not None and trigger.enabled in ("origin", "always")


def find_stored(schema: Schema, source: Target, writer: Writer) -> tuple[Stored, ...]:
    """Every place that stores the session's user, or a field of a new row of the source."""
    wrappers = _wrappers(schema)
    return (*_in_defaults(schema, wrappers), *_in_functions(schema, source, writer, wrappers))


def find_stored_by(schema: Schema, tables: Iterable[QName], writer: Writer) -> tuple[Stored, ...]:
    """Every place that stores a field of NEW in the triggers of these tables."""
    watched = frozenset(tables)
    functions: dict[QName, Function] = {}
    for name in watched:
        table = schema.table(name)
        for trigger in table.triggers if table is not None else ():
            function = schema.functions.get(trigger.function_name)
            if function is not None and function.language in _READ and _SPEAKS_OF_NEW.search(function.body):
                functions[trigger.function] = function
    found = (_Reading(schema, functions[name], writer).stored_by(watched) for name in sorted(functions))
    return tuple(chain.from_iterable(found))


def _wrappers(schema: Schema) -> Values:
    """The project's own functions that only answer who the session's user is, by their calls: "public.me()" and
    "me()".
    """
    found: dict[str, tuple[Expr, ...]] = {}
    for function in schema.functions.values():
        if function.returns not in _TYPES_OF_IDS or function.name.arguments or schema.is_managed(function.name.schema):
            continue
        if function.language in _READ and _SPEAKS_OF_SESSION.search(function.body):
            values = [_answer(step) for step in read_body(function.language, function.body).steps]
            if len(values) == 1 and values[0] is not None and is_session_identity(values[0]):
                found[f"{function.name.name}()"] = found[f"{function.name.schema}.{function.name.name}()"] = (
                    values[0],
                )
    return found


def _answer(step: Step) -> Expr | None:
    """What a function returns that has only this statement."""
    if step.kind == "return":
        return step.value
    query = step.query
    if query is None or query.action != "select" or query.sources or query.conditions or len(query.outputs) != 1:
        return None
    return query.outputs[0].value


def _in_defaults(schema: Schema, wrappers: Values) -> Iterator[Stored]:
    speaks = _speaks(wrappers)
    for table in schema.own_tables:
        for column in table.columns:
            if column.default is None or not speaks.search(column.default):
                continue
            value = origins(read_expression(column.default), wrappers).get(SESSION)
            if value is not None:
                ref = Ref("column", *table.name, column.name)
                yield Stored(SESSION, value, "default", ref, Place(ref), table.name, column.name)


def _in_functions(schema: Schema, source: Target, writer: Writer, wrappers: Values) -> Iterator[Stored]:
    speaks = _speaks(wrappers)
    watched = frozenset({source.table})
    for function in schema.functions.values():
        if function.language not in _READ or schema.is_managed(function.name.schema):
            continue
        if speaks.search(function.body) or _may_store_new(schema, function, source):
            yield from _Reading(schema, function, writer, watched, wrappers).stored()


def _speaks(wrappers: Values) -> re.Pattern[str]:
    """Matches texts that may speak of the session's user."""
    names = sorted({name.removesuffix("()").rpartition(".")[2] for name in wrappers})
    if not names:
        return _SPEAKS_OF_SESSION
    return re.compile("|".join([_SPEAKS_OF_SESSION.pattern, *map(re.escape, names)]), re.IGNORECASE)


def _may_store_new(schema: Schema, function: Function, source: Target) -> bool:
    """Whether a function is a trigger's on the source, or could be one but no trigger calls it."""
    if function.returns != "trigger" or not _SPEAKS_OF_NEW.search(function.body):
        return False
    triggers = schema.triggers_by_function.get(function.name.qualified, ())
    if not triggers:
        return _SPEAKS_OF_INSERT.search(function.body) is not None
    return any(trigger.table == source.table for trigger in triggers)


class _Found(NamedTuple):
    """Identities that a statement puts into a column, whichever trigger runs it."""

    table: QName
    column: str
    misread: bool
    origins: Origins
    at: tuple[int, int]
    statement: Statement


class _Reading:
    """A function, read once for all the triggers that call it. ``sign_up`` are tables that only the sign-up writes."""

    def __init__(
        self,
        schema: Schema,
        function: Function,
        writer: Writer,
        sign_up: frozenset[QName] = frozenset(),
        wrappers: Values = _NONE,
    ) -> None:
        self._schema = schema
        self._function = function
        self._owner = function.ref
        self._writer = writer
        self._sign_up = sign_up
        self._body = read_body(function.language, function.body)
        self._values: Values = {**wrappers, **variable_values(self._body)}
        self._by_path: dict[tuple[str, ...], list[_Found]] = {}

    def stored(self) -> Iterator[Stored]:
        """What it stores of the session, and of new rows of the source."""
        if self._function.returns != "trigger":
            for found in self._under(effective_path(self._function, self._writer.api_path)):
                if SESSION in found.origins:
                    yield self._stored(found, SESSION, "function", None)
            return
        for trigger, found in self._runs():
            for origin in found.origins:
                if origin == SESSION or trigger is None or trigger.table in self._sign_up:
                    yield self._stored(found, origin, "trigger", trigger)

    def stored_by(self, watched: frozenset[QName]) -> Iterator[Stored]:
        """What it stores of new rows of these tables."""
        for trigger, found in self._runs():
            if trigger is not None and trigger.table in watched:
                for origin in found.origins:
                    if origin != SESSION:
                        yield self._stored(found, origin, "trigger", trigger)

    def _stored(
        self, found: _Found, origin: str, where: Literal["trigger", "function"], trigger: Trigger | None
    ) -> Stored:
        return Stored(
            origin,
            found.origins[origin],
            where,
            self._owner,
            Place(self._owner, found.at),
            found.table,
            found.column,
            found.statement,
            trigger,
            found.misread,
        )

    def _runs(self) -> Iterator[tuple[Trigger | None, _Found]]:
        in_new = list(self._in_new())
        for trigger in self._schema.triggers_by_function.get(self._function.name.qualified) or (None,):
            if trigger is not None and _changes_rows(trigger):
                for found in in_new:
                    yield trigger, _Found(trigger.table, *found[1:])
            signs_up = trigger is None or trigger.table in self._sign_up
            path = self._writer.search_path if signs_up else self._writer.api_path
            for found in self._under(effective_path(self._function, path)):
                yield trigger, found

    def _in_new(self) -> Iterator[_Found]:
        """What is assigned to the fields of NEW; the table is that of the trigger."""
        for step in self._body.steps:
            if step.kind == "assign" and step.value is not None and step.target.startswith("new."):
                what = origins(step.value, self._values)
                if what:
                    statement = Statement(self._function, self._body, step)
                    column = step.target.removeprefix("new.")
                    yield _Found(_NOWHERE, column, False, what, place_of(step), statement)

    def _under(self, path: tuple[str, ...]) -> list[_Found]:
        """What its statements put into columns, with names looked up under a search_path."""
        found = self._by_path.get(path)
        if found is None:
            found = self._by_path[path] = list(self._in_statements(path))
        return found

    def _in_statements(self, path: tuple[str, ...]) -> Iterator[_Found]:
        for step, query in writes(self._body):
            if query.action not in ("insert", "update", "merge") or query.target is None:
                continue
            table, misread = self._resolve(path, query.target)
            if table is None:
                continue
            statement = Statement(self._function, self._body, step, query)
            for assignment in _assignments(self._schema, table, query):
                what = origins(assignment.value, self._values) if assignment.value is not None else None
                if what:
                    yield _Found(table, assignment.column, misread, what, place_of(step, assignment), statement)

    def _resolve(self, path: tuple[str, ...], use: TableUse) -> tuple[QName | None, bool]:
        """The table that a statement writes, and whether that is a guess. Where a bare name means nothing, or a table
        of the platform, the one that it would mean in a request is taken for the one that was meant.
        """
        found = resolve_table(self._schema, path, use)
        if use.schema is not None or (found is not None and not self._schema.is_managed(found.schema)):
            return found, False
        meant = resolve_table(self._schema, self._writer.api_path, use)
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

    ``values`` are what variables may hold, whichever of their assignments ran, and what calls like "me()" answer.
    """
    found: dict[str, Expr] = {}
    seen: set[tuple[str, ...]] = set()
    stack = [value]
    while stack:
        expr = stack.pop()
        if is_session_identity(expr):
            found.setdefault(SESSION, expr)
        elif not isinstance(expr, Column):
            stack.extend(_passed_on(expr, values))
        elif len(expr.parts) == 2 and expr.parts[0] == "new":
            found.setdefault(f"new.{expr.parts[1]}", expr)
        elif expr.parts not in seen:
            seen.add(expr.parts)
            stack.extend(values.get(".".join(expr.parts), ()))
    return found


def _passed_on(expr: Expr, values: Values) -> Sequence[Expr]:
    """The expressions whose value may be the value of this one."""
    if isinstance(expr, Cast):
        return (expr.arg,)
    if isinstance(expr, Call) and not expr.args:
        return values.get(f"{expr.name}()" if expr.schema is None else f"{expr.schema}.{expr.name}()", ())
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
    reached = [key for column in columns for key in keys.get(column, ())]
    reaches = tuple(dict.fromkeys(reached)) if len(reached) > 1 else tuple(reached)
    return Write(first.expression, first.where, first.owner, first.place, columns, reaches)


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
