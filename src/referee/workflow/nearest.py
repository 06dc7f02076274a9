"""What somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_SHOWN = 3
# Of one or two letters everybody's name is a part.
_SHORTEST_PART = 3
_SLIP, _ALIKE = 0.9, 0.6


def nearest(word: str, known: Iterable[str]) -> str:
    """`` Did you mean ...?`` for a word that resembles known ones, else nothing.

    A slip of a letter comes first, then what begins with the word, what is spelt like it, and what contains it;
    capitals and underscores make no difference.
    """
    names = {_plain(name): name for name in known}
    plain = _plain(word)
    found = (
        get_close_matches(plain, names, n=1, cutoff=_SLIP)
        or _beginning(plain, names)
        or get_close_matches(plain, names, n=1, cutoff=_ALIKE)
        or _containing(plain, names)
    )
    if not found:
        return ""
    *most, last = [f'"{names[name]}"' for name in found]
    return f" Did you mean {', '.join(most)}{' or ' if most else ''}{last}?"


def _plain(name: str) -> str:
    return name.lower().replace("_", "-")


def _beginning(word: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if word and name.startswith(word)][:_SHOWN]


def _containing(word: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if len(word) >= _SHORTEST_PART and word in name][:_SHOWN]
