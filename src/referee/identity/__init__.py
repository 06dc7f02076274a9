"""Who owns an identity, which tables mirror it, what references it, and what writes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from referee.identity.canonical import Group, group_by_schema, judge, user_keys
from referee.identity.mirrors import find_chained_mirrors, find_mirrors
from referee.identity.writes import Stored, find_stored, find_stored_by, find_writes
from referee.model.identity import Identities, Identity, Mirror, Write, Writer
from referee.model.names import Target
from referee.model.schema import Schema
from referee.platforms import Platform

__all__ = ["IdentityOptions", "identify"]


@dataclass(frozen=True, slots=True)
class IdentityOptions:
    """What is known beforehand.

    ``sources`` are the tables that own identities; None stands for the platform's, an empty tuple for none.
    ``canonical`` names the tables that user references should point to, ``canonical_of`` those for one source alone,
    ``mirrors`` tables that are mirrors whatever the evidence; a target without columns stands for the primary key.
    """

    platform: Platform
    sources: tuple[Target, ...] | None = None
    canonical: tuple[Target, ...] = ()
    mirrors: tuple[Target, ...] = ()
    canonical_of: tuple[tuple[Target, Target], ...] = ()

    @property
    def wanted_sources(self) -> tuple[Target, ...]:
        if self.sources is not None:
            return self.sources
        own = self.platform.identity_source
        return () if own is None else (own,)

    def wished(self, source: Target) -> tuple[Target, ...]:
        """The canonical tables for a source, those that are for it alone first."""
        own = [to for of, to in self.canonical_of if of.table == source.table and of.columns in ((), source.columns)]
        return (*own, *self.canonical)

    def writer(self, source: Target) -> Writer:
        """Who writes the rows of a source: the platform's sign-up for its own, any request for a project's."""
        platform = self.platform
        if source == platform.identity_source:
            return Writer(platform.sign_up_role, platform.sign_up_path, platform.api_path)
        return Writer(platform.migration_role, platform.api_path, platform.api_path)


def identify(schema: Schema, options: IdentityOptions) -> Identities:
    """Every identity of a schema; none where no source exists in it.

    A source can have several entries: one for each set of SQL schemas that keep a mirror of their own and refer to no
    other.
    """
    found: list[Identity] = []
    for wanted in options.wanted_sources:
        source = _existing(schema, wanted)
        if source is not None:
            found += _identities_of(schema, source, options)
    return Identities(tuple(_without_strangers(found)))


def _without_strangers(identities: Sequence[Identity]) -> Iterator[Identity]:
    """All but the first identity without the writes that reach none of their references: they would be told twice."""
    for index, identity in enumerate(identities):
        yield identity if index == 0 else replace(identity, writes=tuple(filter(_reaches, identity.writes)))


def _reaches(write: Write) -> bool:
    return bool(write.reaches)


def _existing(schema: Schema, wanted: Target) -> Target | None:
    """The source with its column; a table alone stands for its primary key."""
    table = schema.table(wanted.table)
    if table is None:
        return None
    primary = table.primary_key
    columns = wanted.columns or (primary.columns if primary is not None else ())
    return Target(wanted.table, columns) if len(columns) == 1 and table.column(columns[0]) is not None else None


def _identities_of(schema: Schema, source: Target, options: IdentityOptions) -> Iterator[Identity]:
    writer = options.writer(source)
    stored = find_stored(schema, source, writer)
    mirrors = find_mirrors(schema, source, stored, (*options.mirrors, *options.wished(source)))
    stored += find_stored_by(schema, (mirror.table for mirror in mirrors), writer)
    mirrors += find_chained_mirrors(schema, source, mirrors, stored)
    groups = group_by_schema(mirrors, user_keys(schema, source, mirrors))
    for group in groups:
        yield _identity(schema, source, group, writer, stored, options)


def _identity(
    schema: Schema, source: Target, group: Group, writer: Writer, stored: Sequence[Stored], options: IdentityOptions
) -> Identity:
    decision, references = judge(schema, source, group.mirrors, group.keys, options.wished(source))
    mirrors: tuple[Mirror, ...] = group.mirrors
    bare = Identity(
        source=source,
        mirrors=mirrors,
        canonical=decision.canonical,
        decided_by=decision.decided_by,
        votes=decision.votes,
        references=references,
        writer=writer,
    )
    return replace(bare, writes=find_writes(bare, stored))
