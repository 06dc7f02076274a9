from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.fixtures import Fixtures
from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.schema import Schema
from referee.rules.base import FixtureRule, plural

# It takes no user's place: row security does not bind it, and auth.uid() is null.
_SERVICE = "service_role"


class SuperuserSuite(FixtureRule):
    """
    A test suite that never takes a user's role, so that no policy and no auth.uid() is ever tried.

    ## Why it fails
    `supabase test db` connects as a role that row security does not bind, and without a session: policies let
    everything pass, and `auth.uid()` is null, so triggers and defaults that write it write nothing. What a test shows
    then holds for migrations and jobs, not for a single user of the application.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    alter table public.profiles enable row level security;
    -- supabase/tests/001-profiles.sql
    select plan(1);
    insert into public.profiles (id) select id from auth.users;  -- finding
    select isnt_empty('select * from public.profiles', 'there are profiles');
    ```

    ## Right
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    alter table public.profiles enable row level security;
    -- supabase/tests/001-profiles.sql
    select plan(1);
    select set_config('request.jwt.claims', '{"sub": "a0000000-0000-4000-8000-000000000001"}', true);
    set local role authenticated;
    select lives_ok($$ insert into public.profiles (id) values (auth.uid()) $$, 'users make their profile');
    ```

    ## When it is deliberate
    Where everything goes through the service role and no user ever reaches the database. Where tests in Python,
    TypeScript or JavaScript sign somebody in, nothing is reported: they may try the policies.

    ## Severity and confidence
    Information. Certain as far as the files go: SET ROLE, `set_config('role', ...)` and helpers that do either are
    seen, in the tests themselves and in the helpers of basejump; another library's helpers are not.
    """

    severity = Severity.INFO

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        tests = [file for file in fixtures.files if file.kind == "test"]
        others = [file for file in fixtures.files if file.is_code]
        writing = [file for file in tests if file.place is not None]
        if not writing or any(file.roles - {_SERVICE} for file in (*tests, *others)):
            return
        guarded = [table for table in schema.own_tables if table.row_security]
        if not guarded or not any(identity.references or identity.mirrors for identity in identities.all):
            return
        yield Problem(
            object=Ref("file", "", writing[0].path),
            cause=f"None of {plural(len(tests), 'SQL test')} takes the role of a user.",
            consequence=f"The policies of {plural(len(guarded), 'table')} with row security are never tried, nor is "
            "what triggers do with auth.uid().",
            severity=Severity.INFO,
            place=writing[0].place,
        )
