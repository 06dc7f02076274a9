"""A scan, to be read by people."""

from __future__ import annotations

import re
from collections.abc import Iterator

from referee.model.finding import Severity
from referee.model.names import quote
from referee.model.question import QuestionKind
from referee.model.scan import Answer, CauseGroup, CauseKind, Sample, Scan, ScanScope
from referee.render.plain import Paint, Style, clean, count, no_paint, wrap

_STYLES: dict[Severity, Style] = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}
_INDENT = "    "
_PLAIN = re.compile(r"[\w.:@+/-]+")
_TITLES: dict[QuestionKind, str] = {
    "unmirrored": "without their row in",
    "stray": "without their account in",
    "disagreeing": "whose e-mail is not the account's in",
    "orphans": "that refer to nothing in",
    "undeclared": "that refer to nothing in",
}
_CAUSES: dict[CauseKind, str] = {
    "swallowed-sign-up": "a sign-up whose mirror row was not written",
    "late-trigger": "accounts from before the trigger",
    "re-registration": "the same person under another id",
    "deletion": "a deleted account",
    "soft-deletion": "an account that is marked as deleted",
    "restore": "a restore or load with keys and triggers switched off",
    "other-project": "ids of another project",
    "before-the-key": "rows from before the key",
    "unenforced-key": "a key that is switched off",
    "uncopied-change": "an e-mail change that was not copied",
    "unknown": "unknown",
}


def render(scan: Scan, *, columns: int = 100, paint: Paint = no_paint, verbose: bool = False) -> str:
    """What is wrong, what is not checked, and the scope. Questions without violations are counted, or listed."""
    page = _Page(columns, paint, verbose)
    lines = [*page.found(scan), *page.switched_off(scan), *page.unchecked(scan), *page.summary(scan)]
    return "\n".join(lines) + "\n"


class _Page:
    def __init__(self, columns: int, paint: Paint, verbose: bool) -> None:
        self.columns = columns
        self.paint = paint
        self.verbose = verbose
        self.told: set[str] = set()

    def found(self, scan: Scan) -> Iterator[str]:
        for answer in sorted(scan.answers, key=lambda answer: (-answer.severity, -answer.violations)):
            if answer.violations or self.verbose:
                yield from self._answer(answer)
                yield ""

    def _answer(self, answer: Answer) -> Iterator[str]:
        question = answer.question
        style = _STYLES[answer.severity] if answer.violations else "good"
        name = self.paint("name", clean(str(question.subject)))
        yield f"{self.paint(style, question.kind)}  {name}"
        yield from self._wrapped(_sentence(answer))
        for group in answer.cause.groups if answer.cause is not None else ():
            yield from self._group(group, answer)
        if answer.sample:
            yield from self._wrapped("such as " + "; ".join([_sample(answer, sample) for sample in answer.sample]))
        if not answer.complete:
            yield from self._wrapped(f"not complete: {answer.left_out}.")

    def _group(self, group: CauseGroup, answer: Answer) -> Iterator[str]:
        whole = answer.cause is not None and len(answer.cause.groups) == 1 and answer.cause.of_all
        of = "" if whole else f" for {count(group.values, 'reference')} in {count(group.rows, 'row')}"
        yield from self._wrapped(f"likely cause{of}: {_CAUSES[group.kind]} ({group.confidence})")
        for sentence in group.evidence:
            yield from wrap(self._once(sentence), self.columns, _INDENT + "  ")
        if group.others:
            pairs = ", ".join([f"{old} is now {new}" for old, new in group.others[: 10 if self.verbose else 2]])
            yield from wrap(pairs, self.columns, _INDENT + "  ")

    def _once(self, sentence: str) -> str:
        """A long sentence in full the first time, its first words from then on."""
        if sentence not in self.told:
            self.told.add(sentence)
            return sentence
        words = sentence.split(", so ", 1)
        return sentence if len(words) == 1 else f"{words[0]} (as above)"

    def switched_off(self, scan: Scan) -> Iterator[str]:
        for one in scan.unenforced:
            yield f"{self.paint('error', 'unenforced')}  {self.paint('name', clean(one.subject))}"
            yield from self._wrapped("; ".join(one.reasons) + ".")
            yield ""

    def unchecked(self, scan: Scan) -> Iterator[str]:
        unfinished = [answer for answer in scan.answers if not answer.complete]
        if not scan.skipped and not unfinished:
            return
        yield self.paint("heading", "Not checked")
        yield ""
        for one in scan.skipped:
            yield f"  {clean(one.subject)}"
            yield from self._wrapped(f"{one.reason}.")
        for answer in unfinished:
            done = f", after {count(answer.rows_checked, 'row')}" if answer.rows_checked else ""
            yield f"  {clean(answer.question.id)}{done}"
            yield from self._wrapped(f"{answer.left_out}.")
        yield ""

    def summary(self, scan: Scan) -> Iterator[str]:
        wrong = [answer for answer in scan.answers if answer.violations]
        clean_ = [answer for answer in scan.answers if answer.complete and not answer.violations]
        rows = sum(answer.violations for answer in wrong)
        parts = []
        if wrong:
            parts.append(self.paint("error", f"{count(rows, 'row')} wrong by {count(len(wrong), 'question')}"))
        keys = sum(one.key is not None for one in scan.unenforced)
        if keys:
            parts.append(self.paint("error", f"{count(keys, 'key')} switched off"))
        if others := len(scan.unenforced) - keys:
            told = f"every key switched off for {count(others, 'role or database', 'roles or databases')}"
            parts.append(self.paint("error", told))
        nothing = "No wrong row found" if scan.is_complete else "No wrong row found in what was checked"
        yield f"{', '.join(parts) or self.paint('good' if scan.is_complete else 'warning', nothing)}."
        yield from wrap(_scope(scan.scope, scan), self.columns, "")
        if clean_:
            yield from wrap(f"{count(len(clean_), 'question')} asked of all rows and nothing wrong.", self.columns, "")
        if earlier := [answer.since for answer in scan.answers if answer.since is not None]:
            asked = count(len(earlier), "question")
            told = f"{asked} answered wholly or in part by an earlier scan, since {min(earlier)}."
            yield from wrap(told, self.columns, "")
        for notice in scan.notices:
            yield from wrap(notice, self.columns, "")
        is_within = scan.scope.mode != "across"
        if is_within and any(answer.violations for answer in scan.answers if answer.question.kind != "disagreeing"):
            yield from wrap("`referee repair` shows what could be done about them.", self.columns, "")

    def _wrapped(self, text: str) -> list[str]:
        return wrap(text, self.columns, _INDENT)


def _sentence(answer: Answer) -> str:
    question = answer.question
    about = "about " if answer.estimated else ""
    checked = f"of {about}{count(answer.rows_checked, 'row')} of {question.table}"
    wrong = f"{answer.violations:,} {checked}"
    if answer.estimated and not answer.rows_checked:  # the server has never estimated how many there are
        checked = f"rows of {question.table}"
        wrong = f"{count(answer.violations, 'row')} of {question.table}"
    if not answer.violations:
        return f"all {checked} are right."
    values = answer.values
    names = ", ".join([quote(column) for column in question.columns])
    different = ""
    if question.kind in ("orphans", "undeclared") and values is not None:
        different = f", with {values:,} different {names}"
    new = "" if answer.new is None else f"; {answer.new:,} new" if answer.new else "; none of them new"
    return f"{wrong} {_TITLES[question.kind]} {question.target.table}{different}{new}."


def _sample(answer: Answer, sample: Sample) -> str:
    question = answer.question
    value = _values(question.columns, sample.value)
    rows = f" in {count(sample.rows, 'row')}" if sample.rows > 1 else ""
    if sample.key is None or question.row_key == question.columns:
        return f"{value}{rows}"
    return f"{value}{rows} ({_values(question.row_key, sample.key)})"


def _values(names: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    pairs = zip(names, values, strict=True)
    return ", ".join([f"{quote(name)} {_value(value)}" for name, value in pairs])


def _value(value: str | None) -> str:
    """A value as it is where it can be told from the words around it, else as SQL writes it."""
    if value is None:
        return "NULL"
    return value if _PLAIN.fullmatch(value) and value != "NULL" else "'" + value.replace("'", "''") + "'"


def _scope(scope: ScanScope, scan: Scan) -> str:
    checked = sum(answer.rows_checked for answer in scan.answers)
    server = f" (PostgreSQL {scope.version}{', ' + scope.replica if scope.replica else ''})" if scope.version else ""
    where = f"{scope.database}{server}"
    by = f"as {scope.role}" if scope.role else ""
    parts = [f"Scanned {where} {by}".rstrip(), f"{count(scope.questions, 'question')} about {scope.tables} tables"]
    about = "about " if any(answer.estimated for answer in scan.answers) else ""
    looked_at = f"{about}{count(checked, 'row')}" if checked or not about else "every row"
    parts.append(f"{looked_at} looked at in {scan.seconds:.1f} s")
    aside = (
        f" The platform's own keys (schemas {', '.join(scope.left_aside)}) were left aside; --managed asks them too."
    )
    return f"{', '.join(parts)}.{aside if scope.left_aside else ''}"
