from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.history import History, HistoryEvent, KeyAdded, KeyValidated, RowsCopied
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import Target
from referee.model.schema import Schema
from referee.rules._order import backfills, mirrors
from referee.rules.base import PlanRule


class KeyBeforeBackfill(PlanRule):
    """
    A key to a mirror is checked before the mirror gets the rows that it lacks.

    ## Why it fails
    ADD FOREIGN KEY and VALIDATE CONSTRAINT look at every row. One row that stores a user who has no row in the mirror
    yet ends the migration with SQLSTATE 23503, and the statement that would have made that row never runs. On an empty
    database, where migrations are tested, the order does not matter.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (edited_by uuid references auth.users (id));
    -- supabase/migrations/2_retarget.sql
    alter table public.songs drop constraint songs_edited_by_fkey;
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by)
        references public.profiles (id);  -- finding
    insert into public.profiles (id) select id from auth.users on conflict do nothing;
    ```

    ## Right
    The rows first, and the key NOT VALID, so that it is no long lock either:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (edited_by uuid references auth.users (id));
    -- supabase/migrations/2_retarget.sql
    insert into public.profiles (id) select id from auth.users on conflict do nothing;
    alter table public.songs drop constraint songs_edited_by_fkey;
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by) references public.profiles (id) not valid;
    -- supabase/migrations/3_validate.sql
    alter table public.songs validate constraint songs_edited_by_fkey;
    ```
    A key NOT VALID may come first; it holds for new rows only.

    ## How referee knows
    Keys on tables or columns that the same migration makes are left out, since they hold nothing. Likely where the
    mirror had rows already, and certain where the same migration has just made it. Other ways to fill a mirror than
    INSERT ... SELECT are not seen.
    """

    severity = Severity.ERROR

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        for identity, mirror in mirrors(identities):
            found = backfills(history, identity, mirror)
            if found:
                yield from _too_early(history, identity, mirror, found)


def _too_early(
    history: History, identity: Identity, mirror: Mirror, filled: list[tuple[int, RowsCopied]]
) -> Iterator[Problem]:
    for at, event in enumerate(history.events):
        if not _checks_rows(event, mirror):
            continue
        assert isinstance(event, KeyAdded | KeyValidated)
        on_empty = isinstance(event, KeyAdded) and event.new_target
        before = [one for place, one in filled if place < at and (on_empty or one.moment.file == event.moment.file)]
        after = [one for place, one in filled if place > at and (on_empty or one.moment.file == event.moment.file)]
        if after and not before:
            yield _problem(event, after[0], identity, mirror, on_empty)


def _checks_rows(event: HistoryEvent, mirror: Mirror) -> bool:
    """Whether a step looks at rows that store users of the mirror."""
    if isinstance(event, KeyAdded):
        return event.key.target.table == mirror.table and event.key.validated and not event.new_column
    return isinstance(event, KeyValidated) and event.key.target.table == mirror.table


def _problem(
    event: KeyAdded | KeyValidated, late: RowsCopied, identity: Identity, mirror: Mirror, on_empty: bool
) -> Problem:
    key = event.key
    held = Target(key.table, key.columns)
    return Problem(
        object=key.ref,
        cause=f"{held} is checked against {key.target} before {mirror.table} gets the rows of {identity.source.table}.",
        consequence=f"One row of {key.table} whose user is not in {mirror.table} yet ends the migration with 23503.",
        severity=Severity.ERROR,
        confidence=Confidence.CERTAIN if on_empty else Confidence.LIKELY,
        table=key.table,
        columns=key.columns,
        target=key.target,
        place=event.moment.place,
        related=(Note("the rows come only here: this has to run first", late.moment.place),),
        file=event.moment.file,
    )
