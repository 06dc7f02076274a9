"""Tries each user reference in each world: an insert, read back, and taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from referee.model.names import QName, quote
from referee.model.rehearsal import (
    Acting,
    Attempt,
    Failure,
    ReferenceResult,
    Step,
    World,
    WorldVerdict,
    WriteResult,
    is_broken,
    is_misled,
)
from referee.model.schema import ForeignKey, Schema
from referee.platforms import Platform
from referee.postgres.session import FailedStatementError, Report, Session, literal
from referee.rehearse.base import Base, Prepared, Stamp
from referee.rehearse.blame import Blame
from referee.rehearse.people import CONTROL, Person
from referee.rehearse.requests import LOGIN, OUTSIDE, preamble
from referee.rehearse.rows import Row
from referee.rehearse.words import assertion, describe
from referee.rehearse.worlds import Scene, refused_by

_TIMEOUT = "20s"


@dataclass(frozen=True)
class Tried:
    """What one attempt came to: an error, or the value that is stored now."""

    acting: Acting
    report: Report | None
    stored: str | None = None
    found: bool = False


@dataclass(frozen=True)
class Found:
    """Where to look for what a statement stored."""

    table: QName
    column: str
    where: str

    @property
    def query(self) -> str:
        return f"select {quote(self.column)}::text from {self.table} where {self.where}"

    def holds(self, person: Person) -> str:
        """The condition that the user is stored there."""
        return f"exists (select from {self.table} where {self.where} and {quote(self.column)} = {person.literal})"


@dataclass(frozen=True)
class Prober:
    """Tries writes in one session of a superuser, who acts as others; nothing of it stays."""

    session: Session
    platform: Platform
    schema: Schema
    blame: Blame
    base: Base

    def reference(self, prepared: Prepared, scenes: Sequence[Scene]) -> ReferenceResult:
        """A user reference in every world."""
        key, column = prepared.reference.key, prepared.reference.column
        if prepared.row is None:
            return ReferenceResult(key, column, not_run=prepared.reason)
        worlds = {scene.world: self._in_world(prepared, scene) for scene in scenes}
        fixture = worlds.get("fixture")
        if fixture is not None and fixture.outcome == "fail" and not _is_about(fixture.failure, [key]):
            reason = f"not even a superuser can insert it: {fixture.reason}{_raised(fixture.failure)}"
            return ReferenceResult(key, column, worlds, not_run=reason)
        return ReferenceResult(key, column, worlds)

    def write(self, stamp: Stamp, scenes: Sequence[Scene]) -> WriteResult:
        """What a trigger writes by itself, in the worlds where there is a session."""
        worlds: dict[World, WorldVerdict] = {}
        if stamp.reason is None:
            worlds = {
                scene.world: self._stamp_in_world(stamp, scene) for scene in scenes if scene.world != "service-role"
            }
        event: Literal["insert", "update"] = "insert" if stamp.event == "insert" else "update"
        return WriteResult(
            stamp.trigger.ref,
            str(stamp.trigger.function_name),
            stamp.write.expression,
            event,
            stamp.trigger.table,
            stamp.columns,
            self.blame.origins.location(stamp.write.place),
            worlds,
            stamp.reason,
        )

    # References

    def _in_world(self, prepared: Prepared, scene: Scene) -> WorldVerdict:
        if not scene.actings:
            return WorldVerdict("not-run", reason=scene.setup.reason)
        assert prepared.row is not None
        key, column = prepared.reference.key, prepared.reference.column
        statement = prepared.row.insert({column: scene.person.literal})
        found = Found(key.table, column, "xmin = pg_current_xact_id()::xid")
        beside = [] if scene.world == "fixture" else prepared.row.beside(scene.person.literal)
        tried: list[Tried] = []
        for acting in scene.actings:
            tried.append(self._try(acting, scene.person, statement, found, beside))
            if self._answers(tried[-1], [key], scene):
                break
        if self._is_there_already(tried[-1], key, column, scene):
            return WorldVerdict("pass", reason="the row is there already, and the key took the user with it")
        verdict = self._verdict(tried, [key], scene)
        return replace(verdict, steps=self._script(scene, prepared.row.ancestors(), statement, verdict, found, beside))

    def _is_there_already(self, tried: Tried, key: ForeignKey, column: str, scene: Scene) -> bool:
        """Whether a second row of a user is refused since the database made the first: at sign-up, mostly."""
        report = tried.report
        if report is None or report.sqlstate != "23505" or (report.schema, report.table) != key.table:
            return False
        query = f"select exists (select from {key.table} where {quote(column)} = {scene.person.literal})"
        return self.session.value(query) is True

    def _answers(self, tried: Tried, keys: Sequence[ForeignKey], scene: Scene) -> bool:
        """Whether an attempt says something about the key, and not about what stands in its way."""
        if tried.report is not None:
            return _report_is_about(tried.report, keys, self.schema)
        if tried.stored == scene.person.id:
            return True
        # In another user's session a trigger that stamps the session's user says nothing about this one.
        return tried.acting.claims == "own" or tried.acting == scene.actings[0]

    def _verdict(self, tried: Sequence[Tried], keys: Sequence[ForeignKey], scene: Scene) -> WorldVerdict:
        last = tried[-1]
        first = self._attempt(tried[0]) if len(tried) > 1 else None
        if not self._answers(last, keys, scene):
            failure = self._attempt(tried[0]).failure
            reason = f"the key itself was not reached: {describe(tried[0].report)}" if tried[0].report else None
            met = self._attempt(tried[0])
            return WorldVerdict("fail", met.acting, failure, met, stored=tried[0].stored, reason=reason)
        if last.report is not None:
            return WorldVerdict("fail", last.acting, self.blame.failure(last.report), first)
        if not last.found:
            return WorldVerdict("overwritten", last.acting, first=first, reason="a trigger dropped the row")
        if last.stored != scene.person.id:
            return WorldVerdict("overwritten", last.acting, first=first, stored=last.stored)
        return WorldVerdict("pass", last.acting, first=first)

    def _attempt(self, tried: Tried) -> Attempt:
        if tried.report is None:
            return Attempt(tried.acting, None)
        by = refused_by(tried.report)
        return Attempt(tried.acting, self.blame.failure(tried.report), by)

    # Writes of triggers

    def _stamp_in_world(self, stamp: Stamp, scene: Scene) -> WorldVerdict:
        if not scene.actings:
            return WorldVerdict("not-run", reason=scene.setup.reason)
        keys = [key for key in stamp.write.reaches if key.table == stamp.trigger.table]
        where = stamp.where or "xmin = pg_current_xact_id()::xid"
        found = Found(stamp.trigger.table, stamp.columns[0], where)
        actings = [
            Acting(acting.role, "own") for acting in scene.actings if acting.claims == "own" or scene.world == "fixture"
        ]
        tried: list[Tried] = []
        for acting in actings:
            tried.append(self._try(acting, scene.person, stamp.statement, found))
            if tried[-1].report is None and tried[-1].stored == scene.person.id:
                break
            if tried[-1].report is not None and _report_is_about(tried[-1].report, keys, self.schema):
                break
        verdict = self._stamp_verdict(tried, keys, scene)
        # An update needs its row to be there, an insert only what it hangs on.
        needed = [] if stamp.row is None else [*stamp.row.ancestors(), *([stamp.row] if stamp.where else [])]
        return replace(verdict, steps=self._script(scene, needed, stamp.statement, verdict, found))

    def _stamp_verdict(self, tried: Sequence[Tried], keys: Sequence[ForeignKey], scene: Scene) -> WorldVerdict:
        last = tried[-1]
        first = self._attempt(tried[0]) if len(tried) > 1 else None
        if last.report is not None:
            about = _report_is_about(last.report, keys, self.schema)
            reason = None if about else f"the key itself was not reached: {describe(last.report)}"
            return WorldVerdict("fail", last.acting, self.blame.failure(last.report), first, reason=reason)
        if last.stored == scene.person.id:
            return WorldVerdict("pass", last.acting, first=first)
        return WorldVerdict("not-run", last.acting, first=first, reason="the trigger did not write the session's user")

    # Trying

    def _try(self, acting: Acting, person: Person, statement: str, found: Found, beside: Sequence[str] = ()) -> Tried:
        """One write in a transaction of its own, under somebody's rights and claims; deferred constraints speak too."""
        texts = [
            "begin",
            f"set local statement_timeout to '{_TIMEOUT}'",
            *beside,
            *self._act(acting, person),
            statement,
            "set local session authorization default",
            "set constraints all immediate",
            found.query,
        ]
        try:
            results = self.session.fetch_all(";\n".join(texts))
        except FailedStatementError as error:
            return Tried(acting, error.report)
        finally:
            if self.session.in_transaction:
                self.session.run("rollback")
        rows = results[-1]
        stored = [row[0] for row in rows]
        value = person.id if person.id in stored else stored[0] if stored else None
        return Tried(acting, None, value, bool(rows))

    def _act(self, acting: Acting, person: Person) -> list[str]:
        """The statements after which the session looks like one of that role, with those claims."""
        token = {"own": person, "control": CONTROL, "none": None}[acting.claims]
        path = self.platform.api_path
        if acting.role in self.platform.api_roles:
            begin = preamble(acting.role, token, path, of_roles=self.base.settings)
            return [f"set local session authorization {LOGIN}", begin]
        setting = [] if token is None else [f"set local request.jwt.claims to {_claims(token)}"]
        paths = f"set local search_path to {', '.join(map(quote, path))}"
        return [OUTSIDE, *setting, paths, f"set local session authorization {quote(acting.role)}"]

    def _script(
        self,
        scene: Scene,
        rows: Sequence[Row],
        statement: str,
        verdict: WorldVerdict,
        found: Found,
        beside: Sequence[str] = (),
    ) -> tuple[Step, ...]:
        """The whole way to a failure, to be replayed elsewhere."""
        acting = verdict.acting if is_broken(verdict) else verdict.first.acting if verdict.first is not None else None
        if acting is None or not (is_broken(verdict) or is_misled(verdict)):
            return ()
        needed = self.base.steps_for([CONTROL], rows, (statement, *beside))
        acts = self._act(acting, scene.person)
        probe = [
            "begin",
            *beside,
            *acts,
            statement,
            "set local session authorization default",
            "set constraints all immediate",
        ]
        held = found.holds(scene.person)
        texts = [*probe, assertion(held, verdict.reason or "a trigger replaced the user"), "rollback"]
        return (*needed, *scene.steps, *(self.base.by_superuser(text) for text in texts))


def _raised(failure: Failure | None) -> str:
    """Where an error came from, for the end of a sentence."""
    if failure is None or failure.raised_by is None:
        return ""
    by = failure.raised_by
    line = f" line {by.line}" if by.line is not None else ""
    return f", raised by {by.function}{line}" + (f" ({failure.location})" if failure.location is not None else "")


def _claims(person: Person) -> str:
    return literal(f'{{"sub":"{person.id}","role":"authenticated"}}')


def _report_is_about(report: Report, keys: Iterable[ForeignKey], schema: Schema) -> bool:
    """Whether an error is a violation of one of these keys; a partition reports its own name for its table's key."""
    if report.sqlstate != "23503":
        return False
    names = {QName(report.schema or "", report.table or "")}
    table = schema.table(next(iter(names)))
    while table is not None and table.partition_of is not None:
        names.add(table.partition_of)
        table = schema.table(table.partition_of)
    return any(report.constraint == key.name and key.table in names for key in keys)


def _is_about(failure: Failure | None, keys: Iterable[ForeignKey]) -> bool:
    return failure is not None and any(failure.sqlstate == "23503" and failure.constraint == key.name for key in keys)


def probe_all(prober: Prober, scenes: Sequence[Scene]) -> tuple[tuple[ReferenceResult, ...], tuple[WriteResult, ...]]:
    """All references and all writes, in the order of their names."""
    references = sorted(prober.base.prepared, key=lambda one: (one.reference.key.ref, one.reference.column))
    stamps = sorted(prober.base.stamps, key=lambda one: (one.trigger.ref, one.event))
    return (
        tuple(prober.reference(prepared, scenes) for prepared in references),
        tuple(prober.write(stamp, scenes) for stamp in stamps),
    )
