from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.fixtures import Bypass, Fixtures
from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.schema import Schema
from referee.rules.base import FixtureRule


class DisabledTriggersLoad(FixtureRule):
    """
    A seed or test that disables the triggers which keep users and their mirrors together.

    ## Why it fails
    With the sync trigger off, the fixture decides what a sign-up leaves behind, and no test tries what production does.
    DISABLE TRIGGER ALL switches the foreign keys of the table off as well. Where the line that enables them again is
    missing or not reached, they stay off.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create function public.handle_new_user() returns trigger
      language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    -- supabase/seed.sql
    alter table auth.users disable trigger on_auth_user_created;  -- finding
    insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
    alter table auth.users enable trigger on_auth_user_created;
    ```

    ## Right
    Let the trigger fill the mirror, and change its row afterwards:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
    -- supabase/seed.sql
    insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
    update public.profiles set name = 'Ada';
    ```

    ## When it is deliberate
    For loading a dump that holds the mirrors too. Triggers that have nothing to do with users are not reported.

    ## Severity and confidence
    Certain: it is what the statement says.
    """

    severity = Severity.WARNING

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        for file in fixtures.files:
            seen: set[Bypass] = set()
            for bypass in file.bypasses:
                key = Bypass(bypass.kind, file.place or bypass.place, bypass.table, bypass.trigger)
                if bypass.kind == "triggers" and key not in seen and _matters(schema, identities, bypass):
                    seen.add(key)
                    yield _problem(file.path, bypass)


def _matters(schema: Schema, identities: Identities, bypass: Bypass) -> bool:
    """Whether what is disabled fills a mirror, or enforces a user reference."""
    for identity in identities.all:
        synced = [trigger for mirror in identity.mirrors for trigger in mirror.synced_by]
        for trigger in synced:
            if trigger.owner == bypass.table and bypass.trigger in ("all", "user", trigger.part):
                return True
        if bypass.trigger == "all" and any(reference.key.table == bypass.table for reference in identity.references):
            return True
    return False


def _problem(path: str, bypass: Bypass) -> Problem:
    assert bypass.table is not None
    what = {"all": "all triggers, those of foreign keys included,", "user": "all triggers"}.get(
        bypass.trigger or "", f"the trigger {bypass.trigger}"
    )
    return Problem(
        object=Ref("table", *bypass.table),
        cause=f"This statement disables {what} on {bypass.table}.",
        consequence="What is loaded behind it came about in a way that no sign-up and no user has.",
        severity=Severity.WARNING,
        table=bypass.table,
        place=bypass.place,
        key=bypass.trigger or "",
        file=path,
    )
