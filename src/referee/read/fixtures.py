"""Reads seeds and tests: which tables they fill by hand, in whose name, and what they switch off for that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from referee.errors import ReadError
from referee.model.fixtures import Bypass, Fill, FixtureFile, FixtureKind, Fixtures
from referee.model.names import Ref
from referee.model.origins import Gap, Origins, Place
from referee.model.schema import Schema
from referee.model.source import Source, Span
from referee.platforms import Platform
from referee.read.projects import Migrations, shown
from referee.read.texts import read_text
from referee.sql.resolve import resolve_table
from referee.sql.rows import Called, Disabled, Event, Set, Wrote, constant, events, takes_role
from referee.sql.tree import TableUse

# Helpers of usebasejump/supabase-test-helpers, which projects call without having their text: the role that a call
# takes, None for the one that runs the tests.
_KNOWN_ROLES: Mapping[str, str | None] = {
    "authenticate_as": "authenticated",
    "authenticate_as_service_role": "service_role",
    "clear_authentication": "anon",
}
_KNOWN_MAKERS = frozenset({"create_supabase_user"})
#: A role that is put together at run time; it is some user's.
_SOME_ROLE = "authenticated"
_REPLICA = "session_replication_role"


def read_sources(migrations: Migrations) -> tuple[list[tuple[FixtureKind, Source]], list[Gap]]:
    """The seeds and SQL tests of a project, and a gap for each file that cannot be read."""
    found: list[tuple[FixtureKind, Source]] = []
    gaps: list[Gap] = []
    kinds: tuple[tuple[FixtureKind, Sequence[str]], ...] = (
        ("seed", migrations.seed_files),
        ("test", migrations.test_files),
    )
    for kind, paths in kinds:
        for path in paths:
            try:
                found.append((kind, Source(shown(path), read_text(path, shown(path)))))
            except ReadError as error:
                gaps.append(Gap("skipped-file", str(error)))
    return found, gaps


def read_fixtures(sources: Iterable[tuple[FixtureKind, Source]], schema: Schema, platform: Platform) -> Fixtures:
    """What these files do, their names looked up in the schema that the migrations build."""
    found = [(kind, source, list(events(source.text))) for kind, source in sources]
    helpers = _helpers([event for _, _, file_events in found for event in file_events], schema, platform)
    readers = [_Reader(kind, source, schema, platform, helpers) for kind, source, _ in found]
    files = [reader.read(file_events) for reader, (_, _, file_events) in zip(readers, found, strict=True)]
    anchors = {ref: span for reader in readers for ref, span in reader.anchors.items()}
    return Fixtures(tuple(files), Origins({source.path: source for _, source, _ in found}, anchors))


@dataclass(frozen=True, slots=True)
class _Helper:
    """What a call of a function does: whether it makes an account, and the role that it leaves behind."""

    makes_user: bool = False
    takes_role: bool = False
    role: str | None = None


def _helpers(found: Iterable[Event], schema: Schema, platform: Platform) -> Mapping[str, _Helper]:
    """The functions of all files, by their bare names: a helper is defined in one file and called in the others."""
    helpers = {name: _Helper(takes_role=True, role=role) for name, role in _KNOWN_ROLES.items()}
    helpers |= {name: _Helper(makes_user=True) for name in _KNOWN_MAKERS}
    for event in found:
        if not event.unit:
            continue
        name = event.unit.rpartition(".")[2]
        known = helpers.get(name, _Helper())
        if isinstance(event, Set) and takes_role(event):
            helpers[name] = _Helper(known.makes_user, True, _role(event, platform))
        elif isinstance(event, Wrote) and _fills_source(event, schema, platform):
            helpers[name] = _Helper(True, known.takes_role, known.role)
    return helpers


def _fills_source(event: Wrote, schema: Schema, platform: Platform) -> bool:
    source = platform.identity_source
    use = event.query.target
    return (
        source is not None
        and use is not None
        and event.query.action == "insert"
        and resolve_table(schema, _path(event, platform), use) == source.table
    )


def _path(event: Wrote, platform: Platform) -> tuple[str, ...]:
    path = platform.migration_path if event.path is None else event.path
    return tuple(name for name in path if name != "$user")


def _role(event: Set, platform: Platform) -> str | None:
    """Whom a role setting makes of a session; None for those whom no policy binds."""
    if event.value is ...:
        return _SOME_ROLE
    return None if event.value in (None, platform.superuser, platform.migration_role) else str(event.value)


@dataclass
class _Reader:
    """Goes through the events of one file."""

    kind: FixtureKind
    source: Source
    schema: Schema
    platform: Platform
    helpers: Mapping[str, _Helper]
    anchors: dict[Ref, Span] = field(default_factory=dict)
    role: str | None = None
    roles: set[str] = field(default_factory=set)
    makers: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    bypasses: list[Bypass] = field(default_factory=list)
    first: Place | None = None

    def read(self, found: Iterable[Event]) -> FixtureFile:
        for event in found:
            self._take(event)
        return FixtureFile(
            self.source.path,
            self.kind,
            tuple(self.fills),
            tuple(self.bypasses),
            frozenset(self.roles),
            frozenset(self.makers),
            frozenset(self.calls),
            self.first,
        )

    def _take(self, event: Event) -> None:
        if isinstance(event, Wrote):
            self._write(event)
        elif isinstance(event, Disabled):
            self._disable(event)
        elif isinstance(event, Called):
            self._call(event)
        elif takes_role(event):
            self._become(_role(event, self.platform), event.unit)
        elif event.name == _REPLICA and str(event.value).lower() == "replica":
            self.bypasses.append(Bypass("replica", self._place(event)))

    def _become(self, role: str | None, unit: str) -> None:
        if role is not None:
            self.roles.add(role)
        if not unit:
            self.role = role

    def _call(self, event: Called) -> None:
        if not event.unit:
            self.calls.add(event.name)
        helper = self.helpers.get(event.name)
        if helper is None:
            return
        if helper.makes_user:
            self.makers.add(event.unit or self.source.path)
        if helper.takes_role:
            self._become(helper.role, event.unit)

    def _write(self, event: Wrote) -> None:
        query, use = event.query, event.query.target
        if use is None:
            return
        table = resolve_table(self.schema, _path(event, self.platform), use)
        if table is None:
            return
        unit = event.unit or self.source.path
        place = self._place(event)
        self.first = self.first or place
        if query.action != "insert":
            return
        if _fills_source(event, self.schema, self.platform):
            self.makers.add(unit)
        values = {one.column: constant(one.value) for one in query.assignments} if query.columns_given else None
        conflict = query.on_conflict.action if query.on_conflict is not None else ""
        self.fills.append(Fill(table, place, unit, values, conflict, None if event.unit else self.role))

    def _disable(self, event: Disabled) -> None:
        table = resolve_table(self.schema, self.platform.migration_path, TableUse(event.schema, event.table))
        if table is not None:
            self.bypasses.append(Bypass("triggers", self._place(event), table, event.trigger))

    def _place(self, event: Event) -> Place:
        ref = Ref("file", "", self.source.path, str(event.start))
        self.anchors[ref] = Span(self.source.path, event.start, event.end)
        return Place(ref)


def merged(origins: Origins, fixtures: Origins) -> Origins:
    """The places of both."""
    return Origins(
        {**origins.sources, **fixtures.sources},
        {**origins.anchors, **fixtures.anchors},
        origins.statements,
        origins.bodies,
        origins.definitions,
    )
