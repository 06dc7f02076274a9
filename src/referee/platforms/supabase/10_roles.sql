-- The roles of a Supabase project: attributes, memberships and settings of a hosted one as of 2026.
--
-- One statement a line, so that a server shared with others can be asked about each role before it is made. Left out:
-- passwords; the roles that pgtle and pgsodium bring; and `session_preload_libraries` of authenticator, because it
-- names a library (safeupdate) without which a plain Postgres refuses the login. `supabase_auth_admin` has no
-- CREATEROLE since August 2026. `pg_create_subscription`, which postgres has from PostgreSQL 16 on, is left out for
-- the sake of 15. Of the three service roles postgres is a member of supabase_realtime_admin only, as dumps of hosted
-- projects show (September 2025, PostgreSQL 17.4).

create role supabase_admin login superuser inherit createrole createdb replication bypassrls;
create role postgres login nosuperuser inherit createrole createdb replication bypassrls;
create role anon nologin inherit;
create role authenticated nologin inherit;
create role service_role nologin inherit bypassrls;
create role authenticator login noinherit;
create role supabase_auth_admin login noinherit;
create role supabase_storage_admin login noinherit createrole;
create role supabase_realtime_admin login noinherit createrole replication;
create role supabase_functions_admin login noinherit createrole;
create role supabase_replication_admin login inherit replication;
create role supabase_read_only_user login inherit bypassrls;
create role supabase_etl_admin login inherit replication bypassrls;
create role dashboard_user nologin inherit createrole createdb replication;
create role pgbouncer login inherit;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres with admin option;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres with admin option;
grant supabase_realtime_admin to postgres;
grant authenticator to supabase_storage_admin;
grant anon, authenticated, service_role to supabase_realtime_admin;
grant pg_read_all_data to supabase_read_only_user, supabase_etl_admin;

alter role supabase_admin set search_path to "$user", public, auth, extensions;
alter role supabase_admin set log_statement to none;
alter role postgres set search_path to "\$user", public, extensions;
alter role anon set statement_timeout to '3s';
alter role authenticated set statement_timeout to '8s';
alter role authenticator set statement_timeout to '8s';
alter role authenticator set lock_timeout to '8s';
alter role supabase_auth_admin set search_path to auth;
alter role supabase_auth_admin set idle_in_transaction_session_timeout to 60000;
alter role supabase_auth_admin set log_statement to none;
alter role supabase_read_only_user set default_transaction_read_only to on;
alter role supabase_storage_admin set search_path to storage;
alter role supabase_storage_admin set log_statement to none;
alter role supabase_realtime_admin set search_path to realtime;

-- Settings that supautils lets postgres change although they are the superuser's.
grant set on parameter log_lock_waits, log_min_duration_statement, log_min_messages, log_parameter_max_length to postgres;
grant set on parameter log_replication_commands, log_statement, log_temp_files, session_replication_role to postgres;
grant set on parameter track_io_timing, wal_compression to postgres;
