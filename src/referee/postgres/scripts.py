"""Runs files as the Supabase command line does, and goes on where it would stop.

Before each file RESET ALL; all statements of a file in one transaction; CREATE INDEX CONCURRENTLY and its kind outside;
BEGIN and COMMIT in the file do what they say. A file in which nothing fails runs exactly so. A file in which something
fails is rolled back and run once more, each statement behind a savepoint, to find everything that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from referee.model.source import Span
from referee.postgres.extensions import installed
from referee.postgres.host import Host
from referee.postgres.router import Router, roles_made
from referee.postgres.session import FailedStatementError, Limits, Report, Session, literal

_CONCURRENTLY = re.compile(r"(?:create\s+(?:unique\s+)?index|drop\s+index|reindex\b.*?)\s+concurrently\b", re.I | re.S)
_CONTROL = re.compile(
    r"(?:begin|start\s+transaction|commit|end|rollback|abort|savepoint|release|prepare\s+transaction)\b", re.IGNORECASE
)

# Ends the rows in a file; it is psql's affair and not the server's.
_END_OF_ROWS = re.compile(r"^\\\.\s*\Z", re.MULTILINE)

_OWNERS = """
    select distinct pg_get_userbyid(c.relowner)
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where (n.nspname::text, c.relname::text) in (select * from unnest(%s::text[], %s::text[]))
      and not pg_has_role(c.relowner, 'member')
    order by 1
"""


class Statement(NamedTuple):
    """One statement: its half-open range in the file's characters, its text, and the rows of a COPY ... FROM stdin.

    The rows may end with the line that ends them in the file.
    """

    start: int
    end: int
    text: str
    data: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """A file to run. With a ``version`` it is entered into the history of migrations when all of it has run.

    It is one transaction unless ``atomic`` is False: then each statement is committed by itself. With ``as_left`` it
    starts with the settings that the file before has left.
    """

    path: str
    statements: Sequence[Statement]
    version: str | None = None
    name: str | None = None
    atomic: bool = True
    as_left: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """A statement that the server refused: the statement's range in its file, and what the server said."""

    path: str
    start: int
    end: int
    report: Report

    @property
    def place(self) -> int:
        """Where in the file the server points, in characters from 0."""
        inside = self.report.position or 0
        return min(self.start + inside, max(self.start, self.end - 1))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of running files.

    ``failures`` are all of them, in order; ``stand_ins`` the ones that are installed after it; ``left_alone`` the
    statements that were not run because they would have changed a role of a server that belongs to somebody else.
    """

    failures: tuple[Failure, ...]
    statements: int
    stand_ins: tuple[str, ...]
    left_alone: tuple[Span, ...] = ()


class HostServer(Protocol):
    """The part of a server that running files needs."""

    @property
    def host(self) -> Host: ...
    @property
    def installable(self) -> frozenset[str]: ...
    @property
    def stand_ins(self) -> frozenset[str]: ...
    @property
    def migration_role(self) -> str: ...
    @property
    def superuser(self) -> str: ...
    @property
    def protected_roles(self) -> frozenset[str]: ...
    def claim_roles(self, names: Set[str]) -> None: ...
    def connect_as(self, database: str, role: str, limits: Limits | None = None) -> Session: ...


def run_scripts(server: HostServer, database: str, scripts: Iterable[Script], limits: Limits | None = None) -> Outcome:
    """Runs files in a database as the host's migration role, one after the other.

    Raises ServerError where the connection breaks; a statement that the server refuses is a Failure in the outcome.
    """
    limits = limits or Limits(statement=300, lock=10)
    with server.connect_as(database, server.migration_role, limits) as session:
        router = router_for(server, session)
        keeps_history = session.value("select to_regclass('supabase_migrations.schema_migrations')") is not None
        failures: list[Failure] = []
        left_alone: list[Span] = []
        roles: set[str] = set()
        count = 0
        for script in scripts:
            failures += _ScriptRun(session, router, script, keeps_history).run()
            count += len(script.statements)
            for statement in script.statements if router.protected else ():
                roles |= roles_made(statement.text)
                if not router.route(statement.text):
                    left_alone.append(Span(script.path, statement.start, statement.end))
        server.claim_roles(roles)
        used = tuple(sorted(installed(session) & server.stand_ins))
        return Outcome(tuple(failures), count, used, tuple(left_alone))


def router_for(server: HostServer, session: Session) -> Router:
    """What rewrites statements for the database of a session."""
    return Router(
        role=server.migration_role,
        superuser=server.superuser,
        beyond=server.host.beyond,
        imitations=server.host.stand_ins,
        installable=server.installable,
        owners=_owners(session, server.host),
        protected=server.protected_roles,
    )


def _owners(session: Session, host: Host) -> tuple[str, ...]:
    tables = sorted(host.beyond.owned_by_host)
    if not tables:
        return ()
    schemas, names = [schema for schema, _ in tables], [name for _, name in tables]
    return tuple(owner for (owner,) in session.rows(_OWNERS, [schemas, names]))


class _ScriptRun:
    """One file on its way through a session."""

    def __init__(self, session: Session, router: Router, script: Script, keeps_history: bool) -> None:
        self.session = session
        self.router = router
        self.script = script
        self.keeps_history = keeps_history and script.version is not None
        self.failures: list[Failure] = []

    def run(self) -> list[Failure]:
        if not self.script.as_left:
            self.session.run("reset all")
        if not (self._is_plain() and self._run_at_once()):
            self._run_step_by_step()
        return self.failures

    def _is_plain(self) -> bool:
        """Whether the whole file is one transaction that can be rolled back."""
        return self.script.atomic and not any(
            statement.data is not None or _CONTROL.match(statement.text) or _CONCURRENTLY.match(statement.text)
            for statement in self.script.statements
        )

    def _run_at_once(self) -> bool:
        """Sends the whole file in one go; False, and nothing done, where anything fails."""
        texts = [text for statement in self.script.statements for text in self.router.route(statement.text)]
        try:
            self.session.run_each(["begin", *texts, *self._history(), "commit"])
        except FailedStatementError:
            self._rollback()
            return False
        return True

    def _run_step_by_step(self) -> None:
        for statement in self.script.statements:
            if _CONCURRENTLY.match(statement.text):
                self._commit(statement)
                self._try(statement)
            elif _CONTROL.match(statement.text):
                self._try(statement)
            else:
                if self.script.atomic and not self.session.in_transaction:
                    self.session.run("begin")
                self._try_behind_savepoint(statement)
            if self.session.transaction_failed:
                self._rollback()
        if self.script.statements:
            self._commit(self.script.statements[-1], [] if self.failures else self._history())

    def _try_behind_savepoint(self, statement: Statement) -> None:
        """Keeps a failure from ending the transaction, where there is one."""
        if not self.session.in_transaction:
            self._try(statement)
            return
        self.session.run("savepoint referee_statement")
        if not self._try(statement):
            self.session.run("rollback to referee_statement")
        self.session.run("release referee_statement")

    def _try(self, statement: Statement) -> bool:
        try:
            for text in self.router.route(statement.text):
                if statement.data is not None and text == statement.text:
                    self.session.copy_in(text, _END_OF_ROWS.sub("", statement.data))
                else:
                    self.session.run(text)
        except FailedStatementError as error:
            self._note(statement, error)
            if not self.session.in_transaction:
                # With no transaction to be rolled back, what the route changed has to be put back by hand.
                self.session.run(self.router.back)
            return False
        return True

    def _commit(self, last: Statement, before: Sequence[str] = ()) -> None:
        """Ends the transaction, if there is one; what was deferred fails at the statement that stands last."""
        statements = [*before, "commit"] if self.session.in_transaction else [*before]
        try:
            self.session.run_each(statements)
        except FailedStatementError as error:
            self._note(last, error)
            self._rollback()

    def _rollback(self) -> None:
        if self.session.in_transaction:
            self.session.run("rollback")

    def _note(self, statement: Statement, error: FailedStatementError) -> None:
        self.failures.append(Failure(self.script.path, statement.start, statement.end, error.report))

    def _history(self) -> list[str]:
        if not self.keeps_history:
            return []
        script = self.script
        texts = ", ".join(literal(statement.text) for statement in script.statements)
        values = f"{literal(script.version or '')}, {literal(script.name or '')}, array[{texts}]::text[]"
        table = "supabase_migrations.schema_migrations (version, name, statements)"
        return [f"insert into {table} values ({values}) on conflict do nothing"]
