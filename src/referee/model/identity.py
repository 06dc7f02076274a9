"""Who owns an identity, who mirrors it, who references it and who writes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from referee.model.finding import Confidence
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.schema import ForeignKey

EvidenceKind = Literal["identity-key", "trigger", "policy", "write", "name", "chain", "configuration"]
Verdict = Literal["right", "wrong", "dual", "identity-key"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to take a table for a mirror."""

    kind: EvidenceKind
    detail: str
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Mirror:
    """A table whose key is the source's key, row for row.

    ``identity_key`` is its own foreign key to the source (or, for a chained mirror, to another mirror); None where it
    has none. ``synced_by`` are the triggers that insert the source's id into its key. ``complete`` is whether one of
    them inserts a row for every new row of the source that commits: enabled, without a condition, swallowing no error.
    """

    table: QName
    column: str
    confidence: Confidence
    evidence: tuple[Evidence, ...]
    identity_key: ForeignKey | None = None
    synced_by: tuple[Ref, ...] = ()
    complete: bool = False

    @property
    def target(self) -> Target:
        return Target(self.table, (self.column,))


@dataclass(frozen=True, slots=True)
class Reference:
    """A user reference: one column that stores an identity, and its key.

    ``column`` is the one of the key's columns that holds the identity. ``partner`` is the other key of a dual
    reference.
    """

    key: ForeignKey
    column: str
    verdict: Verdict
    partner: ForeignKey | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A place where the database itself writes an identity into a column: a trigger, a default or a function.

    ``expression`` is the text written, such as ``auth.uid()`` or ``NEW.id``. ``columns`` are the columns that it
    reaches (a trigger function reaches one for each table whose trigger calls it), ``reaches`` the user references
    among them.
    """

    expression: str
    where: Literal["trigger", "default", "function"]
    owner: Ref
    place: Place
    columns: tuple[tuple[QName, str], ...]
    reaches: tuple[ForeignKey, ...]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes the source, and with which search_path: on Supabase ``supabase_auth_admin`` with ``auth``.

    ``api_path`` is the search_path of requests that users make.
    """

    role: str
    search_path: tuple[str, ...]
    api_path: tuple[str, ...] = ("public",)


@dataclass(frozen=True)
class Identity:
    """One identity: its source, the tables that mirror it, the references to any of them, and the vote between them.

    ``votes`` counts user references by target; identity keys and dual references do not vote. ``decided_by`` says how
    the canonical target was chosen.
    """

    source: Target
    mirrors: tuple[Mirror, ...]
    canonical: Target
    decided_by: Literal["configuration", "vote", "default"]
    votes: tuple[tuple[Target, int], ...]
    references: tuple[Reference, ...]
    writes: tuple[Write, ...] = ()
    writer: Writer = Writer("postgres", ("public",))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """Where its user references may point: the source first, then the mirrors."""
        return tuple(dict.fromkeys([self.source, *(mirror.target for mirror in self.mirrors)]))

    @cached_property
    def writes_by_owner(self) -> Mapping[Ref, tuple[Write, ...]]:
        """The writes of each function or default."""
        found: dict[Ref, list[Write]] = {}
        for write in self.writes:
            found.setdefault(write.owner, []).append(write)
        return {owner: tuple(writes) for owner, writes in found.items()}

    @cached_property
    def mirror_by_table(self) -> Mapping[QName, Mirror]:
        return {mirror.table: mirror for mirror in self.mirrors}


@dataclass(frozen=True)
class Identities:
    """Every identity of a schema."""

    all: tuple[Identity, ...] = ()
