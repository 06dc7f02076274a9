from __future__ import annotations

import json
from pathlib import Path

import pytest

from referee.cli.main import main
from tests.cli.projects import CLEAN, LINE, SPLIT, write

RULE = "split-identity-reference"


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    main(["check", "--format", "json", *arguments])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert isinstance(found, list)
    return found


def test_findings_end_with_1_and_a_clean_project_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["check"]) == 1
    assert RULE in capsys.readouterr().out
    write(CLEAN)
    assert main(["check"]) == 0
    assert capsys.readouterr().out.startswith(
        "Nothing found.\nChecked the current folder (Supabase project): 1 file, 1 statement"
    )


def test_the_wrong_key_is_pointed_at(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    (found,) = findings(capsys, "--select", RULE)
    assert found["object"] == "public.shows.shows_created_by_fkey"
    assert found["expected_target"] == "public.users(id)"
    assert found["location"] == {
        "file": "supabase/migrations/20250101000000_start.sql",
        "line": LINE,
        "column": 19,
        "end_line": LINE,
        "end_column": 45,
    }


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--fail-on", "never"], 0),
        (["--fail-on", "error"], 1),
        (["--select", RULE, "--severity", f"{RULE}=info"], 0),
        (["--select", RULE, "--severity", f"{RULE}=info", "--fail-on", "info"], 1),
        (["--ignore", RULE, "--fail-on", "error"], 0),
        (["--source", "none", "--fail-on", "error"], 0),
        (["--select", RULE, "--canonical", "public.users(id)"], 1),
        (["--exclude", "*_start.sql"], 2),
    ],
)
def test_options_change_the_status(arguments: list[str], status: int) -> None:
    write(SPLIT)
    assert main(["check", *arguments]) == status


def test_a_configured_canonical_table_turns_the_verdict_around(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    found = findings(capsys, "--select", RULE, "--canonical", "auth.users=auth.users(id)")
    assert [item["object"] for item in found] == ["public.bands.bands_owner_fkey", "public.songs.songs_made_by_fkey"]


def test_the_file_and_the_environment_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    write(SPLIT)
    Path("referee.toml").write_text('fail-on = "never"')
    assert main(["check"]) == 0
    monkeypatch.setenv("REFEREE_FAIL_ON", "error")
    assert main(["check"]) == 1
    assert main(["check", "--fail-on", "never"]) == 0


@pytest.mark.parametrize("name", ["text", "json", "github", "sarif"])
def test_every_format_can_go_to_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["check", "--format", name, "--output", "report"]) == 1
    assert capsys.readouterr().out == ""
    report = Path("report").read_text(encoding="utf-8")
    assert main(["check", "--format", name]) == 1
    assert capsys.readouterr().out == report
    assert RULE in report


def test_a_dash_is_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    main(["check"])
    report = capsys.readouterr().out
    assert main(["check", "--output", "-"]) == 1
    assert capsys.readouterr().out == report
    assert not Path("-").exists()


def test_a_report_that_cannot_be_written_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert main(["check", "--output", "gone/report"]) == 2
    assert "referee: gone/report could not be written: No such file or directory." in capsys.readouterr().err


# One finding of each kind that counts files in its fingerprint: of migrations, of seeds, of SQL tests, of other tests.
_FILES = {
    "supabase/migrations/1_a.sql": SPLIT + "alter table public.shows enable row level security;\n",
    "supabase/migrations/2_b.sql": "alter table public.bands drop constraint bands_owner_fkey;\n",
    "supabase/seed.sql": "set session_replication_role = replica;\ninsert into public.bands (owner) values (null);\n",
    "supabase/tests/a.test.sql": "insert into auth.users (id) values ('a0000000-0000-4000-8000-000000000001');\n"
    "insert into public.users (id) values ('a0000000-0000-4000-8000-000000000001');\n",
    "tests/users.test.ts": "it('x', async () => {\n  await admin.auth.admin.createUser({email: 'a@example.org'});\n"
    "  await admin.from('users').insert({id});\n});\n",
}


def test_fingerprints_are_the_same_wherever_one_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path, text in _FILES.items():
        write(text, f"apps/project/{path}")
    root = Path.cwd()
    seen = []
    for folder, path in (
        ("apps/project", "."),
        ("apps", "project"),
        (".", "apps"),
        ("apps/project/supabase", "."),
        ("apps/project/tests", ".."),
        ("/", str(root / "apps/project")),
        (".", "apps/project/supabase/migrations"),
    ):
        monkeypatch.chdir(root / folder)
        seen.append({(item["rule"], item["fingerprint"]) for item in findings(capsys, path)})
    rules = {rule for rule, _ in seen[0]}
    assert rules >= {"replica-mode-load", "masking-fixture", "superuser-suite", "key-without-lock-timeout"}
    assert [found ^ seen[0] for found in seen] == [set()] * len(seen)


def test_the_beginning_of_a_rule_is_completed_wherever_it_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write("-- referee: ignore[split] old\n" + SPLIT)
    meant = f'no rule "split". Did you mean "{RULE}"?'
    for arguments in (["--ignore", "split"], ["--select", "split"], ["--severity", "split=info"]):
        assert main(["check", *arguments]) == 2
        assert meant in capsys.readouterr().err
    main(["check"])
    assert f'There is no rule "split", so this comment does not suppress it. Did you mean "{RULE}"?' in (
        " ".join(capsys.readouterr().out.split())
    )
    Path("referee.toml").write_text('ignore = ["split"]')
    assert main(["check"]) == 2
    assert meant in capsys.readouterr().err
    Path("referee.toml").unlink()
    monkeypatch.setenv("REFEREE_IGNORE", "split")
    assert main(["check"]) == 2
    assert meant in capsys.readouterr().err


def places(capsys: pytest.CaptureFixture[str], path: str) -> tuple[str, str]:
    """The paths in the annotation and in the SARIF result of the one finding."""
    main(["check", path, "--format", "github", "--select", RULE])
    [command] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::error")]
    main(["check", path, "--format", "sarif", "--select", RULE])
    [result] = json.loads(capsys.readouterr().out)["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    return command.partition("file=")[2].partition(",")[0], location["uri"]


@pytest.mark.parametrize("git", ["folder", "file"])
def test_annotations_and_sarif_name_files_from_the_root_of_the_repository(
    git: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SPLIT, "apps/db/supabase/migrations/1_a.sql")
    root = Path.cwd()
    if git == "file":  # as in a work tree of its own, or a submodule
        Path(".git").rmdir()
        Path(".git").write_text("gitdir: elsewhere")
    # The checkout may lie in a folder of the workspace, and annotations are about the repository nevertheless.
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    file = "apps/db/supabase/migrations/1_a.sql"
    for folder, path in (("apps/db", "."), (".", "apps/db"), ("apps/db/supabase/migrations", "1_a.sql")):
        monkeypatch.chdir(root / folder)
        assert places(capsys, path) == (file, file)
    monkeypatch.chdir(tmp_path)
    assert places(capsys, str(root / "apps")) == (file, file)


def test_without_a_repository_the_checkout_and_then_the_current_folder_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(SPLIT, "apps/db/supabase/migrations/1_a.sql").absolute()
    Path(".git").rmdir()
    monkeypatch.setenv("GITHUB_WORKSPACE", str(Path.cwd()))
    monkeypatch.chdir("apps/db")
    assert places(capsys, ".") == ("apps/db/supabase/migrations/1_a.sql",) * 2
    monkeypatch.delenv("GITHUB_WORKSPACE")
    assert places(capsys, ".") == ("supabase/migrations/1_a.sql",) * 2
    Path("../web").mkdir()
    monkeypatch.chdir("../web")
    assert places(capsys, "../db") == (str(path), path.as_uri())


def test_a_baseline_keeps_old_findings_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    path = write(SPLIT)
    assert main(["check", "--write-baseline", "--baseline", "old.json"]) == 0
    assert "written to old.json" in capsys.readouterr().out
    assert main(["check", "--baseline", "old.json"]) == 0
    assert " in the baseline)." in capsys.readouterr().out
    path.write_text("-- moved\n" + SPLIT + "create table public.solos (by uuid references auth.users (id));")
    assert main(["check", "--baseline", "old.json", "--select", RULE]) == 1
    screen = capsys.readouterr().out
    assert "public.solos.solos_by_fkey" in screen
    assert "public.shows.shows_created_by_fkey" not in screen


def test_a_baseline_has_a_usual_place(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    Path("referee.toml").write_text('baseline = "kept.json"')
    assert main(["check", "--write-baseline"]) == 0
    assert json.loads(Path("kept.json").read_text())["version"] == 1
    assert main(["check"]) == 0
    Path("referee.toml").unlink()
    assert main(["check", "--write-baseline"]) == 0
    assert Path("referee-baseline.json").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--format", "json"], "--format would"),
        (["--format", "text", "--output", "b.json"], "--format and --output would"),
        (["--locked"], "--locked would"),
        (["--verbose"], "--verbose would"),
    ],
)
def test_writing_a_baseline_refuses_what_is_about_a_report(
    options: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SPLIT)
    assert main(["check", "--write-baseline", *options]) == 2
    assert f"--write-baseline reports nothing, so {named} do nothing: leave" in capsys.readouterr().err
    assert list(Path().glob("*.json")) == []


def test_findings_that_are_gone_from_the_project_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    main(["check", "--write-baseline", "--baseline", "old.json"])
    write(CLEAN)
    assert main(["check", "--baseline", "old.json"]) == 0
    assert "of the baseline are gone: " in capsys.readouterr().out


def test_comments_suppress(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        SPLIT.replace("auth.users (id)\n);\n", "auth.users (id) -- referee: ignore[split-identity-reference] why\n);\n")
    )
    assert main(["check", "--select", RULE]) == 0
    assert "(1 suppressed)" in capsys.readouterr().out


def test_gaps_count_only_where_they_may_not_be(capsys: pytest.CaptureFixture[str]) -> None:
    write(CLEAN + "create tabel oops ();\n")
    assert main(["check"]) == 0
    assert "1 statement that does not parse" in capsys.readouterr().out
    assert main(["check", "--strict-gaps"]) == 2


def test_the_cache_changes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(SPLIT)
    fresh = findings(capsys, "--no-cache")
    assert not (tmp_path / "cache").exists()
    assert findings(capsys) == fresh
    assert findings(capsys) == fresh


def test_a_plain_project_with_users_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT.replace("auth.users", "accounts"), "sql/2.sql")
    write("create table accounts (id uuid primary key);", "sql/1.sql")
    assert findings(capsys, "sql", "--select", RULE) == []
    (found,) = findings(capsys, "sql", "--select", RULE, "--source", "accounts")
    assert found["target"] == "public.accounts(id)"


@pytest.mark.parametrize("name", ["Org's", 'mem"bers', "org;id", "select", "x" * 80, "🎸 bänd"])
def test_hostile_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    write(SPLIT.replace("public.shows", f"public.{quoted}"))
    (found,) = findings(capsys, "--select", RULE)
    assert name[:40] in str(found["object"]).replace('""', '"')
    for format_ in ("text", "github", "sarif"):
        assert main(["check", "--format", format_]) == 1
