"""`referee repair`: what could be done about wrong rows, and the doing of it while everybody goes on writing."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from typing import cast, get_args

from referee import __version__
from referee.data import journal as journals
from referee.data.load import Throttle
from referee.data.remedies import Wanted, choose
from referee.data.repair import Repairer, Work, tables_of
from referee.data.scan import ScanOptions, scan_rows
from referee.data.watch import Tell, Watch
from referee.data.works import works_of
from referee.data.writer import Limits, Writer
from referee.errors import ReadError, UsageError
from referee.model.names import fits, table_names
from referee.model.question import Question
from referee.model.row_repair import JOURNAL, Action, ActionKind, ColumnValue, Outcome, RowPlan, RowRepair
from referee.model.scan import Answer
from referee.model.schema import Schema
from referee.postgres.session import Limits as SessionLimits
from referee.postgres.session import Session, connect
from referee.sql import repairs
from referee.sql.activity import SERVER
from referee.sql.repairs import Filling, Journal
from referee.workflow.config import Config, read_config
from referee.workflow.fillings import fillings
from referee.workflow.nearest import nearest
from referee.workflow.scan import ScanWish, Subject, read_subject, scan_subject


@dataclass(frozen=True)
class RepairWish:
    """What is to be repaired, and how.

    ``only`` are patterns as for a scan; ``actions`` and ``touch`` as in ``Wanted``; ``pairs`` are old and new ids.
    ``limits`` are those of a batch.
    """

    only: tuple[str, ...] = ()
    actions: tuple[tuple[str, ActionKind], ...] = ()
    touch: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    journal: str = JOURNAL
    limits: Limits = field(default_factory=Limits)
    scan: ScanOptions = field(default_factory=ScanOptions)
    max_load: int | None = None


@dataclass(frozen=True)
class Prepared:
    """A database that has been read and scanned, and what is to be done about it."""

    subject: Subject
    plan: RowPlan
    fillings: Mapping[str, Filling]
    password: str | None = None


def prepare(
    url: str,
    config: Config | None = None,
    wish: RepairWish | None = None,
    password: str | None = None,
    tell: Tell = lambda message: None,
) -> Prepared:
    """Scans a database and decides what to do. Nothing is written.

    Raises UsageError for a wish that makes no sense, ServerError where the database cannot be read.
    """
    config = config if config is not None else read_config()
    wish = wish or RepairWish()
    tell("reading the catalog")
    subject = read_subject(url, config, password)
    _check_touch(wish.touch, subject.schema)
    scan = scan_subject(subject, ScanWish(wish.scan, wish.only), tell)
    wrong = [answer.question for answer in scan.answers if answer.violations]
    known, unknown = fillings(subject.schema, wrong, config.answers)
    accounts = {mirror.target: identity.source for identity in subject.identities.all for mirror in identity.mirrors}
    wanted = Wanted(wish.actions, wish.touch, wish.pairs, unknown, accounts)
    actions = choose(subject.schema, scan.answers, wanted)
    values = {
        id_: tuple(ColumnValue(column, text) for column, text in filling.values.items())
        for id_, filling in known.items()
    }
    return Prepared(subject, RowPlan(scan, actions, values), known, password)


def _check_touch(touch: Sequence[str], schema: Schema) -> None:
    """Raises UsageError for a pattern that names no table: what it was to allow would be left alone without a word."""
    names = [name for table in schema.tables for name in table_names(table)]
    for pattern in touch:
        if not fits(names, pattern):
            raise UsageError(
                f'--touch names no table: "{pattern}".{nearest(pattern, names)} Write it as schema.table; * stands for '
                "any text."
            )


def execute(prepared: Prepared, wish: RepairWish | None = None, tell: Tell = lambda message: None) -> RowRepair:
    """Does what was planned, and asks once more at the end. What was cut short is gone on with.

    Raises UsageError where the role may not keep a journal, ServerError where the server does not come back.
    """
    return _Execution(prepared, wish or RepairWish(), tell).run()


class _Execution:
    def __init__(self, prepared: Prepared, wish: RepairWish, tell: Tell) -> None:
        self.subject = prepared.subject
        self.plan = prepared.plan
        self.fillings = prepared.fillings
        self.password = prepared.password
        self.wish = wish
        self.watch = Watch(tell)
        self.tell = tell

    def run(self) -> RowRepair:
        began = time.monotonic()
        if not self.plan.does_something:
            left = [Outcome(action, left=action.rows, left_because=action.reason) for action in self.plan.actions]
            return RowRepair("", self.subject.name, self.plan, tuple(left), self.plan.scan.answers)
        with journaled(self._session, self.wish, "repair", self._purpose(), self.tell) as (writer, run):
            journal = run.journal
            done, answers = self._do_all(writer, journal)
            result = RowRepair(
                journal.run,
                self.subject.name,
                self.plan,
                tuple(self._in_all(done, writer, journal)),
                answers,
                run.resumed,
                writer.steadily(lambda session: journals.totals(session, journal)),
                round(time.monotonic() - began, 3),
                journal=journal.schema,
            )
            if result.is_finished:
                writer.steadily(lambda session: journals.end(session, journal, _summary(result)))
            return result

    def _session(self) -> Session:
        return writing_session(self.subject.url, self.password)

    def _purpose(self) -> dict[str, object]:
        """What a later process must want too, to go on with this run."""
        wish = self.wish
        pairs = blake2b(repr(wish.pairs).encode(), digest_size=8).hexdigest() if wish.pairs else ""
        return {"only": wish.only, "actions": wish.actions, "touch": wish.touch, "pairs": pairs}

    def _do_all(self, writer: Writer, journal: Journal) -> tuple[list[Outcome], tuple[Answer, ...]]:
        """What came of each action, and what the database says of it in the end."""
        self._make_ready(writer, journal)
        throttle = Throttle(self.wish.max_load, self.tell)
        repairer = Repairer(
            writer, self.subject.schema, journal, self._count_left, self.watch,
            patience=self.wish.limits.patience, throttle=throttle,
        )  # fmt: skip
        self.watch.expect(action.rows for action in self.plan.actions if action.does_something)
        done = [self._do(repairer, journal, action, verify=False) for action in self.plan.actions]
        answers = self._verify()
        wrong = {answer.question.id for answer in answers if answer.violations}
        late = [outcome for outcome in done if _is_through(outcome) and outcome.action.question.id in wrong]
        if not late:
            return done, answers
        again = [
            _joined(outcome.action, [outcome, self._do(repairer, journal, outcome.action)])
            if outcome in late
            else outcome
            for outcome in done
        ]
        return again, self._verify()

    def _do(self, repairer: Repairer, journal: Journal, action: Action, *, verify: bool = True) -> Outcome:
        works = list(works_of(self.subject.schema, action, self.fillings, journal))
        if not works:
            return Outcome(action, left=action.rows, left_because=action.reason)
        return _joined(action, [repairer.do(work, verify=verify) for work in works])

    def _verify(self) -> tuple[Answer, ...]:
        self.tell("asking once more")
        return self._ask_again([action.question for action in self.plan.actions])

    def _make_ready(self, writer: Writer, journal: Journal) -> None:
        """Tables for rows that are moved, and old and new ids."""
        schema = self.subject.schema
        for action in self.plan.actions:
            writer.steadily(partial(_keep_pairs, journal, action))
            for work in works_of(schema, action, self.fillings, journal):
                if work.table is not None:
                    for table in (work.table, *tables_of(work.branches)):
                        text = repairs.quarantine_table(journal.schema, table)
                        writer.steadily(partial(_run, text))

    def _count_left(self, work: Work) -> int | None:
        question = work.question
        if work.among is not None:
            question = replace(question, applies=f"{question.applies} and {work.among}")
        answer = self._ask_again([question])[0]
        return answer.violations if answer.complete else None

    def _in_all(self, outcomes: Sequence[Outcome], writer: Writer, journal: Journal) -> Iterator[Outcome]:
        """The outcomes, with the new rows that the journal has: also those from before the run was cut short."""
        told = writer.steadily(lambda session: journals.origins(session, journal))
        for outcome in outcomes:
            origins = told.get(outcome.action.question.id) if outcome.action.kind == "create" else None
            yield replace(outcome, done=sum(origins.values()), origins=origins) if origins else outcome

    def _ask_again(self, questions: Sequence[Question]) -> tuple[Answer, ...]:
        asked = list({question.id: question for question in questions}.values())
        options = replace(self.wish.scan, budget=None, kept=self.wish.scan.sample)
        sizes = {question.id: None for question in asked}
        return scan_rows(self.subject.connect, self.subject.schema, asked, sizes, options).answers


def parse_actions(texts: Sequence[str]) -> tuple[tuple[str, ActionKind], ...]:
    """Patterns for questions and actions, from ``pattern=action``. Raises UsageError for anything else."""
    found: list[tuple[str, ActionKind]] = []
    for text in texts:
        pattern, _, action = text.rpartition("=")
        if not pattern or action not in get_args(ActionKind):
            known = ", ".join(get_args(ActionKind))
            raise UsageError(
                f'--action takes a name and an action, such as "public.songs=set-null"; it got "{text}". The actions '
                f"are {known}."
            )
        found.append((pattern, cast(ActionKind, action)))
    return tuple(found)


def read_pairs(path: str | os.PathLike[str]) -> tuple[tuple[str, str], ...]:
    """Old and new ids from a file with two columns and a header. Raises ReadError for anything else."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ReadError(
            f"The map {os.fspath(path)} could not be read: {reason}. It must be a CSV file in UTF-8 with "
            "the columns old,new."
        ) from error
    if not rows or [name.strip().lower() for name in rows[0]] != ["old", "new"]:
        raise ReadError(
            f'The map {os.fspath(path)} must begin with the line "old,new"; behind it, each line has an old id and the '
            "one of today."
        )
    for number, row in enumerate(rows[1:], 2):
        if len(row) != 2 or not all(part.strip() for part in row):
            raise ReadError(f"Line {number} of the map {os.fspath(path)} has no old and new id.")
    pairs = {old.strip(): new.strip() for old, new in rows[1:]}
    if len(pairs) != len(rows) - 1:
        raise ReadError(f"The map {os.fspath(path)} has an old id twice.")
    chained = next((old for old, new in pairs.items() if new in pairs), None)
    if chained is not None:
        raise ReadError(
            f"The map {os.fspath(path)} leads from {chained} to {pairs[chained]}, which is an old id too. Write the "
            "id of today beside each old one."
        )
    return tuple(sorted(pairs.items()))


def writing_session(url: str, password: str | None = None) -> Session:
    """A session that may write; limits are set batch by batch."""
    limits = SessionLimits(statement=None, lock=None)
    if password is None:
        return connect(url, read_only=False, limits=limits)
    return connect(url, read_only=False, limits=limits, password=password)


@contextmanager
def journaled(
    open_session: Callable[[], Session], wish: RepairWish, kind: str, purpose: Mapping[str, object], tell: Tell
) -> Iterator[tuple[Writer, journals.Run]]:
    """A writer, and the run that each of its connections holds: one that was cut short, or else a new one.

    Raises UsageError on a standby and where the role may not keep a journal.
    """
    with open_session() as session:
        refuse_standby(session)
        journals.set_up(session, wish.journal)
    run: journals.Run | None = None

    def hold(session: Session) -> None:
        if run is not None:
            journals.hold(session, run.journal.run)

    writer = Writer(open_session, wish.limits, tell, hold)
    try:
        run = writer.steadily(lambda session: journals.begin(session, wish.journal, kind, purpose, __version__))
        yield writer, run
    finally:
        writer.close()


def refuse_standby(session: Session) -> None:
    """Raises UsageError where nothing can be written."""
    if session.rows(SERVER)[0][0]:
        raise UsageError(
            f"{session.place} is a hot standby: it can be scanned, but nothing can be written there. Repair the "
            "primary."
        )


def _keep_pairs(journal: Journal, action: Action, session: Session) -> None:
    journals.set_pairs(session, journal, action.question.id, action.pairs)


def _run(text: str, session: Session) -> None:
    session.run(text)


def _is_through(outcome: Outcome) -> bool:
    """Whether every missing row was made: what is missing now came later, or somebody took it away."""
    return outcome.action.kind == "create" and not outcome.left


def _joined(action: Action, outcomes: Sequence[Outcome]) -> Outcome:
    """What came of an action that took several pieces of work."""
    if len(outcomes) == 1:
        return outcomes[0]
    because = next((outcome.left_because for outcome in outcomes if outcome.left_because is not None), None)
    return Outcome(
        action,
        sum(outcome.done for outcome in outcomes),
        {},
        tuple(row for outcome in outcomes for row in outcome.refused),
        sum(outcome.left for outcome in outcomes),
        because,
        any(outcome.unfinished for outcome in outcomes),
        round(sum(outcome.seconds for outcome in outcomes), 3),
        sum(outcome.batches for outcome in outcomes),
        max(outcome.longest_batch for outcome in outcomes),
    )


def _summary(result: RowRepair) -> dict[str, object]:
    return {
        "done": [[action, question, rows] for action, question, rows in result.totals],
        "left": {answer.question.id: answer.violations for answer in result.answers},
    }


def plan_status(plan: RowPlan) -> int:
    """0 if every row is right, 1 if something could be done, 2 if something could not be checked; 2 beats 1."""
    return int(bool(plan.actions)) if plan.scan.is_complete else 2


def exit_status(result: RowRepair) -> int:
    """0 if every row is right now, 1 if some were left as they are, 2 if the repair came to no end or something could
    not be checked; 2 beats 1.
    """
    if not (result.is_finished and result.plan.scan.is_complete):
        return 2
    return int(bool(result.left))
