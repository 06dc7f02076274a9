"""The names that an expression or a query mentions, with their places: what it depends on, and what a rename must
change in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from referee.sql.context import strings
from referee.sql.parse import SqlSyntaxError, Tree, char_offsets, parse

_NAME = re.compile(r'"(?:[^"]|"")*+"|[^\W\d][\w$]*+')
_STRING = re.compile(r"[eE]?'((?:[^']|'')*+)'")
_BODY = re.compile(r"\s*begin\s+atomic\b(.*)\bend\s*;?\s*\Z", re.IGNORECASE | re.DOTALL)
_RETURN = re.compile(r"\s*return\b", re.IGNORECASE)
_SEQUENCE_CALLS = frozenset({"nextval", "currval", "setval"})

Place = tuple[int, int]
Kind = Literal["relation", "column", "function", "type", "label", "opclass", "alias", "rows"]


class Mention(NamedTuple):
    """A name in a text. ``schema`` is None where the text names none.

    ``start`` to ``end`` is the last part of the name as it stands there, with its quotes; the whole name begins at
    ``first``. Of a column, ``table`` is the table or alias in front of it, which stands at ``table_place``; a star is
    the column "*". Of a relation, ``alias`` is its alias; of a function, ``arguments`` how many it has.
    ``inside`` is whether it stands in a query inside the text, ``quoted`` whether inside a string constant. A label is
    a string constant, cast to the type that ``schema`` and ``table`` name. An alias is any name that the text itself
    gives; "rows" stands for a function in FROM, whose columns the text need not name. A column or star that nothing
    stands in front of has in ``among`` what the FROM of its own query calls its relations, then those of the queries
    around that; it is empty outside of a query.
    """

    kind: Kind
    schema: str | None
    name: str
    start: int
    end: int
    first: int
    table: str | None = None
    table_place: tuple[int, int] = (-1, -1)
    alias: str | None = None
    arguments: int = -1
    inside: bool = False
    quoted: bool = False
    among: tuple[tuple[str, ...], ...] = ()


# Statements that would pass for the names of columns behind SELECT.
_STATEMENT = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:delete\s+from|truncate|refresh\s+materialized|lock|notify|analyze)\s", re.I | re.S
)


@lru_cache(maxsize=8192)
def mentions(text: str) -> tuple[Mention, ...]:
    """The names in an expression, a query, an SQL-standard body, or the parts of an index from their parenthesis on.

    In the order of the text's tree. Nothing is mentioned by a text that the grammar refuses.
    """
    if body := _BODY.fullmatch(text):
        text = " " * body.start(1) + body[1]
    if result := _RETURN.match(text):
        text = " " * result.end() + text[result.end() :]
    for opening in ("",) if _STATEMENT.match(text) else ("SELECT ", "", "CREATE INDEX ON t "):
        source = opening + text
        try:
            trees = parse(source)
        except SqlSyntaxError:
            continue
        reader = _Reader(source, len(opening))
        for tree in trees:
            reader.read(tree["stmt"], opening != "" and opening[0] == "C")
        return tuple(reader.found)
    return ()


def replace_ranges(text: str, changes: Iterable[tuple[int, int, str]]) -> str:
    """The text with each range replaced; the ranges must not overlap."""
    for start, end, new in sorted(set(changes), reverse=True):
        text = text[:start] + new + text[end:]
    return text


class _Reader:
    def __init__(self, source: str, shift: int) -> None:
        self.source = source
        self.shift = shift
        self.chars = char_offsets(source)
        self.found: list[Mention] = []
        self.local: set[str] = set()
        self.depth = -1
        self.among: tuple[tuple[str, ...], ...] = ()

    def read(self, tree: Tree, is_index: bool) -> None:
        self.local.update(_names_of_ctes(tree))
        if is_index:
            for part in (*tree["IndexStmt"].get("indexParams", ()), tree["IndexStmt"].get("whereClause", {})):
                self._walk(part)
        else:
            self._walk(tree)

    def _walk(self, tree: Any) -> None:
        if type(tree) is list:
            for item in tree:
                self._walk(item)
        elif type(tree) is dict:
            for kind, node in tree.items():
                reader = _READERS.get(kind)
                if reader is not None and type(node) is dict:
                    reader(self, node)
                else:
                    self._walk(node)

    def _note(self, kind: Kind, schema: str | None, name: str, places: Sequence[Place], **more: Any) -> None:
        (start, end), shift = places[-1], self.shift
        first = places[0][0] - shift
        self.found.append(Mention(kind, schema, name, start - shift, end - shift, first, inside=self.depth > 0, **more))

    def _parts(self, location: int, names: Sequence[str]) -> list[Place]:
        """The range of each part of a dotted name, as far as it stands in the text; empty ranges where it does not."""
        at, ranges = self.chars(location), []
        for name in names:
            found = _NAME.search(self.source, at)
            if found is None or _folded(found.group()) != name:
                return [(self.chars(location),) * 2] * len(names)
            ranges.append(found.span())
            at = found.end()
        return ranges

    def _select(self, node: Tree) -> None:
        self.depth += 1
        self._branch(node)
        self.depth -= 1

    def _branch(self, node: Tree) -> None:
        """A SELECT, or one side of a UNION; a side of a join comes here too, and is none."""
        if "targetList" not in node:
            self._walk(node)
            return
        around, self.among = self.among, (tuple(_names_in_from(node.get("fromClause"))), *self.among)
        self._walk(node)
        self.among = around

    def _change(self, node: Tree) -> None:
        """INSERT, UPDATE, DELETE or MERGE, also in a WITH: its columns are not those of a SELECT around it."""
        from_clauses = [node[key] for key in ("fromClause", "usingClause", "sourceRelation") if key in node]
        names = _names_in_from([{"RangeVar": node["relation"]}, *from_clauses])
        around, self.among = self.among, (tuple(names),)
        self._walk(node)
        self.among = around

    def _relation(self, node: Tree) -> None:
        name, schema = node["relname"], node.get("schemaname")
        if schema is None and name in self.local:
            return
        places = self._parts(node.get("location", 0), [part for part in (schema, name) if part is not None])
        alias = node.get("alias", {})
        self._note("relation", schema, name, places, alias=alias.get("aliasname"))
        self._alias(alias)

    def _alias(self, node: Tree) -> None:
        for name in (node.get("aliasname"), *strings(node.get("colnames"))):
            if name is not None:
                self._note("alias", None, name, [(self.shift, self.shift)])

    def _target(self, node: Tree) -> None:
        if "name" in node:
            self._note("alias", None, node["name"], [(self.shift, self.shift)])
        self._walk(node)

    def _table_expression(self, node: Tree) -> None:
        """WITH ... AS: its query may name columns."""
        for name in strings(node.get("aliascolnames")):
            self._note("alias", None, name, [(self.shift, self.shift)])
        self._walk(node)

    def _rows(self, node: Tree) -> None:
        self._note("rows", None, "", [(self.shift, self.shift)])
        self._walk(node)

    def _column(self, node: Tree) -> None:
        words = [field["String"]["sval"] if "String" in field else "*" for field in node["fields"]]
        named = words[:-1] if words[-1] == "*" else words
        places = self._parts(node.get("location", 0), named)
        if words[-1] == "*":
            places.append((places[-1][1],) * 2 if places else (self.chars(node.get("location", 0)),) * 2)
        has_table = len(words) > 1
        self._note(
            "column",
            words[-3] if len(words) > 2 else None,
            words[-1],
            places,
            table=words[-2] if has_table else None,
            among=() if has_table else self.among,
            table_place=(places[-2][0] - self.shift, places[-2][1] - self.shift) if has_table else (-1, -1),
        )

    def _call(self, node: Tree) -> None:
        names = [part["String"]["sval"] for part in node["funcname"]]
        arguments = node.get("args", ())
        places = self._parts(node.get("location", 0), names)
        self._note("function", names[-2] if len(names) > 1 else None, names[-1], places, arguments=len(arguments))
        if names[-1] in _SEQUENCE_CALLS and arguments:
            self._constant_relation(arguments[0])
        self._walk({key: value for key, value in node.items() if key != "funcname"})

    def _cast(self, node: Tree) -> None:
        names = [part["String"]["sval"] for part in node["typeName"].get("names", ())]
        if names[-1:] == ["regclass"]:
            self._constant_relation(node["arg"])
        elif names and names[0] != "pg_catalog" and "A_Const" in node["arg"] and "sval" in node["arg"]["A_Const"]:
            constant = node["arg"]["A_Const"]
            at = self.chars(constant.get("location", 0))
            string = _STRING.match(self.source, at)
            place = string.span() if string else (at, at)
            schema = names[-2] if len(names) > 1 else None
            self._note("label", schema, constant["sval"].get("sval", ""), [place], table=names[-1])
        self._walk(node)

    def _constant_relation(self, node: Tree) -> None:
        """The relation that a string constant names, as in nextval('public.a_id_seq')."""
        while "TypeCast" in node:
            node = node["TypeCast"]["arg"]
        constant = node.get("A_Const", {})
        if "sval" not in constant:
            return
        at = self.chars(constant.get("location", 0))
        string = _STRING.match(self.source, at)
        parts = [(part.start(), part.end()) for part in _NAME.finditer(constant["sval"].get("sval", ""))]
        if string is None or not parts:
            return
        names = [_folded(constant["sval"]["sval"][start:end]) for start, end in parts]
        inner = string.start(1)
        places = [(inner + start, inner + end) for start, end in parts]
        self._note("relation", names[-2] if len(names) > 1 else None, names[-1], places, quoted=True)

    def _type(self, node: Tree) -> None:
        names = [part["String"]["sval"] for part in node.get("names", ())]
        if names and names[0] != "pg_catalog":
            places = self._parts(node.get("location", 0), names)
            self._note("type", names[-2] if len(names) > 1 else None, names[-1], places)

    def _element(self, node: Tree) -> None:
        """A part of an index: a column, or an expression."""
        if "name" in node:
            self._note("column", None, node["name"], [(self.shift, self.shift)])
        opclass = [part["String"]["sval"] for part in node.get("opclass", ())]
        if opclass:
            schema = opclass[-2] if len(opclass) > 1 else None
            self._note("opclass", schema, opclass[-1], [(self.shift, self.shift)])
        self._walk(node.get("expr", {}))


_READERS = {
    "Alias": _Reader._alias,
    "CallStmt": lambda reader, node: reader._walk(node.get("funccall", {})),
    "CommonTableExpr": _Reader._table_expression,
    "ColumnRef": _Reader._column,
    "DeleteStmt": _Reader._change,
    "FuncCall": _Reader._call,
    "IndexElem": _Reader._element,
    "InsertStmt": _Reader._change,
    "MergeStmt": _Reader._change,
    "RangeFunction": _Reader._rows,
    "RangeTableFunc": _Reader._rows,
    "RangeVar": _Reader._relation,
    "ResTarget": _Reader._target,
    "SelectStmt": _Reader._select,
    "TypeCast": _Reader._cast,
    "TypeName": _Reader._type,
    "UpdateStmt": _Reader._change,
    # These nodes hold their names without a wrapper around them.
    "alias": _Reader._alias,
    "larg": _Reader._branch,
    "rarg": _Reader._branch,
    "relation": _Reader._relation,
    "typeName": _Reader._type,
}


def _names_in_from(tree: Any) -> Iterator[str]:
    """What a FROM calls the relations in it, those of joins too; what queries in it name is theirs."""
    stack = [tree]
    while stack:
        item = stack.pop()
        if type(item) is list:
            stack.extend(item)
        elif type(item) is dict and "RangeVar" in item:
            relation = item["RangeVar"]
            yield relation.get("alias", {}).get("aliasname") or relation["relname"]
        elif type(item) is dict and "JoinExpr" in item:
            stack += [item["JoinExpr"].get("larg"), item["JoinExpr"].get("rarg")]


def _names_of_ctes(tree: Any) -> Iterable[str]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if type(node) is dict:
            if "CommonTableExpr" in node:
                yield node["CommonTableExpr"].get("ctename", "")
            stack.extend(node.values())
        elif type(node) is list:
            stack.extend(node)


def _folded(word: str) -> str:
    return word[1:-1].replace('""', '"') if word.startswith('"') else word.lower()
