"""`referee check --exact`: the facts come from a throw-away server, the places from the replay."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace

from referee.errors import ReadError
from referee.identity import identify
from referee.model.diagnosis import Diagnosis, Notice
from referee.model.origins import Gap, Origins
from referee.model.source import Source, Span
from referee.platforms import Platform
from referee.postgres.guest import GuestServer, use_server
from referee.postgres.programs import Programs, find_programs
from referee.postgres.scripts import Failure, Outcome, Script, run_scripts
from referee.postgres.server import Server, start_server
from referee.read.catalog import read_catalog
from referee.read.fixtures import read_sources
from referee.read.projects import shown
from referee.read.texts import read_text
from referee.workflow.check import Reading, diagnose, identity_options, read, subject_of, with_fixtures
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.scripts import script_of, seed_of

# What a replay cannot know and a server knows; the rest of its gaps holds for both.
_SETTLED = frozenset({"syntax", "would-fail", "missing-object", "dynamic-sql", "conditional", "unsupported", "data"})
_UNDEFINED_TABLE = "42P01"


def check_exact(
    path: str | os.PathLike[str] = ".",
    config: Config | None = None,
    programs: Programs | str | None = None,
    server_url: str | None = None,
) -> Diagnosis:
    """Every finding in the migrations at ``path``, run for real as the platform's migration role, seeds behind them.

    Statements that the server refuses are gaps with their SQLSTATE; the run goes on behind them. ``programs`` are
    Postgres programs to use instead of the embedded ones: found already, or their folder, or "auto" for installed ones
    of the project's version. ``server_url`` points to a server where a scratch database is made instead, and dropped
    after. Raises UsageError for programs that are not there, ReadError, ConfigError, and ServerError where no server
    can be had.
    """
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
        around = _Around(reading)
        if isinstance(programs, str):
            programs = find_programs(programs, reading.migrations.major_version)
        with _server(reading.platform, programs, server_url) as server, server.database() as database:
            outcome = run_scripts(server, database, around.scripts())
            with server.connect(database, server.superuser) as session:
                schema = read_catalog(session, reading.platform.managed_schemas)
            notices = tuple(_notices(reading, server, outcome))
        gaps = (*_gaps(reading, outcome), *around.gaps)
        facts = replace(reading.replayed, schema=schema, gaps=gaps, origins=around.origins())
        facts, fixtures = with_fixtures(reading, facts, config)
        facts = replace(facts, gaps=tuple(dict.fromkeys(facts.gaps)))
        found = identify(schema, identity_options(config, reading.platform))
        return diagnose(subject_of(reading), facts, found, config, notices, fixtures)


def _server(
    platform: Platform, programs: Programs | None, url: str | None
) -> AbstractContextManager[Server | GuestServer]:
    return start_server(platform, programs) if url is None else use_server(url, platform)


class _Around:
    """What a reset of the database runs besides the migrations: the project's roles before them, its seeds after."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.gaps: list[Gap] = []
        self.roles = self._roles(reading.migrations.roles_file)
        # Seeds that cannot be read are told where seeds and tests are read for their own sake.
        self.seeds = [source for kind, source in read_sources(reading.migrations)[0] if kind == "seed"]

    def _roles(self, path: str | None) -> list[Source]:
        if path is None:
            return []
        try:
            return [Source(shown(path), read_text(path, shown(path)))]
        except ReadError as error:
            self.gaps.append(Gap("skipped-file", str(error)))
            return []

    def scripts(self) -> list[Script]:
        """Everything, in the order that it runs in."""
        before = [script_of(source) for source in (*self.roles, *self.reading.migrations.files)]
        return before + [seed_of(source) for source in self.seeds]

    def origins(self) -> Origins:
        """The replay's places, and the texts in which further ones may be."""
        origins = self.reading.replayed.origins
        more = {source.path: source for source in (*self.roles, *self.seeds)}
        return replace(origins, sources={**more, **origins.sources})


def _gaps(reading: Reading, outcome: Outcome) -> Iterator[Gap]:
    yield from (gap for gap in reading.replayed.gaps if gap.kind not in _SETTLED)
    creators = _creators(reading)
    for failure in outcome.failures:
        yield _gap(failure, creators)
    for span in outcome.left_alone:
        yield Gap("unsupported", "not run, for it changes a role of a server that referee is a guest on", span)


def _gap(failure: Failure, creators: Mapping[str, list[str]]) -> Gap:
    report = failure.report
    message = f"{report.message} ({report.sqlstate})"
    if report.sqlstate == _UNDEFINED_TABLE:
        message += _who_creates(report.message, failure.path, creators)
    return Gap("would-fail", message, Span(failure.path, failure.place, failure.end))


def _creators(reading: Reading) -> Mapping[str, list[str]]:
    """The files that create a table, by its bare name: the message of a server holds no more."""
    found: dict[str, list[str]] = {}
    for ref, spans in reading.replayed.origins.statements.items():
        if ref.kind == "table" and spans:
            found.setdefault(ref.name, []).append(spans[0].path)
    return found


def _who_creates(message: str, path: str, creators: Mapping[str, list[str]]) -> str:
    quoted = message.split('"')
    name = quoted[1].rpartition(".")[2] if len(quoted) > 2 else ""
    later = [file for file in creators.get(name, ()) if file > path]
    if later:
        return f"; {later[0]} creates it later"
    return "" if creators.get(name) else "; no file creates it"


def _notices(reading: Reading, server: Server | GuestServer, outcome: Outcome) -> Iterator[Notice]:
    yield from (Notice(message) for message in reading.migrations.notices)
    wanted = reading.migrations.major_version
    if wanted is not None and wanted != server.major:
        versions = f"The project runs PostgreSQL {wanted}; this was checked on {server.major}"
        yield Notice(f"{versions}, so that what differs between them is unverified.")
    if outcome.stand_ins:
        names = ", ".join(outcome.stand_ins)
        yield Notice(f"Imitated on this server, so that what rests on them is unverified: {names}.")
