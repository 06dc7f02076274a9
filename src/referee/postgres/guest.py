"""A scratch database on a server that belongs to somebody else.

Roles belong to a whole server, so they get special care: a role that exists is never altered nor dropped, and where it
is not what the host needs, the server is refused. Roles that are made bear a mark and go when nothing needs them any
more.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager, suppress
from itertools import count

from referee.errors import ServerError, UsageError
from referee.model.names import quote
from referee.postgres.extensions import available
from referee.postgres.host import Host, make_schemas, role_statements
from referee.postgres.programs import OLDEST_PROGRAMS
from referee.postgres.session import (
    FailedStatementError,
    Limits,
    Session,
    connect,
    describe,
    literal,
    role_options,
)

_MARK = "made by referee for a scratch database"
_NO_LIMITS = Limits(statement=None, lock=None)

_CREATE = re.compile(r"create role (\w+) (.*);")
_GRANT = re.compile(r"grant (?!set on parameter)([\w, ]+) to ([\w, ]+?)( with admin option)?;")
_ALTER = re.compile(r"alter role (\w+) set ")

_ATTRIBUTES = (
    "rolsuper",
    "rolinherit",
    "rolcreaterole",
    "rolcreatedb",
    "rolcanlogin",
    "rolreplication",
    "rolbypassrls",
)


class GuestServer:
    """A server on which referee is a guest; the same calls as for a server of its own."""

    def __init__(self, url: str, host: Host, admin: Session, token: str) -> None:
        self._url = url
        self._admin = admin
        self._token = token
        self._numbers = count(1)
        self.host = host
        self.major = admin.major
        self.version = f"{admin.major}.{admin.version % 10000}"
        self.installable = available(admin)
        self.stand_ins = frozenset(host.stand_ins) - self.installable
        self._found = _names(admin)
        self.protected_roles = self._found - frozenset(_marked(admin))
        self._login = str(admin.value("select current_user"))
        # A host without roles of its own takes whoever logged in.
        self.migration_role = host.migration_role if host.roles else self._login
        self.superuser = host.superuser if host.roles else self._login

    def create_database(self, mode: str | None = None, *, template: str | None = None) -> str:
        """The name of a new database: built for the host in that mode, or cloned from one without sessions."""
        mode = mode or next(iter(self.host.modes))
        if mode not in self.host.modes:
            raise UsageError(f"{self.host.name} has no mode {mode!r}; it has {', '.join(self.host.modes)}.")
        name = f"{self._token}_{next(self._numbers)}"
        owner, source = quote(self.migration_role), quote(template or "template0")
        self._admin.run(f"create database {name} owner {owner} template {source}")
        if template is None:
            with self.connect(name, self.superuser) as session:
                make_schemas(session, self.host, [*self.host.files, *self.host.modes[mode]])
        return name

    def drop_database(self, name: str) -> None:
        """Drops a database and ends its sessions."""
        self._admin.run(f"drop database if exists {quote(name)} with (force)")

    @contextmanager
    def database(self, mode: str | None = None, *, template: str | None = None) -> Iterator[str]:
        """A database for the time of a block."""
        name = self.create_database(mode, template=template)
        try:
            yield name
        finally:
            self.drop_database(name)

    def connect(self, database: str, user: str | None = None, limits: Limits | None = None) -> Session:
        """A session that acts as ``user`` (the migration role where none is named), with that role's settings."""
        return self.connect_as(database, user or self.migration_role, limits)

    def connect_as(self, database: str, role: str, limits: Limits | None = None) -> Session:
        """The same; roles have no passwords here, so every session logs in as the one of the URL."""
        settings = {"dbname": database, "application_name": self._token}
        if role != self._login:
            settings["options"] = role_options(self._admin, role)
        session = connect(self._url, read_only=False, limits=limits or _NO_LIMITS, **settings)
        if role != self._login:
            session.run(f"set session authorization {quote(role)}")
        return session

    def claim_roles(self, names: Set[str]) -> None:
        """Marks roles that migrations made, so that they go with the databases. What was there is left alone."""
        for role in names & (_names(self._admin) - self._found):
            self._admin.run(f"comment on role {quote(role)} is {literal(_MARK)}")

    def drop_all(self) -> None:
        """Drops the databases of this run."""
        for name in _databases(self._admin):
            if name.startswith(f"{self._token}_"):
                self.drop_database(name)


@contextmanager
def use_server(url: str, host: Host) -> Iterator[GuestServer]:
    """A guest on the server that a URL points to, for the time of a block.

    Raises ServerError where the server cannot be used as it is; it is left then as it was found.
    """
    token = f"referee_{secrets.token_hex(4)}"
    with ExitStack() as stack:
        admin = stack.enter_context(connect(url, read_only=False, limits=_NO_LIMITS, application_name=token))
        _check(admin, host, describe(url))
        _sweep(admin)
        if host.roles:
            stack.callback(_drop_roles, admin)
            _make_roles(admin, host, describe(url))
        server = GuestServer(url, host, admin, token)
        stack.callback(server.drop_all)
        yield server


def _check(admin: Session, host: Host, place: str) -> None:
    if not host.roles:
        if not admin.value("select rolcreatedb or rolsuper from pg_roles where rolname = current_user"):
            raise ServerError(
                f"{place} may not create databases: log in as a role with CREATEDB, or leave out --server to use the "
                "throw-away server that comes with referee."
            )
        return
    if admin.major < OLDEST_PROGRAMS:
        raise ServerError(
            f"{place} runs PostgreSQL {admin.major}; the platform {host.name} needs {OLDEST_PROGRAMS} or newer. Leave "
            "out --server to use the throw-away server that comes with referee."
        )
    if not admin.value("select rolsuper from pg_roles where rolname = current_user"):
        raise ServerError(
            f"{place} is no superuser, which acting as the roles of {host.name} takes. Log in as one (on the local "
            "stack of Supabase that is supabase_admin), or leave out --server to use the one that comes with referee."
        )


def _databases(admin: Session) -> list[str]:
    found = admin.rows(r"select datname from pg_catalog.pg_database where datname ~ '^referee_[0-9a-f]{8}_\d+$'")
    return [name for (name,) in found]


def _sweep(admin: Session) -> None:
    """Drops the databases of runs that ended without a word: those whose sessions are gone."""
    alive = {name for (name,) in admin.rows("select distinct application_name from pg_catalog.pg_stat_activity")}
    for name in _databases(admin):
        if name.rpartition("_")[0] not in alive:
            with suppress(FailedStatementError):
                admin.run(f"drop database if exists {name}")


def _make_roles(admin: Session, host: Host, place: str) -> None:
    """Makes the roles that are missing, in one transaction; refuses a server whose roles are different."""
    admin.run("begin; lock table pg_catalog.pg_authid in share row exclusive mode")
    try:
        found = _RoleMaker(admin)
        for statement in role_statements(host):
            found.take(statement)
        if found.faults:
            raise ServerError(
                f"The roles of {place} are not those of {host.name}: {'; '.join(found.faults)}. referee alters no role "
                "that exists. Use another server, or leave out --server to use the one that comes with referee."
            )
    except BaseException:
        admin.run("rollback")
        raise
    admin.run("commit")


class _RoleMaker:
    """Takes the statements that make a host's roles, one by one, and runs those that touch no role that was there."""

    def __init__(self, admin: Session) -> None:
        self.admin = admin
        self.existing = _names(admin)
        self.ours = set(_marked(admin))
        self.faults: list[str] = []

    def take(self, statement: str) -> None:
        if create := _CREATE.fullmatch(statement):
            self._create(create[1], create[2])
        elif grant := _GRANT.fullmatch(statement):
            for member in grant[2].split(", "):
                for role in grant[1].split(", "):
                    self._grant(role, member, grant[3] or "")
        elif (alter := _ALTER.match(statement)) and alter[1] in self.ours:
            self.admin.run(statement)
        # Rights to set parameters are left alone: what they allow is routed anyway.

    def _create(self, role: str, attributes: str) -> None:
        if role not in self.existing:
            # They have no password, so nobody should log in as one of them.
            closed = re.sub(r"\blogin\b", "nologin", attributes)
            self.admin.run(f"create role {role} {closed}; comment on role {role} is {literal(_MARK)}")
            self.ours.add(role)
        elif role not in self.ours and (wrong := self._differences(role, attributes)):
            self.faults.append(f"{role} differs in {', '.join(wrong)}")

    def _differences(self, role: str, attributes: str) -> list[str]:
        """Asks the server what the attributes would make, by a role that goes with the savepoint."""
        columns = ", ".join(_ATTRIBUTES)
        query = f"select {columns} from pg_catalog.pg_roles where rolname = %s"
        self.admin.run(f"savepoint probe; create role referee_probe {attributes}")
        (wanted,) = self.admin.rows(query, ["referee_probe"])
        self.admin.run("rollback to probe; release probe")
        (found,) = self.admin.rows(query, [role])
        pairs = zip(_ATTRIBUTES, wanted, found, strict=True)
        return [f"{name.removeprefix('rol')} ({have})" for name, want, have in pairs if want != have]

    def _grant(self, role: str, member: str, option: str) -> None:
        if member in self.ours:
            self.admin.run(f"grant {role} to {member}{option}")
        elif not self.admin.value("select pg_catalog.pg_has_role(%s, %s, 'member')", [member, role]):
            self.faults.append(f"{member} is no member of {role}")


def _drop_roles(admin: Session) -> None:
    """Drops the roles that bear our mark, as far as no other run needs them."""
    admin.run("begin; lock table pg_catalog.pg_authid in share row exclusive mode")
    left, before = _marked(admin), None
    while left != before:
        # A role may have been granted by another one, which can only go after it.
        for role in left:
            try:
                admin.run(f"savepoint one; drop role {quote(role)}; release one")
            except FailedStatementError:
                admin.run("rollback to one; release one")
        left, before = _marked(admin), left
    admin.run("commit")


def _marked(admin: Session) -> list[str]:
    query = "select rolname from pg_catalog.pg_roles where pg_catalog.shobj_description(oid, 'pg_authid') = %s"
    return [name for (name,) in admin.rows(query, [_MARK])]


def _names(admin: Session) -> frozenset[str]:
    return frozenset(name for (name,) in admin.rows("select rolname from pg_catalog.pg_roles"))
