"""The part of a migration that runs when it is applied, where one file holds the way up and the way down."""

from __future__ import annotations

import re

# goose, sql-migrate, dbmate, node-pg-migrate and tern, as their documentation writes these comments.
_MARK = re.compile(
    r"""
    ^[ \t]*
    (?: --[ \t]*\+(?:goose|migrate)[ \t]+(?P<goose>up|down)\b
      | --[ \t]*migrate:(?P<dbmate>up|down)\b
      | --[-\s]*(?P<node>up|down)[ \t]+migration\b
      | ----[ \t]*(?:create[ \t]+above[ \t]*/[ \t]*)?(?P<tern>drop)[ \t]+below
    )[^\n]*
    """,
    re.IGNORECASE | re.MULTILINE | re.VERBOSE,
)
# Looking for words first spares nearly every file the pattern. All but tern want the first mark before any statement.
_HINTS = ("+goose", "+migrate", "migrate:", "igration", "IGRATION")
_HEAD = 16_000
_NO_LINE_END = re.compile(r"[^\r\n]")


def up_part(text: str) -> str:
    """The text with every way down replaced by spaces: same length, same lines."""
    head = text[:_HEAD]
    if not any(hint in head for hint in _HINTS) and "drop below" not in text:
        return text
    parts, at, is_down = [], 0, False
    for mark in _MARK.finditer(text):
        parts.append(_blank(text[at : mark.start()]) if is_down else text[at : mark.start()])
        at, is_down = mark.start(), next(filter(None, mark.groups())).lower() in ("down", "drop")
    parts.append(_blank(text[at:]) if is_down else text[at:])
    return "".join(parts)


def _blank(text: str) -> str:
    return _NO_LINE_END.sub(" ", text)
