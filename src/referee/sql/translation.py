"""libpg_query's trees of expressions, turned into the nodes of ``tree``.

Queries inside expressions are left to ``queries``, which builds on this module: ``Translator.subquery`` is the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from referee.sql.parse import Tree
from referee.sql.tree import Call, Case, Cast, Column, Expr, Literal, Operator, Other, Query, Subquery

OffsetMap = Callable[[int], int]

#: Deeper nesting becomes Other(). Everything that walks expressions, msgspec too, recurses; the limit keeps all of it
#: well inside Python's recursion limit. Chains of AND, OR and || are flat and so do not count.
MAX_DEPTH = 100


class Translator:
    """Translates the trees of one text.

    ``local`` turns a tree's byte offset into a character offset of the text; ``shift`` is added to what is stored.
    ``too_deep`` tells afterwards whether something was cut off at MAX_DEPTH.
    """

    def __init__(self, local: OffsetMap | None = None, shift: int = 0) -> None:
        self.local = local
        self.shift = shift
        self.depth = 0
        self.too_deep = False

    def subquery(self, tree: Tree) -> Query:
        """The query of a tree that stands inside an expression."""
        raise NotImplementedError

    def place(self, location: int) -> int:
        """What is stored for a byte offset; -1 for none."""
        if location < 0:
            return -1
        return (location if self.local is None else self.local(location)) + self.shift

    def expression(self, tree: Tree) -> Expr:
        """The expression of a node ``{kind: fields}``."""
        if len(tree) != 1:
            return Other()
        if self.depth >= MAX_DEPTH:
            self.too_deep = True
            return Other()
        [(kind, fields)] = tree.items()
        self.depth += 1
        found = _READERS.get(kind, _other)(self, fields)
        self.depth -= 1
        return found

    def expressions(self, trees: list[Tree] | None) -> tuple[Expr, ...]:
        return tuple([self.expression(tree) for tree in trees]) if trees else ()


def strings(nodes: list[Tree] | None) -> tuple[str, ...]:
    """The texts of a list of String nodes."""
    return tuple([node["String"].get("sval", "") for node in nodes if "String" in node]) if nodes else ()


def _column(reader: Translator, fields: Tree) -> Expr:
    # A field without a String is the star of "t.*".
    parts = tuple([field["String"].get("sval", "") if "String" in field else "*" for field in fields["fields"]])
    return Column(parts, reader.place(fields.get("location", 0)))


_NULL = Literal(None, "null")
_TRUE = Literal("true", "boolean")
_FALSE = Literal("false", "boolean")


def _constant(reader: Translator, fields: Tree) -> Expr:
    if "sval" in fields:
        return Literal(fields["sval"].get("sval", ""))
    if "ival" in fields:
        return Literal(str(fields["ival"].get("ival", 0)), "number")
    if "fval" in fields:
        return Literal(fields["fval"].get("fval", "0"), "number")
    if "boolval" in fields:
        return _TRUE if fields["boolval"].get("boolval") else _FALSE
    if "bsval" in fields:
        return Literal(fields["bsval"].get("bsval", "")[1:])
    return _NULL


def _parameter(reader: Translator, fields: Tree) -> Expr:
    return Column((f"${fields.get('number', 0)}",), reader.place(fields.get("location", 0)))


def _cast(reader: Translator, fields: Tree) -> Expr:
    type_name = fields["typeName"]
    schema, name = type_of(type_name)
    return Cast(reader.expression(fields["arg"]), schema, name, reader.place(type_name.get("location", 0)))


def type_of(type_name: Tree) -> tuple[str | None, str]:
    """Schema and name of a TypeName, arrays with "[]". The grammar has turned ``int`` into pg_catalog.int4: no
    schema.
    """
    names = strings(type_name.get("names"))
    if not names:
        return None, ""
    schema = names[-2] if len(names) > 1 and names[-2] != "pg_catalog" else None
    name = names[-1]
    if type_name.get("pct_type"):
        return None, ".".join(names) + "%type"
    return schema, name + "[]" if "arrayBounds" in type_name else name


def _call(reader: Translator, fields: Tree) -> Expr:
    names = fields["funcname"]
    name = names[-1]["String"]["sval"]
    schema = names[-2]["String"]["sval"] if len(names) > 1 else None
    args = (Column(("*",)),) if "agg_star" in fields else reader.expressions(fields.get("args"))
    call = Call(schema, name, args, reader.place(fields.get("location", 0)))
    if "over" in fields or "agg_filter" in fields or "agg_order" in fields:
        extras = [
            extra for clause in ("agg_order", "agg_filter", "over") for extra in inside(reader, fields.get(clause))
        ]
        return Other((call, *extras)) if extras else call
    return call


def _grammar_call(name: str) -> Callable[[Translator, Tree], Expr]:
    def read(reader: Translator, fields: Tree) -> Expr:
        args = reader.expressions(fields.get("args"))
        return Call(None, name, args, reader.place(fields.get("location", 0)))

    return read


def _json_call(name: str) -> Callable[[Translator, Tree], Expr]:
    def read(reader: Translator, fields: Tree) -> Expr:
        return Call(None, name, tuple(inside(reader, fields)), reader.place(fields.get("location", 0)))

    return read


def _least_or_greatest(reader: Translator, fields: Tree) -> Expr:
    name = "least" if fields.get("op") == "IS_LEAST" else "greatest"
    return Call(None, name, reader.expressions(fields.get("args")), reader.place(fields.get("location", 0)))


def _session_value(reader: Translator, fields: Tree) -> Expr:
    name = fields["op"].removeprefix("SVFOP_").removesuffix("_N").lower()
    return Call(None, name, (), reader.place(fields.get("location", 0)))


_JSON_CALLS = {"JSON_EXISTS_OP": "json_exists", "JSON_QUERY_OP": "json_query", "JSON_VALUE_OP": "json_value"}


def _json_function(reader: Translator, fields: Tree) -> Expr:
    return _json_call(_JSON_CALLS.get(fields.get("op", ""), "json_value"))(reader, fields)


_XML_CALLS = {
    "IS_XMLCONCAT": "xmlconcat",
    "IS_XMLELEMENT": "xmlelement",
    "IS_XMLFOREST": "xmlforest",
    "IS_XMLPARSE": "xmlparse",
    "IS_XMLPI": "xmlpi",
    "IS_XMLROOT": "xmlroot",
    "IS_XMLSERIALIZE": "xmlserialize",
    "IS_DOCUMENT": "is document",
}


def _xml(reader: Translator, fields: Tree) -> Expr:
    name = _XML_CALLS.get(fields.get("op", ""), "xmlparse")
    args = tuple(inside(reader, fields.get("named_args", ()))) + reader.expressions(fields.get("args"))
    if name == "is document":
        return Operator(name, args)
    return Call(None, name, args, reader.place(fields.get("location", 0)))


_BOOLEAN_NAMES = {"AND_EXPR": "and", "OR_EXPR": "or", "NOT_EXPR": "not"}


def _boolean(reader: Translator, fields: Tree) -> Expr:
    return Operator(_BOOLEAN_NAMES[fields["boolop"]], reader.expressions(fields["args"]))


def _null_test(reader: Translator, fields: Tree) -> Expr:
    name = "is null" if fields["nulltesttype"] == "IS_NULL" else "is not null"
    return Operator(name, (reader.expression(fields["arg"]),))


def _boolean_test(reader: Translator, fields: Tree) -> Expr:
    return Operator(fields["booltesttype"].lower().replace("_", " "), (reader.expression(fields["arg"]),))


_MATCHES = {
    "~~": "like",
    "!~~": "not like",
    "~~*": "ilike",
    "!~~*": "not ilike",
}


def _operator(reader: Translator, fields: Tree) -> Expr:
    kind = fields["kind"]
    name = strings(fields["name"])[-1]
    if kind == "AEXPR_OP":
        if name == "||":
            return Operator(name, _chain(reader, fields))
        # Without a left side it is a prefix operator: -x.
        sides = [fields[side] for side in ("lexpr", "rexpr") if side in fields]
        return Operator(_MATCHES.get(name, name), reader.expressions(sides))
    left = reader.expression(fields["lexpr"]) if "lexpr" in fields else Other()
    right = fields["rexpr"]
    listed = reader.expressions(right["List"].get("items")) if "List" in right else None
    args = (left, *listed) if listed is not None else (left, reader.expression(right))
    if kind == "AEXPR_NULLIF":
        return Call(None, "nullif", args, reader.place(fields.get("location", 0)))
    return Operator(_operator_name(kind, name), args)


def _operator_name(kind: str, name: str) -> str:
    if kind == "AEXPR_OP_ANY":
        return "any" if name == "=" else f"{name} any"
    if kind == "AEXPR_OP_ALL":
        return f"{name} all"
    if kind == "AEXPR_IN":
        return "in" if name == "=" else "not in"
    if kind in ("AEXPR_LIKE", "AEXPR_ILIKE"):
        return _MATCHES.get(name, name)
    if kind == "AEXPR_SIMILAR":
        return "similar to" if name == "~" else "not similar to"
    if kind == "AEXPR_DISTINCT":
        return "is distinct from"
    if kind == "AEXPR_NOT_DISTINCT":
        return "is not distinct from"
    return name.lower()


def _chain(reader: Translator, fields: Tree) -> tuple[Expr, ...]:
    """The parts of ``a || b || c``: generated text has hundreds, which as a nested tree would be too deep."""
    parts: list[Tree] = []
    while True:
        parts.append(fields["rexpr"])
        left = fields.get("lexpr", {})
        inner = left.get("A_Expr")
        if inner is None or inner["kind"] != "AEXPR_OP" or strings(inner["name"])[-1] != "||":
            parts.append(left)
            return reader.expressions([part for part in reversed(parts) if part])
        fields = inner


def _indirection(reader: Translator, fields: Tree) -> Expr:
    base = reader.expression(fields["arg"])
    for step in fields.get("indirection", ()):
        if "String" in step or "A_Star" in step:
            name = step["String"].get("sval", "") if "String" in step else "*"
            # (NEW).id and (r).field are NEW.id and r.field.
            base = (
                Column((*base.parts, name), base.start)
                if isinstance(base, Column)
                else Operator(".", (base, Literal(name)))
            )
        else:
            bounds = step.get("A_Indices", {})
            base = Operator(
                "[]", (base, *reader.expressions([bounds[end] for end in ("lidx", "uidx") if end in bounds]))
            )
    return base


def _case(reader: Translator, fields: Tree) -> Expr:
    whens = [when["CaseWhen"] for when in fields.get("args", ())]
    return Case(
        tuple([reader.expression(when["expr"]) for when in whens]),
        tuple([reader.expression(when["result"]) for when in whens]),
        reader.expression(fields["defresult"]) if "defresult" in fields else None,
        reader.expression(fields["arg"]) if "arg" in fields else None,
    )


def _sublink(reader: Translator, fields: Tree) -> Expr:
    query = reader.subquery(fields["subselect"])
    test = reader.expression(fields["testexpr"]) if "testexpr" in fields else None
    kind = fields.get("subLinkType", "EXPR_SUBLINK")
    name = strings(fields.get("operName"))[-1:] or ("=",)
    if kind == "EXISTS_SUBLINK":
        return Subquery(query, "exists")
    if kind == "ARRAY_SUBLINK":
        return Subquery(query, "array")
    if kind == "ANY_SUBLINK" and name[0] == "=":
        return Subquery(query, "in", test)
    if kind == "ALL_SUBLINK" and name[0] == "<>":
        return Subquery(query, "all", test)
    if test is not None:
        quantifier = "all" if kind == "ALL_SUBLINK" else "any"
        return Operator(f"{_MATCHES.get(name[0], name[0])} {quantifier}", (test, Subquery(query, "array")))
    return Subquery(query, "scalar")


def _select(reader: Translator, fields: Tree) -> Expr:
    """A query where the grammar allows one without parentheses of its own, as in JSON_ARRAY(SELECT ...)."""
    return Subquery(reader.subquery({"SelectStmt": fields}), "array")


def _row(reader: Translator, fields: Tree) -> Expr:
    return Call(None, "row", reader.expressions(fields.get("args")), reader.place(fields.get("location", 0)))


def _array(reader: Translator, fields: Tree) -> Expr:
    return Operator("array", reader.expressions(fields.get("elements")))


def _collated(reader: Translator, fields: Tree) -> Expr:
    return reader.expression(fields["arg"])


def _named_argument(reader: Translator, fields: Tree) -> Expr:
    return Operator("=>", (Literal(fields.get("name", "")), reader.expression(fields["arg"])))


def _other(reader: Translator, fields: Tree) -> Expr:
    return Other(tuple(inside(reader, fields)))


def inside(reader: Translator, node: Any) -> Iterator[Expr]:
    """The expressions inside something that is no expression itself: a list, a clause, an unknown node."""
    if type(node) is list:
        for entry in node:
            yield from inside(reader, entry)
    elif type(node) is dict:
        if len(node) == 1 and next(iter(node)) in _READERS:
            yield reader.expression(node)
        else:
            if reader.depth >= MAX_DEPTH:
                reader.too_deep = True
                return
            reader.depth += 1
            for entry in node.values():
                if type(entry) is dict or type(entry) is list:
                    yield from inside(reader, entry)
            reader.depth -= 1


_READERS: dict[str, Callable[[Translator, Tree], Expr]] = {
    "ColumnRef": _column,
    "A_Const": _constant,
    "ParamRef": _parameter,
    "TypeCast": _cast,
    "FuncCall": _call,
    "CoalesceExpr": _grammar_call("coalesce"),
    "GroupingFunc": _grammar_call("grouping"),
    "MinMaxExpr": _least_or_greatest,
    "SQLValueFunction": _session_value,
    "MergeSupportFunc": _grammar_call("merge_action"),
    "XmlExpr": _xml,
    "XmlSerialize": _json_call("xmlserialize"),
    "JsonObjectConstructor": _json_call("json_object"),
    "JsonArrayConstructor": _json_call("json_array"),
    "JsonArrayQueryConstructor": _json_call("json_array"),
    "JsonObjectAgg": _json_call("json_objectagg"),
    "JsonArrayAgg": _json_call("json_arrayagg"),
    "JsonParseExpr": _json_call("json"),
    "JsonScalarExpr": _json_call("json_scalar"),
    "JsonSerializeExpr": _json_call("json_serialize"),
    "JsonFuncExpr": _json_function,
    "BoolExpr": _boolean,
    "NullTest": _null_test,
    "BooleanTest": _boolean_test,
    "A_Expr": _operator,
    "A_Indirection": _indirection,
    "A_ArrayExpr": _array,
    "RowExpr": _row,
    "CaseExpr": _case,
    "CollateClause": _collated,
    "NamedArgExpr": _named_argument,
    "SubLink": _sublink,
    "SelectStmt": _select,
    "JsonIsPredicate": _other,
    "SetToDefault": _other,
    "MultiAssignRef": _other,
    "CurrentOfExpr": _other,
}
