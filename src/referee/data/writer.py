"""A session that changes rows in small transactions, and lives through locks, conflicts and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from referee.errors import ServerError
from referee.postgres.session import FailedStatementError, Session
from referee.sql.repairs import IN_STEP

#: Another transaction is in the way; it will not be for ever.
IN_THE_WAY = frozenset(("55P03", "40P01", "40001", "57014"))

Rows = list[tuple[Any, ...]]
Result = TypeVar("Result")

# A server that is lost again and again without getting anything done will not get better.
_MOST_LOSSES = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: how long a batch may wait for a lock, how long it may take, how long a lost server is waited for."""

    lock: float = 0.05
    statement: float = 30.0
    patience: float = 60.0


class Writer:
    """Runs batches. ``on_connect`` is called with each new session, before anything else is done with it."""

    def __init__(
        self,
        connect: Callable[[], Session],
        limits: Limits,
        say: Callable[[str], None],
        on_connect: Callable[[Session], None] = lambda session: None,
    ) -> None:
        self._connect = connect
        self._limits = limits
        self._say = say
        self._on_connect = on_connect
        self._losses = 0
        self.session = connect()

    def close(self) -> None:
        self.session.close()

    def batch(self, queries: Sequence[str], *, in_step: bool = True) -> list[Rows]:
        """The rows of each query of a transaction, all in one message.

        Raises FailedStatementError, with nothing changed. Where the connection is lost it raises ServerError, and
        whether the transaction came through is not known: what it did, it did once.
        """
        try:
            results = self.session.fetch_all(";".join([*self._opening(in_step), *queries, "commit"]))
        except FailedStatementError:
            self._roll_back()
            raise
        self._losses = 0
        return results

    def named_batch(
        self, naming: Sequence[str], queries: Callable[[Rows], Sequence[str]]
    ) -> tuple[Rows, list[Rows] | FailedStatementError]:
        """A transaction in two messages: the rows of the last naming query, and what comes of the queries for them.

        A failure of the latter changes nothing and is returned, so that what failed has a name; everything else raises
        as ``batch`` does.
        """
        try:
            named = self.session.fetch_all(";".join([*self._opening(in_step=True), *naming]))[-1]
        except FailedStatementError:
            self._roll_back()
            raise
        try:
            results = self.session.fetch_all(";".join([*queries(named), "commit"]))
        except FailedStatementError as error:
            self._roll_back()
            return named, error
        self._losses = 0
        return named, results

    def read(self, queries: Sequence[str]) -> list[Rows]:
        """The rows of each query, in a transaction that changes nothing and may take long.

        Waits for a lost server. Raises FailedStatementError, also where a lock is not had within the patience.
        """
        opening = [
            "begin isolation level repeatable read read only",
            "set local search_path to ''",
            "set local row_security to off",
            f"set local lock_timeout to {_milliseconds(self._limits.patience)}",
            "set local statement_timeout to 0",
            # Where many rows are new the server takes a range for all but empty, and would go through it for each row.
            IN_STEP,
        ]
        return self.steadily(lambda session: session.fetch_all(";".join([*opening, *queries, "commit"])))

    def steadily(self, do: Callable[[Session], Result]) -> Result:
        """Does something that may be done twice, again where the connection is lost meanwhile."""
        while True:
            try:
                result = do(self.session)
            except FailedStatementError:
                self._roll_back()
                raise
            except ServerError as lost:
                self.reconnect(lost)
            else:
                self._losses = 0
                return result

    def _roll_back(self) -> None:
        # A session that is lost meanwhile has rolled back by itself; the next statement notices.
        with suppress(ServerError):
            if self.session.in_transaction:
                self.session.run("rollback")

    def _opening(self, in_step: bool) -> list[str]:
        opening = [
            "begin isolation level read committed read write",
            "set local search_path to ''",
            "set local row_security to off",
            f"set local lock_timeout to {_milliseconds(self._limits.lock)}",
            f"set local statement_timeout to {_milliseconds(self._limits.statement)}",
        ]
        return [*opening, IN_STEP] if in_step else opening

    def reconnect(self, lost: ServerError) -> None:
        """A new session in place of the lost one.

        Raises the error where the server does not come back in time, or is lost again and again.
        """
        self._losses += 1
        if self._losses > _MOST_LOSSES:
            raise lost
        self._say("the connection was lost; waiting for the server")
        with suppress(ServerError):
            self.session.close()
        give_up = time.monotonic() + self._limits.patience
        while True:
            time.sleep(0.2)
            try:
                self.session = self._connect()
                self._on_connect(self.session)
                return
            except ServerError:
                if time.monotonic() >= give_up:
                    raise lost from None


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))
