"""Reads seeds and tests: which tables they fill by hand, in whose name, and what they switch off for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from referee.code.pieces import CodeSyntaxError
from referee.errors import ReadError
from referee.model.fixtures import Bypass, Fill, FixtureFile, FixtureKind, Fixtures
from referee.model.names import Ref
from referee.model.origins import Gap, Origins, Place
from referee.model.schema import Schema
from referee.model.source import Source, Span
from referee.platforms import Platform
from referee.read.code_files import find_code
from referee.read.code_fixtures import RUNNERS, ByUser, CodeEvent, Filled, Made, SignedIn, code_events
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


@dataclass(frozen=True)
class FixtureText:
    """A seed or test, and what it does, in the order of its text."""

    kind: FixtureKind
    source: Source
    events: Sequence[CodeEvent]
    is_code: bool = False


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


def read_code(
    migrations: Migrations, excludes: Callable[[str], bool] = lambda path: False
) -> tuple[list[FixtureText], list[Gap]]:
    """The tests and seed scripts of a project in other languages, and a gap for each that cannot be read."""
    sources, gaps = find_code(migrations, excludes)
    found: list[FixtureText] = []
    for kind, source in sources:
        try:
            found.append(FixtureText(kind, source, code_events(source), is_code=True))
        except CodeSyntaxError as error:
            gaps.append(Gap("skipped-file", f"{source.path}:{error.line}: it is not valid Python: {error}"))
    return found, gaps


def read_fixtures(
    sources: Iterable[tuple[FixtureKind, Source]],
    schema: Schema,
    platform: Platform,
    code: Sequence[FixtureText] = (),
) -> Fixtures:
    """What these files do, SQL and program text, their names looked up in the schema that the migrations build."""
    texts = [FixtureText(kind, source, list(events(source.text))) for kind, source in sources]
    texts += code
    helpers = _helpers(texts, schema, platform)
    readers = [_Reader(text, schema, platform, helpers) for text in texts]
    files = [reader.read() for reader in readers]
    anchors = {ref: span for reader in readers for ref, span in reader.anchors.items()}
    return Fixtures(tuple(files), Origins({text.source.path: text.source for text in texts}, anchors))


@dataclass(frozen=True, slots=True)
class _Helper:
    """What a call of a function does: whether it makes an account, and the role that it leaves behind."""

    makes_user: bool = False
    takes_role: bool = False
    role: str | None = None


def _helpers(texts: Iterable[FixtureText], schema: Schema, platform: Platform) -> Mapping[str, _Helper]:
    """The functions of all files, by their bare names: a helper is defined in one file and called in the others."""
    helpers = {name: _Helper(takes_role=True, role=role) for name, role in _KNOWN_ROLES.items()}
    helpers |= {name: _Helper(makes_user=True) for name in _KNOWN_MAKERS}
    for event in [event for text in texts for event in text.events]:
        if isinstance(event, ByUser) or not event.unit or event.unit in RUNNERS:
            continue
        name = event.unit.rpartition(".")[2]
        known = helpers.get(name, _Helper())
        if isinstance(event, Set) and takes_role(event):
            helpers[name] = _Helper(known.makes_user, True, _role(event, platform))
        elif isinstance(event, Made) or (isinstance(event, Wrote) and _fills_source(event, schema, platform)):
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

    text: FixtureText
    schema: Schema
    platform: Platform
    helpers: Mapping[str, _Helper]
    anchors: dict[Ref, Span] = field(default_factory=dict)
    # Who writes, by unit: in SQL the file alone can say, in program text each function for itself.
    role_of: dict[str, str | None] = field(default_factory=dict)
    roles: set[str] = field(default_factory=set)
    makers: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    fills: list[Fill] = field(default_factory=list)
    bypasses: list[Bypass] = field(default_factory=list)
    first: Place | None = None

    @property
    def path(self) -> str:
        return self.text.source.path

    def read(self) -> FixtureFile:
        for event in self.text.events:
            self._take(event)
        return FixtureFile(
            self.path,
            self.text.kind,
            tuple(self.fills),
            tuple(self.bypasses),
            frozenset(self.roles),
            frozenset(self.makers),
            frozenset(self.calls),
            self.first,
            self.text.is_code,
        )

    def _take(self, event: CodeEvent) -> None:
        if isinstance(event, ByUser):
            self.roles.add(_SOME_ROLE)
            if isinstance(event.event, Wrote):
                self._write(event.event, _SOME_ROLE)
        elif isinstance(event, Wrote):
            self._write(event, self.role_of.get(event.unit))
        elif isinstance(event, Filled):
            self._fill(event)
        elif isinstance(event, Made):
            self.makers.add(event.unit or self.path)
        elif isinstance(event, SignedIn):
            self.roles.add(_SOME_ROLE)
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
        if not unit or self.text.is_code:
            self.role_of[unit] = role

    def _call(self, event: Called) -> None:
        if not event.unit:
            self.calls.add(event.name)
        helper = self.helpers.get(event.name)
        if helper is None:
            return
        if helper.makes_user:
            self.makers.add(event.unit or self.path)
        if helper.takes_role:
            self._become(helper.role, event.unit)

    def _write(self, event: Wrote, role: str | None) -> None:
        query, use = event.query, event.query.target
        if use is None:
            return
        table = resolve_table(self.schema, _path(event, self.platform), use)
        if table is None:
            return
        unit = event.unit or self.path
        place = self._place(event)
        self.first = self.first or place
        if query.action != "insert":
            return
        if _fills_source(event, self.schema, self.platform):
            self.makers.add(unit)
        values = {one.column: constant(one.value) for one in query.assignments} if query.columns_given else None
        conflict = query.on_conflict.action if query.on_conflict is not None else ""
        self.fills.append(Fill(table, place, unit, values, conflict, role))

    def _fill(self, event: Filled) -> None:
        table = resolve_table(self.schema, self.platform.api_path, TableUse(event.schema, event.table))
        if table is not None:
            place = self._place(event)
            self.first = self.first or place
            role = _SOME_ROLE if event.client == "user" else None
            is_sure = event.client != "unknown"
            unit = event.unit or self.path
            fill = Fill(table, place, unit, event.values, event.conflict, role, is_call=True, is_sure=is_sure)
            self.fills.append(fill)

    def _disable(self, event: Disabled) -> None:
        table = resolve_table(self.schema, self.platform.migration_path, TableUse(event.schema, event.table))
        if table is not None:
            self.bypasses.append(Bypass("triggers", self._place(event), table, event.trigger))

    def _place(self, event: Event | Filled) -> Place:
        ref = Ref("file", "", self.path, str(event.start))
        self.anchors[ref] = Span(self.path, event.start, event.end)
        return Place(ref)


def merged(origins: Origins, fixtures: Origins) -> Origins:
    """The places of both."""
    if not fixtures.sources and not fixtures.anchors:
        return origins
    return Origins(
        {**origins.sources, **fixtures.sources},
        {**origins.anchors, **fixtures.anchors},
        origins.statements,
        origins.bodies,
        origins.definitions,
        origins.root,
    )
