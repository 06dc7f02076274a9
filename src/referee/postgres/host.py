"""Making a host's roles and schemas on a server."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from referee.model.source import Source
from referee.postgres.extensions import Imitation, available, creation
from referee.postgres.session import FailedStatementError, Session

_EXTENSION = re.compile(r'^create extension "?([\w-]+)"? with schema (\w+);$', re.MULTILINE)
_NOT_AVAILABLE = ("0A000", "58P01", "22023")


class Privileged(Protocol):
    """Statements that the host runs although plain Postgres would refuse them to the migration role.

    ``owned_by_host`` holds (schema, table): tables on which the role may drop triggers and handle policies.
    ``settings`` are names, or prefixes that end in ``*``, of settings that it may change, and ``tunable_roles`` are the
    roles whose own settings it may change. With ``privileged`` the host runs extensions, event triggers, publications
    and foreign data wrappers as its superuser.
    """

    @property
    def owned_by_host(self) -> frozenset[tuple[str, str]]: ...
    @property
    def settings(self) -> tuple[str, ...]: ...
    @property
    def tunable_roles(self) -> frozenset[str]: ...
    @property
    def privileged(self) -> bool: ...


class Host(Protocol):
    """What a platform must say about itself so that a server can behave like it.

    ``roles`` is SQL that a server needs once, one statement a line. ``files`` is SQL that each database needs, in
    order, and ``modes`` holds the last files of each mode, the default mode first. Each CREATE EXTENSION in them has a
    line to itself.
    """

    @property
    def name(self) -> str: ...
    @property
    def superuser(self) -> str: ...
    @property
    def migration_role(self) -> str: ...
    @property
    def roles(self) -> Sequence[Source]: ...
    @property
    def files(self) -> Sequence[Source]: ...
    @property
    def modes(self) -> Mapping[str, Sequence[Source]]: ...
    @property
    def stand_ins(self) -> Mapping[str, Imitation]: ...
    @property
    def beyond(self) -> Privileged: ...


def fingerprint(host: Host) -> str:
    """Changes when anything changes that a database of this host is made from."""
    texts = [host.name, host.superuser, host.migration_role]
    texts += [source.text for source in (*host.roles, *host.files)]
    for mode, sources in host.modes.items():
        texts += [mode, *(source.text for source in sources)]
    for name, imitation in host.stand_ins.items():
        texts += [name, imitation.schema or "", imitation.source.text]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def role_statements(host: Host) -> Iterator[str]:
    """The statements that make the roles, without the comments."""
    for source in host.roles:
        for line in source.text.splitlines():
            if line.strip() and not line.startswith("--"):
                yield line


def make_roles(session: Session, host: Host) -> None:
    """Makes the roles on a server that has none of them but the superuser."""
    for statement in role_statements(host):
        if not statement.startswith(f"create role {host.superuser} "):
            session.run(statement)


def make_schemas(session: Session, host: Host, sources: Sequence[Source]) -> tuple[str, ...]:
    """Runs files in the session's database, as its superuser. Returns the extensions that could not be had."""
    missing: list[str] = []
    installable = available(session)
    for source in sources:
        at = 0
        for found in _EXTENSION.finditer(source.text):
            session.run(source.text[at : found.start()])
            statement = creation(found[1], found[2], installable=installable, imitations=host.stand_ins)
            try:
                session.run(statement)
            except FailedStatementError as error:
                if error.sqlstate not in _NOT_AVAILABLE:
                    raise
                missing.append(found[1])
            at = found.end()
        session.run(source.text[at:])
    return tuple(missing)
