"""A comparison for people: the gravest difference first, each with what it means and what would remove it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from referee.model.comparison import (
    Comparison,
    Explanation,
    Folded,
    FoldKind,
    Judged,
    Played,
    Subject,
    Trial,
    Violation,
)
from referee.model.finding import Severity
from referee.render.plain import Paint, Style, clean, count, no_paint, wrap

_INDENT = " " * 6
_PLAYED = 12
_STYLES: Mapping[Severity, Style] = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}

#: What each kind of folding leaves out: one of them, and several.
FOLD_NAMES: Mapping[FoldKind, tuple[str, str]] = {
    "formatting": ("text that is written differently", "texts that are written differently"),
    "names": ("object that has another name", "objects that have other names"),
    "order": ("table whose columns stand in another order", "tables whose columns stand in another order"),
    "owners": ("owner who is another one everywhere", "owners who are other ones everywhere"),
    "platform": ("object of the platform", "objects of the platform"),
    "default-privileges": ("right from default privileges", "rights from default privileges"),
    "unread": ("definition that cannot be compared", "definitions that cannot be compared"),
}
NOT_COMPARED = (
    "Not compared: rows, comments, sequences and their values, rights on views, defaults of function arguments, "
    "expressions of indexes, publications, event triggers."
)
UNEXPLAINED = (
    "No difference between the two explains it. `referee prove` rehearses it on a throw-away server; `referee scan "
    "--db URL` looks for the rows that cause it."
)


def render(
    comparison: Comparison,
    *,
    columns: int = 100,
    paint: Paint = no_paint,
    verbose: bool = False,
    failure: str | None = None,
    explanation: Explanation | None = None,
    trial: Trial | None = None,
) -> str:
    """The comparison; where a ``failure`` was to be explained, the explanation alone unless ``verbose``.

    ``trial`` is what playing both sides gave, where they were played.
    """
    page = _Page(columns, paint, verbose)
    lines = list(page.head(comparison))
    if failure is not None:
        lines += page.explanation(failure, explanation)
    if failure is None or verbose:
        lines += page.differences(comparison)
    if trial is not None:
        lines += ["", *page.trial(trial)]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class _Page:
    columns: int
    paint: Paint
    verbose: bool

    def head(self, comparison: Comparison) -> Iterator[str]:
        yield f"{self.paint('heading', 'left ')}  {clean(_subject(comparison.left))}"
        yield f"{self.paint('heading', 'right')}  {clean(_subject(comparison.right))}"
        yield ""

    def differences(self, comparison: Comparison) -> Iterator[str]:
        for judged in comparison.differences:
            yield from self._difference(judged)
            yield ""
        yield from self._foot(comparison)

    def _difference(self, judged: Judged) -> Iterator[str]:
        style = _STYLES[judged.severity]
        kind = "+".join(dict.fromkeys(change.kind for change in judged.difference.forward))
        words = [
            self.paint(style, str(judged.severity)),
            self.paint("name", kind) if kind else "",
            clean(str(judged.difference.object)),
            self.paint("quiet", f"({_fault(judged)})"),
        ]
        yield "  " + "  ".join(filter(None, words))
        yield from self._wrapped(f"{sentence(judged.difference.summary)}")
        yield from self._wrapped(f"{judged.affected}: {judged.consequence.text}")
        if judged.consequence.who:
            state = f", with SQLSTATE {judged.consequence.sqlstate}" if judged.consequence.sqlstate else ""
            yield from self._wrapped(f"hits {judged.consequence.who}{state}")
        if judged.migration is not None:
            yield from self._wrapped(f"made by migration {judged.migration}")
        yield from self._fix(judged)

    def _fix(self, judged: Judged) -> Iterator[str]:
        fix = judged.fix
        told = "; ".join(change.describe() for change in fix.changes)
        if fix.reason is not None:
            yield from self._wrapped(f"fix on the {fix.side}: {told + ' - ' if told else ''}{fix.reason}")
            return
        yield from self._wrapped(f"fix on the {fix.side}: {told}")
        if self.verbose:
            for statement in fix.statements:
                yield from [f"{_INDENT}  {clean(line)}" for line in f"{statement};".split("\n")]

    def _wrapped(self, text: str) -> list[str]:
        return wrap(text, self.columns, _INDENT)

    def _foot(self, comparison: Comparison) -> Iterator[str]:
        yield from self._folded(comparison.folded)
        for told in comparison.not_seen:
            yield from wrap(f"not seen: {told}", self.columns, "")
        if comparison.not_seen:
            yield ""
        yield self._counts(comparison)
        yield from wrap(NOT_COMPARED, self.columns, "")

    def _folded(self, folded: tuple[Folded, ...]) -> Iterator[str]:
        for one in folded:
            yield from wrap(f"folded: {count(one.count, *FOLD_NAMES[one.kind])}", self.columns, "")
            for example in one.examples if self.verbose else ():
                yield from self._wrapped(example)
        if folded:
            yield ""

    def _counts(self, comparison: Comparison) -> str:
        counts = Counter(judged.severity for judged in comparison.differences)
        names = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
        parts = [
            self.paint(_STYLES[severity], count(counts[severity], name))
            for severity, name in names.items()
            if counts[severity]
        ]
        return f"{', '.join(parts)}." if parts else f"{self.paint('good', 'Nothing that matters differs')}."

    def explanation(self, failure: str, explanation: Explanation | None) -> Iterator[str]:
        yield from wrap(f"failure: {' '.join(failure.split())}", self.columns, "")
        yield ""
        if explanation is None:
            yield from wrap(UNEXPLAINED, self.columns, "")
            yield ""
            return
        judged = explanation.judged
        yield f"Explained by {self.paint(_STYLES[judged.severity], clean(str(judged.difference.object)))}:"
        yield ""
        for number, step in enumerate(explanation.proof, 1):
            first, *rest = wrap(f"{number}. {step}", self.columns - 3, "  ")
            yield first
            yield from [f"     {line.strip()}" for line in rest]
        yield ""
        yield from self._fix(judged)
        yield ""

    def trial(self, trial: Trial) -> Iterator[str]:
        yield from wrap(f"{played(trial)}:" if trial.differing else f"{played(trial)}.", self.columns, "")
        yield from self._played(trial.differing)
        if trial.differing or trial.refused:
            yield ""
            yield from wrap(after(trial), self.columns, "")
            yield from self._played(trial.left_over)
        for told in trial.refused:
            yield from wrap(f"refused: {told}", self.columns, "  ")
        for told in trial.not_built:
            yield from wrap(f"not built: {told}", self.columns, "")

    def _played(self, found: tuple[Played, ...]) -> Iterator[str]:
        groups = grouped(found)
        for told in groups if self.verbose else groups[:_PLAYED]:
            yield from wrap(told, self.columns, "  ")
        if len(groups) > _PLAYED and not self.verbose:
            yield f"  and {len(groups) - _PLAYED} more (--verbose shows them)"


def played(trial: Trial) -> str:
    """How much was played, and how much of it came out differently."""
    differing = f"{len(trial.differing)} came out differently" if trial.differing else "all came out alike"
    return (
        f"Played on PostgreSQL {trial.server}: {count(trial.played, 'flow or write', 'flows and writes')}; {differing}"
    )


def after(trial: Trial) -> str:
    """Whether both sides agree once the proposed changes are made."""
    if trial.left_over:
        return f"With the proposed changes {len(trial.left_over)} of them still come out differently:"
    return "With the proposed changes both sides agree."


def grouped(found: Iterable[Played]) -> list[str]:
    """One sentence for each thing and outcome, with the circumstances in which it had that outcome."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        groups.setdefault((one.name, one.left, one.right), []).append(one.circumstance)
    return [_told(*group, circumstances) for group, circumstances in groups.items()]


def _told(name: str, left: str, right: str, circumstances: Sequence[str]) -> str:
    where = "; ".join(filter(None, circumstances))
    return f"{name}: {left} on the left, {right} on the right{f' ({where})' if where else ''}"


def _subject(subject: Subject) -> str:
    server = f", PostgreSQL {subject.server}" if subject.server is not None else ""
    name = "the current folder" if subject.name == "." else subject.name
    return f"{name} ({subject.kind} on {subject.platform}{server}, {count(subject.tables, 'table')})"


def _fault(judged: Judged) -> str:
    if judged.at_fault is None:
        return "no rule says who is at fault"
    return f"{judged.at_fault} is at fault: {', '.join(judged.because) or 'it breaks the lock'}"


def sentence(text: str) -> str:
    """A sentence with its capital and its full stop; a name at its beginning keeps its case."""
    first = text.partition(" ")[0]
    head = text[0] if any(sign in first for sign in '._("') else text[0].upper()
    return f"{head}{text[1:]}."


def render_violations(
    violations: Sequence[Violation], not_seen: Sequence[str] = (), *, columns: int = 100, paint: Paint = no_paint
) -> str:
    """What breaks a lock, who did it where files tell, and what could not be seen."""
    lines = []
    for violation in violations:
        lines.append(f"  {paint('error', 'broken')}  {clean(str(violation.object))}")
        lines += wrap(sentence(violation.message), columns, _INDENT)
        if violation.done_by is not None:
            lines += wrap(f"done by {violation.done_by.file}:{violation.done_by.line}", columns, _INDENT)
        told = "; ".join(change.describe() for change in violation.restore) or "it has to be brought back by hand"
        lines += [*wrap(f"restore: {told}", columns, _INDENT), ""]
    summary = (
        f"{count(len(violations), 'locked object')} missing or otherwise."
        if violations
        else "Everything locked is there."
    )
    unseen = [line for told in not_seen for line in wrap(f"not seen: {told}", columns, "")]
    return "\n".join([*lines, *unseen, paint("error" if violations else "good", summary)]) + "\n"
