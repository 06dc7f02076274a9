"""Bandbook with many users and everything that goes wrong with them: what a careless year leaves behind.

The rows are made by the server from numbers, so that the same mess can be told again by a model: user ``n`` has the id
``user_id(n)``. What is wrong with whom depends on ``n`` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from referee.model.source import Source
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.workflow.scripts import script_of
from tests import bandbook

SEED = Path("supabase/seed.sql")


def user_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass(frozen=True)
class Mess:
    """How many of everything. Users are numbered from 1."""

    users: int
    songs: int = 0

    def is_unmirrored(self, number: int) -> bool:
        return number % 37 == 0

    def is_stray(self, number: int) -> bool:
        return number % 101 == 0

    @cached_property
    def unmirrored(self) -> set[str]:
        """Accounts without their row in public.users."""
        return {user_id(n) for n in range(1, self.users + 1) if self.is_unmirrored(n) and not self.is_stray(n)}

    @cached_property
    def strays(self) -> set[str]:
        """Rows of public.users whose account is gone."""
        return {user_id(n) for n in range(1, self.users + 1) if self.is_stray(n) and not self.is_unmirrored(n)}

    @cached_property
    def nowhere(self) -> set[str]:
        """Users of whom there is neither account nor row."""
        return {user_id(n) for n in range(1, self.users + 1) if self.is_stray(n) and self.is_unmirrored(n)}

    def name(self, number: int) -> tuple[str, str]:
        """The name that the missing row of an account should get, and where it comes from."""
        match number % 3:
            case 0:
                return f"Name {number}", "metadata"
            case 1:
                return f"user{number}", "e-mail"
            case _:
                return f"Full Name {number}", "metadata"


#: The rows: ``:users`` and ``:songs`` are the numbers of both. To be run by a superuser.
MESS_ROWS = """
set session_replication_role = replica;
insert into auth.users (
  instance_id, id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data, created_at, updated_at
)
select '00000000-0000-0000-0000-000000000000', ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
       'authenticated', 'authenticated', 'user' || n || '@example.org', now(), '{"provider": "email"}',
       case n % 3 when 0 then jsonb_build_object('name', 'Name ' || n)
                  when 1 then jsonb_build_object('name', '  ')
                  else jsonb_build_object('full_name', 'Full Name ' || n) end,
       timestamptz '2025-01-01' + n * interval '1 minute', now()
from generate_series(1, :users) as n where n % 101 <> 0;
insert into public.users (id, email, name, created_date)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'user' || n || '@example.org', 'User ' || n, now()
from generate_series(1, :users) as n where n % 37 <> 0;
insert into public.bands (id, name, created_by)
values ('b1000000-0000-4000-8000-000000000001', 'The Load', null);
insert into public.songs (id, band_id, title, created_by, last_modified_by)
select ('50000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'b1000000-0000-4000-8000-000000000001',
       'Song ' || n,
       ('00000000-0000-4000-8000-' || lpad((1 + n * 7 % :users)::text, 12, '0'))::uuid,
       case when n % 5 > 0 then ('00000000-0000-4000-8000-' || lpad((1 + n * 11 % :users)::text, 12, '0'))::uuid end
from generate_series(1, :songs) as n;
insert into public.shows (id, band_id, name, show_date, created_by)
select ('80000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'b1000000-0000-4000-8000-000000000001',
       'Show ' || n,
       current_date, ('00000000-0000-4000-8000-' || lpad((1 + n * 13 % :users)::text, 12, '0'))::uuid
from generate_series(1, :songs / 4) as n;
insert into public.practice_sessions (id, band_id, show_id, starts_at)
select ('90000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'b1000000-0000-4000-8000-000000000001',
       ('80000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, now()
from generate_series(1, :songs / 8) as n;
insert into public.audit_log (user_id, action, subject)
select ('00000000-0000-4000-8000-' || lpad((1 + n * 17 % :users)::text, 12, '0'))::uuid, 'update', 'song ' || n
from generate_series(1, :songs / 4) as n;
set session_replication_role = origin;
analyze;
"""


def load(server: Server, database: str, mess: Mess, variant: bandbook.Variant = "broken") -> str:
    """Builds bandbook in a database and makes the mess in it. Returns the URL for its owner."""
    scripts = [script_of(Source("1_bandbook.sql", bandbook.migration(variant)))]
    outcome = run_scripts(server, database, scripts)
    assert outcome.failures == ()
    with server.connect(database, server.superuser) as session:
        session.run(MESS_ROWS.replace(":users", str(mess.users)).replace(":songs", str(mess.songs)))
    return server.url(database)
