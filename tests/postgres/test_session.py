"""Sessions: what they guard, and what they never print."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.errors import RefereeError, ServerError, UsageError
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Limits, connect, describe, literal, parse, without_password

SECRET = "s3cr#t@/p"
URL = "postgresql://me:s3cr%23t%40%2Fp@example.org:6000/app?sslmode=require"


def test_describe_names_the_place_and_no_password() -> None:
    assert describe(URL) == "me@example.org:6000/app"
    assert describe("host=/var/run user=me password=hush dbname=app") == "me@/var/run/app"
    assert describe("service=production") == "service production"
    assert describe("postgresql+psycopg://me:hush@h/app") == "me@h:5432/app"
    assert describe("postgresql://me:hu@sh@h/x?nonsense=1") == "the database"
    assert describe("postgresql://me:hush@one:1,two/app") == "me@one:1,two:5432/app"
    assert describe("host=one,two port=7 password=hush") == "one:7,two:7"
    assert describe("postgresql://me:hush@[::1]:7/app") == "me@[::1]:7/app"


def test_a_connection_string_that_makes_no_sense() -> None:
    for url in ("me hush", "postgresql://me:hush@h/x?nonsense=1", "postgresql://me:hush@h:port/x"):
        with pytest.raises(UsageError) as failed:
            parse(url)
        assert "hush" not in str(failed.value)


@given(st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_no_password_survives(password: str) -> None:
    from_text = without_password(f"could not log in with {password} as me", {"password": password})
    assert f" {password} " not in from_text


def test_the_message_of_a_failed_connection_has_no_password() -> None:
    with pytest.raises(ServerError) as failed:
        connect(URL.replace("example.org", "127.0.0.1").replace("require", "disable"))
    assert "me@127.0.0.1:6000/app" in str(failed.value)
    assert SECRET not in str(failed.value)
    assert "s3cr" not in str(failed.value)


@pytest.mark.parametrize("mark", ["@", "/", "#", "?", ":", "%", "[", " ", "&", "=", "@/", "/@", "?@", "//"])
@pytest.mark.parametrize("before", ["hush", "12345", ""])
def test_a_password_that_was_not_escaped_is_in_no_message(before: str, mark: str) -> None:
    url = f"postgresql://me:{before}{mark}s3cr3t@127.0.0.1:1/app"
    told = describe(url)
    try:
        connect(url)
    except RefereeError as error:
        told += str(error)
    assert "hush" not in told
    assert "12345" not in told
    assert "s3cr3t" not in told


def test_an_at_sign_that_is_no_part_of_a_password() -> None:
    assert parse("postgresql://me:x@h/app?application_name=a@b")["application_name"] == "a@b"
    assert parse("postgresql://me@h/a@b")["dbname"] == "a@b"
    assert parse("postgresql://me:p%40w@h:1/app")["password"] == "p@w"


@given(st.text().filter(lambda text: "\0" not in text))
def test_literals_hold_what_they_were_given(text: str) -> None:
    quoted = literal(text)
    inside = quoted.removeprefix(" E")[1:-1].replace("''", "'")
    assert (inside.replace("\\\\", "\\") if quoted.startswith(" E") else inside) == text


def test_rows_of_a_copy_come_in_blocks(server: Server, database: str) -> None:
    with connect(server.url(database)) as session:
        blocks = list(session.copy_out("copy (select generate_series(1, 20000)) to stdout"))
        assert b"".join(blocks) == b"".join([b"%d\n" % number for number in range(1, 20_001)])
        assert len(blocks) < 2_000, "not row by row"
        assert list(session.copy_out("copy (select where false) to stdout")) == []
        assert session.value("select 1") == 1


def test_a_copy_that_fails_or_is_left_early_leaves_the_session_usable(server: Server, database: str) -> None:
    with connect(server.url(database)) as session:
        with pytest.raises(FailedStatementError) as failed:
            list(session.copy_out("copy (select 1000 / (5000 - n) from generate_series(1, 6000) as n) to stdout"))
        assert failed.value.sqlstate == "22012"
        with pytest.raises(FailedStatementError) as failed:
            next(session.copy_out("copy missing to stdout"))
        assert failed.value.sqlstate == "42P01"
        began = time.monotonic()
        endless = session.copy_out("copy (select generate_series(1, 10000000000)) to stdout")
        assert next(endless).startswith(b"1\n2\n")
        endless.close()  # type: ignore[attr-defined]
        assert time.monotonic() - began < 10
        assert session.value("select 1") == 1


def test_nothing_can_be_written_unless_asked(server: Server, database: str) -> None:
    with connect(server.url(database)) as session, pytest.raises(FailedStatementError) as failed:
        session.run("create table t (id int)")
    assert failed.value.sqlstate == "25006"
    with connect(server.url(database), read_only=False) as session:
        session.run("create table t (id int)")


def test_a_read_only_transaction_ends_with_its_settings(server: Server, database: str) -> None:
    with connect(server.url(database), read_only=False) as session:
        before = session.value("show search_path")
        with session.read_only(Limits(statement=7, lock=3)):
            assert session.rows_of_each(["show search_path", "show statement_timeout", "show lock_timeout"]) == [
                [('""',)],
                [("7s",)],
                [("3s",)],
            ]
            with pytest.raises(FailedStatementError):
                session.run("create table t (id int)")
            assert session.transaction_failed
        assert not session.in_transaction
        assert session.value("show search_path") == before


def test_a_statement_that_takes_too_long_is_ended(server: Server, database: str) -> None:
    started = time.monotonic()
    with connect(server.url(database), limits=Limits(statement=0.1)) as session:
        with pytest.raises(FailedStatementError) as failed:
            session.run("select pg_sleep(10)")
        assert session.value("select 1") == 1
    assert failed.value.sqlstate == "57014"
    assert time.monotonic() - started < 5


def test_a_lock_that_is_not_given_is_not_waited_for(server: Server, database: str) -> None:
    with server.connect(database) as holder:
        holder.run("create table t (id int)")
        holder.run("begin; lock table t")
        with (
            connect(server.url(database), limits=Limits(lock=0.1)) as session,
            pytest.raises(FailedStatementError) as failed,
        ):
            session.rows("select * from t")
    assert failed.value.sqlstate == "55P03"


def test_settings_given_by_the_user_stay_beside_the_guards(server: Server, database: str) -> None:
    with connect(server.url(database) + " options='-c work_mem=5MB'") as session:
        assert session.value("show work_mem") == "5MB"
        assert session.value("show default_transaction_read_only") == "on"


def test_what_the_server_says_of_a_failure(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("create table t (id int primary key)")
        with pytest.raises(FailedStatementError) as failed:
            session.run("insert into t values (1), (1)")
        report = failed.value.report
        assert (report.sqlstate, report.schema, report.table, report.constraint) == ("23505", "public", "t", "t_pkey")
        assert str(failed.value).endswith("Key (id)=(1) already exists.")
        with pytest.raises(FailedStatementError) as failed:
            session.run("select 'é', oops")
        assert failed.value.report.position == len("select 'é', ")


def test_notices_are_kept(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("drop table if exists nowhere")
        (notice,) = session.notices
    assert (notice.severity, notice.message) == ("NOTICE", 'table "nowhere" does not exist, skipping')


def test_the_first_of_many_that_fails_is_the_one_reported(server: Server, database: str) -> None:
    with server.connect(database) as session:
        with pytest.raises(FailedStatementError) as failed:
            session.run_each(["begin", "select 1", "select oops", *["select 2"] * 3000])
        assert failed.value.sqlstate == "42703"
        session.run("rollback")
        assert session.rows_of_each(["select 1", "select '%'", "set role anon"]) == [[(1,)], [("%",)], []]


def test_rows_are_copied_in(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("create table t (id int, name text)")
        session.copy_in("copy t from stdin", "1\tone\n2\t\\N\n")
        assert session.rows("select * from t order by id") == [(1, "one"), (2, None)]


def test_a_connection_that_is_cut(server: Server, database: str) -> None:
    with server.connect(database) as session:
        with pytest.raises(ServerError, match=r"was lost") as failed:
            session.run("select pg_terminate_backend(pg_backend_pid())")
        assert not isinstance(failed.value, FailedStatementError)
        with pytest.raises(ServerError, match="was lost"):
            session.rows("select 1")


def test_a_server_that_is_too_old(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("referee.postgres.session.OLDEST", 99)
    with pytest.raises(ServerError, match=rf"runs PostgreSQL {server.major}, and referee needs 99 or newer"):
        connect(server.url(database))
