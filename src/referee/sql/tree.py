"""What referee keeps of an expression, a query and a function body.

These are msgspec structs and not dataclasses because they are made by the thousand and kept in the cache between runs:
msgspec tells the members of a union apart by their tags and reads them back at C speed.

Offsets are characters from the start of the text that was read: an expression's own text, or a function's whole body.
Names are folded as Postgres folds them. A ``schema`` is None where the text names none.
"""

from __future__ import annotations

from typing import Literal as OneOf

from msgspec import Struct


class Node(Struct, frozen=True, tag_field="node", tag=True, array_like=True, gc=False, forbid_unknown_fields=True):
    """Base of all nodes."""


# Expressions


class Literal(Node, frozen=True):
    """A constant as text; None is NULL."""

    value: str | None
    kind: OneOf["null", "string", "number", "boolean"] = "string"


class Column(Node, frozen=True):
    """A name that stands for a value: a column, a variable, or a field such as ``NEW.id`` (``("new", "id")``)."""

    parts: tuple[str, ...]
    start: int = -1


class Call(Node, frozen=True):
    """A function call. COALESCE, GREATEST, LEAST, NULLIF and CURRENT_TIMESTAMP and its kind are calls too."""

    schema: str | None
    name: str
    args: tuple[Expr, ...] = ()
    start: int = -1


class Cast(Node, frozen=True):
    """A cast. ``type_schema`` and ``type`` are the name as written, arrays with "[]", without modifiers."""

    arg: Expr
    type_schema: str | None
    type: str
    start: int = -1


class Operator(Node, frozen=True):
    """An operator, or AND, OR, NOT, IS NULL, IS NOT NULL, IN, BETWEEN, LIKE, ANY, ... as its lower-case name.

    ``x IS DISTINCT FROM y`` is "is distinct from"; ``a -> 'b'`` is "->".
    """

    name: str
    args: tuple[Expr, ...] = ()


class Case(Node, frozen=True):
    """CASE. ``tests`` and ``results`` run in step; a simple CASE keeps its subject as ``subject``."""

    tests: tuple[Expr, ...]
    results: tuple[Expr, ...]
    otherwise: Expr | None = None
    subject: Expr | None = None


class Subquery(Node, frozen=True):
    """A query used as a value; ``kind`` is how."""

    query: Query
    kind: OneOf["scalar", "exists", "in", "all", "array"] = "scalar"
    test: Expr | None = None


class Other(Node, frozen=True):
    """Anything else, with the expressions inside it."""

    children: tuple[Expr, ...] = ()


Expr = Literal | Column | Call | Cast | Operator | Case | Subquery | Other


# Queries


class TableUse(Node, frozen=True):
    """A table named in a query. Names of CTEs in scope are not table uses."""

    schema: str | None
    name: str
    alias: str | None = None
    start: int = -1
    end: int = -1


class Assignment(Node, frozen=True):
    """``column <- value``; value is None for DEFAULT, or where a SELECT of unknown width supplies it."""

    column: str
    value: Expr | None
    text: str = ""
    start: int = -1
    end: int = -1
    column_start: int = -1


class OnConflict(Node, frozen=True):
    """ON CONFLICT: its arbiter (columns, or a constraint, or neither) and what it does."""

    action: OneOf["nothing", "update"]
    columns: tuple[str, ...] = ()
    constraint: str | None = None
    assignments: tuple[Assignment, ...] = ()
    start: int = -1


class Output(Node, frozen=True):
    """One item of a SELECT list or of RETURNING, with its name where it has one."""

    name: str | None
    value: Expr


class Query(Node, frozen=True):
    """One SQL statement, or a query inside one; every nested query with a scope of its own is in ``nested`` as well as,
    where it is a value, in the expression that holds it.

    ``target`` is the table written. An INSERT without a column list has ``columns_given`` False and no assignments
    unless the caller supplies the table's columns later: its values are then in ``values``. ``rows`` says where an
    INSERT's rows come from. ``into`` names PL/pgSQL's INTO variables.
    """

    action: OneOf["select", "insert", "update", "delete", "merge", "truncate", "ddl", "other"]
    target: TableUse | None = None
    assignments: tuple[Assignment, ...] = ()
    columns_given: bool = True
    values: tuple[Expr, ...] = ()
    rows: OneOf["values", "select", "default", ""] = ""
    on_conflict: OnConflict | None = None
    sources: tuple[TableUse, ...] = ()
    derived: tuple[str, ...] = ()
    """Aliases in scope that are no tables: CTEs, subqueries, functions in FROM, "excluded"."""
    outputs: tuple[Output, ...] = ()
    conditions: tuple[Expr, ...] = ()
    into: tuple[str, ...] = ()
    nested: tuple[Query, ...] = ()
    start: int = -1
    end: int = -1


# Function bodies


class Guard(Node, frozen=True):
    """A condition that holds where a statement is reached; ``negated`` for an ELSE branch and behind an early
    RETURN."""

    text: str
    condition: Expr | None
    negated: bool = False


class Variable(Node, frozen=True):
    """A declared variable or a named argument. ``type`` is the declared text, such as ``public.users%rowtype``."""

    name: str
    type: str
    default: Expr | None = None
    start: int = -1


class Handler(Node, frozen=True):
    """One EXCEPTION section. ``reraises`` is whether every path through it raises again.

    ``conditions`` are lower case, such as ("others",) or ("unique_violation", "sqlstate '23505'").
    """

    conditions: tuple[str, ...]
    reraises: bool
    start: int
    end: int


class Step(Node, frozen=True):
    """One statement of a body, with what must hold for it to run.

    kind: "query" (SQL, PERFORM, SELECT INTO, FOR ... IN query, and RETURN QUERY), "assign" (``target := value``, target
    lower case and dotted: "new.created_by"), "return" (``value`` None for RETURN without one), "raise" (``level`` is
    "exception", "notice", ...; a bare RAISE has level "reraise"), "execute" (dynamic SQL: ``value`` is the string
    expression), "condition" (the test of an IF, WHILE, CASE, EXIT WHEN: kept because it may read tables), "other".
    ``handlers`` are the indexes in Body.handlers of the EXCEPTION sections that would catch an error raised here; a
    statement inside an EXCEPTION section has ``in_handler`` set to its index. ``loops`` are the loops around it,
    outermost first: each the index in Body.steps of what a FOR or FOREACH runs over, or a negative number of its own.
    """

    kind: OneOf["query", "assign", "return", "raise", "execute", "condition", "other"]
    start: int
    end: int
    text: str = ""
    query: Query | None = None
    target: str = ""
    value: Expr | None = None
    level: str = ""
    guards: tuple[Guard, ...] = ()
    handlers: tuple[int, ...] = ()
    in_handler: int = -1
    in_loop: bool = False
    loops: tuple[int, ...] = ()


class BodyGap(Node, frozen=True):
    """A part of a body that could not be read."""

    message: str
    start: int
    end: int


class Body(Node, frozen=True):
    """A function body: its variables, its steps in the order of the text, its handlers and what could not be read."""

    language: str
    variables: tuple[Variable, ...] = ()
    steps: tuple[Step, ...] = ()
    handlers: tuple[Handler, ...] = ()
    gaps: tuple[BodyGap, ...] = ()
