"""Expressions as short canonical text, for messages and for telling values apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from referee.model.names import quote
from referee.sql.builtins import GRAMMAR_CALLS
from referee.sql.tree import (
    Assignment,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    Literal,
    Operator,
    Other,
    Query,
    Subquery,
    TableUse,
)

_POSTFIX = frozenset(
    (
        "is null",
        "is not null",
        "is true",
        "is not true",
        "is false",
        "is not false",
        "is unknown",
        "is not unknown",
        "is document",
    )
)


def describe(expr: Expr) -> str:
    """The expression as text in one way of writing: keywords in lower case, no casts on constants, IN for = ANY
    (ARRAY[...]), LIKE for ~~, >= and <= for BETWEEN.

    Two expressions with the same text mean the same, but for what the nodes do not hold (type modifiers, collations,
    and how the tables of a subquery are joined).

    >>> describe(Operator("any", (Column(("x",)), Operator("array", (Cast(Literal("a"), None, "text"),)))))
    "x = 'a'"
    """
    return _WRITERS[type(expr)](expr)


def _literal(expr: Literal) -> str:
    if expr.value is None:
        return "null"
    return "'" + expr.value.replace("'", "''") + "'" if expr.kind == "string" else expr.value


def _column(expr: Column) -> str:
    return ".".join([part if part == "*" or part.startswith("$") else quote(part) for part in expr.parts])


def _call(expr: Call) -> str:
    if expr.schema is None and expr.name in GRAMMAR_CALLS:
        # CURRENT_USER has no parentheses; quoted, coalesce would be a function of that name.
        return f"{expr.name}({_list(expr.args)})" if expr.args else expr.name
    name = quote(expr.name) if expr.schema is None else f"{quote(expr.schema)}.{quote(expr.name)}"
    return f"{name}({_list(expr.args)})"


def _cast(expr: Cast) -> str:
    inner = expr.arg
    while isinstance(inner, Cast):
        inner = inner.arg
    if isinstance(inner, Literal) or (isinstance(inner, Operator) and inner.name == "array"):
        return describe(inner)
    name = expr.type if expr.type_schema is None else f"{expr.type_schema}.{expr.type}"
    return f"{_operand(expr.arg)}::{name}"


def _operator(expr: Operator) -> str:
    name, args = expr.name, expr.args
    writer = _OPERATORS.get(name)
    if writer is not None:
        return writer(args)
    if len(args) == 1:
        if name in _POSTFIX:
            return f"{_operand(args[0])} {name}"
        return f"{name} {_operand(args[0])}"
    if name.endswith((" any", " all")):
        return _quantified(name, args)
    return f" {name} ".join([_operand(arg) for arg in args])


def _in(args: tuple[Expr, ...]) -> str:
    if len(args) == 2:
        return f"{_operand(args[0])} = {_operand(args[1])}"
    return f"{_operand(args[0])} in ({_list(args[1:])})"


def _not_in(args: tuple[Expr, ...]) -> str:
    if len(args) == 2:
        return f"{_operand(args[0])} <> {_operand(args[1])}"
    return f"{_operand(args[0])} not in ({_list(args[1:])})"


def _any(args: tuple[Expr, ...]) -> str:
    elements = _elements(args[1])
    return _in((args[0], *elements)) if elements else f"{_operand(args[0])} = any ({describe(args[1])})"


def _not_all(args: tuple[Expr, ...]) -> str:
    elements = _elements(args[1])
    return _not_in((args[0], *elements)) if elements else f"{_operand(args[0])} <> all ({describe(args[1])})"


def _quantified(name: str, args: tuple[Expr, ...]) -> str:
    return f"{_operand(args[0])} {name} ({_list(args[1:])})"


def _elements(expr: Expr) -> tuple[Expr, ...]:
    """The elements of an array constructor, whatever it is cast to."""
    while isinstance(expr, Cast):
        expr = expr.arg
    return expr.args if isinstance(expr, Operator) and expr.name == "array" else ()


def _between(args: tuple[Expr, ...]) -> str:
    value, low, high = (_operand(arg) for arg in args)
    return f"({value} >= {low}) and ({value} <= {high})"


def _not_between(args: tuple[Expr, ...]) -> str:
    value, low, high = (_operand(arg) for arg in args)
    return f"({value} < {low}) or ({value} > {high})"


def _array(args: tuple[Expr, ...]) -> str:
    return f"array[{_list(args)}]"


def _subscript(args: tuple[Expr, ...]) -> str:
    return f"{_operand(args[0])}[{':'.join(describe(arg) for arg in args[1:])}]"


def _field(args: tuple[Expr, ...]) -> str:
    name = args[1]
    return f"({describe(args[0])}).{quote(name.value or '') if isinstance(name, Literal) else describe(name)}"


def _named(args: tuple[Expr, ...]) -> str:
    name = args[0]
    return f"{quote(name.value or '') if isinstance(name, Literal) else describe(name)} => {describe(args[1])}"


_OPERATORS: dict[str, Callable[[tuple[Expr, ...]], str]] = {
    "in": _in,
    "not in": _not_in,
    "any": _any,
    "<> all": _not_all,
    "between": _between,
    "not between": _not_between,
    "array": _array,
    "[]": _subscript,
    ".": _field,
    "=>": _named,
}


def _case(expr: Case) -> str:
    words = ["case"]
    if expr.subject is not None:
        words.append(describe(expr.subject))
    for test, result in zip(expr.tests, expr.results, strict=True):
        words.append(f"when {describe(test)} then {describe(result)}")
    if expr.otherwise is not None:
        words.append(f"else {describe(expr.otherwise)}")
    return " ".join(words) + " end"


def _subquery(expr: Subquery) -> str:
    text = f"({describe_query(expr.query)})"
    if expr.kind == "scalar":
        return text
    if expr.kind in ("exists", "array"):
        return f"{expr.kind} {text}"
    test = _operand(expr.test) if expr.test is not None else "?"
    return f"{test} {'in' if expr.kind == 'in' else '<> all'} {text}"


def describe_query(query: Query) -> str:
    """A query as short text: what it does to which tables, under which conditions."""
    words: list[str] = [query.action]
    if query.target is not None:
        words.append(_table(query.target))
    if query.assignments:
        words.append("set " + ", ".join([_assignment(one) for one in query.assignments]))
    if query.outputs:
        words.append(_list(tuple([output.value for output in query.outputs])))
    if query.sources or query.derived:
        words.append("from " + ", ".join([*map(_table, query.sources), *map(quote, query.derived)]))
    if query.conditions:
        words.append("where " + " and ".join([_operand(condition) for condition in query.conditions]))
    return " ".join(words)


def _assignment(assignment: Assignment) -> str:
    value = "default" if assignment.value is None else describe(assignment.value)
    return f"{quote(assignment.column)} = {value}"


def _table(use: TableUse) -> str:
    name = quote(use.name) if use.schema is None else f"{quote(use.schema)}.{quote(use.name)}"
    return name if use.alias is None else f"{name} {quote(use.alias)}"


def _other(expr: Other) -> str:
    return f"...({_list(expr.children)})"


def _list(args: tuple[Expr, ...]) -> str:
    return ", ".join([describe(arg) for arg in args])


def _operand(expr: Expr) -> str:
    """The expression as part of an operation: in parentheses where it is one itself."""
    text = describe(expr)
    return f"({text})" if isinstance(expr, Operator) and expr.name not in ("array", "[]", ".") else text


_WRITERS: dict[type, Callable[[Any], str]] = {
    Literal: _literal,
    Column: _column,
    Call: _call,
    Cast: _cast,
    Operator: _operator,
    Case: _case,
    Subquery: _subquery,
    Other: _other,
}
