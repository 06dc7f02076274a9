"""What a plan changes for those who use the API: rows that a request may embed, along foreign keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from referee.fixing.outcome import expected
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref
from referee.model.plan import Embedding
from referee.model.schema import ForeignKey, Schema

Pair = tuple[QName, QName]


def embeddings(
    schema: Schema, wanted: Iterable[Change], added: Iterable[ForeignKey], exposed: Collection[str]
) -> tuple[Embedding, ...]:
    """The embeddings gained, lost, and made ambiguous. ``added`` are the new foreign keys, with their names.

    PostgREST (12, Resource Embedding) embeds along the foreign keys between tables of exposed schemas; where several
    lead to one table, a request has to name one, else it fails with PGRST201.
    """
    keys, _ = expected(schema, wanted)
    before = {key.ref: key for table in schema.own_tables for key in table.foreign_keys}
    after = {ref: key for ref, key in {**before, **keys}.items() if key is not None}
    after |= {key.ref: key for key in added}
    former, latter = _pairs(before, exposed), _pairs(after, exposed)
    return tuple(sorted(_changes(former, latter), key=lambda found: (found.referencing, found.key, found.change)))


def changes_types(found: Collection[Embedding], wanted: Iterable[Change], exposed: Collection[str]) -> bool:
    """Whether types generated from the exposed schemas change: relations between tables, and columns that take NULL."""
    columns = [change.column for change in wanted if isinstance(change, changes.SetNotNull | changes.AlterColumnType)]
    return bool(found) or any(column.schema in exposed for column in columns)


def _pairs(keys: dict[Ref, ForeignKey], exposed: Collection[str]) -> dict[Ref, Pair]:
    return {
        ref: (key.table, key.target.table)
        for ref, key in keys.items()
        if key.table.schema in exposed and key.target.table.schema in exposed
    }


def _changes(former: dict[Ref, Pair], latter: dict[Ref, Pair]) -> Iterator[Embedding]:
    for ref, pair in former.items():
        if latter.get(ref) != pair:
            yield Embedding("lost", *pair, ref.part)
    for ref, pair in latter.items():
        if former.get(ref) != pair:
            yield Embedding("gained", *pair, ref.part)
    known, counts = Counter(former.values()), Counter(latter.values())
    for ref, pair in former.items():
        if known[pair] == 1 and counts[pair] > 1 and latter.get(ref) == pair:
            yield Embedding("ambiguous", *pair, ref.part)
