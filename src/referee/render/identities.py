"""Who owns, mirrors, references and writes each identity, to be read by people."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence

from referee.model.diagnosis import Diagnosis
from referee.model.identity import Identity, Mirror, Reference, Verdict, Write
from referee.model.origins import Origins, Place
from referee.model.schema import ForeignKey
from referee.model.source import Location
from referee.render.plain import Paint, Style, clean, columns, count, in_words, no_paint, wrap
from referee.render.text import gap_counts, why

# What each verdict is called, how it is painted, and what it means.
_VERDICTS: tuple[tuple[Verdict, str, Style, str], ...] = (
    ("wrong", "Wrong", "error", "pointing elsewhere"),
    ("right", "Right", "good", "pointing to the canonical table"),
    ("dual", "Dual", "info", "in columns with a key to each table"),
    ("identity-key", "Identity keys", "quiet", "tying a mirror to its source"),
)

_WHERE = {"trigger": "in the trigger function", "default": "in the default of", "function": "in the function"}


def render(diagnosis: Diagnosis, *, width: int = 100, paint: Paint = no_paint) -> str:
    """Each identity: its canonical table and why, its mirrors with the evidence, its references, and its writes."""
    if not diagnosis.identities.all:
        none = (
            f"There is no identity in {clean(in_words(diagnosis.subject.name))}: no table that could be its source was "
            "found. Name one with --source TABLE."
        )
        return "\n".join([*_notices(diagnosis, width), none]) + "\n"
    page = _Page(diagnosis.origins, width, paint)
    lines = [line for identity in diagnosis.identities.all for line in page.identity(identity)]
    return "\n".join([*lines, *_notices(diagnosis, width), *_scope(diagnosis, width)]) + "\n"


def _notices(diagnosis: Diagnosis, width: int) -> Iterator[str]:
    for notice in diagnosis.notices:
        yield from wrap(f"note: {clean(notice.message)}", width, "")
    if diagnosis.notices:
        yield ""


class _Page:
    def __init__(self, origins: Origins, width: int, paint: Paint) -> None:
        self.origins = origins
        self.width = width
        self.paint = paint

    def identity(self, identity: Identity) -> Iterator[str]:
        yield self.paint("heading", f"Identity {clean(str(identity.source))}")
        yield from wrap(f"User {why(identity)}.", self.width, "")
        yield ""
        folder = _common_folder(self._locations(identity))
        if folder:
            yield f"Places are in {clean(folder)}."
            yield ""
        for mirror in identity.mirrors:
            yield from self._mirror(mirror, folder)
        for verdict, title, style, meaning in _VERDICTS:
            references = [reference for reference in identity.references if reference.verdict == verdict]
            if references:
                heading = f"{title}: {count(len(references), 'user reference')}"
                yield f"{self.paint(style, heading)}, {meaning}"
                yield from self._references(references, folder)
                yield ""
        yield from self._writes(identity, folder)

    def _locations(self, identity: Identity) -> Iterator[Location]:
        places = [
            *(item.place for mirror in identity.mirrors for item in mirror.evidence if item.place),
            *(Place(reference.key.ref) for reference in identity.references),
            *(write.place for write in identity.writes),
        ]
        yield from filter(None, map(self.origins.location, places))

    def _mirror(self, mirror: Mirror, folder: str) -> Iterator[str]:
        yield f"{self.paint('name', 'Mirror ' + clean(str(mirror.target)))}, {mirror.confidence}"
        rows = [
            [f"  {evidence.kind}", self._where(evidence.place, folder), clean(evidence.detail)]
            for evidence in mirror.evidence
        ]
        yield from columns(rows)
        triggers = ", ".join(clean(str(trigger)) for trigger in mirror.synced_by)
        yield f"  filled by {triggers}" if triggers else "  no trigger of the database fills it"
        yield ""

    def _references(self, references: Sequence[Reference], folder: str) -> Iterator[str]:
        header = ["  Table", "Column", "Place", "Definition"]
        rows = [
            [
                f"  {clean(str(reference.key.table))}",
                clean(reference.column),
                self._where(Place(reference.key.ref), folder),
                clean(_definition(reference.key)),
            ]
            for reference in sorted(references, key=lambda reference: self._order(Place(reference.key.ref)))
        ]
        yield from columns([header, *rows])

    def _writes(self, identity: Identity, folder: str) -> Iterator[str]:
        if not identity.writes:
            return
        verdicts = {reference.key: reference.verdict for reference in identity.references}
        yield f"{self.paint('name', 'Writes')}: where the database itself stores an identity, and the keys it reaches"
        for write in sorted(identity.writes, key=lambda write: self._order(write.place)):
            yield from self._write(write, folder, verdicts)
        yield ""

    def _write(self, write: Write, folder: str, verdicts: dict[ForeignKey, Verdict]) -> Iterator[str]:
        place = self._where(write.place, folder)
        yield "  " + "  ".join(
            filter(None, [place, clean(write.expression), f"{_WHERE[write.where]} {clean(str(write.owner))}"])
        )
        rows = [
            [f"    {clean(str(key.ref))}", f"-> {clean(str(key.target))}", verdicts.get(key, "")]
            for key in write.reaches
        ]
        yield from columns(rows) if rows else ["    no user reference"]

    def _order(self, place: Place) -> tuple[bool, str, int]:
        location = self.origins.location(place)
        return (True, "", 0) if location is None else (False, location.file, location.line)

    def _where(self, place: Place | None, folder: str) -> str:
        """Line and file of a place, the file seen from the folder; only the line where the folder is the one file."""
        location = None if place is None else self.origins.location(place)
        if location is None:
            return ""
        if location.file == folder:
            return str(location.line)
        file = posixpath.relpath(location.file, folder) if folder else location.file
        return clean(f"{file}:{location.line}")


def _common_folder(locations: Iterable[Location]) -> str:
    """The folder of all files; the file itself where there is but one."""
    files = {location.file for location in locations}
    if len(files) == 1:
        return files.pop()
    try:
        return posixpath.commonpath(files) if files else ""
    except ValueError:  # absolute and relative paths have nothing in common
        return ""


def _definition(key: ForeignKey) -> str:
    action = "" if key.on_delete == "NO ACTION" else f" ON DELETE {key.on_delete}"
    return f"REFERENCES {key.target}{action}"


def _scope(diagnosis: Diagnosis, width: int) -> list[str]:
    """What was read for it; gaps are counted here and listed by ``referee check``."""
    subject = diagnosis.subject
    read = [count(subject.files, "file"), count(subject.statements, "statement")] if subject.files else []
    unknown = gap_counts(diagnosis.gaps)
    sentence = f"Read {in_words(subject.name)}: {', '.join([*read, count(subject.tables, 'table')])}."
    if unknown:
        sentence += f" Not known: {'; '.join(unknown)} (`referee check` lists them)."
    return wrap(sentence, width, "")
