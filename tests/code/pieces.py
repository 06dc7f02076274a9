"""What tests of any language ask of the pieces that were read."""

from __future__ import annotations

from referee.code.pieces import Text


def written(program: str, text: Text, part: str) -> str:
    """How a part of a literal is written."""
    start = text.decoded.text.index(part)
    first, last = text.decoded.span(start, start + len(part))
    return program[first:last]
