from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.fixtures import Fill, FixtureFile, Fixtures
from referee.model.identity import Identities
from referee.model.names import QName, Ref
from referee.model.schema import Schema
from referee.rules.base import FixtureRule

_ACCOUNTS = QName("auth", "users")
_IDENTITIES = QName("auth", "identities")
# Columns without a default that the service reads into texts (supabase/auth, internal/models/user.go, 2026).
_TOKENS = ("confirmation_token", "recovery_token", "email_change_token_new", "email_change")


class ImpossibleSignup(FixtureRule):
    """
    An account in a seed or test that the sign-up service would never have written.

    ## Why it fails
    The service writes an account in several statements: an empty role first, empty texts in the token columns, a row in
    `auth.identities`, the rest by UPDATE. A fixture that inserts one ready-made row shows triggers something that they
    never meet in production. Where the tokens are NULL, signing in as that user fails with "Database error querying
    schema", since the service cannot read them.

    ## Wrong
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    -- supabase/seed.sql
    insert into auth.users (id, role, email)  -- finding
    values ('a0000000-0000-4000-8000-000000000001', 'authenticated', 'ada@example.org');
    ```

    ## Right
    Let the service make the account (`supabase.auth.admin.createUser`), or write what it writes:
    ```sql
    create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
    -- supabase/seed.sql
    insert into auth.users (
      id, email, role, confirmation_token, recovery_token, email_change_token_new, email_change
    )
    values ('a0000000-0000-4000-8000-000000000001', 'ada@example.org', 'authenticated', '', '', '', '');
    insert into auth.identities (provider_id, user_id, identity_data, provider)
    select id::text, id, jsonb_build_object('sub', id, 'email', email), 'email' from auth.users;
    ```

    ## When it is deliberate
    In tests of the database alone nobody signs in through the service, so this is information there.

    ## Severity and confidence
    A warning in seeds whose users cannot sign in, otherwise information. Certain for columns that are left out or NULL;
    a value that only a run tells is taken to be right.
    """

    severity = Severity.WARNING

    def check_fixtures(self, schema: Schema, identities: Identities, fixtures: Fixtures) -> Iterator[Problem]:
        if not any(identity.source.table == _ACCOUNTS for identity in identities.all):
            return
        for file in fixtures.files:
            seen: set[str] = set()
            for fill in file.fills:
                problem = _judge(file, fill) if fill.table == _ACCOUNTS and fill.unit not in seen else None
                if problem is not None:
                    seen.add(fill.unit)
                    yield problem


def _judge(file: FixtureFile, fill: Fill) -> Problem | None:
    if fill.values is None:
        return None
    empty = [column for column in _TOKENS if fill.values.get(column) is None]
    faults = []
    if empty:
        faults.append("tokens that are NULL" if len(empty) > 1 else f"a {empty[0]} that is NULL")
    if not any(other.table == _IDENTITIES for other in file.fills):
        faults.append("no row in auth.identities")
    if not faults:
        return None
    if fill.values.get("role") is not None:
        faults.append("its role from the beginning")
    *most, last = faults
    is_grave = file.kind == "seed" and bool(empty)
    return Problem(
        object=Ref("table", *_ACCOUNTS),
        cause=f"This account has {', '.join(most)}{' and ' if most else ''}{last}, as no sign-up leaves it.",
        consequence="Signing in as this user fails, and triggers see a row that they never meet in production."
        if is_grave
        else "Triggers see a row that they never meet in production.",
        severity=Severity.WARNING if is_grave else Severity.INFO,
        table=_ACCOUNTS,
        place=fill.place,
        key=file.function_of(fill),
        file=file.path,
    )
