from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.names import Target
from referee.model.schema import ForeignKey, Schema
from referee.rules.base import Rule


class ManagedNonKeyReference(Rule):
    """
    A foreign key to a table of the platform that does not reference the table's primary key.

    ## Why it fails
    A foreign key needs a unique index on the columns that it references. Those of a managed table belong to the
    platform: only the primary key is promised to stay. When the platform changes another unique index, it cannot drop
    it while your key hangs on it, so its own migration fails and your project stops being updated; or a restore into
    a newer version of the platform fails with `42830 there is no unique constraint matching given keys`. That
    happened to every key to `auth.users (email)`, whose index became a partial one. Supabase's own advisor reports
    the same (lint 0021, `fkey_to_auth_unique`).

    ## Wrong
    ```sql
    create table public.devices (
      id uuid primary key,
      phone text references auth.users (phone)  -- finding
    );
    ```
    ## Right
    ```sql
    create table public.devices (
      id uuid primary key,
      user_id uuid references auth.users (id) on delete cascade
    );
    ```
    ## When it is deliberate
    Never: what the other column says can be read through the primary key.

    ## Severity and confidence
    Certain: it is read off the key itself.
    """

    severity = Severity.ERROR

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for table in schema.own_tables:
            for key in table.foreign_keys:
                expected = _primary_key(schema, key)
                if expected is not None and set(expected.columns) != set(key.target.columns):
                    yield _problem(key, expected)


def _primary_key(schema: Schema, key: ForeignKey) -> Target | None:
    name = key.target.table
    if not schema.is_managed(name.schema) or not key.target.columns:
        return None
    table = schema.table(name)
    if table is None or table.primary_key is None:
        return None
    return Target(name, table.primary_key.columns)


def _problem(key: ForeignKey, expected: Target) -> Problem:
    return Problem(
        object=key.ref,
        cause=f"{Target(key.table, key.columns)} references {key.target}, which is not the primary key of that table.",
        consequence=f"Only {expected} is promised to stay: when the platform changes the unique index behind "
        f"{key.target}, its migration or your next restore fails (42830).",
        severity=Severity.ERROR,
        table=key.table,
        columns=key.columns,
        target=key.target,
        expected_target=expected,
    )
