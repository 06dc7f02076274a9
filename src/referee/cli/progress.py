"""What is being done, on a terminal; nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CLEAR = "\r\x1b[2K"


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A function that shows one line on stderr in place of the one before; the line is gone at the end."""
    if not sys.stderr.isatty():
        yield lambda message: None
        return

    from referee.render.plain import clean

    def tell(message: str) -> None:
        sys.stderr.write(f"{_CLEAR}{clean(message)[:100]} ...")
        sys.stderr.flush()

    try:
        yield tell
    finally:
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
