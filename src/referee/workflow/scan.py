"""`referee scan`: which rows of a live database are already wrong, and why that may be."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from referee.data.ask import Manners
from referee.data.causes import explain
from referee.data.scan import Connect, Progress, ScanOptions, scan_rows
from referee.data.watch import Tell, Watch
from referee.errors import UsageError
from referee.identity import identify
from referee.model.finding import Severity
from referee.model.identity import Identities
from referee.model.names import QName, fits, table_names
from referee.model.question import Question
from referee.model.scan import Answer, Scan, ScanScope, Skipped, Unenforced
from referee.model.schema import ForeignKey, Schema
from referee.postgres.pooling import refuse_shared_session, refuse_transaction_pooler
from referee.postgres.session import Limits, Row, Session, connect, describe
from referee.rules.undeclared_reference import UndeclaredReference
from referee.sql.activity import DISABLED, REPLICA_ROLES, SERVER, standing
from referee.sql.evidence import AUDIT
from referee.sql.questions import Questions
from referee.workflow.check import identity_options
from referee.workflow.config import Config, read_config
from referee.workflow.database import read_database
from referee.workflow.nearest import nearest
from referee.workflow.scan_state import Unfinished, compare, save, saved_scan

_CAUSES = Manners(statement=5.0, lock=2.0, workers=0)
# What is asked of the catalog and not of rows.
_UNENFORCED = "unenforced"
_STATES = {"D": "disabled", "R": "on, but for replicas only"}


@dataclass(frozen=True)
class ScanWish:
    """What is to be scanned, and how.

    ``only`` are patterns for what a question is about: its table, key, column or kind. ``identities`` leaves out
    everything but mirrors and their sources; ``managed`` takes in the keys of the platform's own tables. ``save`` is a
    file to compare with and to write.
    """

    options: ScanOptions = field(default_factory=ScanOptions)
    only: tuple[str, ...] = ()
    identities: bool = False
    managed: bool = False
    save: Path | None = None
    causes: bool = True


@dataclass(frozen=True)
class Subject:
    """A live database that has been read: what it holds, and how to get a session with it."""

    url: str
    connect: Connect
    schema: Schema
    identities: Identities
    platform: str

    @property
    def name(self) -> str:
        return describe(self.url)


def scan(
    url: str,
    config: Config | None = None,
    wish: ScanWish | None = None,
    password: str | None = None,
    tell: Tell = lambda message: None,
) -> Scan:
    """Asks a live database which of its rows are wrong. Nothing is written to it.

    Raises UsageError for a wish that names nothing or a URL that will not do, and ServerError where the database
    cannot be read. What could not be looked at is in the result.
    """
    wish = wish or ScanWish()
    began = time.monotonic()
    tell("reading the catalog")
    subject = read_subject(url, config, password)
    return scan_subject(subject, wish, tell, began)


def read_subject(url: str, config: Config | None = None, password: str | None = None) -> Subject:
    """Reads a database and makes sure that it can be worked with piece by piece."""
    config = config if config is not None else read_config()
    limits = Limits(statement=None)

    def open_session() -> Session:
        return connect(url, limits=limits) if password is None else connect(url, limits=limits, password=password)

    refuse_transaction_pooler(url)
    refuse_shared_session(open_session)
    schema, host = read_database(url, config, password)
    return Subject(url, open_session, schema, identify(schema, identity_options(config, host)), host.name)


def scan_subject(subject: Subject, wish: ScanWish, tell: Tell, began: float | None = None) -> Scan:
    """Scans a database that has been read."""
    began = time.monotonic() if began is None else began
    before = saved_scan(wish.save) if wish.save is not None else None
    asked = chosen(list(questions(subject, wish)), wish.only)
    with subject.connect() as session:
        server = _ServerFacts.of(session)
        stands = _Stands.of(session, [*_tables(asked), AUDIT])
        unenforced = tuple(_unenforced(session, subject, wish))
    able = [question for question in asked if stands.obstacle(question, server.role) is None]
    progress = _ask_all(subject, wish, able, stands, Watch(tell), server)
    answers = tuple(_explained(subject, wish, progress.answers, stands, tell))
    notices: tuple[str, ...] = ()
    if before is not None:
        answers = compare(before, answers)
        elsewhere = f", which was of {before.database}" if before.database != subject.name else ""
        notices = (f"Compared with the scan of {before.at} in {wish.save}{elsewhere}.",)
    if wish.save is not None:
        save(wish.save, subject.name, answers)
    return Scan(
        _scope(subject, wish, server, asked),
        answers,
        unenforced,
        tuple(_skipped(asked, stands, server.role)),
        round(time.monotonic() - began, 3),
        notices,
    )


# What is asked


def questions(subject: Subject, wish: ScanWish) -> Iterator[Question]:
    """Every question about a database: first the identities, then key by key."""
    ask_for = Questions(subject.schema)
    for identity in subject.identities.all:
        for mirror in identity.mirrors:
            yield ask_for.unmirrored(identity, mirror)
            yield ask_for.stray(identity, mirror)
            mails = ask_for.disagreeing(identity, mirror)
            if mails is not None:
                yield mails
    if wish.identities:
        return
    for key in sorted(subject.schema.foreign_keys(), key=lambda key: key.ref):
        if key.target.columns and (wish.managed or not _is_platforms(subject.schema, key)):
            yield ask_for.orphans(key)
    for problem in UndeclaredReference().check(subject.schema, subject.identities):
        if problem.table is not None and problem.expected_target is not None:
            yield ask_for.undeclared(problem.table, problem.columns[0], problem.expected_target)


def _is_platforms(schema: Schema, key: ForeignKey) -> bool:
    return schema.is_managed(key.table.schema)


def chosen(asked: Sequence[Question], only: Sequence[str]) -> list[Question]:
    """The questions that patterns name: by kind, table, key or column. Raises UsageError for one that names none."""
    if not only:
        return list(asked)
    for pattern in only:
        if not fits([_UNENFORCED], pattern) and not any(question.is_named(pattern) for question in asked):
            known = [name for question in asked for name in question.names]
            raise UsageError(
                f'--only names nothing that could be scanned: "{pattern}".{nearest(pattern, known)} Name a table, a '
                "key, a column or a kind of question (unmirrored, stray, disagreeing, orphans, undeclared, "
                "unenforced); * stands for any text."
            )
    return [question for question in asked if any(question.is_named(pattern) for pattern in only)]


def _tables(asked: Iterable[Question]) -> list[QName]:
    return list(dict.fromkeys(name for question in asked for name in (question.table, question.target.table)))


# How the server stands


@dataclass(frozen=True, slots=True)
class _ServerFacts:
    standby: bool
    lag: float | None
    role: str
    version: str

    @classmethod
    def of(cls, session: Session) -> _ServerFacts:
        return cls(*session.rows(SERVER)[0])

    @property
    def replica(self) -> str | None:
        if not self.standby:
            return None
        return "a standby" if self.lag is None else f"a standby whose last transaction is {self.lag:.0f} s old"


@dataclass(frozen=True, slots=True)
class _Stands:
    """Whether tables may be read, and how large they are, by name: readable, secured, rows."""

    tables: Mapping[QName, tuple[bool, bool, int | None]]

    @classmethod
    def of(cls, session: Session, tables: Sequence[QName]) -> _Stands:
        rows = session.rows(standing(tables)) if tables else []
        return cls({QName(row[0], row[1]): (row[2], row[3], row[4]) for row in rows})

    def obstacle(self, question: Question, role: str) -> str | None:
        """Why a question cannot be asked; None where it can."""
        for name in (question.table, question.target.table):
            if name not in self.tables:
                return f"{name} is gone: it was dropped or renamed since the scan began"
            readable, secured, _ = self.tables[name]
            if not readable:
                return f"the role {role} may not read {name}: grant it SELECT, and USAGE on the schema"
            if secured:
                return (
                    f"row security hides rows of {name} from the role {role}: scan as its owner, or as a role with "
                    "BYPASSRLS"
                )
        return None

    def rows(self, name: QName) -> int | None:
        return self.tables[name][2] if name in self.tables else None

    def readable(self, name: QName) -> bool:
        return name in self.tables and self.tables[name][0]


def _skipped(asked: Iterable[Question], stands: _Stands, role: str) -> Iterator[Skipped]:
    for question in asked:
        reason = stands.obstacle(question, role)
        if reason is not None:
            yield Skipped(question.id, reason)


def _unenforced(session: Session, subject: Subject, wish: ScanWish) -> Iterator[Unenforced]:
    """The keys that are switched off, and who runs with all of them switched off."""
    if wish.identities:
        return
    disabled: dict[tuple[QName, str], list[Row]] = {}
    for row in session.rows(DISABLED):
        disabled.setdefault((QName(row[0], row[1]), row[2]), []).append(row)
    for key in sorted(subject.schema.foreign_keys(), key=lambda key: key.ref):
        if key.enforced or (_is_platforms(subject.schema, key) and not wish.managed):
            continue
        if not _is_wanted(wish, str(key.ref), ".".join(key.ref[1:]), *table_names(key.table)):
            continue
        rows = disabled.get((key.table, key.name), [])
        reasons = tuple(f"its trigger on {QName(row[3], row[4])} is {_STATES[row[5]]}" for row in rows)
        yield Unenforced(str(key.ref), key, tuple(dict.fromkeys(reasons)) or ("it is NOT ENFORCED",))
    for role, database, setting in session.rows(REPLICA_ROLES) if _is_wanted(wish) else ():
        who = f"role {role}" if role is not None else f"database {database}"
        yield Unenforced(who, None, (f"it runs with {setting}, so no key and no ordinary trigger works for it",))


def _is_wanted(wish: ScanWish, *names: str) -> bool:
    """Whether a scan is to tell what is switched off, which goes by these names."""
    return not wish.only or any(fits((_UNENFORCED, *names), pattern) for pattern in wish.only)


# Asking


def _ask_all(
    subject: Subject, wish: ScanWish, able: Sequence[Question], stands: _Stands, watch: Watch, server: _ServerFacts
) -> Progress:
    unfinished = Unfinished(f"{subject.name} {server.role}") if wish.options.budget is not None else None
    known = unfinished.answers(able) if unfinished is not None else {}
    open_ = [question for question in able if question.id not in known]
    sizes = {question.id: stands.rows(question.table) for question in open_}
    marks = unfinished.marks(open_) if unfinished is not None else {}
    progress = Progress((), {})
    if open_:
        progress = scan_rows(subject.connect, subject.schema, open_, sizes, wish.options, marks=marks, watch=watch)
    fresh = {answer.question.id: answer for answer in progress.answers}
    answers = tuple(known.get(question.id) or fresh[question.id] for question in able)
    answers = tuple(replace(answer, sample=answer.kept[: wish.options.sample]) for answer in answers)
    if unfinished is not None:
        unfinished.write(answers, progress.marks)
    return Progress(answers, progress.marks)


def _explained(
    subject: Subject, wish: ScanWish, answers: Sequence[Answer], stands: _Stands, tell: Tell
) -> Iterator[Answer]:
    if not wish.causes or not any(answer.violations for answer in answers):
        yield from answers
        return
    tell("looking for causes")
    log = stands.rows(AUDIT) if stands.readable(AUDIT) else None
    log_size = (log or 0) if stands.readable(AUDIT) else None
    with subject.connect() as session:
        for answer in answers:
            yield explain(session, subject.schema, subject.identities, answer, _CAUSES, log_size)


def _scope(subject: Subject, wish: ScanWish, server: _ServerFacts, asked: Sequence[Question]) -> ScanScope:
    options = wish.options
    aside = sorted({key.table.schema for key in subject.schema.foreign_keys() if _is_platforms(subject.schema, key)})
    return ScanScope(
        subject.name,
        server.version.split()[0],
        server.role,
        "fast" if options.fast else "gentle",
        options.parallel,
        None if options.fast else options.statement,
        options.lock,
        len(_tables(asked)),
        len(asked),
        tuple(str(identity.source) for identity in subject.identities.all),
        server.replica,
        options.budget,
        wish.only,
        () if wish.managed or wish.identities or wish.only else tuple(aside),
    )


def exit_status(result: Scan, fail_on: Severity | None, allow_partial: bool) -> int:
    """0 for nothing that counts, 1 for rows that are wrong, 2 for what was not checked; 2 beats 1."""
    if not result.is_complete and not allow_partial:
        return 2
    return int(fail_on is not None and result.has_violations_from(fail_on))
