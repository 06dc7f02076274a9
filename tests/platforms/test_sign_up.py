"""What a sign-up and a deletion meet in production, case by case: as supabase_auth_admin, with search_path=auth."""

from __future__ import annotations

import pytest

from referee.postgres.server import Server
from referee.postgres.session import FailedStatementError
from tests.platforms.gotrue import delete_user, service, sign_up
from tests.scripts import run

PROFILES = (
    "create table public.profiles (id uuid primary key references auth.users (id) on delete cascade, email text);"
)
TRIGGER = "create trigger on_sign_up after insert on auth.users for each row execute function public.on_sign_up();"


def on_sign_up(body: str, options: str = "") -> str:
    return (
        f"create function public.on_sign_up() returns trigger language plpgsql {options} as $$\n"
        f"begin {body}; return new; end $$;"
    )


INSERT = "insert into profiles (id, email) values (new.id, new.email)"
QUALIFIED = "insert into public.profiles (id, email) values (new.id, new.email)"

# The cases in which the function alone decides: its body, its options, and the SQLSTATE of a sign-up.
FAILING = {
    "S1 invoker, unqualified": (INSERT, "", "42P01"),
    "S2 invoker, qualified": (QUALIFIED, "", "42501"),
    "S3 definer without search_path, unqualified": (INSERT, "security definer", "42P01"),
}


@pytest.mark.parametrize(("body", "options", "sqlstate"), FAILING.values(), ids=FAILING)
def test_sign_up_fails(server: Server, database: str, body: str, options: str, sqlstate: str) -> None:
    assert not run(server, database, PROFILES + on_sign_up(body, options) + TRIGGER).failures
    with service(server, database) as auth:
        with pytest.raises(FailedStatementError) as failed:
            sign_up(auth)
        assert failed.value.sqlstate == sqlstate
        assert auth.value("select count(*) from users") == 0


@pytest.mark.parametrize(("body", "options", "sqlstate"), FAILING.values(), ids=FAILING)
def test_the_same_insert_succeeds_from_the_sql_editor(
    server: Server, database: str, body: str, options: str, sqlstate: str
) -> None:
    run(server, database, PROFILES + on_sign_up(body, options) + TRIGGER)
    with server.connect(database) as editor:
        editor.run("insert into auth.users (id, email) values (gen_random_uuid(), 'ann@example.org')")
        assert editor.value("select email from public.profiles") == "ann@example.org"


def test_s2_names_the_table(server: Server, database: str) -> None:
    run(server, database, PROFILES + on_sign_up(QUALIFIED) + TRIGGER)
    with service(server, database) as auth, pytest.raises(FailedStatementError, match="denied for table profiles"):
        sign_up(auth)


def test_s4_definer_with_empty_path_and_qualified_name(server: Server, database: str) -> None:
    run(server, database, PROFILES + on_sign_up(QUALIFIED, "security definer set search_path = ''") + TRIGGER)
    with service(server, database) as auth, server.connect(database) as editor:
        user = sign_up(auth)
        assert editor.value("select email from public.profiles where id = %s", [user]) == "ann@example.org"


def test_s5_deletion_blocked_by_a_key_without_action(server: Server, database: str) -> None:
    run(server, database, "create table public.songs (owner uuid references auth.users (id));")
    with service(server, database) as auth, server.connect(database) as editor:
        user = sign_up(auth)
        editor.rows("insert into public.songs values (%s)", [user])
        with pytest.raises(FailedStatementError) as failed:
            delete_user(auth, user)
    assert failed.value.sqlstate == "23503"
    assert failed.value.report.constraint == "songs_owner_fkey"
    assert failed.value.report.detail is not None
    assert "still referenced" in failed.value.report.detail


def test_s6_extension_function_under_an_empty_path(server: Server, database: str) -> None:
    body = "perform gen_random_bytes(8)"
    run(server, database, on_sign_up(body, "security definer set search_path = ''") + TRIGGER)
    with service(server, database) as auth, pytest.raises(FailedStatementError) as failed:
        sign_up(auth)
    assert failed.value.sqlstate == "42883"


def test_s7_before_insert_trigger_writes_a_child_too_early(server: Server, database: str) -> None:
    function = on_sign_up(QUALIFIED, "security definer set search_path = ''")
    run(server, database, PROFILES + function + TRIGGER.replace("after insert", "before insert"))
    with service(server, database) as auth, pytest.raises(FailedStatementError) as failed:
        sign_up(auth)
    assert failed.value.sqlstate == "23503"
    assert "is not present" in (failed.value.report.detail or "")


def test_s8_forced_row_security_does_not_stop_a_definer_owned_by_postgres(server: Server, database: str) -> None:
    forced = (
        "alter table public.profiles enable row level security; alter table public.profiles force row level security;"
    )
    run(server, database, PROFILES + forced + on_sign_up(QUALIFIED, "security definer set search_path = ''") + TRIGGER)
    with service(server, database) as auth, server.connect(database) as editor:
        user = sign_up(auth)
        assert editor.value("select count(*) from public.profiles where id = %s", [user]) == 1


WITNESS = """
create table public.witness (what text, who name, path text);
grant all on public.witness to public;
create function public.see() returns trigger language plpgsql as $$
begin
  insert into public.witness values (tg_when, current_user, current_setting('search_path'));
  return old;
end $$;
create trigger before_delete before delete on public.profiles for each row execute function public.see();
create trigger after_delete after delete on public.profiles for each row execute function public.see();
"""


def test_s9_who_runs_the_triggers_of_a_cascade(server: Server, database: str) -> None:
    run(server, database, PROFILES + WITNESS)
    with service(server, database) as auth, server.connect(database) as editor:
        user = sign_up(auth)
        editor.rows("insert into public.profiles (id) values (%s)", [user])
        delete_user(auth, user)
        seen = {what: (who, path) for what, who, path in editor.rows("select * from public.witness")}
    # The cascade itself runs as the owner of the referencing table. Since PostgreSQL 18 an AFTER trigger runs as the
    # role that was active when it was queued (its release notes, migration to version 18), before that as the deleter.
    after = "postgres" if server.major >= 18 else "supabase_auth_admin"
    assert seen == {"BEFORE": ("postgres", "auth"), "AFTER": (after, "auth")}


def test_s10_set_null_on_a_column_that_may_not_be_null(server: Server, database: str) -> None:
    run(
        server,
        database,
        "create table public.songs (owner uuid not null references auth.users (id) on delete set null);",
    )
    with service(server, database) as auth, server.connect(database) as editor:
        user = sign_up(auth)
        editor.rows("insert into public.songs values (%s)", [user])
        with pytest.raises(FailedStatementError) as failed:
            delete_user(auth, user)
    assert failed.value.sqlstate == "23502"


def test_an_insert_or_update_trigger_fires_five_times_and_first_sees_an_empty_role(
    server: Server, database: str
) -> None:
    run(
        server,
        database,
        "create table public.seen (step serial, op text, role text);"
        "create function public.see() returns trigger language plpgsql security definer set search_path = '' as $$"
        " begin insert into public.seen (op, role) values (tg_op, new.role); return new; end $$;"
        "create trigger see after insert or update on auth.users for each row execute function public.see();",
    )
    with service(server, database) as auth, server.connect(database) as editor:
        sign_up(auth)
        seen = editor.rows("select op, role from public.seen order by step")
    assert seen == [("INSERT", ""), *[("UPDATE", "authenticated")] * 4]


def test_a_user_without_an_address(server: Server, database: str) -> None:
    """An anonymous sign-up has no e-mail, so a mirror that demands one fails for it alone."""
    strict = PROFILES.replace("email text", "email text not null")
    run(server, database, strict + on_sign_up(QUALIFIED, "security definer set search_path = ''") + TRIGGER)
    with service(server, database) as auth:
        sign_up(auth)
        with pytest.raises(FailedStatementError) as failed:
            sign_up(auth, email=None)
    assert (failed.value.sqlstate, failed.value.report.column) == ("23502", "email")
