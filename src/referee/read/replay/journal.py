"""Taking back what a statement did: Postgres leaves nothing of one that fails or is rolled back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_ABSENT: Any = object()
_ALL: Any = object()
"""Stands for all keys of a mapping."""


class Journal:
    """What was there before each change, oldest first, as long as somebody may want to go back."""

    __slots__ = ("_waiting", "entries", "on")

    def __init__(self) -> None:
        self.entries: list[tuple[Any, Any, Any]] = []
        self.on = False
        self._waiting = 0

    def begin(self) -> int:
        """Keeps changes from here on, until as many ``end`` as ``begin``; the place to go back to."""
        self._waiting += 1
        self.on = True
        return len(self.entries)

    def end(self) -> None:
        self._waiting -= 1
        if self._waiting == 0:
            self.on = False
            self.entries.clear()

    def undo(self, place: int) -> None:
        """Takes back every change since a place."""
        for holder, key, value in reversed(self.entries[place:]):
            if not isinstance(holder, dict):
                object.__setattr__(holder, key, value)
            elif key is _ALL:
                dict.clear(holder)
                dict.update(holder, value)
            elif value is _ABSENT:
                dict.pop(holder, key, None)
            else:
                dict.__setitem__(holder, key, value)
        del self.entries[place:]


class Recorded(dict[_Key, _Value]):
    """A mapping whose changes can be taken back. Its order does not matter.

    The journal is an attribute of the class, see ``recorded_in``: these are made by the ten thousand.
    """

    __slots__ = ()
    journal: ClassVar[Journal]

    def __setitem__(self, key: _Key, value: _Value) -> None:
        if self.journal.on:
            self.journal.entries.append((self, key, self.get(key, _ABSENT)))
        dict.__setitem__(self, key, value)

    def __delitem__(self, key: _Key) -> None:
        if self.journal.on:
            self.journal.entries.append((self, key, self[key]))
        dict.__delitem__(self, key)

    def pop(self, key: _Key, default: Any = None) -> Any:
        """The value, taken out; ``default`` where there is none."""
        if key not in self:
            return default
        value = self[key]
        del self[key]
        return value

    def setdefault(self, key: _Key, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def put_all(self, items: Mapping[_Key, _Value]) -> None:
        """Replaces everything."""
        if self.journal.on:
            self.journal.entries.append((self, _ALL, dict(self)))
        dict.clear(self)
        dict.update(self, items)

    def put_each(self, items: Mapping[_Key, _Value]) -> None:
        for key, value in items.items():
            self[key] = value

    def rename(self, old: _Key, new: _Key, change: Callable[[_Value], _Value]) -> None:
        """Gives an item another key, in its place among the others."""
        self.put_all(
            {(new if key == old else key): change(value) if key == old else value for key, value in self.items()}
        )


class Ordered(Recorded[_Key, _Value]):
    """A mapping whose order matters too: the order in which its things were made."""

    __slots__ = ()

    def __delitem__(self, key: _Key) -> None:
        if self.journal.on:
            self.journal.entries.append((self, _ALL, dict(self)))
        dict.__delitem__(self, key)


def recorded_in(journal: Journal) -> tuple[type[Recorded[Any, Any]], type[Ordered[Any, Any]]]:
    """The classes of mappings whose changes a journal keeps."""
    attributes = {"__slots__": (), "journal": journal}
    return type("Recorded", (Recorded,), attributes), type("Ordered", (Ordered,), attributes)
