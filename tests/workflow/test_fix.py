"""From findings to proven text: the example, in place and as a migration."""

from __future__ import annotations

import difflib
import shutil
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from referee.errors import ReadError, StatementError, UsageError
from referee.model.finding import Severity
from referee.model.repair import Proof, Repair
from referee.postgres.server import Server
from referee.postgres.session import Session
from referee.read.projects import find_migrations
from referee.workflow.check import check
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.prove import Wish, prove
from referee.workflow.rewrite import write_all
from tests import bandbook

CONFIG = Config(cache=False)
THREE = Config(cache=False, select=("split-identity-reference", "unsynced-mirror", "session-identity-in-key"))
IN_PLACE = Request("in-place")
WRITTEN = Request("in-place", write=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return bandbook.write_project("broken", tmp_path / "bandbook")


def failed(proof: Proof | None) -> list[object]:
    assert proof is not None
    return [check for check in proof.checks if not check.passed]


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    lines = list(difflib.ndiff(before.splitlines(), after.splitlines()))
    return [line[2:] for line in lines if line[0] == "-"], [line[2:] for line in lines if line[0] == "+"]


def test_six_clauses_one_function_one_trigger_and_nothing_else(project: Path) -> None:
    repair = fix(project, THREE, WRITTEN)
    assert failed(repair.proof) == []
    assert repair.written
    before = bandbook.migration("broken")
    after = (project / bandbook.BASELINE).read_text(encoding="utf-8")
    gone, new = changed_lines(before, after)
    wrong = [before.splitlines()[line - 1] for line in bandbook.WRONG_LINES]
    assert gone == wrong
    retargeted = [line.replace("REFERENCES auth.users(id)", "REFERENCES public.users(id)") for line in wrong]
    added = [line for line in new if line not in retargeted]
    assert [line for line in new if line in retargeted] == retargeted
    assert after.replace("\n".join(added) + "\n", "", 1).count("\n") == before.count("\n")
    text = "\n".join(added)
    assert [text.count(words) for words in ("CREATE FUNCTION", "CREATE TRIGGER", "REVOKE EXECUTE", "CREATE")] == [
        1,
        1,
        1,
        2,
    ]
    others = [path for path in project.rglob("*") if path.is_file() and path != project / bandbook.BASELINE]
    assert all(path.read_bytes() == (bandbook.PROJECT / path.relative_to(project)).read_bytes() for path in others)


def test_what_was_cured_is_silent_and_the_stray_row_is_still_told(project: Path) -> None:
    fix(project, THREE, WRITTEN)
    rules = {finding.rule for finding in check(project, CONFIG).findings}
    assert "unlinked-mirror" in rules
    assert not rules & set(THREE.select or ())
    [rehearsal] = prove(project, CONFIG, Wish(races=False)).rehearsals
    assert list(rehearsal.failures()) == ["flow outliving-token"]
    assert rehearsal.deletion is not None
    assert [str(count.table) for count in rehearsal.deletion.left if "id" in count.columns] == ["public.users"]


def test_all_remedies_leave_nothing_and_everything_passes(project: Path) -> None:
    repair = fix(project, CONFIG, WRITTEN)
    assert failed(repair.proof) == []
    assert [question.id for question in repair.questions] == ["on-delete public.shows.shows_created_by_fkey"]
    assert [finding for finding in check(project, CONFIG).findings if finding.problem.severity > Severity.INFO] == []
    [rehearsal] = prove(project, CONFIG, Wish(races=False)).rehearsals
    assert list(rehearsal.failures()) == []
    again = fix(project, CONFIG, IN_PLACE)
    assert (again.files, again.applied) == ((), ())


def test_nothing_is_written_unless_it_is_asked_for(project: Path) -> None:
    repair = fix(project, THREE, Request("in-place", verify=False))
    assert repair.proof is None
    assert not repair.written
    assert (project / bandbook.BASELINE).read_text() == bandbook.migration("broken")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encoding_and_line_ends_stay(project: Path, encoding: str) -> None:
    path = project / bandbook.BASELINE
    path.write_text(bandbook.migration("broken"), encoding=encoding, newline="\r\n")
    fix(project, THREE, Request("in-place", write=True, verify=False))
    text = path.read_bytes().decode(encoding)
    assert text.count("REFERENCES auth.users(id)") == 0
    assert text.count("\n") == text.count("\r\n")


def test_a_file_that_changed_meanwhile_is_not_overwritten(project: Path) -> None:
    path = project / bandbook.BASELINE
    repair = fix(project, THREE, Request("in-place", verify=False))
    path.write_text("select 1;\n")
    with pytest.raises(ReadError, match="changed"):
        write_all(repair.files, find_migrations(project))
    assert path.read_text() == "select 1;\n"


def test_without_evidence_the_files_have_run(project: Path) -> None:
    repair = fix(project, THREE, Request(verify=False))
    assert repair.way == "migration"
    assert fix(project, THREE, Request(shipped_through="none", verify=False)).way == "in-place"
    shipped = Request("in-place", shipped_through="20251106000000", verify=False)
    left = fix(project, THREE, shipped)
    assert left.files == ()
    assert {proposal.reason for proposal in left.proposals} != {None}
    with pytest.raises(UsageError, match="No migration has the version"):
        fix(project, THREE, Request(shipped_through="2099", verify=False))


# A migration


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Repair]:
    folder = bandbook.write_project("broken", tmp_path_factory.mktemp("fix") / "bandbook")
    return folder, fix(folder, CONFIG, Request("migration", write=True))


def test_the_plan_proves_right_on_a_database_with_rows(migrated: tuple[Path, Repair]) -> None:
    folder, repair = migrated
    assert failed(repair.proof) == []
    assert repair.proof is not None
    assert len(repair.proof.checks) == 12
    assert repair.plan is not None
    phases = [step.phase for step in repair.plan.steps]
    assert phases == sorted(phases)
    assert (folder / bandbook.BASELINE).read_text() == bandbook.migration("broken")


def test_a_second_fix_proposes_nothing(migrated: tuple[Path, Repair]) -> None:
    folder, _ = migrated
    again = fix(folder, CONFIG, Request("migration"))
    assert (again.files, again.applied) == ((), ())


def test_no_file_holds_a_strong_lock_and_something_else(migrated: tuple[Path, Repair]) -> None:
    _, repair = migrated
    for file in repair.files:
        if file.kind == "rollback":
            continue
        text = "\n".join([line for line in file.after.splitlines() if not line.startswith("--")])
        assert text.count("not valid") + text.count("drop constraint") + text.count("create trigger") <= 1
        assert not ("not valid" in text and "validate" in text)
        assert "set lock_timeout = '500ms'" in text or "concurrently" in text
        assert ("reset lock_timeout" in text) == ("set lock_timeout" in text)


@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql")
def test_psql_applies_the_files_in_their_order_and_the_rollback_leads_back(
    migrated: tuple[Path, Repair], server: Server
) -> None:
    _, repair = migrated
    with server.database() as database:
        psql(server, database, bandbook.migration("broken"))
        with server.connect(database, server.superuser) as session:
            session.run(
                "insert into auth.users (id, email) select gen_random_uuid(), n || '@example.org' "
                "from generate_series(1, 50) n"
            )
            session.run(
                "insert into public.users (id, email, name) select id, email, 'x' from auth.users limit 40;"
                "insert into public.bands (name) values ('b');"
                "insert into public.songs (band_id, title, last_modified_by) "
                "select b.id, u.email, u.id from auth.users u, public.bands b"
            )
        for file in repair.files:
            if file.kind == "migration":
                psql(server, database, file.after)
        keys = "select confrelid::regclass::text, convalidated, count(*) from pg_constraint where contype = 'f' and "
        keys += "conrelid::regclass::text in ('songs', 'setlists', 'shows') and conkey::text <> '' and "
        keys += "conname ~ '(created_by|modified_by)' group by 1, 2"
        with server.connect(database, server.superuser) as session:
            assert session.rows(keys) == [("users", True, 6)]
            assert session.rows("select count(*) from public.users") == [(50,)]
            assert session.rows("select count(*) from public.songs where last_modified_by is not null") == [(50,)]
        [rollback] = [file for file in repair.files if file.kind == "rollback"]
        # The host lets its migration role drop triggers on its tables; plain Postgres asks for their owner.
        psql(server, database, rollback.after, server.superuser)
        with server.connect(database, server.superuser) as session:
            wrong = "select count(*) from pg_constraint where confrelid = 'auth.users'::regclass and convalidated "
            wrong += "and connamespace = 'public'::regnamespace"
            assert session.rows(wrong) == [(6,)]
            assert session.rows("select count(*) from public.users") == [(50,)]


def psql(server: Server, database: str, text: str, user: str | None = None) -> None:
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", server.url(database, user)]
    for _ in range(10):  # a lock time-out is an invitation to try again
        done = subprocess.run(command, input=text, text=True, capture_output=True, check=False)
        if "lock timeout" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr


class Writer(threading.Thread):
    """Signs people up and lets each write a song, until it is told to stop; keeps what failed."""

    def __init__(self, server: Server, database: str) -> None:
        super().__init__()
        self.server, self.database = server, database
        self.done = threading.Event()
        self.people = 0
        self.failures: list[str] = []

    def run(self) -> None:
        with self.server.connect(self.database, self.server.superuser) as session:
            while not self.done.is_set():
                person = uuid.uuid4()
                self.people += 1
                self._try(session, f"insert into auth.users (id, email) values ('{person}', '{person}@example.org')")
                song = f"insert into public.songs (band_id, title, last_modified_by) select id, 's', '{person}'"
                self._try(session, f"{song} from public.bands limit 1")

    def _try(self, session: Session, statement: str) -> None:
        try:
            session.run(statement)
        except StatementError as error:
            self.failures.append(str(error))


@pytest.mark.skipif(shutil.which("psql") is None, reason="needs psql")
def test_no_write_fails_while_the_files_run(migrated: tuple[Path, Repair], server: Server) -> None:
    """100,000 accounts, of which 50 have no row in the mirror; sign-ups and writes go on meanwhile."""
    _, repair = migrated
    with server.database() as database:
        psql(server, database, bandbook.migration("broken"))
        with server.connect(database, server.superuser) as session:
            session.run(
                "insert into auth.users (id, email) select gen_random_uuid(), n || '@example.org' "
                "from generate_series(1, 100000) n;"
                "insert into public.users (id, email, name) select id, email, 'x' from auth.users offset 50;"
                "insert into public.bands (name) values ('b');"
                "insert into public.songs (band_id, title, last_modified_by) "
                "select b.id, u.email, u.id from auth.users u, public.bands b"
            )
            writer = Writer(server, database)
            writer.start()
            try:
                for file in repair.files:
                    if file.kind == "migration":
                        psql(server, database, file.after)
            finally:
                writer.done.set()
                writer.join()
            assert writer.failures == []
            assert writer.people > 1
            count = "select (select count(*) from auth.users), (select count(*) from public.users), "
            count += "(select count(*) from public.songs where last_modified_by is not null)"
            people = 100_000 + writer.people
            assert session.rows(count) == [(people, people, people)]
            assert repair.plan is not None
            assert [session.rows(query) for query in repair.plan.verification] == [[]] * len(repair.plan.verification)
            wrong = "select conname from pg_constraint where contype = 'f' and connamespace = 'public'::regnamespace "
            wrong += "and (not convalidated or confrelid = 'auth.users'::regclass)"
            assert session.rows(wrong) == [("users_id_fkey",)]
            assert session.value("select convalidated from pg_constraint where conname = 'users_id_fkey'") is True
