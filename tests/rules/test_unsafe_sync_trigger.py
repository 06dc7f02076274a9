from __future__ import annotations

import pytest

from referee.model.change import EnableTrigger, RepairSyncFunction
from referee.model.finding import Confidence, Problem, Severity
from referee.rules.unsafe_sync_trigger import UnsafeSyncTrigger
from tests.rules.checking import lines, problems
from tests.rules.sync import INSERT, function, mirror, sync, trigger

RULE = UnsafeSyncTrigger()
DISABLE = "grant supabase_auth_admin to postgres; alter table auth.users disable trigger on_handle_new_user;"


def keys(text: str, least: Severity = Severity.WARNING) -> list[str]:
    """The faults that are reported, mere information left out."""
    return sorted(problem.key for problem in problems(RULE, text) if problem.severity >= least)


def only(text: str, key: str) -> Problem:
    """The one problem of a kind."""
    [problem] = [problem for problem in problems(RULE, text) if problem.key.split()[0] == key]
    return problem


def test_a_careful_trigger_has_no_fault() -> None:
    text = mirror("email text", "name text not null") + sync(
        """insert into public.people (id, email, name)
        values (new.id, new.email, coalesce(new.raw_user_meta_data ->> 'name', new.email, 'somebody'))
        on conflict (id) do nothing;"""
    )
    assert problems(RULE, text) == []


def test_no_trigger_is_no_fault_of_this_rule() -> None:
    assert problems(RULE, mirror()) == []


# Rights


def test_without_definer_rights_the_insert_is_refused() -> None:
    problem = only(mirror() + sync(INSERT, rights="set search_path = ''"), "missing-privilege")
    assert "no INSERT privilege on public.people" in problem.cause
    assert problem.consequence == 'Every sign-up fails with 42501, told as "Database error saving new user".'
    assert (problem.severity, problem.confidence) == (Severity.ERROR, Confidence.CERTAIN)


def test_a_grant_to_the_signing_up_role_is_enough() -> None:
    grant = "grant insert on public.people to supabase_auth_admin;"
    assert keys(mirror() + grant + sync(INSERT, rights="set search_path = ''")) == []


def test_on_conflict_needs_more_than_the_right_to_insert() -> None:
    grant = "grant insert on public.people to supabase_auth_admin;"
    body = "insert into public.people (id) values (new.id) on conflict (id) do nothing;"
    assert "no SELECT privilege" in only(mirror() + grant + sync(body, rights=""), "missing-privilege").cause


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ("", ["row-security"]),
        ("create policy p on public.people for insert with check (id = auth.uid());", ["row-security"]),
        ("create policy p on public.people for insert to authenticated with check (true);", ["row-security"]),
        ("create policy p on public.people for insert with check (true);", []),
    ],
)
def test_row_security_binds_the_signing_up_role(policy: str, found: list[str]) -> None:
    grant = "grant insert on public.people to supabase_auth_admin; alter table public.people enable row level security;"
    assert keys(mirror() + grant + policy + sync(INSERT, rights="")) == found


def test_row_security_does_not_bind_the_owner_of_a_definer_function() -> None:
    assert keys(mirror() + "alter table public.people enable row level security;" + sync(INSERT)) == []


# Names


def test_a_bare_name_is_looked_up_in_the_search_path_of_the_host() -> None:
    text = mirror() + sync("insert into people (id) values (new.id);", rights="security definer")
    problem = only(text, "unresolved-name")
    assert "(auth)" in problem.cause
    assert "public.people" in problem.cause
    assert "42P01" in problem.consequence
    assert problem.severity is Severity.ERROR
    assert problem.place is not None
    assert problem.place.within is not None
    start, end = problem.place.within
    assert text[text.index("$$") + 2 :][start:end] == "people"


@pytest.mark.parametrize("path", ["''", "'public, auth'", "private"])
def test_a_search_path_that_does_not_reach_the_table_is_as_bad(path: str) -> None:
    text = mirror() + sync(
        "insert into people (id) values (new.id);", rights=f"security definer set search_path = {path}"
    )
    assert keys(text) == ["unresolved-name"]


def test_a_search_path_that_reaches_the_table_is_fine() -> None:
    text = mirror() + sync(
        "insert into people (id) values (new.id);", rights="security definer set search_path = public"
    )
    assert problems(RULE, text) == []


def test_a_bare_users_is_the_very_table_that_fired_the_trigger() -> None:
    text = "create table public.users (id uuid primary key references auth.users (id) on delete cascade);\n" + sync(
        "insert into users (id) values (new.id);", rights="security definer"
    )
    problem = only(text, "wrong-table")
    assert "auth.users and not public.users" in problem.cause
    assert "23505" in problem.consequence
    assert problem.severity is Severity.ERROR


@pytest.mark.parametrize(
    ("statement", "sqlstate"),
    [
        ("perform gen_random_bytes(8);", "42883"),
        ("perform uuid_generate_v4();", "42883"),
        ("perform helper();", "42883"),
        ("perform 'x'::mood;", "42704"),
    ],
)
def test_functions_and_types_are_looked_up_too(statement: str, sqlstate: str) -> None:
    more = (
        "create type public.mood as enum ('x');"
        "create function public.helper() returns int language sql set search_path = '' as 'select 1';"
    )
    problem = only(mirror() + more + sync(INSERT + statement), "unresolved-name")
    assert sqlstate in problem.consequence


def test_a_declared_type_is_looked_up_before_anything_runs() -> None:
    text = mirror() + function(INSERT, declare="declare person people%rowtype;\n") + trigger()
    assert "42P01" in only(text, "unresolved-name").consequence


def test_names_that_exist_nowhere_are_another_rules_business() -> None:
    assert keys(mirror() + sync(INSERT + "insert into public.nowhere (id) values (new.id);")) == []


def test_a_table_that_the_function_makes_itself_exists() -> None:
    body = "create temp table seen (id uuid); insert into seen values (new.id);" + INSERT
    assert keys(mirror() + sync(body)) == []


def test_a_search_path_set_in_the_body_ends_all_knowledge_of_names() -> None:
    body = "perform set_config('search_path', 'public', true); insert into people (id) values (new.id);"
    assert keys(mirror() + sync(body)) == []


def test_definer_rights_without_search_path_are_style_where_all_names_are_found() -> None:
    [problem] = problems(RULE, mirror() + sync(INSERT, rights="security definer"))
    assert (problem.key, problem.severity) == ("no-search-path", Severity.INFO)


# Values


def test_a_column_without_a_value_fails_every_sign_up() -> None:
    problem = only(mirror("name text not null") + sync(INSERT), "missing-value")
    assert "gives name no value" in problem.cause
    assert problem.consequence.startswith("Every sign-up fails with 23502")


@pytest.mark.parametrize("column", ["name text not null default ''", "name text", "n int generated always as identity"])
def test_a_column_with_a_default_or_room_for_null_does_not(column: str) -> None:
    assert keys(mirror(column) + sync(INSERT)) == []


def test_a_column_list_may_be_left_out() -> None:
    text = mirror("email text not null") + sync("insert into public.people values (new.id, new.email);")
    assert keys(text) == ["nullable-value public.people.email"]


def test_an_address_is_missing_by_phone_and_anonymously() -> None:
    text = mirror("email text not null") + sync("insert into public.people (id, email) values (new.id, new.email);")
    problem = only(text, "nullable-value")
    assert problem.severity is Severity.ERROR
    assert problem.consequence.startswith("Sign-ups without an e-mail address (by phone, anonymous) fail with 23502")


def test_metadata_is_missing_where_a_client_does_not_send_it() -> None:
    text = mirror("name text not null") + sync(
        "insert into public.people (id, name) values (new.id, new.raw_user_meta_data ->> 'full_name');"
    )
    problem = only(text, "nullable-value")
    assert problem.consequence.startswith("Every sign-up whose metadata has no full_name fails with 23502")


@pytest.mark.parametrize(
    "value",
    [
        "coalesce(new.raw_user_meta_data ->> 'name', '')",
        "coalesce(new.raw_user_meta_data ->> 'name', new.email, new.phone, 'somebody')",
        "case when new.email is null then 'somebody' else new.email end",
        "case when new.raw_user_meta_data ? 'name' then new.raw_user_meta_data ->> 'name' else '' end",
        "'user_' || substr(new.id::text, 1, 8)",
        "new.created_at::text",
    ],
)
def test_values_that_are_never_null_are_fine(value: str) -> None:
    text = mirror("name text not null") + sync(f"insert into public.people (id, name) values (new.id, {value});")
    assert keys(text) == []


def test_a_variable_is_followed() -> None:
    declare = "declare shown text := new.raw_user_meta_data ->> 'name';\n"
    guarded = "if shown is null then shown := 'somebody'; end if;"
    body = "insert into public.people (id, name) values (new.id, shown);"
    base = mirror("name text not null")
    assert keys(base + function(body, declare=declare) + trigger()) == ["nullable-value public.people.name"]
    assert keys(base + function(guarded + body, declare=declare) + trigger()) == []


def test_what_a_condition_rules_out_does_not_fail() -> None:
    body = "if new.email is not null then insert into public.people (id, email) values (new.id, new.email); end if;"
    text = mirror("email text not null") + sync(body)
    assert [key.split()[0] for key in keys(text, Severity.INFO)] == ["skips-sign-ups"]


def test_the_session_has_no_user_yet() -> None:
    text = mirror("made_by uuid not null") + sync(
        "insert into public.people (id, made_by) values (new.id, auth.uid());"
    )
    assert only(text, "nullable-value").consequence.startswith("Every sign-up fails with 23502")


def test_a_check_that_null_fails_is_as_good_as_not_null() -> None:
    body = "insert into public.people (id, email) values (new.id, new.email);"
    problem = only(mirror("email text check (email is not null)") + sync(body), "failing-check")
    assert "without an e-mail address" in problem.consequence
    assert "23514" in problem.consequence
    assert keys(mirror("email text check (length(email) > 3)") + sync(body)) == []


def test_a_constant_that_a_check_or_an_enum_does_not_allow_fails() -> None:
    body = "insert into public.people (id, role) values (new.id, 'guest');"
    assert keys(mirror("role text check (role in ('admin', 'member'))") + sync(body)) == [
        "failing-check public.people.people_role_check"
    ]
    enum = "create type public.role as enum ('admin', 'member');"
    assert keys(enum + mirror("role public.role") + sync(body)) == ["missing-label public.people.role"]


def test_a_before_trigger_on_the_mirror_may_supply_the_value() -> None:
    fill = function("if new.name is null then new.name := 'somebody'; end if;", name="fill") + trigger(
        "fill", "before insert", "public.people"
    )
    assert keys(mirror("name text not null") + fill + sync(INSERT)) == []


# Unique keys


def test_an_address_of_a_deleted_account_collides_where_the_row_stays() -> None:
    body = "insert into public.people (id, email) values (new.id, new.email);"
    linked = only(mirror("email text unique") + sync(body), "unique-collision")
    assert linked.severity is Severity.INFO
    loose = "create table public.people (id uuid primary key references auth.users (id), email text unique);"
    assert only(loose + sync(body), "unique-collision").severity is Severity.WARNING


def test_a_name_that_people_choose_can_be_taken() -> None:
    for value in ("new.raw_user_meta_data ->> 'name'", "split_part(new.email, '@', 1)"):
        text = mirror("name text unique") + sync(f"insert into public.people (id, name) values (new.id, {value});")
        problem = only(text, "unique-collision")
        assert problem.severity is Severity.WARNING
        assert "23505" in problem.consequence


def test_a_constant_in_a_unique_column_fails_from_the_second_sign_up_on() -> None:
    text = mirror("name text unique") + sync("insert into public.people (id, name) values (new.id, '');")
    problem = only(text, "unique-collision")
    assert problem.severity is Severity.ERROR
    assert problem.consequence.startswith("Every sign-up after the first fails with 23505")


def test_a_fallback_in_a_unique_column_fails_for_the_second_that_needs_it() -> None:
    value = "coalesce(new.raw_user_meta_data ->> 'name', '')"
    text = mirror("name text unique") + sync(f"insert into public.people (id, name) values (new.id, {value});")
    assert only(text, "unique-collision").severity is Severity.ERROR


@pytest.mark.parametrize("value", ["'user_' || new.id", "gen_random_uuid()::text", "null"])
def test_values_of_ones_own_do_not_collide(value: str) -> None:
    text = mirror("name text unique") + sync(f"insert into public.people (id, name) values (new.id, {value});")
    assert keys(text) == []


def test_on_conflict_on_another_column_passes_over_the_new_user() -> None:
    text = mirror("email text unique") + sync(
        "insert into public.people (id, email) values (new.id, new.email) on conflict (email) do nothing;"
    )
    assert keys(text) == ["skipped-on-conflict"]


# Errors that are swallowed


def test_swallowed_errors_lose_rows() -> None:
    handler = "exception when others then raise warning 'oh'; return new;\n"
    text = mirror() + sync(INSERT, handler=handler)
    [problem] = problems(RULE, text)
    assert (problem.key, problem.severity) == ("swallowed-errors", Severity.WARNING)


@pytest.mark.parametrize(
    "handler",
    [
        "exception when others then raise;\n",
        "exception when unique_violation then return new;\n",
        "exception when others then raise exception 'no profile: %', sqlerrm;\n",
    ],
)
def test_errors_that_are_told_or_known_are_fine(handler: str) -> None:
    assert keys(mirror() + sync(INSERT, handler=handler)) == []


def test_a_certain_fault_that_is_swallowed_loses_every_row() -> None:
    handler = "exception when others then return new;\n"
    text = mirror() + sync("insert into people (id) values (new.id);", rights="security definer", handler=handler)
    problem = only(text, "unresolved-name")
    assert problem.severity is Severity.ERROR
    assert problem.consequence.startswith("Every sign-up succeeds without a row in the mirror")


def test_swallowing_what_is_no_mirror_is_left_alone() -> None:
    text = mirror() + "create table public.log (who uuid);" + sync(INSERT)
    text += function(
        "insert into public.log values (new.id);", "log_it", handler="exception when others then return new;\n"
    ) + trigger("log_it")
    assert keys(text) == []


# Events


def test_a_key_to_a_row_that_is_not_there_yet() -> None:
    problem = only(mirror() + sync(INSERT, fires="before insert"), "key-before-row")
    assert "23503" in problem.consequence
    deferred = (
        "create table public.people (id uuid primary key references auth.users (id) deferrable initially deferred);\n"
    )
    assert keys(deferred + sync(INSERT, fires="before insert")) == []


def test_a_statement_has_no_new_row() -> None:
    problem = only(mirror() + sync(INSERT, level="statement"), "statement-level")
    assert problem.severity is Severity.ERROR


def test_a_trigger_on_update_inserts_again() -> None:
    assert keys(mirror() + sync(INSERT, fires="after insert or update")) == ["fires-again"]
    again = "insert into public.people (id) values (new.id) on conflict (id) do nothing;"
    assert keys(mirror() + sync(again, fires="after insert or update")) == []
    first = f"if tg_op = 'INSERT' then {INSERT} end if;"
    assert keys(mirror() + sync(first, fires="after insert or update")) == []


def test_a_mirror_that_is_filled_on_confirmation_only() -> None:
    text = mirror() + sync(
        INSERT,
        fires="after update of email_confirmed_at",
        when="old.email_confirmed_at is null and new.email_confirmed_at is not null",
    )
    assert keys(text) == ["fires-on-update"]


def test_a_disabled_trigger_fills_nothing() -> None:
    text = mirror() + sync(INSERT) + DISABLE
    problem = only(text, "disabled")
    assert problem.severity is Severity.ERROR
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, EnableTrigger)


def test_a_disabled_trigger_that_another_replaces_is_information() -> None:
    more = function(INSERT, "other") + trigger("other")
    text = mirror() + sync(INSERT) + more + DISABLE
    assert only(text, "disabled").severity is Severity.INFO


def test_a_condition_of_the_trigger_is_a_condition() -> None:
    text = mirror() + sync(INSERT, when="new.email is not null")
    problem = only(text, "skips-sign-ups")
    assert problem.severity is Severity.INFO
    assert "by phone, anonymous" in problem.cause
    referenced = text + "create table public.songs (by uuid references public.people (id));"
    assert only(referenced, "skips-sign-ups").severity is Severity.WARNING


def test_a_condition_that_may_hold_or_not_is_told() -> None:
    text = mirror() + sync(INSERT, when="new.raw_user_meta_data ->> 'kind' = 'musician'")
    problem = only(text, "skips-sign-ups")
    assert (problem.severity, problem.confidence) == (Severity.INFO, Confidence.LIKELY)


def test_asking_whether_the_row_is_there_leaves_nobody_out() -> None:
    body = f"if not exists (select 1 from public.people where id = new.id) then {INSERT} end if;"
    assert problems(RULE, mirror() + sync(body)) == []


def test_a_condition_that_no_sign_up_meets_on_insert() -> None:
    for when in ("new.email_confirmed_at is not null", "new.role = 'authenticated'"):
        problem = only(mirror() + sync(INSERT, when=when), "never-fills")
        assert problem.severity is Severity.ERROR


def test_what_the_host_writes_later_is_not_there_yet() -> None:
    text = mirror("kind text") + sync(
        "insert into public.people (id, kind) values (new.id, coalesce(new.raw_app_meta_data ->> 'kind', 'user'));"
    )
    assert only(text, "reads-too-early").severity is Severity.WARNING
    provider = mirror("kind text") + sync(
        "insert into public.people (id, kind) values (new.id, new.raw_app_meta_data ->> 'provider');"
    )
    assert problems(RULE, provider) == []


def test_an_update_that_finds_no_row_must_not_stop_the_login() -> None:
    body = (
        "update public.people set email = new.email where id = new.id; if not found then raise exception 'no'; end if;"
    )
    text = mirror("email text") + function(body, "copy") + trigger("copy", "after update")
    problem = only(text, "raises-without-row")
    assert problem.severity is Severity.WARNING
    assert problem.consequence == "Every login of a user who has no row yet fails with P0001."
    seldom = mirror("email text") + function(body, "copy") + trigger("copy", "after update of email")
    assert keys(seldom) == []


# Further triggers


def test_a_trigger_that_fills_something_else_counts_where_it_aborts_the_sign_up() -> None:
    text = "create table public.log (who uuid);" + sync("insert into log values (new.id);", rights="security definer")
    assert keys(text) == ["unresolved-name"]


def test_a_broken_update_trigger_stops_sign_ups_and_logins() -> None:
    text = "create table public.log (who uuid);" + sync(
        "insert into log values (new.id);", rights="security definer", fires="after update"
    )
    assert "every login" in only(text, "unresolved-name").consequence


def test_a_called_function_is_followed() -> None:
    helper = (
        "create function public.make_person(who uuid, address text) returns void language plpgsql security definer"
        " set search_path = '' as $$ begin insert into public.people (id, email) values (who, address); end $$;\n"
    )
    text = mirror("email text not null") + helper + sync("perform public.make_person(new.id, new.email);")
    problem = only(text, "nullable-value")
    assert str(problem.object) == "public.make_person(uuid, text)"
    assert "without an e-mail address" in problem.consequence


def test_an_exception_on_purpose_is_no_finding() -> None:
    body = f"if new.email like '%@spam.example' then raise exception 'no'; end if; {INSERT}"
    assert keys(mirror() + sync(body)) == []


def test_one_finding_for_each_function_and_fault_and_one_repair_for_all() -> None:
    more = "create table public.log (who uuid);"
    body = "insert into people (id) values (new.id); insert into log values (new.id);"
    found = problems(RULE, mirror("name text not null") + more + sync(body, rights="security definer"))
    assert [problem.key for problem in found] == ["missing-value public.people.name", "unresolved-name"]
    assert {problem.remedy for problem in found} == {found[0].remedy}
    assert found[0].remedy is not None
    change = found[0].remedy.change
    assert isinstance(change, RepairSyncFunction)
    assert len(change.faults) == 3
    assert [note.message for note in found[1].related if "log is looked up" in note.message]


def test_hostile_names_are_followed_like_any_other() -> None:
    text = (
        'create table public."Org\'s" (id uuid primary key references auth.users (id) on delete cascade,'
        ' "mem""bers" text not null);'
        + sync('insert into public."Org\'s" (id, "mem""bers") values (new.id, new.email);')
        + 'create table public.songs (by uuid references public."Org\'s" (id));'
    )
    problem = only(text, "nullable-value")
    assert '"mem""bers"' in problem.cause


def test_the_finding_stands_on_the_value() -> None:
    text = mirror("email text not null") + sync("insert into public.people (id, email)\nvalues (new.id,\nnew.email);")
    assert lines(RULE, text) == [6]
