"""Files run as the Supabase command line runs them, and on past what fails."""

from __future__ import annotations

import pytest

from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from tests.scripts import run, script, states


def tables(server: Server, database: str) -> list[str]:
    query = "select tablename::text from pg_tables where schemaname = 'public' order by 1"
    with server.connect(database) as session:
        return [name for (name,) in session.rows(query)]


def test_failures_have_their_places_and_the_rest_goes_on(server: Server, database: str) -> None:
    text = (
        "create table a (id int);\n-- é\ncreate table b (id nope);\ncreate table c (id int);\ninsert into d values (1);"
    )
    outcome = run(server, database, text)
    assert states(outcome) == ["42704", "42P01"]
    first, second = outcome.failures
    assert text[first.start : first.end] == "create table b (id nope)"
    assert text[first.place :].startswith("nope")
    assert text[second.place :].startswith("d values")
    assert tables(server, database) == ["a", "c"]
    assert outcome.statements == 4


def test_a_file_that_works_is_one_transaction(server: Server, database: str) -> None:
    insert = "insert into a values (pg_current_xact_id());"
    text = f"create table a (xid xid8); {insert} {insert}"
    assert run(server, database, text).failures == ()
    with server.connect(database) as session:
        assert session.value("select count(distinct xid::text) from a") == 1


def test_a_new_enum_label_cannot_be_used_in_the_same_file(server: Server, database: str) -> None:
    run(server, database, "create type mood as enum ('sad'); create table a (m mood);")
    assert states(run(server, database, "alter type mood add value 'glad'; insert into a values ('glad');")) == [
        "55P04"
    ]
    assert states(run(server, database, "insert into a values ('glad');")) == []


def test_settings_do_not_leak_into_the_next_file(server: Server, database: str) -> None:
    outcome = run(
        server,
        database,
        "create schema other; set search_path to other; create table a (id int);",
        "create table b (id int);",
    )
    assert outcome.failures == ()
    assert tables(server, database) == ["b"]


def test_concurrently_runs_outside(server: Server, database: str) -> None:
    outcome = run(
        server,
        database,
        "create table a (id int); create index concurrently i on a (id);"
        "insert into nowhere values (1); insert into a values (1);",
    )
    assert states(outcome) == ["42P01"]
    with server.connect(database) as session:
        assert session.value("select indisvalid from pg_index where indexrelid = 'i'::regclass") is True
        assert session.value("select count(*) from a") == 1


def test_begin_and_commit_in_a_file_do_what_they_say(server: Server, database: str) -> None:
    outcome = run(
        server,
        database,
        "begin; create table a (id int); commit; create table b (id int); begin; create table c (id int); rollback;",
    )
    assert outcome.failures == ()
    # ROLLBACK takes everything since COMMIT with it, because BEGIN inside a transaction changes nothing.
    assert tables(server, database) == ["a"]


def test_savepoints_of_a_file(server: Server, database: str) -> None:
    text = (
        "create table a (id int); savepoint s; create table b (id int); rollback to s; release s;"
        "create table c (id int);"
    )
    assert run(server, database, text).failures == ()
    assert tables(server, database) == ["a", "c"]


def test_a_constraint_that_is_deferred_fails_at_the_end(server: Server, database: str) -> None:
    text = (
        "create table a (id int primary key);"
        "create table b (a int references a deferrable initially deferred);"
        "insert into b values (1);"
    )
    (failure,) = run(server, database, text).failures
    assert failure.report.sqlstate == "23503"
    assert tables(server, database) == []


def test_rows_behind_copy(server: Server, database: str) -> None:
    text = "create table a (id int, t text);\ncopy a from stdin;\n1\tone;\n2\t\\N\n\\.\ninsert into a values (3);\n"
    assert run(server, database, text).failures == ()
    with server.connect(database) as session:
        assert session.rows("select * from a order by id") == [(1, "one;"), (2, None), (3, None)]


def test_bad_rows_behind_copy(server: Server, database: str) -> None:
    text = "create table a (id int);\ncopy a from stdin;\none\n\\.\ncreate table b (id int);\n"
    assert states(run(server, database, text)) == ["22P02"]
    assert tables(server, database) == ["a", "b"]


def test_what_runs_with_other_rights_fails_like_the_rest(server: Server, database: str) -> None:
    outcome = run(server, database, "create extension nonsense; create table a (id int);", "select current_user;")
    assert states(outcome) == ["0A000"]
    with server.connect(database) as session:
        assert session.value("select tableowner::text from pg_tables where tablename = 'a'") == "postgres"


def test_each_statement_alone(server: Server, database: str) -> None:
    text = (
        "create type mood as enum ('sad'); alter type mood add value 'glad'; create table a (m mood default 'glad');"
        "create extension nonsense; create table b (id int); begin; create table c (id int); oops; commit; vacuum a;"
    )
    one = script(text)
    outcome = run_scripts(server, database, [type(one)(one.path, one.statements, atomic=False)])
    assert states(outcome) == ["0A000", "42601"]
    assert tables(server, database) == ["a", "b", "c"]
    with server.connect(database) as session:
        assert session.value("select tableowner::text from pg_tables where tablename = 'b'") == "postgres"


def test_the_history_holds_what_ran_whole(server: Server, database: str) -> None:
    files = [
        script("create table a (id int); select 'it''s \\ fine';", "1_a.sql", "1"),
        script("create table a (id int);", "2_a.sql", "2"),
        script("create table b (id int); create index concurrently on b (id);", "3_b.sql", "3"),
    ]
    assert states(run_scripts(server, database, files)) == ["42P07"]
    with server.connect(database) as session:
        history = session.rows("select version, statements from supabase_migrations.schema_migrations order by version")
    assert [version for version, _ in history] == ["1", "3"]
    assert history[0][1] == ["create table a (id int)", "select 'it''s \\ fine'"]


def test_stand_ins_that_were_used_are_named(server: Server, database: str) -> None:
    assert "pgjwt" not in run(server, database, "select 1;").stand_ins
    assert "pgjwt" in run(server, database, "create extension pgjwt with schema extensions;").stand_ins
    assert "citext" not in run(server, database, "create extension citext;").stand_ins


@pytest.mark.parametrize("name", ["Org's", 'mem"bers', "org;id", "select", "ü" * 31, "🎸"])
def test_hostile_names(server: Server, database: str, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    text = (
        f"create schema {quoted}; create table {quoted}.{quoted} ({quoted} int primary key);"
        f"create policy {quoted} on storage.objects using (true); drop policy {quoted} on storage.objects;"
        f"create role {quoted}; grant {quoted} to authenticator;"
        f"create extension pg_jsonschema with schema {quoted};"
    )
    outcome = run(server, database, text, f"select {quoted}.jsonschema_is_valid('{{}}');")
    assert outcome.failures == ()
    with server.connect(database) as session:
        assert session.value(
            "select extnamespace::regnamespace::text from pg_extension where extname = 'pg_jsonschema'"
        )
    server.drop_database(database)


def test_an_empty_file(server: Server, database: str) -> None:
    assert run(server, database, "", "-- nothing\n").failures == ()
