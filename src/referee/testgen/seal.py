"""A sum in generated files, which tells whether somebody has changed one since."""

from __future__ import annotations

import re
from hashlib import blake2b

#: Where the sum goes: part of the head of each generated file.
PLACE = "(sum 000000000000)"

_SUM = re.compile(r"(?<=\(sum )[0-9a-f]{12}(?=\))")
# What a formatter changes is no change.
_LAYOUT = re.compile(r"[\s,'\"()]+")


def seal(text: str) -> str:
    """The text of a generated file with its sum."""
    return _SUM.sub(_sum(text), text, count=1)


def is_intact(text: str) -> bool:
    """Whether a generated file is as it was written, but for its layout and the case of its letters."""
    found = _SUM.search(text)
    return found is not None and found[0] == _sum(text)


def _sum(text: str) -> str:
    plain = _LAYOUT.sub("", _SUM.sub("", text, count=1)).casefold()
    return blake2b(plain.encode(), digest_size=6).hexdigest()
