"""Clones of one database, one after the other: whatever was done in one, the next is as good as new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from referee.platforms import SUPABASE
from referee.postgres.clones import Clones
from referee.postgres.server import Server, start_server
from referee.postgres.session import FailedStatementError, Session

pytestmark = pytest.mark.server

_SCHEMA = """
create table public.bands (id bigint generated always as identity primary key, name text unique, fans int default 0);
create table public.songs (id uuid primary key default gen_random_uuid(), band bigint references public.bands (id));
create index on public.songs (band);
create table public.empty (id int);
create unlogged table public.scratch (id int);
create sequence public.counter;
create view public.names as select name from public.bands;
insert into public.bands (name) values ('The Foreign Keys'), ('Org''s');
insert into public.scratch values (1);
select lo_from_bytea(4711, 'abc');
"""
# Everything that a database holds: what its catalogs say, and the rows of its tables.
_CATALOGS = (
    "pg_class pg_attribute pg_proc pg_constraint pg_trigger pg_policy pg_index pg_depend pg_namespace pg_type pg_enum"
)


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server of its own: clones bring down roles and settings that other tests may have made."""
    with start_server(SUPABASE) as started:
        yield started


@pytest.fixture(scope="module")
def clones(own: Server) -> Iterator[Clones]:
    template = own.create_database()
    with own.connect(template) as session:
        session.run(_SCHEMA)
    found = Clones(own, template)
    yield found
    found.close()


class Content(dict[str, object]):
    """What a database holds, told by the names of what it holds."""

    def __repr__(self) -> str:
        return f"Content({', '.join(self)})"


def content(server: Server, name: str) -> Content:
    """All of a database, in an order that does not depend on its files."""
    with server.connect(name, server.superuser) as session:
        found = Content()
        for catalog in _CATALOGS.split():
            # What VACUUM and the first row of a table write, and no statement reads.
            said = "to_jsonb(c) - '{relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid}'::text[]"
            found[catalog] = session.value(
                f"select md5(string_agg(({said})::text, ',' order by ({said})::text)) from {catalog} c"
            )
        for table in ("public.bands", "public.songs", "public.empty", "public.scratch", "auth.users"):
            found[table] = session.rows(f"select * from {table} order by 1")
        found["sequence"] = session.rows("select last_value, is_called from public.counter")
        found["identity"] = session.rows("select last_value, is_called from public.bands_id_seq")
        found["object"] = session.value("select lo_get(4711)")
        found["settings"] = session.value("select count(*) from pg_db_role_setting where setdatabase <> 0")
        return found


def used(server: Server, clones: Clones, *statements: str, role: str | None = None) -> tuple[bool, Content]:
    """Whether the next clone is the one that these statements ran in, wound back; and all that it holds."""
    name = clones.take()
    with server.connect(name, role) as session:
        for statement in statements:
            session.run(statement)
    clones.give_back(name)
    following = clones.take()
    try:
        return following == name, content(server, following)
    finally:
        clones.give_back(following)


@pytest.fixture(scope="module")
def new(own: Server, clones: Clones) -> Content:
    name = own.create_database(template=clones.template)
    try:
        return content(own, name)
    finally:
        own.drop_database(name)


_ROWS = {
    "rows": ["insert into public.bands (name) values ('x'); update public.bands set fans = 1; delete from auth.users"],
    "an account": ["insert into auth.users (id) values (gen_random_uuid())"],
    "truncation": ["truncate public.bands cascade", "insert into public.songs default values"],
    "truncation of what is empty": ["truncate public.empty, public.scratch"],
    "sequences": ["select nextval('public.counter'); alter sequence public.bands_id_seq restart with 700"],
    "a rollback": ["begin; insert into public.empty values (1); truncate public.bands cascade; rollback"],
    "a large object": ["select lo_put(4711, 0, 'xyz')"],
    "many rows": ["insert into public.empty select generate_series(1, 50000)", "vacuum full public.empty"],
    "vacuum": ["insert into public.bands (name) select i::text from generate_series(1, 900) as i", "vacuum analyze"],
}  # fmt: skip
_SCHEMAS = {
    "another column": ["alter table public.bands add column genre text default 'rock'"],
    "a column of another type": ["alter table public.bands alter column fans type bigint"],
    "an index less": ["drop index public.songs_band_idx"],
    "a key less": ["alter table public.songs drop constraint songs_band_fkey"],
    "a new table": ["create table public.more as select generate_series(1, 1000) as id"],
    "a table less": ["drop table public.empty", "drop table public.songs"],
    "a function": ["create function public.f() returns int language sql as 'select 1'"],
    "policies": ["alter table public.bands enable row level security", "create policy p on public.bands using (true)"],
    "another order on disk": ["cluster public.bands using bands_pkey", "reindex table public.songs"],
}
_SHARED = {
    "a setting of the database": [
        "do $$ begin execute format('alter database %I set work_mem = ''8MB''', current_database()); end $$"
    ],
    "a new role": ["create role passer_by", "grant select on public.bands to passer_by"],
    "another role's setting": ["alter role authenticated set statement_timeout = '1s'"],
}  # fmt: skip


@pytest.mark.parametrize("what", _ROWS)
def test_rows_are_undone_in_place(own: Server, clones: Clones, new: Content, what: str) -> None:
    is_same, now = used(own, clones, *_ROWS[what])
    assert now == new
    assert is_same or own.major < 18


@pytest.mark.parametrize("what", _SCHEMAS)
def test_changes_of_the_schema_are_undone(own: Server, clones: Clones, new: Content, what: str) -> None:
    assert used(own, clones, *_SCHEMAS[what])[1] == new


@pytest.mark.parametrize("what", _SHARED)
def test_what_databases_share_takes_a_new_clone(own: Server, clones: Clones, new: Content, what: str) -> None:
    is_same, now = used(own, clones, *_SHARED[what], role=own.superuser)
    assert now == new
    assert not is_same


def test_the_catalogs_of_the_server_themselves(own: Server, clones: Clones, new: Content) -> None:
    assert used(own, clones, "vacuum full pg_class", "reindex database", role=own.superuser)[1] == new


def test_sessions_that_were_left_open_end(own: Server, clones: Clones, new: Content) -> None:
    name = clones.take()
    left: list[Session] = [own.connect(name), own.connect(name)]
    left[0].run("begin; insert into public.empty values (1)")
    left[1].run("listen something; select pg_advisory_lock(1)")
    clones.give_back(name)
    following = clones.take()
    assert content(own, following) == new
    clones.give_back(following)
    for session in left:
        session.close()


def test_several_at_once_are_apart(own: Server, clones: Clones, new: Content) -> None:
    first, second = clones.take(), clones.take()
    assert first != second
    with own.connect(first) as session:
        session.run("truncate public.bands cascade")
    assert content(own, second) == new
    clones.give_back(second)
    clones.give_back(first)
    assert {clones.take(), clones.take()} <= {first, second} or own.major < 18
    clones.give_back(first)
    clones.give_back(second)


_ANY = st.sampled_from([statement for group in (_ROWS, _SCHEMAS) for one in group.values() for statement in one])


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.lists(_ANY, max_size=4), max_size=4))
def test_whatever_is_done_the_next_is_as_good_as_new(
    own: Server, clones: Clones, new: Content, steps: list[list[str]]
) -> None:
    for statements in steps:
        name = clones.take()
        with own.connect(name) as session:
            for statement in statements:
                try:
                    session.run(statement)
                except FailedStatementError:
                    if session.in_transaction:
                        session.run("rollback")
        clones.give_back(name)
    following = clones.take()
    assert content(own, following) == new
    clones.give_back(following)
