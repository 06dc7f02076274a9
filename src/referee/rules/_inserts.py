"""What an INSERT in a trigger's function runs into: columns without a value, checks, unique keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

from referee.model.identity import Mirror
from referee.model.names import QName, Target, quote
from referee.model.schema import Column as TableColumn
from referee.model.schema import Domain, Schema, Table
from referee.rules._nulls import ALWAYS, MAYBE, UNKNOWN, Facts, Name, Nullness, Truth, lookups_in, nullness, truth, word
from referee.sql.bodies import resolve_variables
from referee.sql.expressions import describe, read_expression, walk
from referee.sql.tree import Assignment, Call, Cast, Column, Expr, OnConflict, Query
from referee.sql.tree import Literal as Constant

Effect = Literal["fails", "loses", "risk", "note"]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that goes wrong where a statement runs.

    effect: "fails" (it raises ``sqlstate``), "loses" (no error, but the mirror lacks a row), "risk" (it may fail or
    lose a row later), "note" (nothing fails). ``always`` is False where only some rows are struck; ``who`` then says
    which, as the end of "every sign-up ...". ``cure`` says in a few words what is to be done about it.
    """

    name: str
    effect: Effect
    cause: str
    cure: str
    within: tuple[int, int]
    sqlstate: str = ""
    always: bool = True
    who: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """The value of one column of a new row; ``value`` is what the statement assigns or the column's default."""

    nulls: Nullness
    word: str | None = None
    value: Expr | None = None
    assignment: Assignment | None = None


Row = Mapping[str, Cell]


# The new row


def new_row(schema: Schema, table: Table, query: Query, facts: Facts) -> dict[str, Cell]:
    """What is known of the row that an INSERT (with its columns filled in) writes."""
    assigned = {assignment.column: assignment for assignment in query.assignments}
    readable = query.rows == "default" or bool(query.assignments)
    return {
        column.name: _cell(schema, column, assigned.get(column.name), query, facts) if readable else Cell(UNKNOWN)
        for column in table.columns
    }


def _cell(schema: Schema, column: TableColumn, assignment: Assignment | None, query: Query, facts: Facts) -> Cell:
    if assignment is not None and assignment.value is not None:
        value = assignment.value
        return Cell(nullness(value, facts), word(value, facts), value, assignment)
    if assignment is not None and query.rows == "select":
        return Cell(UNKNOWN, assignment=assignment)
    if column.identity or column.generated is not None:
        return Cell(UNKNOWN, assignment=assignment)
    domain = _domain(schema, column)
    default = column.default or (domain.default if domain is not None else None)
    if default is None:
        return Cell(ALWAYS, assignment=assignment)
    expr = read_expression(default)
    return Cell(nullness(expr, Facts(session=facts.session)), word(expr, Facts()), expr, assignment)


def _domain(schema: Schema, column: TableColumn) -> Domain | None:
    return schema.domains.get(QName(*column.type.split(".", 1))) if "." in column.type else None


def row_facts(row: Row, facts: Facts, prefix: Name = ("new",)) -> Facts:
    """What is known of a row's columns, as fields of NEW or, without a prefix, as a CHECK names them."""
    return Facts(
        nulls={(*prefix, name): cell.nulls for name, cell in row.items()},
        words={(*prefix, name): cell.word for name, cell in row.items() if cell.word is not None},
        session=facts.session,
    )


# NOT NULL


def null_troubles(schema: Schema, table: Table, query: Query, row: Row, facts: Facts) -> Iterator[Trouble]:
    """The NOT NULL columns that get no value, or one that is NULL for some."""
    for column in table.columns:
        cell = row[column.name]
        domain = _domain(schema, column)
        if cell.nulls < MAYBE or not (column.not_null or (domain is not None and domain.not_null)):
            continue
        if cell.assignment is None or cell.assignment.value is None:
            yield _no_value(table, column, query, cell)
        else:
            yield _null_value(table, column, cell, cell.assignment, facts)


def _no_value(table: Table, column: TableColumn, query: Query, cell: Cell) -> Trouble:
    name = quote(column.name)
    why = "it has no default" if cell.value is None else f"its default, {describe(cell.value)}, is NULL at sign-up"
    return Trouble(
        "missing-value",
        "fails",
        f"The INSERT into {table.name} gives {name} no value; the column is NOT NULL and {why}.",
        f"give {name} a value",
        target_place(query),
        "23502",
        subject=f"{table.name}.{name}",
    )


def _null_value(table: Table, column: TableColumn, cell: Cell, assignment: Assignment, facts: Facts) -> Trouble:
    text = _text(assignment)
    always = cell.nulls is ALWAYS
    value = "NULL" if text.lower() == "null" else f"{text}, which can be NULL,"
    return Trouble(
        "nullable-value",
        "fails",
        f"The INSERT into {table.name} writes {value} to {quote(column.name)}, which is NOT NULL.",
        f"give {quote(column.name)} a value where {text} is NULL",
        assignment_place(assignment, query_place=(assignment.column_start, assignment.column_start + 1)),
        "23502",
        always,
        "" if always else _whose(assignment.value, text, facts),
        f"{table.name}.{quote(column.name)}",
    )


def _whose(value: Expr | None, text: str, facts: Facts) -> str:
    """Whom a value that is sometimes NULL leaves without one."""
    keys = [key for key in lookups_in(value, facts) if key] if value is not None else []
    if keys:
        return f"whose metadata has no {' and no '.join(dict.fromkeys(keys))}"
    return f"where {text} is NULL"


def _text(assignment: Assignment) -> str:
    text = " ".join(assignment.text.split())
    if not text and assignment.value is not None:
        text = describe(assignment.value)
    return text if len(text) <= 60 else text[:57] + "..."


def assignment_place(assignment: Assignment, query_place: tuple[int, int]) -> tuple[int, int]:
    return (assignment.start, assignment.end) if 0 <= assignment.start < assignment.end else query_place


def target_place(query: Query) -> tuple[int, int]:
    """Where the table stands that a query writes."""
    target = query.target
    return (target.start, max(target.end, target.start + 1)) if target is not None else (query.start, query.end)


# CHECK constraints and enumerated types


def check_troubles(table: Table, query: Query, row: Row, facts: Facts) -> Iterator[Trouble]:
    """The CHECK constraints that the row fails."""
    usual = row_facts(row, facts, ())
    worst = row_facts({name: _worst(cell) for name, cell in row.items()}, facts, ())
    for check in table.checks:
        expr = read_expression(check.expression)
        held = truth(expr, usual)
        if held is Truth.FALSE or truth(expr, worst) is Truth.FALSE:
            yield _failing_check(table, check.name, check.expression, expr, query, row, held is Truth.FALSE, facts)


def label_troubles(schema: Schema, table: Table, query: Query, row: Row) -> Iterator[Trouble]:
    """The constants that are no label of their column's type; the row is that before any trigger."""
    for column in table.columns:
        trouble = _missing_label(schema, table, column, query, row[column.name])
        if trouble is not None:
            yield trouble


def _worst(cell: Cell) -> Cell:
    return replace(cell, nulls=ALWAYS) if cell.nulls is MAYBE else cell


def _failing_check(
    table: Table, name: str, expression: str, expr: Expr, query: Query, row: Row, always: bool, facts: Facts
) -> Trouble:
    columns = [inner.parts[-1] for inner in walk(expr) if isinstance(inner, Column) and inner.parts[-1] in row]
    cells = [row[column] for column in columns]
    guilty = next((cell.assignment for cell in cells if cell.assignment is not None), None)
    who = ""
    if not always and guilty is not None:
        who = _whose(guilty.value, _text(guilty), facts)
    text = " ".join(expression.split())
    return Trouble(
        "failing-check",
        "fails",
        f"The row that the INSERT writes to {table.name} fails its check {quote(name)}: {text}.",
        f"write a row that {quote(name)} accepts",
        assignment_place(guilty, target_place(query)) if guilty is not None else target_place(query),
        "23514",
        always,
        who,
        f"{table.name}.{quote(name)}",
    )


def _missing_label(schema: Schema, table: Table, column: TableColumn, query: Query, cell: Cell) -> Trouble | None:
    if cell.assignment is None or cell.word is None or "." not in column.type:
        return None
    enum = schema.enums.get(QName(*column.type.split(".", 1)))
    if enum is None or cell.word in enum.labels:
        return None
    return Trouble(
        "missing-label",
        "fails",
        f"The INSERT writes '{cell.word}' to {table.name}.{quote(column.name)}, and {enum.name} has no such label.",
        f"write a label of {enum.name} to {quote(column.name)}",
        assignment_place(cell.assignment, target_place(query)),
        "22P02",
        subject=f"{table.name}.{quote(column.name)}",
    )


# Unique keys


class Variety(IntEnum):
    """How likely it is that two sign-ups bring the same value, likeliest first."""

    SAME = 0  # every one brings it
    FALLBACK = 1  # every one that leaves something out brings it
    CHOSEN = 2  # people choose it, or it is a part of what they choose
    ADDRESS = 3  # the e-mail address or telephone number itself
    OWN = 4  # no two are alike, or nothing is known


_RANDOM = frozenset(
    {"gen_random_uuid", "uuid_generate_v4", "uuid_generate_v1", "gen_random_bytes", "random", "nextval"}
)
_CLOCK = frozenset({"now", "clock_timestamp", "current_timestamp", "statement_timestamp", "transaction_timestamp"})
_ADDRESSES = frozenset({("new", "email"), ("new", "phone")})


def with_origins(row: Row, values: Mapping[str, tuple[Expr, ...]]) -> dict[str, Cell]:
    """The row with variables replaced by what they were assigned, where that is one thing; else nothing is known."""
    found: dict[str, Cell] = {}
    for name, cell in row.items():
        origins = resolve_variables(cell.value, values) if cell.value is not None else ()
        found[name] = replace(cell, value=origins[0] if len(origins) == 1 else None)
    return found


def collision_troubles(table: Table, query: Query, row: Row, facts: Facts, mirror: Mirror | None) -> Iterator[Trouble]:
    """The unique keys on which a second sign-up can collide with a row that is there."""
    for name, columns in _unique_keys(table):
        if _is_arbiter(query.on_conflict, name, columns):
            continue
        cells = [row[column] for column in columns if column in row]
        if len(cells) < len(columns) or any(cell.nulls is ALWAYS for cell in cells):
            continue
        variety = max(_variety(cell, facts) for cell in cells)
        if variety is not Variety.OWN:
            yield _collision(table, query, columns, cells, variety, facts, mirror)


def _unique_keys(table: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    for key in table.keys:
        yield key.name, key.columns
    for index in table.indexes:
        columns = tuple(column for column in index.columns if column is not None)
        if index.unique and index.predicate is None and len(columns) == len(index.columns):
            yield index.name, columns


def _is_arbiter(conflict: OnConflict | None, name: str, columns: tuple[str, ...]) -> bool:
    """Whether ON CONFLICT catches a collision on this key."""
    if conflict is None:
        return False
    if conflict.constraint is not None:
        return conflict.constraint == name
    return not conflict.columns or set(conflict.columns) == set(columns)


def _variety(cell: Cell, facts: Facts) -> Variety:
    if cell.word is not None:
        return Variety.SAME
    if cell.value is None:
        return Variety.OWN
    return _variety_of(cell.value, facts)


def _variety_of(expr: Expr, facts: Facts) -> Variety:
    inner = list(walk(expr))
    if any(isinstance(node, Call) and node.name in _RANDOM | _CLOCK for node in inner):
        return Variety.OWN
    names = {node.parts for node in inner if isinstance(node, Column)}
    if not names or ("new", "id") in names:
        return Variety.OWN
    varying = names - facts.words.keys()
    if not varying or not varying <= _ADDRESSES | facts.documents:
        return Variety.OWN
    if isinstance(expr, Call) and expr.name == "coalesce" and _falls_back(expr, facts):
        return Variety.FALLBACK
    if isinstance(_bare(expr), Column) and varying <= _ADDRESSES:
        return Variety.ADDRESS
    return Variety.CHOSEN


def _falls_back(coalesce: Call, facts: Facts) -> bool:
    """Whether a COALESCE ends in a constant that some sign-ups get."""
    last = _bare(coalesce.args[-1])
    return isinstance(last, Constant) and any(nullness(arg, facts) is MAYBE for arg in coalesce.args)


def _bare(expr: Expr) -> Expr:
    """The expression without casts and changes of case, which keep different values apart well enough."""
    while True:
        if isinstance(expr, Cast):
            expr = expr.arg
        elif isinstance(expr, Call) and expr.name in ("lower", "upper", "btrim", "trim") and len(expr.args) == 1:
            expr = expr.args[0]
        else:
            return expr


def _collision(
    table: Table,
    query: Query,
    columns: tuple[str, ...],
    cells: list[Cell],
    variety: Variety,
    facts: Facts,
    mirror: Mirror | None,
) -> Trouble:
    guilty = next((cell.assignment for cell in cells if cell.assignment is not None), None)
    text = _text(guilty) if guilty is not None and guilty.value is not None else "its default"
    where = Target(table.name, columns)
    place = assignment_place(guilty, target_place(query)) if guilty is not None else target_place(query)
    cure = f"let no sign-up collide on {where}"
    effect: Effect
    if variety is Variety.SAME:
        cause = f"Every sign-up writes the same value, {text}, to {where}, which is unique."
        effect, always, who = "fails", True, "after the first"
    elif variety is Variety.FALLBACK:
        cause = f"{text} goes into {where}, which is unique: those without a value of their own all get the same one."
        whose = _whose(guilty.value if guilty is not None else None, text, facts)
        effect, always, who = "fails", False, f"{whose}, from the second on,"
    elif variety is Variety.CHOSEN:
        cause = f"{text} goes into {where}, which is unique, and two people can bring the same."
        effect, always, who = "risk", False, "that brings a value already taken"
    elif mirror is not None and mirror.identity_key is not None and mirror.identity_key.on_delete == "CASCADE":
        cause = f"{text} goes into {where}, which is unique, while accounts by single sign-on may share an address."
        effect, always, who = "note", False, "whose address another row holds"
    else:
        cause = f"{text} goes into {where}, which is unique, and rows there outlive the accounts they belong to."
        effect, always, who = "risk", False, "with the address of a deleted account"
    return Trouble("unique-collision", effect, cause, cure, place, "23505", always, who, str(where))


def skipping_conflict(table: Table, query: Query, row: Row, facts: Facts, mirror: Mirror) -> Iterator[Trouble]:
    """ON CONFLICT DO NOTHING that passes over a new user because another one's row has the same value."""
    conflict = query.on_conflict
    if conflict is None or conflict.action != "nothing" or conflict.constraint or mirror.column in conflict.columns:
        return
    for _, columns in _unique_keys(table):
        if mirror.column in columns or (conflict.columns and set(columns) != set(conflict.columns)):
            continue
        if max(_variety(row[column], facts) for column in columns) is not Variety.OWN:
            yield Trouble(
                "skipped-on-conflict",
                "risk",
                f"ON CONFLICT DO NOTHING skips a new user whose {', '.join(columns)} another row of {table.name} has.",
                f"let ON CONFLICT name {quote(mirror.column)} only",
                (conflict.start, conflict.start + len("ON CONFLICT")),
            )
            return
