"""Functions, triggers, policies, rights, types and the rest: from libpg_query's trees to records."""

from __future__ import annotations

from typing import Any

from referee.model.names import quote
from referee.sql import tokens
from referee.sql.builtins import server_names
from referee.sql.context import Context, constant_text, find_all, is_on, role_name, strings, type_written, written_name
from referee.sql.ddl_tables import column, object_arguments
from referee.sql.parse import Tree
from referee.sql.statements import (
    Action,
    AddEnumLabel,
    AlterDomain,
    AlterFunction,
    Calls,
    CreateComposite,
    CreateDomain,
    CreateEnum,
    CreateExtension,
    CreateFunction,
    CreateOtherType,
    CreatePolicy,
    CreateRole,
    CreateSequence,
    CreateTrigger,
    CreateView,
    DefaultRights,
    Drop,
    GrantRights,
    GrantRole,
    Reassign,
    Rename,
    RoleSetting,
    SetSchema,
    SetVariable,
    Transaction,
    TypeWritten,
    Unreadable,
    Written,
)

# Settings that are lists of names (GUC_LIST_QUOTE; PostgreSQL 18, guc_tables.c): their words are stored quoted.
_NAME_LISTS = frozenset({"search_path", "temp_tablespaces", "session_preload_libraries", "shared_preload_libraries"})

# Settings whose names are kept in mixed case (PostgreSQL 18, guc_tables.c); the others are lower case.
_MIXED_CASE = {"datestyle": "DateStyle", "intervalstyle": "IntervalStyle", "timezone": "TimeZone"}

_TIMINGS = {0: "AFTER", 2: "BEFORE", 64: "INSTEAD OF"}
_EVENTS = ((4, "insert"), (8, "delete"), (16, "update"), (32, "truncate"))


# Functions


def create_function(context: Context, tree: Tree) -> CreateFunction:
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in tree.get("options", ())}
    parameters = [wrapped["FunctionParameter"] for wrapped in tree.get("parameters", ())]
    inputs = [part for part in parameters if part.get("mode") not in ("FUNC_PARAM_OUT", "FUNC_PARAM_TABLE")]
    outputs = [
        part for part in parameters if part.get("mode") in ("FUNC_PARAM_OUT", "FUNC_PARAM_INOUT", "FUNC_PARAM_TABLE")
    ]
    returns, returns_set = _returns(tree.get("returnType"), outputs)
    body, start, end, offsets = _body(context, tree, options)
    return CreateFunction(
        written_name(tree["funcname"]),
        tuple([type_written(part["argType"]) for part in inputs]),
        tuple([part.get("name", "") for part in inputs]),
        returns,
        returns_set,
        _language(options, tree),
        body,
        start,
        end,
        offsets,
        "procedure" if tree.get("is_procedure") else "function",
        tree.get("replace", False),
        _boolean(options.get("security")),
        _volatility(options.get("volatility")),
        _boolean(options.get("strict")),
        _settings([option["DefElem"] for option in tree.get("options", ())]),
        any(part.get("mode") == "FUNC_PARAM_TABLE" for part in outputs),
        _defaults(context, inputs),
        tuple([part.get("name", "") for part in outputs if part.get("mode") != "FUNC_PARAM_INOUT"]),
        _boolean(options.get("leakproof")),
    )


def _defaults(context: Context, inputs: list[Tree]) -> tuple[str | None, ...]:
    if not any("defexpr" in part for part in inputs):
        return ()
    return tuple([_argument_default(context, part) if "defexpr" in part else None for part in inputs])


def _argument_default(context: Context, part: Tree) -> str:
    """The text behind DEFAULT or = up to the end of the argument."""
    depth, start, end = 0, -1, -1
    for kind, at, behind in tokens.tokens(context.text, context.local(part["argType"])):
        sign = context.text[at]
        if kind == "other" and sign in "([":
            depth += 1
        elif kind == "other" and sign in ")]" and depth:
            depth -= 1
        elif depth == 0 and kind == "other" and sign in ",)":
            break
        elif depth == 0 and start < 0 and (sign == "=" or context.text[at:behind].lower() == "default"):
            start = behind
        end = behind
    return context.text[start:end].strip()


def _returns(declared: Tree | None, outputs: list[Tree]) -> tuple[TypeWritten | None, bool]:
    is_set = bool(declared and declared.get("setof"))
    if len(outputs) > 1:
        return TypeWritten("pg_catalog", "record"), is_set
    if outputs:
        return type_written(outputs[0]["argType"]), is_set
    return (type_written(declared), is_set) if declared else (None, False)


def _language(options: dict[str, Tree], tree: Tree) -> str:
    if "language" in options:
        return str(options["language"]["arg"]["String"]["sval"]).lower()
    return "sql"


def _boolean(option: Tree | None) -> bool:
    return bool(option and option.get("arg", {}).get("Boolean", {}).get("boolval", False))


def _volatility(option: Tree | None) -> Any:
    return option["arg"]["String"]["sval"] if option else "volatile"


def _settings(options: list[Tree]) -> tuple[tuple[str, str | None], ...]:
    found: dict[str, str | None] = {}
    for option in options:
        if option["defname"] == "set":
            tree = option["arg"]["VariableSetStmt"]
            if tree["kind"] == "VAR_SET_CURRENT":
                found[setting_name(tree)] = None
            elif (setting := variable(tree)) is not None and setting.value is not None:
                found[setting.name] = setting.value
    return tuple(sorted(found.items()))


def _body(context: Context, tree: Tree, options: dict[str, Tree]) -> tuple[str, int, int, tuple[int, ...] | None]:
    """The body's text, its range in the file, and the offset of each character where escapes stand between."""
    if "as" not in options:
        start = _sql_body_start(context.text)
        return context.text[start:], context.base + start, context.base + len(context.text), None
    body = strings(options["as"]["arg"]["List"]["items"])[0]
    return (body, *body_range(context, context.local(options["as"]), body))


def body_range(context: Context, start: int, body: str) -> tuple[int, int, tuple[int, ...] | None]:
    """Where the next string from ``start`` holds ``body``, in characters of the file."""
    text = context.text
    for kind, at, end in tokens.tokens(text, start):
        if kind == "dollar":
            opening = text.index("$", at + 1) + 1
            return context.base + opening, context.base + opening + len(body), None
        if kind == "string":
            inner = text.index("'", at) + 1
            if end - 1 - inner == len(body):
                return context.base + inner, context.base + end - 1, None
            offsets = _escaped_offsets(text, inner, end - 1, at != inner - 1)
            return context.base + inner, context.base + end - 1, tuple([context.base + offset for offset in offsets])
    return context.base, context.base + len(text), None


def _escaped_offsets(text: str, start: int, end: int, has_backslashes: bool) -> list[int]:
    offsets, at = [], start
    while at < end:
        offsets.append(at)
        at += 2 if text[at] == "'" or (has_backslashes and text[at] == "\\") else 1
    return offsets


def _sql_body_start(text: str) -> int:
    at = tokens.after_word(text, 0, "begin")
    if at >= 0:
        return at - len("begin")
    # RETURNS comes first; RETURN alone starts the body.
    at = tokens.after_word(text, 0, "return")
    return at - len("return") if at >= 0 else len(text)


def alter_function(context: Context, tree: Tree) -> AlterFunction:
    item = tree["func"]
    security, strict, volatility, settings, from_current = None, None, None, [], []
    for wrapped in tree.get("actions", ()):
        option = wrapped["DefElem"]
        name = option["defname"]
        if name == "security":
            security = _boolean(option)
        elif name == "strict":
            strict = _boolean(option)
        elif name == "volatility":
            volatility = _volatility(option)
        elif name == "set" and option["arg"]["VariableSetStmt"]["kind"] == "VAR_SET_CURRENT":
            from_current.append(setting_name(option["arg"]["VariableSetStmt"]))
        elif name == "set" and (setting := variable(option["arg"]["VariableSetStmt"])):
            settings.append((setting.name, setting.value))
    return AlterFunction(
        written_name(item["objname"]),
        object_arguments(item),
        security,
        volatility,
        strict,
        tuple(settings),
        tuple(from_current),
        tree["objtype"].removeprefix("OBJECT_").lower(),
    )


# Triggers and policies


def create_trigger(context: Context, tree: Tree) -> CreateTrigger:
    events = tree.get("events", 0)
    when = None
    if "whenClause" in tree:
        table = context.local(tree["relation"])
        start, end = tokens.inside_parentheses(context.text, tokens.after_word(context.text, table, "when"))
        when = context.text[start:end]
    return CreateTrigger(
        tree["trigname"],
        context.written(tree["relation"]),
        written_name(tree["funcname"]),
        _TIMINGS[tree.get("timing", 0)],  # type: ignore[arg-type]
        tuple([name for bit, name in _EVENTS if events & bit]),
        strings(tree.get("columns")),
        tree.get("row", False),
        when,
        strings(tree.get("args")),
        tree.get("isconstraint", False),
        tree.get("deferrable", False),
        tree.get("initdeferred", False),
        tree.get("replace", False),
        context.written(tree["constrrel"]) if "constrrel" in tree else None,
        "transitionRels" in tree,
    )


def create_policy(context: Context, tree: Tree) -> CreatePolicy:
    using, check = _policy_clauses(context, tree)
    return CreatePolicy(
        tree["policy_name"],
        context.written(tree["table"]),
        tree.get("cmd_name", "all"),
        tree.get("permissive", False),
        tuple([role_name(role) for role in tree["roles"]]) if "roles" in tree else None,
        using,
        check,
    )


def alter_policy(context: Context, tree: Tree) -> CreatePolicy:
    using, check = _policy_clauses(context, tree)
    return CreatePolicy(
        tree["policy_name"],
        context.written(tree["table"]),
        roles=tuple([role_name(role) for role in tree["roles"]]) if "roles" in tree else None,
        using=using,
        check=check,
        alter=True,
    )


def _policy_clauses(context: Context, tree: Tree) -> tuple[str | None, str | None]:
    """The texts of USING and WITH CHECK, which stand in this order."""
    using, check, at = None, None, context.local(tree["table"])
    if "qual" in tree:
        start, end = tokens.inside_parentheses(context.text, max(tokens.after_word(context.text, at, "using"), 0))
        using, at = context.text[start:end], context.text.find(")", end) + 1
    if "with_check" in tree:
        start, end = tokens.inside_parentheses(context.text, max(tokens.after_word(context.text, at, "check"), 0))
        check = context.text[start:end]
    return using, check


# Rights and roles


def grant(context: Context, tree: Tree) -> GrantRights | None:
    kind = tree["objtype"].removeprefix("OBJECT_").lower()
    if kind not in ("table", "schema", "function", "procedure", "routine"):
        return None
    privileges = tuple(
        [
            (wrapped["AccessPriv"].get("priv_name", "all"), strings(wrapped["AccessPriv"].get("cols")))
            for wrapped in tree.get("privileges", ())
        ]
    )
    is_grant, option = tree.get("is_grant", False), tree.get("grant_option", False)
    names, arguments = [], []
    for node in tree.get("objects", ()):
        if "RangeVar" in node:
            names.append(context.written(node["RangeVar"]))
        elif "String" in node:
            names.append(Written(None, node["String"]["sval"]))
        elif "ObjectWithArgs" in node:
            names.append(written_name(node["ObjectWithArgs"]["objname"]))
            arguments.append(object_arguments(node["ObjectWithArgs"]))
    return GrantRights(
        is_grant,
        "function" if kind in ("procedure", "routine") else kind,
        privileges,
        tuple(names),
        tuple([role_name(role) for role in tree.get("grantees", ())]),
        tree.get("targtype") == "ACL_TARGET_ALL_IN_SCHEMA",
        tuple(arguments),
        option and not is_grant,
        option and is_grant,
        kind if kind in ("function", "procedure") else "routine",
    )


def default_privileges(context: Context, tree: Tree) -> DefaultRights | None:
    roles: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    for wrapped in tree.get("options", ()):
        option = wrapped["DefElem"]
        items = option["arg"]["List"]["items"]
        if option["defname"] == "roles":
            roles = tuple([role_name(role) for role in items])
        elif option["defname"] == "schemas":
            schemas = strings(items)
    action = tree["action"]
    kind = action["objtype"].removeprefix("OBJECT_").lower()
    return DefaultRights(
        action.get("is_grant", False),
        "function" if kind in ("routine", "procedure") else kind,
        tuple([wrapped["AccessPriv"].get("priv_name", "all") for wrapped in action.get("privileges", ())]),
        tuple([role_name(role) for role in action.get("grantees", ())]),
        roles,
        schemas,
    )


def create_role(context: Context, tree: Tree) -> CreateRole:
    options: list[tuple[str, bool]] = []
    member_of: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    for wrapped in tree.get("options", ()):
        option = wrapped["DefElem"]
        argument = option.get("arg", {})
        if "Boolean" in argument:
            options.append((option["defname"], argument["Boolean"].get("boolval", False)))
        elif option["defname"] == "addroleto":
            member_of = tuple([role_name(role) for role in argument["List"]["items"]])
        elif option["defname"] in ("rolemembers", "adminmembers"):
            members += tuple([role_name(role) for role in argument["List"]["items"]])
    name = tree["role"] if isinstance(tree.get("role"), str) else role_name(tree["role"])
    return CreateRole(name, tuple(options), member_of, isinstance(tree["role"], dict), members)


def drop_role(context: Context, tree: Tree) -> Drop:
    names = tuple([Written(None, role_name(role)) for role in tree.get("roles", ())])
    return Drop("role", names, missing_ok=tree.get("missing_ok", False))


def reassign(context: Context, tree: Tree) -> Reassign:
    owner = role_name(tree["newrole"]) if "newrole" in tree else None
    roles = tuple([role_name(role) for role in tree.get("roles", ())])
    return Reassign(roles, owner, tree.get("behavior") == "DROP_CASCADE")


def alter_role_set(context: Context, tree: Tree) -> RoleSetting | None:
    setting = variable(tree["setstmt"])
    if setting is None or "role" not in tree or "database" in tree:
        return None
    return RoleSetting(role_name(tree["role"]), setting.name, setting.value)


def grant_role(context: Context, tree: Tree) -> GrantRole:
    return GrantRole(
        tree.get("is_grant", False),
        tuple([wrapped["AccessPriv"].get("priv_name", "") for wrapped in tree.get("granted_roles", ())]),
        tuple([role_name(role) for role in tree.get("grantee_roles", ())]),
    )


def setting_name(tree: Tree) -> str:
    """The name of a setting, as pg_proc.proconfig holds it."""
    name: str = tree.get("name", "").lower()
    return _MIXED_CASE.get(name, name)


def variable(tree: Tree) -> SetVariable | None:
    """SET and RESET, with the value as pg_proc.proconfig holds it."""
    kind, name, local = tree["kind"], setting_name(tree), tree.get("is_local", False)
    if kind == "VAR_RESET_ALL":
        return SetVariable("all", None)
    if kind in ("VAR_SET_DEFAULT", "VAR_RESET"):
        return SetVariable(name, None, local)
    if kind != "VAR_SET_VALUE":
        return None
    words = [constant_text(node["A_Const"]) or "" for node in tree.get("args", ()) if "A_Const" in node]
    if name in _NAME_LISTS:
        words = [quote(word) for word in words]
    return SetVariable(name, ", ".join(words), local)


def set_config(tree: Tree) -> SetVariable | None:
    """SELECT set_config('search_path', '', false), which opens every pg_dump."""
    targets = tree.get("targetList", ())
    if len(targets) != 1 or "fromClause" in tree:
        return None
    call = targets[0].get("ResTarget", {}).get("val", {}).get("FuncCall")
    if call is None or strings(call["funcname"])[-1] != "set_config" or len(call.get("args", ())) != 3:
        return None
    name, value, local = (constant_text(argument.get("A_Const", {})) for argument in call["args"])
    return SetVariable(name.lower(), value, local == "true") if name is not None and value is not None else None


_TRANSACTIONS: dict[str, Any] = {
    "TRANS_STMT_BEGIN": "begin",
    "TRANS_STMT_START": "begin",
    "TRANS_STMT_COMMIT": "commit",
    "TRANS_STMT_ROLLBACK": "rollback",
    "TRANS_STMT_SAVEPOINT": "savepoint",
    "TRANS_STMT_RELEASE": "release",
    "TRANS_STMT_ROLLBACK_TO": "rollback to",
}


def transaction(context: Context, tree: Tree) -> Transaction | None:
    kind = _TRANSACTIONS.get(tree["kind"])
    return None if kind is None else Transaction(kind, tree.get("savepoint_name", ""))


def calls(context: Context, tree: Tree) -> Calls | None:
    """The functions that SELECT or CALL calls outside FROM and WHERE, and those that it selects from."""
    found = find_all([tree.get("targetList", []), tree.get("fromClause", []), tree.get("funccall", {})], "FuncCall")
    found.extend([tree["funccall"]] if "funccall" in tree else [])
    names = [written_name(call["funcname"]) for call in found]
    own = [name for name in names if name.schema != "pg_catalog" and name.name not in server_names().functions]
    return Calls(tuple(own)) if own else None


# Types, views, sequences, extensions


def create_enum(context: Context, tree: Tree) -> CreateEnum:
    return CreateEnum(written_name(tree["typeName"]), strings(tree.get("vals")))


def alter_enum(context: Context, tree: Tree) -> AddEnumLabel:
    return AddEnumLabel(
        written_name(tree["typeName"]),
        tree.get("newVal", ""),
        tree.get("oldVal") or tree.get("newValNeighbor"),
        tree.get("newValIsAfter", False),
        tree.get("skipIfNewValExists", False),
        "oldVal" in tree,
    )


def create_domain(context: Context, tree: Tree) -> CreateDomain:
    not_null, default = False, None
    checks: list[tuple[str | None, str]] = []
    for wrapped in tree.get("constraints", ()):
        node = wrapped["Constraint"]
        if node["contype"] == "CONSTR_NOTNULL":
            not_null = True
        elif node["contype"] == "CONSTR_DEFAULT":
            at = context.local(node) + len("default")
            default = context.text[at : tokens.default_end(context.text, at)].strip()
        elif node["contype"] == "CONSTR_CHECK":
            checks.append((node.get("conname"), _expression_of(context, node)))
    return CreateDomain(
        written_name(tree["domainname"]), type_written(tree["typeName"]), not_null, default, tuple(checks)
    )


def _expression_of(context: Context, check: Tree) -> str:
    first, last = tokens.inside_parentheses(context.text, context.local(check))
    return context.text[first:last]


_DOMAIN_CHANGES: dict[str, Any] = {
    "T": "default",
    "O": "set not null",
    "N": "drop not null",
    "C": "add",
    "X": "drop",
    "V": "validate",
}


def alter_domain(context: Context, tree: Tree) -> AlterDomain | None:
    kind: Any = _DOMAIN_CHANGES.get(tree["subtype"])
    if kind is None:
        return None
    name, expression = tree.get("name"), None
    if kind == "add":
        node = tree["def"]["Constraint"]
        if node["contype"] == "CONSTR_NOTNULL":
            kind = "set not null"
        else:
            name, expression = node.get("conname"), _expression_of(context, node)
    elif kind == "default" and "def" in tree:
        start = max(tokens.after_word(context.text, 0, "default"), 0)
        expression = context.text[start : tokens.default_end(context.text, start)].strip()
    return AlterDomain(written_name(tree["typeName"]), kind, name, expression, tree.get("missing_ok", False))


def create_range(context: Context, tree: Tree) -> CreateOtherType:
    names = [written_name(tree["typeName"])]
    for wrapped in tree.get("params", ()):
        option = wrapped["DefElem"]
        if option["defname"] == "multirange_type_name":
            names.append(written_name(option["arg"]["TypeName"].get("names")))
    return CreateOtherType(tuple(names), len(names) == 1)


def define(context: Context, tree: Tree) -> Action | None:
    """CREATE TYPE of a base type, CREATE AGGREGATE; operators, collations and so on do not matter to a schema."""
    kind = tree["kind"]
    if kind == "OBJECT_TYPE":
        return CreateOtherType((written_name(tree["defnames"]),))
    return unsupported("CREATE AGGREGATE")(context, tree) if kind == "OBJECT_AGGREGATE" else None


def create_composite(context: Context, tree: Tree) -> CreateComposite:
    columns = tuple([column(context, node["ColumnDef"]) for node in tree.get("coldeflist", ())])
    return CreateComposite(context.written(tree["typevar"]), columns)


def create_view(context: Context, tree: Tree) -> CreateView:
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in tree.get("options", ())}
    start = tokens.after_word(context.text, 0, "as")
    return CreateView(
        context.written(tree["view"]),
        context.text[start:].strip() if start >= 0 else "",
        tree.get("replace", False),
        security_invoker=is_on(options.get("security_invoker")),
        temporary=tree["view"].get("relpersistence") == "t",
    )


def create_materialized_view(context: Context, tree: Tree) -> CreateView:
    start = tokens.after_word(context.text, 0, "as")
    return CreateView(
        context.written(tree["into"]["rel"]),
        context.text[start:].strip() if start >= 0 else "",
        False,
        True,
        tree.get("if_not_exists", False),
    )


def create_sequence(context: Context, tree: Tree) -> CreateSequence:
    return CreateSequence(
        context.written(tree["sequence"]),
        tree.get("if_not_exists", False),
        _sequence_owner(tree),
        temporary=tree["sequence"].get("relpersistence") == "t",
    )


def alter_sequence(context: Context, tree: Tree) -> CreateSequence | None:
    owner = _sequence_owner(tree)
    return CreateSequence(context.written(tree["sequence"]), False, owner, True) if owner is not None else None


def _sequence_owner(tree: Tree) -> tuple[Written, str] | None:
    for wrapped in tree.get("options", ()):
        if wrapped["DefElem"]["defname"] == "owned_by":
            words = strings(wrapped["DefElem"]["arg"]["List"]["items"])
            return (Written(words[-3] if len(words) > 2 else None, words[-2]), words[-1]) if len(words) > 1 else None
    return None


def create_extension(context: Context, tree: Tree) -> CreateExtension:
    schema = None
    for wrapped in tree.get("options", ()):
        if wrapped["DefElem"]["defname"] == "schema":
            schema = wrapped["DefElem"]["arg"]["String"]["sval"]
    return CreateExtension(tree["extname"], tree.get("if_not_exists", False), schema)


# Drops, renames, moves


_RELATIONS = frozenset({"table", "view", "matview", "index", "sequence", "foreign_table"})
_PARTS = frozenset({"trigger", "policy", "rule"})


def drop(context: Context, tree: Tree) -> Drop | None:
    kind = tree["removeType"].removeprefix("OBJECT_").lower()
    names, parts, arguments = [], [], []
    for node in tree.get("objects", ()):
        if kind in _PARTS:
            words = strings(node["List"]["items"])
            names.append(Written(words[-3] if len(words) > 2 else None, words[-2]))
            parts.append(words[-1])
        elif "List" in node:
            names.append(written_name(node["List"]["items"]))
        elif "String" in node:
            names.append(Written(None, node["String"]["sval"]))
        elif "TypeName" in node:
            names.append(written_name(node["TypeName"].get("names")))
        elif "ObjectWithArgs" in node:
            names.append(written_name(node["ObjectWithArgs"]["objname"]))
            arguments.append(object_arguments(node["ObjectWithArgs"]))
    return Drop(
        kind,
        tuple(names),
        tuple(parts),
        tuple(arguments),
        tree.get("behavior") == "DROP_CASCADE",
        tree.get("missing_ok", False),
    )


def rename(context: Context, tree: Tree) -> Rename | None:
    kind = tree["renameType"].removeprefix("OBJECT_").lower()
    new, missing_ok = tree.get("newname", ""), tree.get("missing_ok", False)
    if "relation" in tree:
        part = tree.get("subname", "")
        relation = tree["relation"]
        return Rename(kind, context.written(relation), new, part, missing_ok, only=not relation.get("inh", False))
    if kind in ("schema", "role"):
        return Rename(kind, Written(None, tree.get("subname", "")), new)
    name, arguments = _object(tree.get("object", {}))
    return None if name is None else Rename(kind, name, new, tree.get("subname", ""), missing_ok, arguments)


def set_schema(context: Context, tree: Tree) -> SetSchema | None:
    kind = tree["objectType"].removeprefix("OBJECT_").lower()
    new, missing_ok = tree.get("newschema", ""), tree.get("missing_ok", False)
    if "relation" in tree:
        return SetSchema(kind, context.written(tree["relation"]), new, missing_ok)
    name, arguments = _object(tree.get("object", {}))
    if name is None:
        return None
    return SetSchema(kind, name, new, missing_ok, arguments)


def _object(node: Tree) -> tuple[Written | None, tuple[TypeWritten, ...] | None]:
    if "ObjectWithArgs" in node:
        return written_name(node["ObjectWithArgs"]["objname"]), object_arguments(node["ObjectWithArgs"])
    if "List" in node:
        return written_name(node["List"]["items"]), None
    if "TypeName" in node:
        return written_name(node["TypeName"].get("names")), None
    if "String" in node:
        return Written(None, node["String"]["sval"]), None
    return None, None


def unsupported(what: str) -> Any:
    """A reader for statements that change a schema in a way that referee does not model."""

    def read(context: Context, tree: Tree) -> Action:
        return Unreadable("unsupported", f"{what} is not modelled", context.base, context.base + len(context.text))

    return read
