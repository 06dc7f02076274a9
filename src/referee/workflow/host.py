"""The platform of a project, with what the project itself says about it."""

from __future__ import annotations

from dataclasses import replace

from referee.platforms import Platform, platform
from referee.read.projects import Migrations
from referee.workflow.config import Config


def host_of(migrations: Migrations, config: Config) -> Platform:
    """The configured platform, else the one that the files look like.

    A request through the API has the first of its schemas on its search_path, then the extra ones (PostgREST 12,
    db-schemas and db-extra-search-path; Supabase's ``api.schemas`` and ``api.extra_search_path``).
    """
    host = platform(migrations.platform if config.platform == "auto" else config.platform)
    settings = migrations.settings
    if migrations.kind == "supabase" and host.name == "supabase":
        schemas = config.api_schemas or settings.api_schemas
        host = replace(host, api_path=_path(schemas, settings.extra_search_path))
        if settings.exposes_new_tables is not None:
            host = _with_mode(host, "exposed" if settings.exposes_new_tables else "revoked")
    elif config.api_schemas:
        host = replace(host, api_path=_path(config.api_schemas, host.api_path))
    return host


def exposed_schemas(migrations: Migrations, config: Config) -> tuple[str, ...]:
    """The schemas whose tables an API shows to clients: as configured, else what the host's settings say."""
    if config.api_schemas is not None:
        return config.api_schemas
    return migrations.settings.api_schemas if migrations.kind == "supabase" else ()


def _path(schemas: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*schemas[:1], *others)))


def _with_mode(host: Platform, mode: str) -> Platform:
    """The platform with this mode as its default; as it is where it has no such mode."""
    if mode not in host.modes:
        return host
    return replace(host, modes={mode: host.modes[mode], **host.modes})
