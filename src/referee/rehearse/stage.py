"""Where a rehearsal takes place: a database of its own and the sessions that are open in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from referee.errors import ServerError
from referee.model.rehearsal import Step
from referee.postgres.session import FailedStatementError, Limits, Report, Row, Session

#: Longer than any statement of a rehearsal takes; a trigger that loops for ever must not hold up the run.
LIMITS = Limits(statement=None, lock=None)
_PATIENCE = "20s"


class Theatre(Protocol):
    """The part of a server that rehearsals need: ``superuser`` acts as anybody, ``migration_role`` owns the schema."""

    @property
    def superuser(self) -> str: ...
    @property
    def migration_role(self) -> str: ...
    def connect(self, database: str, user: str | None = None, limits: Limits | None = None) -> Session: ...
    def connect_as(self, database: str, role: str, limits: Limits | None = None) -> Session: ...
    def create_database(self, mode: str | None = None, *, template: str | None = None) -> str: ...
    def drop_database(self, name: str) -> None: ...
    def database(self, mode: str | None = None, *, template: str | None = None) -> AbstractContextManager[str]: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A step that the server refused."""

    step: Step
    report: Report


@dataclass
class Stage:
    """A database with its sessions, each opened when its first step is run; the role's own settings are in force."""

    server: Theatre
    database: str
    _sessions: dict[str, Session] = field(default_factory=dict)

    def session(self, step: Step) -> Session:
        found = self._sessions.get(step.session)
        if found is None:
            found = self._sessions[step.session] = self._open(step.role)
        return found

    def _open(self, role: str) -> Session:
        session = self.server.connect(self.database, role, LIMITS)
        if session.value("select current_setting('statement_timeout')") == "0":
            session.run(f"set statement_timeout to '{_PATIENCE}'")
        return session

    def play(self, step: Step) -> list[Row]:
        """Runs one step. Raises FailedStatementError, after which its transaction is still to be rolled back."""
        return self.session(step).rows(step.sql)

    def perform(self, steps: Iterable[Step]) -> Refusal | None:
        """Runs steps up to the first that is refused; then its transaction is rolled back."""
        for step in steps:
            try:
                self.play(step)
            except FailedStatementError as error:
                self.roll_back(step)
                return Refusal(step, error.report)
        return None

    def roll_back(self, step: Step) -> None:
        session = self.session(step)
        if session.in_transaction:
            session.run("rollback")

    def close(self) -> None:
        for session in self._sessions.values():
            with suppress(ServerError):
                session.close()
        self._sessions.clear()


@contextmanager
def stage_on(server: Theatre, template: str) -> Iterator[Stage]:
    """A stage on a clone of a database, dropped at the end."""
    with server.database(template=template) as database:
        stage = Stage(server, database)
        try:
            yield stage
        finally:
            stage.close()
