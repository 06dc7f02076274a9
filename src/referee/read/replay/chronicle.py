"""Writes down what happens while files are replayed, for rules about the order of things."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from referee.model import history
from referee.model.history import History, HistoryEvent, Moment
from referee.model.names import QName
from referee.model.schema import ForeignKey, Trigger
from referee.model.source import Source, Span
from referee.read.replay.session import Session
from referee.read.replay.state import TableState
from referee.sql.expressions import walk, walk_query
from referee.sql.queries import queries_in
from referee.sql.statements import Written
from referee.sql.tree import Column, Expr, Literal, Operator, Query, Subquery, TableUse

# How tools are told not to run a file in one transaction: goose, Atlas, dbmate, Flyway, node-pg-migrate, Knex, TypeORM.
_LOOSE = re.compile(
    r"--\s*(?:\+goose\s+no\s+transaction|atlas:txmode\s+none|disable-transaction|no-transaction)"
    r"|--.*\btransaction:\s*false|\bconcurrently\b",
    re.IGNORECASE,
)


def of(session: Session, sources: Iterable[Source]) -> History:
    """What was written down. Only files in which keys are added can be at fault for their transactions."""
    events = tuple(session.state.events.values())
    wanted = {event.moment.file for event in events if isinstance(event, history.KeyAdded) and not event.new_table}
    loose = {source.path for source in sources if source.path in wanted and _LOOSE.search(source.text)}
    return History(events, frozenset(loose))


def _note(session: Session, event: HistoryEvent) -> None:
    events = session.state.events
    events[len(events)] = event


def _moment(session: Session, span: Span | None = None) -> Moment:
    return Moment(span or session.span, session.transactions, session.limited)


def key_added(session: Session, table: TableState, key: ForeignKey, span: Span) -> None:
    new_table = table.name in session.fresh
    new_column = new_table or any((table.name, column) in session.fresh for column in key.columns)
    new_target = key.target.table in session.fresh
    _note(session, history.KeyAdded(_moment(session, span), key, new_table, new_column, new_target))


def key_validated(session: Session, key: ForeignKey) -> None:
    _note(session, history.KeyValidated(_moment(session), key))


def key_dropped(session: Session, key: ForeignKey) -> None:
    _note(session, history.KeyDropped(_moment(session), key, key.table in session.fresh))


def trigger_created(session: Session, trigger: Trigger) -> None:
    _note(session, history.TriggerCreated(_moment(session), trigger.ref, trigger.function))


# Rows


def rows_moved(session: Session, query: Query) -> None:
    """Notes what a statement does to rows, where that can matter to keys and mirrors."""
    table = _table(session, query.target)
    if table is None:
        return
    if query.action == "insert":
        sources = frozenset(_sources(session, query.nested)) - {table}
        if sources:
            _note(session, history.RowsCopied(_moment(session), table, sources))
    elif query.action == "delete":
        _lost(session, query, table, ())
    elif query.action == "update":
        emptied = tuple([one.column for one in query.assignments if _is_null(one.value)])
        if emptied:
            _lost(session, query, table, emptied)


def _lost(session: Session, query: Query, table: QName, columns: tuple[str, ...]) -> None:
    spared = list(_spared(query))
    unless_in = frozenset(_sources(session, [inner for inner, _ in spared])) - {table}
    by = frozenset([name for _, names in spared for name in names])
    everything = all(_is_about_nulls(condition, columns) for condition in query.conditions) and not query.sources
    action = "update" if columns else "delete"
    _note(session, history.RowsLost(_moment(session), action, table, columns, unless_in, by, everything))  # type: ignore[arg-type]


def _spared(query: Query) -> Iterator[tuple[Query, list[str]]]:
    """The queries whose rows keep the statement from a row, and the names of the columns that are compared."""
    for expr in walk_query(query):
        if isinstance(expr, Operator) and expr.name == "not":
            for inner in expr.args:
                if isinstance(inner, Subquery) and inner.kind in ("in", "exists"):
                    yield inner.query, _compared(inner)
        elif isinstance(expr, Subquery) and expr.kind == "all":
            yield expr.query, _compared(expr)
    for part in queries_in(query):
        for condition in part.conditions:
            tests = [one for one in walk(condition) if isinstance(one, Operator) and one.name == "is null"]
            if tests and len(part.sources) > 1:
                # Of an outer join, the rows that found nothing.
                yield part, _columns(part.conditions)


def _compared(subquery: Subquery) -> list[str]:
    tested = _columns([subquery.test]) if subquery.test is not None else []
    return [*tested, *_columns(subquery.query.conditions)]


def _columns(exprs: Iterable[Expr]) -> list[str]:
    return [found.parts[-1] for expr in exprs for found in walk(expr) if isinstance(found, Column)]


def _is_about_nulls(condition: Expr, columns: tuple[str, ...]) -> bool:
    """WHERE column IS NOT NULL, which spares no row that says anything."""
    return (
        isinstance(condition, Operator)
        and condition.name == "is not null"
        and [name for arg in condition.args for name in _columns([arg])] == list(columns)
    )


def _is_null(value: Expr | None) -> bool:
    return isinstance(value, Literal) and value.value is None


def _sources(session: Session, queries: Iterable[Query]) -> Iterator[QName]:
    for query in queries:
        for part in queries_in(query):
            for use in part.sources:
                name = _table(session, use)
                if name is not None:
                    yield name


def _table(session: Session, use: TableUse | None) -> QName | None:
    if use is None:
        return None
    table = session.find_table(Written(use.schema, use.name))
    return table.name if table is not None else None
