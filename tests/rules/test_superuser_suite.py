"""What the page of the rule cannot hold: tests in other languages beside those in SQL."""

from __future__ import annotations

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.source import Source
from referee.platforms import platform
from referee.read.code_fixtures import code_events
from referee.read.fixtures import FixtureText, read_fixtures
from referee.read.replay import replay
from referee.rules.superuser_suite import SuperuserSuite

SUPABASE = platform("supabase")
SCHEMA = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
alter table public.profiles enable row level security;
"""


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("await client.auth.signInWithPassword({ email })", 0),
        ("await pg.query('set local role authenticated')", 0),
        ("await client.auth.admin.createUser({ email })", 1),
        ("await pg.query('set local role service_role')", 1),
    ],
)
def test_whoever_signs_in_may_try_the_policies(program: str, found: int) -> None:
    schema = replay([Source("1.sql", SCHEMA)], SUPABASE).schema
    identities = identify(schema, IdentityOptions(SUPABASE))
    source = Source("a.test.ts", program)
    code = [FixtureText("code", source, code_events(source), is_code=True)]
    test = ("test", Source("a.sql", "insert into public.profiles (id) select id from auth.users;"))
    fixtures = read_fixtures([test], schema, SUPABASE, code)  # type: ignore[list-item]
    assert len(list(SuperuserSuite().check_fixtures(schema, identities, fixtures))) == found
