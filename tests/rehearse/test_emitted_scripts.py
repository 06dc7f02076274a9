"""Emitted scripts fail in the same way when plain psql runs them on a fresh clone of the platform."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from referee.postgres.programs import find_programs
from referee.postgres.server import Server
from referee.render.prove_psql import Scene, file_names
from referee.workflow.config import Config
from referee.workflow.prove import Proof, Wish, emit, prove
from tests.bandbook import RIGHT_LINES, VARIANTS, Variant

pytestmark = pytest.mark.server


def psqls() -> Iterator[str]:
    """The psql that comes with the server, and an older one if there is one."""
    yield str(find_programs().folder / "psql")
    if (installed := shutil.which("psql")) is not None:
        yield installed


def replay(psql: str, server: Server, script: Path, database: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return subprocess.run(
        [psql, "-X", "-h", server.folder, "-p", str(server.port), "-U", server.superuser, "-d", database, "-f", script],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )


def expectation(script: Path) -> tuple[str, str]:
    """SQLSTATE and message that the head of a script announces."""
    found = re.search(r"^-- Expected: (\w{5}) (.*)$", script.read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1], found[2]


def assert_fails_alike(psql: str, server: Server, script: Path) -> None:
    sqlstate, message = expectation(script)
    with server.database() as database:
        done = replay(psql, server, script, database)
    assert done.returncode == 3, f"{script.name}: {done.stderr}"
    *before, last = [line for line in done.stderr.splitlines() if "ERROR:" in line]
    assert f"ERROR:  {sqlstate}: {message}" in last
    assert before == [], "something else failed on the way"


@pytest.mark.parametrize("psql", list(psqls()))
@pytest.mark.parametrize("variant", VARIANTS)
def test_each_failure_of_bandbook(
    psql: str, variant: Variant, proofs: Callable[[Variant], Proof], server: Server, tmp_path: Path
) -> None:
    scripts = emit(proofs(variant), tmp_path)
    names = {script.name for script in scripts}
    assert len(names) == len(list(proofs(variant).rehearsals[0].failures()))
    if variant == "broken":
        assert {
            f"reference-public.{table}.{table}_{column}_fkey.sql" for table, column in RIGHT_LINES.values()
        } <= names
        assert {"flow-profile-write.sql", "deletion.sql", "write-insert-public.songs.songs_stamp_creator.sql"} <= names
    elif variant == "fixed":
        assert {"flow-sign-up-phone.sql", "flow-sign-up-anonymous.sql", "flow-outliving-token.sql"} <= names
    for script in scripts:
        assert_fails_alike(psql, server, script)


def test_a_database_that_has_the_tables_is_left_as_it_is(
    proofs: Callable[[Variant], Proof], server: Server, tmp_path: Path
) -> None:
    first, second = emit(proofs("broken"), tmp_path)[:2]
    psql = next(psqls())
    with server.database() as database:
        assert replay(psql, server, first, database).returncode == 3
        done = replay(psql, server, second, database)
    assert done.returncode == 3
    assert len([line for line in done.stderr.splitlines() if "ERROR:" in line]) == 1


ELSEWHERE = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create table public.projects (id int generated always as identity, owner uuid not null references auth.users (id));
create table public.log (id int generated always as identity, actor uuid references public.profiles (id));
create function public.log_project() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public.log (actor) values (auth.uid());
  return new;
end $$;
create trigger log_project after insert on public.projects for each row execute function public.log_project();
create table public.reviews (
  author uuid not null references public.profiles (id),
  reviewer uuid not null references public.profiles (id),
  check (author <> reviewer)
);
"""


def test_an_insert_that_fails_in_another_table_and_one_that_names_two_users(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_elsewhere.sql").write_text(ELSEWHERE, encoding="utf-8")
    proof = prove(tmp_path, Config(cache=False), Wish(("references", "service-role-write"), races=False))
    found = {script.name: script for script in emit(proof, tmp_path / "out")}
    assert set(found) == {
        "insert-into-public.projects.sql",
        "reference-public.log.log_actor_fkey.sql",
        "reference-public.reviews.reviews_author_fkey.sql",
        "reference-public.reviews.reviews_reviewer_fkey.sql",
    }
    assert "log_actor_fkey" in expectation(found["insert-into-public.projects.sql"])[1]
    for script in found.values():
        assert_fails_alike(next(psqls()), server, script)


HOSTILE = """
create table public."Org's" (id uuid primary key references auth.users (id), "mem""bers" text not null);
create table public."org;id" ("select" uuid references public."Org's" (id), "🥁" text not null check ("🥁" <> ''));
create index concurrently on public."org;id" ("select");
create function public."fill;it"() returns trigger language plpgsql security definer set search_path = '' as $$
begin
  insert into public."Org's" (id, "mem""bers") values (new.id, new.raw_user_meta_data ->> 'no:such "key" -- $x$');
  return new;
end $$;
create trigger "on; new" after insert on auth.users for each row execute function public."fill;it"();
copy public."org;id" ("🥁") from stdin;
a\tb
\\.
insert into public.missing values (1);
"""


def test_hostile_names(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "supabase" / "migrations"
    folder.mkdir(parents=True)
    (folder / "1_hostile.sql").write_text(HOSTILE, encoding="utf-8")
    proof = prove(tmp_path, Config(cache=False), Wish(("sign-up-email", "login*", "references"), races=False))
    (script,) = [one for one in emit(proof, tmp_path / "out") if one.name == "flow-sign-up-email.sql"]
    sqlstate, message = expectation(script)
    with server.database() as database:
        done = replay(next(psqls()), server, script, database)
    assert done.returncode == 3
    errors = [line for line in done.stderr.splitlines() if "ERROR:" in line]
    # What fails among the migrations fails here too, and the script goes on.
    assert any("missing" in line for line in errors[:-1])
    assert (sqlstate, 'mem"bers' in message) == ("23502", True)
    assert f"ERROR:  {sqlstate}: {message}" in errors[-1]


def test_names_of_files_are_tame_and_different() -> None:
    found = [
        Scene('reference-public."Org\'s".../../x', "", "", ()),
        Scene("reference-public.Org s ../../x", "", "", ()),
    ]
    names = file_names(found)
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+\.sql", name) and not name.startswith(".") for name in names)
