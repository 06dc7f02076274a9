from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.identity import Identities
from referee.model.names import QName, Target, clip
from referee.model.origins import Place
from referee.model.remedy import DropConstraint, Remedy, Safety
from referee.model.schema import ForeignKey, Schema, Table
from referee.rules.base import Rule

#: A name of 63 bytes, or less where the cut would be inside a character (PostgreSQL 18, makeObjectName).
_SHORTENED = 60

_Pairs = tuple[QName, frozenset[tuple[str, str]]]


class DuplicateForeignKey(Rule):
    """
    Two foreign keys of one table with the same columns and the same target.

    ## Why it fails
    Each write pays for both checks, and each deletion of a referenced row for both scans. Where their ON DELETE
    differs, the older key acts first: a deletion still fails with 23503 in the old `NO ACTION`, and the `CASCADE`
    that somebody added later never runs. API generators (PostgREST, GraphQL) see two relationships and call an
    embedding ambiguous.

    It often happens by ALTER TABLE ... ADD FOREIGN KEY without a name: Postgres then makes a second key
    `songs_band_id_fkey1` beside the one that the table was created with.

    ## Wrong
    ```sql
    create table public.bands (id uuid primary key);
    create table public.songs (
      id uuid primary key,
      band_id uuid references public.bands (id)
    );
    alter table public.songs add foreign key (band_id)
      references public.bands (id) on delete cascade;  -- finding
    ```
    ## Right
    ```sql
    create table public.bands (id uuid primary key);
    create table public.songs (
      id uuid primary key,
      band_id uuid references public.bands (id)
    );
    alter table public.songs
      drop constraint songs_band_id_fkey,
      add constraint songs_band_id_fkey foreign key (band_id) references public.bands (id) on delete cascade;
    ```
    ## When it is deliberate
    A column with one key to `auth.users` and another to a mirror of it is a dual reference, which is another matter and
    not reported here. Two keys to the same columns serve nothing.

    ## Severity and confidence
    Certain: it is read off the keys themselves.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for table in schema.own_tables:
            # Most keys of a table are of different columns.
            if len({frozenset(key.columns) for key in table.foreign_keys}) < len(table.foreign_keys):
                yield from _duplicates(table)


def _duplicates(table: Table) -> Iterator[Problem]:
    groups: dict[_Pairs, list[ForeignKey]] = {}
    for key in table.foreign_keys:
        pairs = key.target.table, frozenset(zip(key.columns, key.target.columns, strict=False))
        groups.setdefault(pairs, []).append(key)
    if len(groups) == len(table.foreign_keys):
        return
    for keys in groups.values():
        kept, *others = sorted(keys, key=_by_age)
        for key in others:
            yield _problem(key, kept)


def _by_age(key: ForeignKey) -> tuple[bool, int, str]:
    """The name that Postgres gives to the first comes first; where it had to be shortened, only its end tells."""
    generated = clip("_".join([key.table.name, *key.columns, "fkey"]))
    is_first = key.name == generated or (len(key.name.encode()) >= _SHORTENED and key.name.endswith("_fkey"))
    return not is_first, len(key.name), key.name


def _problem(key: ForeignKey, kept: ForeignKey) -> Problem:
    same = (key.on_delete, key.on_update) == (kept.on_delete, kept.on_update)
    if same:
        consequence = "Every write and every deletion of a referenced row is checked twice, to the same end."
    else:
        consequence = (
            f"One says ON DELETE {kept.on_delete} ON UPDATE {kept.on_update}, the other ON DELETE {key.on_delete} "
            f"ON UPDATE {key.on_update}: the key that was created first acts first, and the other may never get to act."
        )
    return Problem(
        object=key.ref,
        cause=f"{key.ref} repeats {kept.ref}: both lead from {Target(key.table, key.columns)} to {key.target}.",
        consequence=consequence,
        severity=Severity.INFO if same else Severity.WARNING,
        table=key.table,
        columns=key.columns,
        target=key.target,
        related=(Note("the same reference is declared here", Place(kept.ref)),),
        remedy=Remedy(DropConstraint(key.ref), Safety.UNSAFE if same else Safety.SHOW_ONLY),
    )
