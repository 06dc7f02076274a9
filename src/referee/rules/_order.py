"""What rules about the order of migrations share."""

from __future__ import annotations

from collections.abc import Iterator

from referee.model.history import History, RowsCopied
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName
from referee.rules._filling import is_guess


def mirrors(identities: Identities) -> Iterator[tuple[Identity, Mirror]]:
    """Every mirror for which more than its name speaks."""
    for identity in identities.all:
        for mirror in identity.mirrors:
            if not is_guess(mirror):
                yield identity, mirror


def identity_of(identities: Identities, table: QName) -> Identity | None:
    """The identity of which a table is the source or a mirror."""
    for identity in identities.all:
        if any(target.table == table for target in identity.targets):
            return identity
    return None


def backfills(history: History, identity: Identity, mirror: Mirror) -> list[tuple[int, RowsCopied]]:
    """The statements that fill a mirror from its source, each with its place among the events."""
    return [
        (at, copied)
        for at, copied in history.copies
        if copied.table == mirror.table and identity.source.table in copied.sources
    ]
