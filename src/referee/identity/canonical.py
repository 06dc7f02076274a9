"""Which table the user references of a schema should point to, and which of them do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from referee.model.finding import Confidence
from referee.model.identity import Mirror, Reference
from referee.model.names import QName, Target
from referee.model.schema import ForeignKey, Schema

DecidedBy = Literal["configuration", "vote", "default"]


class UserKey(NamedTuple):
    """A foreign key that stores an identity: in which of its columns, and where that identity lives."""

    key: ForeignKey
    column: str
    target: Target

    @property
    def place(self) -> tuple[QName, str]:
        return self.key.table, self.column


class Group(NamedTuple):
    """Mirrors and user references that belong together: no key leads from them to another group's mirrors."""

    mirrors: tuple[Mirror, ...]
    keys: tuple[UserKey, ...]


class Decision(NamedTuple):
    """The canonical target, how it was chosen, and the votes that every target got, most first."""

    canonical: Target
    decided_by: DecidedBy
    votes: tuple[tuple[Target, int], ...]


def user_keys(schema: Schema, source: Target, mirrors: Iterable[Mirror]) -> tuple[UserKey, ...]:
    """The project's foreign keys to the source or a mirror that store an identity.

    A key to another column of a mirror, such as a surrogate id, stores none.
    """
    return tuple(_user_keys(schema, source, mirrors))


def _user_keys(schema: Schema, source: Target, mirrors: Iterable[Mirror]) -> Iterator[UserKey]:
    for target in (source, *(mirror.target for mirror in mirrors)):
        for key in schema.referencing.get(target.table, ()):
            if schema.is_managed(key.table.schema) or _is_of_partition(schema, key):
                continue
            for column, referenced in zip(key.columns, key.target.columns, strict=False):
                if referenced == target.columns[0]:
                    yield UserKey(key, column, target)


def _is_of_partition(schema: Schema, key: ForeignKey) -> bool:
    """Whether a key is a partition's copy of its parent's; the parent's speaks for all."""
    table = schema.table(key.table)
    parent = schema.table(table.partition_of) if table is not None and table.partition_of is not None else None
    return parent is not None and any(
        (own.columns, own.target) == (key.columns, key.target) for own in parent.foreign_keys
    )


def group_by_schema(mirrors: Sequence[Mirror], keys: Sequence[UserKey]) -> tuple[Group, ...]:
    """Mirrors and keys by the SQL schemas that refer to each other, the group with most keys first.

    A copy of the application in a schema of its own (``test.profiles`` beside ``public.profiles``) has its own vote.
    Schemas without a mirror, and mirrors that nothing references, belong to the largest group.
    """
    leaders = _Leaders()
    homes = {mirror.table.schema for mirror in mirrors}
    for key in keys:
        if key.target.table.schema in homes:
            leaders.join(key.key.table.schema, key.target.table.schema)
    own = {(mirror.table, mirror.column) for mirror in mirrors}
    mirrored = {leaders.of(home) for home in homes}
    sizes = Counter(
        leader for key in keys if key.place not in own and (leader := leaders.of(key.key.table.schema)) in mirrored
    )
    largest = min(sizes, key=lambda leader: (-sizes[leader], leader), default="")

    def group_of(namespace: str) -> str:
        leader = leaders.of(namespace)
        return leader if leader in sizes else largest

    mirrors_of: dict[str, list[Mirror]] = defaultdict(list)
    keys_of: dict[str, list[UserKey]] = defaultdict(list)
    for mirror in mirrors:
        mirrors_of[group_of(mirror.table.schema)].append(mirror)
    for key in keys:
        keys_of[group_of(key.key.table.schema)].append(key)
    names = sorted({largest, *mirrors_of, *keys_of}, key=lambda name: (name != largest, name))
    return tuple(Group(tuple(mirrors_of[name]), tuple(keys_of[name])) for name in names)


class _Leaders:
    """Schemas joined into sets; each set goes by the name of one of its members."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def of(self, name: str) -> str:
        while (above := self._above.get(name, name)) != name:
            name = above
        return name

    def join(self, one: str, other: str) -> None:
        one, other = sorted((self.of(one), self.of(other)))
        if one != other:
            self._above[other] = one


def decide(
    source: Target, mirrors: Sequence[Mirror], voters: Iterable[UserKey], configured: Sequence[Target] = ()
) -> Decision:
    """The table that user references should point to: configured, else the vote, else the best mirror, else the source.

    ``mirrors`` stand in order, the best first. A tie is broken in favour of a mirror.
    """
    counts = Counter(voter.target for voter in voters)
    votes = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    candidates = (*(mirror.target for mirror in mirrors), source)
    for wish in configured:
        for target in candidates:
            if target.table == wish.table and wish.columns in ((), target.columns):
                return Decision(target, "configuration", votes)
    if not votes:
        sure = [mirror.target for mirror in mirrors if mirror.confidence > Confidence.POSSIBLE]
        return Decision(sure[0] if sure else source, "default", votes)
    most = votes[0][1]
    winners = [target for target in candidates if counts[target] == most]
    return Decision(winners[0], "vote" if len(winners) == 1 else "default", votes)


def judge(
    schema: Schema,
    source: Target,
    mirrors: Sequence[Mirror],
    keys: Sequence[UserKey],
    configured: Sequence[Target] = (),
) -> tuple[Decision, tuple[Reference, ...]]:
    """The decision, and every key's verdict under it. Identity keys and dual references do not vote and are never
    wrong.
    """
    partners = _partners(keys)
    by_table = {mirror.table: mirror for mirror in mirrors}
    own = [_is_identity_key(schema, source, by_table, key) for key in keys]
    duals = [partners.get((*key.place, key.target)) for key in keys]
    voters = [key for key, is_own, dual in zip(keys, own, duals, strict=True) if not is_own and dual is None]
    decision = decide(source, mirrors, voters, configured)

    def reference(key: UserKey, is_own: bool, partner: ForeignKey | None) -> Reference:
        if is_own:
            return Reference(key.key, key.column, "identity-key")
        if partner is not None:
            return Reference(key.key, key.column, "dual", partner)
        return Reference(key.key, key.column, "right" if key.target == decision.canonical else "wrong")

    references = map(reference, keys, own, duals)
    return decision, tuple(sorted(references, key=lambda reference: (reference.key.ref, reference.column)))


def _is_identity_key(schema: Schema, source: Target, mirrors: Mapping[QName, Mirror], key: UserKey) -> bool:
    """Whether a key is the one by which a table shares its key with the source, as a mirror or as an extension does."""
    mirror = mirrors.get(key.key.table)
    if mirror is not None and mirror.column == key.column:
        return True
    table = schema.table(key.key.table)
    primary = table.primary_key if table is not None else None
    return key.target == source and primary is not None and primary.columns == (key.column,)


def _partners(keys: Sequence[UserKey]) -> Mapping[tuple[QName, str, Target], ForeignKey]:
    """For each key of a dual reference, by its column and target, the other one."""
    by_place: dict[tuple[QName, str], list[UserKey]] = defaultdict(list)
    for key in keys:
        by_place[key.place].append(key)
    partners: dict[tuple[QName, str, Target], ForeignKey] = {}
    for place, group in by_place.items():
        for key in group if len(group) > 1 else ():
            other = next((other for other in group if other.target != key.target), None)
            if other is not None:
                partners[*place, key.target] = other.key
    return partners
