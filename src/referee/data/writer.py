"""A session that changes rows in small transactions, and lives through locks, conflicts and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from referee.errors import ServerError
from referee.postgres.session import FailedStatementError, Session
from referee.sql.repairs import IN_STEP

#: Another transaction is in the way; it will not be for ever.
IN_THE_WAY = frozenset(("55P03", "40P01", "40001", "57014"))

Rows = list[tuple[Any, ...]]


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
        self.session = connect()

    def close(self) -> None:
        self.session.close()

    def batch(self, queries: Sequence[str], after: Sequence[str] = (), *, in_step: bool = True) -> list[Rows]:
        """The rows of each query of a transaction, and of the queries after it, all in one message.

        Raises FailedStatementError, with nothing changed. Where the connection is lost it raises ServerError, and
        whether the transaction came through is not known: what it did, it did once.
        """
        try:
            return self.session.fetch_all(";".join([*self._opening(in_step), *queries, "commit", *after]))
        except FailedStatementError:
            if self.session.in_transaction:
                self.session.run("rollback")
            raise

    def read(self, queries: Sequence[str], statement: float | None = None) -> list[Rows]:
        """The rows of each query, in a transaction that changes nothing and may take long."""
        limit = _milliseconds(statement)
        opening = ["begin isolation level repeatable read read only", f"set local statement_timeout to {limit}"]
        try:
            return self.session.fetch_all(
                ";".join([*opening, "set local search_path to ''", "set local row_security to off", *queries, "commit"])
            )
        except FailedStatementError:
            if self.session.in_transaction:
                self.session.run("rollback")
            raise

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
        """A new session in place of the lost one. Raises the error where the server does not come back in time."""
        self._say("the connection was lost; waiting for the server")
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
