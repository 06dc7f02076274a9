"""Two databases of many tables with ten differences, beside reading both catalogs: ``python -m bench.compare``.

"Reading both" connects to each database and builds its schema, one after the other, as `referee compare` has to. Each
measurement is a process of its own; wall time counts, since most of it is the server's. The targets: comparing takes at
most twice as long as reading both, and at most 600 MiB, for 10,000 tables.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator

from bench.measure import Cost, median, program
from referee.platforms import SUPABASE
from referee.postgres.server import Server, start_server

TIMES_READING, MEMORY = 2.0, 600
_AT_ONCE = 50
_HUBS = 100

_HEAD = """
create table public.users (id uuid primary key references auth.users (id) on delete cascade, name text);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.users (id, name) values (new.id, new.raw_user_meta_data ->> 'name') on conflict (id) do nothing;
  return new;
end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
create function public.touch() returns trigger language plpgsql as $$ begin new.created_at := now(); return new; end $$;
"""
_HUB = "create table public.hub_{number} (id uuid primary key);"
# One table in ten has a user reference: making 10,000 keys to one table takes the server minutes.
_TABLE = """
create table public.{table} (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  owner uuid not null references public.{owner} (id) on delete cascade,
  band uuid references public.hub_{hub} (id),
  amount numeric(10,2) default 0 check (amount >= 0),
  created_at timestamptz not null default now(),
  data jsonb default '{{}}'::jsonb
);
create index {table}_owner_idx on public.{table} (owner);
create index {table}_band_idx on public.{table} (band, created_at) where band is not null;
alter table public.{table} enable row level security;
create policy {table}_read on public.{table} for select to authenticated using (owner = auth.uid());
create policy {table}_write on public.{table} for insert to authenticated with check (owner = auth.uid());
create trigger {table}_touch before insert or update on public.{table} for each row execute function public.touch();
"""
DIFFERENCES = (
    "drop trigger on_auth_user_created on auth.users",
    "alter function public.handle_new_user() security invoker",
    "alter table public.t0 drop constraint t0_owner_fkey",
    "alter table public.t10 drop constraint t10_owner_fkey, add foreign key (owner) references auth.users (id)",
    "drop policy t1_read on public.t1",
    "drop index public.t2_owner_idx",
    "alter table public.t3 alter column name type varchar(50)",
    "revoke insert on public.t4 from authenticated",
    "alter table public.t5 disable row level security",
    "drop trigger t6_touch on public.t6",
)
_READ = """
import sys
from referee.platforms import SUPABASE
from referee.postgres.session import connect
from referee.read.catalog import read_catalog
kept = []
for url in sys.argv[1:]:
    with connect(url) as session:
        kept.append(read_catalog(session, SUPABASE.managed_schemas))
"""


def statements(tables: int) -> Iterator[str]:
    """The schema, in texts that are sent as they are."""
    yield _HEAD + "".join(_HUB.format(number=number) for number in range(_HUBS))
    for start in range(0, tables, _AT_ONCE):
        yield "".join(
            _TABLE.format(
                table=f"t{number}",
                owner="users" if number % 10 == 0 else f"hub_{(number * 7) % _HUBS}",
                hub=number % _HUBS,
            )
            for number in range(start, min(start + _AT_ONCE, tables))
        )


def prepare(server: Server, tables: int) -> tuple[str, str]:
    """Two databases, the second with the ten differences."""
    left = server.create_database()
    with server.connect(left) as session:
        for text in statements(tables):
            session.run(text)
    right = server.create_database(template=left)
    with server.connect(right, server.superuser) as session:
        for text in DIFFERENCES:
            session.run(text)
        session.run("analyze pg_catalog.pg_class; analyze pg_catalog.pg_attribute; analyze pg_catalog.pg_constraint")
    return left, right


def measure(tables: int, runs: int) -> tuple[Cost, Cost, int]:
    """The cost of reading both catalogs, that of comparing, and how many differences were found."""
    with start_server(SUPABASE) as server:
        left, right = (server.url(name) for name in prepare(server, tables))
        reading = median([sys.executable, "-c", _READ, left, right], runs)
        command = [program("referee"), "compare", left, right, "--format", "json"]
        comparing = median(command, runs)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return reading, comparing, len(json.loads(done.stdout)["differences"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=(100, 1_000, 10_000), help="numbers of tables")
    options = parser.parse_args()
    print("| tables | reading both, s | comparing, s | x reading | target | peak MiB | target | differences |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    met = True
    for tables in options.sizes:
        reading, comparing, found = measure(tables, 3 if tables <= 1_000 else 1)
        ratio = comparing.wall / reading.wall
        print(
            f"| {tables:,} | {reading.wall:.2f} | {comparing.wall:.2f} | {ratio:.2f} | {TIMES_READING} "
            f"| {comparing.memory:.0f} | {MEMORY} | {found} |",
            flush=True,
        )
        # Small databases are read in less time than a program takes to start.
        met = met and found == len(DIFFERENCES) and (tables < 10_000 or ratio <= TIMES_READING)
        met = met and comparing.memory <= MEMORY
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
