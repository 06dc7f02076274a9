from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.fixtures import Fixtures
from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.schema import Schema
from referee.rules.base import FixtureRule, plural


class ReplicaModeLoad(FixtureRule):
    """
    A seed or test that loads rows under session_replication_role = replica.

    ## Why it fails
    In that mode neither foreign keys nor ordinary triggers fire: rows come in whose referenced row is missing, and the
    sync trigger fills no mirror. The keys stay marked as valid, so nothing looks again, until an update of such a row
    or the restore of a dump fails with 23503. `supabase db dump --data-only` writes this line at the head of its files.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    -- supabase/seed.sql
    set session_replication_role = replica;  -- finding
    insert into public.profiles (id) values ('a0000000-0000-4000-8000-000000000001');
    ```

    ## Right
    Load the tables in the order of their keys, and let the keys see the rows:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    -- supabase/seed.sql
    insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');
    insert into public.profiles (id) values ('a0000000-0000-4000-8000-000000000001');
    ```

    ## When it is deliberate
    For a whole dump whose rows are known to fit, source and mirrors included. Then suppress this finding.

    ## Severity and confidence
    Certain that the mode is set and that rows follow in the same file; whether they have orphans only the rows tell.
    """

    severity = Severity.WARNING

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        own = {table.name for table in schema.own_tables}
        for file in fixtures.files:
            first = next((bypass for bypass in file.bypasses if bypass.kind == "replica"), None)
            tables = {fill.table for fill in file.fills} & own
            if first is None or not tables:
                continue
            yield Problem(
                object=Ref("file", "", file.path),
                cause=f"{plural(len(tables), 'table')} of the project are filled here in replica mode."
                if len(tables) > 1
                else f"{next(iter(tables))} is filled here in replica mode.",
                consequence="No foreign key checks these rows and no trigger fires for them, so orphans and users "
                "without a mirror row come in unnoticed.",
                severity=Severity.WARNING,
                place=first.place,
            )
