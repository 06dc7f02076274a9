"""The two sides of a comparison: a project, a live database, a schema dump or a snapshot, each read into a world."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from referee.compare import Migration, Texts, World
from referee.compare.snapshot import Snapshot, read_snapshot
from referee.identity import identify
from referee.model.comparison import Subject
from referee.model.finding import Problem
from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.origins import Gap, Origins
from referee.model.schema import Schema
from referee.platforms import SUPABASE, Platform, platform
from referee.postgres.programs import Programs
from referee.postgres.scripts import run_scripts
from referee.postgres.server import start_server
from referee.postgres.session import FailedStatementError, Session, connect, describe
from referee.read.catalog import read_catalog
from referee.read.definitions import HISTORY, read_definitions, read_history
from referee.read.globs import excluder
from referee.read.projects import Migrations, find_migrations, shown
from referee.read.replay import replay
from referee.read.supabase import MIGRATION
from referee.read.texts import read_text
from referee.sql.split import split
from referee.workflow.check import identity_options
from referee.workflow.config import Config
from referee.workflow.contributions import Contributions
from referee.workflow.host import host_of
from referee.workflow.scripts import script_of

_URL = re.compile(r"\s*postgres(?:ql)?(?:\+\w+)?://|(?:^|\s)(?:host|hostaddr|service|dbname)\s*=", re.IGNORECASE)
_DUMP = re.compile(r"^-- PostgreSQL database dump|^SELECT pg_catalog\.set_config\('search_path'", re.MULTILINE)
_OWN_AUTH = re.compile(r"^create schema (?:if not exists )?\"?auth\"?", re.IGNORECASE | re.MULTILINE)

# Gaps that leave no fact unknown.
_HARMLESS = frozenset(("skipped-file", "data", "function-body"))
_SHOWN = 5


def is_url(text: str) -> bool:
    """Whether a subject is a database, as libpq is told of one."""
    return _URL.search(text) is not None


@dataclass(frozen=True)
class Reading:
    """A side as it was read. ``texts`` gives the statements of objects; ``not_seen`` is what could not be known."""

    subject: Subject
    world: World
    texts: Callable[[Sequence[Ref]], Texts]
    not_seen: tuple[str, ...] = ()


class _Draft(Protocol):
    """A side that is known well enough to say what platform it looks like."""

    @property
    def looks_like(self) -> str: ...
    def read(self, host: Platform | None, name: str) -> Reading: ...


@dataclass(frozen=True)
class Options:
    """How sides are read. ``exact`` runs projects on a throw-away server; ``programs`` are its own."""

    config: Config
    exact: bool = False
    programs: Programs | None = None
    password: str | None = None


def read_sides(subjects: Sequence[str], options: Options, stack: ExitStack) -> list[Reading]:
    """Reads each subject; what stays open for later questions is closed by ``stack``.

    All sides run on one platform: the configured one, else Supabase where any of them looks like it.
    Raises UsageError, ReadError and ServerError.
    """
    drafts = [_draft(subject, options, stack) for subject in subjects]
    name = options.config.platform
    if name == "auto":
        name = "supabase" if any(draft.looks_like == "supabase" for draft in drafts) else "plain"
    readings = [draft.read(None, name) if isinstance(draft, _Files) else None for draft in drafts]
    # What a project says about its host (the schemas of its API) holds for the databases beside it.
    host = next((reading.world.platform for reading in readings if reading is not None), None)
    return [
        reading if reading is not None else draft.read(host, name)
        for draft, reading in zip(drafts, readings, strict=True)
    ]


def _draft(subject: str, options: Options, stack: ExitStack) -> _Draft:
    if is_url(subject):
        password = options.password
        session = connect(subject) if password is None else connect(subject, password=password)
        return _Live(subject, stack.enter_context(session), options)
    if os.path.isfile(subject) and subject.lower().endswith(".json"):
        return _Kept(shown(subject), read_snapshot(read_text(subject, shown(subject)), shown(subject)), options)
    return _Files(subject, options)


def looks_like(schema: Schema) -> str:
    """The platform that a schema looks like: Supabase where its table of users is there."""
    source = SUPABASE.identity_source
    return "supabase" if source is not None and source.table in schema.tables else "plain"


def _judged(schema: Schema, identities: Identities, config: Config) -> Iterator[tuple[str, Problem]]:
    for rule in config.rules:
        for problem in rule.check(schema, identities):
            severity = config.severity.get(rule.id)
            yield rule.id, problem if severity is None else replace(problem, severity=severity)


def _world(
    schema: Schema,
    host: Platform,
    config: Config,
    history: tuple[Migration, ...] | None,
    server: int | None,
) -> World:
    identities = identify(schema, identity_options(config, host))
    return World(schema, identities, host, tuple(_judged(schema, identities, config)), history, server)


def _marked(schema: Schema, host: Platform) -> Schema:
    """The schema with the platform's namespaces marked as such."""
    spaces = {name: replace(space, managed=name in host.managed_schemas) for name, space in schema.namespaces.items()}
    return replace(schema, namespaces=spaces)


# A live database


@dataclass(frozen=True)
class _Live:
    url: str
    session: Session
    options: Options
    schema: Schema

    def __init__(self, url: str, session: Session, options: Options) -> None:
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "session", session)
        object.__setattr__(self, "options", options)
        object.__setattr__(self, "schema", read_catalog(session))

    @property
    def looks_like(self) -> str:
        return looks_like(self.schema)

    def read(self, host: Platform | None, name: str) -> Reading:
        host = host or platform(name)
        history, reason = self._history()
        world = _world(_marked(self.schema, host), host, self.options.config, history, self.session.major)
        subject = Subject("database", describe(self.url), host.name, self.session.major, len(world.schema.own_tables))
        return Reading(subject, world, self._texts, (reason,) if reason else ())

    def _history(self) -> tuple[tuple[Migration, ...] | None, str]:
        """The history of migrations, None without one, and why it could not be read."""
        if not any(str(name) == HISTORY for name in self.schema.tables):
            return None, ""
        try:
            with self.session.read_only():
                found = read_history(self.session)
        except FailedStatementError as error:
            said = error.report.message
            return None, f"the history of migrations in {describe(self.url)} could not be read: {said}"
        return tuple(Migration(*entry) for entry in found), ""

    def _texts(self, refs: Sequence[Ref]) -> Texts:
        with self.session.read_only():
            return dict(read_definitions(self.session, refs))


# A snapshot


@dataclass(frozen=True)
class _Kept:
    name: str
    snapshot: Snapshot
    options: Options

    @property
    def looks_like(self) -> str:
        return self.snapshot.platform

    def read(self, host: Platform | None, name: str) -> Reading:
        host = host or platform(name)
        schema = _marked(self.snapshot.schema, host)
        kept = self.snapshot
        world = _world(schema, host, self.options.config, kept.history, kept.server)
        subject = Subject("snapshot", self.name, host.name, kept.server, len(world.schema.own_tables))
        return Reading(subject, world, self._texts)

    def _texts(self, refs: Sequence[Ref]) -> Texts:
        texts = self.snapshot.texts
        return {ref: texts[str(ref)] for ref in refs if str(ref) in texts}


# Files


@dataclass(frozen=True)
class _Files:
    path: str
    options: Options
    migrations: Migrations

    def __init__(self, path: str, options: Options) -> None:
        config = options.config
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "options", options)
        object.__setattr__(
            self,
            "migrations",
            find_migrations(
                path,
                excludes=excluder(config.exclude, str(config.exclude_base)),
                declarative=config.declarative,
                all_files=config.all_files,
            ),
        )

    @property
    def is_dump(self) -> bool:
        return self.migrations.kind == "file" and _DUMP.search(self.migrations.files[0].text) is not None

    @property
    def has_own_auth(self) -> bool:
        """Whether the file makes what the platform would bring."""
        return self.migrations.kind == "file" and _OWN_AUTH.search(self.migrations.files[0].text) is not None

    @property
    def looks_like(self) -> str:
        if self.has_own_auth and re.search(r"supabase_auth_admin", self.migrations.files[0].text):
            return "supabase"
        return self.migrations.platform

    def read(self, host: Platform | None, name: str) -> Reading:
        known: Literal["supabase", "plain"] = "supabase" if name == "supabase" else "plain"
        host = host or host_of(self.migrations, replace(self.options.config, platform=known))
        kind: Literal["project", "dump"] = "dump" if self.is_dump else "project"
        schema, origins, gaps, server = self._built(self._host_of_run(host))
        if self.has_own_auth:
            schema = _marked(schema, host)
        world = _world(schema, host, self.options.config, self._history(), server)
        subject = Subject(kind, self.migrations.name, host.name, server, len(world.schema.own_tables))
        if self.is_dump:
            # A dump makes what the platform has made before; that is no loss.
            gaps = [gap for gap in gaps if not gap.message.endswith("already exists")]
        return Reading(subject, world, lambda refs: _written(refs, origins), tuple(_told(gaps, origins, subject.name)))

    def _host_of_run(self, host: Platform) -> Platform:
        """The platform on which the files run: a dump names its owners, so its superuser runs it."""
        if self.has_own_auth:
            return replace(host, files=(), modes={"bare": ()}, migration_role=host.superuser)
        return replace(host, migration_role=host.superuser) if self.is_dump else host

    def _built(self, host: Platform) -> tuple[Schema, Origins, Sequence[Gap], int | None]:
        with Contributions(self.options.config.cache) as contributions:
            replayed = replay(self.migrations.files, host, contributions.script)
        if not self.options.exact:
            return replayed.schema, replayed.origins, replayed.gaps, None
        with start_server(host, self.options.programs) as server, server.database() as database:
            outcome = run_scripts(server, database, [script_of(source) for source in self.migrations.files])
            with server.connect(database, server.superuser) as session:
                schema = read_catalog(session, host.managed_schemas)
        gaps = [Gap("would-fail", f"{one.report.message} ({one.report.sqlstate})", None) for one in outcome.failures]
        return schema, replayed.origins, gaps, None

    def _history(self) -> tuple[Migration, ...] | None:
        """The migrations that the files are, where their names hold versions."""
        if self.migrations.kind != "supabase" or self.migrations.declarative:
            return None
        found = []
        for source in self.migrations.files:
            named = MIGRATION.fullmatch(os.path.basename(source.path))
            if named is not None:
                statements = tuple(cut.text(source.text) for cut in split(source.text))
                found.append(Migration(named[1], named[2], statements))
        return tuple(found)


def _written(refs: Sequence[Ref], origins: Origins) -> Texts:
    """The statements as they were written, from the last that made each object."""
    found: dict[Ref, str] = {}
    for ref in refs:
        for span in reversed(origins.statements.get(ref, ())):
            text = origins.sources[span.path].text[span.start : span.end]
            if text[:6].lower() == "create":
                found[ref] = text
                break
    return found


def _told(gaps: Iterable[Gap], origins: Origins, name: str) -> Iterator[str]:
    """What the reading of files could not know, a few of each kind."""
    unknown = [gap for gap in gaps if gap.kind not in _HARMLESS]
    for gap in unknown[:_SHOWN]:
        location = origins.locate(gap.span) if gap.span is not None else None
        yield f"{f'{location.file}:{location.line}' if location is not None else name}: {gap.message}"
    if len(unknown) > _SHOWN:
        yield f"{name}: {len(unknown) - _SHOWN} more statements were not understood (`referee check` lists them)"


__all__ = ["Options", "Reading", "is_url", "looks_like", "read_sides"]
