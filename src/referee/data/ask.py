"""Asking: one read-only transaction for each question or part of one, in one message, with limits that end with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from referee.postgres.session import FailedStatementError, Row, Session

# The transaction's own settings. Row security would silently hide rows; off, it makes such a query fail instead.
_MANNERS = (
    "begin transaction isolation level repeatable read, read only",
    "set local search_path to ''",
    "set local row_security to off",
)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a question may be asked. Times are seconds, None for no limit.

    ``workers`` are parallel workers of one query; None leaves it to the server. ``in_step`` forbids nested loops: where
    two ranges are compared whose size the planner cannot tell, they are its one way to go badly wrong.
    """

    statement: float | None = 5.0
    lock: float | None = 2.0
    workers: int | None = None
    in_step: bool = False

    def settings(self) -> str:
        parts = [
            *_MANNERS,
            f"set local statement_timeout to {_milliseconds(self.statement)}",
            f"set local lock_timeout to {_milliseconds(self.lock)}",
        ]
        if self.workers is not None:
            parts.append(f"set local max_parallel_workers_per_gather to {self.workers}")
        if self.in_step:
            parts.append("set local enable_nestloop to off")
        return ";".join(parts)


def ask(session: Session, queries: Sequence[str], manners: Manners) -> list[list[Row]]:
    """The rows of each query, all seen at one moment. Raises FailedStatementError and ServerError."""
    try:
        return session.fetch_all(";".join([manners.settings(), *queries, "commit"]))
    except FailedStatementError:
        if session.in_transaction:
            session.run("rollback")
        raise


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))
