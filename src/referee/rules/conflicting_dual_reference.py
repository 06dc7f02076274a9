from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.identity import Identities, Identity, Reference
from referee.model.names import QName, Target
from referee.model.origins import Place
from referee.model.remedy import Remedy, Safety, SetOnDelete
from referee.model.schema import ForeignKey, Schema
from referee.rules.base import Rule


class ConflictingDualReference(Rule):
    """
    A column with a key to each of two user tables, whose ON DELETE actions differ.

    ## Why it fails
    A dual reference has one key to the identity source and one to the mirror, often on purpose, so that PostgREST can
    embed the mirror. When the account is deleted, both keys are asked. Postgres queues what the mirror's deletion
    causes behind the actions of the source's own keys, so the key to the source decides and the other action never
    runs: `NO ACTION` beside `SET NULL` refuses the deletion with SQLSTATE 23503, `CASCADE` beside `SET NULL` deletes
    the row that somebody meant to keep (both run on PostgreSQL 18.6, in either order of creation). Deleting only the
    mirror's row does what the other key says.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id) on delete cascade);
    create table public.reviews (
      reviewer uuid
        references public.profiles (id) on delete set null
        references auth.users (id)  -- finding
    );
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id) on delete cascade);
    create table public.reviews (
      reviewer uuid
        references public.profiles (id) on delete set null
        references auth.users (id) on delete set null
    );
    ```

    ## When it is deliberate
    Hardly ever: the action that is not reached looks like a decision and is none. Keep the second key, and let both
    say the same.

    ## How referee knows
    The two keys stand in the schema. It is certain.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            for deciding, other in _pairs(identity):
                if deciding.on_delete != other.on_delete:
                    yield _problem(deciding, other)


def _pairs(identity: Identity) -> Iterator[tuple[ForeignKey, ForeignKey]]:
    """Each dual reference once, the key that decides first."""
    columns: dict[tuple[QName, str], list[Reference]] = {}
    for reference in identity.references:
        if reference.verdict == "dual":
            columns.setdefault((reference.key.table, reference.column), []).append(reference)
    for references in columns.values():
        keys = sorted((reference.key for reference in references), key=lambda key: _depth(identity, key))
        yield from ((keys[0], other) for other in keys[1:])


def _depth(identity: Identity, key: ForeignKey) -> int:
    """How many deletions lie between the source and the table that a key references."""
    depth, table = 0, key.target.table
    while table != identity.source.table and depth <= len(identity.mirrors):
        mirror = identity.mirror_by_table.get(table)
        if mirror is None or mirror.identity_key is None:
            return len(identity.mirrors) + 1
        depth, table = depth + 1, mirror.identity_key.target.table
    return depth


def _problem(deciding: ForeignKey, other: ForeignKey) -> Problem:
    return Problem(
        object=deciding.ref,
        cause=(
            f"{Target(deciding.table, deciding.columns)} has two keys that disagree: ON DELETE {deciding.on_delete} to"
            f" {deciding.target}, but {other.on_delete} to {other.target}."
        ),
        consequence=_consequence(deciding, other),
        severity=Severity.WARNING,
        table=deciding.table,
        columns=deciding.columns,
        target=deciding.target,
        related=(Note(f"the other key, ON DELETE {other.on_delete}", Place(other.ref)),),
        remedy=_remedy(deciding, other),
        key=other.name,
    )


def _consequence(deciding: ForeignKey, other: ForeignKey) -> str:
    never = f"the {other.on_delete} of {other.name} never runs"
    match deciding.on_delete:
        case "NO ACTION":
            return f"Deleting the account fails with 23503 while such a row exists; {never}."
        case "RESTRICT":
            return (
                f"Deleting the account fails with 23503 (23001 from PostgreSQL 18 on) while such a row exists; {never}."
            )
        case "CASCADE":
            return f"Deleting the account deletes the row; {never}."
        case _:
            return f"Deleting the account keeps the row and empties the column; {never}."


_REFUSING = ("NO ACTION", "RESTRICT")


def _remedy(deciding: ForeignKey, other: ForeignKey) -> Remedy:
    """Both act alike. Never propose on our own that rows be deleted which so far were kept, nor that deletions stop."""
    if other.on_delete in _REFUSING and deciding.on_delete not in _REFUSING:
        change = SetOnDelete(other, deciding.on_delete)
        return Remedy(change, Safety.SHOW_ONLY if deciding.on_delete == "CASCADE" else Safety.UNSAFE)
    deletes = other.on_delete == "CASCADE" != deciding.on_delete
    return Remedy(SetOnDelete(deciding, other.on_delete), Safety.SHOW_ONLY if deletes else Safety.UNSAFE)
