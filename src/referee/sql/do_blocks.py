"""DO blocks: their body, and the DDL that stands in it as it is."""

from __future__ import annotations

from collections.abc import Callable

from referee.sql.bodies import read_body
from referee.sql.context import Context, strings
from referee.sql.ddl_objects import body_range
from referee.sql.parse import SqlSyntaxError, Tree
from referee.sql.statements import Do, Statement, Unreadable

_StatementReader = Callable[[str, int], list[Statement]]


def read_do(context: Context, tree: Tree, read: _StatementReader) -> Do:
    """The record of a DO block. ``read`` reads one statement of SQL."""
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in tree.get("args", ())}
    text = options["as"]["arg"]["String"].get("sval", "") if "as" in options else ""
    language = strings([options["language"]["arg"]])[0].lower() if "language" in options else "plpgsql"
    start, _end, offsets = body_range(context, context.local(options["as"]) if "as" in options else 0, text)
    block = Do(text, start, offsets, read_body(language, text))
    statements = []
    for index, step in enumerate(block.body.steps):
        if step.kind == "query" and step.query is not None and step.query.action == "ddl":
            found = _read(block, text[step.start : step.end], step.start, step.end, read)
            statements.append((index, tuple(found)))
    return Do(text, start, offsets, block.body, tuple(statements))


def _read(block: Do, text: str, start: int, end: int, read: _StatementReader) -> list[Statement]:
    place = block.place(start)
    try:
        return read(text.rstrip().rstrip(";"), place)
    except SqlSyntaxError as error:
        return [Statement(place, block.place(end), Unreadable("syntax", str(error), place, block.place(end)))]
