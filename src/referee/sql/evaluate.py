"""Evaluates expressions and queries whose outcome the text and a known world decide: conditions of DO blocks, mostly.

What cannot be told is UNKNOWN and spreads, except where it does not matter (``false and UNKNOWN`` is false). NULL is
None. Trees are libpg_query's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

from referee.model.names import quote
from referee.sql.context import constant_text, strings
from referee.sql.parse import SqlSyntaxError, Tree, parse


class _Unknown:
    """The value of everything that cannot be told."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false")


UNKNOWN = _Unknown()
Value = Any
"""A text, number, truth value, list, row (a mapping), None, UNKNOWN, or whatever the world gives out as an oid."""
Row = Mapping[str, Value]

MOST_ROWS = 10_000
"""A query with more rows is UNKNOWN."""
# A loop that doubles a text sixty times is a line of SQL; whatever is larger is UNKNOWN.
_LONGEST = 1_000_000
_GREATEST = 2**63


class World(Protocol):
    """What queries can ask about."""

    def relation(self, schema: str | None, name: str, wanted: Mapping[str, Value]) -> Iterable[Row] | None:
        """The rows of a relation, at least those that have the wanted values; None where it is not known."""
        ...

    def cast(self, value: Value, type_name: str) -> Value:
        """The value as another type that has to do with objects: regclass, regtype, name, text of an oid, ..."""
        ...

    def call(self, name: str, arguments: Sequence[Value]) -> Value:
        """The outcome of a function that asks about objects, such as to_regclass."""
        ...


class Named:
    """The oid of an object, which is also compared with and printed as a name."""

    def is_same(self, other: Value) -> bool:
        raise NotImplementedError


class Scope:
    """The names that an expression sees: rows by alias, then what stands around them."""

    def __init__(self, rows: Mapping[str, Row], outer: Scope | Mapping[str, Value] | None = None) -> None:
        self.rows = rows
        self.outer = outer

    def lookup(self, parts: Sequence[str]) -> Value:
        if len(parts) == 1:
            for row in self.rows.values():
                if parts[0] in row:
                    return row[parts[0]]
            if parts[0] in self.rows:
                return self.rows[parts[0]]
        elif parts[-2] in self.rows:
            return self.rows[parts[-2]].get(parts[-1], UNKNOWN)
        if isinstance(self.outer, Scope):
            return self.outer.lookup(parts)
        return _variable(self.outer or {}, parts)


def _variable(variables: Mapping[str, Value], parts: Sequence[str]) -> Value:
    value = variables.get(parts[0], UNKNOWN)
    for part in parts[1:]:
        value = value.get(part, UNKNOWN) if isinstance(value, Mapping) else UNKNOWN
    return value


def evaluate(text: str, variables: Mapping[str, Value], world: World) -> Value:
    """The value of an expression."""
    tree = _expression(text)
    return UNKNOWN if tree is None else _Evaluator(world).value(tree, Scope({}, variables))


def rows_of(text: str, variables: Mapping[str, Value], world: World) -> list[dict[str, Value]] | None:
    """The rows of a query, each by the names of its columns in their order; None where they cannot be told."""
    try:
        trees = parse(text)
    except SqlSyntaxError:
        return None
    select = trees[0]["stmt"].get("SelectStmt") if len(trees) == 1 else None
    if select is None:
        return None
    rows, complete = _Evaluator(world).select(select, Scope({}, variables))
    return rows if complete else None


@lru_cache(maxsize=4096)
def _expression(text: str) -> Tree | None:
    try:
        trees = parse("SELECT " + text)
    except SqlSyntaxError:
        return None
    select = trees[0]["stmt"].get("SelectStmt", {}) if len(trees) == 1 else {}
    targets = select.get("targetList", ())
    if len(targets) != 1 or "intoClause" in select:
        return None
    if select.keys() <= {"targetList", "limitOption", "op"}:
        value: Tree = targets[0]["ResTarget"]["val"]
        return value
    # Clauses behind the expression, which PL/pgSQL allows: ``count(*) > 0 from t``.
    return {"SubLink": {"subLinkType": "EXPR_SUBLINK", "subselect": {"SelectStmt": select}}}


class _Evaluator:
    def __init__(self, world: World) -> None:
        self.world = world

    def value(self, tree: Tree, scope: Scope) -> Value:
        for kind, node in tree.items():
            reader = _READERS.get(kind)
            return reader(self, node, scope) if reader is not None else UNKNOWN
        return UNKNOWN

    def values(self, trees: Iterable[Tree], scope: Scope) -> list[Value]:
        return [self.value(tree, scope) for tree in trees]

    # Expressions

    def _constant(self, node: Tree, scope: Scope) -> Value:
        if "ival" in node:
            return node["ival"].get("ival", 0)
        if "boolval" in node:
            return node["boolval"].get("boolval", False)
        if "fval" in node:
            return float(node["fval"]["fval"])
        return UNKNOWN if "bsval" in node else constant_text(node)

    def _column(self, node: Tree, scope: Scope) -> Value:
        fields = node["fields"]
        return UNKNOWN if "A_Star" in fields[-1] else scope.lookup(strings(fields))

    def _boolean(self, node: Tree, scope: Scope) -> Value:
        values = self.values(node["args"], scope)
        if node["boolop"] == "NOT_EXPR":
            return negated(values[0])
        decisive = node["boolop"] == "OR_EXPR"
        for value in values:
            if value is decisive:
                return decisive
        for doubt in (UNKNOWN, None):
            if any(value is doubt for value in values):
                return doubt
        return not decisive

    def _operator(self, node: Tree, scope: Scope) -> Value:
        name, kind = strings(node["name"])[-1], node["kind"]
        left = self.value(node["lexpr"], scope) if "lexpr" in node else 0
        if kind in ("AEXPR_IN", "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN"):
            rights = self.values(node["rexpr"]["List"]["items"], scope)
            return _among(left, rights, name) if kind == "AEXPR_IN" else _between(left, rights, kind)
        right = self.value(node["rexpr"], scope)
        if kind in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
            return _quantified(name, left, right, kind == "AEXPR_OP_ANY")
        if kind in ("AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT"):
            same = UNKNOWN if left is UNKNOWN or right is UNKNOWN else left == right
            return negated(same) if kind == "AEXPR_DISTINCT" else same
        if kind == "AEXPR_NULLIF":
            same = apply("=", left, right)
            return same if same is UNKNOWN else None if same else left
        return apply(name, left, right)

    def _null_test(self, node: Tree, scope: Scope) -> Value:
        value = self.value(node["arg"], scope)
        if value is UNKNOWN:
            return UNKNOWN
        return (value is None) == (node.get("nulltesttype") == "IS_NULL")

    def _boolean_test(self, node: Tree, scope: Scope) -> Value:
        value = self.value(node["arg"], scope)
        kind = node.get("booltesttype", "")
        if value is UNKNOWN:
            return UNKNOWN
        wanted = {"TRUE": True, "FALSE": False, "UNKNOWN": None}[kind.rpartition("_")[2]]
        return (value is wanted) != ("_NOT_" in kind)

    def _cast(self, node: Tree, scope: Scope) -> Value:
        value = self.value(node["arg"], scope)
        type_name = strings(node["typeName"]["names"])[-1]
        if value is None or value is UNKNOWN:
            return value
        if "arrayBounds" in node["typeName"]:
            return _array_literal(value) if isinstance(value, str) else value
        return _cast(value, type_name, self.world)

    def _coalesce(self, node: Tree, scope: Scope) -> Value:
        for tree in node["args"]:
            value = self.value(tree, scope)
            if value is not None:
                return value
        return None

    def _case(self, node: Tree, scope: Scope) -> Value:
        subject = self.value(node["arg"], scope) if "arg" in node else None
        for wrapped in node.get("args", ()):
            when = wrapped["CaseWhen"]
            test = self.value(when["expr"], scope)
            if "arg" in node:
                test = apply("=", subject, test)
            if test is UNKNOWN:
                return UNKNOWN
            if test:
                return self.value(when["result"], scope)
        return self.value(node["defresult"], scope) if "defresult" in node else None

    def _array(self, node: Tree, scope: Scope) -> Value:
        return self.values(node.get("elements", ()), scope)

    def _subscript(self, node: Tree, scope: Scope) -> Value:
        value = self.value(node["arg"], scope)
        for step in node.get("indirection", ()):
            if "A_Indices" in step and isinstance(value, list):
                position = self.value(step["A_Indices"].get("uidx", {}), scope)
                inside = isinstance(position, int) and 1 <= position <= len(value)
                value = value[position - 1] if inside else UNKNOWN
            elif "String" in step and isinstance(value, Mapping):
                value = value.get(step["String"]["sval"], UNKNOWN)
            else:
                return UNKNOWN
        return value

    def _call(self, node: Tree, scope: Scope) -> Value:
        name = strings(node["funcname"])[-1]
        arguments = self.values(node.get("args", ()), scope)
        known = _FUNCTIONS.get(name)
        if known is None:
            return self.world.call(name, arguments)
        if any(argument is UNKNOWN for argument in arguments):
            return UNKNOWN
        try:
            return _bounded(known(*arguments))
        except (TypeError, ValueError, AttributeError, IndexError):
            return UNKNOWN

    def _session_value(self, node: Tree, scope: Scope) -> Value:
        return self.world.call(node.get("op", "").removeprefix("SVFOP_").lower(), [])

    def _sublink(self, node: Tree, scope: Scope) -> Value:
        rows, complete = self.select(node["subselect"]["SelectStmt"], scope)
        kind = node["subLinkType"]
        if kind == "EXISTS_SUBLINK":
            return True if rows else False if complete else UNKNOWN
        if not complete:
            return UNKNOWN
        firsts = [next(iter(row.values()), None) for row in rows]
        if kind == "ANY_SUBLINK":
            name = strings(node["operName"])[-1] if "operName" in node else "="
            return _quantified(name, self.value(node["testexpr"], scope), firsts, True)
        if kind == "ARRAY_SUBLINK":
            return firsts
        return (firsts[0] if firsts else None) if kind == "EXPR_SUBLINK" else UNKNOWN

    # Queries

    def select(self, node: Tree, scope: Scope) -> tuple[list[dict[str, Value]], bool]:
        """The rows that are certain, and whether that is all of them."""
        if "withClause" in node or "groupClause" in node or "havingClause" in node:
            return [], False
        if node.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._union(node, scope)
        if "valuesLists" in node:
            lists = [self.values(row["List"]["items"], scope) for row in node["valuesLists"]]
            return [{f"column{number}": value for number, value in enumerate(row, 1)} for row in lists], True
        rows, complete = self._joined(node, scope)
        if len(rows) > MOST_ROWS:
            return [], False
        if _aggregates(node):
            found = self._aggregated(node, rows) if complete else None
            return ([found], True) if found is not None else ([], False)
        rows = self._sorted(node, rows)
        found_rows = [output for row in rows for output in self._outputs(node, row)]
        return self._limited(node, found_rows, scope), complete

    def _union(self, node: Tree, scope: Scope) -> tuple[list[dict[str, Value]], bool]:
        left, left_complete = self.select(node["larg"], scope)
        right, right_complete = self.select(node["rarg"], scope)
        if node["op"] != "SETOP_UNION":
            return [], False
        names = list(left[0]) if left else []
        renamed = [dict(zip(names, row.values(), strict=True)) if names else row for row in right]
        rows = [*left, *renamed]
        return rows if node.get("all") else _distinct(rows), left_complete and right_complete

    def _joined(self, node: Tree, scope: Scope) -> tuple[list[Scope], bool]:
        """The rows of FROM that WHERE lets through, each as what it sees."""
        conditions = [node["whereClause"]] if "whereClause" in node else []
        scopes, complete = [scope], True
        for item in node.get("fromClause", ()):
            scopes, whole = self._add(item, scopes, conditions)
            complete = complete and whole
        kept = []
        for one in scopes if node.get("fromClause") else [Scope({}, scope)]:
            verdicts = self.values(conditions, one)
            if any(verdict is UNKNOWN for verdict in verdicts):
                complete = complete and any(verdict is False or verdict is None for verdict in verdicts)
            elif all(verdict is True for verdict in verdicts):
                kept.append(one)
        return kept, complete

    def _add(self, item: Tree, scopes: list[Scope], conditions: list[Tree]) -> tuple[list[Scope], bool]:
        """Joins one more item of FROM to what is there."""
        if "JoinExpr" in item:
            join = item["JoinExpr"]
            if join.get("jointype", "JOIN_INNER") != "JOIN_INNER" or "usingClause" in join or join.get("isNatural"):
                return [], False
            if "quals" in join:
                conditions.append(join["quals"])
            scopes, left = self._add(join["larg"], scopes, conditions)
            scopes, right = self._add(join["rarg"], scopes, conditions)
            return scopes, left and right
        joined: list[Scope] = []
        for scope in scopes:
            rows = self._rows(item, scope, conditions)
            if rows is None or len(joined) > MOST_ROWS:
                return [], False
            alias = _alias(item)
            joined.extend(Scope({**scope.rows, alias: row}, scope.outer) for row in rows)
        return joined, True

    def _rows(self, item: Tree, scope: Scope, conditions: list[Tree]) -> Iterable[Row] | None:
        if "RangeVar" in item:
            node = item["RangeVar"]
            wanted = {
                column: value
                for condition in conditions
                for column, value in self._equalities(condition, _alias(item), scope)
            }
            return self.world.relation(node.get("schemaname"), node["relname"], wanted)
        if "RangeSubselect" in item:
            node = item["RangeSubselect"]
            rows, complete = self.select(node["subquery"]["SelectStmt"], scope)
            return _renamed(rows, node.get("alias", {})) if complete else None
        if "RangeFunction" in item:
            return self._function_rows(item["RangeFunction"], scope)
        return None

    def _function_rows(self, node: Tree, scope: Scope) -> list[dict[str, Value]] | None:
        """unnest() and generate_series() in FROM."""
        calls = [part["List"]["items"][0] for part in node.get("functions", ())]
        if len(calls) != 1 or "FuncCall" not in calls[0] or node.get("ordinality"):
            return None
        name = strings(calls[0]["FuncCall"]["funcname"])[-1]
        values = _set(name, self.values(calls[0]["FuncCall"].get("args", ()), scope))
        alias = node.get("alias", {})
        names = strings(alias.get("colnames")) or (alias.get("aliasname", name),)
        return None if values is None else [{names[0]: value} for value in values]

    def _equalities(self, condition: Tree, alias: str, scope: Scope) -> Iterator[tuple[str, Value]]:
        """The columns of a table that a condition compares with something known."""
        if "BoolExpr" in condition and condition["BoolExpr"]["boolop"] == "AND_EXPR":
            for part in condition["BoolExpr"]["args"]:
                yield from self._equalities(part, alias, scope)
        node = condition.get("A_Expr", {})
        if node.get("kind") != "AEXPR_OP" or strings(node["name"])[-1] != "=":
            return
        for one, other in ((node["lexpr"], node["rexpr"]), (node["rexpr"], node["lexpr"])):
            fields = one.get("ColumnRef", {}).get("fields", ())
            if not fields or "A_Star" in fields[-1] or (len(fields) > 1 and strings(fields)[-2] != alias):
                continue
            value = self.value(other, scope)
            if value is not UNKNOWN and value is not None:
                yield strings(fields)[-1], value

    def _outputs(self, node: Tree, scope: Scope) -> Iterator[dict[str, Value]]:
        """The row that SELECT makes of one row of FROM; several where it unnests an array."""
        output: dict[str, Value] = {}
        unnested: tuple[str, list[Value]] | None = None
        for wrapped in node.get("targetList", ()):
            target = wrapped["ResTarget"]
            fields = target["val"].get("ColumnRef", {}).get("fields", ())
            if fields and "A_Star" in fields[-1]:
                names = strings(fields[:-1])
                for row in [scope.rows[names[-1]]] if names and names[-1] in scope.rows else scope.rows.values():
                    output.update(row)
                continue
            name = target.get("name") or _column_name(target["val"])
            values = self._set_value(target["val"], scope)
            if values is not None:
                unnested = (name, values)
            output[name] = None if values is not None else self.value(target["val"], scope)
        if unnested is None:
            yield output
        else:
            yield from ({**output, unnested[0]: value} for value in unnested[1])

    def _set_value(self, tree: Tree, scope: Scope) -> list[Value] | None:
        call = tree.get("FuncCall")
        if call is None or strings(call["funcname"])[-1] not in ("unnest", "generate_series"):
            return None
        return _set(strings(call["funcname"])[-1], self.values(call.get("args", ()), scope))

    def _aggregated(self, node: Tree, rows: list[Scope]) -> dict[str, Value] | None:
        output: dict[str, Value] = {}
        for wrapped in node["targetList"]:
            target = wrapped["ResTarget"]
            output[target.get("name") or _column_name(target["val"])] = self._aggregate(target["val"], rows)
        return output

    def _aggregate(self, tree: Tree, rows: list[Scope]) -> Value:
        """An expression over aggregates, such as ``count(*) > 0``."""
        call = tree.get("FuncCall")
        if call is None or strings(call["funcname"])[-1] not in _AGGREGATES:
            node = tree.get("A_Expr")
            if node is not None and node["kind"] == "AEXPR_OP" and "lexpr" in node:
                sides = [self._aggregate(node[side], rows) for side in ("lexpr", "rexpr")]
                return apply(strings(node["name"])[-1], *sides)
            return self.value(tree, Scope({}))
        name = strings(call["funcname"])[-1]
        if "agg_filter" in call or call.get("agg_distinct"):
            return UNKNOWN
        if name == "count" and call.get("agg_star"):
            return len(rows)
        values = [self.value(call["args"][0], row) for row in rows]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        separator = self.value(call["args"][1], Scope({})) if name == "string_agg" else ""
        return _AGGREGATES[name](values, separator)

    def _sorted(self, node: Tree, rows: list[Scope]) -> list[Scope]:
        for wrapped in reversed(node.get("sortClause", ())):
            key = wrapped["SortBy"]
            descending = key.get("sortby_dir") == "SORTBY_DESC"
            values = [self.value(key["node"], row) for row in rows]
            if all(isinstance(value, str) for value in values) or all(isinstance(value, int) for value in values):
                order = sorted(range(len(rows)), key=lambda at: values[at], reverse=descending)
                rows = [rows[at] for at in order]
        return rows

    def _limited(self, node: Tree, rows: list[dict[str, Value]], scope: Scope) -> list[dict[str, Value]]:
        if "distinctClause" in node:
            rows = _distinct(rows)
        count = self.value(node["limitCount"], scope) if "limitCount" in node else None
        return rows[:count] if isinstance(count, int) else rows


_Reader = Callable[[_Evaluator, Tree, Scope], Value]
_READERS: dict[str, _Reader] = {
    "A_ArrayExpr": _Evaluator._array,
    "A_Const": _Evaluator._constant,
    "A_Expr": _Evaluator._operator,
    "A_Indirection": _Evaluator._subscript,
    "BoolExpr": _Evaluator._boolean,
    "BooleanTest": _Evaluator._boolean_test,
    "CaseExpr": _Evaluator._case,
    "CoalesceExpr": _Evaluator._coalesce,
    "ColumnRef": _Evaluator._column,
    "FuncCall": _Evaluator._call,
    "NullTest": _Evaluator._null_test,
    "SQLValueFunction": _Evaluator._session_value,
    "SubLink": _Evaluator._sublink,
    "TypeCast": _Evaluator._cast,
}


# Values


def negated(value: Value) -> Value:
    """NOT, of three truth values and UNKNOWN."""
    return value if value is None or value is UNKNOWN else not value


def apply(name: str, left: Value, right: Value) -> Value:
    """The outcome of an operator."""
    if left is UNKNOWN or right is UNKNOWN:
        return UNKNOWN
    if left is None or right is None:
        return (right if left is None else left) if name == "||" and isinstance(left or right, list) else None
    operator = _OPERATORS.get(name)
    if operator is None:
        return UNKNOWN
    try:
        return _bounded(operator(left, right))
    except (TypeError, ValueError, re.error, OverflowError):
        return UNKNOWN


def _bounded(value: Value) -> Value:
    """The value, unless it is larger than what can be worked with."""
    if isinstance(value, str | list):
        return value if len(value) <= _LONGEST else UNKNOWN
    return value if not isinstance(value, int) or abs(value) <= _GREATEST else UNKNOWN


def _concatenated(left: Value, right: Value) -> Value:
    if isinstance(left, list) or isinstance(right, list):
        return [*(left if isinstance(left, list) else [left]), *(right if isinstance(right, list) else [right])]
    return text_of(left) + text_of(right)


def _equal(left: Value, right: Value) -> Value:
    if isinstance(left, Named) or isinstance(right, Named):
        named, other = (left, right) if isinstance(left, Named) else (right, left)
        return named.is_same(other)
    if isinstance(left, str) != isinstance(right, str):
        return text_of(left) == text_of(right)
    return left == right


def _like(text: Value, pattern: Value, flags: int = 0) -> bool:
    parts = [".*" if sign == "%" else "." if sign == "_" else re.escape(sign) for sign in str(pattern)]
    return re.fullmatch("".join(parts), str(text), re.DOTALL | flags) is not None


_OPERATORS: dict[str, Callable[[Any, Any], Value]] = {
    "||": _concatenated,
    "=": _equal,
    "<>": lambda left, right: not _equal(left, right),
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "~~": _like,
    "!~~": lambda text, pattern: not _like(text, pattern),
    "~~*": lambda text, pattern: _like(text, pattern, re.IGNORECASE),
    "!~~*": lambda text, pattern: not _like(text, pattern, re.IGNORECASE),
    "~": lambda text, pattern: re.search(pattern, text) is not None,
    "~*": lambda text, pattern: re.search(pattern, text, re.IGNORECASE) is not None,
    "!~": lambda text, pattern: re.search(pattern, text) is None,
}


def _among(left: Value, rights: Sequence[Value], name: str) -> Value:
    found = _quantified("=", left, list(rights), True)
    return found if name == "=" else negated(found)


def _between(left: Value, bounds: Sequence[Value], kind: str) -> Value:
    verdicts = [apply(">=", left, bounds[0]), apply("<=", left, bounds[1])]
    if any(verdict is UNKNOWN or verdict is None for verdict in verdicts):
        return UNKNOWN
    return all(verdicts) == (kind == "AEXPR_BETWEEN")


def _quantified(name: str, left: Value, right: Value, some: bool) -> Value:
    """``left op ANY (array)`` or ALL."""
    if not isinstance(right, list):
        return right if right is None else UNKNOWN
    verdicts = [apply(name, left, value) for value in right]
    if any(verdict is some for verdict in verdicts):
        return some
    for doubt in (UNKNOWN, None):
        if any(verdict is doubt for verdict in verdicts):
            return doubt
    return not some


def text_of(value: Value) -> str:
    """A known value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}]+)')


def _array_literal(text: str) -> Value:
    """``'{a,b}'`` as an array of texts."""
    if not (text.startswith("{") and text.endswith("}")):
        return UNKNOWN
    return [
        re.sub(r"\\(.)", r"\1", quoted) if bare == "" else None if bare.strip().lower() == "null" else bare.strip()
        for quoted, bare in _ELEMENT.findall(text[1:-1])
    ]


_INTEGERS = frozenset({"int2", "int4", "int8"})
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})


def _cast(value: Value, type_name: str, world: World) -> Value:
    if type_name in _INTEGERS:
        try:
            return int(value)
        except (TypeError, ValueError):
            return UNKNOWN
    if type_name == "bool" and isinstance(value, str):
        word = value.strip().lower()
        return word in ("t", "true", "on", "yes", "y", "1") if word else UNKNOWN
    if type_name in _TEXTS and isinstance(value, (str, int, float, bool)):
        return text_of(value)
    if isinstance(value, (list, Mapping)):
        return UNKNOWN
    return world.cast(value, type_name)


# Rows


def _alias(item: Tree) -> str:
    for node in item.values():
        alias = node.get("alias", {}).get("aliasname")
        if alias is not None:
            return str(alias)
        if "relname" in node:
            return str(node["relname"])
        for part in node.get("functions", ()):
            return strings(part["List"]["items"][0].get("FuncCall", {}).get("funcname"))[-1]
    return "?"


def _renamed(rows: list[dict[str, Value]], alias: Tree) -> list[dict[str, Value]]:
    names = strings(alias.get("colnames"))
    if not names:
        return rows
    return [dict(zip((*names, *list(row)[len(names) :]), row.values(), strict=True)) for row in rows]


def _distinct(rows: list[dict[str, Value]]) -> list[dict[str, Value]]:
    seen: dict[str, dict[str, Value]] = {}
    for row in rows:
        seen.setdefault(repr(row), row)
    return list(seen.values())


def _column_name(tree: Tree) -> str:
    for kind, node in tree.items():
        if kind == "ColumnRef":
            return strings(node["fields"])[-1]
        if kind == "FuncCall":
            return strings(node["funcname"])[-1]
        if kind == "TypeCast":
            inner = _column_name(node["arg"])
            return inner if inner != "?column?" else strings(node["typeName"]["names"])[-1]
    return "?column?"


def _set(name: str, arguments: Sequence[Value]) -> list[Value] | None:
    """The values of a function that returns a set."""
    if name == "unnest" and len(arguments) == 1 and isinstance(arguments[0], list):
        return arguments[0]
    if name == "generate_series" and all(isinstance(argument, int) for argument in arguments) and len(arguments) > 1:
        step = arguments[2] if len(arguments) > 2 else 1
        numbers = range(arguments[0], arguments[1] + (1 if step > 0 else -1), step) if step else range(0)
        return list(numbers) if len(numbers) <= MOST_ROWS else None
    return None


def _aggregates(node: Tree) -> bool:
    """Whether a SELECT without GROUP BY makes one row of all."""

    def has_aggregate(tree: Tree) -> bool:
        call = tree.get("FuncCall")
        if call is not None and "over" not in call and strings(call["funcname"])[-1] in _AGGREGATES:
            return True
        node = tree.get("A_Expr", {})
        return any(has_aggregate(node[side]) for side in ("lexpr", "rexpr") if side in node)

    return any(has_aggregate(target["ResTarget"]["val"]) for target in node.get("targetList", ()))


_AGGREGATES: dict[str, Callable[[list[Value], Value], Value]] = {
    "count": lambda values, _: sum(value is not None for value in values),
    "array_agg": lambda values, _: values or None,
    "string_agg": lambda values, separator: separator.join(v for v in values if v is not None) if values else None,
    "min": lambda values, _: min([value for value in values if value is not None], default=None),
    "max": lambda values, _: max([value for value in values if value is not None], default=None),
    "bool_or": lambda values, _: any(values) if values else None,
    "bool_and": lambda values, _: all(values) if values else None,
}


# Functions

_DIRECTIVE = re.compile(r"%(?:(\d+)\$)?-?(?:\d+)?([sIL%])")


def format_text(pattern: Value, *arguments: Value) -> Value:
    """format(), with %s, %I and %L."""
    if pattern is None:
        return None
    at = 0

    def replaced(directive: re.Match[str]) -> str:
        nonlocal at
        if directive[2] == "%":
            return "%"
        at = int(directive[1]) if directive[1] else at + 1
        value = arguments[at - 1]
        if directive[2] == "L":
            return literal(value)
        if value is None and directive[2] == "I":
            raise ValueError("null values cannot be formatted as an SQL identifier")
        text = "" if value is None else text_of(value)
        return quote(text) if directive[2] == "I" else text

    return _DIRECTIVE.sub(replaced, pattern)


def literal(value: Value) -> str:
    """quote_nullable(): a literal, or NULL."""
    if value is None:
        return "NULL"
    text = text_of(value)
    doubled = text.replace("'", "''")
    return f" E'{doubled}'".replace("\\", "\\\\") if "\\" in text else f"'{doubled}'"


def _strictly(function: Callable[..., Value]) -> Callable[..., Value]:
    return lambda *arguments: None if any(argument is None for argument in arguments) else function(*arguments)


def _substring(text: str, start: int, count: int | None = None) -> str:
    end = len(text) + 1 if count is None else start + count
    return text[max(start - 1, 0) : max(end - 1, 0)]


_FUNCTIONS: dict[str, Callable[..., Value]] = {
    "format": format_text,
    "quote_ident": _strictly(lambda name: quote(text_of(name))),
    "quote_literal": _strictly(literal),
    "quote_nullable": literal,
    "concat": lambda *values: "".join(text_of(value) for value in values if value is not None),
    "concat_ws": lambda glue, *values: glue.join(text_of(value) for value in values if value is not None),
    "lower": _strictly(str.lower),
    "upper": _strictly(str.upper),
    "length": _strictly(len),
    "char_length": _strictly(len),
    "replace": _strictly(str.replace),
    "btrim": _strictly(lambda text, signs=" ": text.strip(signs)),
    "ltrim": _strictly(lambda text, signs=" ": text.lstrip(signs)),
    "rtrim": _strictly(lambda text, signs=" ": text.rstrip(signs)),
    "left": _strictly(lambda text, count: text[:count]),
    "right": _strictly(lambda text, count: text[-count:] if count else ""),
    "substr": _strictly(_substring),
    "substring": _strictly(_substring),
    "strpos": _strictly(lambda text, part: text.find(part) + 1),
    "position": _strictly(lambda text, part: text.find(part) + 1),
    "starts_with": _strictly(str.startswith),
    "split_part": _strictly(lambda text, glue, number: (text.split(glue) + [""] * number)[number - 1]),
    "array_length": _strictly(lambda values, dimension: len(values) or None),
    "cardinality": _strictly(len),
    "array_append": lambda values, value: [*(values or []), value],
    "array_to_string": _strictly(lambda values, glue: glue.join(text_of(v) for v in values if v is not None)),
    "string_to_array": _strictly(lambda text, glue: text.split(glue)),
}
