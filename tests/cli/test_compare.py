from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.postgres.server import Server
from tests import bandbook
from tests.cli.projects import write

FIXED, BROKEN = "fixed", "broken"


@pytest.fixture
def projects() -> None:
    bandbook.write_project("fixed_with_identity_key", Path(FIXED))
    bandbook.write_project("broken", Path(BROKEN))


@pytest.mark.usefixtures("projects")
def test_the_status_says_whether_something_of_consequence_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", FIXED, FIXED]) == 0
    assert "Nothing that matters differs." in capsys.readouterr().out
    assert main(["compare", FIXED, BROKEN]) == 1
    assert "auth.users.on_auth_user_created" in capsys.readouterr().out
    assert main(["compare", FIXED, BROKEN, "--fail-on", "never"]) == 0


@pytest.mark.usefixtures("projects")
def test_the_formats(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", FIXED, BROKEN, "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert found["differences"][0]["object"] == "auth.users.on_auth_user_created"
    main(["compare", FIXED, BROKEN, "--format", "markdown", "--output", "report.md"])
    assert Path("report.md").read_text(encoding="utf-8").startswith("**left**: fixed")


@pytest.mark.usefixtures("projects")
def test_a_failure_is_explained_from_the_command_line_and_from_stdin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["compare", FIXED, BROKEN, "--explain", "23503 bands_created_by_fkey"]) == 1
    told = capsys.readouterr().out
    assert "Explained by auth.users.on_auth_user_created" in told
    monkeypatch.setattr("sys.stdin", io.StringIO('insert violates foreign key constraint "bands_created_by_fkey"'))
    main(["compare", FIXED, BROKEN, "--explain", "-"])
    assert "Explained by auth.users.on_auth_user_created" in capsys.readouterr().out
    assert main(["compare", FIXED, BROKEN, "--explain", " "]) == 2
    assert "--explain needs a failure" in capsys.readouterr().err


@pytest.mark.usefixtures("projects")
def test_the_statements_that_remove_the_differences(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", FIXED, BROKEN, "--fixes", "right"])
    statements = capsys.readouterr().out
    assert "create trigger on_auth_user_created after insert or update on auth.users" in statements
    assert statements.rstrip().endswith(";")
    main(["compare", FIXED, BROKEN, "--fixes", "left"])
    assert "on_auth_user_created" not in capsys.readouterr().out


@pytest.mark.usefixtures("projects")
def test_a_side_can_be_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", FIXED, BROKEN, "--trust", "right", "--fixes", "left"])
    assert "drop trigger on_auth_user_created on auth.users" in capsys.readouterr().out
    main(["compare", FIXED, BROKEN, "--trust", "right", "--fixes", "right"])
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("projects")
def test_a_snapshot_is_a_side(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["snapshot", FIXED, "--output", "production.json"]) == 0
    assert json.loads(Path("production.json").read_text(encoding="utf-8"))["version"] == 1
    assert main(["compare", "production.json", FIXED]) == 0
    assert main(["compare", "production.json", BROKEN]) == 1
    main(["snapshot", FIXED])
    assert capsys.readouterr().out.endswith(Path("production.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("projects")
def test_a_lock_is_written_held_to_and_restored_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", FIXED]) == 0
    assert capsys.readouterr().out == "Wrote referee.lock.\n"
    assert main(["lock", FIXED, "--check"]) == 0
    assert main(["lock", BROKEN, "--check"]) == 1
    assert (
        "function public.handle_new_user() is locked and missing" in " ".join(capsys.readouterr().out.split()).lower()
    )
    assert main(["lock", BROKEN, "--restore", "--output", "back.sql"]) == 1
    text = Path("back.sql").read_text(encoding="utf-8")
    assert "create trigger on_auth_user_created" in text
    migrations = Path(BROKEN, "supabase", "migrations")
    (migrations / "20251201000000_back.sql").write_text(text, encoding="utf-8")
    capsys.readouterr()
    assert main(["lock", BROKEN, "--check"]) == 0, capsys.readouterr().out


@pytest.mark.usefixtures("projects")
def test_a_lock_file_of_the_project_is_found_and_another_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lock", FIXED, "--file", "other.lock"])
    assert not Path("referee.lock").exists()
    assert main(["compare", FIXED, BROKEN, "--locked", "other.lock"]) == 1
    assert main(["compare", FIXED, BROKEN, "--locked", "no.lock"]) == 2
    assert "no.lock" in capsys.readouterr().err


@pytest.mark.usefixtures("projects")
def test_check_holds_a_subject_to_the_lock(capsys: pytest.CaptureFixture[str]) -> None:
    main(["lock", FIXED, "--file", str(Path(FIXED, "referee.lock"))])
    Path(FIXED, "supabase", "migrations", "20251201000000_b.sql").write_text(
        "drop trigger on_auth_user_created on auth.users;", encoding="utf-8"
    )
    capsys.readouterr()
    main(["check", FIXED, "--select", "split-identity-reference", "--locked", "--format", "json"])
    [finding] = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["rule"], finding["object"]) == ("broken-lock", "auth.users.on_auth_user_created")
    assert finding["location"]["file"].endswith("20251201000000_b.sql")
    assert "its function public.handle_new_user was kept" in finding["message"]
    assert main(["check", BROKEN, "--locked", str(Path(FIXED, "referee.lock"))]) == 1
    assert "broken-lock" in capsys.readouterr().out
    assert main(["check", BROKEN, "--locked"]) == 2
    assert "`referee lock` writes one" in " ".join(capsys.readouterr().err.split())


def test_check_holds_a_database_to_the_lock(
    server: Server, database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.connect(database) as session:
        session.run(bandbook.migration("fixed_with_identity_key"))
    file = str(tmp_path / "referee.lock")
    quiet = ["check", "--db", server.url(database), "--select", "split-identity-reference", "--locked", file]
    assert main(["lock", server.url(database), "--file", file]) == 0
    assert main(quiet) == 0
    with server.connect(database, server.superuser) as session:
        session.run("drop trigger on_auth_user_created on auth.users")
    capsys.readouterr()
    assert main(quiet) == 1
    assert "its function public.handle_new_user was kept" in " ".join(capsys.readouterr().out.split())
    assert (
        main(["lock", server.url(database), "--file", file, "--restore", "--output", str(tmp_path / "back.sql")]) == 1
    )
    assert "create trigger on_auth_user_created" in (tmp_path / "back.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "arguments",
    [
        ["compare"],
        ["compare", "a"],
        ["compare", "nowhere", "nowhere"],
        ["compare", ".", ".", "--format", "sarif"],
        ["lock", "nowhere"],
        ["lock", "--check"],
        ["snapshot", "nowhere"],
    ],
)
def test_what_makes_no_sense_ends_in_a_sentence_and_status_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write("create table public.t (id int);")
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("referee: ")
