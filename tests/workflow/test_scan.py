"""Scans of whole databases: what they find, what they cannot check, and what they refuse."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.data.scan import ScanOptions
from referee.errors import ReadError, ServerError, UsageError
from referee.model.finding import Severity
from referee.model.scan import Answer, Scan
from referee.platforms import SUPABASE
from referee.postgres.server import Server
from referee.postgres.session import connect
from referee.render.scan_text import render
from referee.workflow.config import Config
from referee.workflow.repair import RepairWish, execute, prepare
from referee.workflow.scan import ScanWish, exit_status, scan
from tests.data.mess import Mess, load, user_id
from tests.data.poolers import server_of_version, transaction_pooler
from tests.data.restartable import restartable

CONFIG = Config(cache=False)
MESS = Mess(users=1500, songs=1200)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("referee.workflow.scan_state.cache_dir", lambda: tmp_path)


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a path that a socket's name still fits behind."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    yield folder
    shutil.rmtree(folder)


def ask(url: str, *only: str, **more: object) -> Scan:
    return scan(url, CONFIG, ScanWish(only=only, **more))  # type: ignore[arg-type]


def answer(result: Scan, id_: str) -> Answer:
    [found] = [one for one in result.answers if one.question.id == id_]
    return found


def values(found: Answer) -> set[str | None]:
    return {sample.value[0] for sample in found.kept}


def rows(server: Server, database: str, query: str) -> set[str]:
    with server.connect(database, server.superuser) as session:
        return {str(row[0]) for row in session.rows(query)}


# What it finds


def test_the_same_ids_as_the_seeds_query_with_100_000_users(server: Server, database: str) -> None:
    mess = Mess(users=100_000)
    url = load(server, database, mess)
    found = answer(ask(url, "unmirrored"), "unmirrored public.users")
    seeds = "select au.id from auth.users au left join public.users pu on au.id = pu.id where pu.id is null"
    assert values(found) == rows(server, database, seeds) == mess.unmirrored
    assert found.violations == len(mess.unmirrored) == 2676
    assert found.rows_checked == 100_000 - 990


def test_everything_that_is_wrong_with_bandbook(server: Server, database: str) -> None:
    result = ask(load(server, database, MESS))
    assert result.is_complete
    assert values(answer(result, "unmirrored public.users")) == MESS.unmirrored
    assert values(answer(result, "stray public.users")) == MESS.strays
    for table, column, target in (
        ("songs", "created_by", "public.users"),
        ("songs", "last_modified_by", "auth.users"),
        ("shows", "created_by", "auth.users"),
        ("audit_log", "user_id", "auth.users"),
    ):
        found = answer(result, f"orphans public.{table}.{table}_{column}_fkey")
        truth = f"select {column} from {table} x where not exists (select from {target} t where t.id = x.{column})"
        wrong = rows(server, database, f"{truth} and {column} is not null")
        assert values(found) == wrong
        assert wrong
    assert sum(one.violations > 0 for one in result.answers) == 6
    assert exit_status(result, Severity.WARNING, allow_partial=False) == 1


def test_a_key_that_claims_to_be_valid(server: Server, database: str) -> None:
    """VALIDATE CONSTRAINT has nothing to say about a valid key that is violated; a scan has."""
    url = load(server, database, MESS)
    name = "songs_created_by_fkey"
    with server.connect(database) as session:
        session.run(f"alter table public.songs validate constraint {name}")
        assert session.value("select convalidated from pg_constraint where conname = %s", [name]) is True
    found = answer(ask(url, f"public.songs.{name}"), f"orphans public.songs.{name}")
    assert found.violations > 0
    assert found.cause is not None
    told = " ".join(sentence for group in found.cause.groups for sentence in group.evidence)
    assert "the key says that it is valid" in told
    assert "session_replication_role = replica" in told
    assert "VALIDATE CONSTRAINT will not find them" in told
    assert "a restore of this database will fail with 23503" in told


def test_a_key_of_several_columns_that_claims_to_be_valid(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            "create table public.a (x int, y text, primary key (x, y));"
            "create table public.b (x int, y text, foreign key (x, y) references public.a);"
            "set session_replication_role = replica; insert into public.b values (1, ''), (1, 'a; b')"
        )
    found = answer(ask(server.url(database)), "orphans public.b.b_x_y_fkey")
    assert found.cause is not None
    [group] = found.cause.groups
    assert (group.kind, group.values, group.rows) == ("restore", 2, 2)
    fast = render(ask(server.url(database), "orphans", options=ScanOptions(fast=True)))
    assert "2 rows of public.b that refer to nothing in public.a" in fast, "the server knows no number yet"
    assert "VALIDATE CONSTRAINT will not find them" in " ".join(group.evidence)
    assert "such as x 1, y ''; x 1, y 'a; b'" in render(ask(server.url(database)))


def test_a_key_that_was_never_validated(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table public.a (id int primary key); create table public.b (a int);"
            "insert into public.b values (1);"
            "alter table public.b add foreign key (a) references public.a not valid"
        )
    found = answer(ask(server.url(database)), "orphans public.b.b_a_fkey")
    assert found.violations == 1
    assert found.cause is not None
    assert found.cause.groups[0].kind == "before-the-key"


def test_keys_that_are_switched_off(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            "create table public.a (id int primary key); create table public.b (a int references public.a);"
            "create table public.c (a int references public.a); alter table public.b disable trigger all;"
            "create role loader; alter role loader set session_replication_role to replica"
        )
        result = ask(server.url(database))
    found = {one.subject: one.reasons for one in result.unenforced}
    assert found["public.b.b_a_fkey"] == ("its trigger on public.b is disabled",)
    assert found["role loader"] == (
        "it runs with session_replication_role=replica, so no key and no ordinary trigger works for it",
    )
    assert len(found) == 2
    assert exit_status(result, Severity.ERROR, allow_partial=False) == 1
    assert "1 key switched off, every key switched off for 1 role or database." in render(result)


def test_a_key_that_is_not_enforced(server: Server, database: str) -> None:
    if server.major < 18:
        pytest.skip("NOT ENFORCED came with PostgreSQL 18")
    with server.connect(database) as session:
        session.run(
            "create table public.a (id int primary key);"
            "create table public.b (a int references public.a not enforced); insert into public.b values (1)"
        )
    result = ask(server.url(database))
    assert [(one.subject, one.reasons) for one in result.unenforced] == [("public.b.b_a_fkey", ("it is NOT ENFORCED",))]
    found = answer(result, "orphans public.b.b_a_fkey")
    assert found.cause is not None
    assert (found.violations, found.cause.groups[0].kind) == (1, "unenforced-key")


def test_ids_in_a_column_without_a_key(server: Server, database: str) -> None:
    known, unknown = user_id(1), user_id(2)
    with server.connect(database, server.superuser) as session:
        session.run(
            "create table public.songs (id int primary key, created_by uuid references auth.users on delete cascade);"
            "create table public.shows (id int primary key, created_by uuid references auth.users on delete cascade);"
            "create table public.setlists (id int primary key, created_by uuid not null);"
            "alter table public.setlists enable row level security;"
            "create policy own on public.setlists for all to authenticated using (created_by = auth.uid());"
            f"insert into auth.users (id) values ('{known}');"
            f"insert into public.setlists values (1, '{known}'), (2, '{unknown}')"
        )
    found = answer(ask(server.url(database)), "undeclared public.setlists.created_by")
    assert values(found) == {unknown}
    assert found.severity == Severity.WARNING


def test_nothing_wrong(server: Server, database: str) -> None:
    result = ask(load(server, database, Mess(users=1)))
    assert result.is_complete
    assert not any(one.violations for one in result.answers)
    assert exit_status(result, Severity.INFO, allow_partial=False) == 0
    assert result.scope.left_aside == ("auth", "storage")


# What is asked


def test_only_some_questions(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=10))
    assert {one.question.id for one in ask(url, "public.shows*").answers} == {
        "orphans public.shows.shows_band_id_fkey",
        "orphans public.shows.shows_created_by_fkey",
        "orphans public.shows.shows_last_modified_by_fkey",
        "orphans public.shows.shows_setlist_id_fkey",
    }
    kinds = {one.question.kind for one in ask(url, identities=True).answers}
    assert kinds == {"unmirrored", "stray", "disagreeing"}


def test_keys_of_the_platform_only_if_wanted(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=10))
    schemas = {one.question.table.schema for one in scan(url, CONFIG, ScanWish(managed=True)).answers}
    assert {"auth", "public"} <= schemas


def test_names_with_blanks_and_capitals_as_a_shell_hands_them_on(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            'create table public."Our Users" (id int primary key);'
            'create table public."A [b]" ("My Owner" int references public."Our Users")'
        )
    url = server.url(database)
    id_ = 'orphans public."A [b]"."A [b]_My Owner_fkey"'
    for name in ('public."A [b]"', "public.A [b]", "public.A*", "public.A [b].A [b]_My Owner_fkey", id_):
        assert [one.question.id for one in ask(url, name).answers] == [id_]


def test_only_what_is_switched_off(server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(
            "create table public.a (id int primary key); create table public.b (a int references public.a);"
            "create table public.c (a int references public.a);"
            "alter table public.b disable trigger all; alter table public.c disable trigger all"
        )
    url = server.url(database)
    asked = ask(url, "unenforced")
    assert [one.subject for one in asked.unenforced] == ["public.b.b_a_fkey", "public.c.c_a_fkey"]
    assert asked.answers == ()
    assert [one.subject for one in ask(url, "public.c").unenforced] == ["public.c.c_a_fkey"]
    assert ask(url, "orphans").unenforced == ()


def test_a_name_that_names_nothing(server: Server, database: str) -> None:
    url = load(server, database, Mess(users=10))
    with pytest.raises(UsageError, match=r'"public.song".*Did you mean "public.songs"\?'):
        ask(url, "public.song")


# What cannot be checked


def test_a_role_that_may_read_only_some_tables(server: Server, database: str) -> None:
    load(server, database, MESS)
    with server.connect(database, server.superuser) as session:
        session.run(
            "create role reader login bypassrls; grant usage on schema public, auth to reader;"
            "grant select on public.songs, public.users, public.bands to reader"
        )
    result = ask(server.url(database, "reader"))
    asked = {one.question.id for one in result.answers}
    assert "orphans public.songs.songs_created_by_fkey" in asked
    reasons = {one.subject: one.reason for one in result.skipped}
    # Who may read too little to know the table of users is told so, question by question.
    assert reasons["orphans public.songs.songs_last_modified_by_fkey"] == (
        "the role reader may not read auth.users: grant it SELECT, and USAGE on the schema"
    )
    assert reasons["orphans public.audit_log.audit_log_user_id_fkey"].startswith(
        "the role reader may not read public.au"
    )
    assert asked.isdisjoint(reasons)
    assert exit_status(result, Severity.WARNING, allow_partial=False) == 2
    assert exit_status(result, Severity.WARNING, allow_partial=True) == 1
    assert "No wrong row found in what was checked." in render(ask(server.url(database, "reader"), "public.audit_log"))


def test_row_security_is_never_taken_for_an_answer(server: Server, database: str) -> None:
    """A role that row security shows less would find orphans where there are none, and none where there are."""
    load(server, database, MESS)
    with server.connect(database, server.superuser) as session:
        session.run(
            "create role reader login; grant usage on schema public, auth to reader;"
            "grant select on all tables in schema public, auth to reader"
        )
    result = ask(server.url(database, "reader"))
    reasons = {one.subject: one.reason for one in result.skipped}
    assert reasons["orphans public.songs.songs_created_by_fkey"] == (
        "row security hides rows of public.songs from the role reader: scan as its owner, or as a role with BYPASSRLS"
    )
    assert not any(one.violations for one in result.answers)
    assert exit_status(result, Severity.WARNING, allow_partial=False) == 2


def test_a_hot_standby_is_scanned_and_not_repaired() -> None:
    with restartable(SUPABASE) as own:
        with own.connect("postgres") as session:
            session.run("create table public.a (id int primary key); create table public.b (id int primary key, a int)")
            session.run("insert into public.b values (1, 5)")
            session.run("alter table public.b add foreign key (a) references public.a not valid")
        own.become_standby()
        url = own.url("postgres")
        result = ask(url)
        assert answer(result, "orphans public.b.b_a_fkey").violations == 1
        assert result.scope.replica is not None
        assert result.scope.replica.startswith("a standby")
        prepared = prepare(url, CONFIG, RepairWish())
        with pytest.raises(UsageError, match="is a hot standby: it can be scanned, but nothing can be written there"):
            execute(prepared, RepairWish())


def test_a_pooler_in_transaction_mode_is_refused(server: Server, database: str, short_folder: Path) -> None:
    load(server, database, Mess(users=10))
    with transaction_pooler(short_folder, server.folder, database, server.superuser) as url:
        with connect(url) as one, connect(url) as other:  # it is one: both are served by the same session
            assert one.value("select pg_backend_pid()") == other.value("select pg_backend_pid()")
        with pytest.raises(UsageError, match=r"is a pooler in transaction mode.*Use the session pooler"):
            ask(url)
    with pytest.raises(UsageError, match=r"aws-0\.pooler\.supabase\.com:6543 is a pooler in transaction mode"):
        ask("postgresql://postgres.ref:x@aws-0.pooler.supabase.com:6543/postgres")


def test_a_server_of_old_is_refused(short_folder: Path) -> None:
    with (
        server_of_version(short_folder, "12.20") as url,
        pytest.raises(ServerError, match=r"runs PostgreSQL 12, and referee needs 13 or newer"),
    ):
        ask(url)


# What is kept for the next scan


def test_a_budget_goes_on_where_it_ended(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = load(server, database, MESS)
    monkeypatch.setattr("referee.data.scan._SMALL", 0)
    monkeypatch.setattr("referee.data.scan._FIRST_BY_REFERENCE", 100)
    monkeypatch.setattr("referee.data.scan._MOST", 100)
    whole = ask(url, "orphans")
    wish = {"options": ScanOptions(budget=0.03)}
    seen = 0
    for _ in range(200):
        result = ask(url, "orphans", **wish)
        checked = sum(one.rows_checked for one in result.answers)
        assert checked >= seen
        seen = checked
        if result.is_complete:
            break
        assert any(one.left_out == "the budget of 0.03 s was used up" for one in result.answers)
    assert result.is_complete
    for one, other in zip(result.answers, whole.answers, strict=True):
        assert (one.question, one.rows_checked, one.violations) == (
            other.question,
            other.rows_checked,
            other.violations,
        )
        assert values(one) == values(other)
    earlier = [one.since for one in result.answers if one.since is not None]
    assert earlier
    assert f"by an earlier scan, since {min(earlier)}." in " ".join(render(result).split())
    assert "by an earlier scan" not in render(whole)
    fresh = ask(url, "orphans", options=ScanOptions(budget=3600))
    assert all(one.since is None for one in fresh.answers), "a finished round is not gone on with"


def test_what_is_new_since_the_saved_scan(server: Server, database: str, tmp_path: Path) -> None:
    url = load(server, database, MESS)
    file = tmp_path / "scan.json"
    first = ask(url, "unmirrored", save=file)
    assert first.answers[0].new is None
    assert ask(url, "unmirrored", save=file).answers[0].new == 0
    with server.connect(database, server.superuser) as session:
        session.run("delete from public.users where id in (select id from public.users order by id limit 2)")
    third = ask(url, "unmirrored", save=file)
    assert third.answers[0].new == 2
    assert third.notices[0].startswith("Compared with the scan of ")


def test_a_saved_scan_that_is_none(
    server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That is said before a scan, and not hours later."""
    url = load(server, database, Mess(users=10))
    monkeypatch.setattr("referee.workflow.scan.scan_rows", None)
    file = tmp_path / "scan.json"
    file.write_text("[]")
    with pytest.raises(ReadError, match="is no saved scan"):
        ask(url, "unmirrored", save=file)
    with pytest.raises(UsageError, match="no folder that you may write to"):
        ask(url, "unmirrored", save=tmp_path / "missing" / "scan.json")


def test_a_saved_scan_of_another_database_is_named(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "scan.json"
    with server.database() as one, server.database() as other:
        ask(server.url(one), save=file)
        [told] = ask(server.url(other), save=file).notices
    assert ", which was of " in told
    assert one in told
