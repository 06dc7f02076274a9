"""`referee check --db`: a live database judged by the rules that judge migrations."""

from __future__ import annotations

from dataclasses import replace

from referee.identity import identify
from referee.model.diagnosis import Diagnosis, Subject
from referee.model.origins import Origins
from referee.model.schema import Schema
from referee.platforms import PLAIN, SUPABASE, Platform
from referee.postgres.session import connect, describe
from referee.read.catalog import read_catalog
from referee.read.replay import Replayed
from referee.workflow.check import diagnose, identity_options
from referee.workflow.config import Config, read_config


def check_database(url: str, config: Config | None = None, password: str | None = None) -> Diagnosis:
    """Every finding in a live database. It is read in one transaction that cannot write.

    ``url`` is what libpq takes: a URL, ``key=value`` words or ``service=name``; what it leaves open comes from the
    environment. Findings have no place in a file. Raises UsageError for a URL that makes no sense and ServerError where
    the database cannot be read.
    """
    config = config if config is not None else read_config()
    schema, host = read_database(url, config, password)
    facts = Replayed(schema, Origins(), (), 0)
    subject = Subject("database", describe(url), host.name, tables=len(schema.own_tables))
    return diagnose(subject, facts, identify(schema, identity_options(config, host)), config)


def identities_of_database(url: str, config: Config | None = None, password: str | None = None) -> Diagnosis:
    """Who owns, mirrors, references and writes each identity of a live database: a diagnosis for which no rule ran."""
    config = config if config is not None else read_config()
    return check_database(url, replace(config, select=(), ignore=(), baseline=None), password)


def read_database(url: str, config: Config, password: str | None = None) -> tuple[Schema, Platform]:
    """The schema of a live database, and the platform that it is taken to run on."""
    with connect(url) if password is None else connect(url, password=password) as session:
        schema = read_catalog(session, SUPABASE.managed_schemas)
    host = _host(schema, config)
    if host is not SUPABASE:
        own = {name: replace(namespace, managed=False) for name, namespace in schema.namespaces.items()}
        schema = replace(schema, namespaces=own)
    return schema, host


def _host(schema: Schema, config: Config) -> Platform:
    """The configured platform, else Supabase where its sign-up role and its table of users are there."""
    if config.platform != "auto":
        return SUPABASE if config.platform == "supabase" else PLAIN
    source = SUPABASE.identity_source
    is_supabase = SUPABASE.sign_up_role in schema.roles and source is not None and source.table in schema.tables
    return SUPABASE if is_supabase else PLAIN
