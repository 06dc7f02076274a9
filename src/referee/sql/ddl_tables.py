"""Tables, their columns and constraints, indexes: from libpg_query's trees to records."""

from __future__ import annotations

from collections.abc import Callable
from sys import intern

from referee.model.names import MAX_NAME_BYTES, clip
from referee.sql import tokens
from referee.sql.context import Context, find_all, is_on, role_name, strings, type_written, written_name
from referee.sql.parse import Tree
from referee.sql.statements import (
    Action,
    AlterAction,
    AlterTable,
    ColumnSpec,
    Constraint,
    CreateIndex,
    CreateTable,
    Like,
    SetOwner,
    TypeWritten,
    Written,
)

_KINDS = {
    "CONSTR_PRIMARY": "primary",
    "CONSTR_UNIQUE": "unique",
    "CONSTR_CHECK": "check",
    "CONSTR_FOREIGN": "foreign",
    "CONSTR_EXCLUSION": "exclude",
    "CONSTR_NOTNULL": "not null",
}


def create_table(context: Context, tree: Tree) -> CreateTable:
    columns, constraints, likes = [], [], []
    for element in tree.get("tableElts", ()):
        if "ColumnDef" in element:
            columns.append(column(context, element["ColumnDef"]))
        elif "Constraint" in element:
            constraints.append(constraint(context, element["Constraint"]))
        elif "TableLikeClause" in element:
            clause = element["TableLikeClause"]
            likes.append(Like(context.written(clause["relation"]), clause.get("options", 0), len(columns)))
    relation = tree["relation"]
    parents = tuple([context.written(parent["RangeVar"]) for parent in tree.get("inhRelations", ())])
    is_partition = "partbound" in tree
    return CreateTable(
        context.written(relation),
        tuple(columns),
        tuple(constraints),
        tuple(likes),
        () if is_partition else parents,
        parents[0] if is_partition and parents else None,
        tree.get("if_not_exists", False),
        "partspec" in tree,
        relation.get("relpersistence") == "t",
        of_type=written_name(tree["ofTypename"].get("names")) if "ofTypename" in tree else None,
    )


def create_foreign_table(context: Context, tree: Tree) -> CreateTable:
    table = create_table(context, tree["base"])
    return CreateTable(table.name, table.columns, table.constraints, if_not_exists=table.if_not_exists, foreign=True)


def create_table_as(context: Context, tree: Tree) -> Action:
    into = tree["into"]
    relation = into["rel"]
    return CreateTable(
        context.written(relation),
        if_not_exists=tree.get("if_not_exists", False),
        temporary=relation.get("relpersistence") == "t",
        unknown_columns=True,
    )


def column(context: Context, tree: Tree) -> ColumnSpec:
    """A column with its constraints; DEFERRABLE and its kind follow the key they belong to as separate nodes."""
    name = intern(tree.get("colname", ""))
    start = context.local(tree)
    kind = tree.get("typeName")
    written = type_written(kind) if kind is not None else TypeWritten(None, "")
    trees = tree.get("constraints")
    end = context.base + (_type_end(context, kind) if kind is not None else start)
    if trees is None:
        return ColumnSpec(name, written, context.base + start, end)
    not_null, default, generated, identity = False, None, None, ""
    constraints: list[Constraint] = []
    for wrapped in trees:
        node = wrapped["Constraint"]
        contype = node["contype"]
        if contype == "CONSTR_NOTNULL":
            not_null = True
        elif contype == "CONSTR_DEFAULT":
            default = _default(context, node)
        elif contype == "CONSTR_GENERATED":
            generated = _parenthesised(context, node)
        elif contype == "CONSTR_IDENTITY":
            identity = "always" if node.get("generated_when") == "a" else "by default"
            not_null = True
        elif contype.startswith("CONSTR_ATTR_"):
            if constraints:
                constraints[-1] = _with_attribute(constraints[-1], contype)
        elif contype in _KINDS:
            constraints.append(constraint(context, node, name))
    return ColumnSpec(
        name,
        written,
        context.base + start,
        end,
        not_null,
        default,
        generated,
        identity,  # type: ignore[arg-type]
        tuple(constraints),
    )


def _type_end(context: Context, kind: Tree) -> int:
    return tokens.qualified_name_end(context.text, context.local(kind))


def _default(context: Context, node: Tree) -> str:
    start = context.local(node) + len("default")
    return context.text[start : tokens.default_end(context.text, start)].strip()


def _parenthesised(context: Context, node: Tree) -> str:
    start, end = tokens.inside_parentheses(context.text, context.local(node))
    return context.text[start:end]


def _with_attribute(key: Constraint, contype: str) -> Constraint:
    changes = {
        "CONSTR_ATTR_DEFERRABLE": {"deferrable": True},
        "CONSTR_ATTR_DEFERRED": {"deferrable": True, "deferred": True},
        "CONSTR_ATTR_NOT_ENFORCED": {"enforced": False, "not_valid": True},
    }.get(contype)
    if changes is None:
        return key
    values = {name: getattr(key, name) for name in key.__struct_fields__}
    return Constraint(**{**values, **changes})


def constraint(context: Context, node: Tree, column_name: str | None = None) -> Constraint:
    """A constraint of a table, or of the column that is named."""
    kind = _KINDS[node["contype"]]
    start = context.local(node)
    own = (column_name,) if column_name is not None else ()
    if kind == "foreign":
        return _foreign_key(context, node, start, own)
    expression, columns = "", own or strings(node.get("keys"))
    if kind == "check":
        expression = _parenthesised(context, node)
        columns = check_columns(node)
    elif kind == "exclude":
        expression = "exclude"
        elements = [element["List"]["items"][0]["IndexElem"] for element in node.get("exclusions", ())]
        columns = index_labels(elements)
    return Constraint(
        kind,  # type: ignore[arg-type]
        context.base + start,
        context.base + len(context.text) if column_name is None else context.base + start,
        node.get("conname"),
        columns,
        deferrable=node.get("deferrable", False),
        deferred=node.get("initdeferred", False),
        not_valid=node.get("skip_validation", False),
        index=node.get("indexname"),
        expression=expression,
        nulls_not_distinct=node.get("nulls_not_distinct", False),
        enforced=node.get("is_enforced", True) if kind == "check" else True,
        begin=context.base + start,
        include=strings(node.get("including")),
        overlaps=node.get("without_overlaps", False),
        inherit=not node.get("is_no_inherit", False),
    )


def _foreign_key(context: Context, node: Tree, start: int, own: tuple[str, ...]) -> Constraint:
    relation = node["pktable"]
    anchor, end = tokens.references_clause(context.text, start, context.local(relation))
    return Constraint(
        "foreign",
        context.base + anchor,
        context.base + end,
        node.get("conname"),
        own or strings(node.get("fk_attrs")),
        context.written(relation),
        strings(node.get("pk_attrs")),
        node.get("fk_matchtype", "s"),
        node.get("fk_del_action", "a"),
        node.get("fk_upd_action", "a"),
        strings(node.get("fk_del_set_cols")),
        node.get("deferrable", False),
        node.get("initdeferred", False),
        node.get("skip_validation", False),
        node.get("is_enforced", False),
        begin=context.base + start,
        overlaps=node.get("fk_with_period", False),
    )


def check_columns(tree: Tree) -> tuple[str, ...]:
    """The columns that an expression names, each once."""
    names = [
        fields[-1]["String"]["sval"]
        for reference in find_all(tree, "ColumnRef")
        if "String" in (fields := reference["fields"])[-1]
    ]
    return tuple(dict.fromkeys(names))


def create_index(context: Context, tree: Tree) -> CreateIndex:
    elements = [wrapped["IndexElem"] for wrapped in tree.get("indexParams", ())]
    columns = tuple([element.get("name") for element in elements])
    predicate, parts = None, ""
    if "whereClause" in tree or None in columns:
        opening = _parts_start(context, tree)
        if "whereClause" in tree:
            start = tokens.after_word(context.text, tokens.close(context.text, opening), "where")
            predicate = context.text[start:].strip() if start >= 0 else ""
        if None in columns:
            parts = context.text[opening:]
    return CreateIndex(
        context.written(tree["relation"]),
        tree.get("idxname"),
        columns,
        index_labels(elements),
        tree.get("unique", False),
        tree.get("accessMethod", "btree"),
        predicate,
        tuple([part["IndexElem"].get("name", "") for part in tree.get("indexIncludingParams", ())]),
        tree.get("if_not_exists", False),
        tree.get("nulls_not_distinct", False),
        parts,
        not tree["relation"].get("inh", False),
    )


def _parts_start(context: Context, tree: Tree) -> int:
    """Where the list of an index's parts opens, which is behind the table and perhaps the method."""
    relation = tokens.relation_end(context.text, context.local(tree["relation"]))
    return max(context.text.find("(", relation), 0)


def index_labels(elements: list[Tree]) -> tuple[str, ...]:
    """The names of an index's columns (ChooseIndexColumnNames; PostgreSQL 18, indexcmds.c): each only once."""
    found: list[str] = []
    for element in elements:
        wanted = name = element.get("name") or expression_label(element.get("expr", {}))
        number = 0
        while name in found:
            number += 1
            suffix = str(number)
            name = clip(wanted, MAX_NAME_BYTES - len(suffix)) + suffix
        found.append(name)
    return tuple(found)


def expression_label(tree: Tree) -> str:
    """What FigureIndexColname() makes of an expression (PostgreSQL 18, parse_target.c)."""
    return _label(tree)[0] or "expr"


def _label(tree: Tree) -> tuple[str, int]:
    """A name for an expression and how good it is: 2 is good, 1 gives way to a better one, 0 is none."""
    for kind, node in tree.items():
        if kind in _FIXED_LABELS:
            return _FIXED_LABELS[kind], 2
        reader = _LABELS.get(kind)
        return reader(node) if reader is not None else ("", 0)
    return "", 0


def _column_label(node: Tree) -> tuple[str, int]:
    names = strings([field for field in node["fields"] if "String" in field])
    return (names[-1], 2) if names else ("", 0)


def _cast_label(node: Tree) -> tuple[str, int]:
    name, strength = _label(node["arg"])
    return (name, strength) if strength > 1 else (strings(node["typeName"]["names"])[-1], 1)


def _case_label(node: Tree) -> tuple[str, int]:
    name, strength = _label(node.get("defresult", {}))
    return (name, strength) if strength > 1 else ("case", 1)


def _field_label(node: Tree) -> tuple[str, int]:
    names = strings([part for part in node.get("indirection", ()) if "String" in part])
    return (names[-1], 2) if names else _label(node["arg"])


_FIXED_LABELS = {
    "A_ArrayExpr": "array",
    "CoalesceExpr": "coalesce",
    "GroupingFunc": "grouping",
    "RowExpr": "row",
}
_LABELS: dict[str, Callable[[Tree], tuple[str, int]]] = {
    "A_Expr": lambda node: ("nullif", 2) if node.get("kind") == "AEXPR_NULLIF" else ("", 0),
    "A_Indirection": _field_label,
    "CaseExpr": _case_label,
    "CollateClause": lambda node: _label(node["arg"]),
    "ColumnRef": _column_label,
    "FuncCall": lambda node: (strings(node["funcname"])[-1], 2),
    "MinMaxExpr": lambda node: ("greatest" if node.get("op") == "IS_GREATEST" else "least", 2),
    "SQLValueFunction": lambda node: (node.get("op", "").removeprefix("SVFOP_").lower().removesuffix("_n"), 2),
    "TypeCast": _cast_label,
}


# ALTER TABLE

_ActionReader = Callable[[Context, Tree], AlterAction | None]


def _add_column(context: Context, tree: Tree) -> AlterAction:
    return AlterAction("add column", column=column(context, tree["def"]["ColumnDef"]), missing_ok=_missing_ok(tree))


def _add_constraint(context: Context, tree: Tree) -> AlterAction:
    return AlterAction("add constraint", constraint=constraint(context, tree["def"]["Constraint"]))


def _alter_constraint(context: Context, tree: Tree) -> AlterAction:
    node = tree["def"]["ATAlterConstraint"]
    if node.get("alterEnforceability"):
        text = "enforced" if node.get("is_enforced") else "not enforced"
    elif node.get("initdeferred"):
        text = "deferred"
    else:
        text = "deferrable" if node.get("deferrable") else "not deferrable"
    return AlterAction("alter constraint", node.get("conname", ""), text=text)


def _column_type(context: Context, tree: Tree) -> AlterAction:
    definition = tree["def"]["ColumnDef"]
    using = "using" if "raw_default" in definition else None
    return AlterAction("type", tree["name"], type=type_written(definition["typeName"]), text=using)


def _column_default(context: Context, tree: Tree) -> AlterAction:
    if "def" not in tree:
        return AlterAction("default", tree["name"])
    start = tokens.after_word(context.text, _default_search_start(context, tree), "default")
    return AlterAction(
        "default", tree["name"], text=context.text[start : tokens.default_end(context.text, start)].strip()
    )


def _default_search_start(context: Context, tree: Tree) -> int:
    """Where to look for DEFAULT: before the expression's first located node, at the last DEFAULT in front of it."""
    limit = min([context.local(node) for node in _located(tree["def"])], default=len(context.text))
    at = context.text.lower().rfind("default", 0, limit)
    return max(at, 0)


def _located(tree: object) -> list[Tree]:
    found, stack = [], [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if "location" in node:
                found.append(node)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return found


def _named(kind: str) -> _ActionReader:
    def read(context: Context, tree: Tree) -> AlterAction:
        return AlterAction(
            kind,
            tree.get("name", ""),
            cascade=tree.get("behavior") == "DROP_CASCADE",
            missing_ok=_missing_ok(tree),
        )

    return read


def _identity(context: Context, tree: Tree) -> AlterAction:
    node = tree.get("def", {}).get("Constraint", {})
    return AlterAction(
        "add identity", tree["name"], text="always" if node.get("generated_when") == "a" else "by default"
    )


def _set_identity(context: Context, tree: Tree) -> AlterAction | None:
    for wrapped in tree.get("def", {}).get("List", {}).get("items", ()):
        option = wrapped["DefElem"]
        if option["defname"] == "generated":
            always = option["arg"].get("Integer", {}).get("ival") == ord("a")
            return AlterAction("set identity", tree["name"], text="always" if always else "by default")
    return None


def _set_expression(context: Context, tree: Tree) -> AlterAction:
    start = tokens.after_word(context.text, 0, "expression")
    first, last = tokens.inside_parentheses(context.text, max(start, 0))
    return AlterAction("set expression", tree["name"], text=context.text[first:last])


def _attach(context: Context, tree: Tree) -> AlterAction:
    return AlterAction("attach partition", other=context.written(tree["def"]["PartitionCmd"]["name"]))


def _detach(context: Context, tree: Tree) -> AlterAction:
    return AlterAction("detach partition", other=context.written(tree["def"]["PartitionCmd"]["name"]))


def _owner(context: Context, tree: Tree) -> AlterAction:
    return AlterAction("owner", role_name(tree["newowner"]))


def _inherit(context: Context, tree: Tree) -> AlterAction:
    kind = "inherit" if tree["subtype"] == "AT_AddInherit" else "no inherit"
    return AlterAction(kind, other=context.written(tree["def"]["RangeVar"]))


def _view_options(context: Context, tree: Tree) -> AlterAction | None:
    for wrapped in tree.get("def", {}).get("List", {}).get("items", ()):
        option = wrapped["DefElem"]
        if option["defname"] == "security_invoker":
            is_set = tree["subtype"] == "AT_SetRelOptions" and is_on(option)
            return AlterAction("security invoker", text="on" if is_set else "off")
    return None


def _missing_ok(tree: Tree) -> bool:
    return bool(tree.get("missing_ok", False))


_ACTIONS: dict[str, _ActionReader] = {
    "AT_AddColumn": _add_column,
    "AT_AddConstraint": _add_constraint,
    "AT_AlterConstraint": _alter_constraint,
    "AT_AlterColumnType": _column_type,
    "AT_ColumnDefault": _column_default,
    "AT_DropNotNull": _named("drop not null"),
    "AT_SetNotNull": _named("set not null"),
    "AT_DropExpression": _named("drop expression"),
    "AT_AddIdentity": _identity,
    "AT_DropIdentity": _named("drop identity"),
    "AT_DropColumn": _named("drop column"),
    "AT_DropConstraint": _named("drop constraint"),
    "AT_ValidateConstraint": _named("validate"),
    "AT_EnableRowSecurity": _named("enable rls"),
    "AT_DisableRowSecurity": _named("disable rls"),
    "AT_ForceRowSecurity": _named("force rls"),
    "AT_NoForceRowSecurity": _named("no force rls"),
    "AT_EnableTrig": _named("trigger origin"),
    "AT_EnableAlwaysTrig": _named("trigger always"),
    "AT_EnableReplicaTrig": _named("trigger replica"),
    "AT_DisableTrig": _named("trigger disabled"),
    "AT_DisableTrigAll": _named("all triggers disabled"),
    "AT_DisableTrigUser": _named("triggers disabled"),
    "AT_EnableTrigAll": _named("all triggers origin"),
    "AT_EnableTrigUser": _named("triggers origin"),
    "AT_ChangeOwner": _owner,
    "AT_AttachPartition": _attach,
    "AT_DetachPartition": _detach,
    "AT_AddInherit": _inherit,
    "AT_DropInherit": _inherit,
    "AT_SetIdentity": _set_identity,
    "AT_SetExpression": _set_expression,
    "AT_ResetRelOptions": _view_options,
    "AT_SetRelOptions": _view_options,
}


def alter_table(context: Context, tree: Tree) -> Action | None:
    name = context.written(tree["relation"])
    actions = []
    for wrapped in tree.get("cmds", ()):
        command = wrapped["AlterTableCmd"]
        reader = _ACTIONS.get(command["subtype"])
        action = reader(context, command) if reader is not None else None
        if action is not None:
            actions.append(action)
    if not actions:
        return None
    return AlterTable(
        name,
        tuple(actions),
        tree.get("missing_ok", False),
        not tree["relation"].get("inh", False),
        tree.get("objtype") == "OBJECT_TYPE",
    )


def alter_owner(context: Context, tree: Tree) -> Action | None:
    """ALTER SCHEMA/FUNCTION/TYPE ... OWNER TO."""
    kind = tree["objectType"].removeprefix("OBJECT_").lower()
    node = tree["object"]
    if "ObjectWithArgs" in node:
        item = node["ObjectWithArgs"]
        return SetOwner(kind, written_name(item.get("objname")), role_name(tree["newowner"]), object_arguments(item))
    if "List" in node:
        return SetOwner(kind, written_name(node["List"]["items"]), role_name(tree["newowner"]))
    if "String" in node:
        return SetOwner(kind, Written(None, node["String"]["sval"]), role_name(tree["newowner"]))
    return None


def object_arguments(item: Tree) -> tuple[TypeWritten, ...] | None:
    """The argument types of an ObjectWithArgs; None where the text lists none."""
    if item.get("args_unspecified"):
        return None
    return tuple([type_written(argument["TypeName"]) for argument in item.get("objargs", ()) if "TypeName" in argument])
