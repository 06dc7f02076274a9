"""What is being done, and how far it is: told to whoever watches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

Tell = Callable[[str], None]
_PAUSE = 0.2


@dataclass
class Watch:
    """Counts what several threads do and tells it, at most five times a second.

    ``total`` is what is to be done in all, as far as anybody knows; ``done`` may pass it.
    """

    tell: Tell = lambda message: None
    unit: str = "rows"
    total: int = 0
    done: int = 0
    _lock: Lock = field(default_factory=Lock)
    _began: float = field(default_factory=time.monotonic)
    _told: float = 0.0

    def expect(self, amounts: Iterable[int]) -> None:
        """Sets the clock to zero, and what there is to do."""
        self.total = sum(amounts)
        self.done, self._began = 0, time.monotonic()

    def add(self, amount: int, subject: str) -> None:
        """Something was done."""
        with self._lock:
            self.done += amount
            self._say(subject)

    def say(self, message: str) -> None:
        """Tells something else, such as what is being waited for."""
        self.tell(message)

    def _say(self, subject: str) -> None:
        now = time.monotonic()
        if now - self._told < _PAUSE:
            return
        self._told = now
        rate = self.done / max(now - self._began, 0.001)
        total = max(self.total, self.done)
        left = f", {_duration((total - self.done) / rate)} left" if self.done and total > self.done else ""
        self.tell(f"{subject}: {self.done:,} of about {total:,} {self.unit}, {rate:,.0f} a second{left}")


def _duration(seconds: float) -> str:
    """A time for people.

    >>> _duration(4.2), _duration(200), _duration(9000)
    ('4 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
