"""Data folders: made once for a host and a version of Postgres, kept in a cache, copied for each run."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from referee.errors import ServerError
from referee.model.names import quote
from referee.postgres.extensions import Imitation, available, write_control_files
from referee.postgres.host import Host, fingerprint, make_roles, make_schemas
from referee.postgres.process import Process, environment
from referee.postgres.programs import Account, Programs
from referee.postgres.scratch import Scratch

# Goes up when this module makes folders differently.
_FORMAT = 2
_UNUSED_AFTER = 14 * 24 * 3600

#: Where, in a data folder, stand-ins lie as installable extensions.
STAND_INS = "referee"

_SETTINGS = """
# A throw-away server: nothing is ever written for good, nobody else connects, nothing runs by itself.
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum = off
checkpoint_timeout = 1d
max_wal_size = 256MB
min_wal_size = 32MB
wal_level = logical
max_connections = 60
shared_buffers = 64MB
max_locks_per_transaction = 512
max_logical_replication_workers = 0
dynamic_shared_memory_type = mmap
huge_pages = off
jit = off
listen_addresses = ''
unix_socket_permissions = 0700
logging_collector = off
log_min_messages = log
log_checkpoints = off
timezone = UTC
log_timezone = UTC
default_text_search_config = 'pg_catalog.english'
"""

_HBA = """
local all all trust
local replication all trust
host all all 127.0.0.1/32 scram-sha-256
"""


# The settings of roles, as the host has them: kept while a server is made, and put back by writing the catalog because
# ALTER ROLE takes no setting the way it is stored.
_KEEP_SETTINGS = "create table public.referee_settings as table pg_catalog.pg_db_role_setting"
RESTORE_SETTINGS = """
delete from pg_catalog.pg_db_role_setting as now
where not exists (
  select from public.referee_settings as kept
  where (kept.setdatabase, kept.setrole, kept.setconfig) = (now.setdatabase, now.setrole, now.setconfig)
);
insert into pg_catalog.pg_db_role_setting
select * from public.referee_settings as kept
where not exists (
  select from pg_catalog.pg_db_role_setting as now
  where (kept.setdatabase, kept.setrole) = (now.setdatabase, now.setrole)
)
"""


def template_name(mode: str) -> str:
    """The database that clones of a mode are made from."""
    return f"referee_{mode}"


def prepare(scratch: Scratch, programs: Programs, host: Host, account: Account, use_cache: bool = True) -> Path:
    """A data folder inside ``scratch`` in which the host's databases stand ready: copied from the cache, else made."""
    data = scratch.path / "data"
    key = _key(programs, host, account)
    cache = _cache(account) if use_cache else None
    if cache is None:
        _build(scratch, data, programs, host, account)
        return data
    kept = cache / key
    if not kept.is_dir():
        with _locked(cache / f"{key}.lock"):
            if not kept.is_dir():
                _build(scratch, data, programs, host, account)
                _keep(data, kept, account)
                _prune(cache, kept)
                return data
    os.utime(kept)
    _copy(kept, data, account)
    return data


def within_reach(programs: Programs, account: Account, scratch: Scratch) -> Programs:
    """The same programs where the server's account can get at them: root's own folders are closed to it.

    A copy is made in the cache, or where there is none in ``scratch``.
    """
    if account.reaches(programs.folder / "postgres"):
        return programs
    prefix = programs.folder.parent
    if not (prefix / "share").is_dir() or not (prefix / "lib").is_dir():
        raise ServerError(
            f"The account that runs Postgres (root may not) cannot enter {programs.folder}. Choose programs in a "
            "folder that every user may pass through, or leave out --postgres-bin."
        )
    name = f"programs-{programs.version}-{hashlib.sha256(programs.stamp.encode()).hexdigest()[:16]}"
    copy = (_cache(account) or scratch.path) / name
    if not copy.is_dir():
        _copy_programs(prefix, copy)
    return replace(programs, folder=copy / prefix.parent.name / prefix.name / programs.folder.name)


def _copy_programs(prefix: Path, copy: Path) -> None:
    """Copies an installation, and the libraries that a wheel keeps beside its package and finds by a relative path."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=copy.parent))
    package = prefix.parent
    shutil.copytree(prefix, new / package.name / prefix.name, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
    libraries = package.with_name(package.name + ".libs")
    if libraries.is_dir():
        shutil.copytree(libraries, new / libraries.name)
    for path in (new, *new.rglob("*")):
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    try:
        new.rename(copy)
    except OSError:  # another process was faster
        shutil.rmtree(new)


def _key(programs: Programs, host: Host, account: Account) -> str:
    parts = f"{_FORMAT}\0{programs.stamp}\0{fingerprint(host)}\0{account.uid}\0{_SETTINGS}"
    return f"{host.name}-{programs.version}-{hashlib.sha256(parts.encode()).hexdigest()[:16]}"


def _cache(account: Account) -> Path | None:
    """The cache's folder; None where none can be written to."""
    for place in _cache_places(account):
        try:
            if account.reaches(place):
                _make_folders(place)
        except OSError:
            continue
        if account.reaches(place / "x") and _is_ours(place):
            return place
    return None


def _make_folders(place: Path) -> None:
    """Makes a folder and the missing ones above it, open to be passed through whatever the umask says."""
    if not place.is_dir():
        _make_folders(place.parent)
        place.mkdir(exist_ok=True)
        place.chmod(0o755)


def _is_ours(place: Path) -> bool:
    """Whether nobody else can have put something into a folder."""
    try:
        found = place.stat()
    except OSError:
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022 and os.access(place, os.W_OK)


def _cache_places(account: Account) -> Iterator[Path]:
    if chosen := os.environ.get("REFEREE_CACHE_DIR"):
        place = Path(chosen).absolute() / "clusters"
        if not account.reaches(place / "x"):
            raise ServerError(
                f"REFEREE_CACHE_DIR is {chosen}, which the account that runs Postgres cannot enter (root may not run "
                "it). Choose a folder that every user may pass through, such as /var/cache/referee."
            )
        yield place
        return
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    yield Path(base) / "referee" / "clusters"
    if account.switch:
        # Root's own home is closed to the account that runs the server.
        yield Path("/var/cache/referee/clusters")
        yield Path("/var/tmp/referee-cache/clusters")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Whoever comes second waits for the first to finish, and finds the work done."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _copy(source: Path, target: Path, account: Account) -> None:
    """Copies a data folder. Hard links would let one server's writes reach another."""
    done = subprocess.run(
        ["cp", "-R", source, target], capture_output=True, text=True, umask=0o077, cwd="/", **account.arguments
    )
    if done.returncode != 0:
        shutil.rmtree(target, ignore_errors=True)
        raise ServerError(
            f"The server's folder could not be copied to {target.parent}: {_reason(done.stderr)}. Free some space "
            "there (a server needs about 300 MB), or point REFEREE_TEMP_DIR to another folder."
        )
    target.chmod(0o700)


def _reason(text: str) -> str:
    """The line in which a program says what went wrong, which is not always its last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(r"error:|FATAL:|could not|No space|cannot", line)]
    return next(iter(telling or lines[-1:]), "no reason was given").rstrip(".")


def _keep(data: Path, kept: Path, account: Account) -> None:
    """Puts a finished data folder into the cache. Without room the cache stays as it is."""
    new = Path(tempfile.mkdtemp(prefix="new-", dir=kept.parent))
    try:
        if account.switch:
            os.chown(new, account.uid, account.gid)
        _copy(data, new / "data", account)
        (new / "data").rename(kept)
    except (OSError, ServerError):
        shutil.rmtree(kept, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _prune(cache: Path, keep: Path) -> None:
    """Removes what nobody used for long, and what an interrupted run left."""
    oldest = time.time() - _UNUSED_AFTER
    for entry in cache.iterdir():
        if entry == keep or entry.stat().st_mtime >= oldest:
            continue
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _build(scratch: Scratch, data: Path, programs: Programs, host: Host, account: Account) -> None:
    _initialise(data, programs, host, account)
    process = Process.start(programs, data, scratch, account)
    try:
        real = _fill(process, host)
    finally:
        process.stop(gently=True)
    lacking = [imitation for name, imitation in host.stand_ins.items() if name not in real]
    _write_stand_ins(data / STAND_INS, lacking, account)


def _write_stand_ins(folder: Path, imitations: list[Imitation], account: Account) -> None:
    write_control_files(folder / "extension", imitations)
    if account.switch:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, account.uid, account.gid)


def stand_ins_of(data: Path) -> frozenset[str]:
    """The extensions that a data folder's server lacks and has a stand-in for."""
    return frozenset(path.stem for path in (data / STAND_INS / "extension").glob("*.control"))


def _initialise(data: Path, programs: Programs, host: Host, account: Account) -> None:
    arguments: list[str | Path] = [
        *("-D", data, "-U", host.superuser, "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"),
        *("--wal-segsize", "4", "--locale", "C"),
        *_locale(programs),
    ]
    done = subprocess.run(
        [programs.folder / "initdb", *arguments],
        capture_output=True,
        text=True,
        cwd=data.parent,
        env=environment(),
        umask=0o077,
        **account.arguments,
    )
    if done.returncode != 0:
        raise ServerError(
            f"initdb of PostgreSQL {programs.version} could not make a server in {data.parent}: "
            f"{_reason(done.stderr or done.stdout)}. If there is no space left, point REFEREE_TEMP_DIR to another "
            "folder."
        )
    with (data / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS)
        if programs.major >= 18:
            settings.write("io_method = sync\n")
    (data / "pg_hba.conf").write_text(_HBA)


def _locale(programs: Programs) -> tuple[str, ...]:
    """Unicode rules for upper and lower case that need nothing of the system, from the version on that has them."""
    if programs.major >= 18:
        return ("--no-data-checksums", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
    if programs.major == 17:
        return ("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8")
    return ("--lc-ctype", "C.UTF-8") if os.uname().sysname == "Linux" else ()


def _fill(process: Process, host: Host) -> frozenset[str]:
    """Makes the roles, and a template database for each of the host's modes. Returns the extensions that are real."""
    base = template_name("base")
    owner = quote(host.migration_role)
    with process.connect("postgres", host.superuser) as server:
        make_roles(server, host)
        server.run(f"alter database postgres owner to {owner}")
        server.run(f"create database {base} owner {owner} template template0")
        with process.connect(base, host.superuser) as database:
            make_schemas(database, host, host.files)
        for mode, sources in host.modes.items():
            name = quote(template_name(mode))
            server.run(f"create database {name} owner {owner} template {base} strategy file_copy")
            with process.connect(template_name(mode), host.superuser) as database:
                make_schemas(database, host, sources)
            server.run(f"alter database {name} with is_template true allow_connections false")
        server.run(f"drop database {base}")
        server.run(_KEEP_SETTINGS)
        return available(server)
