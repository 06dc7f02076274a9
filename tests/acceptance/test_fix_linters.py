"""What linters for migrations say of the files of `referee fix --migration`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from referee.model.repair import Repair
from referee.workflow.config import Config
from referee.workflow.fix import Request, fix
from tests import bandbook

PROGRAMS = Path(__file__).parents[2] / "build/acceptance/python/bin"
KEEP = {"on-delete public.shows.shows_created_by_fkey": "leave"}
_HOSTILE = """
create schema "Org's";
create table "Org's"."mem""bers" (id uuid primary key, "e-mail" text not null, "select" text not null);
create table "Org's"."org;id" ("by" uuid references auth.users (id), "Größe" uuid references "Org's"."mem""bers" (id));
create table "Org's"."other" (a uuid references "Org's"."mem""bers" (id), b uuid references "Org's"."mem""bers" (id));
"""
_BLOCK = re.compile(r"do \$\$\nbegin\n(.*?)\nend\n\$\$;", re.DOTALL)


@pytest.fixture(scope="module", params=["bandbook", "hostile"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Repair]:
    folder = bandbook.write_project("broken", tmp_path_factory.mktemp("linted") / "project")
    if request.param == "hostile":
        (folder / bandbook.BASELINE).write_text(_HOSTILE, encoding="utf-8")
    config = Config(cache=False, answers={'value "Org\'s"."mem""bers".select': "'x'", **KEEP})
    repair = fix(folder, config, Request("migration", write=True, verify=False))
    assert repair.written
    assert any("drop_old_key" in file.path for file in repair.files)
    return folder, repair


def run(name: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    program = PROGRAMS / name
    assert program.exists(), "make acceptance installs it"
    return subprocess.run([program, *arguments], input=given, capture_output=True, text=True, check=False)


def warnings(text: str, *options: str) -> Iterator[str]:
    said = run("squawk", "--pg-version=15", "--reporter=json", "--stdin-filepath=x.sql", *options, given=text).stdout
    yield from (found["rule_name"] for found in json.loads(said))


def test_squawk_warns_of_nothing(written: tuple[Path, Repair]) -> None:
    """A file is one transaction; what stands outside one is the index, which cannot be made twice."""
    for file in written[1].files:
        if file.kind == "rollback":
            continue
        if "concurrently" in file.after:
            assert set(warnings(file.after)) <= {"prefer-robust-stmts"}
        else:
            assert list(warnings(file.after, "--assume-in-transaction")) == [], file.path


def test_squawk_warns_of_nothing_inside_blocks_but_of_what_they_are_for(written: tuple[Path, Repair]) -> None:
    """It does not look into DO. There the old key goes and its successor gets its name, which breaks no client."""
    bodies = [
        (file.path, body)
        for file in written[1].files
        if file.kind == "migration"
        for body in _BLOCK.findall(file.after)
        if " if " not in body
    ]
    dropping = [body for path, body in bodies if "drop_old_key" in path]
    assert dropping
    for path, body in bodies:
        limits = "set lock_timeout = '500ms';\nset statement_timeout = 0;\n"
        expected = ["ban-drop-constraint", "renaming-object"] if "drop_old_key" in path else []
        assert sorted(warnings(limits + body, "--assume-in-transaction")) == expected, body


def test_squawk_tells_what_a_person_has_decided(tmp_path: Path) -> None:
    """Without a word in the configuration the recommended answer holds: a show may forget who made it."""
    folder = bandbook.write_project("broken", tmp_path / "project")
    repair = fix(folder, Config(cache=False), Request("migration", verify=False))
    found = [
        rule
        for file in repair.files
        for rule in warnings(file.after, "--assume-in-transaction")
        if file.kind == "migration" and "concurrently" not in file.after
    ]
    assert found == ["ban-drop-not-null"]


def test_squawk_tells_of_a_key_that_is_replaced(tmp_path: Path) -> None:
    """It drops and adds it in one statement, so that no guarantee is lost for a moment; squawk sees that it drops."""
    folder = bandbook.write_project("fixed_with_identity_key", tmp_path / "project")
    text = (folder / bandbook.BASELINE).read_text(encoding="utf-8")
    text = text.replace(
        "created_by UUID REFERENCES public.users(id) ON DELETE SET NULL", "created_by UUID REFERENCES public.users(id)"
    )
    (folder / bandbook.BASELINE).write_text(text, encoding="utf-8")
    repair = fix(
        folder, Config(cache=False, select=("blocked-user-deletion",), answers=KEEP), Request("migration", verify=False)
    )
    found = [
        (rule, file.after)
        for file in repair.files
        for rule in warnings(file.after, "--assume-in-transaction")
        if file.kind == "migration"
    ]
    assert found
    assert {rule for rule, _ in found} == {"ban-drop-constraint"}
    for _, after in found:
        [statement] = [part for part in after.split(";") if "drop constraint" in part]
        assert re.search(r"drop constraint (\w+),\n  add constraint \1 foreign key", statement)


def test_sqlfluff_parses_every_file(written: tuple[Path, Repair], tmp_path: Path) -> None:
    for file in written[1].files:
        (tmp_path / Path(file.path).name).write_text(file.after, encoding="utf-8")
    done = run("sqlfluff", "parse", "--dialect=postgres", "--format=none", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    # It does say so where it cannot.
    broken = run("sqlfluff", "parse", "--dialect=postgres", "--format=none", "-", given="alter table;\n")
    assert broken.returncode != 0


def test_pgrls_reads_the_project_with_them(written: tuple[Path, Repair]) -> None:
    folder, repair = written
    paths = [str(folder / bandbook.BASELINE), *(file.path for file in repair.files if file.kind == "migration")]
    options = [f"--sql-file={path}" for path in paths]
    before = run("pgrls", "lint", options[0], "--format=json")
    after = run("pgrls", "lint", *options, "--format=json")
    assert errors(after) == errors(before), after.stderr


def errors(done: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    found = json.loads(done.stdout)
    violations = found["violations"] if isinstance(found, dict) else found
    return sorted((one["rule_id"], one["location"]) for one in violations if one["severity"].lower() == "error")
