from __future__ import annotations

from collections.abc import Iterator, Mapping

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities, Identity, Mirror, Write
from referee.model.names import QName, Ref, Target
from referee.model.origins import Place
from referee.model.remedy import CreateSyncTrigger, Remedy
from referee.model.schema import ForeignKey, Schema, Trigger
from referee.rules._filling import sure_unfilled
from referee.rules.base import Rule
from referee.sql.bodies import read_body
from referee.sql.tree import Body, Step


class SessionIdentityInKey(Rule):
    """
    The database itself stores a user's id in a column whose key looks it up where it need not be.

    ## Why it fails
    `auth.uid()` is the id of an account: it is in the identity source (on Supabase `auth.users`). A trigger, a
    default or a function that writes it into a column which references the *mirror* relies on a row there. For a user
    whose row is missing the statement fails with SQLSTATE 23503, even though the application named no user, and often
    in a table that it never touched.

    ## Wrong
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (created_by uuid references public.users (id));
    create function public.stamp() returns trigger language plpgsql as $$
    begin
      new.created_by := auth.uid();  -- finding
      return new;
    end $$;
    create trigger stamp before insert on public.songs for each row execute function public.stamp();
    ```
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (
      created_by uuid default auth.uid() references public.users (id)  -- finding
    );
    ```
    A trigger on the source has the same fault where it stores the new id before the mirror has it. Every sign-up
    fails:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.settings (owner uuid references public.profiles (id));
    create function public.handle_new_user() returns trigger language plpgsql security definer as $$
    begin
      insert into public.settings (owner) values (new.id);  -- finding
      insert into public.profiles (id) values (new.id);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```

    ## Right
    Fill the mirror by a trigger on the source, so that it holds every id that a session can have:
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.songs (created_by uuid default auth.uid() references public.users (id));
    create function public.handle_new_user() returns trigger
      language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.users (id) values (new.id) on conflict (id) do nothing;
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```
    Or reference the source:
    ```sql
    create table public.songs (created_by uuid default auth.uid() references auth.users (id));
    ```

    ## When it is deliberate
    Where the application fills the mirror before it lets a user do anything else. Then 23503 is the guard that you
    want; suppress the finding with that reason.

    ## How referee knows
    It reads the bodies of functions in SQL and PL/pgSQL and follows the value through variables, casts and COALESCE.
    It is an error where no trigger on the source fills the mirror, possible because application code may, and likely
    where a disabled trigger or row security speaks against that; a warning where a trigger does but not always, because
    of a condition or a swallowed error. It is certain where a trigger on the source stores an id before anything can
    have put it into the mirror. It is silent where a sound trigger fills the mirror. SQL that is built at run time is
    not read; `referee check` lists it among the gaps.
    """

    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            sure = {mirror.table: sure_unfilled(schema, identity, mirror) for mirror in identity.mirrors}
            for write in identity.writes:
                if write.expression.startswith("NEW."):
                    yield from _new_row(schema, identity, write)
                else:
                    yield from _session(identity, write, sure)


# The session's user


def _session(identity: Identity, write: Write, sure: Mapping[QName, Confidence]) -> Iterator[Problem]:
    failing = [
        (key, mirror)
        for key in write.reaches
        if (mirror := identity.mirror_by_table.get(key.target.table)) is not None
        and not mirror.complete
        and not _stored_before(identity, write, mirror)
    ]
    if not failing:
        return
    keys, mirrors = [key for key, _ in failing], list(dict.fromkeys(mirror.table for _, mirror in failing))
    filled = all(mirror.synced_by for _, mirror in failing)
    how = "not every sign-up fills" if filled else "nothing in the database fills"
    yield _problem(
        write,
        keys,
        consequence=(f"A user without a row in {_and(mirrors)}, which {how}, gets 23503 {_when(write)}."),
        severity=Severity.WARNING if filled else Severity.ERROR,
        confidence=min(sure[mirror.table] for _, mirror in failing),
        remedy=None if filled else Remedy(CreateSyncTrigger(identity.source, failing[0][1].target)),
    )


def _stored_before(identity: Identity, write: Write, mirror: Mirror) -> bool:
    """Whether the same function has put the id into the mirror's key before."""
    return any(
        other.expression == write.expression
        and (mirror.table, mirror.column) in other.columns
        and (other.place.within or (0, 0)) < (write.place.within or (0, 0))
        for other in identity.writes_by_owner[write.owner]
    )


def _when(write: Write) -> str:
    if write.where == "function":
        return f"from {write.owner}"
    return "here, even where the application names no user"


# The key of a new row


def _new_row(schema: Schema, identity: Identity, write: Write) -> Iterator[Problem]:
    sides = {identity.source.table, *identity.mirror_by_table}
    for trigger in schema.triggers_by_function.get(write.owner.owner, ()):
        if trigger.table not in sides or not _fires_at_insert(trigger):
            continue
        keys = [key for key in write.reaches if _is_too_early(schema, identity, write, trigger, key)]
        if keys:
            step = _step_at(schema, write)
            swallowed = step is not None and _is_swallowed(schema, write, step)
            certain = trigger.when is None and step is not None and not step.guards
            yield _problem(
                write,
                keys,
                consequence=_what_sign_ups_meet(trigger, certain, swallowed),
                severity=Severity.WARNING if swallowed else Severity.ERROR,
                confidence=min(_confidence(identity, key) for key in keys) if certain else Confidence.LIKELY,
                remedy=None,
            )
            return


def _fires_at_insert(trigger: Trigger) -> bool:
    return trigger.enabled in ("origin", "always") and "insert" in trigger.events


def _is_too_early(schema: Schema, identity: Identity, write: Write, trigger: Trigger, key: ForeignKey) -> bool:
    """Whether a key cannot find the new id, because the trigger runs before the row is there, or before the mirror's
    is.

    The identity key of a mirror that is filled too early is left to the rule about unsafe sync triggers.
    """
    if key.initially_deferred or not key.enforced:
        return False
    if key.target.table == trigger.table:
        own = identity.mirror_by_table.get(key.table)
        is_identity_key = own is not None and own.identity_key is not None and own.identity_key.ref == key.ref
        return trigger.timing == "BEFORE" and not is_identity_key
    mirror = identity.mirror_by_table.get(key.target.table)
    if mirror is None or _stored_before(identity, write, mirror):
        return False
    return not any(_runs_before(schema, other, trigger) for other in mirror.synced_by)


def _runs_before(schema: Schema, ref: Ref, trigger: Trigger) -> bool:
    """Whether another trigger has run at an INSERT when this one does. BEFORE comes before AFTER, those of one kind
    run in the order of their names; a table further up has got its row, and AFTER triggers their turn, before this
    one's.
    """
    table = schema.table(ref.owner)
    other = next((found for found in table.triggers if found.name == ref.part), None) if table is not None else None
    if other is None or "insert" not in other.events:
        return False
    if other.table != trigger.table:
        return True
    return (other.timing == "AFTER", other.name) < (trigger.timing == "AFTER", trigger.name)


def _step_at(schema: Schema, write: Write) -> Step | None:
    """The statement of the function in which a write stands."""
    body = _body(schema, write)
    at = write.place.within
    if body is None or at is None:
        return None
    return next(
        (step for step in body.steps if step.start <= at[0] < step.end and step.kind in ("query", "assign")), None
    )


def _is_swallowed(schema: Schema, write: Write, step: Step) -> bool:
    body = _body(schema, write)
    return body is not None and any(not body.handlers[index].reraises for index in step.handlers)


def _body(schema: Schema, write: Write) -> Body | None:
    found = schema.functions_by_name.get(write.owner.owner, ())
    return next((read_body(one.language, one.body) for one in found if one.ref == write.owner), None)


def _what_sign_ups_meet(trigger: Trigger, certain: bool, swallowed: bool) -> str:
    rows = "every new row" if certain else "a new row that gets there"
    if swallowed:
        return (
            f"The trigger {trigger.name} meets 23503 at {rows} of {trigger.table} and swallows it: its work is undone."
        )
    return f"The trigger {trigger.name} fails with 23503 at {rows} of {trigger.table}, and the sign-up fails with it."


def _confidence(identity: Identity, key: ForeignKey) -> Confidence:
    mirror = identity.mirror_by_table.get(key.target.table)
    return Confidence.CERTAIN if mirror is None else mirror.confidence


# What is said


def _problem(
    write: Write,
    keys: list[ForeignKey],
    consequence: str,
    severity: Severity,
    confidence: Confidence,
    remedy: Remedy | None,
) -> Problem:
    columns = [str(Target(key.table, key.columns)) for key in keys]
    targets = list(dict.fromkeys(str(key.target) for key in keys))
    look = "the key there looks" if len(keys) == 1 else "the keys there look"
    writes = "is the default of" if write.where == "default" else "is written into"
    by = "" if write.where == "default" else f" by {write.owner}"
    return Problem(
        object=write.owner,
        cause=f"{write.expression} {writes} {_and(columns)}{by}, and {look} it up in {_and(targets)}.",
        consequence=consequence,
        severity=severity,
        confidence=confidence,
        table=keys[0].table if len({key.table for key in keys}) == 1 else None,
        columns=tuple(dict.fromkeys(column for key in keys for column in key.columns)),
        target=keys[0].target,
        place=write.place,
        related=tuple(Note(f"{key.table} references {key.target} here", Place(key.ref)) for key in keys),
        remedy=remedy,
        key=f"{write.expression} {' '.join(sorted(columns))}",
    )


def _and(words: list[str] | list[QName]) -> str:
    *first, last = [str(word) for word in words]
    return f"{', '.join(first)} and {last}" if first else last
