"""The example's own suite, and the generated tests, on the server that comes with referee."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from referee.model.source import Source
from referee.model.suite import FileResult
from referee.platforms import SUPABASE
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.workflow.config import Config
from referee.workflow.scripts import script_of
from referee.workflow.suites import provide_assertions, run_suite
from referee.workflow.tests import write_tests
from tests import bandbook
from tests.bandbook import HELPERS, VARIANTS, WRONG_LINES, Variant

pytestmark = pytest.mark.server

CONFIG = Config(cache=False)
OWN_ASSERTIONS = 67

REPLACED = (
    "alter table songs drop constraint songs_created_by_fkey,"
    " add constraint songs_created_by_fkey foreign key (created_by)"
)


@contextmanager
def migrated(server: Server, text: str) -> Iterator[str]:
    with server.database(SUPABASE.default_mode) as name:
        assert run_scripts(server, name, [script_of(Source("1_test.sql", text))]).failures == ()
        provide_assertions(server, name)
        yield name


def own_tests(variant: Variant) -> list[Source]:
    folder = bandbook.PROJECT / "supabase" / "tests"
    return [
        Source(path.name, bandbook.helpers(variant) if path.name == HELPERS.name else path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob("*.sql"))
    ]


def generated(variant: Variant, folder: Path) -> list[Source]:
    project = bandbook.write_project(variant, folder / f"from-{variant}")
    (written,) = write_tests(project, CONFIG, pgtap_folder=str(folder / variant))
    return [Source(written.path, Path(written.path).read_text(encoding="utf-8"))]


def failed(results: tuple[FileResult, ...]) -> list[str]:
    assert [result.error for result in results if result.error] == []
    return [name for result in results for name in result.failed]


@pytest.mark.parametrize("variant", ["broken", "fixed"])
def test_the_examples_own_suite_is_green_whatever_the_schema(server: Server, variant: Variant) -> None:
    with migrated(server, bandbook.migration(variant)) as database:
        results = run_suite(server, database, own_tests(variant))
    assert failed(results) == []
    assert sum(result.passed for result in results) == OWN_ASSERTIONS


@pytest.mark.parametrize("made_from", ["broken", "fixed", "fixed_with_identity_key"])
def test_generated_tests_are_red_on_the_broken_schema(server: Server, tmp_path: Path, made_from: Variant) -> None:
    with migrated(server, bandbook.migration("broken")) as database:
        found = failed(run_suite(server, database, generated(made_from, tmp_path)))
    assert {f"public.{table}.{column} stores a user" for table, column in WRONG_LINES.values()} <= set(found)
    assert "and leaves its row in public.users" in found


@pytest.mark.parametrize("made_from", ["broken", "fixed"])
def test_they_are_green_on_the_fixed_one(server: Server, tmp_path: Path, made_from: Variant) -> None:
    with migrated(server, bandbook.migration("fixed")) as database:
        assert failed(run_suite(server, database, generated(made_from, tmp_path))) == []


@pytest.mark.parametrize(
    "fault",
    [
        "drop trigger on_auth_user_created on auth.users",
        "alter table auth.users disable trigger on_auth_user_created",
        "alter function public.handle_new_user() security invoker",
        "alter function public.handle_new_user() reset search_path",
        "alter table songs drop constraint songs_created_by_fkey",
        f"{REPLACED} references users (id) on delete cascade",
        f"{REPLACED} references users (id) on delete set null not valid",
    ],
)
def test_tests_made_from_the_fixed_schema_notice_each_fault(server: Server, tmp_path: Path, fault: str) -> None:
    with migrated(server, bandbook.migration("fixed")) as database:
        with server.connect(database, server.superuser) as session:
            session.run(fault)
        assert failed(run_suite(server, database, generated("fixed", tmp_path))) != []


@pytest.mark.parametrize("variant", VARIANTS)
def test_writing_again_changes_nothing(tmp_path: Path, variant: Variant) -> None:
    project = bandbook.write_project(variant, tmp_path / "project")
    first = write_tests(project, CONFIG, pgtap_folder=str(tmp_path / "a"), pytest_folder=str(tmp_path / "a"))
    again = write_tests(project, CONFIG, pgtap_folder=str(tmp_path / "a"), pytest_folder=str(tmp_path / "a"))
    assert [(one.changed, other.changed) for one, other in zip(first, again, strict=True)] == [(True, False)] * 2


def test_a_file_without_its_functions_counts_as_not_run(server: Server) -> None:
    with migrated(server, "create table a (b int)") as database:
        text = "begin; select plan(2); select ok(true, 'yes'); select no_such_assertion(); rollback;"
        (result,) = run_suite(server, database, [Source("x.sql", text)])
    assert (result.passed, result.failed, result.green) == (1, (), False)
    assert (result.error or "").startswith("42883")


def test_a_plan_that_is_not_kept_fails(server: Server) -> None:
    with migrated(server, "create table a (b int)") as database:
        text = "begin; select plan(2); select is(1, 1, 'one'); select * from finish(); rollback;"
        (result,) = run_suite(server, database, [Source("x.sql", text)])
    assert (result.passed, len(result.failed)) == (1, 1)
