"""Function bodies of any language, read once each, and what rules ask of them.

What a Step says beyond the docstring in ``tree``: ``start`` to ``end`` is the statement without its semicolon, of a
loop the query it runs over. ``text`` is the part that matters: the query (with INTO, and PERFORM as written), the value
that is assigned or returned, the string that EXECUTE runs, the condition; where there is a query, ``text`` begins at
``query.start``. ``value`` of a RAISE holds what it prints, inside an Other. EXECUTE, FETCH, GET DIAGNOSTICS and loops
over anything but a query name their targets in a query of action "other", whose ``values`` are the arguments behind
USING. RETURN NEXT and RETURN QUERY do not end a function, so they are no "return".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from referee.sql import ranges
from referee.sql.describe import describe
from referee.sql.expressions import children
from referee.sql.parse import SqlSyntaxError
from referee.sql.plpgsql import read_plpgsql
from referee.sql.queries import queries_in, read_statement
from referee.sql.split import split
from referee.sql.tree import (
    Assignment,
    Body,
    BodyGap,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    Operator,
    Other,
    Query,
    Step,
    Subquery,
    Variable,
)

_bodies: dict[tuple[str, str], Body] = {}

_ATOMIC = re.compile(r"\s*begin\s+atomic\b", re.IGNORECASE)
_END = re.compile(r"\bend\s*;?\s*\Z", re.IGNORECASE)
_RETURN = re.compile(r"return\b", re.IGNORECASE)
_SELECT = "SELECT "

#: A value that may be more than this many things is taken as it stands.
MAX_ALTERNATIVES = 16


def read_body(language: str, text: str) -> Body:
    """The body of a function in ``language``, read once per process. Nothing is raised, whatever the text.

    Offsets count characters of ``text``. For BEGIN ATOMIC and RETURN bodies ``text`` runs from that word to the end.
    What could not be read, and every body in a language other than SQL and PL/pgSQL, is in ``gaps``.
    """
    key = (language, text)
    body = _bodies.get(key)
    if body is None:
        body = _bodies[key] = _read(language.lower(), text)
    return body


def remember(language: str, text: str, body: Body) -> None:
    """Lets ``read_body`` answer with a body that was read before, in this process or another."""
    _bodies[(language, text)] = body


def recall(language: str, text: str) -> Body | None:
    """The body if this process has read it or was told of it."""
    return _bodies.get((language, text))


def _read(language: str, text: str) -> Body:
    if language == "plpgsql":
        return read_plpgsql(text)
    if language == "sql":
        return _read_sql(text)
    return Body(language, gaps=(BodyGap(f"referee does not read {language or 'this language'}", 0, len(text)),))


# SQL


def _read_sql(text: str) -> Body:
    source = _without_atomic(text)
    steps: list[Step] = []
    gaps: list[BodyGap] = []
    for statement in split(source):
        start, end = ranges.trim(source, statement.start, statement.end)
        try:
            query = _read_sql_statement(statement.text(source)[start - statement.start : end - statement.start], start)
        except SqlSyntaxError as error:
            query = None
            gaps.append(BodyGap(str(error), start, end))
        steps.append(Step("query", start, end, text[start:end], query))
    return Body("sql", steps=tuple(steps), gaps=tuple(gaps))


def _without_atomic(text: str) -> str:
    """The text with BEGIN ATOMIC and its END replaced by blanks."""
    opening = _ATOMIC.match(text)
    if opening is None:
        return text
    closing = _END.search(text, opening.end())
    last = len(text) if closing is None else closing.start()
    return " " * opening.end() + text[opening.end() : last] + " " * (len(text) - last)


def _read_sql_statement(text: str, start: int) -> Query:
    word = _RETURN.match(text)
    if word is None:
        return read_statement(text, start)
    query = read_statement(_SELECT + text[word.end() :], start + word.end() - len(_SELECT))
    return replace(query, start=start, end=start + len(text))


# What a body does


def writes(body: Body) -> Iterator[tuple[Step, Query]]:
    """Each query that writes a table, with the step that it is part of; those in CTEs too."""
    for step in body.steps:
        if step.query is not None:
            for query in queries_in(step.query):
                if query.target is not None and query.action != "ddl":
                    yield step, query


def reads(body: Body) -> Iterator[tuple[Step, Query]]:
    """Each query that reads tables, with its step: statements, queries inside them, and those inside expressions.

    A query in the default of a variable comes with a step of kind "other" that stands for the declaration.
    """
    for step in body.steps:
        for query in _queries_of(step.query, step.value):
            if query.sources:
                yield step, query
    for variable in body.variables:
        for query in _queries_of(None, variable.default):
            if query.sources:
                yield Step("other", variable.start, variable.start + len(variable.name), variable.name), query


def _queries_of(query: Query | None, value: Expr | None) -> Iterator[Query]:
    if query is not None:
        yield from queries_in(query)
    if value is not None:
        for expr in _outside_queries(value):
            if isinstance(expr, Subquery):
                yield from queries_in(expr.query)


def _outside_queries(expr: Expr) -> Iterator[Expr]:
    """The expression and those inside it, but not those inside its subqueries."""
    stack = [expr]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(children(found)))


def place_of(step: Step, assignment: Assignment | None = None) -> tuple[int, int]:
    """The character range of what assigns a value: the statement of a step (``new.created_by := auth.uid()``),
    without its semicolon; of an assignment in its query ``column = value``, or the value alone where the column
    stands apart (INSERT).
    """
    if assignment is None or assignment.start < 0:
        return step.start, step.end
    if step.query is not None and 0 <= assignment.column_start < assignment.start:
        # The text of a step with a query is that of the query.
        between = step.text[assignment.column_start - step.query.start : assignment.start - step.query.start]
        if "=" in between and not set("(,)") & set(between):
            return assignment.column_start, assignment.end
    return assignment.start, assignment.end


# Variables

_UNKNOWN = Other()


def variable_values(body: Body) -> Mapping[str, tuple[Expr, ...]]:
    """All expressions that each variable may be assigned: defaults, ``:=``, INTO by position, FOR loops.

    Names are dotted: "new.created_by", and "rec.id" for a field of a row that a query with named outputs fills.
    ``Other()`` stands for a value that the text does not tell: FETCH, GET DIAGNOSTICS, EXECUTE ... INTO, ``SELECT *``.
    A value that comes from a query is in the scope of that query. What comes in from outside (a field of NEW, an
    argument) and is not assigned on every path has itself among its values.
    """
    found: dict[str, dict[str, Expr]] = {}
    types = {variable.name: variable.type.lower() for variable in body.variables}
    certain = set(types)
    for variable in body.variables:
        if variable.default is not None:
            found[variable.name] = {describe(variable.default): variable.default}
    for step in body.steps:
        for name, value in _assigned(step, types):
            found.setdefault(name, {}).setdefault(describe(value), value)
            if not (step.guards or step.in_loop or step.in_handler >= 0):
                certain.add(name)
    for name in found.keys() - certain:
        itself = Column(tuple(name.split(".")))
        found[name].setdefault(describe(itself), itself)
    return {name: tuple(values.values()) for name, values in found.items()}


def _assigned(step: Step, types: Mapping[str, str]) -> Iterator[tuple[str, Expr]]:
    """The variables that a step assigns, with their values."""
    if step.kind == "assign":
        yield step.target, _UNKNOWN if step.value is None else step.value
    elif step.query is not None and step.query.into:
        yield from _into(step.query, types)


def _into(query: Query, types: Mapping[str, str]) -> Iterator[tuple[str, Expr]]:
    """What INTO assigns: value by value to a list of variables, or a whole row to one."""
    outputs = query.outputs
    complete = bool(outputs) and not any(_is_star(output.value) for output in outputs)
    if len(query.into) > 1:
        for index, name in enumerate(query.into):
            yield name, outputs[index].value if complete and index < len(outputs) else _UNKNOWN
        return
    [name] = query.into
    is_row = types.get(name) == "record" or types.get(name, "").endswith("%rowtype") or len(outputs) > 1
    if complete and not is_row:
        yield name, outputs[0].value
        return
    yield name, Other(tuple([output.value for output in outputs])) if complete else _UNKNOWN
    for output in outputs:
        if output.name is not None and not _is_star(output.value):
            yield f"{name}.{output.name}", output.value


def _is_star(value: Expr) -> bool:
    return isinstance(value, Column) and value.parts[-1] == "*"


def resolve_variables(expr: Expr, values: Mapping[str, tuple[Expr, ...]], depth: int = 8) -> tuple[Expr, ...]:
    """What a value may be once variables are followed, up to ``depth`` assignments back.

    Where the whole value is a variable (casts aside), each of its values is an alternative; inside an expression only
    variables with one value are replaced. A variable that nothing assigns stays as it is, and so does one with more
    than MAX_ALTERNATIVES values, or one that is met again while it is being followed.
    """
    return _Follower(values).alternatives(expr, depth, frozenset())


class _Follower:
    """Follows variables. ``budget`` is how many more may be followed: values that name each other grow without
    bound.
    """

    def __init__(self, values: Mapping[str, tuple[Expr, ...]]) -> None:
        self.values = values
        self.budget = 500

    def known(self, column: Column, depth: int, followed: frozenset[str]) -> tuple[str, tuple[Expr, ...]]:
        """The name of a variable and its values; none where it is not to be followed."""
        name = ".".join(column.parts)
        if name in followed or depth <= 0 or self.budget <= 0 or name not in self.values:
            return name, ()
        self.budget -= 1
        return name, self.values[name]

    def alternatives(self, expr: Expr, depth: int, followed: frozenset[str]) -> tuple[Expr, ...]:
        if isinstance(expr, Cast):
            return tuple([replace(expr, arg=arg) for arg in self.alternatives(expr.arg, depth, followed)])
        if not isinstance(expr, Column):
            return (self.substituted(expr, depth, followed),)
        name, known = self.known(expr, depth, followed)
        if not known or len(known) > MAX_ALTERNATIVES:
            return (expr,)
        found: dict[str, Expr] = {}
        for value in known:
            for resolved in self.alternatives(value, depth - 1, followed | {name}):
                found.setdefault(describe(resolved), resolved)
        return tuple(found.values()) if len(found) <= MAX_ALTERNATIVES else (expr,)

    def substituted(self, expr: Expr, depth: int, followed: frozenset[str]) -> Expr:
        """The expression with variables of one value replaced, outside subqueries."""

        def one(inner: Expr) -> Expr:
            return self.substituted(inner, depth, followed)

        def each(inner: tuple[Expr, ...]) -> tuple[Expr, ...]:
            return tuple([one(arg) for arg in inner])

        if isinstance(expr, Column):
            name, known = self.known(expr, depth, followed)
            return self.substituted(known[0], depth - 1, followed | {name}) if len(known) == 1 else expr
        if isinstance(expr, (Call, Operator)):
            return replace(expr, args=each(expr.args)) if expr.args else expr
        if isinstance(expr, Cast):
            return replace(expr, arg=one(expr.arg))
        if isinstance(expr, Case):
            ends = [None if end is None else one(end) for end in (expr.otherwise, expr.subject)]
            return Case(each(expr.tests), each(expr.results), *ends)
        if isinstance(expr, Other):
            return Other(each(expr.children))
        return expr


__all__ = [
    "Body",
    "Variable",
    "place_of",
    "read_body",
    "reads",
    "remember",
    "resolve_variables",
    "variable_values",
    "writes",
]
