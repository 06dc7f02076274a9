"""Where facts were written, beside the facts; and what a reading could not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from referee.model.names import Ref
from referee.model.source import Location, Source, Span

GapKind = Literal[
    "syntax",  # a statement that does not parse; it was skipped
    "would-fail",  # a statement that Postgres would refuse at this point; it was skipped
    "missing-object",  # a name that no file creates
    "dynamic-sql",  # SQL built at run time that referee cannot follow
    "conditional",  # DDL behind a condition that was assumed to hold
    "unsupported",  # a statement that changes the schema in a way referee does not model
    "function-body",  # a body in a language referee does not read, or one that does not parse
    "data",  # rows that were not looked at
    "skipped-file",  # a file that was left out, with the reason
    "unseen",  # something a role may not see in a live database
]


class Gap(NamedTuple):
    """One thing that a reading could not know. ``object`` is set where the gap concerns one object.

    A skipped file has a span, an empty one, where it runs nevertheless: a migration that is a program.
    """

    kind: GapKind
    message: str
    span: Span | None = None
    object: Ref | None = None

    @property
    def program(self) -> str | None:
        """The path of the program among the migrations that this is about."""
        return self.span.path if self.kind == "skipped-file" and self.span is not None else None


@dataclass(frozen=True, slots=True)
class Place:
    """A symbolic place: an object, or a range of characters inside the body of a function.

    ``within`` counts characters of ``Function.body``; it is None for the whole object.
    """

    ref: Ref
    within: tuple[int, int] | None = None


def place_in_file(span: Span) -> Place:
    """The place of a statement that makes no object: its file, with the range of characters as part."""
    return Place(Ref("file", "", span.path, f"{span.start}-{span.end}"))


def _in_file(ref: Ref) -> Span | None:
    """What ``place_in_file`` was made of."""
    start, _, end = ref.part.partition("-")
    return Span(ref.name, int(start), int(end)) if start.isdecimal() and end.isdecimal() else None


class BodyOrigin(NamedTuple):
    """Where a function's body stands in a file.

    ``offsets`` is None where body and file run in step (dollar quotes). Else it holds, for every character of the body,
    its offset in the file (escapes in quoted strings make the two differ).
    """

    span: Span
    offsets: Sequence[int] | None = None

    def locate(self, start: int, end: int) -> Span:
        """The span in the file of a range of the body."""
        if self.offsets is None:
            return Span(self.span.path, self.span.start + start, self.span.start + end)
        last = len(self.offsets) - 1
        if last < 0:
            return self.span
        return Span(self.span.path, self.offsets[min(start, last)], self.offsets[min(max(end - 1, 0), last)] + 1)


@dataclass(frozen=True)
class Origins:
    """Maps each object to the text that made it.

    ``anchors`` is what a finding about the object points at: for a foreign key its ``REFERENCES ...`` clause, for a
    column its definition, for everything else its name or statement. ``definitions`` holds the whole text of a foreign
    key, from its first word to the end of its anchor. ``statements`` are the statements that created and altered the
    object, oldest first. ``root`` is the project's folder as it is printed, which fingerprints count paths from. A live
    database has no origins.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    anchors: Mapping[Ref, Span] = field(default_factory=dict)
    statements: Mapping[Ref, Sequence[Span]] = field(default_factory=dict)
    bodies: Mapping[Ref, BodyOrigin] = field(default_factory=dict)
    definitions: Mapping[Ref, Span] = field(default_factory=dict)
    root: str = ""

    def find(self, place: Place) -> Span | None:
        """The span of a place; None where it was not written in any file that was read."""
        return self._find(place.ref, place.within)

    def _find(self, ref: Ref, within: tuple[int, int] | None) -> Span | None:
        if within is not None:
            body = self.bodies.get(ref)
            if body is not None:
                return body.locate(*within)
        found = self.anchors.get(ref)
        return _in_file(ref) if found is None and ref.kind == "file" else found

    def location(self, place: Place) -> Location | None:
        """The place as lines and columns; None where it was not written in any file that was read."""
        return self.location_of(place.ref, place.within)

    def location_of(self, ref: Ref, within: tuple[int, int] | None = None) -> Location | None:
        """``location`` of ``Place(ref, within)``, without making one."""
        span = self._find(ref, within)
        return None if span is None else self.locate(span)

    def locate(self, span: Span) -> Location | None:
        """A span as lines and columns; None where its file was not read."""
        source = self.sources.get(span.path)
        return None if source is None else source.locate(span.start, span.end)
