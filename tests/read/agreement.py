"""Runs the same SQL on a server and by replay, and says in words where the two readings differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, NamedTuple

from referee.model.names import quote
from referee.model.origins import Gap
from referee.model.schema import Schema
from referee.model.source import Source
from referee.platforms import Platform
from referee.postgres.scripts import Failure, Script, Statement, run_scripts
from referee.postgres.server import Server
from referee.read.catalog import read_catalog
from referee.read.replay import Replayed, replay
from referee.sql.expressions import same_meaning
from referee.sql.script import read_script
from referee.sql.split import split

#: Facts that are expressions, by class: the catalog prints them anew, so they are compared by meaning.
_EXPRESSIONS = {
    "Column": {"default", "generated"},
    "Check": {"expression"},
    "Index": {"predicate"},
    "Trigger": {"when"},
    "Policy": {"using", "check"},
    "Domain": {"default"},
}
#: Facts that cannot be compared: Postgres prints a view's query anew and knows the columns behind its stars, and an
#: exclusion's elements with their operator classes.
_INCOMPARABLE = {"View": {"definition"}, "Exclusion": {"definition"}}


_WORD = re.compile(r"\w+")
#: Kinds of gaps that say that the effect of a statement is not known.
_UNKNOWN = frozenset({"dynamic-sql", "conditional", "unsupported"})
#: The SQLSTATEs of class 23: rows that are in the way of a constraint. No replay looks at rows.
_ROWS = "23"


class Difference(NamedTuple):
    """One fact on which the readers differ: the name of the table, function, ... without its schema, and the fact."""

    name: str
    text: str


@dataclass(frozen=True)
class Readings:
    """What both readers found, and what the server refused on the way."""

    replayed: Replayed
    catalog: Schema
    failures: tuple[Failure, ...]

    @cached_property
    def differences(self) -> list[Difference]:
        return differences(self.replayed.schema, self.catalog)

    @cached_property
    def unexplained(self) -> list[str]:
        """The differences that no gap accounts for: none has its span in a statement that names the object."""
        return [
            difference.text
            for difference in self.differences
            if difference.name not in self._kept_with_gaps and not self._is_in_doubt(difference.name)
        ]

    def _is_in_doubt(self, name: str) -> bool:
        word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
        return any(word.search(text) for text in self._in_doubt)

    @cached_property
    def _in_doubt(self) -> list[str]:
        """The statements of which the replay says that it does not know what they do."""
        found = []
        for source in self.replayed.origins.sources.values():
            starts = [start for gap, start in self._gaps_of(source) if gap.kind in _UNKNOWN or "taken" in gap.message]
            found += [
                cut.text(source.text)
                for cut in (split(source.text) if starts else ())
                if any(cut.start <= start < cut.end for start in starts)
            ]
        return found

    def _gaps_of(self, source: Source) -> Iterator[tuple[Gap, int]]:
        for gap in self.replayed.gaps:
            if gap.span is not None and gap.span.path == source.path:
                yield gap, gap.span.start

    @cached_property
    def _kept_with_gaps(self) -> set[str]:
        """The names of things that were kept although something that they need is made by no file, and of what is made
        of those: the server refused to make either."""
        kept = {gap.object.name for gap in self.replayed.gaps if "no file" in gap.message and gap.object is not None}
        origins, size = self.replayed.origins, -1
        while size != len(kept):
            size = len(kept)
            for ref, spans in origins.statements.items():
                if ref.kind in ("table", "view", "function") and ref.name not in kept:
                    texts = (self._text(*span) for span in spans)
                    if any(not kept.isdisjoint(_WORD.findall(text)) for text in texts):
                        kept.add(ref.name)
        return kept

    @cached_property
    def unseen_failures(self) -> list[str]:
        """Statements that the server refused without a gap in them, and that would change a schema.

        Left out are those that fail because of something that was kept with a gap.
        """
        known = self._kept_with_gaps | self._refused
        return [
            f"{self._quote(failure.path, failure.start, failure.end)}: {_said(failure)}"
            for failure in self.failures
            if not failure.report.sqlstate.startswith(_ROWS)
            and not any(_is_inside(gap, failure) for gap in self.replayed.gaps)
            and (text := self._text(failure.path, failure.start, failure.end))
            and known.isdisjoint(_WORD.findall(text))
            and read_script(text).statements
        ]

    @cached_property
    def _refused(self) -> set[str]:
        """The words of what the server refused and the replay took as if it had run."""
        return {word for text in self._in_doubt for word in _WORD.findall(text)} & self._only_replayed

    @cached_property
    def _only_replayed(self) -> set[str]:
        return {difference.name for difference in self.differences if "only the replay" in difference.text}

    @cached_property
    def false_alarms(self) -> list[str]:
        """Statements that the replay says would fail, and that the server ran."""
        return [
            f"{self._quote(*gap.span)}: {gap.message}"
            for gap in self.replayed.gaps
            if gap.kind in ("syntax", "would-fail", "missing-object")
            and gap.span is not None
            and not any(_is_inside(gap, failure) for failure in self.failures)
        ]

    def _text(self, path: str, start: int, end: int) -> str:
        return self.replayed.origins.sources[path].text[start:end]

    def _quote(self, path: str, start: int, end: int) -> str:
        source = self.replayed.origins.sources[path]
        text = " ".join(self._text(path, start, end).split())
        return f"{path}:{source.position(start).line} {text if len(text) < 100 else text[:99] + '…'}"


def _said(failure: Failure) -> str:
    return f"{failure.report.sqlstate} {failure.report.message}"


def _is_inside(gap: Gap, failure: Failure) -> bool:
    span = gap.span
    return span is not None and span.path == failure.path and failure.start <= span.start < failure.end


def read_both(server: Server, sources: Sequence[Source], platform: Platform) -> Readings:
    """Runs files on a fresh database of the platform, and replays them."""
    scripts = [Script(source.path, list(_statements(source))) for source in sources]
    with server.database() as database:
        outcome = run_scripts(server, database, scripts)
        with server.connect(database, server.superuser) as session:
            catalog = read_catalog(session, platform.managed_schemas)
    return Readings(replay(sources, platform), catalog, outcome.failures)


def _statements(source: Source) -> Iterator[Statement]:
    for cut in split(source.text):
        data = None if cut.data is None else source.text[cut.data[0] : cut.data[1]]
        yield Statement(cut.start, cut.end, cut.text(source.text), data)


def differences(replayed: Schema, catalog: Schema) -> list[Difference]:
    """Where the replayed schema is not what the catalog says, fact by fact."""
    return list(_differences(replayed, catalog))


def _differences(replayed: Schema, catalog: Schema) -> Iterator[Difference]:
    for part in ("tables", "views", "functions", "enums", "domains", "composites", "extensions"):
        yield from _of_objects(part.removesuffix("s"), getattr(replayed, part), getattr(catalog, part))
    yield from _of_objects("schema", _namespaces(replayed), _namespaces(catalog))
    roles = {name: role for name, role in catalog.roles.items() if name in replayed.roles or not role.superuser}
    yield from _of_objects("role", replayed.roles, roles)


def _of_objects(kind: str, replayed: Mapping[Any, Any], catalog: Mapping[Any, Any]) -> Iterator[Difference]:
    for name in sorted(replayed.keys() | catalog.keys()):
        bare = name if isinstance(name, str) else name.name
        left, right = ({name: things[name]} if name in things else {} for things in (replayed, catalog))
        yield from (Difference(bare, text) for text in _of_maps(kind, left, right))


def _namespaces(schema: Schema) -> dict[str, Any]:
    """The schemas that no extension made; what a script of an extension does to its own, no replay reads."""
    return {
        name: space
        for name, space in schema.namespaces.items()
        if not (space.managed and (name in schema.extensions.values() or name == "net" or name == "cron"))
    }


def _of_maps(kind: str, replayed: Mapping[Any, Any], catalog: Mapping[Any, Any]) -> Iterator[str]:
    for name in sorted(replayed.keys() - catalog.keys()):
        yield f"{kind} {_print(name)}: only the replay has it"
    for name in sorted(catalog.keys() - replayed.keys()):
        yield f"{kind} {_print(name)}: only the catalog has it"
    for name in sorted(replayed.keys() & catalog.keys()):
        yield from _of_facts(f"{kind} {_print(name)}", replayed[name], catalog[name])


def _of_facts(place: str, replayed: Any, catalog: Any) -> Iterator[str]:
    if replayed == catalog:
        return
    if not is_dataclass(replayed):
        yield f"{place}: {replayed!r} replayed, {catalog!r} in the catalog"
        return
    kind = type(replayed).__name__
    for field in fields(replayed):
        left, right = getattr(replayed, field.name), getattr(catalog, field.name)
        if left == right or field.name in _INCOMPARABLE.get(kind, ()):
            continue
        if field.name in _EXPRESSIONS.get(kind, ()):
            if left is None or right is None or not same_meaning(left, right):
                yield f"{place}, {field.name}: {left!r} replayed, {right!r} in the catalog"
        elif _is_parts(left) or _is_parts(right):
            yield from _of_parts(f"{place}, {field.name}", left, right)
        elif (kind, field.name) == ("Domain", "checks"):
            yield from _of_checks(place, left, right)
        elif not ((kind, field.name) == ("Function", "body") and _same_body(left, right)):
            yield f"{place}, {field.name}: {left!r} replayed, {right!r} in the catalog"


def _is_parts(value: object) -> bool:
    return isinstance(value, tuple) and bool(value) and is_dataclass(value[0])


def _of_parts(place: str, replayed: Sequence[Any], catalog: Sequence[Any]) -> Iterator[str]:
    left, right = ({_part_name(part): part for part in parts} for parts in (replayed, catalog))
    yield from _of_maps(place, left, right)
    if left.keys() == right.keys() and list(left) != list(right):
        yield f"{place}: in the order {list(left)} replayed, {list(right)} in the catalog"


def _part_name(part: Any) -> Any:
    return part.name if hasattr(part, "name") else (part.grantee, part.columns)


def _of_checks(place: str, replayed: Sequence[str], catalog: Sequence[str]) -> Iterator[str]:
    if len(replayed) != len(catalog) or not all(map(same_meaning, replayed, catalog)):
        yield f"{place}, checks: {replayed!r} replayed, {catalog!r} in the catalog"


def _same_body(replayed: str, catalog: str) -> bool:
    """SQL-standard bodies are printed anew; how much of them is the same, no text tells."""
    words = catalog.split(maxsplit=1)
    return (
        bool(words)
        and words[0].lower() in ("begin", "return")
        and replayed.split(maxsplit=1)[0].lower() == words[0].lower()
    )


def _print(name: object) -> str:
    return quote(name) if isinstance(name, str) else str(name)
