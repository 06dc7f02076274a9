from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.history import History, RowsCopied, TriggerCreated
from referee.model.identity import Identities, Identity, Mirror
from referee.model.names import QName, Ref
from referee.model.origins import Place
from referee.model.schema import Schema
from referee.rules._order import backfills, mirrors
from referee.rules.base import PlanRule


class BackfillBeforeTrigger(PlanRule):
    """
    A mirror is filled from its source before the trigger exists that fills it from then on.

    ## Why it fails
    Whoever signs up between the two has no row in the mirror and never gets one. A transaction around both does not
    help: the INSERT sees the accounts that were committed when it began, and a sign-up that was under way is committed
    before the trigger comes. In the other order nobody is missed: CREATE TRIGGER waits for open inserts, and the
    INSERT behind it sees them.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (edited_by uuid references public.profiles (id));
    create function public.add_profile() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id) on conflict do nothing;
      return new;
    end $$;
    insert into public.profiles (id) select id from auth.users;  -- finding
    create trigger add_profile after insert on auth.users for each row execute function public.add_profile();
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (edited_by uuid references public.profiles (id));
    create function public.add_profile() returns trigger language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id) on conflict do nothing;
      return new;
    end $$;
    create trigger add_profile after insert on auth.users for each row execute function public.add_profile();
    insert into public.profiles (id) select id from auth.users on conflict do nothing;
    ```

    ## How referee knows
    By the order of the statements. Likely within one migration, where the gap is short; certain where the trigger
    comes in a later one, unless the application fills the mirror meanwhile. Nothing is reported where the source has
    a trigger already, or where another INSERT ... SELECT follows the trigger.
    """

    severity = Severity.WARNING

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        for identity, mirror in mirrors(identities):
            found = backfills(history, identity, mirror)
            if found and mirror.synced_by:
                yield from _gap(schema, history, identity, mirror, found)


def _gap(
    schema: Schema, history: History, identity: Identity, mirror: Mirror, filled: list[tuple[int, RowsCopied]]
) -> Iterator[Problem]:
    start = _first_trigger(schema, history, identity, mirror)
    if start is None:
        return
    place, trigger = start
    before = [one for at, one in filled if at < place]
    if before and len(before) == len(filled):
        yield _problem(before[-1], trigger, identity, mirror)


def _first_trigger(
    schema: Schema, history: History, identity: Identity, mirror: Mirror
) -> tuple[int, TriggerCreated] | None:
    """The trigger that fills the mirror; None where the source had one before, which may have filled it too."""
    functions = _functions(schema, identity.source.table, mirror)
    for at, event in enumerate(history.events):
        if isinstance(event, TriggerCreated) and event.trigger.owner == identity.source.table:
            return (at, event) if event.trigger in mirror.synced_by or event.function in functions else None
    return None


def _functions(schema: Schema, source: QName, mirror: Mirror) -> frozenset[QName]:
    table = schema.table(source)
    triggers = table.triggers if table is not None else ()
    return frozenset([trigger.function for trigger in triggers if trigger.ref in mirror.synced_by])


def _problem(early: RowsCopied, trigger: TriggerCreated, identity: Identity, mirror: Mirror) -> Problem:
    source = identity.source.table
    together = early.moment.file == trigger.moment.file
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"{mirror.table} gets the rows of {source} before {trigger.trigger} exists, which fills it from then on.",
        consequence=f"An account that is made between the two has no row in {mirror.table} and never gets one.",
        severity=Severity.WARNING,
        confidence=Confidence.LIKELY if together else Confidence.CERTAIN,
        table=mirror.table,
        columns=(mirror.column,),
        expected_target=identity.source,
        place=early.moment.place,
        related=(Note("the trigger comes only here", Place(trigger.trigger)),),
        file=early.moment.file,
    )
