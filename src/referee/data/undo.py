"""Takes a run of repairs back, the last change first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from referee.data.watch import Watch
from referee.data.writer import IN_THE_WAY, Writer
from referee.errors import ServerError
from referee.model.names import QName
from referee.model.row_repair import Undone
from referee.model.schema import Schema, Table
from referee.postgres.session import FailedStatementError
from referee.sql import repairs, undo
from referee.sql.repairs import Journal

_ATTEMPTS = 20
_PAUSE = 0.1
_DENIED = "42501"


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    action: str
    table: QName
    rows: int
    note: str | None
    statements: tuple[str, ...] | None


class Undoing:
    """Takes back what a run did, entry by entry, each in a transaction of its own.

    With ``even_referenced`` new mirror rows go although other rows refer to them, which then refer to nothing again.
    """

    def __init__(
        self, writer: Writer, schema: Schema, journal: Journal, watch: Watch, *, even_referenced: bool = False
    ) -> None:
        self._writer = writer
        self._schema = schema
        self._journal = journal
        self._watch = watch
        self._even_referenced = even_referenced
        self._without_keys = True

    def all(self) -> Iterator[Undone]:
        """What came of each entry that has not been taken back yet. Raises ServerError if the server is gone."""
        [rows] = self._writer.read([undo.entries(self._journal)])
        found = [
            _Entry(row[0], row[1], QName(row[2], row[3]), row[4], row[5], None if row[6] is None else tuple(row[6]))
            for row in rows
        ]
        self._watch.expect(entry.rows for entry in found)
        for entry in found:
            yield self._undo(entry)
            self._watch.add(entry.rows, str(entry.table))

    def _undo(self, entry: _Entry) -> Undone:
        if entry.action == repairs.STEP:
            return self._undo_step(entry)
        table = self._schema.table(entry.table)
        if table is None:
            return Undone(entry.action, str(entry.table), entry.rows, 0, "the table is gone")
        if table.primary_key is None and entry.action != repairs.CREATE:
            return Undone(entry.action, str(entry.table), entry.rows, 0, "the table has no primary key to find rows by")
        try:
            done = self._attempt(entry, table)
        except FailedStatementError as error:
            return Undone(entry.action, str(entry.table), entry.rows, 0, f"{error.report.message} ({error.sqlstate})")
        reason = _REASONS[entry.action] if done < entry.rows else None
        return Undone(entry.action, str(entry.table), entry.rows, done, reason)

    def _undo_step(self, entry: _Entry) -> Undone:
        """Takes back a step of a plan by the statements that the plan had for it."""
        what = f"{entry.table}" if entry.table.name else "the schema"
        if entry.statements is None:
            return Undone(entry.action, what, 1, 0, "the plan has no way back for it")
        try:
            self._retried([*entry.statements, undo.mark(self._journal, entry.number)], entry.number)
        except FailedStatementError as error:
            return Undone(entry.action, what, 1, 0, f"{error.report.message} ({error.sqlstate})")
        return Undone(entry.action, what, 1, 1)

    def _rows_left(self, number: int) -> int | None:
        """What is left of an entry: its transaction may have come through although the answer got lost."""
        [[(left,)]] = self._writer.read([undo.rows_left(self._journal, number)])
        return None if left is None else int(left)

    def _retried(self, queries: list[str], number: int) -> None:
        for attempt in range(_ATTEMPTS):
            try:
                self._writer.batch(queries, in_step=False)
                return
            except FailedStatementError as error:
                if error.sqlstate not in IN_THE_WAY or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_PAUSE * (attempt + 1))
            except ServerError as lost:
                self._writer.reconnect(lost)
                if self._rows_left(number) is None:
                    return

    def _attempt(self, entry: _Entry, table: Table) -> int:
        attempts = 0
        while True:
            try:
                results = self._writer.batch(self._queries(entry, table), in_step=False)
                return int(results[-1][0][0])
            except FailedStatementError as error:
                attempts += 1
                if error.sqlstate == _DENIED and self._without_keys:
                    # Only a superuser, or who was granted it, may switch keys off; then they have their say.
                    self._without_keys = False
                elif error.sqlstate not in IN_THE_WAY or attempts >= _ATTEMPTS:
                    raise
                else:
                    time.sleep(_PAUSE * attempts)
            except ServerError as lost:
                self._writer.reconnect(lost)
                done = entry.rows - (self._rows_left(entry.number) or 0)
                if done:
                    return done

    def _queries(self, entry: _Entry, table: Table) -> list[str]:
        turn = repairs.turn(entry.table)
        opening = [turn, undo.WITHOUT_KEYS] if self._without_keys else [turn]
        if entry.action == repairs.CREATE:
            referring = self._schema.referencing.get(entry.table, ())
            pick = undo.pick_created(table, entry.note or "id", self._journal, entry.number)
            if self._even_referenced:
                return [*opening, pick, undo.remove_created(table, (), self._journal, entry.number)]
            # What refers to a row must have its say here: the keys stay in force.
            return [turn, pick, undo.remove_created(table, referring, self._journal, entry.number)]
        if entry.action == repairs.MOVE:
            return [*opening, undo.put_back(table, self._journal, entry.number)]
        [columns] = self._writer.read([undo.columns_changed(self._journal, entry.number)])
        names = [name for (name,) in columns if table.column(name) is not None]
        return [*opening, undo.restore_changed(table, names, self._journal, entry.number)]


_REASONS = {
    repairs.CREATE: "they were changed since, or other rows refer to them (--even-referenced removes those too)",
    repairs.UPDATE: "they were changed since, or are gone",
    repairs.MOVE: "they are no longer where they were kept",
}
