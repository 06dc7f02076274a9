"""Holding back while the server is busy with others."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from referee.errors import UsageError
from referee.postgres.session import Session
from referee.sql.activity import OTHERS

_LOOK_EVERY = 0.5
_PAUSE = 1.0


class Throttle:
    """Waits before each piece of work while more than ``most`` other sessions are active; None never waits."""

    def __init__(self, most: int | None, say: Callable[[str], None]) -> None:
        self._most = most
        self._say = say
        self._looked = 0.0
        self._lock = Lock()

    def wait(self, session: Session, deadline: float | None = None) -> None:
        """Returns when there is room, or when the deadline (of time.monotonic) has passed.

        Raises UsageError where the role may not see what other sessions do.
        """
        if self._most is None:
            return
        with self._lock:
            if time.monotonic() - self._looked < _LOOK_EVERY:
                return
            while (active := self._active(session)) > self._most:
                if deadline is not None and time.monotonic() >= deadline:
                    break
                self._say(f"{active} other sessions are active, more than {self._most}; waiting")
                time.sleep(_PAUSE)
            self._looked = time.monotonic()

    def _active(self, session: Session) -> int:
        [(active, hidden)] = session.rows(OTHERS)
        if hidden:
            raise UsageError(
                "--max-load needs to see what other sessions do, and this role does not: grant it pg_read_all_stats, "
                "or leave the option out."
            )
        return int(active)
