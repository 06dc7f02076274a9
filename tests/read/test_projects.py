from __future__ import annotations

import os
from pathlib import Path

import pytest

from referee.errors import ReadError
from referee.read.projects import Migrations, find_migrations, shown


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*names: str, text: str = "select 1;") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def names(migrations: Migrations) -> list[str]:
    return [source.path for source in migrations.files]


def skipped(migrations: Migrations) -> list[str]:
    assert all(gap.kind == "skipped-file" for gap in migrations.skipped)
    return [gap.message for gap in migrations.skipped]


OLD_INIT = 'the Supabase CLI never runs a first "init" from before December 2021; under another name it would run'
MISNAMED = "the Supabase CLI runs only files that are named <digits>_<name>.sql"


class TestSupabase:
    @pytest.mark.parametrize("path", [".", "supabase", "supabase/migrations", "supabase/migrations/", "./supabase/."])
    def test_any_part_of_a_project_means_the_project(self, path: str) -> None:
        make("supabase/migrations/2_b.sql", "supabase/migrations/10_a.sql", "supabase/config.toml", text="")
        found = find_migrations(path)
        assert (found.kind, found.platform, found.declarative) == ("supabase", "supabase", False)
        assert names(found) == ["supabase/migrations/10_a.sql", "supabase/migrations/2_b.sql"]
        assert found.name == "."

    def test_files_run_in_the_order_of_their_names_not_of_their_numbers(self) -> None:
        make("supabase/migrations/9_a.sql", "supabase/migrations/10_b.sql", "supabase/migrations/10_a.sql")
        assert names(find_migrations(".")) == [
            f"supabase/migrations/{name}" for name in ("10_a.sql", "10_b.sql", "9_a.sql")
        ]

    def test_what_the_command_line_does_not_run_is_named_with_the_reason(self) -> None:
        make("p/supabase/migrations/20200101000000_init.sql", "p/supabase/migrations/20220101000000_a.sql")
        make("p/supabase/migrations/fix.sql", "p/supabase/migrations/20220101000000_a.sql.bak")
        make("p/supabase/migrations/archived/1_a.sql", "p/supabase/migrations/README.md")
        Path("p/supabase/migrations/20220202000000_x.sql").mkdir()
        Path("p/supabase/migrations/empty").mkdir()
        found = find_migrations("p")
        assert names(found) == ["p/supabase/migrations/20220101000000_a.sql"]
        assert found.name == "p"
        assert skipped(found) == [
            f"p/supabase/migrations/20200101000000_init.sql: {OLD_INIT}",
            f"p/supabase/migrations/20220101000000_a.sql.bak: {MISNAMED}",
            "p/supabase/migrations/20220202000000_x.sql: it is a folder, not a file; the Supabase CLI fails on it",
            "p/supabase/migrations/archived: a folder with 1 .sql files; the Supabase CLI reads no sub-folders",
            f"p/supabase/migrations/fix.sql: {MISNAMED}",
        ]

    def test_an_old_init_runs_where_it_is_not_the_first(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/migrations/20200101000000_init.sql")
        assert len(find_migrations(".").files) == 2

    def test_skipped_files_are_read_when_asked(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/migrations/fix.sql", "supabase/migrations/1_a.sql.bak")
        found = find_migrations(".", all_files=True)
        assert names(found) == ["supabase/migrations/1_a.sql", "supabase/migrations/fix.sql"]
        assert skipped(found) == [f"supabase/migrations/1_a.sql.bak: {MISNAMED}"]

    def test_a_project_whose_files_are_all_misnamed_is_read_with_a_notice(self) -> None:
        make("supabase/migrations/20250102-ab.sql", "supabase/migrations/20250101-cd.sql")
        found = find_migrations(".")
        assert names(found) == ["supabase/migrations/20250101-cd.sql", "supabase/migrations/20250102-ab.sql"]
        assert found.skipped == ()
        assert "2 files in supabase/migrations are not named" in found.notices[0]

    def test_a_version_that_several_files_share_is_told(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/migrations/1_b.sql", "supabase/migrations/2_c.sql")
        found = find_migrations(".")
        assert len(found.files) == 3
        assert [notice for notice in found.notices if "1 (1_a.sql, 1_b.sql). All were read." in notice]

    def test_excluded_files_are_named(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/migrations/2_b.sql")
        found = find_migrations(".", excludes=lambda path: path.endswith("2_b.sql"))
        assert names(found) == ["supabase/migrations/1_a.sql"]
        assert skipped(found) == ["supabase/migrations/2_b.sql: left out by the configuration"]

    def test_excluded_seeds_tests_and_roles_are_named_too(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/roles.sql", "supabase/seed.sql", "supabase/tests/a.sql")
        make("supabase/tests/deep/b.sql")
        found = find_migrations(".", excludes=lambda path: path.endswith(("roles.sql", "seed.sql", "b.sql")))
        assert (found.seed_files, found.test_files, found.roles_file) == ((), ("supabase/tests/a.sql",), None)
        assert skipped(found) == [
            "supabase/seed.sql: left out by the configuration",
            "supabase/tests/deep/b.sql: left out by the configuration",
            "supabase/roles.sql: left out by the configuration",
        ]

    def test_excluded_declarations_are_named_too(self) -> None:
        make("supabase/schemas/a.sql", "supabase/schemas/b.sql")
        found = find_migrations(".", excludes=lambda path: path.endswith("b.sql"))
        assert names(found) == ["supabase/schemas/a.sql"]
        assert skipped(found) == ["supabase/schemas/b.sql: left out by the configuration"]

    def test_settings_seeds_tests_and_roles_are_found(self) -> None:
        make("supabase/migrations/1_a.sql", "supabase/seeds/b.sql", "supabase/seeds/a.sql", "supabase/roles.sql")
        make("supabase/tests/deep/x_test.sql", "supabase/tests/000_helpers.sql")
        make("supabase/config.toml", text="[db]\nmajor_version = 15\n[db.seed]\nsql_paths = ['./seeds/*.sql']")
        found = find_migrations(".")
        assert found.major_version == 15
        assert found.seed_files == ("supabase/seeds/a.sql", "supabase/seeds/b.sql")
        assert found.test_files == ("supabase/tests/000_helpers.sql", "supabase/tests/deep/x_test.sql")
        assert found.roles_file == "supabase/roles.sql"

    def test_pipes_and_devices_are_no_files(self) -> None:
        # Reading them would wait for ever, or never end.
        make("supabase/migrations/1_a.sql")
        os.mkfifo("supabase/migrations/2_b.sql")
        Path("supabase/migrations/3_c.sql").symlink_to("/dev/zero")
        found = find_migrations(".")
        assert names(found) == ["supabase/migrations/1_a.sql"]
        assert skipped(found) == [
            "supabase/migrations/2_b.sql: it is no regular file",
            "supabase/migrations/3_c.sql: it is no regular file",
        ]

    def test_a_config_that_is_no_text_is_told_and_the_defaults_hold(self) -> None:
        make("supabase/migrations/1_a.sql")
        Path("supabase/config.toml").write_bytes(b"\xff")
        found = find_migrations(".")
        assert found.major_version is None
        (gap,) = skipped(found)
        assert gap.startswith("supabase/config.toml is not text in UTF-8")
        assert gap.endswith("The defaults were taken.")

    def test_a_broken_config_is_told_and_the_defaults_hold(self) -> None:
        make("supabase/migrations/1_a.sql")
        make("supabase/config.toml", text="[db\nmajor_version = 15")
        found = find_migrations(".")
        assert found.major_version is None
        (gap,) = skipped(found)
        assert gap.startswith("supabase/config.toml: it is not valid TOML, so the defaults were taken")

    def test_migrations_that_are_turned_off_are_told(self) -> None:
        make("supabase/migrations/1_a.sql")
        make("supabase/config.toml", text="[db.migrations]\nenabled = false")
        assert any("turns migrations off" in notice for notice in find_migrations(".").notices)

    def test_an_only_project_below_the_path_is_taken(self) -> None:
        make("apps/db/supabase/migrations/1_a.sql", "apps/web/supabase/config.toml", text="")
        found = find_migrations(".")
        assert names(found) == ["apps/db/supabase/migrations/1_a.sql"]
        assert found.name == "apps/db"

    def test_of_several_projects_one_must_be_chosen(self) -> None:
        make("a/supabase/migrations/1_a.sql", "b/supabase/migrations/1_a.sql")
        with pytest.raises(ReadError, match=r"Several Supabase projects .* a/supabase, b/supabase\. Choose one"):
            find_migrations(".")

    def test_a_project_that_keeps_its_migrations_elsewhere(self) -> None:
        make("supabase/config.toml", text="")
        make("db/migrations/1_a.sql")
        found = find_migrations(".")
        assert (found.kind, found.platform) == ("folder", "supabase")
        assert names(found) == ["db/migrations/1_a.sql"]

    def test_a_project_without_migrations_is_an_error(self) -> None:
        make("supabase/config.toml", text="")
        with pytest.raises(ReadError, match=r"\./supabase has no migrations|supabase has no migrations"):
            find_migrations(".")


class TestDeclaredSchemas:
    def test_they_are_read_where_there_are_no_migrations(self) -> None:
        make("supabase/schemas/b.sql", "supabase/schemas/a/z.sql", "supabase/schemas/a.sql")
        found = find_migrations(".")
        assert found.declarative
        assert names(found) == [f"supabase/schemas/{name}" for name in ("a.sql", "a/z.sql", "b.sql")]

    def test_beside_migrations_they_are_read_only_when_asked(self) -> None:
        make("supabase/schemas/a.sql", "supabase/migrations/1_a.sql")
        found = find_migrations(".")
        assert names(found) == ["supabase/migrations/1_a.sql"]
        assert "--declarative reads them instead" in skipped(found)[0]
        assert names(find_migrations(".", declarative=True)) == ["supabase/schemas/a.sql"]

    def test_schema_paths_give_the_order_and_name_each_file_once(self) -> None:
        make("supabase/schemas/a.sql", "supabase/schemas/b.sql", "supabase/schemas/c.sql")
        make(
            "supabase/config.toml",
            text="[db.migrations]\nschema_paths = ['./schemas/b.sql', './nothing/*.sql', './schemas/*.sql']",
        )
        found = find_migrations(".")
        assert names(found) == [f"supabase/schemas/{name}.sql" for name in "bac"]
        assert skipped(found) == [
            "supabase/nothing/*.sql: config.toml names it in schema_paths, but no file matches it"
        ]

    def test_asking_for_what_is_not_there_is_an_error(self) -> None:
        make("supabase/migrations/1_a.sql", "folder/1.sql")
        with pytest.raises(ReadError, match="declares no schema"):
            find_migrations(".", declarative=True)
        with pytest.raises(ReadError, match="is no Supabase project"):
            find_migrations("folder", declarative=True)


class TestFolder:
    def test_a_plain_folder(self) -> None:
        make("sql/2.sql", "sql/10.sql", "sql/sub/1.sql", "sql/2.down.sql")
        found = find_migrations("sql")
        assert (found.kind, found.name, found.platform) == ("folder", "sql", "plain")
        assert names(found) == ["sql/2.sql", "sql/10.sql", "sql/sub/1.sql"]
        assert skipped(found) == ["sql/2.down.sql: it is the way down"]

    def test_ways_down_inside_a_file_are_blanked(self) -> None:
        make("sql/1.sql", text="-- migrate:up\ncreate table a ();\n-- migrate:down\ndrop table a;\n")
        (source,) = find_migrations("sql").files
        assert "create table a" in source.text
        assert "drop" not in source.text

    def test_the_one_folder_of_migrations_below_is_taken_and_told(self) -> None:
        make("docs/example.sql", "db/migrations/1.sql")
        found = find_migrations(".")
        assert names(found) == ["db/migrations/1.sql"]
        assert found.notices == ("db/migrations was read, the only folder of migrations that was found.",)

    def test_of_several_folders_one_must_be_chosen(self) -> None:
        make("a/migrations/1.sql", "b/migrations/1.sql")
        with pytest.raises(ReadError, match=r"Several folders of migrations lie below \.: a/migrations, b/migrations"):
            find_migrations(".")

    @pytest.mark.parametrize(
        ("text", "platform"),
        [
            ("create table t (id uuid references auth.users);", "supabase"),
            ('create table t (id uuid references "auth"."users" ("id"));', "supabase"),
            ("create policy p on t using (auth.uid() = id);", "supabase"),
            ("create table users (id uuid);", "plain"),
            ("create schema auth; create table auth.users (id uuid);", "plain"),
            ("CREATE SCHEMA IF NOT EXISTS auth; create table auth.users (id uuid);", "plain"),
        ],
    )
    def test_the_platform_is_guessed_from_the_words(self, text: str, platform: str) -> None:
        make("sql/1.sql", text=text)
        assert find_migrations("sql").platform == platform
        assert find_migrations("sql/1.sql").platform == platform

    def test_an_empty_folder_is_an_error(self) -> None:
        Path("empty").mkdir()
        with pytest.raises(ReadError, match=r"^empty holds no \.sql file\. Name a Supabase project"):
            find_migrations("empty")

    def test_a_folder_of_which_nothing_is_left_names_the_reasons(self) -> None:
        make("sql/1.down.sql")
        with pytest.raises(
            ReadError, match=r"1\.down\.sql: it is the way down\)\. Name one of them, or .* --all-files"
        ):
            find_migrations("sql")
        assert names(find_migrations("sql", all_files=True)) == ["sql/1.down.sql"]

    def test_every_file_that_cannot_be_read_is_named(self) -> None:
        make("sql/1.sql")
        Path("sql/2.sql").write_bytes(b"\xff\xff")
        Path("sql/3.sql").symlink_to("gone.sql")
        with pytest.raises(ReadError, match=r"^2 files could not be read\. sql/2\.sql is not .* sql/3\.sql could not"):
            find_migrations("sql")


class TestFile:
    def test_one_file(self) -> None:
        make("schema.sql", text="create table t ();\r\n")
        found = find_migrations("schema.sql")
        assert (found.kind, found.name) == ("file", "schema.sql")
        assert [(source.path, source.text) for source in found.files] == [("schema.sql", "create table t ();\r\n")]

    def test_a_path_that_does_not_exist(self) -> None:
        with pytest.raises(ReadError, match=r"There is no file or folder nowhere\.sql\. Name a Supabase project"):
            find_migrations("nowhere.sql")

    def test_a_path_below_a_file(self) -> None:
        make("a.sql")
        with pytest.raises(ReadError, match=r"a\.sql/b could not be read: Not a directory"):
            find_migrations("a.sql/b")

    def test_a_broken_link(self) -> None:
        Path("a.sql").symlink_to("b.sql")
        with pytest.raises(ReadError, match=r"a\.sql is a symbolic link to b\.sql, which does not exist"):
            find_migrations("a.sql")

    def test_a_link_to_itself(self) -> None:
        Path("a.sql").symlink_to("a.sql")
        with pytest.raises(ReadError, match=r"a\.sql could not be read"):
            find_migrations("a.sql")

    @pytest.mark.parametrize("name", ["Org's.sql", 'mem"bers.sql', "org;id.sql", "select.sql", "🎸 bänd.sql", "-x.sql"])
    def test_hostile_names(self, name: str) -> None:
        make(f"sql/{name}")
        assert names(find_migrations("sql")) == [f"sql/{name}"]
        assert names(find_migrations(f"sql/{name}")) == [f"sql/{name}"]


def test_paths_are_printed_from_the_current_folder_where_they_lie_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a/b/c.sql")
    assert shown(str(tmp_path / "a/b/c.sql")) == "a/b/c.sql"
    assert shown("./a/../a/b") == "a/b"
    monkeypatch.chdir("a/b")
    assert shown("../x.sql") == "../x.sql"
    assert shown("/elsewhere/x.sql") == "/elsewhere/x.sql"
    assert shown("..b") == "..b"


def test_a_project_above_the_current_folder_prints_what_lies_below_it_short(monkeypatch: pytest.MonkeyPatch) -> None:
    make("supabase/migrations/1_a.sql", "supabase/config.toml", text="")
    monkeypatch.chdir("supabase/migrations")
    assert names(find_migrations(".")) == ["1_a.sql"]
    assert find_migrations(".").name == "."


@pytest.mark.parametrize("file", ["supabase/migrations/1_a.sql", "supabase/schemas/a.sql", "sql/a.sql"])
def test_where_everything_is_excluded_that_is_told(file: str) -> None:
    make(file)
    with pytest.raises(ReadError, match=r"^Everything to read in \w+ is left out by the configuration\. Exclude less"):
        find_migrations("." if file.startswith("supabase") else "sql", excludes=lambda path: True)
