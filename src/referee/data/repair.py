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
from typing import Any

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
from referee.sql.questions import Bound, Order, Range, next_bounds
from referee.sql.repairs import Branch, Filling, Journal

# A batch is made to take about this long: whoever wants a row that it holds waits no longer.
_AIM = 0.05
_FIRST_ROWS, _MOST_ROWS = 2_000, 200_000
_FIRST_BATCH, _MOST_BATCH = 200, 20_000
# Where ranges end is looked up for some at a time, not for so many rows that the size of a range could not adapt.
_ROWS_AHEAD, _MOST_AHEAD = 50_000, 4
# So many rows that the server refuses are named; if there are more, something is wrong with the action.
_MOST_REFUSED = 200
# So many rows that others hold are stepped over one by one; where there are more, a whole table is held.
_MOST_BUSY = 100
# So often may wrong rows come in as fast as they are repaired.
_MOST_PASSES = 50
_PAUSE, _LONGEST_PAUSE = 0.05, 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """An action with what is needed to do it.

    ``filling`` is for new mirror rows. ``values`` are the columns to set, as expressions; ``pairs`` the subject under
    which the run keeps old and new ids. ``table`` and ``branches`` are for rows that are moved. ``among`` is a further
    condition for the rows.
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
    blocked: bool = False
    """Whether somebody holds so much that the pass came to no end."""
    conflicts: int = 0
    """New rows that conflicted with others, in the pass that is under way."""
    batches: int = 0
    longest: float = 0.0
    trouble: str | None = None


class Repairer:
    """Does one action after the other.

    ``count_left`` counts the rows that a piece of work would still change; None where they could not be counted.
    """

    def __init__(
        self,
        writer: Writer,
        schema: Schema,
        journal: Journal,
        count_left: Callable[[Work], int | None],
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

    def do(self, work: Work, *, verify: bool = True) -> Outcome:
        """Does an action until nothing is left of it, or nothing moves any more.

        Without ``verify`` the rows are not counted again once every range has been left with none wrong: for callers
        who ask themselves in the end. Raises ServerError where the server does not come back.
        """
        began = last_progress = time.monotonic()
        tally, pause, passes = _Tally(), _PAUSE, 0
        left: int | None = None
        because: str | None = None
        while True:
            before, passes = tally.done, passes + 1
            tally.busy.clear()
            tally.blocked, tally.conflicts = False, 0
            _Pass(self, work, tally).run()
            left = self._count_left(work) if verify or not _is_through(work, tally) else 0
            if tally.done > before:
                last_progress, pause = time.monotonic(), _PAUSE
            if tally.trouble is not None or (left is not None and left <= len(tally.refused)):
                break
            if left is not None and tally.done == before and not _may_move(work, tally):
                break
            if time.monotonic() - last_progress >= self._patience:
                because = self._in_the_way()
                break
            if passes >= _MOST_PASSES and tally.done > before:
                because = "others write wrong rows as fast as they are repaired: see to that first"
                break
            self._watch.say(f"{work.question.subject}: rows are held by others; trying again")
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return Outcome(
            work.action,
            tally.done,
            dict(tally.origins),
            tuple(tally.refused.values()),
            left or 0,
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


def _is_through(work: Work, tally: _Tally) -> bool:
    """Whether the pass saw to every row. New rows wait for nobody without saying so; others are skipped."""
    in_trouble = tally.trouble is not None or tally.blocked or tally.busy or tally.refused or tally.conflicts
    return work.filling is not None and not in_trouble


def _may_move(work: Work, tally: _Tally) -> bool:
    """Whether rows that are left may become free. New rows wait for nobody without saying so; others are skipped."""
    return work.filling is None or bool(tally.busy) or tally.blocked


@dataclass(frozen=True, slots=True)
class _Batch:
    """What came of a batch: rows that were asked for, found wrong, and repaired; ``last`` is the last key of new rows.

    ``name`` is the row where only one was asked for.
    """

    asked: int
    hits: int
    done: int
    last: str | None = None
    name: Refused | None = None


class _Pass:
    """Once through the table."""

    def __init__(self, repairer: Repairer, work: Work, tally: _Tally) -> None:
        self.repairer = repairer
        self.writer = repairer._writer
        self.work = work
        self.tally = tally
        self.rows = _FIRST_ROWS
        # So many rows has the range that is under way; those looked up together are all of one size.
        self.sized = _FIRST_ROWS
        self.most = _FIRST_BATCH
        self.limit = _MOST_BATCH

    @property
    def is_over(self) -> bool:
        return self.tally.trouble is not None or self.tally.blocked

    def run(self) -> None:
        try:
            self._run()
        except FailedStatementError as error:
            self._fail(error)

    def _run(self) -> None:
        order = choose_order(self.repairer._schema, self.work.question)
        if order is None:
            self._range(None)
            return
        after: Bound | None = None
        while not self.is_over:
            for upto in self._bounds(order, after):
                self._range(Range(order, after, upto))
                if upto is None or self.is_over:
                    return
                after = upto

    def _bounds(self, order: Order, after: Bound | None) -> list[Bound | None]:
        """Where the next ranges end, None for the end of the table. Several are looked up at a time."""
        self.sized = self.rows
        ahead = min(max(_ROWS_AHEAD // self.rows, 1), _MOST_AHEAD)
        [found] = self.writer.read([next_bounds(self.work.question, order, after, self.rows, ahead)])
        bounds: list[Bound | None] = [tuple(row) for row in found]
        return bounds if len(bounds) == ahead else [*bounds, None]

    def _range(self, range_: Range | None) -> None:
        """Repairs a range, in as many batches as it takes."""
        self.writer.steadily(self.repairer._throttle.wait)
        began, batches, stuck = time.monotonic(), 0, 0
        rest = range_
        while not self.is_over:
            batch = self._batch(rest)
            batches += 1
            if self.work.filling is not None:
                stuck += batch.hits - batch.done
            behind = self._behind(rest, batch.last)
            is_stuck = batch.done == 0 and batch.name is None and behind is rest and self.work.filling is not None
            if batch.hits < batch.asked or is_stuck:
                break
            rest = behind
        self.tally.conflicts += stuck
        if stuck and not self.is_over:
            self._name_stuck(range_, stuck)
        self._adapt_range(time.monotonic() - began, batches)

    def _behind(self, range_: Range | None, last: str | None) -> Range | None:
        """The rest of a range, where new rows are made in its order."""
        if range_ is None or last is None or range_.order.columns != self.work.question.columns:
            return range_
        return Range(range_.order, (last,), range_.upto)

    def _adapt_range(self, seconds: float, batches: int) -> None:
        """Makes the next range about as large as one batch can do."""
        if batches > 1:
            # Not much less than a batch holds: two halves cost more than a whole.
            whole = int(min(self.most, self.limit) * 0.8)
            self.rows = max(self.sized // 2, min(self.sized, whole), _FIRST_BATCH)
        else:
            factor = min(max(_AIM / max(seconds, 0.0005), 0.5), 2.0)
            self.rows = int(min(max(self.sized * factor, _FIRST_BATCH), _MOST_ROWS))

    def _batch(self, range_: Range | None) -> _Batch:
        """One batch. What stands in the way makes it smaller, down to the one row in trouble, which is left out."""
        while True:
            asked = min(self.most, self.limit)
            began = time.monotonic()
            try:
                batch = self._one(range_) if asked == 1 else self._many(range_, asked)
            except FailedStatementError as error:
                self._make_way(asked, error)
                if self.is_over:
                    return _Batch(asked, 0, 0)
                continue
            except ServerError as lost:
                self.writer.reconnect(lost)
                continue
            self._note(batch, time.monotonic() - began)
            if batch.done < batch.hits and self.work.filling is None and asked > 1:
                # A trigger keeps rows as they are: look for them one by one.
                self.limit = max(asked // 4, 1)
            elif batch.done == batch.hits:
                self.limit = min(self.limit * 2, _MOST_BATCH)
            return batch

    def _note(self, batch: _Batch, seconds: float) -> None:
        tally = self.tally
        tally.batches += 1
        tally.longest = max(tally.longest, seconds)
        tally.done += batch.done
        self.repairer._watch.add(batch.done, str(self.work.question.subject))
        if batch.hits >= batch.asked > 1:
            factor = min(max(_AIM / max(seconds, 0.0005), 0.5), 2.0)
            self.most = int(min(max(self.most * factor, 2), _MOST_BATCH))

    def _make_way(self, asked: int, error: FailedStatementError) -> None:
        """Smaller batches where others are in the way, or a row that is in trouble has to be found."""
        in_the_way = error.sqlstate in IN_THE_WAY
        if asked == 1 or not (in_the_way or _is_of_a_row(error)):
            self._fail(error)
            return
        self.limit = max(asked // 4, 1)
        if in_the_way:
            time.sleep(_PAUSE)

    def _fail(self, error: FailedStatementError) -> None:
        """What concerns no row in particular ends the pass; for now, where somebody is in the way."""
        if error.sqlstate in IN_THE_WAY:
            self.tally.blocked = True
        else:
            self.tally.trouble = _told(error)

    def _leave_out(self, row: Refused, error: FailedStatementError) -> None:
        """Takes a row that is in trouble out of the pass, or out of the whole action."""
        if error.sqlstate in IN_THE_WAY:
            self.tally.busy[row.key] = _told(error)
            self.tally.blocked = len(self.tally.busy) >= _MOST_BUSY
        elif _is_of_a_row(error):
            self._refuse(row, _told(error))
        else:
            self._fail(error)

    def _refuse(self, row: Refused, reason: str) -> None:
        self.tally.refused[row.key] = row._replace(reason=reason)
        if len(self.tally.refused) >= _MOST_REFUSED and self.work.filling is None:
            self.tally.trouble = f"the server refused {_MOST_REFUSED} rows, the last with: {reason}"

    def _among(self) -> str | None:
        """The conditions for a row beside that of its question: not one of those in trouble."""
        without = repairs.other_than(self.work.question, [*self.tally.refused, *self.tally.busy])
        return " and ".join(filter(None, [self.work.among, without])) or None

    # The statements

    def _many(self, range_: Range | None, most: int) -> _Batch:
        work, among = self.work, self._among()
        if work.filling is not None:
            turn = repairs.turn(work.filling.table)
            query = repairs.create(work.question, work.filling, self.repairer._journal, range_, most, among)
            return self._made(most, self.writer.batch([turn, query])[-1])
        pick = repairs.pick(work.question, range_, most, among)
        _, [(hits,)], [(done,)] = self.writer.batch([repairs.turn(work.question.table), pick, self._change()])
        return _Batch(most, hits, done)

    def _one(self, range_: Range | None) -> _Batch:
        """One row by its name, so that what stands in its way is put down to no other."""
        if self.work.filling is not None:
            return self._one_new(range_)
        pick = repairs.pick_one(self.work.question, range_, self._among())
        naming = [repairs.turn(self.work.question.table), pick]
        found, results = self.writer.named_batch(naming, lambda rows: [self._change()] if rows else [])
        if not found:
            return _Batch(1, 0, 0)
        row = Refused(tuple(found[0][0]), tuple(found[0][1]), "")
        if isinstance(results, FailedStatementError):
            self._leave_out(row, results)
            return _Batch(1, 1, 0, name=row)
        [[(done,)]] = results
        if done == 0:
            self._refuse(row, f"a trigger of {self.work.question.table} keeps it as it is")
        return _Batch(1, 1, done, name=row)

    def _change(self) -> str:
        work, journal = self.work, self.repairer._journal
        if work.table is not None:
            return repairs.move(work.question, work.table, work.branches, journal, work.action.reason)
        return repairs.change(work.question, work.values or {}, journal, work.action.reason, work.pairs)

    # New rows

    def _one_new(self, range_: Range | None) -> _Batch:
        """The first missing row alone. Whatever stands in its way is an error here, a conflict too."""
        work = self.work
        [rows] = self.writer.read([repairs.first(work.question, range_, self._among())])
        if not rows or work.filling is None:
            return _Batch(1, 0, 0)
        row = Refused(tuple(rows[0][0]), tuple(rows[0][1]), "")
        among = " and ".join(filter(None, [work.among, repairs.being(work.question, row.key)]))
        query = repairs.create(work.question, work.filling, self.repairer._journal, range_, 1, among, plainly=True)
        try:
            batch = self._made(1, self.writer.batch([repairs.turn(work.filling.table), query])[-1])
        except FailedStatementError as error:
            if self._is_missing(among):
                self._leave_out(row, error)
            return _Batch(1, 1, 0, name=row)
        if batch.hits and not batch.done:
            self._refuse(row, f"a trigger of {work.filling.table} keeps it from being written")
        return _Batch(1, 1, batch.done, name=row)

    def _is_missing(self, among: str) -> bool:
        """Whether a row is still missing: somebody else may just have written it."""
        return bool(self.writer.read([repairs.first(self.work.question, None, among)])[0])

    def _made(self, most: int, rows: list[tuple[Any, ...]]) -> _Batch:
        [(hits, done, last, origins)] = rows
        self.tally.origins.update(origins or {})
        return _Batch(most, hits, done, last)

    def _name_stuck(self, range_: Range | None, stuck: int) -> None:
        """Finds out why rows of a range could not be made, one by one, for as many as are named at all."""
        for _ in range(stuck):
            if self.is_over or len(self.tally.refused) >= _MOST_REFUSED:
                return
            try:
                batch = self._one_new(range_)
            except ServerError as lost:
                if isinstance(lost, FailedStatementError):
                    raise
                self.writer.reconnect(lost)
                continue
            if not batch.hits:
                return
            self._note(batch, 0.0)


def _told(error: FailedStatementError) -> str:
    detail = f": {error.report.detail}" if error.report.detail else ""
    return f"{error.report.message}{detail} ({error.sqlstate})"


def _is_of_a_row(error: FailedStatementError) -> bool:
    return (error.sqlstate or "")[:2] in _ROW_TROUBLE


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
