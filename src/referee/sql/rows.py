"""What a script does to rows, and what it sets and switches off for that: the reading of seeds and tests.

A replay asks what a script makes of the schema; this asks what it puts into it. Events come in the order of the text.
Those inside a function carry its name as ``unit``: they happen when somebody calls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from referee.sql import statements as records
from referee.sql.bodies import read_body
from referee.sql.context import Context, strings
from referee.sql.ddl_objects import body_range
from referee.sql.expressions import walk_query
from referee.sql.parse import SqlSyntaxError, parse
from referee.sql.queries import queries_in
from referee.sql.queries import read_statement as read_query
from referee.sql.script import read_statement
from referee.sql.split import Statement, split
from referee.sql.tree import Assignment, Call, Cast, Expr, Literal, Query, TableUse

# Statements longer than this are data: their first line says which table they fill, and that has to do.
_LONG = 20_000

_FIRST = re.compile(r"\w+")
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_QUALIFIED = rf"(?:(?P<schema>{_NAME})\s*\.\s*)?(?P<table>{_NAME})"
_INSERT = re.compile(
    rf"(?:insert\s+into|copy)\s+(?:only\s+)?{_QUALIFIED}\s*(?:\((?P<columns>[^()]*)\))?", re.IGNORECASE
)
_DISABLE = re.compile(
    rf"alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?{_QUALIFIED}\s+(?:[^;]*,\s*)?disable\s+trigger\s+(?P<trigger>{_NAME})",
    re.IGNORECASE,
)
# pgTAP's assertions that run the statement that they are given, and expect it to pass.
_RUNNERS = frozenset({"lives_ok", "performs_ok"})
_ROLE_SETTINGS = frozenset({"role", "session_authorization"})


class Wrote(NamedTuple):
    """A statement that writes rows. ``path`` is the search_path of the function that it stands in, if it has one."""

    start: int
    end: int
    query: Query
    unit: str
    path: tuple[str, ...] | None = None


class Called(NamedTuple):
    """A call of a function."""

    start: int
    end: int
    schema: str | None
    name: str
    unit: str


class Set(NamedTuple):
    """A setting that is changed. ``value`` is None for its default, and ``...`` for what only a run tells."""

    start: int
    end: int
    name: str
    value: object
    unit: str


class Disabled(NamedTuple):
    """ALTER TABLE ... DISABLE TRIGGER. ``trigger`` is "all", "user" or a name."""

    start: int
    end: int
    schema: str | None
    table: str
    trigger: str
    unit: str = ""


Event = Wrote | Called | Set | Disabled


def events(text: str, *, lenient: bool = False) -> Iterator[Event]:
    """What a script does, statement by statement. Nothing is raised: what cannot be read does nothing.

    ``lenient`` takes of an INSERT that does not parse, as where a driver puts in its rows, the table that it names.
    """
    for cut in split(text):
        statement = cut.text(text)
        first = _FIRST.match(statement)
        reader = _READERS.get(first[0].lower()) if first else None
        if reader is not None and cut.unclosed < 0:
            try:
                yield from reader(statement, cut)
            except SqlSyntaxError:
                yield from _copy(statement, cut) if lenient else ()


def _query(text: str, cut: Statement) -> Iterator[Event]:
    if len(text) > _LONG:
        yield from _copy(text, cut)
        return
    yield from _of_query(read_query(text), cut.start, cut.end, "")


def _of_query(query: Query, start: int, end: int, unit: str, path: tuple[str, ...] | None = None) -> Iterator[Event]:
    for part in queries_in(query):
        if part.target is not None and part.action != "ddl":
            yield Wrote(start, end, part, unit, path)
    for expr in walk_query(query):
        if isinstance(expr, Call):
            yield from _of_call(expr, start, end, unit, path)


def _of_call(call: Call, start: int, end: int, unit: str, path: tuple[str, ...] | None) -> Iterator[Event]:
    if call.name == "set_config" and len(call.args) == 3:
        name = constant(call.args[0])
        if isinstance(name, str):
            yield Set(start, end, name.lower(), _none_for_default(constant(call.args[1])), unit)
    elif call.name in _RUNNERS and call.args and isinstance(text := constant(call.args[0]), str):
        try:
            yield from _of_query(read_query(text), start, end, unit, path)
        except SqlSyntaxError:
            return
    else:
        yield Called(start, end, call.schema, call.name, unit)


def _none_for_default(value: object) -> object:
    return None if value in ("", "none") else value


def constant(expr: Expr | None) -> object:
    """The text of a constant, None for NULL, and ``...`` for anything else."""
    while isinstance(expr, Cast):
        expr = expr.arg
    return expr.value if isinstance(expr, Literal) else ...


def _copy(text: str, cut: Statement) -> Iterator[Event]:
    """COPY, and INSERT statements that are too long to be worth reading."""
    found = _INSERT.match(text)
    if found is not None:
        names = [name.strip() for name in (found["columns"] or "").split(",") if name.strip()]
        use = TableUse(found["schema"] and _fold(found["schema"]), _fold(found["table"]))
        assignments = tuple([Assignment(_fold(name), None) for name in names])
        yield Wrote(cut.start, cut.end, Query("insert", use, assignments, bool(names)), "")


def _set(text: str, cut: Statement) -> Iterator[Event]:
    for record in read_statement(text, cut.start):
        if isinstance(record.action, records.SetVariable):
            action = record.action
            yield Set(cut.start, cut.end, action.name, _none_for_default(action.value), "")


def _alter(text: str, cut: Statement) -> Iterator[Event]:
    found = _DISABLE.match(text)
    if found is not None:
        schema = found["schema"] and _fold(found["schema"])
        yield Disabled(cut.start, cut.end, schema, _fold(found["table"]), _fold(found["trigger"]))


def _create(text: str, cut: Statement) -> Iterator[Event]:
    if not re.match(r"create\s+(?:or\s+replace\s+)?(?:function|procedure)\b", text, re.IGNORECASE):
        return
    for record in read_statement(text, cut.start):
        # A trigger function belongs to the schema, in whatever file it stands: nobody calls it.
        if isinstance(record.action, records.CreateFunction) and not _is_for_triggers(record.action):
            yield from _of_function(record.action)


def _is_for_triggers(function: records.CreateFunction) -> bool:
    return function.returns is not None and function.returns.name == "trigger"


def _of_function(function: records.CreateFunction) -> Iterator[Event]:
    unit = f"{function.name.schema or 'public'}.{function.name.name}"
    settings = dict(function.settings)
    path = settings.get("search_path")
    names = None if path is None else tuple(_fold(name.strip()) for name in path.split(",") if name.strip(" '\""))

    def place(offset: int) -> int:
        offsets = function.offsets
        if offsets is None:
            return function.body_start + offset
        return offsets[min(offset, len(offsets) - 1)] if offsets else function.body_start

    yield from _of_body(function.language, function.body, place, unit, names)


def _of_body(
    language: str, body: str, place: Callable[[int], int], unit: str, path: tuple[str, ...] | None
) -> Iterator[Event]:
    for step in read_body(language, body).steps:
        start, end = place(step.start), place(step.end)
        if step.query is not None:
            yield from _of_query(step.query, start, end, unit, path)
        if step.kind == "execute":
            yield from _of_execute(step.value, start, end, unit)


def _of_execute(value: Expr | None, start: int, end: int, unit: str) -> Iterator[Event]:
    """EXECUTE of SET ROLE, put together from a constant and a name or not."""
    text = constant(value)
    if isinstance(value, Call) and value.name == "format" and value.args:
        text = constant(value.args[0])
    found = re.match(r"\s*set\s+(?:local\s+|session\s+)?role\s+(\S+)", text, re.I) if isinstance(text, str) else None
    if found is not None:
        role = found[1].strip("'\"")
        yield Set(start, end, "role", ... if "%" in role else _none_for_default(role.lower()), unit)


def _do(text: str, cut: Statement) -> Iterator[Event]:
    [tree] = parse(text)
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in tree["stmt"]["DoStmt"].get("args", ())}
    if "as" not in options:
        return
    context = Context(text, cut.start)
    body = options["as"]["arg"]["String"]["sval"]
    language = strings([options["language"]["arg"]])[0] if "language" in options else "plpgsql"
    start, _, offsets = body_range(context, context.local(options["as"]), body)
    yield from _of_body(language, body, lambda at: start + at if offsets is None else start, "", None)


def _fold(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def takes_role(event: Event) -> bool:
    """Whether an event changes who the statements behind it run as."""
    return isinstance(event, Set) and event.name in _ROLE_SETTINGS


_READERS: dict[str, Callable[[str, Statement], Iterator[Event]]] = {
    "insert": _query,
    "update": _query,
    "delete": _query,
    "select": _query,
    "with": _query,
    "merge": _query,
    "copy": _copy,
    "set": _set,
    "reset": _set,
    "alter": _alter,
    "create": _create,
    "do": _do,
}
