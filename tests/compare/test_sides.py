from __future__ import annotations

from pathlib import Path

import pytest

from referee.errors import ReadError, ServerError, UsageError
from referee.postgres.server import Server
from referee.workflow.compare import Result, compare, config_for
from referee.workflow.sides import Options, is_url
from tests import bandbook
from tests.compare.applying import run


def objects(result: Result) -> list[str]:
    return [str(judged.difference.object) for judged in result.comparison.differences]


@pytest.mark.parametrize(
    ("text", "is_database"),
    [
        ("postgresql://me@host/db", True),
        ("postgres://x", True),
        ("postgresql+asyncpg://me@host/db", True),
        ("host=/tmp dbname=x", True),
        ("service=production", True),
        (".", False),
        ("examples/bandbook", False),
        ("snapshot.json", False),
        ("ghost=1", False),
        ("my host.sql", False),
    ],
)
def test_a_database_is_told_from_a_path(text: str, is_database: bool) -> None:
    assert is_url(text) is is_database


def test_a_role_that_sees_little_compares_what_it_sees_and_says_what_not(server: Server, fixed: str) -> None:
    with server.database(template=fixed) as other:
        with server.connect(other, server.superuser) as session:
            session.run(
                "create role looker login; revoke select on pg_catalog.pg_policy from public;"
                'drop trigger on_auth_user_created on auth.users; drop policy "Members share songs" on public.songs'
            )
        result = compare(server.url(fixed), server.url(other, "looker"))
    assert objects(result) == ["auth.users.on_auth_user_created"]
    assert result.comparison.differences[0].at_fault == "right"
    policies, history = result.comparison.not_seen
    assert "policies (the role may not use pg_policy)" in policies
    assert "the history of migrations (permission denied" in history


def test_nothing_is_written_to_either_side(server: Server, fixed: str) -> None:
    with server.connect(fixed, server.superuser) as session:
        query = "select tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname = %s"
        session.run("select pg_stat_force_next_flush()")
        before = session.value(query, [fixed])
        compare(server.url(fixed), server.url(fixed))
        session.run("select pg_stat_clear_snapshot()")
        assert session.value(query, [fixed]) == before


def test_a_project_beside_a_database_runs_on_its_platform(server: Server, fixed: str, tmp_path: Path) -> None:
    """Nothing in these files looks like Supabase, but the other side is."""
    (tmp_path / "a.sql").write_text("create table public.notes (id uuid primary key);", encoding="utf-8")
    result = compare(str(tmp_path), server.url(fixed))
    assert result.comparison.left.platform == "supabase"
    assert "public.bands" in objects(result)
    assert "auth" not in {judged.difference.object.schema for judged in result.comparison.differences} - {"auth"}


def test_exact_asks_a_server_what_a_replay_cannot_know(server: Server, tmp_path: Path) -> None:
    """What a loop over rows makes is opaque to a replay, which knows no rows."""
    text = """
    create table public.names (name text);
    insert into public.names values ('a'), ('b');
    do $$ declare t text; begin
      for t in select name from public.names loop execute format('create table public.%I (id int)', t); end loop;
    end $$;
    """
    (tmp_path / "a.sql").write_text(text, encoding="utf-8")
    with server.database() as name:
        with server.connect(name) as session:
            session.run(text)
        config = config_for(str(tmp_path), ".", {"platform": "supabase"})
        replayed = compare(str(tmp_path), server.url(name), Options(config))
        exact = compare(str(tmp_path), server.url(name), Options(config, exact=True))
    assert objects(replayed) == ["public.a", "public.b"]
    assert len(replayed.comparison.not_seen) == 1
    assert (objects(exact), exact.comparison.not_seen) == ([], ())


def test_the_files_of_a_project_give_the_statements_that_facts_leave_out(server: Server, tmp_path: Path) -> None:
    text = "create function public.add(a int, b int default 2, out c int) language sql as 'select a + b';"
    (tmp_path / "a.sql").write_text(text, encoding="utf-8")
    with server.database() as name:
        config = config_for(str(tmp_path), ".", {"platform": "supabase"})
        result = compare(str(tmp_path), server.url(name), Options(config))
        assert not run(server, name, result.fixes("right")).failures
        with server.connect(name) as session:
            assert session.value("select public.add(1)") == 3


@pytest.mark.parametrize(
    ("left", "error", "told"),
    [
        ("no/such/folder", ReadError, "no file or folder"),
        ("postgresql://nobody@127.0.0.1:1/x", ServerError, "127.0.0.1"),
        ("postgresql://a:b:c@@/x?y", UsageError, "connection string"),
        ("broken.json", ReadError, "is no snapshot"),
        ("empty.sql", None, ""),
    ],
)
def test_what_cannot_be_read_is_told_in_a_sentence(
    left: str, error: type[Exception] | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    (tmp_path / "empty.sql").write_text("", encoding="utf-8")
    if error is None:
        assert objects(compare(left, left)) == []
        return
    with pytest.raises(error, match=told):
        compare(left, "empty.sql")


def test_two_variants_of_a_project_differ_where_they_should(tmp_path: Path) -> None:
    broken = bandbook.write_project("broken", tmp_path / "broken")
    fixed = bandbook.write_project("fixed", tmp_path / "fixed")
    result = compare(str(fixed), str(broken))
    keys = {f"public.{table}.{table}_{column}_fkey" for table, column in bandbook.WRONG_LINES.values()}
    # The files have the same name, and hold other statements.
    expected = keys | {"auth.users.on_auth_user_created", "public.handle_new_user()", "20251106000000"}
    assert set(objects(result)) == expected
    assert {judged.at_fault for judged in result.comparison.differences if str(judged.difference.object) in keys} == {
        "right"
    }


def test_columns_that_files_leave_open_make_no_difference(server: Server, tmp_path: Path) -> None:
    text = "create table public.a (id int, name text); create table public.kept as select * from public.a;"
    (tmp_path / "a.sql").write_text(text, encoding="utf-8")
    with server.database() as name:
        with server.connect(name) as session:
            session.run(text)
        config = config_for(str(tmp_path), ".", {"platform": "supabase"})
        result = compare(str(tmp_path), server.url(name), Options(config))
    assert objects(result) == []
    assert [(folded.kind, folded.count) for folded in result.comparison.folded if folded.kind == "unread"] == [
        ("unread", 2)
    ]
    assert "the columns of public.kept come from a query" in result.comparison.not_seen[0]


def test_a_history_of_files_is_what_is_to_run(server: Server, fixed: str, tmp_path: Path) -> None:
    project = bandbook.write_project("fixed_with_identity_key", tmp_path / "project")
    folder = project / "supabase" / "migrations"
    [baseline] = folder.iterdir()
    baseline = baseline.rename(folder / "20251106000000_baseline.sql")
    more = bandbook.write_project("fixed_with_identity_key", tmp_path / "more")
    later = more / "supabase" / "migrations" / "20260101000000_later.sql"
    later.write_text("create type public.mood as enum ('good');", encoding="utf-8")

    def told(left: str, right: str) -> dict[str, str]:
        found = compare(left, right).comparison.differences
        return {
            str(
                judged.difference.object
            ): f"{judged.affected}: {judged.consequence.text} {judged.fix.reason or ''}".strip()
            for judged in found
            if judged.difference.object.kind == "migration"
        }

    push = "`supabase db push` stops until"
    by_hand = "A file has to be written or taken away; no statement does that."
    database = server.url(fixed)
    assert told(str(project), database) == {
        "20251201000000": f"right: 20251201000000 has run, and the other side has no such file: {push} it has."
    }
    assert told(database, str(project)) == {
        "20251201000000": "right: There is no file of 20251201000000, which has run on the other side: "
        f"{push} one is there. {by_hand}"
    }
    assert told(str(more), database)["20260101000000"] == (
        "right: What 20260101000000 makes is missing, unless somebody made it by hand; the next push runs it."
    )
    assert told(database, str(more))["20260101000000"] == (
        f"right: 20260101000000 is a file of this side only; the next push runs it on the other. {by_hand}"
    )
    assert told(str(project), str(more)) == {
        "20260101000000": f"right: 20260101000000 is a file of this side only. {by_hand}"
    }
