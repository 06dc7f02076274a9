"""A diagnosis to be read by people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from referee.model.diagnosis import Diagnosis, Notice, Subject
from referee.model.finding import Finding, LocatedNote, Severity
from referee.model.identity import Identity
from referee.model.origins import Gap, GapKind, Origins
from referee.model.remedy import Remedy, Safety
from referee.model.source import Location
from referee.render.plain import Paint, Style, clean, count, excerpt, in_words, no_paint, width, wrap

_INDENT = " " * 6
_RELATED = 3
_GAPS = 3
_STYLES: dict[Severity, Style] = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}
_SAFETY = {Safety.SHOW_ONLY: "to consider", Safety.UNSAFE: "unproven", Safety.SAFE: "proven"}
_KINDS = {"supabase": "Supabase project", "folder": "folder", "file": "file", "database": "database"}

#: What each kind of gap leaves unknown: one of them, and several.
GAP_NAMES: dict[GapKind, tuple[str, str]] = {
    "syntax": ("statement that does not parse", "statements that do not parse"),
    "would-fail": ("statement that Postgres would refuse", "statements that Postgres would refuse"),
    "missing-object": ("name that no file creates", "names that no file creates"),
    "dynamic-sql": ("piece of SQL that is built at run time", "pieces of SQL that are built at run time"),
    "conditional": ("condition that was taken to hold", "conditions that were taken to hold"),
    "unsupported": ("statement that referee does not model", "statements that referee does not model"),
    "function-body": ("function body that was not understood", "function bodies that were not understood"),
    "data": ("set of rows that was not looked at", "sets of rows that were not looked at"),
    "skipped-file": ("file or folder that was skipped", "files or folders that were skipped"),
    "unseen": ("object that the role may not see", "objects that the role may not see"),
}


def render(diagnosis: Diagnosis, *, columns: int = 100, paint: Paint = no_paint, verbose: bool = False) -> str:
    """The findings by file, each with its line of the source, then the gaps and a summary that states the scope.

    ``columns`` is the width to wrap at. ``verbose`` lists everything that is cut short otherwise.
    """
    return "\n".join(_Page(diagnosis.origins, columns, paint, verbose).lines(diagnosis)) + "\n"


def summary(diagnosis: Diagnosis, columns: int = 100, paint: Paint = no_paint) -> Iterator[str]:
    """The lines of the summary: what was found, what was looked at, and what was not."""
    yield _result(diagnosis, paint)
    for sentence in (_scope(diagnosis.subject), *_identities(diagnosis), _not_checked(diagnosis)):
        yield from wrap(sentence, columns, "")


class _Page:
    def __init__(self, origins: Origins, columns: int, paint: Paint, verbose: bool) -> None:
        self.origins = origins
        self.columns = columns
        self.paint = paint
        self.verbose = verbose

    def lines(self, diagnosis: Diagnosis) -> Iterator[str]:
        for file, findings in groupby(diagnosis.findings, lambda finding: finding.location and finding.location.file):
            yield self.paint("heading", clean(file) if file else _nowhere(diagnosis.subject))
            yield ""
            before: Location | None = None
            for finding in findings:
                yield from self._finding(finding, shows_source=finding.location != before)
                yield ""
                before = finding.location
        yield from self._gaps(diagnosis.gaps)
        yield from self._notices(diagnosis.notices)
        yield from summary(diagnosis, self.columns, self.paint)

    # A finding

    def _finding(self, finding: Finding, shows_source: bool) -> Iterator[str]:
        problem, location = finding.problem, finding.location
        style = _STYLES[problem.severity]
        place = f"{location.line}:{location.column}" if location else ""
        yield "  " + "  ".join(
            part
            for part in (
                self.paint("place", place) if place else "",
                self.paint(style, str(problem.severity)),
                self.paint("name", finding.rule),
                clean(str(problem.object)),
                self.paint("quiet", f"({problem.confidence})"),
            )
            if part
        )
        if location is not None and shows_source:
            yield from self._excerpt(location, style)
        yield from self._wrapped(problem.cause)
        yield from self._wrapped(problem.consequence)
        yield from self._related(finding)
        if problem.remedy is not None:
            yield from self._wrapped(_remedy(problem.remedy))

    def _excerpt(self, location: Location, style: Style) -> Iterator[str]:
        source = self.origins.sources.get(location.file)
        if source is None:
            return
        part = excerpt(source, location, self.columns - len(_INDENT) - 2)
        bar = f"{_INDENT}{self.paint('quiet', '|')} "
        yield f"{bar}{part.before}{self.paint(style, part.marked)}{part.after}"
        yield f"{bar}{' ' * width(part.before)}{self.paint(style, part.carets)}"

    def _related(self, finding: Finding) -> Iterator[str]:
        notes = finding.related if self.verbose else finding.related[:_RELATED]
        for note in notes:
            yield from self._wrapped(f"see {_place_of(note, finding.location)}{note.message}")
        if len(notes) < len(finding.related):
            yield from self._wrapped(f"see {len(finding.related) - len(notes)} more with --verbose")

    def _wrapped(self, text: str) -> list[str]:
        return wrap(text, self.columns, _INDENT)

    def _led(self, lead: str, style: Style, text: str, indent: str) -> Iterator[str]:
        """A wrapped text whose first words are painted."""
        first, *rest = wrap(lead + text, self.columns, indent)
        start = indent + clean(lead)
        yield indent + self.paint(style, clean(lead)) + first[len(start) :] if first.startswith(start) else first
        yield from rest

    # Gaps and notices

    def _gaps(self, gaps: Sequence[Gap]) -> Iterator[str]:
        if not gaps:
            return
        yield self.paint("heading", "What could not be known")
        yield ""
        for kind, (singular, plural) in GAP_NAMES.items():
            of_kind = [gap for gap in gaps if gap.kind == kind]
            if of_kind:
                yield f"  {count(len(of_kind), singular, plural)}"
                yield from self._gaps_of_kind(of_kind)
        yield ""

    def _gaps_of_kind(self, gaps: Sequence[Gap]) -> Iterator[str]:
        shown = gaps if self.verbose else gaps[:_GAPS]
        for gap in shown:
            location = gap.span and self.origins.locate(gap.span)
            place = f"{location.file}:{location.line}: " if location else ""
            yield from self._led(place, "place", gap.message, _INDENT)
        if len(shown) < len(gaps):
            yield f"{_INDENT}... and {len(gaps) - len(shown):,} more (--verbose lists all)"

    def _notices(self, notices: Sequence[Notice]) -> Iterator[str]:
        for notice in notices:
            place = f"{notice.location.file}:{notice.location.line}: " if notice.location else ""
            yield from self._led("note: ", "info", place + notice.message, "")
        if notices:
            yield ""


def _result(diagnosis: Diagnosis, paint: Paint) -> str:
    parts = [
        paint(_STYLES[severity], count(number, str(severity) if severity else "note"))
        for severity, number in diagnosis.by_severity.items()
        if number
    ]
    kept = [
        f"{number:,} {where}"
        for number, where in ((diagnosis.suppressed, "suppressed"), (diagnosis.baselined, "in the baseline"))
        if number
    ]
    found = ", ".join(parts) if parts else paint("good", "Nothing found")
    return f"{found}{' (' + ', '.join(kept) + ')' if kept else ''}."


def gap_counts(gaps: Sequence[Gap]) -> list[str]:
    """How many gaps there are of each kind, in words; kinds without gaps are left out."""
    counts = Counter(gap.kind for gap in gaps)
    return [count(counts[kind], *names) for kind, names in GAP_NAMES.items() if counts[kind]]


def _remedy(remedy: Remedy) -> str:
    return f"fix ({_SAFETY[remedy.safety]}): {remedy.change.describe()}"


def _place_of(note: LocatedNote, seen_from: Location | None) -> str:
    if note.location is not None:
        here = seen_from is not None and note.location.file == seen_from.file
        return f"{'line ' if here else note.location.file + ':'}{note.location.line}: "
    return f"{note.object}: " if note.object else ""


def _nowhere(subject: Subject) -> str:
    return subject.name if subject.kind == "database" else "Written in no file"


def _scope(subject: Subject) -> str:
    read = [count(subject.files, "file"), count(subject.statements, "statement")] if subject.kind != "database" else []
    read += [count(subject.fixtures, "seed or test file")] if subject.fixtures else []
    parts = ", ".join([*read, count(subject.tables, "table"), count(len(subject.rules), "rule")])
    platform = f", taken to run on {subject.platform}" if subject.kind in ("folder", "file") else ""
    return f"Checked {in_words(subject.name)} ({_KINDS[subject.kind]}{platform}): {parts}."


def _identities(diagnosis: Diagnosis) -> Iterator[str]:
    if not diagnosis.identities.all:
        yield "No identity source was found, so the rules about identities had nothing to judge (--source names one)."
    for identity in diagnosis.identities.all:
        yield f"Identity {identity.source}: {why(identity)}."


def why(identity: Identity) -> str:
    """Where an identity's references should point, and why."""
    canonical = f"references should point to {identity.canonical}"
    if identity.decided_by == "configuration":
        return f"{canonical}, as configured"
    if identity.decided_by == "vote":
        votes = ", ".join(f"{number} to {target}" for target, number in identity.votes)
        return f"{canonical}, by the vote of the existing keys ({votes})"
    return f"{canonical}, by default"


def _not_checked(diagnosis: Diagnosis) -> str:
    parts = gap_counts(diagnosis.gaps)
    if diagnosis.subject.kind != "database":
        parts.append("what a database holds that no file creates")
    return f"Not checked: {'; '.join(parts) or 'nothing that referee knows of'}."
