"""Which tool writes a project's migrations, and which brings them to a database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from referee.errors import UsageError
from referee.model.repair import Repair
from referee.read.projects import find_migrations
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from referee.workflow.generators import Generator, generator_of
from referee.workflow.shipped import deployment

CONFIG = Config(cache=False, platform="supabase")
SPLIT = """
create table public.users (id uuid primary key references auth.users (id) on delete cascade);
create table public.songs (created_by uuid references public.users (id), edited_by uuid references auth.users (id));
create table public.gigs (created_by uuid references public.users (id));
create index on public.songs (created_by);
"""


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def project(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


PRISMA = {
    "prisma/migrations/20250101000000_init/migration.sql": SPLIT,
    "prisma/migrations/migration_lock.toml": 'provider = "postgresql"\n',
    "prisma/schema.prisma": "",
}
DRIZZLE = {
    "db/drizzle/0000_init.sql": SPLIT,
    "db/drizzle/meta/_journal.json": "{}",
    "db/drizzle.config.ts": 'export default defineConfig({ dialect: "postgresql", schema: "./src/schema.ts" })',
}
DECLARED = {
    "supabase/config.toml": "",
    "supabase/migrations/20250101000000_init.sql": SPLIT,
    "supabase/schemas/all.sql": SPLIT,
}


def generator(folder: Path) -> Generator | None:
    return generator_of(find_migrations(folder))


def test_each_is_known_by_what_it_leaves(tmp_path: Path) -> None:
    found = generator(project(tmp_path, PRISMA))
    assert found == Generator("Prisma", "prisma/schema.prisma")
    drizzle = generator(project(tmp_path / "d", DRIZZLE))
    assert drizzle is not None
    assert (drizzle.tool, drizzle.schema) == ("Drizzle", "d/db/src/schema.ts")
    atlas = generator(project(tmp_path / "a", {"migrations/1.sql": SPLIT, "migrations/atlas.sum": ""}))
    assert atlas is not None
    assert atlas.tool == "Atlas"
    supabase = generator(project(tmp_path / "s", DECLARED))
    assert supabase is not None
    assert (supabase.schema, supabase.owns_files) == ("s/supabase/schemas", False)


def test_people_write_the_others(tmp_path: Path) -> None:
    assert generator(project(tmp_path / "a", {"migrations/1.sql": SPLIT})) is None
    assert (
        generator(project(tmp_path / "b", {"supabase/config.toml": "", "supabase/migrations/1_a.sql": SPLIT})) is None
    )
    path = project(tmp_path / "c", PRISMA) / "prisma/migrations/20250101000000_init/migration.sql"
    assert generator(path) is None


@pytest.mark.parametrize(("files", "schema"), [(PRISMA, "prisma/schema.prisma"), (DRIZZLE, "db/src/schema.ts")])
def test_what_a_tool_generates_is_never_edited(tmp_path: Path, files: dict[str, str], schema: str) -> None:
    folder = project(tmp_path, files)
    with pytest.raises(UsageError, match=f"change {schema} and generate them anew"):
        fix(folder, CONFIG, Request("in-place", verify=False))
    repair = fix(folder, CONFIG, Request(shipped_through="none", verify=False))
    assert repair.way == "migration"
    assert schema in repair.because
    assert repair.commands[0].startswith(f"# change {schema} in the same way")


PRINTED = {
    "Alembic": f"BEGIN;\n\n-- Running upgrade  -> 1975ea83b712\n{SPLIT}\nCOMMIT;\n",
    "Rails": f"{SPLIT}\nINSERT INTO \"schema_migrations\" (version) VALUES\n('20250102030405');\n",
}


@pytest.mark.parametrize("tool", PRINTED)
@pytest.mark.parametrize("name", ["structure.sql", ""])
def test_what_a_tool_printed_is_never_edited(tmp_path: Path, tool: str, name: str) -> None:
    text = PRINTED[tool]
    project(tmp_path, {"db/structure.sql": text})
    with pytest.raises(UsageError, match=f"{tool} generates these migrations"):
        fix(tmp_path / "db" / name, CONFIG, Request("in-place", verify=False))
    assert (tmp_path / "db/structure.sql").read_text() == text


def test_declared_schemas_are_named_and_migrations_beside_them_may_be_edited(tmp_path: Path) -> None:
    folder = project(tmp_path, DECLARED)
    repair = fix(folder, CONFIG, Request(shipped_through="none", verify=False))
    assert repair.way == "in-place"
    assert repair.commands[0].startswith("# change supabase/schemas in the same way")


def written(folder: Path) -> Repair:
    repair = fix(folder, CONFIG, Request("migration", verify=False))
    assert repair.files
    return repair


def names(repair: Repair) -> list[str]:
    return [file.path for file in repair.files if file.kind == "migration"]


def rollback(repair: Repair) -> str:
    [file] = [file for file in repair.files if file.kind == "rollback"]
    return file.path


def test_new_files_of_prisma_have_folders(tmp_path: Path) -> None:
    repair = written(project(tmp_path, PRISMA))
    assert all(name.endswith("/migration.sql") and name.count("/") == 3 for name in names(repair))
    # Beside the migrations: Prisma takes each folder among them for one.
    assert rollback(repair).startswith("prisma/rollbacks/")
    # It sends a file as one message.
    assert all(file.after.count(";") == 1 for file in repair.files if "index concurrently" in file.after)


@pytest.mark.parametrize(
    ("name", "text", "second", "command"),
    [
        ("001_a.sql", "-- +goose Up\n", "002_", "goose -dir {} postgres DATABASE up"),
        ("001_a.sql", "-- +migrate Up\n", "002_", "sql-migrate up"),
        ("20250101000000_a.sql", "-- migrate:up\n", "20", "dbmate --migrations-dir {} up"),
        ("1_a.sql", "-- Up Migration\n", "2_", "node-pg-migrate up"),
        ("V1__a.sql", "", "V2__", "flyway -locations=filesystem:{} migrate"),
        ("000001_a.up.sql", "", "000002_", "migrate -path {} -database DATABASE up"),
        ("1.sql", "", "2.", "psql --set ON_ERROR_STOP=1 --file FILE"),
    ],
)
def test_files_are_named_and_marked_as_their_tool_wants(
    tmp_path: Path, name: str, text: str, second: str, command: str
) -> None:
    folder = project(tmp_path, {f"migrations/{name}": text + SPLIT})
    repair = written(folder)
    first = names(repair)[0]
    assert first.startswith(f"migrations/{second}")
    assert first.endswith(".up.sql") == name.endswith(".up.sql")
    starts = [file.after.startswith(text) for file in repair.files if file.kind == "migration"]
    alone = [
        file.after.startswith(("-- +goose NO TRANSACTION", text.rstrip()))
        for file in repair.files
        if "concurrently" in file.after
    ]
    assert starts.count(False) <= len(alone)
    assert all(alone)
    assert repair.commands[0].startswith(command.format("migrations"))
    assert rollback(repair).startswith("migrations/rollbacks/")


def test_the_commands_of_supabase(tmp_path: Path) -> None:
    files = {**DECLARED, "supabase/tests/a.sql": "select 1;"}
    del files["supabase/schemas/all.sql"]
    migrations = find_migrations(project(tmp_path, files))
    assert deployment(migrations, "migration") == ("supabase db reset", "supabase test db", "supabase db push")
    assert deployment(migrations, "in-place") == ("supabase db reset", "supabase test db")
