from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.schema import Schema
from referee.rules._firing import pursue_disabled, pursuits
from referee.rules._sync_problems import coverage, disabled, problems, without_search_path
from referee.rules.base import Rule


class UnsafeSyncTrigger(Rule):
    """
    A trigger on the identity source whose function fails, or loses the mirror's row.

    ## Why it fails
    The trigger runs inside the sign-up. What it raises rolls the sign-up back, and the user reads "Database error
    saving new user". It runs as the role that writes the source, on Supabase `supabase_auth_admin`, whose search_path
    is `auth` and who has no rights on your tables; so a function that works from the SQL editor, where you are
    `postgres`, can fail for every user. And it runs for every way to sign up: by phone and anonymously there is no
    e-mail address, and metadata holds only what a client chose to send. Swallowing the error instead lets the user in
    without a row in the mirror, and the first write that references it fails with 23503, far from the cause.

    ## Wrong
    Without SECURITY DEFINER the function has the rights of `supabase_auth_admin` (42501):
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create function public.handle_new_user() returns trigger language plpgsql set search_path = '' as $$
    begin
      insert into public.profiles (id) values (new.id);  -- finding
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```
    Without a search_path a bare name is looked up in `auth`. `profiles` is not there (42P01); `users` would be the
    table that fired the trigger:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    create function public.handle_new_user() returns trigger language plpgsql security definer as $$
    begin
      insert into profiles (id) values (new.id);  -- finding
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```
    A sign-up by phone has no e-mail address, and only some clients send a name (23502):
    ```sql
    create table public.profiles (
      id uuid primary key references auth.users (id) on delete cascade,
      email text not null,
      name text not null
    );
    create function public.handle_new_user() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, email, name)
      values (
        new.id,
        new.email,  -- finding
        new.raw_user_meta_data ->> 'name'  -- finding
      );
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```
    Here nothing fails, and a user whose name is taken gets no row:
    ```sql
    create table public.profiles (
      id uuid primary key references auth.users (id) on delete cascade,
      name text unique
    );
    create function public.handle_new_user() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, name)
      values (new.id, new.raw_user_meta_data ->> 'name');  -- finding
      return new;
    exception when others then  -- finding
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```

    ## Right
    ```sql
    create table public.profiles (
      id uuid primary key references auth.users (id) on delete cascade,
      email text,
      name text not null
    );
    create function public.handle_new_user() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.profiles (id, email, name)
      values (new.id, new.email, coalesce(new.raw_user_meta_data ->> 'name', new.email, 'New user'))
      on conflict (id) do nothing;
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```

    ## What is looked at
    Each way to sign up (by e-mail, by phone, anonymously, through OAuth) is followed through every trigger on the
    source, the functions it calls and the rows it inserts: rights and row security; names under the search_path in
    force; NOT NULL columns, checks and labels; unique keys that two sign-ups can collide on; swallowed errors; ON
    CONFLICT that passes over a user; BEFORE INSERT with a key to the row that is not there yet; statement-level and
    disabled triggers; UPDATE triggers that insert again; conditions that leave users out; values that the host writes
    only after the INSERT, such as `role`, `email_confirmed_at` and application metadata. A trigger that fills something
    else than a mirror is reported where it aborts the sign-up. Names that exist nowhere are
    `broken-function-reference`.

    ## When it is deliberate
    A trigger may refuse sign-ups on purpose: RAISE EXCEPTION is not a finding. A trigger may leave out anonymous users:
    that is information, or a warning where keys reference the mirror.

    ## Severity and confidence
    An error where a sign-up fails, or a row is lost, for certain; the message says which sign-ups. A warning where it
    takes more (a condition that cannot be judged, a value that somebody else has already), information where it is
    style. Where a value or a condition is not known, nothing is claimed.
    """

    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity, pursuit in pursuits(schema, identities):
            yield from problems(identity, pursuit, indirect=False)
            yield from coverage(schema, identity, pursuit)
            yield from disabled(identity, pursuit, pursue_disabled(schema, identity))
            yield from without_search_path(schema, identity, pursuit)
