"""One connection to a Postgres server: guarded, limited in time, and silent about passwords."""

from __future__ import annotations

import os
import re
import selectors
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from referee.errors import ServerError, StatementError, UsageError
from referee.postgres.advice import advise
from referee.postgres.passwords import ask

Row = tuple[Any, ...]

#: The oldest server whose catalogs referee reads.
OLDEST = 13

# Of a COPY: enough that the work for a block does not count, a few hundred KB.
_ROWS_AT_ONCE = 4096

# What the driver puts around the reason without adding to it.
_CHATTER = re.compile(r"consuming input failed: |This probably means the server terminated abnormally .*")
# Class 53: no disk, no memory, no connection left. That says nothing about the statement.
_OUT_OF_RESOURCES = "53"
# The server is shut down, crashes, or drops this session.
_GOING_DOWN = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
# A connection that went dead without a word is noticed after half a minute; the system's own patience is two hours.
_LIVELINESS = {"keepalives_idle": "15", "keepalives_interval": "5", "keepalives_count": "3"}
_DRIVER = re.compile(r"^(postgres(?:ql)?)\+\w+://")
_URL_PASSWORD = re.compile(r"(?<=:)[^:/@\s]*(?=@)")
# A password with an @ or / as it is ends there for libpq, which takes the rest for host, port and database. Behind user
# and password, or a port, no @ may come up to the parameters; where there is but a user, none in the host.
_CUT_PASSWORD = re.compile(r"\w+://(?:[^@/]*:[^@/]*@[^?]*@|[^@/]*@[^/?]*@|[^@/?]*:[^@?]*/[^?]*@)")
_ESCAPES = "in a user or password, characters such as @ : / # ? must be written as %40 %3A %2F %23 %3F."


@dataclass(frozen=True, slots=True)
class Report:
    """What the server said: an error, or a notice. ``position`` is where in the statement, in characters from 0."""

    severity: str
    sqlstate: str
    message: str
    detail: str | None = None
    hint: str | None = None
    context: str | None = None
    position: int | None = None
    schema: str | None = None
    table: str | None = None
    column: str | None = None
    constraint: str | None = None

    @classmethod
    def of(cls, said: psycopg.errors.Diagnostic) -> Report:
        return cls(
            severity=said.severity_nonlocalized or said.severity or "ERROR",
            sqlstate=said.sqlstate or "XX000",
            message=said.message_primary or "",
            detail=said.message_detail,
            hint=said.message_hint,
            context=said.context,
            position=int(said.statement_position) - 1 if said.statement_position else None,
            schema=said.schema_name,
            table=said.table_name,
            column=said.column_name,
            constraint=said.constraint_name,
        )


class FailedStatementError(StatementError):
    """One statement failed; ``report`` is what the server said about it."""

    def __init__(self, report: Report) -> None:
        detail = f" {report.detail}" if report.detail else ""
        super().__init__(f"{report.message}{'' if report.message.endswith('.') else '.'}{detail}", report.sqlstate)
        self.report = report


class PasswordNeededError(ServerError):
    """The server asks for a password, none was given, and nobody could be asked for it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits of a session, in seconds; None for none."""

    connect: float = 10
    statement: float | None = 60
    lock: float | None = 5


def _accept(result: pq.abc.PGresult, status: int) -> None:
    """Raises the server's error where a result is another one than was expected."""
    if result.status != status:
        raise psycopg.errors.error_from_result(result)


def _take_rows(pgconn: pq.abc.PGconn, rows: list[memoryview]) -> bool:
    """Takes the rows of a COPY that have come, and waits where there are none; whether it is over.

    The driver waits for each row by itself, which costs more than the row.
    """
    for _ in range(_ROWS_AT_ONCE):
        length, row = pgconn.get_copy_data(1)
        if length < 0:
            return True
        if length == 0:
            break
        rows.append(row)
    if not rows:
        with selectors.DefaultSelector() as selector:
            selector.register(pgconn.socket, selectors.EVENT_READ)
            selector.select()
        pgconn.consume_input()
    return False


class Session:
    """A connection. Each call is one round trip, except where it says otherwise.

    Raises FailedStatementError where the server refuses a statement, and ServerError where the connection breaks.
    ``notices`` collects what the server says besides, oldest first.
    """

    def __init__(
        self, connection: psycopg.Connection[Row], place: str, explain: Callable[[], str] | None = None
    ) -> None:
        """``explain`` tells, after the connection broke, what happened to the server."""
        self._connection = connection
        self._explain = explain
        self.place = place
        self.notices: list[Report] = []
        connection.add_notice_handler(lambda said: self.notices.append(Report.of(said)))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    @property
    def version(self) -> int:
        """The server's version as a number: 180006 is 18.6."""
        return self._connection.info.server_version

    @property
    def major(self) -> int:
        return self.version // 10000

    @property
    def announced_pid(self) -> int:
        """The process that serves this session, as announced when it began; a pooler announces a number of its own."""
        return self._connection.info.backend_pid

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, be it sound or failed."""
        status = self._connection.info.transaction_status
        return status in (pq.TransactionStatus.INTRANS, pq.TransactionStatus.INERROR)

    @property
    def transaction_failed(self) -> bool:
        return self._connection.info.transaction_status == pq.TransactionStatus.INERROR

    def parameter(self, name: str) -> str | None:
        """A setting that the server reports on its own, such as ``TimeZone``."""
        return self._connection.info.parameter_status(name)

    def run(self, text: str) -> None:
        """Runs a statement, or several with semicolons between them. Rows are dropped."""
        with self._guarded():
            self._connection.execute(text.encode("utf-8"))

    def rows(self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> list[Row]:
        """All rows of one query. A percent sign is only special where there are parameters."""
        with self._guarded():
            cursor = self._connection.execute(query.encode("utf-8"), parameters)
            return cursor.fetchall() if cursor.description is not None else []

    def value(self, query: str, parameters: Sequence[object] | Mapping[str, object] | None = None) -> Any:
        """The first column of the first row; None where there is no row."""
        rows = self.rows(query, parameters)
        return rows[0][0] if rows else None

    def run_each(self, statements: Iterable[str]) -> None:
        """Runs statements one by one, sent together: one round trip. The first that fails ends it."""
        with self._guarded():
            self._pipeline(statements)

    def rows_of_each(self, queries: Sequence[str]) -> list[list[Row]]:
        """The rows of several statements, sent together: one round trip for them all, in one transaction."""
        with self._guarded():
            cursors = self._pipeline(queries)
            return [cursor.fetchall() if cursor.description is not None else [] for cursor in cursors]

    def fetch_all(self, text: str) -> list[list[Row]]:
        """The rows of each query in a text of several statements: one message, which every pooler takes.

        Statements that return no rows, such as SET, add nothing to the list.
        """
        with self._guarded():
            cursor = self._connection.execute(text.encode("utf-8"))
            results = []
            while True:
                if cursor.description is not None:
                    results.append(cursor.fetchall())
                if not cursor.nextset():
                    return results

    def copy_in(self, statement: str, data: str | bytes) -> None:
        """Runs COPY ... FROM stdin with these rows."""
        with self._guarded(), self._connection.cursor() as cursor, cursor.copy(statement.encode("utf-8")) as copy:
            copy.write(data)

    def copy_out(self, statement: str) -> Iterator[bytes]:
        """Runs COPY ... TO stdout and gives the rows in blocks as they come, never all of them at once."""
        pgconn = self._connection.pgconn
        with self._guarded():
            _accept(pgconn.exec_(statement.encode("utf-8")), pq.ExecStatus.COPY_OUT)
            over = False
            try:
                while not over:
                    rows: list[memoryview] = []
                    over = _take_rows(pgconn, rows)
                    if rows:
                        yield b"".join(rows)
                for result in list(iter(pgconn.get_result, None)):
                    _accept(result, pq.ExecStatus.COMMAND_OK)
            finally:
                if not over:
                    self._abandon(pgconn)

    def _abandon(self, pgconn: pq.abc.PGconn) -> None:
        """Ends a COPY that nobody wants the rest of, so that the session can be used further."""
        self.cancel()
        with suppress(psycopg.Error):
            while not _take_rows(pgconn, []):
                pass
            while pgconn.get_result():
                pass

    def cancel(self) -> None:
        """Asks the server, from another thread, to cancel what this session is doing; says nothing if that fails."""
        with suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=5)

    @contextmanager
    def read_only(self, limits: Limits | None = None, search_path: str = "") -> Iterator[None]:
        """A transaction in which nothing can be written and one state of the data is seen; two round trips.

        Its limits and its search_path end with it, so it is safe behind a pooler too.
        """
        limits = limits or Limits()
        self.run(
            "begin transaction isolation level repeatable read, read only;"
            f"set local statement_timeout to {_milliseconds(limits.statement)};"
            f"set local lock_timeout to {_milliseconds(limits.lock)};"
            f"set local search_path to {literal(search_path)}"
        )
        try:
            yield
        finally:
            if not self._connection.closed:
                self.run("rollback")

    def _pipeline(self, statements: Iterable[str]) -> list[psycopg.Cursor[Row]]:
        """Sends statements without waiting for answers. Raises the error of the first that fails."""
        cursors = []
        first: psycopg.Error | None = None
        try:
            with self._connection.pipeline() as pipeline:
                try:
                    for statement in statements:
                        cursors.append(self._connection.execute(statement.encode("utf-8")))  # noqa: PERF401
                    pipeline.sync()
                except psycopg.Error as error:
                    first = error
        except psycopg.Error as error:
            # Leaving a failed pipeline complains once more, about the statements that were never run.
            first = first or error
        if first is not None:
            raise first
        return cursors

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            state = error.sqlstate
            if state is not None and state.startswith(_OUT_OF_RESOURCES):
                raise ServerError(self._exhausted(Report.of(error.diag))) from None
            if state is not None and not self._connection.closed and state not in _GOING_DOWN:
                raise FailedStatementError(Report.of(error.diag)) from None
            raise ServerError(self._lost(error)) from None

    def _exhausted(self, report: Report) -> str:
        hint = f" {report.hint}" if report.hint else ""
        return (
            f"{self.place[0].upper()}{self.place[1:]} has run out of room: {report.message}.{hint} "
            "Nothing that was run is to blame: free some space there, or give it more, and run the command again."
        )

    def _lost(self, error: psycopg.Error) -> str:
        said = _CHATTER.sub("", " ".join(str(error).split())).rstrip(". ")
        if self._explain is not None:
            return f"The connection to {self.place} was lost: {said}. {self._explain()}"
        return (
            f"The connection to {self.place} was lost: {said}. "
            "Look into the server's log for the reason; if it was a time limit or a restart, run the command again."
        )


def _milliseconds(seconds: float | None) -> int:
    return 0 if seconds is None else max(1, round(seconds * 1000))


def literal(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


def connect(url: str, *, read_only: bool = True, limits: Limits | None = None, **settings: str) -> Session:
    """A session with the server that a URL, a ``key=value`` string or ``service=name`` points to.

    What it leaves open comes from the environment as libpq reads it (PGPASSWORD, PGSERVICE, ~/.pgpass, PGSSLMODE, ...).
    ``settings`` are further connection parameters. With ``read_only`` the server refuses every write. Raises UsageError
    where the URL makes no sense, PasswordNeededError where a password is missing and nobody can be asked, and
    ServerError where no connection comes about for another reason or the server is too old.
    """
    limits = limits or Limits()
    parameters = {
        "application_name": "referee",
        "connect_timeout": str(max(2, round(limits.connect))),
        **_LIVELINESS,
        **parse(url),
        **settings,
    }
    place, guards = describe(url), _guards(read_only, limits)
    try:
        connection = _connect_guarded(parameters, guards, place)
    except PasswordNeededError:
        password = ask(place)
        if password is None:
            raise
        connection = _connect_guarded({**parameters, "password": password}, guards, place)
    session = Session(connection, place)
    major = session.major
    if major < OLDEST:
        session.close()
        raise ServerError(
            f"{place} runs PostgreSQL {major}, and referee needs {OLDEST} or newer. "
            "Upgrade the server, or restore its dump into a newer one and point referee there."
        )
    return session


def _guards(read_only: bool, limits: Limits) -> dict[str, str]:
    guards = {"default_transaction_read_only": "on"} if read_only else {}
    if limits.statement is not None:
        guards["statement_timeout"] = str(_milliseconds(limits.statement))
    if limits.lock is not None:
        guards["lock_timeout"] = str(_milliseconds(limits.lock))
    return guards


def _connect_guarded(parameters: Mapping[str, str], guards: Mapping[str, str], place: str) -> psycopg.Connection[Row]:
    """Connects with settings in force from the first moment on, which costs no round trip.

    Poolers refuse or drop settings in the start-up message. Behind one in session mode they are SET; behind any other
    they are left out, because what is SET in transaction mode ends up with other clients. Whoever reads there does it
    in transactions that carry their own limits.
    """
    given = parameters.get("options") or os.environ.get("PGOPTIONS", "")
    options = " ".join([given, *(f"-c {name}={value}" for name, value in guards.items())]).strip()
    is_pooler, mixes_sessions = "pooler" in parameters.get("host", ""), parameters.get("port") == "6543"
    try:
        if not (is_pooler or mixes_sessions):
            try:
                return _open({**parameters, "options": options} if options else parameters)
            except psycopg.Error as error:
                if "unsupported startup parameter" not in str(error):
                    raise
        connection = _open(parameters)
        if guards and is_pooler and not mixes_sessions:
            connection.execute(";".join(f"set {name} to {value}" for name, value in guards.items()).encode())
        return connection
    except psycopg.Error as error:
        said = without_password(str(error), parameters)
        kind = PasswordNeededError if "no password supplied" in said else ServerError
        raise kind(advise(said, error.sqlstate, parameters, place)) from None


def connect_local(
    folder: Path,
    port: int,
    database: str,
    user: str,
    limits: Limits | None = None,
    explain: Callable[[], str] | None = None,
    **settings: str,
) -> Session:
    """A session, free to write, with a throw-away server whose socket is in ``folder``; the environment is ignored."""
    limits = limits or Limits(statement=None, lock=None)
    guards = " ".join(f"-c {name}={value}" for name, value in _guards(False, limits).items())
    parameters = {
        "host": str(folder),
        "port": str(port),
        "dbname": database,
        "user": user,
        "application_name": "referee",
        "connect_timeout": str(max(2, round(limits.connect))),
        "client_encoding": "UTF8",
        "sslmode": "disable",
        "gssencmode": "disable",
        "channel_binding": "disable",
        "target_session_attrs": "any",
        "passfile": str(folder / "no-passwords"),
        **settings,
    }
    parameters["options"] = f"{guards} {settings.get('options', '')} -c timezone=UTC".strip()
    place = f"the throw-away server, database {database}, user {user}"
    try:
        return Session(_open(parameters), place, explain)
    except psycopg.Error as error:
        raise ServerError(advise(str(error), error.sqlstate, {}, place)) from None


def _open(parameters: Mapping[str, str]) -> psycopg.Connection[Row]:
    # A pooler in transaction mode mixes up sessions, so nothing is prepared on the server.
    return psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type]


def role_options(session: Session, role: str) -> str:
    """The settings of a role as start-up options, with which a session of another role has them from its beginning."""
    query = (
        "select unnest(s.setconfig) from pg_catalog.pg_db_role_setting as s"
        " join pg_catalog.pg_roles as r on r.oid = s.setrole where r.rolname = %s and s.setdatabase = 0"
    )
    settings = [setting for (setting,) in session.rows(query, [role])]
    # The server cuts options at blanks; a backslash keeps one, and itself.
    return " ".join("-c " + re.sub(r"([\\\s])", r"\\\1", setting) for setting in settings)


def parse(url: str) -> dict[str, str]:
    """The connection parameters of a URL or a ``key=value`` string. Raises UsageError where it makes no sense."""
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(_DRIVER.sub(r"\1://", url)).items()}
    except psycopg.Error as error:
        # The parser quotes what it could not read, and that may be the password.
        reason = str(error).split(":")[0].split('"')[0].strip()
        raise UsageError(_senseless(reason)) from None
    if _CUT_PASSWORD.match(url):
        raise UsageError(_senseless("there is an @ where none can be"))
    if not re.fullmatch(r"[\d,]*", parameters.get("port", "")):
        # What stands there may be a part of the password.
        raise UsageError(_senseless("the port is no number"))
    return parameters


def _senseless(reason: str) -> str:
    return (
        f"The connection string cannot be read ({reason}). It should look like "
        f"postgresql://user:password@host:5432/database; {_ESCAPES}"
    )


def describe(url: str) -> str:
    """A connection string as it may be printed: user, host, port and database, never a password.

    >>> describe("postgresql://me:secret@example.org/app?sslmode=require")
    'me@example.org:5432/app'
    """
    try:
        parameters = parse(url)
    except UsageError:
        return "the database"
    if "service" in parameters:
        return f"service {parameters['service']}"
    user = f"{parameters['user']}@" if parameters.get("user") else ""
    database = f"/{parameters['dbname']}" if parameters.get("dbname") else ""
    return f"{user}{_hosts(parameters)}{database}"


def _hosts(parameters: Mapping[str, str]) -> str:
    """The hosts with their ports, as a URL has them: a host that has no port of its own gets that of all."""
    hosts = (parameters.get("host") or parameters.get("hostaddr") or "localhost").split(",")
    ports = parameters.get("port", "5432").split(",")
    ports = ports if len(ports) == len(hosts) else ports[:1] * len(hosts)
    return ",".join([_host(host, port or "5432") for host, port in zip(hosts, ports, strict=True)])


def _host(host: str, port: str) -> str:
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def without_password(text: str, parameters: Mapping[str, str]) -> str:
    """The text with every trace of the password taken out."""
    password = parameters.get("password")
    for trace in (password, quote(password, safe="")) if password else ():
        text = re.sub(rf"(?<!\w){re.escape(trace)}(?!\w)", "***", text)
    return _URL_PASSWORD.sub("***", text) if "://" in text else text


def conninfo(parameters: Mapping[str, str]) -> str:
    """A ``key=value`` string of these parameters."""
    return make_conninfo(**parameters)
