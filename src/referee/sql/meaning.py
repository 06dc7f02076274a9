"""Whether two texts of an expression mean the same, one as a person wrote it, the other as Postgres prints it.

Postgres stores an expression as a tree and prints it in its own way (``pg_get_expr``, ``pg_get_constraintdef``,
``pg_policies``; with an empty search_path every name gets its schema). Both texts are parsed and reduced to one form,
in which AND and OR are flat, IN, ``= ANY (ARRAY[...])`` and chains of OR are one thing, BETWEEN, LIKE and row
comparisons are spelled out, and the names of a subquery's tables are replaced by their positions. Then the two forms
are compared, with allowance for what only one side can have: a qualification of a name, a cast that Postgres adds on
its own, the type of a constant.

What it cannot see, since it knows no schema:

* Added qualifications and implicit casts are taken on trust: ``users.id`` passes for ``public.users.id``, ``x`` for
  ``x::text`` (but ``x::uuid`` not for ``x``, and ``auth.users`` not for ``public.users``). So the relation is not
  transitive.
* ``SELECT *`` and ``NATURAL JOIN`` are expanded by Postgres and then differ (not inside EXISTS, whose list is ignored).
* Constants are compared as text, after evaluating numbers, booleans, intervals, JSON, dates and names of objects;
  other types' input rules are not known. A time without a zone passes for the same time in UTC.
* Operands are compared in their order: ``a = b`` is not ``b = a``.
* ``(SELECT f())`` is not ``f()``: it says the same but runs differently.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from referee.sql.literals import same_constant
from referee.sql.parse import SqlSyntaxError, Tree, parse

# A reduced tree: a tuple that starts with its kind, or a plain str, int, bool or None.
Form = tuple[Any, ...]

_CHECK = re.compile(
    r"\s*check\s*(\(.*\))\s*(?:(?:no\s+inherit|not\s+valid|not\s+enforced)\s*)*", re.IGNORECASE | re.DOTALL
)


def same_meaning(a: str, b: str) -> bool:
    """Whether two expressions mean the same, as far as their texts tell. ``CHECK (...)`` around one is ignored.

    Whole SELECT statements can be compared too. Text that the grammar refuses means the same as equal text only.
    """
    if a == b:
        return True
    left, right = _reduced(a), _reduced(b)
    if left is None or right is None:
        return False
    try:
        return _same(left, right)
    except RecursionError:
        return False


@lru_cache(maxsize=16384)
def _reduced(text: str) -> Form | None:
    """The reduced form of an expression, or of a whole query; None where the grammar refuses it."""
    if check := _CHECK.fullmatch(text):
        text = check.group(1)
    for source in ("SELECT " + text, text):
        try:
            trees = parse(source)
            if len(trees) == 1:
                return _reduce(trees[0]["stmt"], named=source is text)
        except (SqlSyntaxError, RecursionError):
            continue
    return None


def _reduce(statement: Tree, named: bool) -> Form:
    select = statement.get("SelectStmt")
    found: Form = _Reducer().node(statement) if select is None else _Reducer().select(select, named)
    return found


# Reducing

# Fields that say where or how something was written, not what.
_FORM_ONLY = frozenset(
    (
        "location",
        "list_start",
        "list_end",
        "rexpr_list_start",
        "rexpr_list_end",
        "funcformat",
        "row_format",
        "inh",
        "relpersistence",
        "limitOption",
        "lockedRels",
    )
)
_SPELLED_OUT = frozenset(("=", "<>"))
# Marks the position of a function in FROM: "unnest(x) AS tag" prints as "unnest(x) tag(tag)", and "tag" as "tag.tag".
_ONE_COLUMN = "f"


class _Reducer:
    """Reduces one tree. ``scopes`` map the names of each open query's tables to their positions, innermost last."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, str]] = []
        self.ranges = 0

    def node(self, tree: Any) -> Any:
        if type(tree) is list:
            return ("list", *[self.node(entry) for entry in tree])
        if type(tree) is not dict:
            return tree
        if len(tree) == 1:
            [(kind, fields)] = tree.items()
            if kind in _REDUCERS:
                return _REDUCERS[kind](self, fields)
            if type(fields) is dict:
                return ("node", kind, *self.fields(fields))
        return ("node", "", *self.fields(tree))

    def fields(self, fields: Tree) -> list[tuple[str, Any]]:
        return [(name, self.node(fields[name])) for name in sorted(fields) if name not in _FORM_ONLY]

    def nodes(self, trees: list[Tree] | None) -> list[Form]:
        return [self.node(tree) for tree in trees or ()]

    # Values

    def _column(self, fields: Tree) -> Form:
        parts = tuple([field["String"].get("sval", "") if "String" in field else "*" for field in fields["fields"]])
        qualifier = parts[0] if len(parts) == 1 else parts[-2]
        for scope in reversed(self.scopes):
            if qualifier in scope:
                # A table's bare name is its whole row, which Postgres prints as "t.*".
                return ("name", (scope[qualifier], parts[-1] if len(parts) > 1 else "*"))
        return ("name", parts)

    def _constant(self, fields: Tree) -> Form:
        if "ival" in fields:
            return ("constant", str(fields["ival"].get("ival", 0)), "number")
        if "fval" in fields:
            return ("constant", fields["fval"].get("fval", "0"), "number")
        if "boolval" in fields:
            return ("constant", "true" if fields["boolval"].get("boolval") else "false", "boolean")
        if "sval" in fields:
            return ("constant", fields["sval"].get("sval", ""), "string")
        if "bsval" in fields:
            return ("constant", fields["bsval"].get("bsval", "")[1:], "string")
        return ("constant", None, "null")

    def _cast(self, fields: Tree) -> Form:
        arg = self.node(fields["arg"])
        kind = self.type(fields["typeName"])
        if arg[0] == "cast":
            return ("cast", (*arg[1], kind), arg[2])
        return ("cast", (kind,), arg)

    def type(self, fields: Tree) -> Form:
        fields = fields.get("TypeName", fields)
        names = tuple([name["String"]["sval"] for name in fields.get("names", ())])
        if len(names) == 2 and names[0] == "pg_catalog":
            names = names[1:]
        modifiers = tuple([self.node(modifier) for modifier in fields.get("typmods", ())])
        return ("type", names, modifiers, "arrayBounds" in fields, fields.get("setof", False))

    def _boolean(self, fields: Tree) -> Form:
        args = self.nodes(fields["args"])
        if fields["boolop"] == "NOT_EXPR":
            return ("not", args[0])
        return _flat("and" if fields["boolop"] == "AND_EXPR" else "or", args)

    def _operator(self, fields: Tree) -> Form:
        kind = fields["kind"]
        name = fields["name"][-1]["String"]["sval"]
        if kind.startswith(("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN")):
            return self._between(kind, fields)
        left = self.node(fields["lexpr"]) if "lexpr" in fields else None
        right = self.node(fields["rexpr"])
        if kind == "AEXPR_IN":
            return _comparisons(name, left, list(fields["rexpr"]["List"].get("items", ())), self)
        if kind in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
            return _quantified(kind, name, left, right)
        if kind == "AEXPR_NOT_DISTINCT":
            return ("not", ("node", "AEXPR_DISTINCT", left, right))
        if kind in ("AEXPR_DISTINCT", "AEXPR_NULLIF"):
            return ("node", kind, left, right)
        if left is None:
            return _negative(right) if name == "-" else ("operator", name, right)
        if name in _SPELLED_OUT and left[0] == "row" and right[0] == "row" and len(left) == len(right):
            pairs = [("operator", name, one, other) for one, other in zip(left[1:], right[1:], strict=True)]
            return _flat("and" if name == "=" else "or", pairs)
        return ("operator", name, left, right)

    def _between(self, kind: str, fields: Tree) -> Form:
        value = self.node(fields["lexpr"])
        low, high = self.nodes(fields["rexpr"]["List"]["items"])
        if "NOT" not in kind:
            found = _inside(value, low, high)
            return found if "SYM" not in kind else _flat("or", [found, _inside(value, high, low)])
        found = _outside(value, low, high)
        return found if "SYM" not in kind else _flat("and", [found, _outside(value, high, low)])

    def _call(self, fields: Tree) -> Form:
        names = tuple([name["String"]["sval"] for name in fields["funcname"]])
        if names[-1] == "date_part":
            # So did EXTRACT print before PostgreSQL 14.
            names = (*names[:-1], "extract")
        rest = {name: value for name, value in fields.items() if name not in ("funcname", "args")}
        return ("call", names, ("list", *self.nodes(fields.get("args"))), *self.fields(rest))

    def _case(self, fields: Tree) -> Form:
        whens = [when["CaseWhen"] for when in fields["args"]]
        pairs = [(self.node(when["expr"]), self.node(when["result"])) for when in whens]
        subject = self.node(fields["arg"]) if "arg" in fields else None
        otherwise = self.node(fields["defresult"]) if "defresult" in fields else ("constant", None, "null")
        return ("case", subject, *[part for pair in pairs for part in pair], otherwise)

    def _row(self, fields: Tree) -> Form:
        return ("row", *self.nodes(fields.get("args")))

    def _array(self, fields: Tree) -> Form:
        return ("array", *self.nodes(fields.get("elements")))

    def _collation(self, fields: Tree) -> Form:
        names = tuple([name["String"]["sval"] for name in fields["collname"]])
        return ("collate", ("name", names), self.node(fields["arg"]))

    # Queries

    def _sublink(self, fields: Tree) -> Form:
        kind = fields.get("subLinkType", "EXPR_SUBLINK")
        test = self.node(fields["testexpr"]) if "testexpr" in fields else None
        name = fields["operName"][-1]["String"]["sval"] if "operName" in fields else "="
        select = fields["subselect"]["SelectStmt"]
        if kind == "EXISTS_SUBLINK" and "groupClause" not in select and "targetList" in select:
            # Whether there is a row does not depend on what is selected from it.
            select = {name: value for name, value in select.items() if name not in ("targetList", "distinctClause")}
        return ("subquery", kind, name, test, self.select(select, named=False))

    def _statement(self, fields: Tree) -> Form:
        return self.select(fields, named=True)

    def select(self, fields: Tree, named: bool) -> Form:
        """A SELECT; ``named`` is whether the names of its outputs matter."""
        self.scopes.append({})
        parts: list[Any] = []
        if "withClause" in fields:
            parts.append(("with", self.node(fields["withClause"])))
        # First FROM: what stands before it in the text uses its names.
        parts.append(("from", *self.nodes(fields.get("fromClause"))))
        parts.extend((side, self.select(fields[side], named)) for side in ("larg", "rarg") if side in fields)
        if "targetList" in fields:
            parts.append(("outputs", *[self._output(target["ResTarget"], named) for target in fields["targetList"]]))
        parts.extend((name, self.node(fields[name])) for name in sorted(fields) if name not in _SELECT_FIELDS)
        self.scopes.pop()
        return ("select", *parts)

    def _output(self, fields: Tree, named: bool) -> Form:
        value = fields["val"]
        return ("output", (fields.get("name") or _implied_name(value)) if named else None, self.node(value))

    def _table(self, fields: Tree) -> Form:
        alias = fields.get("alias", {})
        self._range(alias.get("aliasname") or fields["relname"])
        names = tuple([fields[part] for part in ("schemaname", "relname") if part in fields])
        return ("table", ("name", names), not fields.get("inh", False), self.node(alias.get("colnames", [])))

    def _derived(self, fields: Tree) -> Form:
        query = self.node(fields["subquery"])
        alias = fields.get("alias", {})
        self._range(alias.get("aliasname", ""))
        return ("derived", query, fields.get("lateral", False), self.node(alias.get("colnames", [])))

    def _function(self, fields: Tree) -> Form:
        alias = fields.get("alias", {})
        rest = {name: value for name, value in fields.items() if name != "alias"}
        columns = alias.get("colnames", [])
        found = ("function", *self.fields(rest), self.node(columns) if len(columns) > 1 else None)
        name = alias.get("aliasname") or _implied_name(fields["functions"][0]["List"]["items"][0])
        self._range(name, _ONE_COLUMN if len(columns) < 2 else "")
        return found

    def _join(self, fields: Tree) -> Form:
        left, right = self.node(fields["larg"]), self.node(fields["rarg"])
        rest = {name: value for name, value in fields.items() if name not in ("larg", "rarg", "rtindex")}
        return ("join", left, right, *self.fields(rest))

    def _range(self, name: str, mark: str = "") -> None:
        """Gives a table of the innermost query its position for a name; no name in SQL holds a NUL."""
        self.ranges += 1
        if self.scopes:
            self.scopes[-1][name] = f"\0{mark}{self.ranges}"

    def _sort(self, fields: Tree) -> Form:
        descending = fields.get("sortby_dir") == "SORTBY_DESC"
        nulls = fields.get("sortby_nulls", "SORTBY_NULLS_DEFAULT")
        first = descending if nulls == "SORTBY_NULLS_DEFAULT" else nulls == "SORTBY_NULLS_FIRST"
        return ("sort", self.node(fields["node"]), descending, first, self.node(fields.get("useOp")))


_SELECT_FIELDS = _FORM_ONLY | {"withClause", "fromClause", "targetList", "larg", "rarg"}
_REDUCERS = {
    "ColumnRef": _Reducer._column,
    "A_Const": _Reducer._constant,
    "TypeCast": _Reducer._cast,
    "TypeName": _Reducer.type,
    "BoolExpr": _Reducer._boolean,
    "A_Expr": _Reducer._operator,
    "FuncCall": _Reducer._call,
    "CaseExpr": _Reducer._case,
    "RowExpr": _Reducer._row,
    "A_ArrayExpr": _Reducer._array,
    "CollateClause": _Reducer._collation,
    "SubLink": _Reducer._sublink,
    "SelectStmt": _Reducer._statement,
    "RangeVar": _Reducer._table,
    "RangeSubselect": _Reducer._derived,
    "RangeFunction": _Reducer._function,
    "JoinExpr": _Reducer._join,
    "SortBy": _Reducer._sort,
}


def _flat(kind: str, args: list[Form]) -> Form:
    """AND or OR without one of its kind directly inside; one argument alone is itself."""
    found: list[Form] = []
    for arg in args:
        found.extend(arg[1:] if arg[0] == kind else (arg,))
    return found[0] if len(found) == 1 else (kind, *found)


def _inside(value: Form, low: Form, high: Form) -> Form:
    return _flat("and", [("operator", ">=", value, low), ("operator", "<=", value, high)])


def _outside(value: Form, low: Form, high: Form) -> Form:
    return _flat("or", [("operator", "<", value, low), ("operator", ">", value, high)])


def _comparisons(name: str, left: Any, items: list[Tree], reducer: _Reducer) -> Form:
    """IN as a chain of OR, NOT IN as one of AND."""
    return _flat("or" if name == "=" else "and", [("operator", name, left, reducer.node(item)) for item in items])


def _quantified(kind: str, name: str, left: Any, right: Any) -> Form:
    """``= ANY (ARRAY[...])`` and ``<> ALL (ARRAY[...])`` as such chains too."""
    array = right[2] if right[0] == "cast" else right
    if array[0] == "array" and len(array) > 1 and (kind, name) in (("AEXPR_OP_ANY", "="), ("AEXPR_OP_ALL", "<>")):
        return _flat("or" if name == "=" else "and", [("operator", name, left, item) for item in array[1:]])
    return ("quantified", kind, name, left, right)


def _negative(value: Form) -> Form:
    if value[0] == "cast":
        return ("cast", value[1], _negative(value[2]))
    if value[0] == "constant" and value[2] == "number":
        text = value[1]
        return ("constant", text[1:] if text.startswith("-") else "-" + text, "number")
    return ("operator", "-", value)


def _implied_name(tree: Tree) -> str:
    """The name that an output has without an alias (parse_target.c, FigureColname), for the usual kinds."""
    if len(tree) != 1:
        return ""
    [(kind, fields)] = tree.items()
    if kind == "ColumnRef":
        last = fields["fields"][-1]
        return last["String"].get("sval", "") if "String" in last else "*"
    if kind == "FuncCall":
        return str(fields["funcname"][-1]["String"]["sval"])
    if kind == "TypeCast":
        return _implied_name(fields["arg"]) or str(fields["typeName"]["names"][-1]["String"]["sval"])
    return {"CaseExpr": "case", "CoalesceExpr": "coalesce", "A_ArrayExpr": "array", "RowExpr": "row"}.get(kind, "")


# Comparing

# The targets of the casts that Postgres applies on its own (pg_cast with castcontext 'i'; PostgreSQL 18).
_ADDED = """
int4 int8 numeric float4 float8 text varchar bpchar name bytea bit varbit timestamp timestamptz time timetz interval
inet macaddr macaddr8 oid regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc
regprocedure regrole regtype
"""
_ADDED_CASTS = frozenset(_ADDED.split())


def _same(a: Any, b: Any) -> bool:
    if type(a) is not tuple or type(b) is not tuple:
        return bool(a == b)
    if not a or not b:
        return a == b
    if "cast" in (a[0], b[0]) or a[0] == b[0] == "constant":
        return _same_cast(a, b)
    if a[0] != b[0]:
        return False
    compare = _COMPARERS.get(a[0])
    if compare is not None:
        return compare(a, b)
    return len(a) == len(b) and all(_same(one, other) for one, other in zip(a, b, strict=True))


def _same_cast(a: Form, b: Form) -> bool:
    """Casts may be missing on one side: any on a constant or an array of them, else only those that Postgres adds."""
    left, left_types = (a[2], a[1]) if a[0] == "cast" else (a, ())
    right, right_types = (b[2], b[1]) if b[0] == "cast" else (b, ())
    if left[0] != right[0]:
        return False
    anything = left[0] in ("constant", "array")
    if not _types_agree(left_types, right_types, anything):
        return False
    if left[0] == "constant":
        kinds = frozenset(kind[1][-1] for kind in (*left_types, *right_types))
        return same_constant((left[1], left[2]), (right[1], right[2]), kinds)
    return _same(left, right)


def _types_agree(a: tuple[Form, ...], b: tuple[Form, ...], anything: bool) -> bool:
    """Whether one chain of casts is the other with some left out that may be."""
    longer, shorter = (a, b) if len(a) >= len(b) else (b, a)
    wanted = list(shorter)
    for kind in longer:
        if wanted and _same_type(kind, wanted[0]):
            wanted.pop(0)
        elif not anything and (kind[1][-1] not in _ADDED_CASTS or kind[2]):
            return False
    return not wanted


def _same_type(a: Form, b: Form) -> bool:
    return _suffix(a[1], b[1]) and a[2:] == b[2:]


def _same_name(a: Form, b: Form) -> bool:
    left, right = a[1], b[1]
    if left[0] == right[0] and left[0].startswith("\0" + _ONE_COLUMN) and "*" in (left[-1], right[-1]):
        return True
    return _suffix(left, right)


def _suffix(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether one dotted name is the other with qualifications in front."""
    return a[-len(b) :] == b if len(a) >= len(b) else b[-len(a) :] == a


def _same_call(a: Form, b: Form) -> bool:
    return (
        _suffix(a[1], b[1])
        and len(a) == len(b)
        and all(_same(one, other) for one, other in zip(a[2:], b[2:], strict=True))
    )


_COMPARERS = {"name": _same_name, "call": _same_call, "type": _same_type}
