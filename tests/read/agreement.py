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
from referee.postgres.scripts import Failure, run_scripts
from referee.postgres.server import Server
from referee.read.catalog import read_catalog
from referee.read.replay import Replayed, replay
from referee.sql.expressions import same_meaning
from referee.sql.script import read_script
from referee.sql.split import split
from referee.sql.statements import MoveRows
from referee.workflow.scripts import script_of

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
#: Words of differences that name nothing.
_COMMON = frozenset(
    """
    table view function schema role public columns constraint default keys index as only the extension type domain enum
    grants policies triggers checks foreign_keys indexes name owner body
    """.split()
)
#: The SQLSTATEs of class 23: rows that are in the way of a constraint. No replay looks at rows.
_ROWS = "23"


_MADE = re.compile(
    r"\b(?:table|view|function|procedure|type|domain|schema|extension|role|policy|trigger|index)\s+"
    r'(?:if\s+not\s+exists\s+)?(?:"?\w+"?\s*\.\s*)?"?(\w+)',
    re.IGNORECASE,
)


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
        return [one.text for one in self.differences if not self._is_explained(one)]

    def _is_explained(self, difference: Difference) -> bool:
        named = {*_WORD.findall(difference.text.partition(": ")[0]), difference.name}
        if not named.isdisjoint(self._spoiled) or any(f"'{role}'" in difference.text for role in self._assumed_roles):
            return True
        word = re.compile(rf"(?<!\w){re.escape(difference.name)}(?!\w)")
        return any(word.search(text) for text in self._in_doubt)

    @cached_property
    def _assumed_roles(self) -> set[str]:
        return {gap.message.split('"')[1] for gap in self.replayed.gaps if gap.message.startswith('role "')}

    def is_by_rows(self, difference: Difference) -> bool:
        """Whether something is not there because of rows that were in its way. No replay looks at rows."""
        part = _WORD.findall(difference.text.partition(": ")[0])[-1]
        refused = (self._text_of(failure) for failure in self.failures if failure.report.sqlstate.startswith(_ROWS))
        return any(part in _WORD.findall(text) for text in refused)

    @cached_property
    def boundless(self) -> list[str]:
        """The gaps that say that anything may have happened: SQL that is built at run time, in a block or a function
        that is called."""
        return [
            f"{self._quote(*gap.span)}: {gap.message}"
            for gap in self.replayed.gaps
            if gap.span is not None and (gap.kind == "dynamic-sql" or "changes the schema" in gap.message)
        ]

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
    def _kept(self) -> set[str]:
        """The names of things that were kept although something that they need is made by no file, or that were taken
        as made although the role has no right to."""
        named = {gap.object.name for gap in self.replayed.gaps if "no file" in gap.message and gap.object is not None}
        return named | {name for text in self._in_doubt for name in _made(text)}

    @cached_property
    def _spoiled(self) -> set[str]:
        return (
            self._kept | {name for failure in self._consequences for name in _made(self._text_of(failure))}
        ) - _COMMON

    @cached_property
    def _consequences(self) -> list[Failure]:
        """What failed because it needs something that was kept with a gap, or that failed for such a reason itself."""
        spoiled, found = set(self._kept), []
        for failure in self.failures:
            text = self._text_of(failure)
            if not spoiled.isdisjoint(_WORD.findall(text)):
                found.append(failure)
                spoiled |= _made(text)
        return found

    @cached_property
    def unseen_failures(self) -> list[str]:
        """Statements that the server refused without a gap in them, and that would change a schema.

        Left out are those that fail because of something that was kept with a gap.
        """
        return [
            f"{self._quote(failure.path, failure.start, failure.end)}: {_said(failure)}"
            for failure in self.failures
            if not failure.report.sqlstate.startswith(_ROWS)
            and not any(_is_inside(gap, failure) for gap in self.replayed.gaps)
            and failure not in self._consequences
            and any(not isinstance(one.action, MoveRows) for one in read_script(self._text_of(failure)).statements)
        ]

    @cached_property
    def false_alarms(self) -> list[str]:
        """Statements that the replay says would fail, and that the server ran."""
        return [
            f"{self._quote(*gap.span)}: {gap.message}"
            for gap in self.replayed.gaps
            if gap.kind in ("syntax", "would-fail", "missing-object")
            and gap.span is not None
            and not any(_is_inside(gap, failure) for failure in self.failures)
            and self._spoiled.isdisjoint(_WORD.findall(self._text(*gap.span)))
        ]

    def _text_of(self, failure: Failure) -> str:
        return self._text(failure.path, failure.start, failure.end)

    def _text(self, path: str, start: int, end: int) -> str:
        return self.replayed.origins.sources[path].text[start:end]

    def _quote(self, path: str, start: int, end: int) -> str:
        source = self.replayed.origins.sources[path]
        text = " ".join(self._text(path, start, end).split())
        return f"{path}:{source.position(start).line} {text if len(text) < 100 else text[:99] + '…'}"


def _made(text: str) -> set[str]:
    """The names of what a statement makes, or of that for which it makes something."""
    return {found[1] for found in _MADE.finditer(text)} if text.lower().lstrip().startswith(("create", "do")) else set()


def _said(failure: Failure) -> str:
    return f"{failure.report.sqlstate} {failure.report.message}"


def _is_inside(gap: Gap, failure: Failure) -> bool:
    span = gap.span
    return span is not None and span.path == failure.path and failure.start <= span.start < failure.end


def read_both(server: Server, sources: Sequence[Source], platform: Platform) -> Readings:
    """Runs files on a fresh database of the platform, and replays them."""
    with server.database() as database:
        outcome = run_scripts(server, database, map(script_of, sources))
        with server.connect(database, server.superuser) as session:
            catalog = read_catalog(session, platform.managed_schemas)
    return Readings(replay(sources, platform), catalog, outcome.failures)


def differences(replayed: Schema, catalog: Schema) -> list[Difference]:
    """Where the replayed schema is not what the catalog says, fact by fact."""
    return list(_differences(replayed, catalog))


def _differences(replayed: Schema, catalog: Schema) -> Iterator[Difference]:
    for part in ("tables", "views", "functions", "enums", "domains", "composites", "extensions"):
        yield from _of_objects(part.removesuffix("s"), getattr(replayed, part), getattr(catalog, part))
    brought = {*replayed.extensions.values(), *catalog.extensions.values()}
    yield from _of_objects("schema", _namespaces(replayed, brought), _namespaces(catalog, brought))
    roles = {name: role for name, role in catalog.roles.items() if name in replayed.roles or not role.superuser}
    yield from _of_objects("role", replayed.roles, roles)


def _of_objects(kind: str, replayed: Mapping[Any, Any], catalog: Mapping[Any, Any]) -> Iterator[Difference]:
    for name in sorted(replayed.keys() | catalog.keys()):
        bare = name if isinstance(name, str) else name.name
        left, right = ({name: things[name]} if name in things else {} for things in (replayed, catalog))
        yield from (Difference(bare, text) for text in _of_maps(kind, left, right))


def _namespaces(schema: Schema, brought: set[str]) -> dict[str, Any]:
    """The schemas that no extension made; what a script of an extension does to its own, no replay reads."""
    return {
        name: space
        for name, space in schema.namespaces.items()
        if name not in brought - {"public", "extensions"} and name not in ("net", "cron")
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
