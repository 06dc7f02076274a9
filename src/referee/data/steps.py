"""Runs the steps of a plan on a database in use: each under its limits, again if somebody is in the way, once."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b

from referee.data.watch import Tell
from referee.data.writer import IN_THE_WAY, Writer
from referee.errors import ServerError
from referee.model.plan import Phase, Plan, Step
from referee.model.row_repair import StepDone
from referee.postgres.session import FailedStatementError
from referee.sql import repairs
from referee.sql.activity import index_state
from referee.sql.repairs import Journal

_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_CONCURRENTLY = re.compile(
    rf"\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?({_NAME})\s+on\s+(?:only\s+)?"
    rf"((?:{_NAME}\.)?{_NAME})",
    re.IGNORECASE,
)


def digest(number: int, step: Step) -> str:
    """What tells a step from any other, in this plan and in others."""
    return blake2b(f"{number} {step.sql}".encode(), digest_size=16).hexdigest()


class Stepper:
    """Runs a plan. ``backfill`` is called before a step of that phase and fills in batches what the step would fill.

    A step that was done is not done again. ``patience`` is how long a step may be kept waiting, in seconds.
    """

    def __init__(
        self, writer: Writer, journal: Journal, tell: Tell, backfill: Callable[[Step], int], patience: float
    ) -> None:
        self._writer = writer
        self._journal = journal
        self._tell = tell
        self._backfill = backfill
        self._patience = patience

    def run(self, plan: Plan) -> tuple[StepDone, ...]:
        """What came of each step; the first that fails is the last. Raises ServerError if the server is gone."""
        [rows] = self._writer.read([repairs.steps_done(self._journal)])
        done = {row[0] for row in rows if row[1] == repairs.STEP}
        begun = {row[0] for row in rows if row[1] != repairs.STEP} - done
        found: list[StepDone] = []
        for number, step in enumerate(plan.steps, 1):
            mark = digest(number, step)
            if mark in done:
                found.append(StepDone(number, step, "done before"))
                continue
            self._tell(f"step {number} of {len(plan.steps)}: {step.about.splitlines()[0]}")
            began = time.monotonic()
            rows_filled = self._backfill(step) if step.phase == Phase.BACKFILL else 0
            trouble = self._step(number, step, mark, mark in begun)
            seconds = round(time.monotonic() - began, 3)
            found.append(StepDone(number, step, "failed" if trouble else "done", trouble, rows_filled, seconds))
            if trouble:
                break
        return tuple(found)

    def _step(self, number: int, step: Step, mark: str, was_begun: bool) -> str | None:
        """Does a step; why it could not be done, if it could not."""
        give_up, pause = time.monotonic() + self._patience, _PAUSE
        while True:
            try:
                if step.in_transaction:
                    self._in_transaction(number, step, mark)
                else:
                    self._outside(number, step, mark, was_begun)
                return None
            except FailedStatementError as error:
                if error.sqlstate not in IN_THE_WAY or time.monotonic() >= give_up:
                    return _trouble(error)
                self._tell(f"step {number}: {error.report.message}; trying again")
                was_begun = not step.in_transaction
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except ServerError as lost:
                self._writer.reconnect(lost)
                if step.in_transaction and self._is_done(mark):
                    return None
                was_begun = not step.in_transaction

    def _is_done(self, mark: str) -> bool:
        """Whether a transaction came through although its answer got lost."""
        [rows] = self._writer.read([repairs.steps_done(self._journal)])
        return any(row[0] == mark and row[1] == repairs.STEP for row in rows)

    def _in_transaction(self, number: int, step: Step, mark: str) -> None:
        table = step.locks[0].relation if step.locks else None
        note = repairs.note_step(self._journal, number, mark, table, step.undo)
        limits = [f"set local {name} to {value}" for name, value in _limits(step)]
        self._run(["begin isolation level read committed read write", *limits, step.sql, note, "commit"])

    def _outside(self, number: int, step: Step, mark: str, was_begun: bool) -> None:
        """A statement that takes no transaction around it. If it was cut short, what it left is looked at first."""
        if not was_begun:
            self._run([repairs.note_begun(self._journal, number, mark)])
        session = self._writer.session
        for name, value in _limits(step):
            session.run(f"set {name} to {value}")
        try:
            if not (was_begun and self._came_through(step)):
                session.run(step.sql)
        finally:
            with suppress(ServerError):
                session.run(";".join([f"reset {name}" for name, _ in _limits(step)]))
        self._note(number, step, mark)

    def _note(self, number: int, step: Step, mark: str) -> None:
        table = step.locks[0].relation if step.locks else None
        self._run([repairs.note_step(self._journal, number, mark, table, step.undo)])

    def _came_through(self, step: Step) -> bool:
        """Whether a step that was cut short is done all the same; the invalid index that it left is dropped."""
        found = _CONCURRENTLY.match(step.sql)
        if found is None:
            return False
        rows = self._writer.session.rows(index_state(found[2], found[1]))
        if not rows:
            return False
        name, is_valid = rows[0]
        if not is_valid:
            self._writer.session.run(f"drop index concurrently {name}")
        return bool(is_valid)

    def _run(self, statements: Sequence[str]) -> None:
        session = self._writer.session
        try:
            session.run(";\n".join(statements))
        except FailedStatementError:
            if session.in_transaction:
                session.run("rollback")
            raise


def _trouble(error: FailedStatementError) -> str:
    """Why a step failed, and what to do where rows are to blame."""
    said = f"{error.report.message} ({error.sqlstate})"
    if error.sqlstate != "23503":
        return said
    detail = f" {error.report.detail}" if error.report.detail else ""
    return (
        f"{said}.{detail} Such rows have to be repaired first: `referee scan` finds them, `referee repair --execute` "
        "puts them right; then run the plan again, and it goes on here"
    )


def _limits(step: Step) -> tuple[tuple[str, str], ...]:
    limits = step.timeouts
    return ("lock_timeout", f"'{limits.lock}'"), ("statement_timeout", f"'{limits.statement}'")
