"""Which types a foreign key may join: the index of the referenced key must have an equality operator for them."""

from __future__ import annotations

from referee.model.names import QName
from referee.read.replay.state import State
from referee.read.replay.uses import type_name

# What PostgreSQL 18 allows, asked from a server: families of types with equality operators across, and what casts
# implicitly to a type that is referenced.
_INTEGERS = ("smallint", "integer", "bigint")
_STRINGS = ("text", "character varying", "character", "bpchar")
_FAMILIES = (
    _INTEGERS,
    _STRINGS,
    ("date", "timestamp without time zone", "timestamp with time zone"),
    ("real", "double precision"),
    ("inet", "cidr"),
    ("bit", "bit varying"),
    ("macaddr", "macaddr8"),
    ("oid", "regclass", "regtype", "regproc", "regrole", "regnamespace"),
)
_FAMILY = {name: number for number, names in enumerate(_FAMILIES) for name in names}
_WIDENING = {
    "numeric": _INTEGERS,
    "double precision": (*_INTEGERS, "numeric"),
    "real": (*_INTEGERS, "numeric"),
    "oid": _INTEGERS,
    "regclass": _INTEGERS,
    "name": _STRINGS,
    "text": ("name",),
    "character varying": ("name",),
    "time with time zone": ("time without time zone",),
    "interval": ("time without time zone",),
}


def comparable(state: State, referencing: str, referenced: str) -> bool:
    """Whether a column of the first type may reference a key of the second. Types that are not known may."""
    left, right = _base(state, referencing), _base(state, referenced)
    if left == right or _is_unknown(state, left) or _is_unknown(state, right):
        return True
    family = _FAMILY.get(left)
    return (family is not None and family == _FAMILY.get(right)) or left in _WIDENING.get(right, ())


def _base(state: State, printed: str) -> str:
    """The type without its modifiers, a domain as what it is made of."""
    for _ in range(20):
        name = type_name(printed)
        domain = state.domains.get(name) if name is not None and not printed.endswith("[]") else None
        if domain is None:
            break
        printed = domain.base
    if "(" in printed and type_name(printed) is None:
        before, _, rest = printed.partition("(")
        printed = before + rest.partition(")")[2]
    if printed.startswith("interval"):
        return "interval"
    return printed


def _is_unknown(state: State, printed: str) -> bool:
    name: QName | None = type_name(printed)
    return name is not None and name not in state.enums and name not in state.composites


__all__ = ["comparable"]
