"""`referee repair --plan` and `--undo`: the steps of a plan on a database in use, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from referee.data import journal as journals
from referee.data.load import Throttle
from referee.data.repair import Repairer, Work
from referee.data.scan import scan_rows
from referee.data.steps import Stepper
from referee.data.undo import Undoing as Way
from referee.data.watch import Tell, Watch
from referee.data.writer import Writer
from referee.errors import UsageError
from referee.model.plan import Plan, Step
from referee.model.question import Question
from referee.model.row_repair import Action, PlanRun, Undoing
from referee.postgres.session import FailedStatementError, Session
from referee.read.catalog import read_catalog
from referee.sql import undo
from referee.sql.questions import Questions
from referee.sql.repairs import Filling, Journal
from referee.workflow.config import Config, read_config
from referee.workflow.fillings import fillings
from referee.workflow.migrate import fingerprint
from referee.workflow.repair import RepairWish, journaled, refuse_standby, writing_session
from referee.workflow.scan import Subject, read_subject


def run_plan(
    url: str,
    plan: Plan,
    config: Config | None = None,
    wish: RepairWish | None = None,
    password: str | None = None,
    tell: Tell = lambda message: None,
    *,
    any_schema: bool = False,
) -> PlanRun:
    """Runs a plan, or goes on with one that was cut short.

    Raises UsageError where the schema is not the one that the plan starts from (unless ``any_schema``), and what
    ``execute`` of a repair raises.
    """
    config = config if config is not None else read_config()
    subject = read_subject(url, config, password)
    return _PlanExecution(subject, plan, config, wish or RepairWish(), password, tell).run(any_schema)


class _PlanExecution:
    def __init__(
        self, subject: Subject, plan: Plan, config: Config, wish: RepairWish, password: str | None, tell: Tell
    ) -> None:
        self.subject = subject
        self.plan = plan
        self.config = config
        self.wish = wish
        self.password = password
        self.tell = tell

    def run(self, any_schema: bool) -> PlanRun:
        began = time.monotonic()
        purpose = {"schema_before": self.plan.schema_before, "steps": [step.sql for step in self.plan.steps]}
        with journaled(self._session, self.wish, "plan", purpose, self.tell) as (writer, run):
            if not run.resumed and not any_schema:
                self._check_schema(writer, run.journal)
            patience = self.wish.limits.patience
            stepper = Stepper(writer, run.journal, self.tell, self._backfill(writer, run.journal), patience)
            done = stepper.run(self.plan)
            result = PlanRun(
                run.journal.run,
                self.subject.name,
                done,
                len(self.plan.steps),
                resumed=run.resumed,
                journal=run.journal.schema,
            )
            broken: tuple[tuple[str, int], ...] = ()
            if result.is_done:
                self.tell("verifying")
                broken = self._verify(writer)
                ending = {"steps": len(done), "broken": len(broken)}
                journal = run.journal
                writer.steadily(lambda session: journals.end(session, journal, ending))
            seconds = round(time.monotonic() - began, 3)
            return replace(result, broken=broken, seconds=seconds)

    def _session(self) -> Session:
        return writing_session(self.subject.url, self.password)

    def _check_schema(self, writer: Writer, journal: Journal) -> None:
        """A plan for another schema may do anything."""
        if not self.plan.schema_before or fingerprint(self.subject.schema) == self.plan.schema_before:
            return
        journals.end(writer.session, journal, {"refused": "another schema"})
        raise UsageError(
            f"The plan was made for another schema than that of {self.subject.name}: something has changed since, or "
            "the migrations are not what the database has. Make the plan anew with `referee fix --format json`, or "
            "say --any-schema if the difference does not matter."
        )

    def _backfill(self, writer: Writer, journal: Journal) -> Callable[[Step], int]:
        """Fills a mirror in small batches before the plan's own statement does, which then finds nothing to do."""

        def fill(step: Step) -> int:
            filled = 0
            for question, filling in self._missing(writer, step):
                action = Action("create", question, 0, None, step.about)
                repairer = Repairer(
                    writer,
                    self.subject.schema,
                    journal,
                    self._count,
                    Watch(self.tell),
                    patience=self.wish.limits.patience,
                    throttle=Throttle(self.wish.max_load, self.tell),
                )
                filled += repairer.do(Work(action, filling=filling)).done
            return filled

        return fill

    def _missing(self, writer: Writer, step: Step) -> list[tuple[Question, Filling]]:
        """The mirrors that a step fills, with what their rows hold."""
        tables = {lock.relation for lock in step.locks}
        schema = read_catalog(writer.session, {name for name, one in self._namespaces().items() if one})
        ask = Questions(schema)
        asked = [
            ask.unmirrored(identity, mirror)
            for identity in self.subject.identities.all
            for mirror in identity.mirrors
            if mirror.table in tables and identity.source.table in tables
        ]
        known, _ = fillings(schema, asked, self.config.answers)
        return [(question, known[question.id]) for question in asked if question.id in known]

    def _namespaces(self) -> Mapping[str, bool]:
        return {name: one.managed for name, one in self.subject.schema.namespaces.items()}

    def _count(self, work: Work) -> int | None:
        question = work.question
        answers = scan_rows(
            self.subject.connect, self.subject.schema, [question], {question.id: None}, self.wish.scan
        ).answers
        return answers[0].violations if answers[0].complete else None

    def _verify(self, writer: Writer) -> tuple[tuple[str, int], ...]:
        """The plan's own questions that find rows."""
        broken = []
        for query in self.plan.verification:
            try:
                [[(count,)]] = writer.read([f"select count(*) from ({query}) as found"])
            except FailedStatementError as error:
                broken.append((f"{query} -- {error.report.message}", 0))
                continue
            if count:
                broken.append((query, count))
        return tuple(broken)


def undo_run(
    url: str,
    run: str | None = None,
    config: Config | None = None,
    wish: RepairWish | None = None,
    password: str | None = None,
    tell: Tell = lambda message: None,
    *,
    even_referenced: bool = False,
) -> Undoing:
    """Takes a run back, the last one if none is named: rows of a repair, steps of a plan.

    New mirror rows that others refer to by now stay, unless ``even_referenced``.

    Raises UsageError where there is no such run, or it is at work at this moment.
    """
    began = time.monotonic()
    wish = wish or RepairWish()
    subject = read_subject(url, config, password)
    writer = Writer(lambda: writing_session(url, password), wish.limits, tell)
    try:
        refuse_standby(writer.session)
        journal = Journal(wish.journal, run or _last_run(writer, wish.journal, subject.name))
        if not journals.hold(writer.session, journal.run, 2.0):
            raise UsageError(f"The run {journal.run} is at work. Stop it first, then take it back.")
        entries = tuple(Way(writer, subject.schema, journal, Watch(tell), even_referenced=even_referenced).all())
        if not entries:
            raise UsageError(
                f"The journal of {subject.name} (schema {wish.journal}) has nothing of a run {journal.run} that could "
                "be taken back. `select id, began, purpose, result from referee.run` lists the runs."
            )
        return Undoing(journal.run, subject.name, entries, round(time.monotonic() - began, 3))
    except FailedStatementError as error:
        if error.sqlstate in ("42P01", "3F000", "22P02"):
            raise UsageError(
                f"{subject.name} has no run {run or ''} in the journal (schema {wish.journal}): nothing was repaired "
                "there, or it was kept elsewhere; --journal names its schema."
            ) from None
        raise
    finally:
        writer.close()


def _last_run(writer: Writer, schema: str, name: str) -> str:
    rows = writer.session.rows(undo.last_run(schema))
    if not rows:
        raise UsageError(f"The journal of {name} (schema {schema}) has no run that could be taken back.")
    return str(rows[0][0])
