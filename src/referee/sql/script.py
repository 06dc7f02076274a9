"""Reads a script into records: the one way from SQL text to what it does to a schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from referee.sql import ddl_objects as objects
from referee.sql import ddl_tables as tables
from referee.sql.context import Context, role_name
from referee.sql.do_blocks import read_do
from referee.sql.parse import SqlSyntaxError, Tree, parse, parse_together
from referee.sql.queries import translate_statement
from referee.sql.split import Statement as Cut
from referee.sql.split import split
from referee.sql.statements import Action, CreateSchema, MoveRows, Script, Statement, Unreadable

# Statements longer than this that only move rows are not parsed: a data dump may hold megabytes in one INSERT.
_LONG_DATA = 20_000
_DATA = re.compile(r"(?:insert|update|delete|select|with|values|merge)\b", re.IGNORECASE)
_PSQL_VARIABLE = re.compile(r"(?<![:\w]):(?=['\"A-Za-z_])")
_FIRST_WORDS = re.compile(r"\w+(?:\s+\w+)?")

_Reader = Callable[[Context, Tree], Action | None]


def read_script(text: str) -> Script:
    """What a script contributes to a schema. Never raises: what cannot be read becomes an Unreadable record."""
    statements: list[Statement] = []
    commands: list[tuple[int, int]] = []
    count = 0
    for cuts in _groups(split(text, commands)):
        count += len(cuts)
        statements.extend(_read_group(text, cuts))
    if commands:
        statements.extend(_commands(text, commands))
        statements.sort(key=lambda statement: statement.start)
    return Script(tuple(statements), count)


# psql's commands that bring in what the script itself does not say (psql, PostgreSQL 18); the others change nothing.
_COMMAND = re.compile(
    r"\\(?:(?P<file>i|include|ir|include_relative)|(?P<sql>gexec)|(?P<rows>copy)(?=\s.*\sfrom\s))(?!\w)", re.IGNORECASE
)


def _commands(text: str, commands: Iterable[tuple[int, int]]) -> Iterator[Statement]:
    for start, end in commands:
        found = _COMMAND.match(text, start, end)
        if found is None:
            continue
        written = _shorten(text[start:end])
        if found.lastgroup == "file":
            yield _unreadable("skipped-file", f"{written}: files that a script includes are not read", start, end)
        elif found.lastgroup == "sql":
            yield _unreadable("dynamic-sql", f"{written} runs what the query in front of it answers", start, end)
        else:
            yield _unreadable("data", written, start, end)


# As much as is parsed at once. More saves nothing, and one statement with an error sends the rest of its group back to
# be parsed one by one.
_GROUP = 4_000


def _groups(cuts: Iterable[Cut]) -> Iterator[list[Cut]]:
    """Statements that stand behind each other, as many at a time as can be parsed at once."""
    group: list[Cut] = []
    length = 0
    for cut in cuts:
        if group and length + cut.end - cut.start > _GROUP:
            yield group
            group, length = [], 0
        group.append(cut)
        length += cut.end - cut.start
    if group:
        yield group


def _read_group(script: str, cuts: list[Cut]) -> Iterator[Statement]:
    texts = [cut.text(script) for cut in cuts]
    are_plain = len(cuts) > 1 and all(cut.unclosed < 0 for cut in cuts) and not any(map(_DATA.match, texts))
    trees = parse_together(texts) if are_plain else None
    if trees is None:
        for cut in cuts:
            yield from _read(script, cut)
            if cut.data is not None:
                yield from _rows(script, *cut.data)
        return
    before = 0
    for cut, text, tree in zip(cuts, texts, trees, strict=True):
        action = _action(Context(text, cut.start, before), tree["stmt"])
        if action is not None:
            yield Statement(cut.start, cut.end, action)
        if cut.data is not None:
            yield from _rows(script, *cut.data)
        before += len(text) + 1


def _rows(script: str, start: int, end: int) -> Iterator[Statement]:
    """The rows behind COPY, which nobody looks at."""
    # The line that ends the data, if there is one, has no newline within it.
    rows = script.count("\n", start, end)
    if rows:
        yield _unreadable("data", f"{rows:,} {'row' if rows == 1 else 'rows'} of COPY", start, end)


def read_statement(text: str, base: int = 0) -> list[Statement]:
    """The records of one or more statements that stand at offset ``base`` of a file.

    Raises SqlSyntaxError, with an offset in ``text``, for text that the grammar refuses.
    """
    return _translate(text, base)


def _read(script: str, cut: Cut) -> list[Statement]:
    text = cut.text(script)
    if cut.unclosed >= 0:
        message = f"a quote, comment or body that is opened here is never closed: {_shorten(script[cut.unclosed :])}"
        return [_unreadable("syntax", message, cut.unclosed, cut.end)]
    if len(text) > _LONG_DATA and _DATA.match(text):
        return [_unreadable("data", f"a statement of {len(text):,} characters that moves rows", cut.start, cut.end)]
    try:
        return _translate(text, cut.start)
    except SqlSyntaxError as error:
        return _read_with_variables(text, cut, error)


def _read_with_variables(text: str, cut: Cut, error: SqlSyntaxError) -> list[Statement]:
    """Once more with psql's :variables turned into names, which they stand for in most scripts."""
    if _PSQL_VARIABLE.search(text):
        try:
            return _translate(_PSQL_VARIABLE.sub(" ", text), cut.start)
        except SqlSyntaxError:
            pass
    at = cut.start + min(error.offset, max(cut.end - cut.start - 1, 0))
    return [_unreadable("syntax", f"{error} in {_shorten(text)!r}", at, cut.end)]


def _translate(text: str, base: int) -> list[Statement]:
    context = Context(text, base)
    statements = []
    for wrapped in parse(text):
        action = _action(context, wrapped["stmt"])
        if action is not None:
            statements.append(Statement(base, base + len(text), action))
    return statements


def _action(context: Context, tree: Tree) -> Action | None:
    for kind, node in tree.items():
        reader = _READERS.get(kind)
        return reader(context, node) if reader is not None else None
    return None


def _unreadable(kind: str, message: str, start: int, end: int) -> Statement:
    return Statement(start, end, Unreadable(kind, message, start, end))


def _shorten(text: str, limit: int = 60) -> str:
    line = " ".join(text[: limit * 2].split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def _create_schema(context: Context, tree: Tree) -> CreateSchema:
    owner = role_name(tree["authrole"]) if "authrole" in tree else None
    elements = []
    for element in tree.get("schemaElts", ()):
        action = _action(context, element)
        if action is not None:
            elements.append(Statement(context.base, context.base + len(context.text), action))
    return CreateSchema(tree.get("schemaname") or "", tree.get("if_not_exists", False), owner, tuple(elements))


def _select(context: Context, tree: Tree) -> Action | None:
    if "intoClause" in tree:
        return tables.create_table_as(context, {"into": tree["intoClause"]})
    return objects.set_config(tree) or objects.calls(context, tree)


def _insert(context: Context, tree: Tree) -> Action | None:
    """INSERT that takes its rows from a query; rows that are written out are data."""
    select = tree.get("selectStmt", {}).get("SelectStmt", {})
    return _move_rows("InsertStmt")(context, tree) if select and "valuesLists" not in select else None


def _move_rows(kind: str) -> _Reader:
    return lambda context, tree: MoveRows(translate_statement({"stmt": {kind: tree}}, context.text, context.base))


def _create_table_as(context: Context, tree: Tree) -> Action | None:
    if tree.get("objtype") == "OBJECT_MATVIEW":
        return objects.create_materialized_view(context, tree)
    return tables.create_table_as(context, tree)


_READERS: dict[str, _Reader] = {
    "AlterDefaultPrivilegesStmt": objects.default_privileges,
    "AlterDomainStmt": objects.alter_domain,
    "AlterEnumStmt": lambda context, tree: objects.alter_enum(context, tree),
    "AlterFunctionStmt": objects.alter_function,
    "AlterObjectSchemaStmt": objects.set_schema,
    "AlterOwnerStmt": tables.alter_owner,
    "AlterPolicyStmt": objects.alter_policy,
    "AlterRoleSetStmt": objects.alter_role_set,
    "AlterRoleStmt": objects.create_role,
    "AlterSeqStmt": objects.alter_sequence,
    "AlterTableStmt": tables.alter_table,
    "CallStmt": objects.calls,
    "CompositeTypeStmt": objects.create_composite,
    "CreateDomainStmt": objects.create_domain,
    "CreateEnumStmt": objects.create_enum,
    "CreateExtensionStmt": objects.create_extension,
    "CreateForeignTableStmt": tables.create_foreign_table,
    "CreateFunctionStmt": objects.create_function,
    "CreatePolicyStmt": objects.create_policy,
    "CreateRangeStmt": objects.create_range,
    "CreateRoleStmt": objects.create_role,
    "CreateSchemaStmt": _create_schema,
    "CreateSeqStmt": objects.create_sequence,
    "CreateStmt": tables.create_table,
    "CreateTableAsStmt": _create_table_as,
    "CreateTrigStmt": objects.create_trigger,
    "DeleteStmt": _move_rows("DeleteStmt"),
    "DoStmt": lambda context, tree: read_do(context, tree, read_statement),
    "DefineStmt": objects.define,
    "DropOwnedStmt": objects.reassign,
    "DropRoleStmt": objects.drop_role,
    "DropStmt": objects.drop,
    "GrantRoleStmt": objects.grant_role,
    "GrantStmt": objects.grant,
    "IndexStmt": tables.create_index,
    "InsertStmt": _insert,
    "ReassignOwnedStmt": objects.reassign,
    "RenameStmt": objects.rename,
    "RuleStmt": objects.unsupported("CREATE RULE"),
    "SelectStmt": _select,
    "TransactionStmt": objects.transaction,
    "UpdateStmt": _move_rows("UpdateStmt"),
    "VariableSetStmt": lambda context, tree: objects.variable(tree),
    "ViewStmt": objects.create_view,
}
