"""The DDL inside DO blocks: what runs for certain, what behind a condition, and what only the server will know."""

from __future__ import annotations

from collections.abc import Callable

from referee.sql.bodies import read_body
from referee.sql.context import Context, strings
from referee.sql.ddl_objects import body_range
from referee.sql.parse import SqlSyntaxError, Tree
from referee.sql.statements import Do, Statement, Unreadable
from referee.sql.tree import Expr, Literal, Step

_StatementReader = Callable[[str, int], list[Statement]]


def read_do(context: Context, tree: Tree, read: _StatementReader) -> Do:
    """The records of a DO block. ``read`` reads one statement of SQL."""
    options = {option["DefElem"]["defname"]: option["DefElem"] for option in tree.get("args", ())}
    body_text = options["as"]["arg"]["String"]["sval"] if "as" in options else ""
    language = strings([options["language"]["arg"]])[0].lower() if "language" in options else "plpgsql"
    start, _end, offsets = body_range(context, context.local(options["as"]) if "as" in options else 0, body_text)

    def place(offset: int) -> int:
        if offsets is None:
            return start + offset
        return offsets[min(offset, len(offsets) - 1)] if offsets else start

    statements: list[Statement] = []
    conditional: list[bool] = []
    body = read_body(language, body_text)
    gaps = [Unreadable("function-body", gap.message, place(gap.start), place(gap.end)) for gap in body.gaps]
    for step in body.steps:
        for found in _read_step(step, body_text, place, read):
            if isinstance(found, Unreadable):
                gaps.append(found)
            else:
                statements.append(found)
                conditional.append(bool(step.guards or step.handlers or step.in_handler >= 0 or step.in_loop))
    return Do(tuple(statements), tuple(conditional), tuple(gaps))


def _read_step(
    step: Step, body: str, place: Callable[[int], int], read: _StatementReader
) -> list[Statement] | list[Unreadable]:
    if step.kind == "query" and step.query is not None and step.query.action == "ddl":
        text, at = body[step.start : step.end], step.start
    elif step.kind == "execute":
        literal = _constant(step.value)
        if literal is None:
            message = "SQL built at run time: " + " ".join(body[step.start : step.end].split())[:80]
            return [Unreadable("dynamic-sql", message, place(step.start), place(step.end))]
        inside = body.find(literal, step.start, step.end)
        text, at = literal, inside if inside >= 0 else step.start
    else:
        return []
    try:
        return read(text.rstrip().rstrip(";"), place(at))
    except SqlSyntaxError as error:
        return [Unreadable("syntax", str(error), place(at), place(step.end))]


def _constant(value: Expr | None) -> str | None:
    return value.value if isinstance(value, Literal) else None
