from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.errors import ReadError
from referee.read.folders import Entry, count_sql, find_below, find_folders, in_order, list_migrations


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("select 1;")
    return root


def listed(root: Path, keep_all: bool = False) -> list[str]:
    return [entry.name for entry in list_migrations(str(root), lambda path: False, keep_all).files]


def skipped(root: Path) -> dict[str, str]:
    return dict(list_migrations(str(root), lambda path: False).skipped)


ORDERS = [
    pytest.param(["1_a.sql", "2_b.sql", "10_c.sql"], id="numbers"),
    pytest.param(["001.sql", "002.sql", "002_x.sql", "010.sql"], id="padded numbers"),
    pytest.param(["0000_cool_hulk.sql", "0001_brave_thor.sql"], id="drizzle"),
    pytest.param(["20230101_init/migration.sql", "20230102_more/migration.sql"], id="prisma"),
    pytest.param(["2019-02-26-002946_a/up.sql", "2019-02-27-170003_b/up.sql"], id="diesel"),
    pytest.param(["V1__a.sql", "V1.1__b.sql", "V2__c.sql", "V10__d.sql", "R__views.sql"], id="flyway"),
    pytest.param(["db/V1__a.sql", "ab/V2__b.sql"], id="flyway in folders"),
    pytest.param(["functions/a.sql", "tables/a.sql"], id="folders by name"),
]


@pytest.mark.parametrize("names", ORDERS)
def test_files_come_in_the_order_they_run(tmp_path: Path, names: list[str]) -> None:
    shuffled = random.Random(1).sample(names, len(names))
    assert listed(make(tmp_path, *shuffled)) == names


@given(st.lists(st.integers(0, 10**15), unique=True, min_size=1))
def test_prefixes_sort_as_numbers(numbers: list[int]) -> None:
    names = [f"{number}_x.sql" for number in numbers]
    assert [entry.name for entry in in_order([Entry(name, name) for name in names])] == [
        f"{number}_x.sql" for number in sorted(numbers)
    ]


@given(st.lists(st.text(st.characters(blacklist_characters="\0", codec="utf-8"), min_size=1, max_size=8)))
def test_any_names_can_be_ordered(names: list[str]) -> None:
    assert sorted(entry.name for entry in in_order([Entry(name, name) for name in names])) == sorted(names)


NOT_APPLIED = [
    ("1_a.down.sql", ["1_a.up.sql"], "it is the way down"),
    ("1_a/down.sql", ["1_a/up.sql"], "it is the way down"),
    ("1_a_down.sql", ["1_a_up.sql"], "it is the way down"),
    ("1_a.rollback.sql", ["1_a.sql"], "it is the way down"),
    ("U1__a.sql", ["V1__a.sql"], "it is the way down"),
    ("1_a.mysql.up.sql", ["1_a.postgres.up.sql"], "it is for MySQL"),
    ("1_a.sqlite3.up.sql", ["1_a.up.sql"], "it is for SQLite"),
    ("1_a.cockroach.up.sql", ["1_a.postgres.up.sql"], "it is for CockroachDB"),
    ("1_a.up.sql", ["1_a.postgres.up.sql"], "1_a.postgres.up.sql takes its place on Postgres"),
    ("mysql/1_a.sql", ["postgres/1_a.sql"], "it is for MySQL"),
    ("archived/0_a.sql", ["1_a.sql"], 'it lies in a folder "archived", which holds no migrations to apply'),
    ("archived/older/0_a.sql", ["1_a.sql"], 'it lies in a folder "archived", which holds no migrations to apply'),
]


@pytest.mark.parametrize(("name", "others", "reason"), NOT_APPLIED)
def test_what_no_tool_applies_is_skipped_with_the_reason(
    tmp_path: Path, name: str, others: list[str], reason: str
) -> None:
    make(tmp_path, name, *others)
    assert listed(tmp_path) == others
    assert skipped(tmp_path) == {name: reason}
    assert sorted(listed(tmp_path, keep_all=True)) == sorted([name, *others])


@pytest.mark.parametrize("name", ["countdown.sql", "lay_down.sql", "mysql_import.sql", "v2.users.sql", "old_users.sql"])
def test_names_that_only_look_like_it_are_read(tmp_path: Path, name: str) -> None:
    assert listed(make(tmp_path, name)) == [name]


def test_hidden_files_foreign_packages_and_other_files_are_no_migrations(tmp_path: Path) -> None:
    make(tmp_path, "a.sql", ".b.sql", ".git/c.sql", "node_modules/d.sql", "e.txt", "F.SQL")
    assert sorted(listed(tmp_path)) == ["F.SQL", "a.sql"]
    assert skipped(tmp_path) == {}


def test_an_excluded_file_is_named(tmp_path: Path) -> None:
    make(tmp_path, "a.sql", "b.sql")
    listing = list_migrations(str(tmp_path), lambda path: path.endswith("b.sql"))
    assert [entry.name for entry in listing.files] == ["a.sql"]
    assert [tuple(item) for item in listing.skipped] == [("b.sql", "left out by the configuration")]


def test_migrations_that_are_programs_are_named_beside_those_in_sql(tmp_path: Path) -> None:
    make(tmp_path, "20240101_a.sql", "20240102_b.go", "20240102_b_test.go", "embed.go", "old/20230101_z.go")
    make(tmp_path, "b/V1__a.sql", "b/V2__Fill.java", "b/Readme.java", "c/migration.sql", "c/migration.ts", "1_x.d.ts")
    reason = "a program, so what it does is not known"
    assert skipped(tmp_path) == dict.fromkeys(["20240102_b.go", "b/V2__Fill.java", "c/migration.ts"], reason)


def test_a_folder_of_programs_alone_holds_no_migrations_in_sql(tmp_path: Path) -> None:
    make(tmp_path, "20240102_b.go")
    assert skipped(tmp_path) == {}


def test_a_folder_named_like_a_file_is_named_unless_it_holds_files(tmp_path: Path) -> None:
    make(tmp_path, "a.sql", "c.sql/migration.sql")
    (tmp_path / "b.sql").mkdir()
    assert listed(tmp_path) == ["a.sql", "c.sql/migration.sql"]
    assert skipped(tmp_path) == {"b.sql": "it is a folder, not a file"}


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    make(tmp_path, "project/a.sql", "elsewhere/b.sql")
    (tmp_path / "project/loop").symlink_to(tmp_path / "project")
    (tmp_path / "project/other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "project/knot").symlink_to("knot")
    assert listed(tmp_path / "project") == ["a.sql", "other/b.sql"]
    assert skipped(tmp_path / "project") == {"loop": "a symbolic link to a folder that is read already"}


def test_a_pipe_or_device_is_never_opened(tmp_path: Path) -> None:
    make(tmp_path, "a.sql")
    os.mkfifo(tmp_path / "b.sql")
    (tmp_path / "c.sql").symlink_to("/dev/zero")
    assert listed(tmp_path) == ["a.sql"]
    assert skipped(tmp_path) == {"b.sql": "it is no regular file", "c.sql": "it is no regular file"}


def test_a_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    name = os.fsdecode(b"1_\xff.sql")
    (tmp_path / name).write_text("select 1;")
    (entry,) = list_migrations(str(tmp_path), lambda path: False).files
    assert entry.name == r"1_\xff.sql"
    assert Path(entry.path).read_text() == "select 1;"


def test_a_folder_without_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ReadError, match="could not be read: you have no permission"):
        list_migrations(str(tmp_path), lambda path: False)


def test_folders_of_migrations_are_found_by_their_names(tmp_path: Path) -> None:
    make(tmp_path, "app/db/migrations/1.sql", "prisma/migrations/1_a/migration.sql", "clickhouse/migrations/1.sql")
    make(tmp_path, "docs/a.sql", "node_modules/x/migrations/1.sql", "a/migrations/readme.txt")
    found = [Path(path).relative_to(tmp_path).as_posix() for path in find_folders(str(tmp_path))]
    assert sorted(found) == ["app/db/migrations", "prisma/migrations"]


def test_a_folder_with_files_of_its_own_is_the_folder_of_migrations(tmp_path: Path) -> None:
    assert find_folders(str(make(tmp_path, "a.sql", "old/migrations/1.sql"))) == []


def test_finding_does_not_look_inside_what_it_found(tmp_path: Path) -> None:
    make(tmp_path, "a/supabase/x/supabase/1.sql", "supabase/1.sql")
    found = find_below(str(tmp_path), lambda path: os.path.basename(path) == "supabase")
    assert sorted(Path(path).relative_to(tmp_path).as_posix() for path in found) == ["a/supabase", "supabase"]


def test_counting_goes_to_any_depth(tmp_path: Path) -> None:
    assert count_sql(str(make(tmp_path, "a.sql", "b/c/d.sql", "archived/e.sql", "f.txt"))) == 3
