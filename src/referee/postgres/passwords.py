"""Asking for a password. Whether anybody can be asked is a matter of the process: it is said once, for all sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class _Desk:
    """Who answers, and what was answered for each place."""

    asker: Callable[[str], str] | None = None
    answers: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


_desk = _Desk()


@contextmanager
def asking(asker: Callable[[str], str] | None) -> Iterator[None]:
    """Lets ``asker`` be asked for passwords during a block: it gets the place and gives the password.

    None for nobody. Each place is asked for once; what was answered is forgotten when the block ends.
    """
    before, _desk.asker = _desk.asker, asker
    try:
        yield
    finally:
        _desk.asker = before
        _desk.answers.clear()


def ask(place: str) -> str | None:
    """The password for a place; None where nobody can be asked."""
    with _desk.lock:
        if _desk.asker is None:
            return None
        if place not in _desk.answers:
            _desk.answers[place] = _desk.asker(place)
        return _desk.answers[place]
