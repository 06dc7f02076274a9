"""The two sides of a comparison: a project, a live database, a schema dump or a snapshot, each read into a world."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from referee.compare import Migration, Texts, World
from referee.compare.sight import blinded
from referee.compare.snapshot import read_snapshot
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
from referee.read.projects import find_migrations, shown
from referee.read.replay import replay
from referee.read.supabase import MIGRATION
from referee.read.texts import read_text
from referee.sql.split import split
from referee.workflow.check import identity_options
from referee.workflow.config import Config
from referee.workflow.contributions import Contributions
from referee.workflow.database import read_live
from referee.workflow.host import host_of
from referee.workflow.journals import without_journals
from referee.workflow.scripts import script_of

_URL = re.compile(r"\s*postgres(?:ql)?(?:\+\w+)?://|(?:^|\s)(?:host|hostaddr|service|dbname)\s*=", re.IGNORECASE)
_DUMP = re.compile(r"^-- PostgreSQL database dump|^SELECT pg_catalog\.set_config\('search_path'", re.MULTILINE)
_OWN_AUTH = re.compile(r"^create schema (?:if not exists )?\"?auth\"?", re.IGNORECASE | re.MULTILINE)
# Gaps that leave no fact of a schema unknown.
_HARMLESS = frozenset(("skipped-file", "data", "function-body"))
_SHOWN = 5


def is_url(text: str) -> bool:
    """Whether a subject is a database, as libpq is told of one."""
    return _URL.search(text) is not None


@dataclass(frozen=True)
class Reading:
    """A side as it was read. ``texts`` gives the statements of objects; ``not_seen`` is what could not be known.

    ``blind`` names the parts of the catalog that were left out of ``world``; ``origins`` are those of files.
    """

    subject: Subject
    world: World
    texts: Callable[[Sequence[Ref]], Texts]
    not_seen: tuple[str, ...] = ()
    blind: frozenset[str] = frozenset()
    origins: Origins = field(default_factory=Origins)


@dataclass(frozen=True)
class Options:
    """How sides are read. ``exact`` runs projects on a throw-away server, with these ``programs`` if any."""

    config: Config
    exact: bool = False
    programs: Programs | None = None
    password: str | None = None


@dataclass(frozen=True)
class _Frame:
    """What both sides have in common.

    ``name`` is the platform, ``host`` the platform as the project among them has it (None until that is known).
    ``blind`` are the parts that one of them could not see, ``left_out`` the rules that need those.
    """

    config: Config
    name: Literal["supabase", "plain"]
    host: Platform | None = None
    blind: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    def platform(self) -> Platform:
        return self.host or platform(self.name)

    def world(self, schema: Schema, host: Platform, history: tuple[Migration, ...] | None, server: int | None) -> World:
        """What is known of a side, its namespaces marked as the platform has them.

        Dumps and older snapshots hold the journals of repairs; like those of databases they are no difference.
        """
        schema = without_journals(schema)
        spaces = {
            name: replace(space, managed=name in host.managed_schemas) for name, space in schema.namespaces.items()
        }
        seen = blinded(replace(schema, namespaces=spaces), self.blind)
        identities = identify(seen, identity_options(self.config, host))
        return World(seen, identities, host, tuple(self._problems(seen, identities)), history, server)

    def _problems(self, schema: Schema, identities: Identities) -> Iterator[tuple[str, Problem]]:
        for rule in self.config.rules:
            if rule.id in self.left_out:
                continue
            severity = self.config.severity.get(rule.id)
            for problem in rule.check(schema, identities):
                yield rule.id, problem if severity is None else replace(problem, severity=severity)


def read_sides(subjects: Sequence[str], options: Options, stack: ExitStack) -> list[Reading]:
    """Reads each subject; what stays open for later questions is closed by ``stack``.

    All sides run on one platform: the configured one, else Supabase where any of them looks like it. What one of them
    could not see is left out of all. Raises UsageError, ReadError and ServerError.
    """
    sides = [_side(subject, options, stack) for subject in subjects]
    config = options.config
    if config.platform != "auto":
        name = config.platform
    else:
        name = "supabase" if any(side.looks_like == "supabase" for side in sides) else "plain"
    # What a project says about its host (the schemas of its API) holds for the databases beside it.
    host = next((side.host(name) for side in sides if isinstance(side, _Files)), None)
    blind = frozenset[str]().union(*(side.unseen for side in sides))
    left_out = frozenset[str]().union(*(side.left_out for side in sides))
    return [side.read(_Frame(config, name, host, blind, left_out)) for side in sides]


def _side(subject: str, options: Options, stack: ExitStack) -> _Side:
    if is_url(subject):
        return _Live(subject, options, stack)
    if os.path.isfile(subject) and subject.lower().endswith(".json"):
        return _Kept(subject)
    return _Files(subject, options)


def _looks_like(schema: Schema) -> str:
    """The platform that a schema looks like: Supabase where its table of users is there."""
    source = SUPABASE.identity_source
    return "supabase" if source is not None and source.table in schema.tables else "plain"


class _Side(ABC):
    """One side before it is known what the other is."""

    unseen: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def looks_like(self) -> str: ...

    @abstractmethod
    def read(self, frame: _Frame) -> Reading: ...


class _Live(_Side):
    """A live database."""

    def __init__(self, url: str, options: Options, stack: ExitStack) -> None:
        self.url = url
        self.password = options.password
        self.stack = stack
        live = read_live(url, options.config, options.password)
        self.schema = live.schema
        self.unseen = frozenset([unseen.what for unseen in live.unseen])
        self.left_out = live.rules_to_leave_out()
        self.not_seen = tuple([f"{describe(url)}: {gap.message}" for gap in live.gaps(options.config)])

    @property
    def looks_like(self) -> str:
        return _looks_like(self.schema)

    @cached_property
    def session(self) -> Session:
        """A session for what the catalog does not tell, opened when it is needed."""
        password = self.password
        opened = connect(self.url) if password is None else connect(self.url, password=password)
        return self.stack.enter_context(opened)

    def read(self, frame: _Frame) -> Reading:
        host = frame.platform()
        history, reason = self._history()
        major = self.session.major
        world = frame.world(self.schema, host, history, major)
        subject = Subject("database", describe(self.url), host.name, major, len(world.schema.own_tables))
        told = (*self.not_seen, *([reason] if reason else ()))
        return Reading(subject, world, self._texts, told, frame.blind)

    def _history(self) -> tuple[tuple[Migration, ...] | None, str]:
        """The history of migrations, None without one, and why it could not be read."""
        if not any(str(name) == HISTORY for name in self.schema.tables):
            return None, ""
        try:
            with self.session.read_only():
                found = read_history(self.session)
        except FailedStatementError as error:
            return None, f"{describe(self.url)}: the history of migrations ({error.report.message})"
        return tuple([Migration(*entry) for entry in found]), ""

    def _texts(self, refs: Sequence[Ref]) -> Texts:
        with self.session.read_only():
            return dict(read_definitions(self.session, refs))


class _Kept(_Side):
    """A snapshot."""

    def __init__(self, path: str) -> None:
        self.name = shown(path)
        self.snapshot = read_snapshot(read_text(path, self.name), self.name)

    @property
    def looks_like(self) -> str:
        return self.snapshot.platform

    def read(self, frame: _Frame) -> Reading:
        host, kept = frame.platform(), self.snapshot
        world = frame.world(kept.schema, host, kept.history, kept.server)
        world = replace(world, has_run=kept.kind == "database")
        subject = Subject("snapshot", self.name, host.name, kept.server, len(world.schema.own_tables))
        return Reading(subject, world, self._texts, blind=frame.blind)

    def _texts(self, refs: Sequence[Ref]) -> Texts:
        texts = self.snapshot.texts
        return {ref: texts[str(ref)] for ref in refs if str(ref) in texts}


class _Files(_Side):
    """A project, a folder of files, or one file, which may be a dump."""

    def __init__(self, path: str, options: Options) -> None:
        config = options.config
        self.options = options
        self.migrations = find_migrations(
            path,
            excludes=excluder(config.exclude, str(config.exclude_base)),
            declarative=config.declarative,
            all_files=config.all_files,
        )
        text = self.migrations.files[0].text if self.migrations.kind == "file" else ""
        self.is_dump = _DUMP.search(text) is not None
        #: Whether the file makes what the platform would bring.
        self.has_own_auth = _OWN_AUTH.search(text) is not None
        self.is_hosts = self.has_own_auth and "supabase_auth_admin" in text

    @property
    def looks_like(self) -> str:
        return "supabase" if self.is_hosts else self.migrations.platform

    def host(self, name: Literal["supabase", "plain"]) -> Platform:
        """The platform with what the project says about it."""
        return host_of(self.migrations, replace(self.options.config, platform=name))

    def read(self, frame: _Frame) -> Reading:
        host = self.host(frame.name)
        schema, origins, gaps = self._built(self._runs_on(host))
        if self.is_dump:
            # A dump makes what the platform has made before; that is no loss.
            gaps = [gap for gap in gaps if not gap.message.endswith("already exists")]
        unknown = frozenset([gap.object.owner for gap in gaps if gap.kind == "unsupported" and gap.object is not None])
        world = replace(frame.world(schema, host, self._history(), None), unknown=unknown, has_run=False)
        kind: Literal["project", "dump"] = "dump" if self.is_dump else "project"
        subject = Subject(kind, self.migrations.name, host.name, None, len(world.schema.own_tables))
        told = tuple(_told(gaps, origins, subject.name))
        return Reading(subject, world, lambda refs: _written(refs, origins), told, frame.blind, origins)

    def _runs_on(self, host: Platform) -> Platform:
        """The platform on which the files run: a dump names its owners, so its superuser runs it."""
        if self.has_own_auth:
            return replace(host, files=(), modes={"bare": ()}, migration_role=host.superuser)
        return replace(host, migration_role=host.superuser) if self.is_dump else host

    def _built(self, host: Platform) -> tuple[Schema, Origins, Sequence[Gap]]:
        with Contributions(self.options.config.cache) as contributions:
            replayed = replay(self.migrations.files, host, contributions.script)
        if not self.options.exact:
            return replayed.schema, replayed.origins, replayed.gaps
        with start_server(host, self.options.programs) as server, server.database() as database:
            outcome = run_scripts(server, database, [script_of(source) for source in self.migrations.files])
            with server.connect(database, server.superuser) as session:
                schema = read_catalog(session, host.managed_schemas)
        failures = [Gap("would-fail", f"{one.report.message} ({one.report.sqlstate})") for one in outcome.failures]
        return schema, replayed.origins, failures

    def _history(self) -> tuple[Migration, ...] | None:
        """The migrations that the files are, where their names hold versions."""
        if self.migrations.kind != "supabase" or self.migrations.declarative:
            return None
        named = [(MIGRATION.fullmatch(os.path.basename(one.path)), one.text) for one in self.migrations.files]
        return tuple(
            [
                Migration(name[1], name[2], tuple([cut.text(text) for cut in split(text)]))
                for name, text in named
                if name is not None
            ]
        )


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
    """What the reading of files could not know, the first few of it."""
    unknown = [gap for gap in gaps if gap.kind not in _HARMLESS]
    for gap in unknown[:_SHOWN]:
        location = origins.locate(gap.span) if gap.span is not None else None
        yield f"{f'{location.file}:{location.line}' if location is not None else name}: {gap.message}"
    if len(unknown) > _SHOWN:
        yield f"{name}: {len(unknown) - _SHOWN} more statements were not understood (`referee check` lists them)"
