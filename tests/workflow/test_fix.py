"""From findings to proven text: the example, in place and as a migration."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import get_args

import pytest

from referee.errors import ReadError, UsageError
from referee.model.change import Safety
from referee.model.finding import Severity
from referee.model.repair import Check, Proof, Repair, Way
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
    assert {question.id: question.answer for question in repair.questions} == {
        "on-delete public.shows.shows_created_by_fkey": "set null",
        "without public.users.email": "''",
    }
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


def test_nothing_is_written_when_the_proof_does_not_hold(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = Proof("18.6", (Check("it holds", True), Check("it holds as well", False, ("it does not",))))
    monkeypatch.setattr("referee.workflow.fix.prove_cure", lambda *_: fails)
    for way in get_args(Way):
        before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
        repair = fix(project, THREE, Request(way, write=True))
        assert (repair.written, repair.safety) == (False, Safety.UNSAFE)
        assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before


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
    told = [detail for check in repair.proof.checks for detail in check.details]
    assert told == ["public.users.users_id_fkey stays NOT VALID while rows are there that refer to nothing"]
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
