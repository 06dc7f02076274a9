"""`referee check`: from the files of a project to the findings in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from referee.identity import IdentityOptions, identify
from referee.model.diagnosis import Diagnosis, Notice, Subject
from referee.model.finding import Finding, Problem
from referee.model.fixtures import Fixtures
from referee.model.history import History
from referee.model.identity import Identities
from referee.model.origins import Gap, Origins
from referee.model.schema import Schema
from referee.platforms import Platform
from referee.read.fixtures import merged, read_code, read_fixtures, read_sources
from referee.read.globs import excluder
from referee.read.projects import Migrations, find_migrations
from referee.read.replay import Replayed, replay
from referee.rules import FixtureRule, PlanRule
from referee.workflow.baseline import compare, read_baseline
from referee.workflow.config import Config, read_config
from referee.workflow.contributions import Contributions
from referee.workflow.doubts import Doubts
from referee.workflow.host import host_of
from referee.workflow.locate import in_order, locate_all
from referee.workflow.suppress import suppress
from referee.workflow.unheeded import unheeded


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
    # Rules read function bodies too, so the cache closes behind them.
    with Contributions(config.cache) as contributions:
        reading = read(path, config, contributions)
        facts, fixtures = with_fixtures(reading, reading.replayed, config)
        return diagnose(subject_of(reading), facts, reading.identities, config, _notices(reading), fixtures)


def identities(path: str | os.PathLike[str] = ".", config: Config | None = None) -> Diagnosis:
    """Who owns, mirrors, references and writes each identity of a project: a diagnosis for which no rule ran."""
    config = config if config is not None else read_config(path)
    return check(path, replace(config, select=(), ignore=(), baseline=None))


def read(path: str | os.PathLike[str], config: Config, contributions: Contributions | None = None) -> Reading:
    """Reads, replays and identifies; judges nothing."""
    migrations = find_migrations(
        path,
        excludes=excluder(config.exclude, str(config.exclude_base)),
        declarative=config.declarative,
        all_files=config.all_files,
    )
    return read_files(migrations, config, contributions)


def read_files(migrations: Migrations, config: Config, contributions: Contributions | None = None) -> Reading:
    """Replays and identifies files that were found, or that somebody would write."""
    host = host_of(migrations, config)
    replayed = replay(migrations.files, host, contributions.script if contributions is not None else None)
    origins = replace(replayed.origins, root=migrations.home)
    replayed = replace(replayed, gaps=(*migrations.skipped, *replayed.gaps), origins=origins)
    return Reading(migrations, host, replayed, identify(replayed.schema, identity_options(config, host)))


def with_fixtures(reading: Reading, facts: Replayed, config: Config) -> tuple[Replayed, Fixtures]:
    """What the project's seeds and tests do, and the facts with the places in them.

    Nothing is read where no rule asks for it. A file that cannot be read is a gap.
    """
    if not any(isinstance(rule, FixtureRule) for rule in config.rules):
        return facts, Fixtures()
    sources, gaps = read_sources(reading.migrations)
    code, skipped = read_code(reading.migrations, excluder(config.exclude, str(config.exclude_base)))
    fixtures = read_fixtures(sources, facts.schema, reading.platform, code)
    found: tuple[Gap, ...] = (*facts.gaps, *gaps, *skipped)
    return replace(facts, origins=merged(facts.origins, fixtures.origins), gaps=found), fixtures


def subject_of(reading: Reading) -> Subject:
    """What was read, for the reader."""
    migrations, replayed = reading.migrations, reading.replayed
    return Subject(
        migrations.kind,
        migrations.name,
        reading.platform.name,
        len(migrations.files),
        replayed.statements,
        len(replayed.schema.own_tables),
    )


def _notices(reading: Reading) -> tuple[Notice, ...]:
    return tuple(Notice(message) for message in reading.migrations.notices)


def examine(
    schema: Schema,
    identities: Identities,
    origins: Origins,
    config: Config,
    fixtures: Fixtures | None = None,
    history: History | None = None,
    gaps: Iterable[Gap] = (),
) -> tuple[Finding, ...]:
    """The findings of the configured rules, in order. What is missing is less sure to be where there are ``gaps``."""
    doubts = Doubts(gaps, origins)
    problems = _problems(schema, identities, config, fixtures or Fixtures(), history or History(), doubts)
    return in_order(locate_all(problems, origins))


def _problems(
    schema: Schema, identities: Identities, config: Config, fixtures: Fixtures, history: History, doubts: Doubts
) -> Iterator[tuple[str, Problem]]:
    for rule in config.rules:
        severity = config.severity.get(rule.id)
        if isinstance(rule, FixtureRule):
            found = rule.check_fixtures(schema, identities, fixtures)
        elif isinstance(rule, PlanRule):
            found = rule.check_history(schema, identities, history)
        else:
            found = rule.check(schema, identities)
        name = rule.id
        for problem in map(doubts.weigh, found) if rule.misses_something else found:
            yield name, problem if severity is None else replace(problem, severity=severity)


def diagnose(
    subject: Subject,
    facts: Replayed,
    identities: Identities,
    config: Config,
    notices: tuple[Notice, ...] = (),
    fixtures: Fixtures | None = None,
) -> Diagnosis:
    """Runs the rules over what was read, and leaves out what comments and the baseline keep quiet.

    Without ``fixtures`` the rules about them do not count as run.
    """
    findings = examine(facts.schema, identities, facts.origins, config, fixtures, facts.history, facts.gaps)
    ran = tuple(rule.id for rule in config.rules if fixtures is not None or not isinstance(rule, FixtureRule))
    suppression = suppress(findings, facts.origins.sources.values(), ran)
    notices += (*unheeded(config, identities), *suppression.notices)
    left, baselined = suppression.findings, 0
    if config.baseline is not None:
        comparison = compare(left, read_baseline(config.baseline), ran)
        left, baselined = comparison.findings, comparison.baselined
        notices += comparison.notices
    return Diagnosis(
        facts.schema,
        identities,
        facts.origins,
        left,
        facts.gaps,
        replace(subject, rules=ran, fixtures=0 if fixtures is None else len(fixtures.files)),
        suppression.suppressed,
        baselined,
        notices,
    )


def identity_options(config: Config, host: Platform) -> IdentityOptions:
    """What the configuration says about identities."""
    return IdentityOptions(
        host,
        config.sources,
        tuple(wish.target for wish in config.canonical if wish.source is None),
        canonical_of=tuple((wish.source, wish.target) for wish in config.canonical if wish.source is not None),
    )
