"""Repairs rows in small committed batches, while everybody else goes on writing.

A table is gone through range by range, as a scan does it, and each range is repaired by statements that decide for
themselves which rows are still wrong. Being killed, restarted, locked out or run twice therefore changes nothing about
the result; it only takes longer.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from referee.data.load import Throttle
from referee.data.order import choose_order
from referee.data.watch import Watch
from referee.data.writer import IN_THE_WAY, Writer
from referee.errors import ServerError
from referee.model.names import QName
from referee.model.question import Question
from referee.model.row_repair import Action, Outcome, Refused
from referee.model.schema import ForeignKey, Schema, Table
from referee.postgres.session import FailedStatementError
from referee.sql import repairs
from referee.sql.activity import OLDEST_TRANSACTION
from referee.sql.questions import Bound, Order, Range, next_bound
from referee.sql.repairs import Branch, Filling, Journal

# A batch is made to take about this long: whoever wants a row that it holds waits no longer.
_AIM = 0.04
_FIRST_ROWS, _MOST_ROWS = 2_000, 200_000
_FIRST_BATCH, _LEAST_BATCH, _MOST_BATCH = 200, 1, 20_000
# So many rows that the server refuses are named; if there are more, something is wrong with the action.
_MOST_REFUSED = 200
_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """An action with what is needed to do it.

    ``filling`` is for new mirror rows. ``values`` are the columns to set, as expressions; ``pairs`` the subject under
    which the run keeps old and new ids. ``table`` and ``branches`` are for rows that are moved. ``among`` is a further
    condition for the rows; ``is_left`` asks how many are left to do.
    """

    action: Action
    among: str | None = None
    filling: Filling | None = None
    values: Mapping[str, str] | None = None
    pairs: str | None = None
    table: Table | None = None
    branches: tuple[Branch, ...] = ()

    @property
    def question(self) -> Question:
        return self.action.question


@dataclass
class _Tally:
    """What has come of an action so far."""

    done: int = 0
    origins: Counter[str] = field(default_factory=Counter)
    refused: dict[tuple[str, ...], Refused] = field(default_factory=dict)
    busy: dict[tuple[str, ...], str] = field(default_factory=dict)
    """Rows that somebody else holds, by key, in the pass that is under way."""
    batches: int = 0
    longest: float = 0.0
    trouble: str | None = None


class Repairer:
    """Does one action after the other. ``count_left`` counts the rows that a piece of work would still change."""

    def __init__(
        self,
        writer: Writer,
        schema: Schema,
        journal: Journal,
        count_left: Callable[[Work], int],
        watch: Watch,
        *,
        patience: float = 60.0,
        throttle: Throttle | None = None,
    ) -> None:
        self._writer = writer
        self._schema = schema
        self._journal = journal
        self._count_left = count_left
        self._watch = watch
        self._patience = patience
        self._throttle = throttle or Throttle(None, watch.say)

    def do(self, work: Work) -> Outcome:
        """Does an action until nothing is left of it, or nothing moves any more.

        Raises ServerError where the server does not come back.
        """
        began = last_progress = time.monotonic()
        tally, pause = _Tally(), _PAUSE
        left, because = 0, None
        while True:
            before = tally.done
            tally.busy.clear()
            _Pass(self, work, tally).run()
            left = self._count_left(work)
            if tally.done > before:
                last_progress, pause = time.monotonic(), _PAUSE
            if left <= len(tally.refused) or tally.trouble is not None:
                break
            if time.monotonic() - last_progress >= self._patience:
                because = self._in_the_way()
                break
            self._watch.say(f"{work.question.subject}: {left:,} rows are held by others; trying again")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return Outcome(
            work.action,
            tally.done,
            dict(tally.origins),
            tuple(tally.refused.values()),
            left,
            tally.trouble or because or ("the server refused them" if left else None),
            unfinished=because is not None,
            seconds=round(time.monotonic() - began, 3),
            batches=tally.batches,
            longest_batch=round(tally.longest, 4),
        )

    def _in_the_way(self) -> str:
        """Who may be holding the rows that are left."""
        told = f"others held them for {self._patience:g} s"
        try:
            rows = self._writer.read([OLDEST_TRANSACTION])[0]
        except ServerError:
            return told
        if not rows:
            return told
        pid, who, seconds, state = rows[0]
        return f"{told}; the oldest transaction is that of process {pid} ({who}, {state}), open for {seconds:.0f} s"


class _Pass:
    """Once through the table."""

    def __init__(self, repairer: Repairer, work: Work, tally: _Tally) -> None:
        self.repairer = repairer
        self.writer = repairer._writer
        self.work = work
        self.tally = tally
        self.rows = _FIRST_ROWS
        self.most = _FIRST_BATCH
        self.limit = _MOST_BATCH

    def run(self) -> None:
        order = choose_order(self.repairer._schema, self.work.question)
        if order is None:
            self._range(None)
            return
        after: Bound | None = None
        upto = self._bound(order, None)
        while self.tally.trouble is None:
            self._range(Range(order, after, upto))
            if upto is None:
                return
            after, upto = upto, self._bound(order, upto)

    def _bound(self, order: Order, after: Bound | None) -> Bound | None:
        while True:
            try:
                [found] = self.writer.read([next_bound(self.work.question, order, after, self.rows)])
                return tuple(found[0]) if found else None
            except FailedStatementError:
                raise
            except ServerError as lost:
                self.writer.reconnect(lost)

    def _range(self, range_: Range | None) -> None:
        """Repairs a range, in as many batches as it takes."""
        self.repairer._throttle.wait(self.writer.session)
        began, batches = time.monotonic(), 0
        while self.tally.trouble is None:
            hits, done, last = self._batch(range_)
            batches += 1
            if hits < self.asked:
                break
            if last is not None and range_ is not None:
                range_ = Range(range_.order, (last,), range_.upto)
            elif done == 0:
                break
        self._adapt_range(time.monotonic() - began, batches)

    def _adapt_range(self, seconds: float, batches: int) -> None:
        """Makes the next range about as large as one batch can do."""
        if batches > 1:
            self.rows = max(self.rows // 2, _FIRST_BATCH)
        else:
            factor = min(max(_AIM / max(seconds, 0.0005), 0.5), 2.0)
            self.rows = int(min(max(self.rows * factor, _FIRST_BATCH), _MOST_ROWS))

    def _batch(self, range_: Range | None) -> tuple[int, int, str | None]:
        """One batch: rows found wrong, rows repaired, and for new mirror rows the last key.

        What stands in the way makes it smaller, down to the one row that is in trouble, which is then left out.
        """
        while True:
            self.asked = min(self.most, self.limit)
            began = time.monotonic()
            try:
                hits, done, last = self._do(range_, self.asked)
            except FailedStatementError as error:
                if not self._yield(range_, error):
                    return 0, 0, None
                continue
            except ServerError as lost:
                self.writer.reconnect(lost)
                continue
            seconds = time.monotonic() - began
            self.tally.batches += 1
            self.tally.longest = max(self.tally.longest, seconds)
            self.tally.done += done
            self.repairer._watch.add(done, str(self.work.question.subject))
            if hits >= self.asked:
                factor = min(max(_AIM / max(seconds, 0.0005), 0.5), 2.0)
                self.most = int(min(max(self.most * factor, _LEAST_BATCH), _MOST_BATCH))
            self.limit = min(self.limit * 2, _MOST_BATCH)
            return hits, done, last

    def _yield(self, range_: Range | None, error: FailedStatementError) -> bool:
        """Makes way: smaller batches, and at last one row less. False where the whole action cannot be done."""
        in_the_way = error.sqlstate in IN_THE_WAY
        if not in_the_way and (error.sqlstate or "")[:2] not in _ROW_TROUBLE:
            self.tally.trouble = f"{error.report.message} ({error.sqlstate})"
            return False
        if self.asked > _LEAST_BATCH:
            self.limit = max(self.asked // 4, _LEAST_BATCH)
            time.sleep(_PAUSE if in_the_way else 0)
            return True
        row = self._first(range_)
        if row is None:
            return True
        reason = f"{error.report.message} ({error.sqlstate})"
        if in_the_way:
            self.tally.busy[row.key] = reason
            return True
        self.tally.refused[row.key] = row._replace(reason=reason)
        if len(self.tally.refused) >= _MOST_REFUSED:
            self.tally.trouble = f"the server refused {_MOST_REFUSED} rows, the last with: {reason}"
            return False
        return True

    def _first(self, range_: Range | None) -> Refused | None:
        """The row that is in trouble: the first one that a batch would take."""
        [rows] = self.writer.read([repairs.first(self.work.question, range_, self._among())])
        return Refused(tuple(rows[0][0]), tuple(rows[0][1]), "") if rows else None

    def _among(self) -> str | None:
        """The conditions for a row beside that of its question: not one of those in trouble."""
        without = repairs.other_than(self.work.question, [*self.tally.refused, *self.tally.busy])
        return " and ".join(filter(None, [self.work.among, without])) or None

    def _do(self, range_: Range | None, most: int) -> tuple[int, int, str | None]:
        work, journal = self.work, self.repairer._journal
        question, among = work.question, self._among()
        if work.filling is not None:
            turn = repairs.turn(work.filling.table)
            query = repairs.create(question, work.filling, journal, range_, most, among)
            _, [(hits, done, last, origins)] = self.writer.batch([turn, query])
            self.tally.origins.update(origins or {})
            return hits, done, last
        turn = repairs.turn(question.table)
        pick = repairs.pick(question, range_, most, among)
        if work.table is not None:
            change = repairs.move(question, work.table, work.branches, journal, work.action.reason)
        else:
            change = repairs.change(question, work.values or {}, journal, work.action.reason, work.pairs)
        _, [(hits,)], [(done,)] = self.writer.batch([turn, pick, change])
        return hits, done, None


# What the rows themselves are to blame for: their data, constraints, and triggers that raise.
_ROW_TROUBLE = frozenset(("22", "23", "27", "P0", "38", "44"))


def branches_of(
    schema: Schema, table: Table, path: tuple[QName, ...] = ()
) -> tuple[tuple[Branch, ...], tuple[ForeignKey, ...]]:
    """What goes with a row of a table that is moved, and the keys that hold a row back while others refer to it."""
    moving: list[Branch] = []
    holding: list[ForeignKey] = []
    seen = (*path, table.name)
    for key in schema.referencing.get(table.name, ()):
        child = schema.table(key.table)
        if child is None or not key.enforced:
            continue
        if key.on_delete == "SET NULL":
            moving.append(Branch(child, key, moves=False))
        elif key.on_delete == "CASCADE" and child.name not in seen:
            # What holds a row of the child back holds the whole move back; the server will say so.
            inner, _ = branches_of(schema, child, seen)
            moving.append(Branch(child, key, moves=True, branches=inner))
        else:
            holding.append(key)
    return tuple(moving), tuple(holding)


def tables_of(branches: Sequence[Branch], with_emptied: bool = False) -> list[Table]:
    """The tables whose rows go with a row that is moved; also those that only forget it, if asked for."""
    found: dict[QName, Table] = {}
    for branch in branches:
        if branch.moves or with_emptied:
            found[branch.table.name] = branch.table
        found.update({table.name: table for table in tables_of(branch.branches, with_emptied)})
    return list(found.values())
