"""What a host adds to a bare Postgres: roles, schemas, tables, privileges, and what it allows beyond plain Postgres.

The facts are kept as SQL of our own. A server runs it and the static replay reads it: both start from the same state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile
from pathlib import Path

from referee.errors import UsageError
from referee.model.names import QName, Target
from referee.model.source import Source

_FOLDER = Path(__file__).parent


def _read(path: str) -> Source:
    return Source(f"platforms/{path}", (_FOLDER / path).read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class StandIn:
    """Our imitation of an extension that a server may lack.

    ``schema`` is where the extension always lives; None where CREATE EXTENSION chooses. Its text begins with a comment
    that says what is imitated and what is not. What it makes without naming a schema goes to the first of the path.
    """

    name: str
    version: str
    schema: str | None = None

    @property
    def source(self) -> Source:
        return _read(f"supabase/extensions/{self.name}.sql")

    @property
    def limits(self) -> str:
        """The comment at the head of the text, as one paragraph."""
        head = takewhile(lambda line: line.startswith("--"), self.source.text.splitlines())
        return " ".join(line.removeprefix("--").strip() for line in head)


@dataclass(frozen=True, slots=True)
class Beyond:
    """Statements that the host runs although plain Postgres would refuse them to the migration role.

    ``owned_by_host`` are the tables on which the role may drop triggers and create, alter and drop policies without
    owning them. ``settings`` are server settings that it may change, as names or prefixes that end in ``*``, and
    ``tunable_roles`` those whose own settings it may change. Extensions, event triggers, publications and foreign data
    wrappers are made with the superuser's rights where ``privileged`` is set.
    """

    owned_by_host: frozenset[QName] = frozenset()
    settings: tuple[str, ...] = ()
    tunable_roles: frozenset[str] = frozenset()
    privileged: bool = False


@dataclass(frozen=True)
class Platform:
    """A host of Postgres databases.

    ``roles`` is the SQL that a whole server needs once, one statement a line; ``files`` is what each database needs, in
    order; ``modes`` holds the last files of each mode, the default mode first. ``superuser`` runs them all, and
    ``migration_role`` owns the database. ``sign_up_role`` writes new rows of the identity source, under
    ``sign_up_path``. Requests run in the name of ``api_roles``, under ``api_path``.
    """

    name: str
    superuser: str
    migration_role: str
    migration_path: tuple[str, ...]
    roles: tuple[Source, ...] = ()
    files: tuple[Source, ...] = ()
    modes: Mapping[str, tuple[Source, ...]] = field(default_factory=lambda: {"plain": ()})
    managed_schemas: frozenset[str] = frozenset()
    identity_source: Target | None = None
    sign_up_role: str = "postgres"
    sign_up_path: tuple[str, ...] = ("public",)
    api_roles: tuple[str, ...] = ()
    api_path: tuple[str, ...] = ("public",)
    beyond: Beyond = field(default_factory=Beyond)
    stand_ins: Mapping[str, StandIn] = field(default_factory=dict)

    @property
    def default_mode(self) -> str:
        return next(iter(self.modes))

    def scripts(self, mode: str | None = None) -> tuple[Source, ...]:
        """All files of one mode, in the order they run. Raises UsageError for a mode that the platform lacks."""
        mode = self.default_mode if mode is None else mode
        if mode not in self.modes:
            raise UsageError(f"{self.name} has no mode {mode!r}; it has {', '.join(map(repr, self.modes))}.")
        return (*self.roles, *self.files, *self.modes[mode])


PLAIN = Platform(
    name="plain",
    superuser="postgres",
    migration_role="postgres",
    migration_path=("$user", "public"),
    # Contrib modules that the embedded programs come without.
    stand_ins={name: StandIn(name, version) for name, version in (("pgcrypto", "1.3"), ("uuid-ossp", "1.1"))},
)


# Tables of the host on which supautils lets the role postgres drop triggers and handle policies
# (supabase/postgres, supautils.policy_grants and supautils.drop_trigger_grants, 2026).
_OWNED_BY_HOST = {
    "auth": """
        audit_log_entries flow_state identities instances mfa_amr_claims mfa_challenges mfa_factors oauth_clients
        one_time_tokens refresh_tokens saml_providers saml_relay_states sessions sso_domains sso_providers users
    """,
    "realtime": "messages subscription",
    "storage": "buckets buckets_analytics objects prefixes s3_multipart_uploads s3_multipart_uploads_parts",
}

# supautils.privileged_role_allowed_configs, 2026.
_SETTINGS = """
    auto_explain.* log_lock_waits log_min_duration_statement log_min_messages log_parameter_max_length
    log_replication_commands log_statement log_temp_files pg_net.* pg_stat_statements.* pgaudit.* pgrst.* plan_filter.*
    safeupdate.enabled session_replication_role track_io_timing wal_compression
"""

# Extensions that a plain Postgres lacks: the version imitated, and the schema where that is not the project's choice.
# Those that no SQL can imitate are missing: postgis, timescaledb, wrappers, pgroonga, plv8, hypopg, pgtap.
_STAND_INS = (
    StandIn("http", "1.6"),
    StandIn("index_advisor", "0.2.0"),
    StandIn("moddatetime", "1.0"),
    StandIn("pg_cron", "1.6.4", "pg_catalog"),
    StandIn("pg_graphql", "1.5.11", "graphql"),
    StandIn("pg_jsonschema", "0.3.3"),
    StandIn("pg_net", "0.14.0"),
    StandIn("pgcrypto", "1.3"),
    StandIn("pgjwt", "0.2.0"),
    StandIn("pgmq", "1.5.1", "pgmq"),
    StandIn("supabase_vault", "0.3.1", "vault"),
    StandIn("uuid-ossp", "1.1"),
)

_MANAGED = """
    auth cron extensions graphql graphql_public net pgmq realtime storage supabase_functions supabase_migrations vault
"""

_FILES = (
    "20_schemas.sql",
    "30_auth.sql",
    "40_storage.sql",
    "50_realtime.sql",
    "60_graphql.sql",
    "70_supabase_functions.sql",
    "80_supabase_migrations.sql",
)


@cache
def _supabase() -> Platform:
    return Platform(
        name="supabase",
        superuser="supabase_admin",
        migration_role="postgres",
        # The host's setting has a backslash in it, so that it names a schema and not the user's.
        migration_path=("\\$user", "public", "extensions"),
        roles=(_read("supabase/10_roles.sql"),),
        files=tuple(_read(f"supabase/{name}") for name in _FILES),
        modes={mode: (_read(f"supabase/90_{mode}.sql"),) for mode in ("exposed", "revoked")},
        managed_schemas=frozenset(_MANAGED.split()),
        identity_source=Target(QName("auth", "users"), ("id",)),
        sign_up_role="supabase_auth_admin",
        sign_up_path=("auth",),
        api_roles=("anon", "authenticated", "service_role"),
        api_path=("public", "extensions"),
        beyond=Beyond(
            owned_by_host=frozenset(
                QName(schema, table) for schema, tables in _OWNED_BY_HOST.items() for table in tables.split()
            ),
            settings=tuple(_SETTINGS.split()),
            tunable_roles=frozenset({"anon", "authenticated", "authenticator", "service_role"}),
            privileged=True,
        ),
        stand_ins={stand_in.name: stand_in for stand_in in _STAND_INS},
    )


def platform(name: str) -> Platform:
    """The platform of that name: "supabase" or "plain". Raises UsageError for any other."""
    if name == "supabase":
        return _supabase()
    if name == "plain":
        return PLAIN
    raise UsageError(f"There is no platform {name!r}; referee knows supabase and plain.")


def __getattr__(name: str) -> Platform:
    # SUPABASE is read from files, which a command that never asks for it should not pay for.
    if name == "SUPABASE":
        return _supabase()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
