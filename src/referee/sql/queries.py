"""libpg_query's trees of statements, turned into the queries of ``tree``.

What a Query says beyond the docstring in ``tree``:

* ``nested`` of an INSERT whose ``rows`` is "select" starts with the query that supplies the rows; CTEs follow, then
  the queries inside expressions, in the order in which they were read. A set operation is a query whose ``nested``
  are its arms.
* The target of an UPDATE, DELETE or MERGE is not among its ``sources``. For "ddl", ``target`` is the table or view
  that the statement creates. TRUNCATE of several tables is one query for the first, with the others in ``nested``.
* Expressions that are neither outputs nor conditions (GROUP BY, ORDER BY, LIMIT, functions in FROM) stand in
  ``conditions`` inside an Other, so that whoever looks for a call or a subquery meets all of them.
* Only the statement itself has ``start`` and ``end``; queries inside it have -1, since the trees do not say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal as OneOf

from msgspec.structs import replace

from referee.sql import ranges
from referee.sql.describe import describe
from referee.sql.parse import SqlSyntaxError, Tree, char_offsets, parse
from referee.sql.translation import MAX_DEPTH, OffsetMap, Translator, inside
from referee.sql.tree import (
    Assignment,
    Call,
    Case,
    Cast,
    Column,
    Expr,
    OnConflict,
    Operator,
    Other,
    Output,
    Query,
    Subquery,
    TableUse,
)

_DDL = (
    "Create",
    "Alter",
    "Drop",
    "Define",
    "Rename",
    "Comment",
    "Grant",
    "View",
    "Index",
    "Refresh",
    "Rule",
    "Composite",
)
# A query inside an expression takes more frames of the stack than an operator does.
_DEPTH_OF_QUERY = 3


def translate_statement(tree: Tree, text: str, shift: int = 0, into: tuple[str, ...] = ()) -> Query:
    """The query of one entry of ``parse(text)``. ``shift`` is added to every offset; ``into`` are PL/pgSQL's INTO
    targets.
    """
    local = None if text.isascii() else char_offsets(text)
    return QueryTranslator(local, shift, text).statement(tree, into)


def read_statement(text: str, shift: int = 0, into: tuple[str, ...] = ()) -> Query:
    """The query of a text that holds exactly one statement.

    Raises SqlSyntaxError for text that the grammar refuses, and for none or several statements.
    """
    trees = parse(text)
    if len(trees) != 1:
        raise SqlSyntaxError("nothing to run" if not trees else "several statements where one was expected", 0)
    local = None if text.isascii() else char_offsets(text)
    translator = QueryTranslator(local, shift, text)
    query = translator.statement(trees[0], into)
    if translator.too_deep:
        raise SqlSyntaxError("an expression nested too deeply to read", 0)
    return query


def queries_in(query: Query) -> Iterator[Query]:
    """The query and every query inside it, outer ones first."""
    stack = [query]
    while stack:
        found = stack.pop()
        yield found
        stack.extend(reversed(found.nested))


def with_columns(query: Query, columns: Sequence[str]) -> Query:
    """An INSERT without a column list, given the columns of its table in their order: what it assigns to which.

    The assignments carry the text that ``describe`` gives and as position that of the first name in the value.
    """
    if query.action != "insert" or query.columns_given:
        return query
    assignments = tuple(
        Assignment(column, value, describe(value), start := _first_position(value), start)
        for column, value in zip(columns, query.values, strict=False)
    )
    return replace(query, assignments=assignments)


def _first_position(value: Expr) -> int:
    if isinstance(value, (Column, Call)):
        return value.start
    if isinstance(value, Cast):
        return _first_position(value.arg)
    return -1


class _Parts:
    """What is gathered while one query is read."""

    __slots__ = ("conditions", "derived", "nested", "sources")

    def __init__(self) -> None:
        self.sources: list[TableUse] = []
        self.derived: list[str] = []
        self.conditions: list[Expr] = []
        self.nested: list[Query] = []


class QueryTranslator(Translator):
    """Translates whole statements. ``text`` is what was parsed; without it assignments have no text and no position."""

    def __init__(self, local: OffsetMap | None = None, shift: int = 0, text: str = "") -> None:
        super().__init__(local, shift)
        self.text = text
        self.parts = _Parts()
        self.cte_names: frozenset[str] = frozenset()

    def statement(self, tree: Tree, into: tuple[str, ...] = ()) -> Query:
        query = self.query(tree["stmt"])
        first = self.in_text(tree.get("stmt_location", 0))
        length = tree.get("stmt_len", 0)
        last = self.in_text(tree.get("stmt_location", 0) + length) if length else len(self.text)
        start, end = ranges.trim(self.text, first, last)
        return replace(query, into=into, start=start + self.shift, end=end + self.shift)

    def in_text(self, location: int) -> int:
        """The character offset in ``text`` of a byte offset."""
        return location if self.local is None else self.local(location)

    def subquery(self, tree: Tree) -> Query:
        query = self.query(tree)
        self.parts.nested.append(query)
        return query

    def query(self, tree: Tree) -> Query:
        """The query of a node ``{kind: fields}``."""
        if len(tree) != 1 or self.depth + _DEPTH_OF_QUERY > MAX_DEPTH:
            self.too_deep = True
            return Query("other")
        [(kind, fields)] = tree.items()
        outer, names = self.parts, self.cte_names
        self.parts = _Parts()
        self.depth += _DEPTH_OF_QUERY
        if "withClause" in fields:
            self._ctes(fields["withClause"])
        found = _STATEMENTS[kind](self, fields) if kind in _STATEMENTS else self._any(kind, fields)
        self.depth -= _DEPTH_OF_QUERY
        self.parts, self.cte_names = outer, names
        return found

    def _ctes(self, clause: Tree) -> None:
        ctes = [entry["CommonTableExpr"] for entry in clause.get("ctes", ())]
        if clause.get("recursive"):
            self.cte_names |= {cte["ctename"] for cte in ctes}
        for cte in ctes:
            self.subquery(cte["ctequery"])
            self.cte_names |= {cte["ctename"]}

    # FROM

    def table(self, fields: Tree) -> TableUse:
        """The table that a RangeVar names."""
        location = fields.get("location", 0)
        start = end = self.place(location)
        if self.text and location >= 0:
            end = ranges.name_end(self.text, start - self.shift) + self.shift
        alias = fields["alias"].get("aliasname") if "alias" in fields else None
        return TableUse(fields.get("schemaname"), fields["relname"], alias, start, end)

    def from_items(self, trees: list[Tree]) -> None:
        """Gathers what a FROM list names. Joins nest to the left, often deeply, so this is a loop."""
        stack = list(reversed(trees))
        while stack:
            tree = stack.pop()
            [(kind, fields)] = tree.items() if len(tree) == 1 else [("", {})]
            if kind == "RangeVar":
                self._range(fields)
            elif kind == "JoinExpr":
                if "alias" in fields:
                    self.parts.derived.append(fields["alias"]["aliasname"])
                # The condition is read when both sides have been.
                stack.extend(
                    {"quals": fields[side]} if side == "quals" else fields[side] for side in _JOIN if side in fields
                )
            elif kind == "quals":
                self.parts.conditions.append(self.expression(fields))
            elif kind == "RangeSubselect":
                self.subquery(fields["subquery"])
                self._derived(fields)
            elif kind == "RangeTableSample":
                self.from_items([fields["relation"]])
                self.aside(fields.get("args"))
            else:
                self._function(fields)

    def _range(self, fields: Tree) -> None:
        if "schemaname" not in fields and fields["relname"] in self.cte_names:
            self.parts.derived.append(fields["alias"]["aliasname"] if "alias" in fields else fields["relname"])
        else:
            self.parts.sources.append(self.table(fields))

    def _derived(self, fields: Tree) -> None:
        if "alias" in fields:
            self.parts.derived.append(fields["alias"]["aliasname"])

    def _function(self, fields: Tree) -> None:
        calls = list(inside(self, fields))
        if calls:
            self.parts.conditions.append(Other(tuple(calls)))
        if "alias" in fields:
            self._derived(fields)
        else:
            self.parts.derived.extend(call.name for call in calls if isinstance(call, Call))

    # What several statements have

    def where(self, tree: Tree | None) -> None:
        if tree:
            self.parts.conditions.append(self.expression(tree))

    def aside(self, node: object) -> None:
        """Keeps the expressions of a clause that is no condition."""
        if node:
            found = tuple(inside(self, node))
            if found:
                self.parts.conditions.append(Other(found))

    def outputs(self, targets: list[Tree] | None) -> tuple[Output, ...]:
        if not targets:
            return ()
        found: list[Output] = []
        for target in targets:
            fields = target["ResTarget"]
            value = self.expression(fields["val"])
            found.append(Output(fields.get("name") or implied_name(value), value))
        return tuple(found)

    def returning(self, fields: Tree) -> tuple[Output, ...]:
        if "returningClause" in fields:
            return self.outputs(fields["returningClause"].get("exprs"))
        return self.outputs(fields.get("returningList"))

    # Statements

    def _select(self, fields: Tree) -> Query:
        if fields.get("op", "SETOP_NONE") != "SETOP_NONE":
            return self._set_operation(fields)
        if "fromClause" in fields:
            self.from_items(fields["fromClause"])
        if "valuesLists" in fields:
            outputs = self._values(fields["valuesLists"])
        else:
            outputs = self.outputs(fields.get("targetList"))
        self.where(fields.get("whereClause"))
        self.where(fields.get("havingClause"))
        self._tail(fields)
        parts = self.parts
        return Query(
            "select",
            outputs=outputs,
            sources=tuple(parts.sources),
            derived=tuple(parts.derived),
            conditions=tuple(parts.conditions),
            nested=tuple(parts.nested),
        )

    def _tail(self, fields: Tree) -> None:
        for clause in _TAIL:
            if clause in fields:
                self.aside(fields[clause])

    def _values(self, lists: list[Tree]) -> tuple[Output, ...]:
        rows = [self.expressions(row["List"].get("items")) for row in lists]
        return tuple([Output(f"column{number}", value) for number, value in enumerate(_by_position(rows), 1)])

    def _set_operation(self, fields: Tree) -> Query:
        arms: list[Query] = []
        pending = [fields]
        # UNIONs nest to the left; a generated one has hundreds of arms.
        while pending:
            arm = pending.pop()
            if (arm.get("op", "SETOP_NONE") != "SETOP_NONE" and "withClause" not in arm) or arm is fields:
                self._tail(arm)
                pending += [arm["rarg"], arm["larg"]]
            else:
                arms.append(self.subquery({"SelectStmt": arm}))
        values = _by_position([tuple([output.value for output in arm.outputs]) for arm in arms])
        names = [output.name for output in arms[0].outputs]
        names += [None] * (len(values) - len(names))
        return Query(
            "select",
            outputs=tuple([Output(name, value) for name, value in zip(names, values, strict=False)]),
            conditions=tuple(self.parts.conditions),
            nested=tuple(self.parts.nested),
        )

    def _insert(self, fields: Tree) -> Query:
        target = self.table(fields["relation"])
        columns = [column["ResTarget"] for column in fields.get("cols", ())]
        select = fields.get("selectStmt", {}).get("SelectStmt")
        rows: _Rows = "default"
        values: tuple[Expr | None, ...] = ()
        places: list[ranges.Range] = []
        if select is not None and _is_plain_values(select):
            rows = "values"
            values = self._row_values(select["valuesLists"])
            places = self._row_places(fields["relation"])
        elif select is not None:
            rows = "select"
            query = self.query({"SelectStmt": select})
            self.parts.nested.insert(0, query)
            values = _known_outputs(query)
            places = self._item_places(_first_arm(select).get("targetList", ())[: len(values)])
        assignments = tuple(
            self._assignment(column, values[index] if index < len(values) else None, places, index)
            for index, column in enumerate(columns)
        )
        on_conflict = self._on_conflict(fields["onConflictClause"]) if "onConflictClause" in fields else None
        return self._written(
            "insert",
            target,
            assignments,
            self.returning(fields),
            columns_given=bool(columns),
            values=() if columns else tuple([Other() if value is None else value for value in values]),
            rows=rows,
            on_conflict=on_conflict,
        )

    def _row_values(self, lists: list[Tree]) -> tuple[Expr | None, ...]:
        if len(lists) == 1:
            items = lists[0]["List"].get("items", ())
            return tuple([None if "SetToDefault" in item else self.expression(item) for item in items])
        rows = [self.expressions(row["List"].get("items")) for row in lists]
        return tuple([None if value == _DEFAULT else value for value in _by_position(rows)])

    def _row_places(self, relation: Tree) -> list[ranges.Range]:
        if not self.text:
            return []
        opening = ranges.first_row(self.text, ranges.name_end(self.text, self.in_text(relation.get("location", 0))))
        return ranges.items_in_parentheses(self.text, opening) if opening >= 0 else []

    def _item_places(self, targets: Sequence[Tree]) -> list[ranges.Range]:
        """The ranges of the items of a SELECT list, without their aliases."""
        found: list[ranges.Range] = []
        for target in targets if self.text else ():
            fields = target["ResTarget"]
            start, end, _ = ranges.item(self.text, self.in_text(fields.get("location", 0)))
            found.append((start, ranges.without_alias(self.text, start, end) if fields.get("name") else end))
        return found

    def _assignment(self, column: Tree, value: Expr | None, places: Sequence[ranges.Range], index: int) -> Assignment:
        name, name_start = column.get("name", ""), self.place(column.get("location", 0))
        if index >= len(places):
            return Assignment(name, value, column_start=name_start)
        start, end = places[index]
        return Assignment(name, value, self.text[start:end], start + self.shift, end + self.shift, name_start)

    def _set_clause(self, targets: list[Tree] | None) -> tuple[Assignment, ...]:
        """The assignments of UPDATE ... SET."""
        found: list[Assignment] = []
        trees = [target["ResTarget"] for target in targets or ()]
        for tree in trees:
            several = tree["val"].get("MultiAssignRef")
            if several is None:
                found.append(self._assignment(tree, self._or_default(tree["val"]), self._value_place(tree), 0))
            elif several.get("colno", 1) == 1:
                group = trees[len(found) : len(found) + several.get("ncolumns", 1)]
                found.extend(self._set_together(group, several["source"]))
        return tuple(found)

    def _set_together(self, columns: list[Tree], source: Tree) -> Iterator[Assignment]:
        """The assignments of ``(a, b) = (x, y)`` or ``(a, b) = (SELECT x, y ...)``."""
        places: list[ranges.Range] = []
        values: tuple[Expr | None, ...]
        if "RowExpr" in source:
            values = tuple([self._or_default(item) for item in source["RowExpr"].get("args", ())])
            place = self._value_place(columns[0], behind_list=True)
            opening = self.text.find("(", place[0][0], place[0][1]) if place else -1
            places = ranges.items_in_parentheses(self.text, opening) if opening >= 0 else []
        else:
            found = self.expression(source)
            values = _known_outputs(found.query) if isinstance(found, Subquery) else ()
            if "SubLink" in source:
                places = self._item_places(
                    _first_arm(source["SubLink"]["subselect"]["SelectStmt"]).get("targetList", ())
                )
        for index, column in enumerate(columns):
            yield self._assignment(column, values[index] if index < len(values) else None, places, index)

    def _or_default(self, tree: Tree) -> Expr | None:
        return None if "SetToDefault" in tree else self.expression(tree)

    def _value_place(self, target: Tree, behind_list: bool = False) -> list[ranges.Range]:
        """Where the value of ``column = value`` stands, from the target on; ``behind_list`` for (a, b) = ..."""
        if not self.text:
            return []
        start = self.in_text(target.get("location", 0))
        if behind_list:
            start = ranges.closing(self.text, start)
        equals = ranges.value_after_equals(self.text, start)
        if equals < 0:
            return []
        return [ranges.item(self.text, equals)[:2]]

    def _on_conflict(self, fields: Tree) -> OnConflict:
        self.parts.derived.append("excluded")
        infer = fields.get("infer", {})
        elements = [element["IndexElem"] for element in infer.get("indexElems", ())]
        self.aside([element["expr"] for element in elements if "expr" in element])
        self.where(infer.get("whereClause"))
        assignments = self._set_clause(fields.get("targetList"))
        self.where(fields.get("whereClause"))
        return OnConflict(
            "update" if fields.get("action") == "ONCONFLICT_UPDATE" else "nothing",
            tuple([element["name"] for element in elements if "name" in element]),
            infer.get("conname"),
            assignments,
            self.place(fields.get("location", 0)),
        )

    def _update(self, fields: Tree) -> Query:
        target = self.table(fields["relation"])
        self.from_items(fields.get("fromClause", []))
        assignments = self._set_clause(fields.get("targetList"))
        self.where(fields.get("whereClause"))
        return self._written("update", target, assignments, self.returning(fields))

    def _delete(self, fields: Tree) -> Query:
        target = self.table(fields["relation"])
        self.from_items(fields.get("usingClause", []))
        self.where(fields.get("whereClause"))
        return self._written("delete", target, (), self.returning(fields))

    def _merge(self, fields: Tree) -> Query:
        target = self.table(fields["relation"])
        self.from_items([fields["sourceRelation"]])
        self.where(fields.get("joinCondition"))
        assignments: list[Assignment] = []
        for entry in fields.get("mergeWhenClauses", ()):
            when = entry["MergeWhenClause"]
            self.where(when.get("condition"))
            if when.get("commandType") == "CMD_UPDATE":
                assignments.extend(self._set_clause(when.get("targetList")))
            elif when.get("commandType") == "CMD_INSERT":
                assignments.extend(self._merge_insert(when))
        return self._written("merge", target, tuple(assignments), self.returning(fields))

    def _merge_insert(self, when: Tree) -> Iterator[Assignment]:
        columns = [column["ResTarget"] for column in when.get("targetList", ())]
        values = [self._or_default(value) for value in when.get("values", ())]
        places: list[ranges.Range] = []
        if self.text and columns:
            # Behind the parenthesis that closes the column list.
            start = ranges.closing(self.text, self.in_text(columns[0].get("location", 0)))
            opening = ranges.first_row(self.text, start)
            places = ranges.items_in_parentheses(self.text, opening) if opening >= 0 else []
        for index, column in enumerate(columns):
            yield self._assignment(column, values[index] if index < len(values) else None, places, index)

    def _written(
        self,
        action: _Writing,
        target: TableUse,
        assignments: tuple[Assignment, ...],
        outputs: tuple[Output, ...],
        *,
        columns_given: bool = True,
        values: tuple[Expr, ...] = (),
        rows: _Rows = "",
        on_conflict: OnConflict | None = None,
    ) -> Query:
        parts = self.parts
        return Query(
            action,
            target,
            assignments,
            columns_given,
            values,
            rows,
            on_conflict,
            tuple(parts.sources),
            tuple(parts.derived),
            outputs,
            tuple(parts.conditions),
            nested=tuple(parts.nested),
        )

    def _truncate(self, fields: Tree) -> Query:
        targets = [self.table(relation["RangeVar"]) for relation in fields.get("relations", ())]
        first, *others = [Query("truncate", target) for target in targets]
        return replace(first, nested=tuple(others))

    def _call(self, fields: Tree) -> Query:
        outputs = (Output(None, self.expression({"FuncCall": fields["funccall"]})),)
        return Query("other", outputs=outputs, nested=tuple(self.parts.nested))

    def _create_as(self, fields: Tree) -> Query:
        self.subquery(fields["query"])
        return Query("ddl", self.table(fields["into"]["rel"]), nested=tuple(self.parts.nested))

    def _create_table(self, fields: Tree) -> Query:
        return Query("ddl", self.table(fields["relation"]))

    def _create_view(self, fields: Tree) -> Query:
        self.subquery(fields["query"])
        return Query("ddl", self.table(fields["view"]), nested=tuple(self.parts.nested))

    def _any(self, kind: str, fields: Tree) -> Query:
        """A statement that is no query: EXPLAIN, DECLARE CURSOR and PREPARE hold one."""
        if kind.startswith(_DDL):
            return Query("ddl")
        query = fields.get("query")
        if isinstance(query, dict) and next(iter(query), "") in _STATEMENTS:
            self.subquery(query)
        return Query("other", nested=tuple(self.parts.nested))


_Rows = OneOf["values", "select", "default", ""]
_Writing = OneOf["insert", "update", "delete", "merge"]
_DEFAULT = Other()
_JOIN = ("quals", "rarg", "larg")
_TAIL = ("distinctClause", "groupClause", "windowClause", "sortClause", "limitOffset", "limitCount")
_STATEMENTS: dict[str, Callable[[QueryTranslator, Tree], Query]] = {
    "SelectStmt": QueryTranslator._select,
    "InsertStmt": QueryTranslator._insert,
    "UpdateStmt": QueryTranslator._update,
    "DeleteStmt": QueryTranslator._delete,
    "MergeStmt": QueryTranslator._merge,
    "TruncateStmt": QueryTranslator._truncate,
    "CallStmt": QueryTranslator._call,
    "CreateTableAsStmt": QueryTranslator._create_as,
    "CreateStmt": QueryTranslator._create_table,
    "ViewStmt": QueryTranslator._create_view,
}


def _is_plain_values(select: Tree) -> bool:
    """Whether an INSERT's rows are a VALUES list and nothing more."""
    return "valuesLists" in select and "withClause" not in select


def _first_arm(select: Tree) -> Tree:
    """The leftmost arm of a set operation: the one that the positions of values are taken from."""
    while select.get("op", "SETOP_NONE") != "SETOP_NONE":
        select = select["larg"]
    return select


def _known_outputs(query: Query) -> tuple[Expr | None, ...]:
    """The values of a SELECT list by position, up to the first star, behind which positions are unknown."""
    found: list[Expr | None] = []
    for output in query.outputs:
        if isinstance(output.value, Column) and output.value.parts[-1] == "*":
            break
        found.append(output.value)
    return tuple(found)


def _by_position(rows: Sequence[tuple[Expr, ...]]) -> list[Expr]:
    """What several rows hold by position: the value where all agree, else all values inside an Other."""
    width = min((len(row) for row in rows), default=0)
    if len(rows) == 1:
        return list(rows[0])
    found: list[Expr] = []
    for position in range(width):
        distinct = {describe(row[position]): row[position] for row in reversed(rows)}
        values = tuple(reversed(distinct.values()))
        found.append(values[0] if len(values) == 1 else Other(values))
    return found


def implied_name(value: Expr) -> str | None:
    """The name that Postgres gives to an item of a SELECT list without an alias (parse_target.c, FigureColname)."""
    if isinstance(value, Column):
        return value.parts[-1] if value.parts[-1] != "*" else None
    if isinstance(value, Call):
        return value.name
    if isinstance(value, Cast):
        return implied_name(value.arg) or value.type
    if isinstance(value, Subquery):
        if value.kind == "scalar":
            return value.query.outputs[0].name if value.query.outputs else None
        return value.kind if value.kind in ("exists", "array") else None
    if isinstance(value, Case):
        return (implied_name(value.otherwise) if value.otherwise is not None else None) or "case"
    if isinstance(value, Operator):
        return {"array": "array", "[]": None}.get(value.name)
    if isinstance(value, Other) and value.children and isinstance(value.children[0], Call):
        return value.children[0].name
    return None
