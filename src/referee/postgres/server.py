"""A throw-away server: started in a moment, behaving like a host, gone when it is no longer needed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

from referee.errors import ServerError, UsageError
from referee.model.names import quote
from referee.postgres.cluster import RESTORE_SETTINGS, STAND_INS, prepare, stand_ins_of, template_name, within_reach
from referee.postgres.extensions import available
from referee.postgres.host import Host
from referee.postgres.process import Process
from referee.postgres.programs import Programs, account, find_programs
from referee.postgres.scratch import make_scratch
from referee.postgres.session import Limits, Session, role_options


class Server:
    """A server that belongs to referee.

    ``version`` is such as "18.6"; ``stand_ins`` are the extensions that it lacks and imitates where they are asked for.
    """

    def __init__(self, process: Process, programs: Programs, host: Host, stand_ins: frozenset[str]) -> None:
        self._process = process
        self._numbers = count(1)
        self._installable: frozenset[str] | None = None
        self.host = host
        self.version = programs.version
        self.major = programs.major
        self.stand_ins = stand_ins
        self._admin = process.connect("postgres", host.superuser)
        self._roles = self._role_names()
        self._open: set[str] = set()

    @property
    def migration_role(self) -> str:
        return self.host.migration_role

    @property
    def superuser(self) -> str:
        return self.host.superuser

    @property
    def protected_roles(self) -> frozenset[str]:
        """None: the roles of a server of our own may be changed."""
        return frozenset()

    def claim_roles(self, names: Set[str]) -> None:
        """Says that migrations made these roles. Here they go with the databases anyway."""

    @property
    def folder(self) -> Path:
        """Where the server's socket is."""
        return self._process.folder

    @property
    def port(self) -> int:
        return self._process.port

    @property
    def installable(self) -> frozenset[str]:
        """The extensions that CREATE EXTENSION can install here; on PostgreSQL 18 the stand-ins are among them."""
        if self._installable is None:
            self._installable = available(self._admin)
        return self._installable

    def create_database(self, mode: str | None = None, *, template: str | None = None) -> str:
        """The name of a new database: a clone of the host's in that mode, or of another database without sessions."""
        if template is None:
            mode = mode or next(iter(self.host.modes))
            if mode not in self.host.modes:
                raise UsageError(f"{self.host.name} has no mode {mode!r}; it has {', '.join(self.host.modes)}.")
            template = template_name(mode)
        name = f"referee_run_{next(self._numbers)}"
        owner = quote(self.host.migration_role)
        self._admin.run(f"create database {name} owner {owner} template {quote(template)} strategy file_copy")
        self._open.add(name)
        return name

    def drop_database(self, name: str) -> None:
        """Drops a database and ends its sessions.

        With the last one go the roles that were made in the meantime, and the host's roles get their settings back.
        Anything else that was changed about a role stays: roles belong to the server.
        """
        self._wait_for_sessions(name)
        self._admin.run(f"drop database if exists {quote(name)} with (force)")
        self._open.discard(name)
        if not self._open:
            self._restore_roles()

    def _wait_for_sessions(self, database: str) -> None:
        """Gives sessions that were just closed a moment: the server itself looks only every tenth of a second."""
        for _ in range(50):
            if not self._admin.rows("select from pg_catalog.pg_stat_activity where datname = %s", [database]):
                return
            time.sleep(0.001)

    def _restore_roles(self) -> None:
        for role in self._role_names() - self._roles:
            self._admin.run(f"drop owned by {quote(role)}; drop role {quote(role)}")
        self._admin.run(RESTORE_SETTINGS)

    @contextmanager
    def database(self, mode: str | None = None, *, template: str | None = None) -> Iterator[str]:
        """A database for the time of a block."""
        name = self.create_database(mode, template=template)
        try:
            yield name
        finally:
            # A server that has failed is thrown away whole, and its failure is told already.
            with suppress(ServerError):
                self.drop_database(name)

    def connect(self, database: str, user: str | None = None, limits: Limits | None = None) -> Session:
        """A session that logs in as ``user`` (the migration role where none is named), with that role's settings."""
        return self._process.connect(database, user or self.host.migration_role, limits)

    def connect_as(self, database: str, role: str, limits: Limits | None = None) -> Session:
        """A session of the superuser that acts as ``role`` until it is told otherwise.

        To the role it looks as if it had logged in itself: its name, its rights, its settings, also after RESET ALL.
        """
        options = role_options(self._admin, role)
        session = self._process.connect(database, self.host.superuser, limits, options=options)
        session.run(f"set session authorization {quote(role)}")
        return session

    def _role_names(self) -> frozenset[str]:
        return frozenset(name for (name,) in self._admin.rows("select rolname from pg_catalog.pg_roles"))

    def url(self, database: str, user: str | None = None) -> str:
        """A connection string for other programs."""
        return f"host={self.folder} port={self.port} dbname={database} user={user or self.host.migration_role}"

    def close(self) -> None:
        self._admin.close()


@contextmanager
def start_server(
    host: Host,
    programs: Programs | None = None,
    *,
    port: int | None = None,
    folder: Path | None = None,
    use_cache: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A throw-away server for the time of a block, with the host's roles and templates of its databases.

    ``programs`` are those of the embedded Postgres unless given. Without ``port`` it listens on a private socket only.
    Nothing of it outlives the block, nor this process. Raises ServerError where it cannot be started.
    """
    with ExitStack() as stack:
        try:
            started = _start(stack, host, programs or find_programs(), port, folder, use_cache, settings or {})
        except OSError as error:
            raise ServerError(f"The throw-away server could not be started: {error}.") from error
        yield started


def _start(
    stack: ExitStack,
    host: Host,
    programs: Programs,
    port: int | None,
    folder: Path | None,
    use_cache: bool,
    settings: Mapping[str, str],
) -> Server:
    """Starts a server; what has to be undone goes onto the stack."""
    runner = account()
    scratch = make_scratch(runner, folder)
    stack.callback(scratch.remove)
    programs = within_reach(programs, runner, scratch)
    data = prepare(scratch, programs, host, runner, use_cache)
    given = dict(settings)
    if programs.major >= 18 and host.stand_ins:
        given["extension_control_path"] = f"$system:{data / STAND_INS}"
    process = Process.start(programs, data, scratch, runner, port=port, settings=given)
    stack.callback(process.stop)
    server = Server(process, programs, host, stand_ins_of(data))
    stack.callback(server.close)
    return server
