from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import psycopg
import pytest
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

from referee.errors import StatementError, UsageError
from referee.model.names import QName, Target
from referee.rehearse.sign_ups import WAYS
from referee.workflow.config import Config
from referee.workflow.playground import Database, Playground, open_playground, target
from tests import bandbook

pytestmark = pytest.mark.server

NOBODY = UUID("00000000-0000-4000-8000-00000000dead")


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Playground]:
    folder = bandbook.write_project("fixed", tmp_path_factory.mktemp("playground") / "bandbook")
    with open_playground(folder, Config(cache=False)) as opened:
        yield opened


@pytest.fixture
def db(playground: Playground) -> Iterator[Database]:
    database = playground.create_database()
    yield database
    database.close()


def test_what_is_done_in_one_database_is_not_in_the_next(playground: Playground) -> None:
    for _ in range(2):
        database = playground.create_database()
        assert database.execute("select count(*) from auth.users") == [(0,)]
        database.sign_up("Ada")
        database.close()


@pytest.mark.parametrize("way", [way for way in WAYS if way not in ("phone", "anonymous")])
def test_every_way_to_sign_up_makes_an_account_and_its_mirror_row(db: Database, way: str) -> None:
    user = db.sign_up("Ada", by=way)
    assert db.execute("select id, role from auth.users") == [(user.id, "authenticated")]
    assert db.unmirrored() == []
    assert db.unmirrored(user) == []


@pytest.mark.parametrize("way", ["phone", "anonymous"])
def test_a_sign_up_that_the_database_refuses_says_what_the_user_hears(db: Database, way: str) -> None:
    # The trigger of the fix derives a name from the e-mail; public.users demands both.
    with pytest.raises(StatementError, match="HTTP 500: Database error") as refused:
        db.sign_up("Ada", by=way)
    assert refused.value.sqlstate == "23502"
    assert db.execute("select count(*) from auth.users") == [(0,)]


def test_unknown_ways_are_refused(db: Database) -> None:
    with pytest.raises(UsageError, match='Nobody signs up by "carrier pigeon"; the ways are email,'):
        db.sign_up(by="carrier pigeon")


def test_users_differ_and_hostile_names_arrive_as_they_are(db: Database) -> None:
    names = ["Org's", 'mem"bers', "org;id", "🥁", "Ada", "Ada"]
    users = [db.sign_up(name) for name in names]
    assert len({user.id for user in users}) == len({user.email for user in users}) == len(names)
    assert [name for (name,) in db.execute("select name from public.users order by id")] == names


def test_a_request_has_the_role_and_the_claims_of_its_user(db: Database) -> None:
    ada = db.sign_up("Ada")
    query = "select current_user::text, auth.uid(), auth.jwt() ->> 'email', auth.jwt() -> 'app_metadata' ->> 'role'"
    assert db.as_user(ada).execute(query) == [("authenticated", ada.id, ada.email, None)]
    assert db.as_user(str(ada.id)).execute(query) == [("authenticated", ada.id, ada.email, None)]
    admin = db.as_user(ada, app_metadata={"role": "admin"})
    assert admin.execute(query) == [("authenticated", ada.id, ada.email, "admin")]
    assert db.as_anon().execute("select current_user::text, auth.uid()") == [("anon", None)]
    assert db.as_service_role().execute("select current_user::text, auth.uid()") == [("service_role", None)]


def test_a_refused_request_leaves_nothing_and_the_next_one_runs(db: Database) -> None:
    ada = db.as_user(db.sign_up("Ada"))
    with pytest.raises(StatementError) as refused:
        ada.execute("insert into bands (name, created_by) values ('X', %s)", [NOBODY])
    assert refused.value.sqlstate == "42501"
    assert ada.execute("select count(*) from bands") == [(0,)]


def test_an_unknown_user_has_a_token_too(db: Database) -> None:
    assert db.as_user(NOBODY).execute("select auth.uid()") == [(NOBODY,)]


def test_unmirrored_and_stray_rows_are_told_apart(db: Database) -> None:
    ada, ben = db.sign_up("Ada"), db.sign_up("Ben")
    db.execute("delete from public.users where id = %s", [ada.id])
    db.execute("insert into public.users (id, email, name) values (%s, 'x@example.org', 'X')", [NOBODY])
    assert db.unmirrored() == [
        f"public.users(id) has no row for {ada.id}",
        f"public.users(id) has a stray row for {NOBODY}",
    ]
    assert db.unmirrored(ada) == [f"public.users(id) has no row for {ada.id}"]
    assert db.unmirrored(ben) == []


def test_orphans_are_found_where_nothing_enforced_the_key(db: Database) -> None:
    assert db.orphans() == []
    db.execute("set session_replication_role = replica")
    db.execute("insert into public.bands (name, created_by) values ('Ghosts', %s)", [NOBODY])
    assert db.orphans() == [f"public.bands.bands_created_by_fkey: public.users(id) lacks {NOBODY}"]


def test_an_account_is_deleted_as_production_does_it(db: Database) -> None:
    ada = db.sign_up("Ada")
    db.delete_user(ada)
    assert db.execute("select count(*) from auth.users") == [(0,)]
    assert db.unmirrored() == [f"public.users(id) has a stray row for {ada.id}"]


def test_references_of_a_column(db: Database) -> None:
    users = Target(QName("public", "users"), ("id",))
    assert db.references("public.songs", "created_by") == [("songs_created_by_fkey", users)]
    assert db.references("songs", "title") == []
    db.execute("alter table songs add constraint second foreign key (created_by) references auth.users (id)")
    assert [name for name, _ in db.references("songs", "created_by")] == ["second", "songs_created_by_fkey"]


def test_a_target_needs_its_column() -> None:
    assert target("public.users(id)") == Target(QName("public", "users"), ("id",))
    with pytest.raises(UsageError, match="names no column"):
        target("public.users")


def test_other_drivers_come_in_by_url(db: Database) -> None:
    with psycopg.connect(db.url) as connection:
        assert connection.execute("select current_user::text").fetchall() == [("postgres",)]
        ada = db.sign_up("Ada")
        connection.execute(db.as_user(ada).preamble)
        assert connection.execute("select auth.uid()").fetchall() == [(ada.id,)]
    assert db.url_for("asyncpg", "authenticator").startswith("postgresql+asyncpg://authenticator@/referee_run_")


def test_a_plain_project_has_databases_but_nobody_signs_up(tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("create table a (b int)")
    with open_playground(tmp_path, Config(cache=False, platform="plain")) as opened:
        database = opened.create_database()
        assert database.execute("select count(*) from a") == [(0,)]
        with pytest.raises(UsageError, match="sign_up needs the roles and tables of Supabase"):
            database.sign_up("Ada")
        database.close()


def test_asyncpg_comes_in_by_url(db: Database) -> None:
    ada = db.sign_up("Ada")

    async def ask() -> tuple[object, object]:
        connection = await asyncpg.connect(db.url)
        try:
            who = await connection.fetchval("select current_user::text")
            async with connection.transaction():
                await connection.execute(db.as_user(ada).preamble)
                return who, await connection.fetchval("select auth.uid()")
        finally:
            await connection.close()

    who, user = asyncio.run(ask())
    assert (who, str(user)) == ("postgres", str(ada.id))


def test_sqlalchemy_comes_in_by_url(db: Database) -> None:
    ada = db.sign_up("Ada")
    engine = sqlalchemy.create_engine(db.url_for("psycopg"))
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("select count(*) from public.users")) == 1
        connection.exec_driver_sql(db.as_user(ada).preamble)
        assert connection.scalar(sqlalchemy.text("select auth.uid()")) == ada.id
    engine.dispose()


def test_sqlalchemy_comes_in_by_asyncpg(db: Database) -> None:
    async def ask() -> object:
        engine = create_async_engine(db.url_for("asyncpg"))
        async with engine.connect() as connection:
            found = await connection.scalar(sqlalchemy.text("select current_user::text"))
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == "postgres"


def test_sessions_of_other_drivers_that_stay_open_do_not_reach_the_next_database(playground: Playground) -> None:
    database = playground.create_database()
    engine = sqlalchemy.create_engine(database.url_for("psycopg"))
    connection = engine.connect()
    connection.exec_driver_sql("insert into auth.users (id, email) values (gen_random_uuid(), 'left@example.org')")
    database.close()
    following = playground.create_database()
    assert following.execute("select count(*) from auth.users") == [(0,)]
    following.close()
    connection.invalidate()
    connection.close()
    engine.dispose()
