from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.history import History, KeyAdded, KeyDropped
from referee.model.identity import Identities, Identity
from referee.model.names import QName
from referee.model.schema import Schema
from referee.rules.base import PlanRule, plural

_Place = tuple[str, QName, tuple[str, ...]]


class RecreatedSplit(PlanRule):
    """
    A migration that moves user references to one table adds new ones to the other.

    ## Why it fails
    It looks like the repair of a split identity, and its author thinks that the matter is settled. The keys that it
    adds beside the moved ones point to the wrong side, so the split is back before the repair has run.

    ## Wrong
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    create table public.shows (booked_by uuid references auth.users (id));
    create table public.songs (edited_by uuid);
    -- supabase/migrations/2_fix_keys.sql
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by)
        references auth.users (id);  -- finding
    alter table public.shows drop constraint shows_booked_by_fkey;
    alter table public.shows
      add constraint shows_booked_by_fkey foreign key (booked_by) references public.users (id);
    ```

    ## Right
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    create table public.shows (booked_by uuid references auth.users (id));
    create table public.songs (edited_by uuid);
    -- supabase/migrations/2_fix_keys.sql
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by) references public.users (id);
    alter table public.shows drop constraint shows_booked_by_fkey;
    alter table public.shows
      add constraint shows_booked_by_fkey foreign key (booked_by) references public.users (id);
    ```

    ## Severity and confidence
    As certain as the vote of the keys about which table is the right one; see `split-identity-reference`, which reports
    the same keys for what they are. A key that a later migration moves is not reported.
    """

    severity = Severity.ERROR

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        for identity in identities.all:
            moved = _moved(history, identity)
            if moved:
                yield from _recreated(history, identity, moved)


def _recreated(history: History, identity: Identity, moved: dict[str, list[KeyAdded]]) -> Iterator[Problem]:
    wrong = {reference.key.ref: reference for reference in identity.references if reference.verdict == "wrong"}
    for event in history.events:
        if not isinstance(event, KeyAdded) or event.moment.file not in moved:
            continue
        reference = wrong.get(event.key.ref)
        if reference is not None and reference.key.target == event.key.target:
            yield _problem(event, moved[event.moment.file], identity)


def _moved(history: History, identity: Identity) -> dict[str, list[KeyAdded]]:
    """The keys that each migration moves to the right table, by its path."""
    others = frozenset([target.table for target in identity.targets if target != identity.canonical])
    gone: set[_Place] = set()
    found: dict[str, list[KeyAdded]] = {}
    for event in history.events:
        if isinstance(event, KeyDropped) and event.key.target.table in others:
            gone.add(_place(event))
        elif isinstance(event, KeyAdded) and event.key.target == identity.canonical and _place(event) in gone:
            found.setdefault(event.moment.file, []).append(event)
    return found


def _place(event: KeyAdded | KeyDropped) -> _Place:
    return event.moment.file, event.key.table, event.key.columns


def _problem(added: KeyAdded, moved: list[KeyAdded], identity: Identity) -> Problem:
    key, right = added.key, identity.canonical
    return Problem(
        object=key.ref,
        cause=f"This migration moves {plural(len(moved), 'user reference')} to {right}, and adds {key.ref} "
        f"to {key.target}.",
        consequence="What it repairs is broken again by the same file.",
        severity=Severity.ERROR,
        table=key.table,
        columns=key.columns,
        target=key.target,
        expected_target=right,
        place=added.moment.place,
        related=(Note(f"this one is moved to {right}", moved[0].moment.place),),
        file=added.moment.file,
    )
