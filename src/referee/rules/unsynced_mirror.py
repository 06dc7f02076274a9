from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.identity import Evidence, Identities, Identity, Mirror, Reference
from referee.model.names import QName, Ref
from referee.model.origins import Place
from referee.model.remedy import CreateSyncTrigger, Cure, EnableTrigger, Remedy, Safety
from referee.model.schema import Schema
from referee.rules._filling import is_guess, sure_unfilled, users_cannot_insert
from referee.rules.base import Rule, plural


class UnsyncedMirror(Rule):
    """
    A mirror that foreign keys rely on and that nothing in the database fills.

    ## Why it fails
    The account comes into being in the identity source, in a transaction of the sign-up service. If no trigger there
    inserts the mirror's row, somebody else has to: the application after the sign-up, a webhook, an edge function.
    Until that has happened, and for ever if it fails, every insert that stores the user through a key to the mirror
    fails with SQLSTATE 23503. Tests do not see it, because fixtures insert both rows.

    ## Wrong
    ```sql
    create table public.profiles (  -- finding
      id uuid primary key references auth.users (id) on delete cascade
    );
    create table public.posts (author uuid references public.profiles (id));
    ```
    The function alone does nothing. Somebody dropped the trigger, or made it by hand in the dashboard:
    ```sql
    create table public.profiles (  -- finding
      id uuid primary key references auth.users (id) on delete cascade
    );
    create table public.posts (author uuid references public.profiles (id));
    create function public.handle_new_user() returns trigger
      language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id);
      return new;
    end $$;
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.posts (author uuid references public.profiles (id));
    create function public.handle_new_user() returns trigger
      language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id) on conflict (id) do nothing;
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```
    Users who signed up before the trigger need their rows from a backfill; create the trigger first, then fill.

    ## When it is deliberate
    Of ten mirrors without a trigger, eight are filled by application code. That can work: it must run with rights
    that row security does not stop, and be repeated until it succeeds.

    ## How referee knows
    It does not. A trigger that no migration creates may exist in production: `supabase db dump` leaves out everything
    in `auth`, triggers included, and so do many schema diffs. The finding is possible; likely where a trigger is
    there but disabled, where a function would fill the mirror but no trigger calls it, or where row security keeps
    users from inserting their row. `referee check --db` reads the truth.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            relying = _relying(identity)
            for mirror in identity.mirrors:
                if relying.get(mirror.table) and not mirror.synced_by and not is_guess(mirror):
                    yield _problem(schema, identity, mirror, relying[mirror.table])


def _relying(identity: Identity) -> dict[QName, list[Reference]]:
    """The user references by the table that they rely on."""
    found: dict[QName, list[Reference]] = {}
    for reference in identity.references:
        if reference.verdict != "identity-key":
            found.setdefault(reference.key.target.table, []).append(reference)
    return found


def _problem(schema: Schema, identity: Identity, mirror: Mirror, references: list[Reference]) -> Problem:
    idle = next((evidence for evidence in mirror.evidence if evidence.kind == "trigger"), None)
    relying = (
        f"{plural(len(references), 'foreign key')} {'relies' if len(references) == 1 else 'rely'} on {mirror.target}"
    )
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"{relying}, but {_what_is_missing(identity, idle)}{_nor_users(schema, identity, mirror)}.",
        consequence=(
            f"Unless something outside the database inserts it, a user who signs up has no row in {mirror.table},"
            " and every row that names them through these keys fails with 23503."
        ),
        severity=Severity.WARNING,
        confidence=sure_unfilled(schema, identity, mirror),
        table=mirror.table,
        columns=(mirror.column,),
        target=mirror.target,
        related=(
            *_idle_note(idle),
            Note("one of the keys that rely on it", Place(references[0].key.ref)),
        ),
        remedy=Remedy(_change(identity, mirror, idle), Safety.UNSAFE),
    )


def _what_is_missing(identity: Identity, idle: Evidence | None) -> str:
    if idle is None or idle.place is None:
        return f"no trigger on {identity.source.table} in this schema inserts a row into it"
    if idle.place.ref.kind == "trigger":
        return f"the trigger {idle.place.ref.part} that would fill it is disabled"
    return f"{idle.place.ref} would fill it and no trigger in this schema calls it"


def _nor_users(schema: Schema, identity: Identity, mirror: Mirror) -> str:
    return ", and no policy lets users insert their own" if users_cannot_insert(schema, identity, mirror) else ""


def _idle_note(idle: Evidence | None) -> Iterator[Note]:
    if idle is not None:
        yield Note(idle.detail, idle.place)


def _change(identity: Identity, mirror: Mirror, idle: Evidence | None) -> Cure:
    if idle is not None and idle.place is not None and idle.place.ref.kind == "trigger":
        return EnableTrigger(idle.place.ref)
    return CreateSyncTrigger(identity.source, mirror.target)
