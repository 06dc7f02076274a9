from __future__ import annotations

import re
from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import Ref
from referee.model.origins import Place
from referee.model.remedy import AddIdentityKey, DropDefault, Remedy, Safety
from referee.model.schema import Column, Schema
from referee.rules._filling import is_guess
from referee.rules.base import Rule

# A default that names the session's user makes no id: it takes the one that exists.
_SESSION = re.compile(r"\bauth\.|\bjwt\b|current_setting|\bcurrent_user")


class UnlinkedMirror(Rule):
    """
    A mirror whose key is not tied to its source: no identity key, or an id of its own making.

    ## Why it fails
    A mirror's id is the source's id. Without a foreign key nothing holds the two together: deleting the account
    leaves a stray row, whose owner can sign up again under another id; a row with any id can be inserted. With a
    default that makes ids, an insert that forgets the id gets a random one, which no session will ever have: every
    policy that compares it with `auth.uid()` refuses.

    ## Wrong
    ```sql
    create table public.profiles (  -- finding
      id uuid primary key,
      name text
    );
    alter table public.profiles enable row level security;
    create policy "own profile" on public.profiles using (id = auth.uid());
    create table public.posts (author uuid references public.profiles (id));
    ```
    ```sql
    create table public.profiles (
      id uuid primary key default gen_random_uuid() references auth.users (id) on delete cascade  -- finding
    );
    create table public.posts (author uuid references public.profiles (id));
    ```

    ## Right
    ```sql
    create table public.profiles (
      id uuid primary key references auth.users (id) on delete cascade,
      name text
    );
    create table public.posts (author uuid references public.profiles (id));
    ```

    ## When it is deliberate
    Where the rows must outlive the account, for instance because other people's data refers to them. Then mark the
    row as orphaned in a trigger, and suppress this finding. A table whose ids are its own, with the account in
    another column, is no mirror and no finding:
    ```sql
    create table public.profiles (
      id uuid primary key default gen_random_uuid(),
      user_id uuid not null unique references auth.users (id) on delete cascade
    );
    create table public.posts (author uuid references public.profiles (id));
    ```

    ## How referee knows
    Missing keys and defaults stand in the schema; whether the table is a mirror at all is as sure as its evidence,
    which `referee identities` prints.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            for mirror in identity.mirrors:
                if is_guess(mirror):
                    continue
                table = schema.table(mirror.table)
                column = table.column(mirror.column) if table is not None else None
                if mirror.identity_key is None:
                    yield _without_key(identity, mirror)
                if column is not None and makes_ids(column):
                    yield _with_own_ids(identity, mirror, column)


def makes_ids(column: Column) -> bool:
    """Whether a column fills itself: a default that is a call or a sequence, or an identity column."""
    if column.default is None:
        return bool(column.identity)
    return "(" in column.default and not _SESSION.search(column.default)


def _without_key(identity: Identity, mirror: Mirror) -> Problem:
    source = identity.source
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"{mirror.target} holds the ids of {source} but has no foreign key to it.",
        consequence=(
            f"Deleting an account leaves its row in {mirror.table} behind, and a row may hold an id of no account."
        ),
        severity=Severity.WARNING,
        confidence=mirror.confidence,
        table=mirror.table,
        columns=(mirror.column,),
        expected_target=source,
        related=tuple(Note(f"it is a mirror: {sign.detail}", sign.place) for sign in mirror.evidence[:1]),
        remedy=Remedy(AddIdentityKey(mirror.target, source), Safety.UNSAFE),
        key="no identity key",
    )


def _with_own_ids(identity: Identity, mirror: Mirror, column: Column) -> Problem:
    linked = mirror.identity_key is not None
    outcome = "fails with 23503" if linked else "makes a user that no session will ever be"
    own = column.default or "its own sequence"
    return Problem(
        object=Ref("column", *mirror.table, mirror.column),
        cause=f"{mirror.target} should hold the ids of {identity.source}, but its default is {own}.",
        consequence=f"An insert that leaves {mirror.column} out {outcome}.",
        severity=Severity.INFO if linked else Severity.WARNING,
        confidence=mirror.confidence,
        table=mirror.table,
        columns=(mirror.column,),
        expected_target=identity.source,
        place=Place(Ref("column", *mirror.table, mirror.column)),
        remedy=Remedy(DropDefault(Ref("column", *mirror.table, mirror.column)), Safety.UNSAFE),
        key="default",
    )
