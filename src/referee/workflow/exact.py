"""`referee check --exact`: the facts come from a throw-away server, the places from the replay."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from referee.identity import identify
from referee.model.diagnosis import Diagnosis, Notice
from referee.model.origins import Gap
from referee.model.source import Span
from referee.postgres.programs import Programs
from referee.postgres.scripts import Failure, Outcome, run_scripts
from referee.postgres.server import Server, start_server
from referee.read.catalog import read_catalog
from referee.workflow.check import Reading, diagnose, identity_options, read, subject_of, with_fixtures
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.scripts import script_of

# What a replay cannot know and a server knows; the rest of its gaps holds for both.
_SETTLED = frozenset({"syntax", "would-fail", "missing-object", "dynamic-sql", "conditional", "unsupported", "data"})
_UNDEFINED_TABLE = "42P01"


def check_exact(
    path: str | os.PathLike[str] = ".", config: Config | None = None, programs: Programs | None = None
) -> Diagnosis:
    """Every finding in the migrations at ``path``, run for real as the platform's migration role.

    Statements that the server refuses are gaps with their SQLSTATE; the run goes on behind them. ``programs`` are
    Postgres programs to use instead of the embedded ones. Raises ReadError, ConfigError, and ServerError where no
    server starts.
    """
    config = config if config is not None else read_config(path)
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
        with start_server(reading.platform, programs) as server, server.database() as database:
            outcome = run_scripts(server, database, [script_of(source) for source in reading.migrations.files])
            with server.connect(database, server.superuser) as session:
                schema = read_catalog(session, reading.platform.managed_schemas)
            notices = tuple(_notices(reading, server, outcome))
        facts = replace(reading.replayed, schema=schema, gaps=tuple(_gaps(reading, outcome)))
        facts, fixtures = with_fixtures(reading, facts, config)
        found = identify(schema, identity_options(config, reading.platform))
        return diagnose(subject_of(reading), facts, found, config, notices, fixtures)


def _gaps(reading: Reading, outcome: Outcome) -> Iterator[Gap]:
    yield from (gap for gap in reading.replayed.gaps if gap.kind not in _SETTLED)
    creators = _creators(reading)
    for failure in outcome.failures:
        yield _gap(failure, creators)
    for span in outcome.left_alone:
        yield Gap("skipped-file", "a role of a server that belongs to somebody else would have been changed", span)


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


def _notices(reading: Reading, server: Server, outcome: Outcome) -> Iterator[Notice]:
    yield from (Notice(message) for message in reading.migrations.notices)
    wanted, major = reading.migrations.major_version, int(server.version.partition(".")[0])
    if wanted is not None and wanted != major:
        yield Notice(f"The project runs PostgreSQL {wanted}; this was checked on {major}.")
    if outcome.stand_ins:
        names = ", ".join(outcome.stand_ins)
        yield Notice(f"Imitated on this server, so that what rests on them is unverified: {names}.")
