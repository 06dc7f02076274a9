from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.history import History, HistoryEvent, KeyAdded, RowsCopied, RowsLost
from referee.model.identity import Identities, Identity
from referee.model.names import Target
from referee.model.schema import Schema
from referee.rules._order import identity_of
from referee.rules.base import PlanRule


class DestructiveRetarget(PlanRule):
    """
    Rows are deleted, or forget their user, so that a key to a mirror fits.

    ## Why it fails
    A row whose user has no row in the mirror stands in the way of the key. It is a row of a real account, which only
    the mirror does not know yet. Deleting it, or setting its column to NULL, throws away what somebody made, orders
    and payouts among it, and no rollback brings that back. One INSERT into the mirror cures the same.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (edited_by uuid);
    create table public.payouts (payee uuid not null);
    -- supabase/migrations/2_keys.sql
    update public.songs set edited_by = null  -- finding
      where edited_by not in (select id from public.profiles);
    alter table public.songs add foreign key (edited_by) references public.profiles (id);
    delete from public.payouts p  -- finding
      where not exists (select from public.profiles where id = p.payee);
    alter table public.payouts add foreign key (payee) references public.profiles (id);
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.payouts (payee uuid not null);
    -- supabase/migrations/2_keys.sql
    insert into public.profiles (id) select id from auth.users on conflict do nothing;
    alter table public.payouts add foreign key (payee) references public.profiles (id) not valid;
    ```
    What is left is rows of accounts that are gone. Keep them aside (`referee repair` moves them to a quarantine), or
    leave the key NOT VALID until somebody has looked at them.

    ## How referee knows
    The statement spares the rows whose user is in the table that a key of the same column references later in the same
    migration, or it spares none. Where the migration fills the mirror first, nothing is reported.
    """

    severity = Severity.ERROR

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        for at, event in enumerate(history.events):
            if isinstance(event, RowsLost):
                key = _key_behind(history.events[at + 1 :], event)
                identity = identity_of(identities, key.key.target.table) if key is not None else None
                if (
                    key is not None
                    and identity is not None
                    and not _is_filled(history.events[:at], event, key, identity)
                ):
                    yield _problem(event, key, identity)


def _key_behind(events: tuple[HistoryEvent, ...], lost: RowsLost) -> KeyAdded | None:
    """The key that the statement makes room for."""
    for event in events:
        if event.moment.file != lost.moment.file:
            return None
        if isinstance(event, KeyAdded) and _makes_room(lost, event):
            return event
    return None


def _makes_room(lost: RowsLost, added: KeyAdded) -> bool:
    key = added.key
    if key.table != lost.table or added.new_column:
        return False
    if lost.columns and not set(lost.columns) & set(key.columns):
        return False
    if lost.everything:
        return True
    return key.target.table in lost.unless_in and bool(lost.by & set(key.columns))


def _is_filled(events: tuple[HistoryEvent, ...], lost: RowsLost, added: KeyAdded, identity: Identity) -> bool:
    """Whether the table had just got every row that it could."""
    return any(
        isinstance(event, RowsCopied)
        and event.moment.file == lost.moment.file
        and event.table == added.key.target.table
        and identity.source.table in event.sources
        for event in events
    )


def _problem(lost: RowsLost, added: KeyAdded, identity: Identity) -> Problem:
    key = added.key
    deletes = lost.action == "delete"
    which = "All rows" if lost.everything else f"Rows whose user is not in {key.target.table}"
    done = "are deleted" if deletes else f"get NULL in {Target(key.table, lost.columns)}"
    gone = "are gone" if deletes else "no longer say whose they are"
    if key.target.table == identity.source.table:
        cure = "they may be of accounts that no longer exist, but somebody may still need them"
    else:
        cure = f"filling {key.target.table} from {identity.source.table} would have kept them"
    return Problem(
        object=key.ref,
        cause=f"{which} {done} before {key.ref} is added, so that it fits.",
        consequence=f"Those rows of {key.table} {gone} for good; {cure}.",
        severity=Severity.ERROR if deletes else Severity.WARNING,
        confidence=Confidence.LIKELY,
        table=key.table,
        columns=key.columns,
        target=key.target,
        place=lost.moment.place,
        related=(Note("this key is what they were in the way of", added.moment.place),),
        key=lost.action,
        file=lost.moment.file,
    )
