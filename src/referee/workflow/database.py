"""`referee check --db`: a live database judged by the rules that judge migrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from referee import rules
from referee.errors import ServerError
from referee.identity import identify
from referee.model.diagnosis import Diagnosis, Subject
from referee.model.finding import Finding
from referee.model.origins import Gap, Origins
from referee.model.schema import Schema
from referee.platforms import PLAIN, SUPABASE, Platform
from referee.postgres.session import FailedStatementError, connect, describe
from referee.read.catalog import Limits, Unseen, read_visible
from referee.read.replay import Replayed
from referee.workflow.check import diagnose, identity_options
from referee.workflow.config import Config, read_config
from referee.workflow.journals import without_journals

_SIGN_UP = frozenset({"indirect-sync-failure", "unsafe-sync-trigger"})
_WRITES = _SIGN_UP | {"broken-function-reference", "session-identity-in-key", "unsynced-mirror"}

#: What each query of read/catalog tells, and the rules that would take its absence for a fact.
TOLD_BY: Mapping[str, tuple[str, frozenset[str]]] = {
    "columns_without_defaults": (
        "the defaults of columns",
        _SIGN_UP | {"session-identity-in-key", "unlinked-mirror"},
    ),
    "constraints_without_checks": ("CHECK and EXCLUDE constraints, and whether keys are switched off", _SIGN_UP),
    "defaults": ("default privileges", frozenset()),
    "extensions": ("extensions", frozenset()),
    "functions": ("functions", _WRITES),
    "indexes": ("indexes", _SIGN_UP | {"unindexed-foreign-key"}),
    "policies": ("policies", _SIGN_UP | {"mirror-write-blocked", "unsynced-mirror"}),
    "roles_by_name": ("what roles may do", _SIGN_UP | {"mirror-write-blocked", "unsynced-mirror"}),
    "triggers": ("triggers", _WRITES),
    "types": (
        "enumerated, composite and domain types",
        _SIGN_UP | {"broken-function-reference", "mismatched-key-types"},
    ),
    "views": ("views", _SIGN_UP | {"broken-function-reference"}),
    "views_by_name": ("the queries of views", frozenset()),
}


@dataclass(frozen=True)
class Live:
    """A live database as it was read: its schema, the platform that it is taken to run on, and what was not seen."""

    schema: Schema
    host: Platform
    unseen: tuple[Unseen, ...] = ()

    def rules_to_leave_out(self) -> frozenset[str]:
        """The ids of rules that need what was not seen, or files."""
        about_files = frozenset(rule.id for rule in rules.ALL if isinstance(rule, rules.FixtureRule | rules.PlanRule))
        return about_files.union(*(TOLD_BY[unseen.what][1] for unseen in self.unseen))

    def gaps(self, config: Config) -> Iterator[Gap]:
        """What was not seen, and the wanted rules that cannot judge for it."""
        wanted = {rule.id for rule in config.rules}
        for unseen in self.unseen:
            what, blind = TOLD_BY[unseen.what]
            lost = ", ".join(sorted(blind & wanted))
            not_run = f"; not run without it: {lost}" if lost else ""
            yield Gap("unseen", f"{what} (the role may not use {', '.join(unseen.refused)}){not_run}")


def check_database(url: str, config: Config | None = None, limits: Limits | None = None) -> Diagnosis:
    """Every finding in a live database. It is read in one transaction that cannot write.

    ``url`` is what libpq takes: a URL, ``key=value`` words or ``service=name``; what it leaves open comes from the
    environment. Findings have no place in a file; that a mirror has no sync trigger, or a disabled one, is as certain
    as that it is a mirror. What the role may not see is in the result's ``gaps``, and rules that would need it do not
    run. Raises UsageError for a URL that makes no sense and ServerError where the database cannot be read.
    """
    config = config if config is not None else read_config()
    live = read_live(url, config, limits=limits)
    facts = Replayed(live.schema, Origins(), tuple(live.gaps(config)), 0)
    subject = Subject("database", describe(url), live.host.name, tables=len(live.schema.own_tables))
    able = replace(config, ignore=(*config.ignore, *live.rules_to_leave_out()))
    diagnosis = diagnose(subject, facts, identify(live.schema, identity_options(config, live.host)), able)
    unseen = frozenset(one.what for one in live.unseen)
    return replace(diagnosis, findings=tuple(_settled(diagnosis)), unseen=unseen)


def identities_of_database(url: str, config: Config | None = None, limits: Limits | None = None) -> Diagnosis:
    """Who owns, mirrors, references and writes each identity of a live database: a diagnosis for which no rule ran."""
    config = config if config is not None else read_config()
    return check_database(url, replace(config, select=(), ignore=(), baseline=None), limits)


def read_database(url: str, config: Config, password: str | None = None) -> tuple[Schema, Platform]:
    """The schema of a live database as far as the role sees it, and the platform that it is taken to run on."""
    live = read_live(url, config, password)
    return live.schema, live.host


def read_live(url: str, config: Config, password: str | None = None, limits: Limits | None = None) -> Live:
    """Reads a live database, without the journals of repairs.

    Raises UsageError for a URL that makes no sense, and ServerError.
    """
    limits = limits or Limits()
    with connect(url) if password is None else connect(url, password=password) as session:
        try:
            schema, unseen = read_visible(session, SUPABASE.managed_schemas, limits)
        except FailedStatementError as error:
            raise ServerError(_advice(error, session.place, limits)) from None
    schema = without_journals(schema)
    host = _host(schema, config)
    if host is not SUPABASE:
        own = {name: replace(namespace, managed=False) for name, namespace in schema.namespaces.items()}
        schema = replace(schema, namespaces=own)
    return Live(schema, host, unseen)


def _settled(diagnosis: Diagnosis) -> Iterator[Finding]:
    """The findings. Files leave open whether a trigger was made by hand; a database in which there is none does not."""
    sure = {mirror.table: mirror.confidence for identity in diagnosis.identities.all for mirror in identity.mirrors}
    for finding in diagnosis.findings:
        table = finding.problem.table
        if finding.rule == "unsynced-mirror" and table in sure:
            finding = replace(finding, problem=replace(finding.problem, confidence=sure[table]))
        yield finding


def _advice(error: FailedStatementError, place: str, limits: Limits) -> str:
    """What happened while the catalog was read, and what to do about it."""
    reading = f"Reading the catalog of {place}"
    if error.sqlstate == "57014":
        return (
            f"{reading} was ended by the time limit of {limits.statement_timeout / 1000:g} seconds for one query, or "
            "by somebody there. Try again when the server has less to do, or allow more with --statement-timeout."
        )
    if error.sqlstate == "55P03":
        return (
            f"{reading} waited more than {limits.lock_timeout / 1000:g} seconds for a lock: somebody is changing a "
            "table there. Try again when that is done."
        )
    if error.sqlstate == "40001":
        return f"{reading} came into the way of replication on this standby. Try again, or read the primary server."
    if error.sqlstate == "42501":
        return f"{reading} is not allowed to this role: {error} Read it as another role."
    return (
        f"{reading} failed: {error} (SQLSTATE {error.sqlstate}). If something was being changed there at that moment, "
        "try again; else please report it."
    )


def _host(schema: Schema, config: Config) -> Platform:
    """The configured platform, else Supabase where its sign-up role and its table of users are there."""
    if config.platform != "auto":
        return SUPABASE if config.platform == "supabase" else PLAIN
    source = SUPABASE.identity_source
    is_supabase = SUPABASE.sign_up_role in schema.roles and source is not None and source.table in schema.tables
    return SUPABASE if is_supabase else PLAIN
