"""Asks questions of a live database: exactly, in pieces that hold no snapshot for long, by several sessions at once.

Each piece is a range of an index, found by counting off rows, so every row that is there during the whole scan and
keeps its key is looked at exactly once, whatever others write meanwhile.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from threading import Condition, Thread
from typing import Any

from referee.data.ask import Manners, ask
from referee.data.load import Throttle
from referee.data.order import choose_order, is_by_reference
from referee.data.watch import Watch
from referee.errors import ServerError
from referee.model.question import Question
from referee.model.scan import Answer, Sample
from referee.model.schema import Schema
from referee.postgres.session import FailedStatementError, Session
from referee.sql.questions import Bound, Order, Range, counted, judged, next_bound

#: References that are kept of each question, to work out causes.
KEPT = 10_000

# Tables up to this size are asked about in one piece.
_SMALL = 50_000
_FIRST_BY_REFERENCE, _FIRST_BY_KEY = 100_000, 20_000
_LEAST, _MOST = 500, 4_000_000
# Of the time that a statement may take, a piece is made to take about this much.
_AIM = 0.4
_ATTEMPTS = 5
_PATIENCE = 15.0

_CANCELLED, _LOCKED = "57014", "55P03"
_TRANSIENT = frozenset(("40001", "40P01", _LOCKED))

Connect = Callable[[], Session]


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """How to ask. ``fast`` asks each question as one query; times are seconds; ``statement`` None is no limit."""

    fast: bool = False
    parallel: int = 1
    sample: int = 5
    kept: int = KEPT
    statement: float | None = 5.0
    lock: float = 2.0
    budget: float | None = None
    max_load: int | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """How far an unfinished question has come: everything up to ``after`` in this order is in the ``answer``."""

    order: Order
    after: Bound
    answer: Answer


@dataclass(frozen=True, slots=True)
class Progress:
    """What a scan has come to: answers in the order of the questions, and marks to go on from by question."""

    answers: tuple[Answer, ...]
    marks: Mapping[str, Mark]


def scan_rows(
    connect: Connect,
    schema: Schema,
    questions: Sequence[Question],
    sizes: Mapping[str, int | None],
    options: ScanOptions,
    *,
    marks: Mapping[str, Mark] | None = None,
    watch: Watch | None = None,
) -> Progress:
    """Asks every question. ``sizes`` are the numbers of rows of each question's table as the server estimates them.

    Questions with the same text are asked once. ``marks`` are those of an earlier run that stopped. What could not be
    answered is an Answer that is not complete. Raises ServerError where the connection cannot be had.
    """
    return _Scan(connect, schema, questions, sizes, options, marks or {}, watch or Watch()).run()


@dataclass
class _Work:
    """A question while it is being answered."""

    question: Question
    order: Order | None
    size: int | None
    rows: int
    whole: bool
    by_reference: bool
    after: Bound | None = None
    is_cut: bool = False
    cutter: object = None
    """Who is looking for the end of the next piece."""
    checked: int = 0
    estimated: bool = False
    violations: int = 0
    distinct: int = 0
    found: dict[Bound, Sample] = field(default_factory=dict)
    overflown: bool = False
    seconds: float = 0.0
    pace: float = 0.0
    """Seconds a row, as the last piece took."""

    trouble: str | None = None
    since: str | None = None

    @property
    def is_open(self) -> bool:
        return not self.is_cut and self.trouble is None


class _Scan:
    def __init__(
        self,
        connect: Connect,
        schema: Schema,
        questions: Sequence[Question],
        sizes: Mapping[str, int | None],
        options: ScanOptions,
        marks: Mapping[str, Mark],
        watch: Watch,
    ) -> None:
        self.connect = connect
        self.options = options
        self.watch = watch
        self.questions = questions
        self.works: dict[str, _Work] = {}
        for question in questions:
            if question.text not in self.works:
                work = self._work(schema, question, sizes.get(question.id))
                self.works[question.text] = _resumed(work, marks.get(question.id))
        self.deadline = time.monotonic() + options.budget if options.budget is not None else None
        self.turn = Condition()
        self.stop = False
        self.failure: BaseException | None = None
        self.sessions: list[Session] = []
        self.throttle = Throttle(options.max_load, watch.say)

    def _work(self, schema: Schema, question: Question, size: int | None) -> _Work:
        order = choose_order(schema, question)
        by_reference = order is not None and is_by_reference(question, order)
        is_small = size is not None and size <= _SMALL
        rows = _FIRST_BY_REFERENCE if by_reference else _FIRST_BY_KEY
        return _Work(question, order, size, rows, self.options.fast or is_small or order is None, by_reference)

    def run(self) -> Progress:
        self.watch.expect(work.size or 0 for work in self.works.values())
        helpers = [Thread(target=self._help, daemon=True) for _ in range(max(self.options.parallel, 1))]
        for helper in helpers:
            helper.start()
        try:
            for helper in helpers:
                # A join without a limit could not be interrupted.
                while helper.is_alive():
                    helper.join(0.2)
        except BaseException:
            self._end(helpers)
            raise
        if self.failure is not None and not (isinstance(self.failure, ServerError) and self._has_any()):
            raise self.failure
        return Progress(
            tuple([self._answer(self.works[question.text], question) for question in self.questions]),
            {work.question.id: mark for work in self.works.values() if (mark := self._mark(work)) is not None},
        )

    def _end(self, helpers: Sequence[Thread]) -> None:
        """Lets the helpers end at once, whatever the server is doing for them."""
        with self.turn:
            self.stop = True
            self.turn.notify_all()
        for session in list(self.sessions):
            session.cancel()
        for helper in helpers:
            helper.join(5)

    def _has_any(self) -> bool:
        return any(work.is_cut or work.checked for work in self.works.values())

    # What came of it

    def _answer(self, work: _Work, question: Question) -> Answer:
        complete = work.is_cut and work.trouble is None
        kept = tuple(sorted(work.found.values(), key=_by_value))
        return Answer(
            question,
            work.checked,
            work.estimated,
            work.violations,
            self._values(work),
            kept[: self.options.sample],
            complete,
            None if complete else work.trouble or self.left(),
            round(work.seconds, 3),
            kept=kept,
            since=work.since,
        )

    def _values(self, work: _Work) -> int | None:
        if work.by_reference or work.whole:
            return work.distinct
        return None if work.overflown else len(work.found)

    def left(self) -> str:
        if self.failure is not None:
            return str(self.failure)
        budget = self.options.budget
        return f"the budget of {budget:g} s was used up" if budget is not None else "it was interrupted"

    def _mark(self, work: _Work) -> Mark | None:
        if work.whole or not work.is_open or work.after is None or work.order is None:
            return None
        return Mark(work.order, work.after, self._answer(work, work.question))

    # The helpers

    def _help(self) -> None:
        try:
            helper = _Helper(self)
            try:
                while (work := self.take(helper)) is not None:
                    helper.serve(work)
            finally:
                helper.close()
        except BaseException as error:
            with self.turn:
                self.failure = self.failure or error
                self.stop = True
                self.turn.notify_all()

    def take(self, helper: _Helper) -> _Work | None:
        """A question of which a piece can be cut off; None when there is none any more."""
        with self.turn:
            while not self.stop and not self.is_late():
                waits = [work for work in self.works.values() if work.is_open]
                free = next((work for work in waits if work.cutter is None), None)
                if free is not None:
                    free.cutter = helper
                    return free
                if not waits:
                    return None
                self.turn.wait(0.5)
            return None

    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def cut(self, work: _Work, upto: Bound | None) -> None:
        """Notes where the piece ends that is being cut off, None for the end of the table; others may cut the next."""
        with self.turn:
            work.cutter = None
            if upto is None:
                work.is_cut = True
            else:
                work.after = upto
            self.turn.notify_all()

    def give_up(self, work: _Work, reason: str) -> None:
        with self.turn:
            work.trouble = work.trouble or reason
            self.turn.notify_all()

    def add(self, work: _Work, checked: int, found: tuple[int, int, Sequence[Sample]]) -> None:
        distinct, violations, samples = found
        with self.turn:
            work.checked += checked
            work.distinct += distinct
            work.violations += violations
            for sample in samples:
                _keep(work, sample, self.options.kept)
        self.watch.add(checked, str(work.question.subject))


class _Helper:
    """One session and what is done with it."""

    def __init__(self, scan: _Scan) -> None:
        self.scan = scan
        self.options = scan.options
        self.session = self._connect()

    def _connect(self) -> Session:
        session = self.scan.connect()
        self.scan.sessions.append(session)
        return session

    def close(self) -> None:
        self.scan.sessions.remove(self.session)
        self.session.close()

    def serve(self, work: _Work) -> None:
        """Cuts a piece off a question and looks at it; what cannot be done is noted with the question."""
        self.scan.throttle.wait(self.session, self.scan.deadline)
        began = time.monotonic()
        try:
            if work.whole:
                self._whole(work)
            else:
                self._piece(work)
        except _Hopeless as error:
            self.scan.give_up(work, str(error))
        except ServerError as error:
            self.scan.give_up(work, str(error))
            raise
        finally:
            with self.scan.turn:
                work.seconds += time.monotonic() - began
                if work.cutter is self:
                    work.cutter = None
                self.scan.turn.notify_all()

    # One query for all

    def _whole(self, work: _Work) -> None:
        options = self.options
        limit = self._left() if options.fast else options.statement
        manners = Manners(limit, options.lock, options.parallel if options.fast else 0)
        queries = [counted(work.question, options.kept, with_keys=True)]
        if not options.fast:
            queries.append(judged(work.question, Range(Order((), ()))))
        try:
            found, *counts = self._ask(queries, manners)
        except FailedStatementError as error:
            if error.sqlstate == _CANCELLED and work.order is not None and not self.scan.is_late():
                with self.scan.turn:
                    work.whole = False
                return
            raise self._hopeless(work, error) from None
        checked = counts[0][0][0] if counts else work.size
        work.estimated = not counts
        self.scan.add(work, checked or 0, _read(found))
        self.scan.cut(work, None)

    # Piece by piece

    def _piece(self, work: _Work) -> None:
        order, after, rows = work.order, work.after, self._fitting(work)
        if order is None:
            raise _Hopeless("it has no key to divide it by")
        upto = self._bound(work, order, after, rows)
        self.scan.cut(work, upto)
        began = time.monotonic()
        self._look(work, Range(order, after, upto), rows)
        self._adapt(work, rows, time.monotonic() - began)

    def _fitting(self, work: _Work) -> int:
        """The rows of the next piece; fewer where the budget ends before they could be looked at."""
        left = self._left()
        if left is None or work.pace == 0:
            return work.rows
        return int(min(work.rows, max(left / work.pace, _LEAST)))

    def _bound(self, work: _Work, order: Order, after: Bound | None, rows: int) -> Bound | None:
        while True:
            try:
                [found] = self._ask([next_bound(work.question, order, after, rows)], self._manners(False))
                return tuple(found[0]) if found else None
            except FailedStatementError as error:
                if error.sqlstate != _CANCELLED or rows <= _LEAST or self.scan.is_late():
                    raise self._hopeless(work, error) from None
                rows = work.rows = rows // 4

    def _look(self, work: _Work, range_: Range, rows: int) -> None:
        """Looks at a range; one that takes too long is halved."""
        in_step = bool(range_.order.theirs)
        queries = [
            judged(work.question, range_),
            counted(work.question, self.options.kept, range_, with_keys=not work.by_reference),
        ]
        try:
            count, found = self._ask(queries, self._manners(in_step))
        except FailedStatementError as error:
            if error.sqlstate != _CANCELLED or rows <= _LEAST:
                raise self._hopeless(work, error) from None
            half = self._bound(work, range_.order, range_.after, rows // 2)
            if half is None or half == range_.upto:
                raise self._hopeless(work, error) from None
            work.rows = max(rows // 2, _LEAST)
            self._look(work, replace(range_, upto=half), rows // 2)
            self._look(work, replace(range_, after=half), rows // 2)
            return
        self.scan.add(work, count[0][0], _read(found))

    def _adapt(self, work: _Work, rows: int, seconds: float) -> None:
        """Makes the next piece take about as long as a piece should."""
        work.pace = seconds / rows
        aim = (self.options.statement or 5.0) * _AIM
        factor = min(max(aim / max(seconds, 0.001), 0.5), 2.0)
        if work.rows == rows:
            work.rows = int(min(max(rows * factor, _LEAST), _MOST))

    def _manners(self, in_step: bool) -> Manners:
        # Parallel workers would be a load that nobody asked for: --parallel says how much there may be.
        return Manners(self.options.statement, self.options.lock, 0, in_step)

    def _left(self) -> float | None:
        """What is left of the budget."""
        deadline = self.scan.deadline
        return None if deadline is None else max(deadline - time.monotonic(), 0.05)

    # Asking, and what may come in between

    def _ask(self, queries: Sequence[str], manners: Manners) -> list[list[tuple[Any, ...]]]:
        """Asks until there is an answer: after a conflict, a lock or a lost connection it tries again for a while."""
        attempts = 0
        while True:
            try:
                return ask(self.session, queries, manners)
            except FailedStatementError as error:
                attempts += 1
                if error.sqlstate not in _TRANSIENT or attempts >= _ATTEMPTS or self.scan.stop:
                    raise
                time.sleep(0.1 * 2**attempts)
            except ServerError as error:
                if self.scan.stop:
                    raise
                self._reconnect(error)

    def _reconnect(self, lost: ServerError) -> None:
        self.scan.watch.say("the connection was lost; trying again")
        with suppress(ValueError):
            self.scan.sessions.remove(self.session)
        give_up = time.monotonic() + _PATIENCE
        while True:
            time.sleep(0.3)
            try:
                self.session = self._connect()
                return
            except ServerError:
                if time.monotonic() >= give_up or self.scan.stop:
                    raise lost from None

    def _hopeless(self, work: _Work, error: FailedStatementError) -> _Hopeless:
        if self.scan.is_late() and error.sqlstate == _CANCELLED:
            return _Hopeless(self.scan.left())
        return _Hopeless(explain(error, work.question, self.options))


class _Hopeless(Exception):  # noqa: N818 - it is no error, it ends one question
    """A question cannot be answered, for the reason given."""


def explain(error: FailedStatementError, question: Question, options: ScanOptions) -> str:
    """Why a question could not be answered, and what would help."""
    said = error.report.message.rstrip(".")
    match error.sqlstate:
        case "42P01" | "42703" | "3F000":
            return f"{said}: it was dropped or renamed since the scan began. Scan again"
        case "42501" if "row-level security" in said or "row security" in said:
            return (
                f"row security hides rows of {question.table} or {question.target.table} from this role: scan as a "
                "role with BYPASSRLS, or as the owner"
            )
        case "42501":
            return f"{said}: the role needs SELECT on {question.table} and {question.target.table}"
        case "57014":
            seconds = f"{options.statement:g} s" if options.statement is not None else "the limit of the server"
            return (
                f"a piece of it took longer than {seconds}: allow more with --statement-timeout, or ask it as one "
                "query with --fast"
            )
        case "55P03":
            return f"{question.table} or {question.target.table} is locked by somebody else. Scan again later"
        case "40001":
            return (
                "the standby cancelled it again and again to keep up with its primary: scan the primary, or turn on "
                "hot_standby_feedback"
            )
        case _:
            return f"{said} ({error.sqlstate})"


def _read(rows: Sequence[tuple[Any, ...]]) -> tuple[int, int, list[Sample]]:
    distinct, violations, listed = rows[0]
    listed = json.loads(listed) if isinstance(listed, str) else listed
    return distinct, violations, [_sample(*entry) for entry in listed or ()]


def _sample(value: list[str | None], rows: int, key: list[str | None] | None) -> Sample:
    return Sample(tuple(value), rows, None if key is None else tuple(key))


def _by_value(sample: Sample) -> tuple[tuple[bool, str], ...]:
    """The order of references; NULL, which a part of a MATCH FULL key may be, comes last as in Postgres."""
    return tuple([(part is None, part or "") for part in sample.value])


def _keep(work: _Work, sample: Sample, most: int) -> None:
    value: Any = sample.value
    known = work.found.get(value)
    if known is not None:
        work.found[value] = Sample(known.value, known.rows + sample.rows, known.key or sample.key)
    elif len(work.found) < most:
        work.found[value] = sample
    else:
        work.overflown = True


def _resumed(work: _Work, mark: Mark | None) -> _Work:
    """The work with what an earlier run has done of it, where both divide the rows in the same way."""
    if mark is None or work.whole or mark.order != work.order:
        return work
    answer = mark.answer
    work.after = mark.after
    work.checked, work.violations = answer.rows_checked, answer.violations
    work.distinct = answer.values or 0
    work.found = {sample.value: sample for sample in answer.kept}  # type: ignore[misc]
    work.overflown = answer.values is None
    work.seconds, work.since = answer.seconds, answer.since
    return work
