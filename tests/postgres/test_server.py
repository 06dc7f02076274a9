"""A throw-away server: what it offers, what it refuses, and that nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from referee.errors import ServerError, UsageError
from referee.platforms import PLAIN, SUPABASE
from referee.postgres.programs import account, find_programs
from referee.postgres.scratch import sweep
from referee.postgres.server import Server, start_server
from referee.postgres.session import FailedStatementError, PasswordNeededError, connect
from tests.scripts import run, states

ROOT = os.geteuid() == 0


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(*paths: Path, pid: int = 0) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not any(path.exists() for path in paths) and not (pid and lives(pid)):
            return
        time.sleep(0.02)
    raise AssertionError(f"left: {[str(path) for path in paths if path.exists()]}, process {pid} lives: {lives(pid)}")


def postmaster(folder: Path) -> int:
    return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])


def lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + ".lock")


# Databases


def test_modes_differ_in_what_the_api_roles_may_do(server: Server) -> None:
    may = {}
    for mode in SUPABASE.modes:
        with server.database(mode) as name, server.connect(name) as session:
            session.run("create table public.t (id int)")
            may[mode] = session.value(
                "select string_agg(p, '' order by p) from unnest(array['select', 'truncate']) as p"
                " where has_table_privilege('anon', 'public.t', p)"
            )
    assert may == {"exposed": "selecttruncate", "revoked": "truncate"}


def test_an_unknown_mode_is_refused(server: Server) -> None:
    with pytest.raises(UsageError, match=r"no mode 'open'; it has exposed, revoked"):
        server.create_database("open")


def test_a_database_can_be_the_template_of_another(server: Server, database: str) -> None:
    run(server, database, "create table public.t (id int);")
    with server.database(template=database) as copy, server.connect(copy) as session:
        assert session.value("select to_regclass('public.t')::text") == "t"


def test_roles_and_their_settings_go_with_the_last_database() -> None:
    """On a server of its own: another test's database would be the last one."""
    with start_server(SUPABASE, find_programs()) as own:
        with own.database() as name:
            run(own, name, "create role editor; alter role anon reset all; alter role authenticator set pgrst.x = 'y';")
        with own.database() as name, own.connect(name) as session:
            assert session.value("select count(*) from pg_roles where rolname = 'editor'") == 0
            settings: dict[str, list[str]] = dict(session.rows("select rolname::text, rolconfig from pg_roles"))
    assert settings["anon"] == ["statement_timeout=3s"]
    assert settings["authenticator"] == ["statement_timeout=8s", "lock_timeout=8s"]


def test_connect_as_looks_like_a_login(server: Server, database: str) -> None:
    seen = (
        "select current_user::text, session_user::text, current_setting('search_path'), current_setting('is_superuser')"
    )
    with server.connect_as(database, "postgres") as acting, server.connect(database, "postgres") as real:
        assert (
            acting.rows(seen) == real.rows(seen) == [("postgres", "postgres", '"\\$user", public, extensions', "off")]
        )
        acting.run("set search_path to auth; reset all")
        assert acting.rows(seen) == real.rows(seen)


def test_the_environment_changes_nothing(server: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSSLMODE": "verify-full",
        "PGUSER": "nobody",
        "PGCHANNELBINDING": "require",
    }.items():
        monkeypatch.setenv(name, value)
    with server.connect(database) as session:
        assert session.value("select current_setting('search_path')") == '"\\$user", public, extensions'


def test_it_listens_on_no_port(server: Server, database: str) -> None:
    with server.connect(database) as session:
        assert session.value("show listen_addresses") == ""


def test_upper_and_lower_case_know_unicode(server: Server, database: str) -> None:
    with server.connect(database) as session:
        assert session.value("select lower('ÀÉ')") == "àé"


# Faults


def test_a_socket_path_that_is_too_long(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    with pytest.raises(ServerError, match=r"too long.*REFEREE_TEMP_DIR"), start_server(SUPABASE, folder=folder):
        pass


def test_a_folder_that_does_not_exist() -> None:
    with (
        pytest.raises(ServerError, match=r"No temporary folder could be made.*REFEREE_TEMP_DIR"),
        start_server(SUPABASE, folder=Path("/tmp/none/at/all")),
    ):
        pass


def test_a_port_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ServerError, match=r"did not start.*Another program uses that port"),
            start_server(SUPABASE, port=port),
        ):
            pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_over_a_port_a_password_is_needed_and_a_wrong_one_is_never_shown() -> None:
    port = free_port()
    with start_server(SUPABASE, port=port) as server:
        with server.connect("postgres", "supabase_admin") as admin:
            admin.run("alter role postgres password 'right'")
        with connect(f"postgresql://postgres:right@127.0.0.1:{port}/postgres") as session:
            assert session.value("select current_user::text") == "postgres"
        with pytest.raises(ServerError) as failed:
            connect(f"postgresql://postgres:wr%40ng@127.0.0.1:{port}/postgres")
        with pytest.raises(PasswordNeededError, match="PGPASSWORD"):
            connect(f"postgresql://postgres@127.0.0.1:{port}/postgres", passfile="/nonexistent")
        assert "password is wrong" in str(failed.value)
        assert "wr@ng" not in str(failed.value)
        assert "wr%40ng" not in str(failed.value)


def test_a_server_that_is_killed_in_the_middle() -> None:
    with start_server(SUPABASE) as server:
        name = server.create_database()
        killer = threading.Timer(0.3, os.kill, (postmaster(server.folder), signal.SIGQUIT))
        killer.start()
        with pytest.raises(ServerError, match=r"connection to the throw-away server.* was lost"):
            run(server, name, "select pg_sleep(10);")
        folder = server.folder
    wait_until_gone(folder, lock_of(folder))


@pytest.fixture(params=[10])
def small_disk(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system with room for 10 MB, or for as many as the test asks for."""
    folder = Path("/tmp") / f"small-{os.getpid()}"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", str(folder)]
    mounted = ROOT and subprocess.run(mount, check=False).returncode == 0
    try:
        if not mounted:
            pytest.skip("no file system may be mounted here")
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


def test_a_disk_that_is_full(small_disk: Path, server: Server) -> None:
    assert server.folder.exists()  # so that the cache holds a folder to be copied
    full = r"could not be copied.*No space left.*300 MB"
    with pytest.raises(ServerError, match=full), start_server(SUPABASE, folder=small_disk):
        pass
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_is_full_without_a_cache(small_disk: Path) -> None:
    full = r"initdb.*No space left.*point REFEREE_TEMP_DIR to another folder"
    with pytest.raises(ServerError, match=full), start_server(SUPABASE, folder=small_disk, use_cache=False):
        pass
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("small_disk", [120], indirect=True)
def test_a_disk_that_fills_up_is_not_the_projects_fault(small_disk: Path) -> None:
    with start_server(SUPABASE, folder=small_disk) as server, server.database() as name:
        with pytest.raises(
            ServerError, match=r"(run out of room|was lost): .*No space left.*Free some|free some"
        ) as failed:
            run(server, name, "create table t as select repeat(md5(i::text), 60) from generate_series(1, 100000) as i;")
        assert not isinstance(failed.value, FailedStatementError)
    assert list(small_disk.iterdir()) == []


def test_a_cache_that_the_servers_account_cannot_enter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not ROOT:
        pytest.skip("only root runs the server in another account")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("REFEREE_CACHE_DIR", str(closed / "cache"))
    with pytest.raises(ServerError, match=r"REFEREE_CACHE_DIR.*cannot enter"), start_server(SUPABASE):
        pass


# Nothing stays


def test_nothing_stays_after_the_block() -> None:
    with start_server(SUPABASE) as server:
        folder, pid = server.folder, postmaster(server.folder)
        assert lives(pid)
        assert lock_of(folder).exists()
    assert not folder.exists()
    assert not lock_of(folder).exists()
    assert not lives(pid)


def test_nothing_stays_after_an_error() -> None:
    seen = []
    with pytest.raises(FileNotFoundError, match="mine"), start_server(SUPABASE) as server:  # noqa: PT012
        seen.append((server.folder, postmaster(server.folder)))
        raise FileNotFoundError("mine")
    ((folder, pid),) = seen
    assert not folder.exists()
    assert not lives(pid)


OWNER = """
import sys, time, threading
from referee.platforms import SUPABASE
from referee.postgres.server import start_server
def own():
    with start_server(SUPABASE) as server:
        print(server.folder, (server.folder / "data" / "postmaster.pid").read_text().split()[0], flush=True)
        time.sleep(60)
if sys.argv[1] == "thread":
    thread = threading.Thread(target=own)
    thread.start()
    thread.join()
else:
    own()
"""


def own_server(how: str = "main") -> tuple[subprocess.Popen[str], Path, int]:
    """Another process that owns a server: the process, the server's folder and its number."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, how], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert owner.stdout is not None
    folder, pid = owner.stdout.readline().split()
    return owner, Path(folder), int(pid)


def watchdog_of(folder: Path) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"referee-watchdog\0" + bytes(folder) in entry.read_bytes():
                return int(entry.parent.name)
    raise AssertionError("no watchdog")


@pytest.mark.parametrize("how", ["main", "thread"])
def test_kill_9_of_the_owner_leaves_nothing(how: str) -> None:
    owner, folder, pid = own_server(how)
    with owner:
        owner.kill()
    wait_until_gone(folder, lock_of(folder), pid=pid)


def test_ctrl_c_leaves_nothing() -> None:
    owner, folder, pid = own_server()
    with owner:
        os.killpg(owner.pid, signal.SIGINT)
        owner.wait(10)
        wait_until_gone(folder, lock_of(folder), pid=pid)


@pytest.mark.parametrize("how", ["main", "thread"])
def test_what_kill_9_of_owner_and_watchdog_leaves_goes_with_the_next_start(how: str) -> None:
    owner, folder, pid = own_server(how)
    with owner:
        os.kill(watchdog_of(folder), signal.SIGKILL)
        owner.kill()
    assert folder.exists()
    sweep()
    wait_until_gone(folder, lock_of(folder), pid=pid)


def test_kill_9_of_the_server_leaves_nothing() -> None:
    with start_server(SUPABASE) as server:
        own = segment(server.folder)
        assert own in shared_memory()
        pid = postmaster(server.folder)
        os.kill(pid, signal.SIGKILL)
        wait_until_gone(pid=pid)
        with pytest.raises(ServerError, match="was lost"):
            server.create_database()
    assert not server.folder.exists()
    assert own not in shared_memory()


def segment(folder: Path) -> str:
    """The id of a server's segment of shared memory: other servers come and go at the same time."""
    return (folder / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]


def shared_memory() -> set[str]:
    return {line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()[1:]}


def test_a_sweep_leaves_the_living_alone(server: Server, database: str) -> None:
    sweep()
    with server.connect(database) as session:
        assert session.value("select 1") == 1


def test_two_servers_side_by_side() -> None:
    with start_server(SUPABASE) as one, start_server(SUPABASE) as two:
        assert one.folder != two.folder
        for server in (one, two):
            with server.database() as name:
                assert states(run(server, name, "create role editor; create table public.t (id int);")) == []
        folder = two.folder
    assert not folder.exists()


# Other ways to start


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache of the test's own, where every account can enter."""
    folder = Path("/tmp") / f"cache-{os.getpid()}"
    folder.mkdir(mode=0o755)
    monkeypatch.setenv("REFEREE_CACHE_DIR", str(folder))
    yield folder
    shutil.rmtree(folder)


def test_without_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFEREE_CACHE_DIR", str(tmp_path / "cache"))
    with start_server(PLAIN, use_cache=False) as server, server.database() as name, server.connect(name) as session:
        assert session.value("select rolsuper from pg_roles where rolname = current_user") is True
    assert not (tmp_path / "cache").exists()


def test_the_plain_platform_has_the_contrib_modules_that_the_programs_lack() -> None:
    with start_server(PLAIN) as server, server.database() as name:
        outcome = run(server, name, 'create extension pgcrypto; create extension "uuid-ossp"; create extension citext;')
    assert outcome.failures == ()
    assert outcome.stand_ins == ("pgcrypto", "uuid-ossp")


NOT_ROOT = """
import os
from referee.platforms import SUPABASE
from referee.postgres.server import start_server
import encodings.idna, stringprep  # Python itself may lie where the other account cannot go
os.setgroups([]); os.setgid({gid}); os.setuid({uid})
with start_server(SUPABASE) as server, server.database() as name, server.connect(name) as session:
    print(os.geteuid(), server.folder.stat().st_uid, session.value("select current_user"))
"""


def test_as_another_user_than_root(own_cache: Path) -> None:
    """The same start in an account of one's own, with a cache of one's own."""
    if not ROOT:
        pytest.skip("the other tests run as another user already")
    runner = account()
    os.chown(own_cache, runner.uid, runner.gid)
    done = subprocess.run(
        [sys.executable, "-c", NOT_ROOT.format(uid=runner.uid, gid=runner.gid)],
        env=os.environ | {"HOME": "/nonexistent"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(runner.uid), str(runner.uid), "postgres"]
    assert list(own_cache.iterdir())


def test_with_programs_that_only_root_can_enter(tmp_path: Path, own_cache: Path) -> None:
    if not ROOT:
        pytest.skip("only root runs the server in another account")
    package = find_programs().folder.parent.parent
    closed = tmp_path / "closed"
    shutil.copytree(package, closed / package.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    closed.chmod(0o700)
    programs = find_programs(closed / package.name / "pginstall")
    with start_server(PLAIN, programs, use_cache=False) as server, server.database() as name:
        assert run(server, name, "create extension vector; create table t (v vector(3));").failures == ()
    assert [path.name for path in (own_cache / "clusters").iterdir()]


def test_with_the_programs_of_this_machine() -> None:
    """An older Postgres has other contrib modules; stand-ins are installed there without control files."""
    try:
        programs = find_programs("auto")
    except UsageError:
        pytest.skip("no Postgres is installed here")
    with start_server(SUPABASE, programs) as server, server.database() as name:
        assert server.version == programs.version
        outcome = run(
            server,
            name,
            "create extension pg_cron; select cron.schedule('nightly', '0 3 * * *', 'select 1');"
            "create extension pgmq; select pgmq.create('jobs'); drop extension pgmq cascade;",
            "create extension pgmq;",
        )
        assert outcome.failures == ()
        assert {"pg_cron", "pg_net", "pgmq", "supabase_vault"} <= set(outcome.stand_ins)
        with server.connect(name) as session:
            assert session.value("select count(*) from cron.job") == 1


def test_a_host_of_ones_own_has_a_cluster_of_its_own() -> None:
    host = replace(PLAIN, name="mine", superuser="me", migration_role="me")
    with start_server(host) as server, server.database() as name, server.connect(name) as session:
        assert session.value("select current_user::text") == "me"
        assert run(server, name, "create table t (id int);").failures == ()
