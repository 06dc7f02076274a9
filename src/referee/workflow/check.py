"""`referee check`: from the files of a project to the findings in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from referee.identity import IdentityOptions, identify
from referee.model.diagnosis import Diagnosis, Notice, Subject
from referee.model.finding import Finding, Problem
from referee.model.identity import Identities
from referee.model.origins import Origins
from referee.model.schema import Schema
from referee.platforms import Platform
from referee.read.globs import excluder
from referee.read.projects import Migrations, find_migrations
from referee.read.replay import Replayed, replay
from referee.workflow.baseline import compare, read_baseline
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.host import host_of
from referee.workflow.locate import in_order, locate
from referee.workflow.suppress import suppress


@dataclass(frozen=True)
class Reading:
    """A project as it was read: its files, what they build, and who is who in it."""

    migrations: Migrations
    platform: Platform
    replayed: Replayed
    identities: Identities


def check(path: str | os.PathLike[str] = ".", config: Config | None = None) -> Diagnosis:
    """Every finding in the migrations at ``path``: a repository, a ``supabase`` folder, a folder of .sql files or one
    file.

    ``config`` is what ``read_config(path)`` finds unless it is given. Raises ReadError for what cannot be read and
    ConfigError for a faulty configuration; what cannot be understood is in the result's ``gaps``.
    """
    config = config if config is not None else read_config(path)
    reading = read(path, config)
    findings = examine(reading.replayed.schema, reading.identities, reading.replayed.origins, config)
    return _diagnose(reading, findings, config)


def identities(path: str | os.PathLike[str] = ".", config: Config | None = None) -> Diagnosis:
    """Who owns, mirrors, references and writes each identity of a project: a diagnosis for which no rule ran."""
    config = config if config is not None else read_config(path)
    return _diagnose(read(path, config), (), replace(config, select=(), baseline=None))


def read(path: str | os.PathLike[str], config: Config) -> Reading:
    """Reads, replays and identifies; judges nothing."""
    migrations = find_migrations(
        path,
        excludes=excluder(config.exclude, str(config.exclude_base)),
        declarative=config.declarative,
        all_files=config.all_files,
    )
    host = host_of(migrations, config)
    with Contributions(config.cache) as contributions:
        replayed = replay(migrations.files, host, contributions.script)
        found = identify(replayed.schema, _identity_options(config, host))
        return Reading(migrations, host, replayed, found)


def examine(schema: Schema, identities: Identities, origins: Origins, config: Config) -> tuple[Finding, ...]:
    """The findings of the configured rules, in order."""
    return in_order(locate(rule, problem, origins) for rule, problem in _problems(schema, identities, config))


def _problems(schema: Schema, identities: Identities, config: Config) -> Iterator[tuple[str, Problem]]:
    for rule in config.rules:
        severity = config.severity.get(rule.id)
        for problem in rule.check(schema, identities):
            yield rule.id, problem if severity is None else replace(problem, severity=severity)


def _diagnose(reading: Reading, findings: tuple[Finding, ...], config: Config) -> Diagnosis:
    replayed, migrations = reading.replayed, reading.migrations
    ran = tuple(rule.id for rule in config.rules)
    suppression = suppress(findings, replayed.origins.sources.values(), ran)
    notices = [*(Notice(message) for message in migrations.notices), *suppression.notices]
    left, baselined = suppression.findings, 0
    if config.baseline is not None:
        comparison = compare(left, read_baseline(config.baseline), ran)
        left, baselined = comparison.findings, comparison.baselined
        notices.extend(comparison.notices)
    return Diagnosis(
        replayed.schema,
        reading.identities,
        replayed.origins,
        left,
        (*migrations.skipped, *replayed.gaps),
        Subject(
            migrations.kind,
            migrations.name,
            reading.platform.name,
            len(migrations.files),
            replayed.statements,
            len(replayed.schema.own_tables),
            ran,
        ),
        suppression.suppressed,
        baselined,
        tuple(notices),
    )


def _identity_options(config: Config, host: Platform) -> IdentityOptions:
    return IdentityOptions(host, config.sources, tuple(canonical.target for canonical in config.canonical))
