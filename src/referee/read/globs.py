"""File patterns as .gitignore has them: ``*`` stays inside a folder, ``**`` does not."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence

_SET_ITEM = re.compile(r"(.)(?!-.)|(.)-(.)", re.DOTALL)
_PART = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]/]*\]|.", re.DOTALL)


def excluder(patterns: Sequence[str], base: str) -> Callable[[str], bool]:
    """Tells of a path whether any pattern matches it or a folder above it.

    Patterns are relative to the folder ``base``; one without a slash matches in every folder.
    """
    if not patterns:
        return lambda path: False
    pattern = re.compile("|".join(_translate(pattern) for pattern in patterns), re.DOTALL)
    base = os.path.abspath(base)

    def excludes(path: str) -> bool:
        relative = os.path.relpath(os.path.abspath(path), base).replace(os.sep, "/")
        return pattern.fullmatch(relative) is not None

    return excludes


def _translate(pattern: str) -> str:
    pattern = pattern.replace(os.sep, "/").removeprefix("./").rstrip("/")
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    body = "".join(_part(part[0]) for part in _PART.finditer(pattern.removeprefix("/")))
    return f"(?:{anywhere}{body}(?:/.*)?)"


def _part(part: str) -> str:
    if part == "**/":
        return "(?:.*/)?"
    if part == "**":
        return ".*"
    if part == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    return _character_set(part) if len(part) > 2 and part[0] == "[" else re.escape(part)


def _character_set(part: str) -> str:
    """``[a-z_]`` or ``[!a-z_]``; a set without characters is plain text."""
    negated = part[1] == "!"
    items = []
    for single, low, high in _SET_ITEM.findall(part[2 if negated else 1 : -1]):
        if single:
            items.append(re.escape(single))
        elif low <= high:  # a range that runs backwards holds nothing
            items.append(f"{re.escape(low)}-{re.escape(high)}")
    return f"[{'^/' if negated else ''}{''.join(items)}]" if items else re.escape(part)
