"""Facts as plain data and back: what snapshots and lock files are made of.

An object is a table of its fields, without those that have their default. Sets are sorted, names are lists of their
parts, so that the same facts are always the same text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any

import msgspec


def to_plain(value: Any) -> Any:
    """A fact as lists, tables, texts and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        defaults = _defaults(type(value))
        return {
            name: to_plain(found)
            for name, default in defaults.items()
            if (found := getattr(value, name)) != default or default is MISSING
        }
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [to_plain(one) for one in value]
    return value


@cache
def _defaults(kind: type) -> dict[str, object]:
    return {
        one.name: one.default_factory() if one.default_factory is not MISSING else one.default for one in fields(kind)
    }


def encode(value: Any) -> str:
    """Plain data as JSON for people and for git: indented, in the order given."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode("utf-8") + "\n"
