"""A rehearsal for people: one table to read in a minute, and what to know about each failure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from referee.model.names import quote
from referee.model.rehearsal import (
    PRODUCTION,
    WORLDS,
    Deletion,
    Failure,
    FlowResult,
    Race,
    ReferenceResult,
    Rehearsal,
    Schedule,
    TableCount,
    World,
    WorldVerdict,
    WriteResult,
    is_broken,
)
from referee.render.plain import Paint, Style, clean, columns, count, no_paint, wrap
from referee.render.prove_words import by_failure, difference, open_points, orders, said, short, turns

HEADS: Mapping[World, str] = {
    "fixture": "fixture",
    "fresh-sign-up": "signed up",
    "upsert-own-session": "own upsert",
    "upsert-no-session": "early upsert",
    "mirror-only": "mirror only",
    "service-role": "service role",
}
_MEANINGS = (
    "fixture: a superuser fills both tables and writes, as local tests do.",
    "signed up: the user signed up and did nothing else.",
    "own upsert, early upsert: the application also wrote the mirror, with the user's session or before there was one.",
    "mirror only: a mirror row without an account.",
    "service role: a job writes for the user who signed up.",
)
_SHOWN = 5
_SIGN_UP = "sign-up-"


def render(
    rehearsals: Sequence[Rehearsal], name: str, *, columns: int = 100, paint: Paint = no_paint, verbose: bool = False
) -> str:
    """The rehearsals of a project, one after the other; of a second one only what differs from the first."""
    first, *others = rehearsals
    lines = list(_Page(first, name, columns, paint, verbose).lines())
    for other in others:
        lines += ["", *_Page(difference(first, other), name, columns, paint, verbose, same=True).lines()]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Page:
    rehearsal: Rehearsal
    name: str
    width: int
    paint: Paint
    verbose: bool
    same: bool = False
    """Whether only what differs from the rehearsal before is left."""

    def lines(self) -> Iterator[str]:
        conditions = self.rehearsal.conditions
        heading = f"Rehearsal of {clean(self.name)}"
        yield self.paint("heading", f"{heading}, {conditions.privileges} privileges" if self.same else heading)
        if self.same:
            yield "Only what differs from the rehearsal above."
        yield ""
        yield from self._flows()
        yield from self._references()
        yield from self._writes()
        yield from self._races()
        yield from self._deletion()
        yield from self._end()

    # Flows

    def _flows(self) -> Iterator[str]:
        flows = self.rehearsal.flows
        if not flows:
            return
        yield self.paint("name", "Flows") + f": {count(len(flows), 'flow')}, {_tally(flow.outcome for flow in flows)}"
        for alike in _alike(flow for flow in flows if flow.outcome == "fail"):
            yield from self._failed_flows(alike)
        skipped = [flow for flow in flows if flow.outcome == "not-run"]
        for flow in skipped:
            yield from self._hanging("not run", "warning", f"{flow.flow}: {flow.reason or ''}")
        passed = [flow for flow in flows if flow.outcome == "pass"]
        if passed:
            yield from self._hanging("pass", "good", _names([flow.flow for flow in passed]))
        notes: defaultdict[str, list[str]] = defaultdict(list)
        for flow in flows:
            for note in flow.notes:
                notes[note].append(flow.flow)
        for note, names in notes.items():
            where = f"{len(names)} of them" if len(names) > 3 and not self.verbose else _names(names)
            yield from self._hanging("note", "info", f"{note} ({where})")
        yield ""

    def _hanging(self, word: str, style: Style, text: str) -> Iterator[str]:
        """A word in the margin, and a text that is wrapped beside it."""
        first, *rest = wrap(text, self.width - 2, " " * 10) or [""]
        yield f"  {self.paint(style, word)}{first[len(word) + 2 :]}" if len(word) < 8 else f"  {word} {first.strip()}"
        yield from rest

    def _failed_flows(self, flows: Sequence[FlowResult]) -> Iterator[str]:
        """Flows that fail in the same way: the statement is that of the first."""
        flow = flows[0]
        name = f"{flow.flow}: {flow.title}" if len(flows) == 1 else _names([one.flow for one in flows])
        yield from self._hanging("FAIL", "error", name)
        indent = " " * 10
        if flow.failed_step is None:
            yield from wrap(flow.reason or "", self.width, indent)
            return
        failed = flow.failed_step
        yield from wrap(f"{failed.step.role} runs: {short(failed.step.sql)}", self.width, indent)
        yield from wrap(said(failed.failure), self.width, indent)
        yield from self._raised(failed.failure, indent)
        told = dict.fromkeys(one.failed_step.told for one in flows if one.failed_step is not None)
        yield from wrap(f"The user is told: {'; or '.join(told)}", self.width, indent)

    def _raised(self, failure: Failure, indent: str) -> Iterator[str]:
        by, at = failure.raised_by, failure.location
        parts = []
        if by is not None:
            line = f", line {by.line}" if by.line is not None else ""
            trigger = f", called by the trigger {by.trigger}" if by.trigger is not None else ""
            parts.append(f"Raised by {by.function}{line}{trigger}.")
        if at is not None:
            parts.append(f"See {at}.")
        if parts:
            yield from wrap(" ".join(parts), self.width, indent)

    # References

    def _references(self) -> Iterator[str]:
        tried = self.rehearsal.tried
        if not self.rehearsal.references:
            return
        broken = sum(_breaks(one.worlds) for one in tried)
        untried = sum(not _is_tried(one) for one in self.rehearsal.references)
        yield self.paint("name", "User references") + (
            f": {len(self.rehearsal.references)} in {count(len(WORLDS), 'world')}, "
            f"{broken} {'fails' if broken == 1 else 'fail'} in production"
            f"{f', {untried} could not be tried there' if untried else ''}"
        )
        yield from self._table(tried)
        yield from self._setups()
        yield from self._refusals()
        yield from self._elsewhere()
        for one in self.rehearsal.references:
            if one.not_run is not None:
                yield from self._hanging("not run", "warning", f"{one.key.ref}: {one.not_run}")
        if len(tried) < len(self.rehearsal.references):
            hint = "A value that no row could be made without can be supplied: [tool.referee.rows]."
            yield from wrap(hint, self.width, " " * 10)
        yield ""

    def _setups(self) -> Iterator[str]:
        unusable: defaultdict[str, list[str]] = defaultdict(list)
        for setup in self.rehearsal.setups:
            if not setup.usable:
                unusable[setup.reason or ""].append(HEADS[setup.world])
        for reason, worlds in unusable.items():
            yield from self._hanging("not run", "warning", f"{', '.join(worlds)}: {reason}")
        for setup in self.rehearsal.setups:
            for part, attempt in setup.attempts if setup.usable else ():
                if attempt.failure is not None:
                    what = f"{HEADS[setup.world]}: the {part} as {attempt.acting} ends in {said(attempt.failure)}"
                    yield from self._hanging("note", "info", _with_cause(what, attempt.refused_by))

    def _refusals(self) -> Iterator[str]:
        """Who may not write what: a missing grant is another matter than a policy."""
        causes = {"privilege": "lacks the grant to insert into", "row-security": "is refused by row security in"}
        for (role, by), tables in self.rehearsal.refusals().items():
            shown = tables if self.verbose else tables[:_SHOWN]
            more = f" and {len(tables) - len(shown)} more" if len(tables) > len(shown) else ""
            yield from self._hanging("note", "info", f"{role} {causes[by]} {', '.join(map(str, shown))}{more}")

    def _table(self, references: Sequence[ReferenceResult]) -> Iterator[str]:
        rows: list[list[str]] = [["", *HEADS.values()]]
        styles: list[list[Style | None]] = [[None] * (len(WORLDS) + 1)]
        ordered = sorted(references, key=lambda one: (str(one.key.target), one.key.table, one.column))
        for target, group in groupby(ordered, key=lambda one: one.key.target):
            rows.append([f"  -> {clean(str(target))}", *("" for _ in WORLDS)])
            styles.append([None] * (len(WORLDS) + 1))
            for one in group:
                cells = [_cell(one.worlds.get(world), world) for world in WORLDS]
                rows.append([f"  {clean(_place(one))}", *(text for text, _ in cells)])
                styles.append([None, *(style for _, style in cells)])
        for line, row, style in zip(columns(rows), rows, styles, strict=True):
            yield self._painted(line, row, style)
        yield from self._legend(references)

    def _painted(self, line: str, row: Sequence[str], styles: Sequence[Style | None]) -> str:
        """Colours the cells of a finished line, from the right, so that positions stay."""
        at = len(line)
        for cell, style in reversed(list(zip(row, styles, strict=True))):
            if not cell:
                continue
            start = line.rfind(cell, 0, at)
            if style is not None:
                line = line[:start] + self.paint(style, cell) + line[start + len(cell) :]
            at = start
        return line

    def _legend(self, references: Iterable[ReferenceResult | WriteResult]) -> Iterator[str]:
        verdicts = [verdict for one in references for verdict in one.worlds.values()]
        marks = {mark(verdict) for verdict in verdicts}
        meanings = list(_MEANINGS) if self.verbose or not self.same else []
        if "*" in marks:
            role = next(verdict.acting.role for verdict in verdicts if verdict.acting and mark(verdict) == "*")
            meanings.append(
                "* The write of the user (as authenticated) or of the job is stopped before the key is asked; what the "
                f"key says was reached as {role} in the same session. Unmarked verdicts were reached as the user, as "
                "service_role or, in the fixture, as the superuser."
            )
        if "+" in marks:
            meanings.append(
                "+ Reached without the user's session, since a trigger that acts by the session fails on another key."
            )
        if "!" in marks:
            meanings.append("! The write fails by something else, whoever makes it; the key itself is not asked.")
        if "=" in marks:
            meanings.append("= The row is there already: the sign-up made it, and its key took the user.")
        for meaning in meanings:
            yield from wrap(meaning, self.width, "  ")

    def _elsewhere(self) -> Iterator[str]:
        """Inserts that fail although the key that was tried is satisfied, mostly in a table that they do not name."""
        for what, inserts in (
            ("an insert by the user into {} fails", self.rehearsal.failing_inserts()),
            ("an insert into {} fails whoever makes it", self.rehearsal.stopped_inserts()),
        ):
            for failure, tables in by_failure(inserts).items():
                where = f", in {failure.table}, which it does not name" if failure.table not in (None, *tables) else ""
                insert = what.format(", ".join(map(str, tables)))
                yield from self._hanging("FAIL", "error", f"{insert}{where}: {said(failure)}")
                yield from self._raised(failure, " " * 10)

    # Writes of triggers

    def _writes(self) -> Iterator[str]:
        writes = self.rehearsal.writes
        if not writes:
            return
        broken = sum(_breaks(one.worlds) for one in writes)
        yield self.paint("name", "Written by triggers") + (
            f": {count(len(writes), 'statement')} that store the session's user, {broken} "
            f"{'fails' if broken == 1 else 'fail'} in production"
        )
        rows: list[list[str]] = [["", *HEADS.values()]]
        styles: list[list[Style | None]] = [[None] * (len(WORLDS) + 1)]
        for one in writes:
            if one.not_run is not None:
                continue
            cells = [_cell(one.worlds.get(world), world) for world in WORLDS]
            text = f"{one.event} {_table_name(one)} ({', '.join(one.columns)}, {one.trigger.part})"
            rows.append([f"  {clean(text)}", *(cell for cell, _ in cells)])
            styles.append([None, *(style for _, style in cells)])
        for line, row, style in zip(columns(rows), rows, styles, strict=True):
            yield self._painted(line, row, style)
        for one in writes:
            if one.not_run is not None:
                yield from self._hanging("not run", "warning", f"{one.trigger}, {one.event}: {one.not_run}")
        yield ""

    # Races

    def _races(self) -> Iterator[str]:
        for race in self.rehearsal.races:
            yield from self._race(race)
        if self.rehearsal.races:
            yield ""

    def _race(self, race: Race) -> Iterator[str]:
        heading = self.paint("name", f"Race {race.name}") + f": {clean(race.title)}"
        yield heading
        if race.reason is not None:
            yield from self._hanging("not run", "warning", race.reason)
            return
        details = [orders(race), f"{race.run} run", f"{race.failed} failed"]
        if race.merged:
            details.insert(1, f"{race.merged} equal to one of them")
        if race.dropped:
            details.append(f"{race.dropped} left out")
        if race.too_early:
            details.append(f"{race.too_early} refused only because the client came before the sign-up was committed")
        if race.waited:
            details.append(f"{race.waited} with a wait for a lock")
        if race.deadlocks:
            details.append(f"{count(race.deadlocks, 'deadlock')}")
        yield from wrap(f"{', '.join(details)}.", self.width, "  ")
        if race.shortest_failure is not None:
            yield from self._schedule(race.shortest_failure)

    def _schedule(self, schedule: Schedule) -> Iterator[str]:
        yield "  The shortest that fails:"
        yield from columns([["   ", clean(session), clean(text), clean(end)] for session, text, end in turns(schedule)])
        if schedule.missed:
            yield f"    {count(schedule.missed, 'user')} left without a mirror row"

    # Deletion

    def _deletion(self) -> Iterator[str]:
        deletion = self.rehearsal.deletion
        if deletion is None:
            return
        heading = (
            self.paint("name", "Deletion") + f" of a user who has {count(deletion.rows, 'row')} in the project's tables"
        )
        yield f"{heading}:"
        if deletion.reason is not None:
            yield from self._hanging("not run", "warning", deletion.reason)
        elif deletion.first is not None:
            yield from self._hanging("FAIL", "error", said(deletion.first.failure))
            yield from self._raised(deletion.first.failure, " " * 10)
            yield from wrap(f"The administrator is told: {deletion.first.told}", self.width, " " * 10)
        else:
            yield from self._hanging("pass", "good", "nothing keeps the user from being deleted")
        yield from self._consequences(deletion)
        yield ""

    def _consequences(self, deletion: Deletion) -> Iterator[str]:
        for blocker in deletion.blocked_by:
            path = " -> ".join(
                str(table) for table in (blocker.path[0].target.table, *(one.table for one in blocker.path))
            )
            at = f" ({blocker.location})" if blocker.location is not None else ""
            key = blocker.key
            text = f"{key.ref} {key.on_delete}, {count(blocker.rows, 'row')}, by way of {path}{at}"
            yield from self._hanging("blocks", "error", text)
        afterwards = " once nothing blocks" if deletion.blocked_by else ""
        for word, counts, meaning in (
            ("gone", deletion.destroyed, "destroyed"),
            ("emptied", deletion.emptied, "kept without the user"),
            ("left", deletion.left, "kept, still naming the user"),
        ):
            if counts:
                yield from self._hanging(word, "info", f"{meaning}{afterwards}: {', '.join(map(_counted, counts))}")
        for table, reason in deletion.unmade:
            yield from self._hanging("not run", "warning", f"{table}: {reason}")

    # End

    def _end(self) -> Iterator[str]:
        failures = list(self.rehearsal.failures())
        if failures:
            things = count(len(failures), "thing")
            rest = " of these will go wrong in production." if self.same else " that production will do wrong."
            yield self.paint("error", f"{things}{rest}")
        elif not self.same:
            yield self.paint("good", "Nothing that was rehearsed fails in production.")
        conditions = self.rehearsal.conditions
        scope = (
            f"Rehearsed on PostgreSQL {conditions.version} with the platform {conditions.platform}, default privileges "
            f"{conditions.privileges}."
        )
        if conditions.stand_ins:
            scope += f" Stand-ins took the place of {', '.join(conditions.stand_ins)}."
        yield from wrap(scope, self.width, "")
        points = open_points(self.rehearsal.unverified, self.verbose)
        shown = points if self.verbose else points[:_SHOWN]
        for point in shown:
            yield from self._hanging("open", "warning", point)
        left = len(points) - len(shown)
        if left:
            yield f"  and {left} more that the verdicts leave open (--verbose lists them)"


def _alike(flows: Iterable[FlowResult]) -> Iterator[list[FlowResult]]:
    """Flows that fail in the same way, together: the same error from the same place, or the same reason."""
    found: dict[object, list[FlowResult]] = {}
    for flow in flows:
        failure = None if flow.failed_step is None else replace(flow.failed_step.failure, detail=None)
        found.setdefault(failure or flow.reason, []).append(flow)
    yield from found.values()


def _names(flows: Sequence[str]) -> str:
    """Names of flows; what they begin with is said once."""
    names: list[str] = []
    for flow in flows:
        follows = flow.startswith(_SIGN_UP) and any(name.startswith(_SIGN_UP) for name in names)
        names.append(flow.removeprefix("sign-up") if follows else flow)
    return ", ".join(names)


def _is_tried(one: ReferenceResult) -> bool:
    """Whether any world of production has an answer."""
    return any(one.worlds[world].outcome != "not-run" for world in PRODUCTION if world in one.worlds)


def _tally(outcomes: Iterable[str]) -> str:
    found = list(outcomes)
    named = (("fail", "failed"), ("pass", "passed"), ("not-run", "not run"))
    return ", ".join(f"{found.count(outcome)} {word}" for outcome, word in named if found.count(outcome))


def _cell(verdict: WorldVerdict | None, world: World) -> tuple[str, Style | None]:
    if verdict is None:
        return "", None
    sign = mark(verdict)
    if verdict.outcome == "pass":
        return f"pass{sign}", "good"
    if verdict.outcome == "not-run":
        return "-", "quiet"
    if verdict.outcome == "overwritten":
        return f"overwritten{sign}", "error"
    sqlstate = verdict.failure.sqlstate if verdict.failure is not None else "fails"
    return f"{sqlstate}{sign}", "error" if world in PRODUCTION else "warning"


def mark(verdict: WorldVerdict) -> str:
    """How a verdict was reached, if not by the one who would write."""
    if verdict.outcome == "fail" and verdict.reason is not None:
        return "!"
    if verdict.outcome == "pass" and verdict.reason is not None:
        return "="
    if verdict.first is None or verdict.acting is None:
        return ""
    return "*" if verdict.acting.claims == verdict.first.acting.claims else "+"


def _breaks(worlds: Mapping[World, WorldVerdict]) -> bool:
    return any(is_broken(worlds[world]) for world in PRODUCTION if world in worlds)


def _place(one: ReferenceResult) -> str:
    schema = "" if one.key.table.schema == "public" else f"{quote(one.key.table.schema)}."
    return f"{schema}{quote(one.key.table.name)}.{quote(one.column)}"


def _table_name(one: WriteResult) -> str:
    return quote(one.table.name) if one.table.schema == "public" else str(one.table)


def _with_cause(text: str, refused_by: str | None) -> str:
    causes = {"row-security": "no policy allows it", "privilege": "the role lacks the grant"}
    return f"{text} ({causes[refused_by]})" if refused_by in causes else text


def _counted(one: TableCount) -> str:
    where = f" ({', '.join(one.columns)})" if one.columns else ""
    return f"{one.table} {one.rows}{where}"
