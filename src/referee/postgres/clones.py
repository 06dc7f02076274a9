"""Clones of one database, one after the other, each as good as new.

Making a database copies some six hundred files, of which a test changes a handful. So a clone that was used is wound
back: what changed in its folder is copied from the template's again, and the server's memory of it is dropped. That is
for throw-away servers only: the server is not told, and its log would be of no use after a crash. Where anything but
the files changed, and wherever the server cannot do it, a new clone is made.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass, field

from referee.errors import ServerError
from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session, literal

# The time that every untouched file bears: whatever writes to one gives it another.
_UNTOUCHED = 1_000_000_000_000_000_000

# What a database has outside its folder: who owns it and what is granted on it, what its objects say about roles, and
# the roles themselves, which the server has in common.
_OUTSIDE = """
    select coalesce(
        (select string_agg(d.xmin::text, ' ') from pg_catalog.pg_database d where d.datname = %(name)s), '')
      || '/' || (select concat(count(*), ' ', max(s.xmin::text::bigint)) from pg_catalog.pg_shdepend s
                 join pg_catalog.pg_database d on d.oid = s.dbid where d.datname = %(name)s)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_authid)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_auth_members)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_db_role_setting)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_shdescription)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_parameter_acl)
      || '/' || (select concat(count(*), ' ', max(xmin::text::bigint)) from pg_catalog.pg_tablespace)
"""
# What would hold on to a database, or survive it.
_HELD = """
    select exists (select from pg_catalog.pg_prepared_xacts where database = %(name)s)
        or exists (select from pg_catalog.pg_replication_slots where database = %(name)s)
        or exists (select from pg_catalog.pg_subscription s join pg_catalog.pg_database d on d.oid = s.subdbid
                   where d.datname = %(name)s)
"""
_END_SESSIONS = "select pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = %(name)s"
_CAN_EVICT = "select to_regprocedure('public.pg_buffercache_evict_all()') is not null"
_EVICT = "select * from public.pg_buffercache_evict_all()"
_BUFFERED = """
    select exists (select from public.pg_buffercache b join pg_catalog.pg_database d on d.oid = b.reldatabase
                   where d.datname = %(name)s)
"""
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class _Clone:
    """A clone as it was when it was new. ``questions`` are the queries about what it has outside its folder."""

    folder: str
    outside: str
    questions: list[str]


@dataclass
class Clones:
    """The clones of ``template`` on a server of our own. Nobody may be connected to the template."""

    server: Server
    template: str
    _used: list[str] = field(default_factory=list)
    _clones: dict[str, _Clone] = field(default_factory=dict)
    _original: dict[str, str] = field(default_factory=dict)
    _admin: Session | None = None
    _base: str | None = None
    _is_open: bool = False

    def take(self) -> str:
        """The name of a database that is like the template."""
        while self._used:
            name = self._used.pop()
            if self._wind_back(name):
                return name
            self._clones.pop(name, None)
            self.server.drop_database(name)
        return self._make()

    def give_back(self, name: str) -> None:
        """Ends the use of a clone, and its sessions. It is wound back when the next is asked for."""
        self._used.append(name)

    def close(self) -> None:
        """Forgets the clones that were given back; they go with the server."""
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def _make(self) -> str:
        name = self.server.create_database(template=self.template)
        base = self._open()
        if base is not None and self._admin is not None:
            folder = self._folder_of(base, name)
            if not self._original:
                self._original = _files(self._folder_of(base, self.template))
            for path in _files(folder).values():
                _touch(path)
            outside = str(self._admin.rows(_OUTSIDE, {"name": name})[0][0])
            self._clones[name] = _Clone(folder, outside, [literal_of(_OUTSIDE, name), literal_of(_HELD, name)])
        return name

    def _open(self) -> str | None:
        """The folder of the server's databases; None where clones cannot be wound back."""
        if self._is_open:
            return self._base
        self._is_open = True
        admin = self._admin = self.server.connect("postgres", self.server.superuser)
        with suppress(FailedStatementError):
            admin.run("create extension if not exists pg_buffercache with schema public")
            base = os.path.join(str(admin.value("show data_directory")), "base")
            if admin.value(_CAN_EVICT) and os.access(base, os.R_OK | os.W_OK | os.X_OK):
                self._base = base
        return self._base

    def _folder_of(self, base: str, name: str) -> str:
        assert self._admin is not None
        query = "select oid::text from pg_catalog.pg_database where datname = %s"
        return os.path.join(base, self._admin.value(query, [name]))

    def _wind_back(self, name: str) -> bool:
        """Makes a used clone like the template again; False where that cannot be done."""
        clone = self._clones.get(name)
        if clone is None or self._admin is None:
            return False
        try:
            return self._rest(self._admin, name, clone) and self._restore(clone.folder)
        except (ServerError, FailedStatementError, OSError):
            return False

    def _rest(self, admin: Session, name: str, clone: _Clone) -> bool:
        """Whether nothing of a clone is left but its files: no session, no buffer, no trace in what databases share."""
        deadline = time.monotonic() + _PATIENCE
        while admin.rows(_END_SESSIONS, {"name": name}):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.001)
        # A checkpoint removes the files of dropped tables, which would otherwise take the restored ones with them.
        [[outside], [held], _, [evicted]] = admin.rows_of_each([*clone.questions, "checkpoint", _EVICT])
        if outside[0] != clone.outside or held[0]:
            return False
        return not evicted[2] or not admin.value(_BUFFERED, {"name": name})

    def _restore(self, folder: str) -> bool:
        """Copies what differs from the template's files."""
        missing = self._original.copy()
        with os.scandir(folder) as entries:
            for entry in entries:
                original = missing.pop(entry.name, None)
                if original is None:
                    os.unlink(entry.path)
                elif entry.stat().st_mtime_ns != _UNTOUCHED:
                    _copy(original, entry.path)
        for name, original in missing.items():
            _copy(original, os.path.join(folder, name))
        return True


def literal_of(query: str, name: str) -> str:
    """A query about one database, without parameters, so that it can be sent together with others."""
    return query.replace("%(name)s", literal(name))


def _files(folder: str) -> dict[str, str]:
    """The paths of the files in a folder by their names."""
    with os.scandir(folder) as entries:
        return {entry.name: entry.path for entry in entries}


def _touch(path: str) -> None:
    os.utime(path, ns=(_UNTOUCHED, _UNTOUCHED))


def _copy(source: str, target: str) -> None:
    """Writes into the file that is there, since the server may have it open; a new one gets the owner of the old."""
    is_new = not os.path.exists(target)
    with open(source, "rb") as old, open(target, "r+b" if not is_new else "xb") as new:
        shutil.copyfileobj(old, new, 1 << 20)
        new.truncate()
    if is_new:
        known = os.stat(source)
        os.chmod(target, 0o600)
        if known.st_uid != os.geteuid():
            os.chown(target, known.st_uid, known.st_gid)
    _touch(target)
