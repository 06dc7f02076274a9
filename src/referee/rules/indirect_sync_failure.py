from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.schema import Schema
from referee.rules._firing import pursuits
from referee.rules._sync_problems import problems
from referee.rules.base import Rule


class IndirectSyncFailure(Rule):
    """
    A trigger further down, on the mirror or behind it, that makes the sign-up fail.

    ## Why it fails
    The sync trigger inserts a row into the mirror, the mirror has triggers of its own, and what those raise rolls back
    the whole sign-up. They inherit what is in force: unless a function in between sets a search_path, names are still
    looked up in the one of the role that writes the source (on Supabase `auth`), and unless one is SECURITY DEFINER the
    rights are still that role's. The same trigger works when the application writes the mirror, so the fault shows only
    in sign-ups, and the log names a table that seems to have nothing to do with them.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.settings (profile_id uuid primary key references public.profiles (id) on delete cascade);
    create function public.handle_new_user() returns trigger
    language plpgsql security definer as $$
    begin
      insert into public.profiles (id) values (new.id);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    create function public.add_settings() returns trigger
    language plpgsql security definer as $$
    begin
      insert into settings (profile_id) values (new.id);  -- finding
      return new;
    end $$;
    create trigger on_profile_created after insert on public.profiles
      for each row execute function public.add_settings();
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create table public.settings (profile_id uuid primary key references public.profiles (id) on delete cascade);
    create function public.handle_new_user() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id);
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    create function public.add_settings() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.settings (profile_id) values (new.id);
      return new;
    end $$;
    create trigger on_profile_created after insert on public.profiles
      for each row execute function public.add_settings();
    ```

    ## When it is deliberate
    Never; a trigger that refuses certain rows on purpose raises an exception, and that is not reported.

    ## Severity and confidence
    As for `unsafe-sync-trigger`, whose page lists what is looked at.
    """

    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity, pursuit in pursuits(schema, identities):
            yield from problems(identity, pursuit, indirect=True)
