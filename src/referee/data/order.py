"""How the rows of a question are divided, so that no single statement takes long."""

from __future__ import annotations

import re

from referee.model.question import Question
from referee.model.schema import Index, Schema, Table
from referee.sql.questions import Order, by_reference

# A partial index over everything that is not NULL holds every row that there is something to judge about.
_NOT_NULL = re.compile(r"\(?\s*[\w\"]+ IS NOT NULL\s*\)?", re.IGNORECASE)


def choose_order(schema: Schema, question: Question) -> Order | None:
    """The order of an index on the reference, else that of the primary key; None where there is neither.

    The first is the best by far: both sides can be read from their indexes, in step.
    """
    table = schema.table(question.table)
    if table is None:
        return None
    order = by_reference(question)
    leading = _leading(table, question.columns)
    if leading is not None and not _is_loose(question):
        return _rearranged(order, leading)
    primary = table.primary_key
    if primary is None:
        return None
    columns = [table.column(name) for name in primary.columns]
    return Order(primary.columns, tuple([column.type for column in columns if column is not None]))


def is_by_reference(question: Question, order: Order) -> bool:
    """Whether an order is that of the reference, so that equal references are never in two ranges."""
    return set(order.columns) == set(question.columns)


def _is_loose(question: Question) -> bool:
    """Whether rows count in which only some columns of the reference are NULL: no range would hold them."""
    return len(question.columns) > 1 and question.key is not None and question.key.match == "FULL"


def _leading(table: Table, columns: tuple[str, ...]) -> tuple[str, ...] | None:
    """These columns in the order in which an index or key begins with them; None where none does."""
    for key in table.keys:
        if set(key.columns[: len(columns)]) == set(columns):
            return key.columns[: len(columns)]
    for index in table.indexes:
        found = index.columns[: len(columns)]
        if _is_usable(index) and None not in found and set(found) == set(columns):
            return tuple([name for name in found if name is not None])
    return None


def _is_usable(index: Index) -> bool:
    whole = index.predicate is None or _NOT_NULL.fullmatch(index.predicate) is not None
    return index.method == "btree" and index.valid and whole


def _rearranged(order: Order, columns: tuple[str, ...]) -> Order:
    places = [order.columns.index(column) for column in columns]
    return Order(
        columns,
        tuple([order.types[place] for place in places]),
        tuple([order.theirs[place] for place in places]) if order.theirs else (),
    )
