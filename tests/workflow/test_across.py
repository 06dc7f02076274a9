"""Accounts and their mirror in different places: databases, files, and what cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest

from referee.data import across
from referee.errors import ReadError, ServerError, UsageError
from referee.model.scan import Answer, Scan
from referee.postgres.server import Server
from referee.workflow.across import Place, scan_across
from referee.workflow.config import Config
from tests.data.mess import Mess, load, user_id

duckdb = pytest.importorskip("duckdb")
CONFIG = Config(cache=False)
MESS = Mess(users=600)

ACCOUNTS = {user_id(number) for number in range(1, MESS.users + 1) if not MESS.is_stray(number)}
PEOPLE = {user_id(number) for number in range(1, MESS.users + 1) if not MESS.is_unmirrored(number)}


@pytest.fixture
def other(server: Server) -> Iterator[str]:
    """A second database, which has nothing but people."""
    with server.database() as name:
        with server.connect(name) as session:
            session.run("create table public.people (id uuid primary key, name text)")
            for id_ in PEOPLE:
                session.run(f"insert into public.people values ('{id_}')")
        yield name


def ask(source: Place, mirror: Place, sample: int = 1000) -> Scan:
    return scan_across(source, mirror, CONFIG, sample)


def values(answer: Answer) -> set[str | None]:
    return {sample.value[0] for sample in answer.sample}


def judge(result: Scan) -> None:
    """Both directions, as the model has them."""
    unmirrored, stray = result.answers
    assert (unmirrored.question.kind, stray.question.kind) == ("unmirrored", "stray")
    assert values(unmirrored) == ACCOUNTS - PEOPLE == MESS.unmirrored
    assert values(stray) == PEOPLE - ACCOUNTS == MESS.strays
    assert (unmirrored.rows_checked, unmirrored.violations) == (len(ACCOUNTS), len(ACCOUNTS - PEOPLE))
    assert (stray.rows_checked, stray.violations) == (len(PEOPLE), len(PEOPLE - ACCOUNTS))


def csv(path: Path, ids: Iterable[str], header: str = "user_id,email", rest: str = ",x@example.org") -> Path:
    path.write_text("\n".join([header, *(f"{id_}{rest}" for id_ in sorted(ids))]) + "\n")
    return path


# Places


def test_two_databases(server: Server, database: str, other: str) -> None:
    url = load(server, database, MESS)
    judge(ask(Place(url), Place(server.url(other), "public.people")))
    judge(ask(Place(url, "auth.users(id)"), Place(server.url(other), "public.people(id)")))


def test_the_mirror_is_found_by_its_name(server: Server, database: str, other: str) -> None:
    url = load(server, database, MESS)
    with server.connect(other) as session:
        session.run("alter table public.people rename to users")
    judge(ask(Place(url), Place(server.url(other))))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "csv.gz"])
def test_accounts_in_a_file(server: Server, other: str, tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"it's [all] the users.{kind}"
    rows = [{"user_id": id_.upper(), "email": 'x, "y"\nz'} for id_ in sorted(ACCOUNTS)]
    if kind == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        file.write_text(json.dumps(rows))
    else:
        lines = tmp_path / "rows.jsonl"
        lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
        kinds = {"tsv": "(format csv, delimiter '\t')", "csv.gz": "(format csv, compression gzip)"}
        how = kinds.get(kind, f"(format {kind})")
        duckdb.sql(f"copy (from read_json('{lines}')) to '{str(file).replace(chr(39), chr(39) * 2)}' {how}")
    judge(ask(Place(str(file)), Place(server.url(other), "public.people")))


def test_two_files(tmp_path: Path) -> None:
    """Nothing says that the ids are uuids, but those that are may be written in any way."""
    accounts = csv(tmp_path / "accounts.csv", {id_.upper() for id_ in ACCOUNTS})
    people = csv(tmp_path / "people.csv", PEOPLE, "sub", "")
    judge(ask(Place(str(accounts)), Place(str(people))))


def test_ids_that_are_no_uuids(tmp_path: Path) -> None:
    accounts = csv(tmp_path / "accounts.csv", {"user_1", "user_2", "User_3"}, "id", "")
    people = csv(tmp_path / "people.csv", {"user_1", "user_3"}, "id", "")
    unmirrored, stray = ask(Place(str(accounts)), Place(str(people))).answers
    assert (values(unmirrored), values(stray)) == ({"user_2", "User_3"}, {"user_3"})


def test_rows_without_an_id_and_ids_that_come_twice_are_told(server: Server, other: str, tmp_path: Path) -> None:
    file = csv(tmp_path / "users.csv", ACCOUNTS)
    with file.open("a") as lines:
        lines.write(f",nobody@example.org\n  ,nobody@example.org\n{user_id(1)},x\n")
    result = ask(Place(str(file)), Place(server.url(other), "public.people"))
    judge_counts = [(answer.violations, answer.rows_checked) for answer in result.answers]
    assert judge_counts == [(len(MESS.unmirrored), len(ACCOUNTS) + 1), (len(MESS.strays), len(PEOPLE))]
    assert result.notices == (
        f"Rows of {file} without user_id: 2.",
        f"Ids of {file} that stand there more than once: 1.",
    )


# What cannot be compared


def test_a_file_with_malformed_uuids(server: Server, other: str, tmp_path: Path) -> None:
    file = csv(tmp_path / "users.csv", [user_id(1), user_id(2)])
    with file.open("a") as lines:
        lines.write(f"not-a-uuid,x\n{user_id(3)},x\nauth0|5f7c8ec7c33c6c004bbafe82,x\n")
    with pytest.raises(
        ReadError,
        match=r"users\.csv has in the column user_id 2 values that are no uuid, as the ids of the other side are: "
        r'"not-a-uuid" in line 4, "auth0\|5f7c8ec7c33c6c004bbafe82" in line 6\. Correct that, or name another column '
        "with --source-key or --mirror-key",
    ):
        ask(Place(str(file)), Place(server.url(other), "public.people"))


def test_a_column_of_text_with_malformed_uuids(server: Server, database: str, other: str) -> None:
    with server.connect(database) as session:
        session.run("create table public.accounts (id text primary key)")
        session.run(f"insert into public.accounts values ('{user_id(1)}'), ('{user_id(2).upper()}'), ('x')")
        place = Place(server.url(database), "public.accounts")
        mirror = Place(server.url(other), "public.people")
        with pytest.raises(ReadError, match=r'has in the column id a value that is no uuid.*: "x"\. Correct'):
            ask(place, mirror)
        session.run("delete from public.accounts where id = 'x'")
    assert ask(place, mirror).answers[0].violations == 0


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("gone.csv", None, "There is no file .*gone.csv. Check the path; a database is named by its URL"),
        ("users.xlsx", "", r"users.xlsx is neither a database nor a file of a known kind: its name must end in \.csv"),
        ("users.parquet", "no parquet", "users.parquet could not be read: .*Is it what its name says"),
        ("users.csv", "", r"users.csv is empty, and has not even the names of columns. Export it again"),
        ("users.jsonl", '{"id": 1', "users.jsonl could not be read: "),
        (
            "users.csv",
            "a,b\n1,2\n",
            "Which column of .*users.csv holds the ids. It has a, b. Name one with --source-key",
        ),
    ],
)
def test_files_that_cannot_be_used(
    server: Server, other: str, tmp_path: Path, name: str, text: str | None, message: str
) -> None:
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises((ReadError, UsageError), match=message):
        ask(Place(str(file)), Place(server.url(other), "public.people"))


def test_a_column_that_a_file_does_not_have(server: Server, other: str, tmp_path: Path) -> None:
    file = csv(tmp_path / "users.csv", ACCOUNTS)
    with pytest.raises(UsageError, match="has no column uid; it has user_id, email"):
        ask(Place(str(file), "uid"), Place(server.url(other), "public.people"))


def test_a_table_that_a_database_does_not_have(server: Server, other: str, tmp_path: Path) -> None:
    file = csv(tmp_path / "users.csv", ACCOUNTS)
    with pytest.raises(UsageError, match=r"Name the mirror's table and column with --mirror-key"):
        ask(Place(str(file)), Place(server.url(other), "public.persons(id)"))
    with server.connect(other) as session:
        session.run("alter table public.people rename to things")
    with pytest.raises(UsageError, match=r"none of its tables looks like one. Name it with --mirror-key"):
        ask(Place(str(file)), Place(server.url(other)))


def test_a_table_that_the_role_may_not_read(server: Server, other: str, tmp_path: Path) -> None:
    file = csv(tmp_path / "users.csv", ACCOUNTS)
    with server.connect(other, server.superuser) as session:
        session.run("create role stranger login")
    with pytest.raises(ServerError, match="permission denied for table people"):
        ask(Place(str(file)), Place(server.url(other, "stranger"), "public.people"))


# Memory


def test_memory_is_bounded_and_the_rest_is_spilled(
    server: Server, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A join that does not fit goes to disk and comes to the same result."""
    rows = 300_000
    with server.connect(other) as session:
        session.run(
            "insert into public.people select md5('x' || n)::uuid"
            f" from generate_series(1, {rows}) as n where n % 1000 > 0"
        )
    file = tmp_path / "users.csv"
    with server.connect(other) as session:
        found = session.rows(f"select md5('x' || n)::uuid::text from generate_series(1, {rows}) as n")
    csv(file, (id_ for (id_,) in found), "id", "")
    monkeypatch.setattr("referee.workflow.across.compare", partial(across.compare, memory=60))
    unmirrored, stray = ask(Place(str(file)), Place(server.url(other), "public.people")).answers
    assert (unmirrored.violations, stray.violations) == (rows // 1000, len(PEOPLE))
