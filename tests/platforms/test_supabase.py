"""The Supabase platform on a server: roles, ownership, privileges and the managed schemas, as hosted projects have."""

from __future__ import annotations

import pytest

from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError, Session
from tests.platforms.gotrue import service, sign_up

# LOGIN, SUPERUSER, INHERIT, CREATEROLE, CREATEDB, REPLICATION, BYPASSRLS
ROLES = {
    "supabase_admin": "yyyyyyy",
    "postgres": "y-yyyyy",
    "anon": "--y----",
    "authenticated": "--y----",
    "service_role": "--y---y",
    "authenticator": "y------",
    "supabase_auth_admin": "y------",
    "supabase_storage_admin": "y--y---",
    "supabase_realtime_admin": "y--y-y-",
    "supabase_functions_admin": "y--y---",
    "supabase_replication_admin": "y-y--y-",
    "supabase_read_only_user": "y-y---y",
    "supabase_etl_admin": "y-y--yy",
    "dashboard_user": "--yyyy-",
    "pgbouncer": "y-y----",
}

SETTINGS = {
    "supabase_admin": ['search_path="$user", public, auth, extensions', "log_statement=none"],
    "postgres": ['search_path="\\$user", public, extensions'],
    "anon": ["statement_timeout=3s"],
    "authenticated": ["statement_timeout=8s"],
    "authenticator": ["statement_timeout=8s", "lock_timeout=8s"],
    "supabase_auth_admin": ["search_path=auth", "idle_in_transaction_session_timeout=60000", "log_statement=none"],
    "supabase_storage_admin": ["search_path=storage", "log_statement=none"],
    "supabase_realtime_admin": ["search_path=realtime"],
    "supabase_read_only_user": ["default_transaction_read_only=on"],
}

USERS = """
instance_id uuid; id uuid!; aud varchar(255); role varchar(255); email varchar(255); encrypted_password varchar(255);
email_confirmed_at timestamptz; invited_at timestamptz; confirmation_token varchar(255);
confirmation_sent_at timestamptz; recovery_token varchar(255); recovery_sent_at timestamptz;
email_change_token_new varchar(255);
email_change varchar(255); email_change_sent_at timestamptz; last_sign_in_at timestamptz; raw_app_meta_data jsonb;
raw_user_meta_data jsonb; is_super_admin boolean; created_at timestamptz; updated_at timestamptz; phone text;
phone_confirmed_at timestamptz; phone_change text; phone_change_token varchar(255); phone_change_sent_at timestamptz;
confirmed_at timestamptz; email_change_token_current varchar(255); email_change_confirm_status smallint;
banned_until timestamptz; reauthentication_token varchar(255); reauthentication_sent_at timestamptz;
is_sso_user boolean!; deleted_at timestamptz; is_anonymous boolean!
"""

AUTH_TABLES = """
audit_log_entries custom_oauth_providers flow_state identities instances mfa_amr_claims mfa_challenges mfa_factors
oauth_authorizations oauth_client_states oauth_clients oauth_consents one_time_tokens refresh_tokens saml_providers
saml_relay_states schema_migrations sessions sso_domains sso_providers users webauthn_challenges webauthn_credentials
"""


@pytest.fixture(scope="module")
def session(server: Server) -> object:
    """One database for all who only look."""
    with server.database() as name, server.connect(name) as opened:
        yield opened


def test_roles(session: Session) -> None:
    rows = session.rows(
        "select rolname::text, rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication,"
        " rolbypassrls from pg_roles where rolname !~ '^pg_'"
    )
    assert {name: "".join("y" if flag else "-" for flag in flags) for name, *flags in rows} == ROLES


def test_settings_of_roles(session: Session) -> None:
    rows = session.rows("select rolname::text, rolconfig from pg_roles where rolconfig is not null")
    assert dict(rows) == SETTINGS


@pytest.mark.parametrize(
    ("member", "roles"),
    [
        ("authenticator", {"anon", "authenticated", "service_role"}),
        ("supabase_storage_admin", {"authenticator"}),
        ("supabase_auth_admin", set()),
        ("supabase_realtime_admin", {"anon", "authenticated", "service_role"}),
    ],
)
def test_memberships(session: Session, member: str, roles: set[str]) -> None:
    query = "select roleid::regrole::text from pg_auth_members where member = %s::regrole"
    assert {role for (role,) in session.rows(query, [member])} == roles


def test_postgres_may_act_as_the_api_roles_but_not_as_the_services(session: Session) -> None:
    may = (
        "select pg_has_role('postgres', %s, 'set')"
        if session.major >= 16
        else "select pg_has_role('postgres', %s, 'member')"
    )
    for role in ("anon", "authenticated", "service_role", "authenticator"):
        assert session.value(may, [role]) is True
    for role in ("supabase_admin", "supabase_auth_admin", "supabase_storage_admin"):
        assert session.value(may, [role]) is False


def test_owners(session: Session) -> None:
    schemas: dict[str, str] = dict(
        session.rows("select nspname::text, nspowner::regrole::text from pg_namespace where nspname !~ '^pg_'")
    )
    assert {schemas[name] for name in ("auth", "storage", "realtime", "graphql_public", "vault")} == {"supabase_admin"}
    assert schemas["extensions"] == schemas["supabase_migrations"] == "postgres"
    assert schemas["public"] == "pg_database_owner"
    assert (
        session.value("select datdba::regrole::text from pg_database where datname = current_database()") == "postgres"
    )
    tables = session.rows(
        "select distinct schemaname::text, tableowner::text from pg_tables where schemaname in ('auth', 'storage')"
    )
    assert sorted(tables) == [("auth", "supabase_auth_admin"), ("storage", "supabase_storage_admin")]


def test_tables_of_auth(session: Session) -> None:
    tables: dict[str, bool] = dict(
        session.rows(
            "select relname::text, relrowsecurity from pg_class"
            " where relnamespace = 'auth'::regnamespace and relkind = 'r'"
        )
    )
    assert sorted(tables) == sorted(AUTH_TABLES.split())
    open_ones = {name for name, row_security in tables.items() if not row_security}
    assert {name.split("_")[0] for name in open_ones} == {"oauth", "webauthn", "custom"}
    assert session.value("select count(*) from pg_policies where schemaname = 'auth'") == 0


def test_columns_of_auth_users(session: Session) -> None:
    rows = session.rows(
        "select attname::text, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
        " where attrelid = 'auth.users'::regclass and attnum > 0 order by attnum"
    )
    short = {"timestamp with time zone": "timestamptz", "character varying(255)": "varchar(255)"}
    found = [f"{name} {short.get(kind, kind)}{'!' if not_null else ''}" for name, kind, not_null in rows]
    assert found == [column.strip() for column in USERS.replace("\n", " ").split(";")]
    assert len(found) == 35


def test_defaults_of_auth_users(session: Session) -> None:
    rows = session.rows(
        "select attname::text, pg_get_expr(adbin, adrelid) from pg_attrdef"
        " join pg_attribute on attrelid = adrelid and attnum = adnum where adrelid = 'auth.users'::regclass"
    )
    defaults: dict[str, str] = dict(rows)
    assert not {"id", "created_at", "updated_at", "email", "confirmation_token"} & set(defaults)
    assert defaults["confirmed_at"] == "LEAST(email_confirmed_at, phone_confirmed_at)"
    assert {name for name, text in defaults.items() if text.startswith("''::")} == {
        "phone_change",
        "phone_change_token",
        "email_change_token_current",
        "reauthentication_token",
    }
    assert defaults["email_change_confirm_status"] == "0"


def test_an_address_is_no_target_of_a_key_but_a_phone_number_is(server: Server, database: str) -> None:
    with server.connect(database) as postgres:
        postgres.run("create table public.p (phone text references auth.users (phone))")
        with pytest.raises(FailedStatementError, match="no unique constraint"):
            postgres.run("create table public.e (email text references auth.users (email))")


def test_keys_between_tables_of_auth_cascade(session: Session) -> None:
    keys = session.rows(
        "select conname::text from pg_constraint where contype = 'f' and connamespace = 'auth'::regnamespace"
        " and confdeltype <> 'c'"
    )
    assert keys == []


def test_what_postgres_holds_on_auth_users(session: Session) -> None:
    acl = session.value(
        "select string_agg(privilege_type || case when is_grantable then '*' else '' end, ' ' order by privilege_type)"
        " from pg_class, aclexplode(relacl) where oid = 'auth.users'::regclass and grantee = 'postgres'::regrole"
    )
    maintain = "MAINTAIN " if session.major >= 17 else ""
    assert acl == f"DELETE INSERT {maintain}REFERENCES SELECT* TRIGGER TRUNCATE UPDATE"


@pytest.mark.parametrize("role", ["anon", "authenticated", "service_role"])
def test_api_roles_cannot_read_auth(server: Server, database: str, role: str) -> None:
    with server.connect(database) as session:
        session.run(f"set role {role}")
        assert session.value("select auth.uid()") is None
        with pytest.raises(FailedStatementError) as failed:
            session.run("select * from auth.users")
        assert failed.value.sqlstate == "42501"


def test_the_authenticator_itself_may_nothing(server: Server, database: str) -> None:
    with server.connect(database, "authenticator") as session:
        with pytest.raises(FailedStatementError, match="permission denied for schema auth"):
            session.run("select auth.uid()")
        session.run("set role authenticated; select auth.uid()")


ANN = "11111111-1111-1111-1111-111111111111"
BOB = "22222222-2222-2222-2222-222222222222"


def test_who_asks(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("begin")
        session.rows(
            "select set_config('request.jwt.claims', %s, true)",
            [f'{{"sub": "{ANN}", "role": "authenticated", "email": "ann@example.org"}}'],
        )
        who = "select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'sub'"
        assert session.rows(who) == [(ANN, "authenticated", "ann@example.org", ANN)]
        session.rows("select set_config('request.jwt.claim.sub', %s, true)", [BOB])
        assert session.value("select auth.uid()::text") == BOB  # the single claim wins
        session.run("commit")
        assert session.rows(who) == [(None, None, None, None)]  # the settings are '' now
        session.rows("select set_config('request.jwt.claims', %s, false)", ['{"role": "anon"}'])
        assert session.rows("select auth.uid(), auth.role()") == [(None, "anon")]
        session.rows("select set_config('request.jwt.claims', %s, false)", ['{"sub": "not-a-uuid"}'])
        with pytest.raises(FailedStatementError) as failed:
            session.value("select auth.uid()")
        assert failed.value.sqlstate == "22P02"


@pytest.mark.parametrize(
    ("name", "folders", "file", "extension"),
    [
        ("ann/2026/photo.final.png", ["ann", "2026"], "photo.final.png", "png"),
        ("photo", [], "photo", "photo"),
        ("ann/", ["ann"], "", ""),
        ("", [], "", ""),
        (None, None, None, None),
    ],
)
def test_names_of_stored_objects(
    session: Session, name: str | None, folders: list[str] | None, file: str | None, extension: str | None
) -> None:
    query = "select storage.foldername(n), storage.filename(n), storage.extension(n) from (values (%s::text)) as v (n)"
    ((found_folders, *found),) = session.rows(query, [name])
    assert (found_folders or folders) == folders
    assert found == [file, extension]


def test_row_security_is_the_only_guard_of_storage(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("insert into storage.buckets (id, name) values ('b', 'b')")
        session.run("set role authenticated")
        with pytest.raises(FailedStatementError, match="row-level security"):
            session.run("insert into storage.objects (bucket_id, name) values ('b', 'a/x.png')")
    with server.connect(database, "supabase_storage_admin") as owner:
        owner.run("create policy open on objects for all to authenticated using (true)")
    with server.connect(database) as session:
        session.run("set role authenticated; insert into storage.objects (bucket_id, name) values ('b', 'a/x.png')")
        assert session.value("select path_tokens from storage.objects") == ["a", "x.png"]


def test_broadcasts_can_be_looked_at(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table public.songs (id int, title text);"
            "create function public.tell() returns trigger language plpgsql as $$ begin"
            " perform realtime.broadcast_changes('songs', tg_op, tg_op, tg_table_name, tg_table_schema, new, old);"
            " return null; end $$;"
            "create trigger tell after insert or update or delete on public.songs"
            " for each row execute function public.tell();"
            "insert into public.songs values (1, 'one'); update public.songs set title = 'two';"
            "delete from public.songs"
        )
        sent = session.rows(
            "select event, topic, private, payload -> 'record' ->> 'title' from realtime.messages order by event"
        )
        assert session.notices == []
    assert sent == [("DELETE", "songs", True, None), ("INSERT", "songs", True, "one"), ("UPDATE", "songs", True, "two")]


def test_sending_never_fails(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run("select realtime.send('{}', null, null)")
        assert [notice.severity for notice in session.notices] == ["WARNING"]


def test_the_publication_belongs_to_postgres(session: Session) -> None:
    rows = session.rows(
        "select pubowner::regrole::text, puballtables from pg_publication where pubname = 'supabase_realtime'"
    )
    assert rows == [("postgres", False)]


def test_the_histories_have_their_columns(session: Session) -> None:
    query = (
        "select string_agg(attname::text || ' ' || format_type(atttypid, null), ', ' order by attnum) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0"
    )
    assert (
        session.value(query, ["supabase_migrations.schema_migrations"]) == "version text, statements text[], name text"
    )
    assert session.value(query, ["supabase_migrations.seed_files"]) == "path text, hash text"


def test_the_webhook_function_asks_through_pg_net(server: Server, database: str) -> None:
    with server.connect(database) as session:
        session.run(
            "create table public.songs (id int);"
            "create trigger hook after insert on public.songs for each row execute function"
            " supabase_functions.http_request('https://example.org/hook', 'POST', '{}', '{}', '1000');"
            "insert into public.songs values (7)"
        )
    with server.connect(database, "supabase_admin") as admin:
        assert admin.rows("select method::text, url, timeout_milliseconds from net.http_request_queue") == [
            ("POST", "https://example.org/hook", 1000)
        ]
        assert (
            admin.value("select convert_from(body, 'UTF8')::jsonb -> 'record' ->> 'id' from net.http_request_queue")
            == "7"
        )
        assert admin.value("select hook_name from supabase_functions.hooks") == "hook"


def test_default_privileges_of_new_things_in_public(server: Server) -> None:
    query = (
        "select has_table_privilege(r, 'public.t', 'select'), has_table_privilege(r, 'public.t', 'truncate'),"
        " has_sequence_privilege(r, 'public.t_id_seq', 'usage'), has_function_privilege(r, 'public.f()', 'execute')"
        " from unnest(array['anon', 'authenticated', 'service_role']) as r"
    )
    found = {}
    for mode in ("exposed", "revoked"):
        with server.database(mode) as name, server.connect(name) as session:
            session.run(
                "create table public.t (id serial); create function public.f() returns int language sql return 1"
            )
            found[mode] = set(session.rows(query))
    # Functions stay open to all through PUBLIC.
    assert found == {"exposed": {(True, True, True, True)}, "revoked": {(False, True, False, True)}}


def test_row_security_hides_users_from_a_role_that_may_select(server: Server, database: str) -> None:
    with service(server, database) as auth:
        sign_up(auth)
    with server.connect(database, "supabase_admin") as admin:
        admin.run(
            "create role reporter; grant usage on schema auth to reporter; grant select on auth.users to reporter"
        )
        admin.run("set role reporter")
        assert admin.value("select count(*) from auth.users") == 0
