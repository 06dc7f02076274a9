"""Commands with a server: live databases, throw-away servers, servers of the user's own, and everything that fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from referee.cli.main import main
from referee.model.source import Source
from referee.platforms import SUPABASE
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server, start_server
from referee.workflow.scripts import script_of
from tests import bandbook
from tests.cli import wire
from tests.cli.projects import SPLIT, write

RULE = "split-identity-reference"
ROOT = os.geteuid() == 0


@pytest.fixture
def band(server: Server, database: str) -> str:
    """The URL of a database with bandbook's faults."""
    script = script_of(Source("1_bandbook.sql", bandbook.migration("broken")))
    assert run_scripts(server, database, [script]).failures == ()
    return server.url(database)


@pytest.fixture
def onlooker(server: Server, database: str, band: str) -> str:
    """The URL of a role that nothing was granted to."""
    with server.connect(database, server.superuser) as session:
        session.run("create role onlooker login")
    return server.url(database, "onlooker")


@pytest.fixture
def workplace(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where servers of this test's commands put their folders, with the usual cache of data folders."""
    monkeypatch.delenv("REFEREE_CACHE_DIR")
    folder = Path(tempfile.mkdtemp(prefix="r-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setenv("REFEREE_TEMP_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one paragraph that a command says on stderr when it ends with status 2, and nothing else."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("referee: ")
    assert said.err.count("\n") == 1
    assert said.err.endswith(".\n")
    assert "Traceback" not in said.err
    return said.err


def findings(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, object]:
    capsys.readouterr()
    assert main(["check", "--format", "json", *arguments]) in (0, 1)
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def objects(report: dict[str, object], rule: str = RULE) -> list[str]:
    found = report["findings"]
    assert isinstance(found, list)
    return [finding["object"] for finding in found if finding["rule"] == rule]


def gaps(report: dict[str, object]) -> list[str]:
    found = report["gaps"]
    assert isinstance(found, list)
    assert all(gap["kind"] == "unseen" for gap in found)
    return [gap["message"] for gap in found]


def processes(folder: Path) -> list[str]:
    """The processes that have a folder among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder) in (entry / "cmdline").read_text(errors="replace"):
                found.append(entry.name)
    return found


def assert_nothing_is_left(folder: Path) -> None:
    deadline = time.monotonic() + 5
    while (list(folder.iterdir()) or processes(folder)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert list(folder.iterdir()) == []
    assert processes(folder) == []


# A live database


def test_a_database_is_judged(band: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = findings(capsys, "--db", band)
    assert len(objects(report)) == 6
    assert report["gaps"] == []
    assert main(["check", "--db", band]) == 1
    assert "public.shows.shows_created_by_fkey" in capsys.readouterr().out


def test_identities_of_a_database(band: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["identities", "--db", band]) == 0
    assert "Wrong: 6 user references" in capsys.readouterr().out


def test_rules_about_files_do_not_run(band: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["check", "--db", band, "--format", "json", "--verbose"])
    summary = json.loads(capsys.readouterr().out)["subject"]
    assert "masking-fixture" not in json.dumps(summary)


def test_db_excludes_what_names_another_subject(band: str, capsys: pytest.CaptureFixture[str]) -> None:
    for other in (["sql"], ["--exact"], ["--postgres-bin", "auto"], ["--server", band]):
        assert "--db names the whole subject" in fails(capsys, "check", "--db", band, *other)


# A role that sees little


def test_a_role_without_any_right_sees_everything_that_counts(
    band: str, onlooker: str, server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = findings(capsys, "--db", band)
    with server.connect(database, server.superuser) as session:
        session.run("revoke usage on schema public, auth, storage, extensions from public, anon, authenticated")
    assert findings(capsys, "--db", onlooker)["findings"] == everything["findings"]


@pytest.mark.parametrize(
    ("right", "unseen"),
    [
        ("select on pg_proc", ["triggers", "functions"]),
        ("select on pg_policy", ["policies"]),
        ("select on pg_roles", ["what roles may do"]),
        ("select on pg_attrdef", ["the defaults of columns"]),
        ("select on pg_trigger", ["CHECK and EXCLUDE constraints", "triggers"]),
        ("execute on function pg_get_viewdef(oid)", ["the queries of views"]),
        ("execute on function pg_get_triggerdef(oid)", ["triggers"]),
    ],
)
def test_what_a_role_may_not_see_is_said_and_makes_no_findings(
    right: str,
    unseen: list[str],
    onlooker: str,
    server: Server,
    database: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    everything = findings(capsys, "--db", onlooker)
    with server.connect(database, server.superuser) as session:
        session.run(f"revoke {right} from public")
    report = findings(capsys, "--db", onlooker)
    found = gaps(report)
    assert [message.partition(" (")[0].partition(",")[0] for message in found] == unseen
    refused = right.split()[-1].partition("(")[0]
    assert all(f"the role may not use {refused}" in message for message in found)
    assert objects(report) == objects(everything)
    fingerprints = [{finding["fingerprint"] for finding in each["findings"]} for each in (report, everything)]  # type: ignore[attr-defined]
    assert fingerprints[0] <= fingerprints[1]
    assert main(["check", "--db", onlooker, "--strict-gaps"]) == 2
    assert f"{len(found)} object" in capsys.readouterr().out


def test_a_role_that_sees_too_little(
    onlooker: str, server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("revoke select on pg_class from public")
    said = fails(capsys, "check", "--db", onlooker)
    assert "The role onlooker may not use pg_class" in said
    assert said.endswith("grant select on pg_catalog.pg_class to onlooker.\n")


def test_a_time_limit(band: str, server: Server, database: str, capsys: pytest.CaptureFixture[str]) -> None:
    with server.connect(database, server.superuser) as session:
        session.run("begin; lock pg_catalog.pg_policy in access exclusive mode")
        began = time.monotonic()
        said = fails(capsys, "check", "--db", band, "--statement-timeout", "200ms")
        assert time.monotonic() - began < 5
        session.run("rollback")
    assert "time limit of 0.2 seconds" in said
    assert "--statement-timeout" in said


def test_a_time_limit_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert "is no time" in fails(capsys, "check", "--db", "dbname=x", "--statement-timeout", "soon")


# Connecting


@pytest.fixture(scope="module")
def on_a_port() -> Iterator[str]:
    """The URL, without a password, of a server on a port that asks for one ("right")."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with start_server(SUPABASE, port=port) as server:
        with server.connect("postgres", server.superuser) as admin:
            admin.run("alter role postgres password 'right'")
        name = server.create_database()
        yield f"postgresql://postgres@127.0.0.1:{port}/{name}?passfile=/nonexistent"


@pytest.mark.parametrize("how", ["url", "variable"])
def test_a_wrong_password(
    how: str, on_a_port: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = on_a_port
    if how == "url":
        url = url.replace("postgres@", "postgres:s3cr%40t@")
    else:
        monkeypatch.setenv("PGPASSWORD", "s3cr@t")
    said = fails(capsys, "check", "--db", url)
    assert "The user or the password is wrong" in said
    assert "s3cr" not in said


def test_a_password_that_nobody_can_be_asked_for(on_a_port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Give the password in the URL, in PGPASSWORD" in fails(capsys, "check", "--db", on_a_port)


@pytest.mark.parametrize("command", ["check", "identities"])
def test_a_terminal_is_asked_for_the_password(
    command: str, on_a_port: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "right"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    assert main([command, "--db", on_a_port]) == 0
    (prompt,) = asked
    assert prompt.startswith("Password for postgres@127.0.0.1:")
    said = capsys.readouterr()
    assert "right:" not in said.out + said.err


def test_a_server_that_is_too_old(capsys: pytest.CaptureFixture[str]) -> None:
    with wire.listening(wire.postgres_of("12.22")) as port:
        said = fails(capsys, "check", "--db", f"postgresql://me@127.0.0.1:{port}/app")
    assert f"me@127.0.0.1:{port}/app runs PostgreSQL 12, and referee needs 13 or newer" in said


def test_a_port_that_something_else_listens_on(capsys: pytest.CaptureFixture[str]) -> None:
    with wire.listening(wire.http) as port:
        said = fails(capsys, "check", "--db", f"postgresql://me@127.0.0.1:{port}/app")
    assert f"No connection to me@127.0.0.1:{port}/app" in said
    assert "no Postgres" in said


def test_a_port_where_nobody_answers(capsys: pytest.CaptureFixture[str]) -> None:
    with wire.listening(wire.silence) as port:
        said = fails(capsys, "check", "--db", f"postgresql://me@127.0.0.1:{port}/app?connect_timeout=2")
    assert "did not answer in time" in said


@pytest.mark.parametrize("count", [2_000, 20_000])
def test_a_connection_that_is_cut_during_the_read(
    count: int, band: str, server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with wire.listening(wire.cut_after(server.folder / ".s.PGSQL.5432", count)) as port:
        said = fails(capsys, "check", "--db", f"postgresql://postgres@127.0.0.1:{port}/{database}")
    assert f"The connection to postgres@127.0.0.1:{port}/{database} was lost" in said


def test_nothing_is_set_for_other_clients_behind_a_pooler(capsys: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with wire.listening(wire.pgbouncer(heard)) as port:
        said = fails(capsys, "check", "--db", f"postgresql://me@127.0.0.1:{port}/app")
    assert "no more connections allowed" in said
    (asked,) = heard
    assert asked.startswith("begin transaction isolation level repeatable read read only;")
    assert "set local statement_timeout = 60000;" in asked
    assert asked.endswith("commit")


@pytest.mark.parametrize(
    ("port", "advice"), [("99999", "A port is a number from 1 to 65535"), ("1", "No server listens there")]
)
def test_a_port_that_cannot_be_right(port: str, advice: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert advice in fails(capsys, "check", "--db", f"postgresql://me@127.0.0.1:{port}/app")


def test_a_socket_path_that_is_too_long_to_connect(capsys: pytest.CaptureFixture[str]) -> None:
    said = fails(capsys, "check", "--db", f"host=/tmp/{'x' * 120} dbname=app")
    assert "Name a folder with a shorter path as host" in said


# A throw-away server


def test_the_migrations_are_run(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert objects(findings(capsys, "--exact")) == ["public.shows.shows_created_by_fkey"]
    assert_nothing_is_left(workplace)


def test_a_server_that_is_killed_mid_replay(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("create table public.a (id int);\nselect pg_sleep(60);\n")
    killer = threading.Thread(target=_kill_while_it_sleeps, args=(workplace,))
    killer.start()
    said = fails(capsys, "check", "--exact")
    killer.join()
    assert "The connection to the throw-away server" in said
    assert "was lost" in said
    assert_nothing_is_left(workplace)


def _kill_while_it_sleeps(workplace: Path) -> None:
    """Kills the server in ``workplace`` once one of its sessions runs a SELECT."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for status in workplace.glob("referee-*/data/postmaster.pid"):
            with suppress(OSError, ValueError):
                pid = int(status.read_text().split("\n", 1)[0])
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                if any("SELECT" in Path(f"/proc/{child}/cmdline").read_text() for child in children):
                    os.kill(pid, signal.SIGKILL)
                    return
        time.sleep(0.01)


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, workplace: Path) -> Iterator[Path]:
    """The workplace with room for as many MB as the test asks for."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m,mode=755", "tmpfs", str(workplace)]
    with ExitStack() as stack:
        if not ROOT or subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode != 0:
            pytest.skip("no file system may be mounted here")
        stack.callback(lambda: subprocess.run(["umount", "-l", workplace], check=True))
        yield workplace


@pytest.mark.parametrize("small_disk", [10], indirect=True)
def test_a_disk_that_is_full_at_the_start(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    said = fails(capsys, "check", "--exact")
    assert "No space left" in said
    assert "REFEREE_TEMP_DIR" in said
    assert_nothing_is_left(small_disk)


@pytest.mark.parametrize("small_disk", [120], indirect=True)
def test_a_disk_that_fills_up_mid_replay(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("create table public.t as select repeat(md5(i::text), 60) from generate_series(1, 100000) as i;\n")
    said = fails(capsys, "check", "--exact")
    assert "No space left" in said
    assert "ree some space" in said
    assert_nothing_is_left(small_disk)


def test_a_folder_whose_path_is_too_long(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SPLIT)
    folder = workplace / ("x" * 100)
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("REFEREE_TEMP_DIR", str(folder))
    said = fails(capsys, "check", "--exact")
    assert "is too long" in said
    assert "REFEREE_TEMP_DIR" in said
    assert_nothing_is_left(folder)


def test_programs_that_are_not_there(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    assert "holds no program postgres" in fails(capsys, "check", "--postgres-bin", "/nonexistent")
    assert_nothing_is_left(workplace)


# A server of the user's own


def test_a_scratch_database_on_a_server(workplace: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    before = databases(server)
    url = server.url("postgres", server.superuser)
    assert objects(findings(capsys, "--exact", "--server", url)) == ["public.shows.shows_created_by_fkey"]
    assert objects(findings(capsys, "--server", url)) == ["public.shows.shows_created_by_fkey"]
    assert databases(server) == before
    assert_nothing_is_left(workplace)


def test_a_server_whose_roles_may_not_be_had(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    before = databases(server)
    said = fails(capsys, "check", "--server", server.url("postgres"))
    assert "is no superuser" in said
    assert "leave out --server" in said
    assert databases(server) == before


def test_a_server_that_goes_away(
    workplace: Path, band: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    write(SPLIT)
    before = databases(server)
    with wire.listening(wire.cut_after(server.folder / ".s.PGSQL.5432", 4_000)) as port:
        said = fails(capsys, "check", "--server", f"host=127.0.0.1 port={port} user={server.superuser} dbname=postgres")
    assert "was lost" in said
    assert databases(server) - before <= {name for name in databases(server) if name.startswith("referee_")}
    # What could not be dropped any more goes with the next run.
    assert main(["check", "--server", server.url("postgres", server.superuser), "--fail-on", "never"]) == 0
    assert databases(server) == before


def test_two_servers_are_one_too_many(capsys: pytest.CaptureFixture[str]) -> None:
    write(SPLIT)
    said = fails(capsys, "check", "--server", "dbname=x", "--postgres-bin", "auto")
    assert "--postgres-bin and --server name two servers" in said


def databases(server: Server) -> set[str]:
    with server.connect("postgres", server.superuser) as session:
        return {name for (name,) in session.rows("select datname::text from pg_database")}
