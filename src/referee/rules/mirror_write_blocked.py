from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Confidence, Note, Problem, Severity
from referee.model.identity import Identities, Mirror
from referee.model.names import Ref
from referee.model.origins import Place
from referee.model.remedy import CreatePolicy, Remedy, Safety
from referee.model.schema import Schema, Table
from referee.rules._filling import SIGNED_IN, Command, has_function_that_fills, missing_command
from referee.rules.base import Rule


class MirrorWriteBlocked(Rule):
    """
    Row security keeps users from writing their own row of a mirror that nothing else in the database fills.

    ## Why it fails
    Where no trigger fills the mirror, the application has to, and most do it in the user's name right after the
    sign-up. With row security on, an INSERT needs a policy for INSERT, else it fails with SQLSTATE 42501. An upsert
    needs more: its ON CONFLICT clause reads the row, so without a policy for SELECT even the first upsert fails with
    42501, and so does an INSERT with RETURNING; without one for UPDATE it fails as soon as the row exists (run on
    PostgreSQL 18.6). The application seldom looks at the error, the row stays missing, and later every key to the
    mirror fails with 23503.

    ## Wrong
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);  -- finding
    create table public.bands (owner uuid references public.users (id));
    alter table public.users enable row level security;
    create policy "read own" on public.users for select using (id = auth.uid());
    create policy "update own" on public.users for update using (id = auth.uid());
    ```
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);  -- finding
    create table public.bands (owner uuid references public.users (id));
    alter table public.users enable row level security;
    create policy "insert own" on public.users for insert with check (id = auth.uid());
    ```

    ## Right
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    alter table public.users enable row level security;
    create policy "read own" on public.users for select using (id = auth.uid());
    create policy "insert own" on public.users for insert with check (id = auth.uid());
    create policy "update own" on public.users for update using (id = auth.uid());
    ```
    Better still, let a trigger on the source fill the mirror; then users need no right to insert, and this rule is
    silent:
    ```sql
    create table public.users (id uuid primary key references auth.users (id) on delete cascade);
    create table public.bands (owner uuid references public.users (id));
    alter table public.users enable row level security;
    create function public.handle_new_user() returns trigger
      language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.users (id) values (new.id) on conflict (id) do nothing;
      return new;
    end $$;
    create trigger on_auth_user_created after insert on auth.users
      for each row execute function public.handle_new_user();
    ```

    ## When it is deliberate
    Where a server fills the mirror with a role that row security does not bind, such as Supabase's `service_role`. No
    schema tells, hence the finding is only possible.

    ## How referee knows
    From row security and the policies for `authenticated` and for everybody. A policy whose condition only the
    service role meets does not count, and a function with its owner's rights that inserts the caller's row makes it
    silent. It is information only where a trigger fills the mirror but not for every user, or where the missing
    policy is the one for UPDATE.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for identity in identities.all:
            for mirror in identity.mirrors:
                table = schema.table(mirror.table)
                if table is None or not table.row_security or mirror.complete:
                    continue
                if has_function_that_fills(schema, identity, mirror):
                    continue
                relying = sum(
                    reference.key.target.table == mirror.table and reference.verdict != "identity-key"
                    for reference in identity.references
                )
                missing = missing_command(schema, table)
                if relying and missing is not None:
                    yield _problem(mirror, table, missing, relying)


_WHAT_FAILS = {
    "insert": "inserting a user's own row fails with 42501",
    "select": "an upsert of a user's own row, and an insert that returns it, fails with 42501",
    "update": "an upsert of a user's own row fails with 42501 once the row exists",
}


def _problem(mirror: Mirror, table: Table, missing: Command, relying: int) -> Problem:
    keys = "the foreign key that relies on it fails" if relying == 1 else f"{relying} foreign keys that rely on it fail"
    after = "" if missing == "update" else f", and then {keys} with 23503"
    minor = missing == "update" or bool(mirror.synced_by)
    return Problem(
        object=Ref("table", *mirror.table),
        cause=f"Row security is on for {mirror.table}, and no policy for {missing.upper()} lets a user through.",
        consequence=f"Unless it is done by a role that row security does not bind, {_WHAT_FAILS[missing]}{after}.",
        severity=Severity.INFO if minor else Severity.WARNING,
        confidence=min(mirror.confidence, Confidence.POSSIBLE),
        table=mirror.table,
        columns=(mirror.column,),
        related=tuple(Note(f"the policy for {policy.command.upper()}", Place(policy.ref)) for policy in table.policies),
        remedy=Remedy(CreatePolicy(mirror.table, missing, SIGNED_IN, mirror.column), Safety.UNSAFE),
        key=missing,
    )
