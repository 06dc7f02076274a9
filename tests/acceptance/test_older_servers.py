"""PostgreSQL 13, 14, 16 and 17: their catalogs are read as the same schema, and their rows are scanned and repaired.

A throw-away server is made of 15 and newer; of those, 16 and 17 run everything else here. Debian's 15 and the embedded
18 have tests of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import referee.postgres.programs
from referee.model.source import Source
from referee.platforms import PLAIN, SUPABASE
from referee.postgres.programs import Programs, find_programs
from referee.postgres.server import start_server
from referee.workflow.config import Config
from referee.workflow.plan_run import undo_run
from referee.workflow.prove import Wish, prove
from referee.workflow.repair import RepairWish, execute, prepare
from referee.workflow.scan import ScanWish, scan
from referee.workflow.snapshot import snapshot_of
from tests import bandbook
from tests.acceptance.conftest import ROOT
from tests.acceptance.older import OldServer, old_server, read_both
from tests.data.mess import MESS_ROWS, Mess
from tests.read.agreement import read_both as on_throw_away

CONFIG = Config(cache=False)
HOSTED = Config(cache=False, platform="supabase")
CASES = ROOT / "tests" / "read" / "cases"

#: What of the platform's sign-up service the example needs, in words that every version understands.
ACCOUNTS = """
create role anon; create role authenticated; create role service_role;
create schema auth;
create table auth.users (
  instance_id uuid, id uuid primary key, aud text, role text, email text, phone text, raw_app_meta_data jsonb,
  raw_user_meta_data jsonb, email_confirmed_at timestamptz, is_anonymous boolean not null default false,
  created_at timestamptz, updated_at timestamptz
);
create function auth.uid() returns uuid language sql stable
  as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
"""

#: The first version that runs all of a case; what only newer ones know is in the way on older ones.
NEWER = {
    "names/column-of-its-own-from.sql": 14,
    "names/user.sql": 14,
    "relatives/only-and-indexes-of-partitions.sql": 18,
    "relatives/only.sql": 18,
    "rights/grants.sql": 17,
    "rights/owners-and-roles.sql": 14,
    "rights/predefined-roles.sql": 17,
    "routines/functions.sql": 14,
    "routines/triggers.sql": 14,
    "tables/columns-changed.sql": 18,
    "tables/exclusions.sql": 18,
    "tables/indexes.sql": 15,
    "tables/not-enforced.sql": 18,
    "tables/table-level-constraints.sql": 15,
    "tables/types.sql": 15,
    "tables/unique-beside-the-primary-key.sql": 15,
    "tables/virtual-columns.sql": 18,
}
#: Each statement is a transaction of its own here, the rows of a COPY are not sent, and pgvector is not there.
LEFT_OUT = {
    "names/set-local.sql",
    "names/search_path.sql",
    "removals/drop-column.sql",
    "tables/types-of-extensions.sql",
}

#: The example without the one thing in it that came with PostgreSQL 15.
BANDBOOK = bandbook.migration("broken").replace("WITH (security_invoker = on) ", "")


def programs_of(major: int) -> Programs:
    [folder] = (ROOT / "build" / "acceptance" / f"postgres-{major}" / "node_modules").glob("*/*/native/bin")
    return find_programs(str(folder))


@pytest.fixture(scope="module", params=[13, 14])
def old(request: pytest.FixtureRequest) -> Iterator[tuple[int, OldServer]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(referee.postgres.programs, "OLDEST_PROGRAMS", 13)
        programs = programs_of(request.param)
    with old_server(programs) as server:
        yield request.param, server


def _cases(major: int) -> Iterator[Path]:
    for path in sorted(CASES.rglob("*.sql")):
        name = str(path.relative_to(CASES))
        if name not in LEFT_OUT and path.parent.name not in ("transactions", "scripts") and NEWER.get(name, 0) <= major:
            yield path


def test_readers_agree(old: tuple[int, OldServer]) -> None:
    """But for the schema public, which belonged to a person and was open to everybody before 15."""
    major, server = old
    wrong: dict[str, list[str]] = {}
    for path in _cases(major):
        readings = read_both(server, [Source(path.name, path.read_text(encoding="utf-8"))], PLAIN)
        found = [text for text in readings.unexplained if not text.startswith("schema public, ")]
        if found or readings.false_alarms or readings.unseen_failures:
            wrong[str(path.relative_to(CASES))] = [*found, *readings.false_alarms, *readings.unseen_failures]
    assert not wrong, "\n".join(f"{name} {line}" for name, lines in wrong.items() for line in lines)


@contextmanager
def bandbook_on(server: OldServer, mess: Mess) -> Iterator[str]:
    """The URL of a database with the example and the rows of a careless year."""
    rows = MESS_ROWS.replace(":users", str(mess.users)).replace(":songs", str(mess.songs))
    with server.database() as database:
        with server.session(database) as session:
            session.run(f"{ACCOUNTS};{BANDBOOK};{rows}")
        yield server.url(database)


def test_the_example_is_read_as_it_is_written(old: tuple[int, OldServer]) -> None:
    _, server = old
    sources = [Source("1_accounts.sql", ACCOUNTS), Source("2_bandbook.sql", BANDBOOK)]
    readings = read_both(server, sources, PLAIN)
    assert readings.failures == ()
    assert [one.text for one in readings.differences if one.name != "public"] == []


def test_wrong_rows_are_found_repaired_and_brought_back(old: tuple[int, OldServer]) -> None:
    major, server = old
    mess = Mess(users=3_000, songs=200)
    with bandbook_on(server, mess) as url:
        before = scan(url, HOSTED, ScanWish())
        prepared = prepare(url, HOSTED, RepairWish(touch=("public.audit_log",)))
        result = execute(prepared)
        made = [one.done for one in result.outcomes if one.action.question.id == "unmirrored public.users"]
        assert made == [len(mess.unmirrored)]
        assert {answer.question.kind for answer in result.answers if answer.violations} == {"stray"}
        assert undo_run(url, result.run, HOSTED, even_referenced=True).is_whole
        again = scan(url, HOSTED, ScanWish())
        assert [(one.question.id, one.violations) for one in again.answers] == [
            (one.question.id, one.violations) for one in before.answers
        ]
        told = json.loads(snapshot_of(url))
        assert str(major) in json.dumps(told)


@pytest.mark.parametrize("major", [16, 17])
def test_the_example_fails_on_each_version_in_the_same_places(major: int) -> None:
    wish = Wish(races=False)
    [here] = prove(bandbook.PROJECT, CONFIG, wish).rehearsals
    [there] = prove(bandbook.PROJECT, CONFIG, wish, programs=programs_of(major)).rehearsals
    assert sorted(there.failures()) == sorted(here.failures())
    assert "deletion" in set(here.failures())


@pytest.mark.parametrize("major", [16, 17])
def test_readers_agree_on_throw_away_servers(major: int) -> None:
    wrong: dict[str, list[str]] = {}
    with start_server(SUPABASE, programs_of(major)) as server:
        for path in _cases(major):
            text = path.read_text(encoding="utf-8")
            if not text.startswith("-- as a superuser"):
                readings = on_throw_away(server, [Source(path.name, text)], SUPABASE)
                found = [*readings.unexplained, *readings.false_alarms, *readings.unseen_failures]
                wrong |= {path.name: found} if found else {}
    assert not wrong, "\n".join(f"{name} {line}" for name, lines in wrong.items() for line in lines)
