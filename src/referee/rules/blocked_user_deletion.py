from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities
from referee.model.names import QName, Target
from referee.model.origins import Place
from referee.model.remedy import Remedy, Safety, SetOnDelete
from referee.model.schema import ForeignKey, Schema
from referee.rules.base import Rule


class BlockedUserDeletion(Rule):
    """
    A foreign key that makes deleting a user fail.

    ## Why it fails
    Deleting a row of the identity source (on Supabase `auth.users`) asks every key that leads to it, and with `ON
    DELETE CASCADE` every key that leads to the rows deleted along. A key with `NO ACTION`, the default, refuses with
    SQLSTATE 23503 as soon as a row refers to the user; `RESTRICT` does too, and from PostgreSQL 18 on says 23001.
    `SET NULL` on a column that is NOT NULL fails with 23502. Supabase answers "Database error deleting user", its
    dashboard may even show success, and its clean-up of anonymous users stops at the first one that is blocked.

    ## Wrong
    Nobody wrote an action here, so nobody decided to block:
    ```sql
    create table public.songs (
      id uuid primary key,
      created_by uuid references auth.users (id),  -- finding
      owner uuid not null references auth.users (id) on delete set null  -- finding
    );
    ```
    The key at fault can be far from the user. Here deleting a user deletes the profile, and the profile's comments
    refuse:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.comments (
      author_id uuid not null references public.profiles (id)  -- finding
    );
    ```

    ## Right
    Say what becomes of the rows: `CASCADE` deletes what is the user's alone, `SET NULL` keeps what others need.
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.comments (author_id uuid not null references public.profiles (id) on delete cascade);
    create table public.songs (created_by uuid references public.profiles (id) on delete set null);
    ```

    ## When it is deliberate
    Invoices must outlive their customer. `RESTRICT` says so, hence it is reported as information only; the
    application then has to anonymise the user instead. A soft delete in Supabase is an UPDATE: it fires no key at
    all.

    ## How referee knows
    It follows the keys from the source, through CASCADE, and prints the whole chain. Where a column has a key to the
    source and one to the mirror, the key to the source decides, since Postgres queues the mirror's actions behind it.
    A mirror without an identity key is not reached: deleting the user leaves its row behind, which is
    `unlinked-mirror`. It is certain where rows of the blocking table are only reached by that key; where some of them
    are deleted by another chain, those do not block, and it is likely.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        own_keys = frozenset(
            mirror.identity_key.ref for identity in identities.all for mirror in identity.mirrors if mirror.identity_key
        )
        singles = frozenset(mirror.table for identity in identities.all for mirror in identity.mirrors)
        for source in dict.fromkeys(identity.source for identity in identities.all):
            spread = _Spread(schema, source.table, singles)
            for block in spread.blocks():
                yield _problem(schema, source, block, spread, block.key.ref in own_keys)


@dataclass(frozen=True, slots=True)
class _Block:
    """A key that refuses, and the CASCADE keys by which the deletion came to it."""

    chain: tuple[ForeignKey, ...]
    key: ForeignKey
    sqlstate: str


_Chains = dict[QName, tuple[ForeignKey, ...]]
_Columns = tuple[QName, tuple[str, ...]]


class _Spread:
    """How the deletion of a row spreads, level by level: the order in which Postgres works off the keys.

    ``singles`` are tables with one row for each user, in which another row is another user's.
    """

    def __init__(self, schema: Schema, start: QName, singles: frozenset[QName]) -> None:
        self._schema = schema
        self._start = start
        self.singles = singles | {start}
        self._settled: set[_Columns] = set()
        self.reached_by: dict[QName, set[str]] = {}
        """For each table whose rows are deleted along, the names of the keys that do so."""

    def blocks(self) -> list[_Block]:
        """Every key that refuses, the nearest first."""
        found: list[_Block] = []
        level: _Chains = {self._start: ()}
        while level:
            level = self._descend(level, found)
        return found

    def _descend(self, level: _Chains, found: list[_Block]) -> _Chains:
        below: _Chains = {}
        settled: set[_Columns] = set()
        for chain, key in self._keys_to(level):
            sqlstate = _refusal(self._schema, key)
            if sqlstate is not None:
                found.append(_Block(chain, key, sqlstate))
                continue
            settled.add((key.table, key.columns))
            if key.on_delete == "CASCADE":
                if key.table not in self.reached_by:
                    below[key.table] = (*chain, key)
                self.reached_by.setdefault(key.table, set()).add(key.name)
        self._settled |= settled
        return below

    def _keys_to(self, level: _Chains) -> Iterator[tuple[tuple[ForeignKey, ...], ForeignKey]]:
        for table, chain in level.items():
            for key in self._schema.referencing.get(table, ()):
                if not key.enforced or self._schema.is_managed(key.table.schema):
                    continue
                if (key.table, key.columns) in self._settled:
                    continue  # a key nearer to the user has already deleted or emptied these rows
                if key.table == table and table not in self.singles:
                    continue  # a user's rows that refer to each other go in one statement, after which none is left
                yield chain, key


def _refusal(schema: Schema, key: ForeignKey) -> str | None:
    """The SQLSTATE with which a key refuses that its referenced row goes; None where it lets it go."""
    if key.on_delete == "NO ACTION":
        return "23503"
    if key.on_delete == "RESTRICT":
        return "23503 (23001 from PostgreSQL 18 on)"
    if key.on_delete == "CASCADE":
        return None
    table = schema.table(key.table)
    emptied = [table.column(name) for name in key.on_delete_columns or key.columns] if table is not None else []
    if key.on_delete == "SET DEFAULT":
        emptied = [column for column in emptied if column is not None and column.default is None]
    return "23502" if any(column is not None and column.not_null for column in emptied) else None


def _problem(schema: Schema, source: Target, block: _Block, spread: _Spread, own: bool) -> Problem:
    key = block.key
    elsewhere = spread.reached_by.get(key.table, set()) - {link.name for link in block.chain}
    return Problem(
        object=key.ref,
        cause=_cause(source, block),
        consequence=_consequence(block, own, spread.singles),
        severity=Severity.INFO if key.on_delete == "RESTRICT" else Severity.WARNING,
        confidence=Confidence.LIKELY if elsewhere else Confidence.CERTAIN,
        table=key.table,
        columns=key.columns,
        target=key.target,
        related=tuple(
            Note(f"{link.table} goes along with {link.target.table}: ON DELETE CASCADE", Place(link.ref))
            for link in block.chain
        ),
        remedy=_remedy(schema, block, own),
    )


def _cause(source: Target, block: _Block) -> str:
    links = [str(source.table), *(f"{link.table} {link.on_delete}" for link in block.chain)]
    key = block.key
    last = f"{Target(key.table, key.columns)} {key.on_delete}"
    what = "empties a column that is NOT NULL" if block.sqlstate == "23502" else "refuses"
    return f"Deleting a user comes to a key that {what}: {' -> '.join([*links, last])}."


def _consequence(block: _Block, own: bool, singles: frozenset[QName]) -> str:
    if own and not block.chain:
        return f"No user who has a row in {block.key.table} can be deleted: {block.sqlstate}."
    user = not block.chain or block.chain[-1].table in singles
    what = "the user" if user else f"what goes along in {block.chain[-1].table}"
    return f"Deleting a user fails with {block.sqlstate} as soon as a row of {block.key.table} refers to {what}."


def _remedy(schema: Schema, block: _Block, own: bool) -> Remedy:
    """Emptying the column loses no row, so it is proposed where the column allows it; deleting rows is only shown."""
    key = block.key
    if own:
        return Remedy(SetOnDelete(key, "CASCADE"), Safety.UNSAFE)
    table = schema.table(key.table)
    columns = [table.column(name) for name in key.columns] if table is not None else []
    if len(columns) == 1 and columns[0] is not None and not columns[0].not_null:
        return Remedy(SetOnDelete(key, "SET NULL"), Safety.UNSAFE)
    return Remedy(SetOnDelete(key, "CASCADE"), Safety.SHOW_ONLY)
