"""Scans answer exactly, however they divide the rows, and say what they could not answer."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest

from referee.data import scan as module
from referee.data.ask import Manners, ask
from referee.data.scan import Mark, Progress, ScanOptions, scan_rows
from referee.data.watch import Watch
from referee.errors import ServerError
from referee.model.names import QName
from referee.model.question import Question
from referee.model.schema import Schema
from referee.postgres.server import Server
from referee.postgres.session import Limits, Row, Session, connect
from referee.read.catalog import read_catalog
from referee.sql.questions import Questions
from tests.data.restartable import restartable

PARENTS, CHILDREN = 700, 3000

_LOAD = f"""
create table p (id int primary key);
create table c (id bigint primary key, p int{{references}});
insert into p select n * 3 from generate_series(1, {PARENTS}) as n;
insert into c select n * 7 % 10007, nullif(n % {PARENTS * 4}, 5) from generate_series(1, {CHILDREN}) as n;
"""
# One reference in four is NULL-free and may miss: what the server itself says is the truth to compare with.
_TRUTH = "select p, count(*) from c where p is not null and not exists (select from p as x where x.id = c.p) group by p"


class Case:
    """A table with orphans, and what there is to be found in it."""

    def __init__(self, server: Server, database: str, *, index: bool, key: bool) -> None:
        self.server = server
        self.database = database
        with server.connect(database) as session:
            text = _LOAD.replace("{references}", "")
            session.run(text if key else text.replace("bigint primary key", "bigint"))
            if index:
                session.run("create index on c (p)")
            session.run("alter table c add foreign key (p) references p not valid; analyze")
            self.schema: Schema = read_catalog(session)
            self.truth = {(str(value),): rows for value, rows in session.rows(_TRUTH)}
            self.checked = session.value("select count(p) from c")
        [key_] = self.schema.tables[QName("public", "c")].foreign_keys
        self.question: Question = Questions(self.schema).orphans(key_)

    def connect(self) -> Session:
        return connect(self.server.url(self.database), limits=Limits(statement=None))

    def scan(self, options: ScanOptions | None = None, **more: object) -> Progress:
        sizes = {self.question.id: None}
        return scan_rows(self.connect, self.schema, [self.question], sizes, options or ScanOptions(), **more)  # type: ignore[arg-type]


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces so small that the tests' tables have many."""
    monkeypatch.setattr(module, "_FIRST_BY_REFERENCE", 50)
    monkeypatch.setattr(module, "_FIRST_BY_KEY", 50)
    monkeypatch.setattr(module, "_LEAST", 7)
    monkeypatch.setattr(module, "_MOST", 200)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("parallel", [1, 3])
@pytest.mark.parametrize(
    ("index", "key"), [(True, True), (False, True), (False, False)], ids=["by reference", "by key", "undivided"]
)
def test_every_way_of_dividing_finds_the_same(
    server: Server, database: str, index: bool, key: bool, parallel: int, fast: bool
) -> None:
    case = Case(server, database, index=index, key=key)
    [answer] = case.scan(ScanOptions(fast=fast, parallel=parallel, sample=3)).answers
    assert answer.complete
    assert answer.violations == sum(case.truth.values()) > 100
    assert answer.values == len(case.truth)
    assert {sample.value: sample.rows for sample in answer.kept} == case.truth
    assert len(answer.sample) == 3
    if not fast:
        assert answer.rows_checked == case.checked


@pytest.mark.usefixtures("small_pieces")
def test_keys_of_rows_come_with_the_references(server: Server, database: str) -> None:
    case = Case(server, database, index=False, key=True)
    [answer] = case.scan().answers
    with server.connect(database) as session:
        for sample in answer.sample:
            assert sample.key is not None
            assert session.value("select p::text from c where id = %s", [int(str(sample.key[0]))]) == sample.value[0]


def test_no_more_references_are_kept_than_wanted(server: Server, database: str) -> None:
    case = Case(server, database, index=True, key=True)
    [answer] = case.scan(ScanOptions(kept=10)).answers
    assert len(answer.kept) == 10
    assert answer.violations == sum(case.truth.values())
    assert answer.values == len(case.truth)


@pytest.mark.usefixtures("small_pieces")
def test_a_budget_is_kept_and_the_next_scan_goes_on_where_it_ended(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(server, database, index=True, key=True)
    pieces: list[str] = []
    monkeypatch.setattr(module, "_FIRST_BY_REFERENCE", 20)
    monkeypatch.setattr(module, "_MOST", 20)

    marks: Mapping[str, Mark] = {}
    rounds = 0
    while True:
        rounds += 1
        asked = _budget_of_pieces(monkeypatch, 30)
        progress = case.scan(ScanOptions(budget=3600), marks=marks)
        pieces += asked
        [answer] = progress.answers
        if answer.complete:
            break
        assert answer.left_out == "the budget of 3600 s was used up"
        assert 0 < answer.rows_checked < case.checked
        marks = progress.marks
        assert marks
        assert rounds < 50
    assert rounds > 2
    assert (answer.rows_checked, answer.violations) == (case.checked, sum(case.truth.values()))
    assert {sample.value: sample.rows for sample in answer.kept} == case.truth
    assert len(pieces) == len(set(pieces)), "a piece was looked at twice"


def _budget_of_pieces(monkeypatch: pytest.MonkeyPatch, most: int) -> list[str]:
    """Lets a scan's budget end after so many pieces; the list fills with what was asked."""
    asked: list[str] = []

    def counting(session: Session, queries: list[str], manners: Manners) -> list[list[Row]]:
        if len(queries) == 2:
            asked.append(queries[1])
        return ask(session, queries, manners)

    monkeypatch.setattr("referee.data.scan.ask", counting)
    monkeypatch.setattr(module._Scan, "is_late", lambda self: len(asked) >= most)
    return asked


@pytest.mark.usefixtures("small_pieces")
def test_a_piece_that_takes_too_long_is_halved(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case(server, database, index=True, key=True)
    cancelled = 0

    def slow(session: Session, queries: list[str], manners: Manners) -> list[list[Row]]:
        nonlocal cancelled
        if len(queries) == 2:
            [[(rows,)]] = ask(session, [queries[0]], manners)
            if rows > 12:
                cancelled += 1
                session.rows("set statement_timeout to 1")
                try:
                    session.rows("select pg_sleep(1)")
                finally:
                    session.rows("set statement_timeout to 0")
        return ask(session, queries, manners)

    monkeypatch.setattr("referee.data.scan.ask", slow)
    [answer] = case.scan().answers
    assert cancelled > 5
    assert answer.complete
    assert {sample.value: sample.rows for sample in answer.kept} == case.truth
    assert answer.rows_checked == case.checked


def test_what_takes_too_long_and_cannot_be_divided_is_said(server: Server, database: str) -> None:
    case = Case(server, database, index=False, key=False)
    with server.connect(database) as session:
        session.run(
            "alter table c drop constraint c_p_fkey; insert into c select n, -n from generate_series(1, 300000) n"
        )
    [answer] = case.scan(ScanOptions(statement=0.001)).answers
    assert not answer.complete
    assert answer.left_out is not None
    assert "took longer than 0.001 s: allow more with --statement-timeout" in answer.left_out


@pytest.mark.usefixtures("small_pieces")
def test_a_table_that_is_dropped_meanwhile_is_said(server: Server, database: str) -> None:
    case = Case(server, database, index=True, key=True)

    def drop(message: str) -> None:
        with server.connect(database) as session:
            session.run("drop table if exists c")

    [answer] = case.scan(watch=Watch(drop)).answers
    assert not answer.complete
    assert answer.rows_checked > 0
    assert (
        answer.left_out
        == 'relation "public.c" does not exist: it was dropped or renamed since the scan began. Scan again'
    )


def test_a_locked_table_is_said_and_not_waited_for(server: Server, database: str) -> None:
    case = Case(server, database, index=True, key=True)
    with server.connect(database) as session:
        session.run("begin; lock table c in access exclusive mode")
        [answer] = case.scan(ScanOptions(lock=0.01)).answers
        session.run("rollback")
    assert answer.left_out == "public.c or public.p is locked by somebody else. Scan again later"


@pytest.mark.usefixtures("small_pieces")
def test_a_lost_connection_is_made_anew(server: Server, database: str) -> None:
    case = Case(server, database, index=True, key=True)
    lost = 0

    def cut(message: str) -> None:
        nonlocal lost
        if lost < 3:
            with server.connect(database, server.superuser) as session:
                lost += session.value(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'referee' and pid <> pg_backend_pid() and datname = current_database()"
                )

    watch = Watch(cut)
    watch._told = -1e9
    [answer] = case.scan(watch=watch).answers
    assert lost >= 1
    assert answer.complete
    assert {sample.value: sample.rows for sample in answer.kept} == case.truth


def test_a_server_that_does_not_come_back_ends_the_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.5)
    with restartable() as own:
        with own.connect("postgres") as session:
            session.run("create table p (id int primary key); create table c (p int references p)")
            schema = read_catalog(session)
        [question] = [Questions(schema).orphans(key) for key in schema.foreign_keys()]
        own.stop()
        with pytest.raises(ServerError, match="No connection to"):
            scan_rows(lambda: connect(own.url("postgres")), schema, [question], {question.id: 1}, ScanOptions())


def test_questions_with_the_same_text_are_asked_once(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = Case(server, database, index=True, key=True)
    asked: list[Sequence[str]] = []

    def counting(session: Session, queries: list[str], manners: Manners) -> list[list[Row]]:
        asked.append(queries)
        return ask(session, queries, manners)

    monkeypatch.setattr("referee.data.scan.ask", counting)
    twin = Questions(case.schema).undeclared(case.question.table, "p", case.question.target)
    questions = [case.question, twin]
    answers = scan_rows(case.connect, case.schema, questions, {q.id: 1 for q in questions}, ScanOptions()).answers
    assert len(asked) == 1
    assert [answer.question.kind for answer in answers] == ["orphans", "undeclared"]
    assert answers[0].violations == answers[1].violations > 0


def test_others_come_first(server: Server, database: str) -> None:
    """With --max-load a scan waits until others are done."""
    case = Case(server, database, index=True, key=True)
    said: list[str] = []
    with server.connect(database) as busy:
        busy.run("set application_name to 'shop'")
        worker = threading.Thread(target=lambda: busy.rows("select pg_sleep(1.2)"))
        worker.start()
        with server.connect(database) as session:
            asleep = "select count(*) from pg_stat_activity where application_name = 'shop' and state = 'active'"
            while not session.value(asleep):
                pass
        [answer] = case.scan(ScanOptions(max_load=0), watch=Watch(said.append)).answers
        worker.join()
    assert answer.complete
    assert any("1 other sessions are active, more than 0; waiting" in message for message in said)


def test_rows_keep_being_right_while_others_write(
    server: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are there during the whole scan are seen exactly once, also when others update them meanwhile."""
    case = Case(server, database, index=True, key=True)
    monkeypatch.setattr(module, "_FIRST_BY_REFERENCE", 40)
    monkeypatch.setattr(module, "_MOST", 40)
    stop = threading.Event()

    def write() -> None:
        with server.connect(database) as session:
            session.run("alter table c add column note int")
            while not stop.is_set():
                # Updates move rows to other places of the table without touching their keys.
                session.run("update c set note = coalesce(note, 0) + 1 where id % 3 = 0")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            [answer] = case.scan().answers
            assert {sample.value: sample.rows for sample in answer.kept} == case.truth
            assert answer.rows_checked == case.checked
    finally:
        stop.set()
        writer.join()


def test_what_breaks_match_full_with_some_columns_null_is_listed(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table a (x int, y int, primary key (x, y)); create table b (x int, y int);"
            "insert into b values (1, null), (null, 2), (3, 4), (null, null);"
            "alter table b add foreign key (x, y) references a match full not valid"
        )
        schema = read_catalog(session)
    [key] = schema.tables[QName("public", "b")].foreign_keys
    question = Questions(schema).orphans(key)

    def connected() -> Session:
        return connect(server.url(database))

    [answer] = scan_rows(connected, schema, [question], {question.id: None}, ScanOptions()).answers
    assert [sample.value for sample in answer.kept] == [("1", None), ("3", "4"), (None, "2")]
