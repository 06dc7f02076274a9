"""Repairs of rows, to be read by people."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from referee.model.names import quote
from referee.model.row_repair import (
    JOURNAL,
    Action,
    ActionKind,
    Outcome,
    PlanRun,
    RowPlan,
    RowRepair,
    StepDone,
    Undoing,
)
from referee.render.plain import Paint, clean, count, no_paint, wrap

_INDENT = "    "
_DOES: dict[ActionKind, str] = {
    "create": "create",
    "remap": "remap",
    "set-null": "set to NULL",
    "quarantine": "move aside",
    "leave": "leave",
}
_DONE: dict[ActionKind, str] = {
    "create": "created",
    "remap": "remapped",
    "set-null": "set to NULL",
    "quarantine": "moved aside",
    "leave": "left",
}
_FROM = {"metadata": "from the metadata", "e-mail": "from the e-mail's first part", "neither": "from neither"}
_JOURNALLED = {"create": "created", "update": "changed", "move": "moved aside"}
_SHOWN = 3
_IDLE = "There is nothing that would be done without being told to."


def render_plan(plan: RowPlan, *, columns: int = 100, paint: Paint = no_paint, verbose: bool = False) -> str:
    """What would be done, row counts and all, and how to have it done."""
    page = _Page(columns, paint, verbose)
    lines = [*page.actions(plan), *page.skipped(plan)]
    if not plan.actions:
        is_whole = plan.scan.is_complete
        where = "" if is_whole else " in what was checked"
        lines += [paint("good" if is_whole else "warning", f"No wrong row found{where}: there is nothing to repair.")]
    elif plan.does_something:
        rows = sum(action.rows - action.cured for action in plan.actions if action.does_something)
        lines += wrap(
            f"Nothing was written. `referee repair --execute` does it to about {count(rows, 'row')}, in small batches, "
            "with every change in a journal from which --undo takes it back.",
            columns,
            "",
        )
    else:
        lines += wrap(_IDLE, columns, "")
    return "\n".join(lines) + "\n"


def render_repair(repair: RowRepair, *, columns: int = 100, paint: Paint = no_paint, verbose: bool = False) -> str:
    """What was done, what is left and why, and where it is written down."""
    page = _Page(columns, paint, verbose)
    lines = []
    for outcome in repair.outcomes:
        lines += [*page.outcome(outcome), ""]
    lines += [*page.skipped(repair.plan), *page.verdict(repair)]
    return "\n".join(lines) + "\n"


def render_run(run: PlanRun, *, columns: int = 100, paint: Paint = no_paint) -> str:
    """What came of the steps of a plan."""
    lines = [line for step in run.steps for line in _step(step, columns, paint)]
    left = run.to_do - len(run.steps)
    if left:
        lines.append(paint("warning", f"{count(left, 'step')} not reached."))
    for query, rows in run.broken:
        told = f"not as it should be: {count(rows, 'row')} from {query}" if rows else f"could not be verified: {query}"
        lines += wrap(told, columns, "")
    if run.is_done and not run.broken:
        lines.append(paint("good", f"All {count(run.to_do, 'step')} done, and verified."))
    elif run.is_done:
        lines.append(paint("warning", f"All {count(run.to_do, 'step')} done, and not all is as it should be."))
        lines += wrap("`referee scan` tells which rows are wrong and why, `referee repair` what to do.", columns, "")
    else:
        lines += wrap("Run the same command again to go on; what is done is not done twice.", columns, "")
    lines += wrap(_written_down(run.run, run.journal), columns, "")
    return "\n".join(lines) + "\n"


def render_undoing(undoing: Undoing, *, columns: int = 100, paint: Paint = no_paint) -> str:
    """What was taken back, and what was not."""
    rows = sum(entry.rows for entry in undoing.entries)
    done = sum(entry.done for entry in undoing.entries)
    lines = []
    for entry in undoing.entries:
        if entry.done < entry.rows:
            text = f"{entry.table}: {entry.rows - entry.done:,} of {entry.rows:,} ({entry.action}) stay as they are: "
            lines += wrap(f"{text}{entry.reason}.", columns, "")
    style = "good" if undoing.is_whole else "warning"
    lines.append(paint("good" if style == "good" else "warning", f"{done:,} of {rows:,} taken back."))
    lines += wrap(f"Run {undoing.run} in {undoing.database}, {undoing.seconds:.1f} s.", columns, "")
    return "\n".join(lines) + "\n"


def _step(step: StepDone, columns: int, paint: Paint) -> Iterator[str]:
    style = "error" if step.state == "failed" else "good"
    filled = f", {count(step.filled, 'row')} filled in batches" if step.filled else ""
    about = clean(step.step.about.splitlines()[0])
    yield f"{paint('error' if style == 'error' else 'good', step.state)}  {step.number}. {about}{filled}"
    if step.trouble is not None:
        yield from wrap(step.trouble, columns, _INDENT)


def _written_down(run: str, schema: str) -> str:
    elsewhere = f" --journal {shlex.quote(schema)}" if schema != JOURNAL else ""
    return (
        f"The journal has every change: `select * from {quote(schema)}.journal where run = '{run}'`. "
        f"`referee repair --undo {run}{elsewhere}` takes it back."
    )


def _in_all(repair: RowRepair) -> str:
    """What a run has done altogether, by the journal."""
    rows = {action: sum(number for one, _, number in repair.totals if one == action) for action in _JOURNALLED}
    told = [f"{does} {count(rows[action], 'row')}" for action, does in _JOURNALLED.items() if rows[action]]
    return ", ".join(told) or "done nothing"


class _Page:
    def __init__(self, columns: int, paint: Paint, verbose: bool) -> None:
        self.columns = columns
        self.paint = paint
        self.verbose = verbose

    def actions(self, plan: RowPlan) -> Iterator[str]:
        for action in plan.actions:
            yield from self._action(action, plan)
            yield ""

    def _action(self, action: Action, plan: RowPlan) -> Iterator[str]:
        yield self._head(_DOES[action.kind], action, action.rows)
        yield from self._wrapped(f"{action.reason}.")
        if action.kind == "create":
            for value in plan.values.get(action.question.id, ()):
                yield from wrap(f"{value.column} = {' '.join(value.expression.split())}", self.columns, _INDENT + "  ")
        if action.cured:
            yield from self._wrapped(f"{action.cured:,} of them become whole by the rows that are created before.")
        for hazard in action.hazards:
            yield from self._wrapped(f"note: {hazard}.")
        if action.pairs:
            yield from self._wrapped(self._pairs(action))
        if action.alternatives and action.kind != "create":
            given = shlex.quote(f"{action.question.id}={'|'.join(action.alternatives)}")
            yield from self._wrapped(f"instead: --action {given}.")

    def _pairs(self, action: Action) -> str:
        shown = action.pairs if self.verbose else action.pairs[:_SHOWN]
        pairs = ", ".join([f"{old} is now {new}" for old, new in shown])
        more = f" and {len(action.pairs) - len(shown)} more" if len(shown) < len(action.pairs) else ""
        if action.kind == "remap":
            return f"by the pairs {pairs}{more}."
        return (
            f"{count(len(action.pairs), 'reference')} are left alone, since the same e-mail has another id now: "
            f"{pairs}{more}. Whether that is the same person, you have to decide; "
            f"--action {shlex.quote(f'{action.question.id}=remap')} says so."
        )

    def outcome(self, outcome: Outcome) -> Iterator[str]:
        action = outcome.action
        rows = outcome.done if action.does_something else outcome.left
        yield self._head(_DONE[action.kind], action, rows)
        if outcome.origins and any(outcome.origins):
            told = [f"{number:,} {_FROM.get(origin, origin)}" for origin, number in sorted(outcome.origins.items())]
            yield from self._wrapped(f"names: {', '.join(told)}.")
        if not action.does_something:
            yield from self._wrapped(f"{action.reason}.")
        elif outcome.left:
            yield from self._wrapped(f"{outcome.left:,} are left: {outcome.left_because}.")
        for row in outcome.refused if self.verbose else outcome.refused[:_SHOWN]:
            yield from wrap(f"{', '.join(row.key)}: {row.reason}", self.columns, _INDENT + "  ")

    def verdict(self, repair: RowRepair) -> Iterator[str]:
        wrong = [answer for answer in repair.answers if answer.violations]
        if not repair.run:
            yield _IDLE if repair.outcomes else "There was nothing to do."
            return
        if not wrong:
            yield self.paint("good", "Asked once more: no row is wrong.")
        for answer in wrong:
            yield from wrap(f"Asked once more: {answer.violations:,} left by {answer.question.id}.", self.columns, "")
        batches = sum(outcome.batches for outcome in repair.outcomes)
        longest = max((outcome.longest_batch for outcome in repair.outcomes), default=0.0)
        resumed = ", going on with a run that was cut short" if repair.resumed else ""
        yield from wrap(
            f"{repair.database}: {count(batches, 'batch', 'batches')}, the longest {longest * 1000:.0f} ms, "
            f"{repair.seconds:.1f} s in all{resumed}.",
            self.columns,
            "",
        )
        if repair.resumed:
            yield from wrap(f"In all, that run has {_in_all(repair)}.", self.columns, "")
        if not repair.is_finished:
            yield from wrap("It came to no end: run the same command again, and it goes on.", self.columns, "")
        if repair.totals:
            yield from wrap(_written_down(repair.run, repair.journal), self.columns, "")
        else:
            yield "Nothing was changed."

    def skipped(self, plan: RowPlan) -> Iterator[str]:
        if plan.scan.skipped:
            yield self.paint("heading", "Not checked, so not repaired")
            yield ""
            for one in plan.scan.skipped:
                yield f"  {clean(one.subject)}"
                yield from self._wrapped(f"{one.reason}.")
            yield ""

    def _head(self, does: str, action: Action, rows: int) -> str:
        style = self.paint("quiet" if not action.does_something else "name", does)
        question = action.question
        return f"{style}  {count(rows, 'row')}: {question.kind} {self.paint('name', clean(str(question.subject)))}"

    def _wrapped(self, text: str) -> list[str]:
        return wrap(text, self.columns, _INDENT)
