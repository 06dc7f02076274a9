from __future__ import annotations

import os
from pathlib import Path

import pytest

from referee.read.code_files import find_code, kind_of, kind_of_folder
from referee.read.projects import find_migrations

FILL = "await admin.from('users').insert({})"


def project(folder: Path, *files: str, text: str = FILL) -> Path:
    for name in ("supabase/migrations/1_a.sql", *files):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("select 1;" if name.endswith(".sql") else text, encoding="utf-8")
    return folder


def found(path: Path, base: Path | None = None) -> list[tuple[str, str]]:
    sources, gaps = find_code(find_migrations(path))
    assert gaps == []
    return [(kind, os.path.relpath(source.path, base or path)) for kind, source in sources]


def test_names_say_what_a_file_is() -> None:
    tests = (
        "a.test.ts a.spec.tsx test_a.py a_test.py conftest.py create-test-users.js setup-e2e-users.mjs test.js a.cy.js"
    )
    assert [kind_of(name) for name in tests.split()] == ["code"] * 9
    assert [kind_of(name) for name in ("seed.ts", "db-seed.py", "seed-users.mjs")] == ["seed"] * 3
    assert [kind_of(name) for name in ("contest.py", "latest.ts", "index.ts", "seedling.ts", "attest-a.ts")] == [
        None
    ] * 5
    assert [kind_of_folder(name) for name in ("__tests__", "E2E", "seeds", "src")] == ["code", "code", "seed", None]


def test_tests_around_a_project_are_found_in_the_order_of_their_paths(tmp_path: Path) -> None:
    names = ("src/b.test.ts", "src/a.spec.tsx", "tests/helpers/people.ts", "scripts/seed.py", "src/index.ts")
    project(tmp_path, *names)
    expected = [
        ("seed", "scripts/seed.py"),
        ("code", "src/a.spec.tsx"),
        ("code", "src/b.test.ts"),
        ("code", "tests/helpers/people.ts"),
    ]
    for path in (tmp_path, tmp_path / "supabase", tmp_path / "supabase" / "migrations"):
        assert found(path, tmp_path) == expected


def test_of_a_folder_with_the_project_deep_inside_everything_is_looked_at(tmp_path: Path) -> None:
    project(tmp_path / "packages" / "db")
    project(tmp_path, "apps/web/e2e/people.ts")
    (tmp_path / "supabase" / "migrations" / "1_a.sql").unlink()
    assert found(tmp_path) == [("code", "apps/web/e2e/people.ts")]
    assert found(tmp_path / "packages" / "db") == []


def test_what_belongs_to_others_is_left_alone(tmp_path: Path) -> None:
    project(tmp_path, "node_modules/x/a.test.ts", ".hidden/a.test.ts", "venv/a_test.py", "tests/types.d.ts")
    project(tmp_path / "examples" / "other", "tests/a.ts")
    assert found(tmp_path / "supabase", tmp_path) == []


def test_only_files_that_may_do_something_are_read(tmp_path: Path) -> None:
    assert found(project(tmp_path, "tests/a.ts", text="expect(1 + 1).toBe(2)")) == []


def test_a_folder_of_migrations_alone_says_nothing_of_tests(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1.sql").write_text("select 1;")
    (tmp_path / "a.test.ts").write_text(FILL)
    assert find_code(find_migrations(tmp_path / "migrations")) == ([], [])
    assert found(tmp_path) == [("code", "a.test.ts")]


def test_files_can_be_excluded(tmp_path: Path) -> None:
    project(tmp_path, "tests/a.ts", "tests/b.ts")
    sources, _ = find_code(find_migrations(tmp_path), lambda path: path.endswith("a.ts"))
    assert [os.path.basename(source.path) for _, source in sources] == ["b.ts"]


def test_links_in_a_circle_and_folders_without_end(tmp_path: Path) -> None:
    project(tmp_path, "tests/a.ts")
    (tmp_path / "tests" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "tests" / "self.test.ts").symlink_to(tmp_path / "tests" / "self.test.ts")
    assert found(tmp_path) == [("code", "tests/a.ts")]


@pytest.mark.parametrize(
    ("name", "data"), [("a.test.ts", b"\xff\xfe\xfd from('users')"), ("b_test.py", b"x" * 1_000_001)]
)
def test_what_is_not_read_is_said(tmp_path: Path, name: str, data: bytes) -> None:
    project(tmp_path)
    (tmp_path / name).write_bytes(data)
    sources, gaps = find_code(find_migrations(tmp_path))
    assert sources == []
    assert [gap.kind for gap in gaps] == ["skipped-file"]
    assert name in gaps[0].message


def test_a_folder_of_tests_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(path: str) -> object:
        if os.path.basename(path) in ("tests", "data"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    project(tmp_path, "tests/a.test.ts", "data/b.test.ts", "src/c.test.ts")
    migrations = find_migrations(tmp_path)
    monkeypatch.setattr("os.scandir", refuse)  # the superuser may read everything
    sources, gaps = find_code(migrations)
    assert [os.path.relpath(source.path, tmp_path) for _, source in sources] == ["src/c.test.ts"]
    assert [gap.message for gap in gaps] == [f"{tmp_path}/tests: a folder of tests that could not be read"]
