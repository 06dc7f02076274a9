"""The users of a rehearsal. The same user has the same id, e-mail and name in every run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from referee.postgres.session import literal


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account. ``session`` counts the times that they signed in."""

    number: int
    name: str = ""
    email: str | None = None
    phone: str | None = None
    anonymous: bool = False
    session: int = 0

    @property
    def id(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012x}"

    @property
    def literal(self) -> str:
        return literal(self.id)

    def derived(self, purpose: int) -> str:
        """Another id that belongs to this person and session: of the session itself, a token, an identity."""
        return f"00000000-0000-4000-{0x9000 + 0x10 * self.session + purpose:04x}-{self.number:012x}"


def person(number: int, name: str = "") -> Person:
    """A person with an e-mail address."""
    name = name or f"user{number}"
    return Person(number, name, f"{name}@example.org")


def quoted_json(value: Mapping[str, Any]) -> str:
    """A JSON object as a string constant of SQL."""
    return literal(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


#: Exists everywhere from the beginning; every row needs other users than the one in question.
CONTROL = person(0xC0, "control")
#: Another one, for rows that want two users who differ. The ids of all who are tried lie between these two.
OTHER = person(0xE0, "other")
