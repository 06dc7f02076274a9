from __future__ import annotations

import pytest

from referee.model.finding import Confidence, Problem, Severity
from referee.rules.broken_function_reference import BrokenFunctionReference
from tests.rules.checking import lines, problems
from tests.rules.sync import INSERT, function, mirror, sync, trigger

RULE = BrokenFunctionReference()
SONGS = "create table public.songs (id uuid primary key, title text);\n"


def touch(body: str, fires: str = "before update", rights: str = "", handler: str = "", declare: str = "") -> str:
    """A trigger on songs."""
    return SONGS + function(body, "touch", rights, declare, handler) + trigger("touch", fires, "public.songs")


def only(text: str) -> Problem:
    [problem] = problems(RULE, text)
    return problem


def test_a_field_that_the_table_does_not_have() -> None:
    problem = only(touch("new.updated_at := now();"))
    assert problem.cause == "public.songs, whose trigger fires this function, has no column for NEW.updated_at."
    assert problem.consequence == "Every UPDATE on public.songs fails with 42703."
    assert (problem.severity, problem.confidence) == (Severity.ERROR, Confidence.CERTAIN)


def test_a_function_of_many_triggers_is_told_once_with_the_tables_that_break_it() -> None:
    more = (
        "create table public.bands (id uuid, updated_at timestamptz); create table public.shows (id uuid);"
        + trigger("touch", "before update", "public.bands")
        + "create trigger t before update on public.shows for each row execute function public.touch();"
    )
    problem = only(touch("new.updated_at := now();") + more)
    assert problem.cause.startswith("public.songs and public.shows, whose triggers fire this function, have no column")


def test_fields_are_read_where_they_stand() -> None:
    assert "OLD.author" in only(touch("if old.author is not null then null; end if;")).cause
    assert lines(RULE, touch("perform 1;\nperform new.author;")) == [5]


@pytest.mark.parametrize(
    "body",
    [
        "if tg_table_name = 'bands' then new.updated_at := now(); end if;",
        "if tg_op = 'INSERT' then perform new.author; end if;",
        "return new; new.updated_at := now();",
    ],
)
def test_statements_that_are_not_reached_do_not_break(body: str) -> None:
    assert problems(RULE, touch(body)) == []


def test_a_table_that_nothing_creates() -> None:
    problem = only(touch("insert into public.history (song) values (new.id);"))
    assert problem.cause == "Table public.history does not exist."
    assert "42P01" in problem.consequence
    assert problem.confidence is Confidence.LIKELY


def test_a_table_that_was_dropped_or_renamed() -> None:
    history = "create table public.history (song uuid);"
    text = history + touch("insert into public.history (song) values (new.id);")
    assert problems(RULE, text) == []
    assert only(text + "drop table public.history;").key == "table public.history"
    assert only(text + "alter table public.history rename to past;").key == "table public.history"
    assert "song" in only(text + "alter table public.history rename song to song_id;").cause


def test_columns_of_written_and_read_tables() -> None:
    history = "create table public.history (song uuid, at timestamptz);"
    insert = history + touch("insert into public.history (song, who, why) values (new.id, null, null);")
    assert only(insert).cause == "public.history has no column who or why."
    update = history + touch("update public.history set seen = now() where song = new.id;")
    assert only(update).cause == "public.history has no column seen."
    read = history + touch("perform h.who from public.history h where h.song = new.id;")
    assert only(read).cause == "public.history has no column who."


def test_columns_that_are_no_columns_of_the_table_are_left_alone() -> None:
    body = (
        "with h as (select 1 as who) select h.who from h into new.title;"
        "perform x.a from (select 2 as a) x;"
        "perform history.ctid from public.history;"
        "perform count(h.*) from public.history h;"
    )
    assert problems(RULE, "create table public.history (song uuid);" + touch(body)) == []


def test_functions_and_types() -> None:
    assert "42883" in only(touch("perform public.nothing(new.id);")).consequence
    assert "42704" in only(touch("perform 'x'::public.mood;")).consequence
    assert "42704" in only(touch("perform 1;", declare="declare m mood;\n")).consequence


def test_on_conflict_without_a_constraint_to_match() -> None:
    history = "create table public.history (song uuid, at date{more});"
    body = touch("insert into public.history (song, at) values (new.id, now()) on conflict (song) do nothing;")
    assert "42P10" in only(history.format(more="") + body).consequence
    for more in (", unique (song)", ", primary key (song)"):
        assert problems(RULE, history.format(more=more) + body) == []
    index = "create unique index on public.history (song) where at is not null;"
    assert problems(RULE, history.format(more="") + index + body) == []


def test_a_search_path_of_its_own_that_does_not_reach_a_table() -> None:
    history = "create table public.history (song uuid);"
    body = "insert into history (song) values (new.id);"
    problem = only(history + touch(body, rights="set search_path = ''"))
    assert "the empty search_path that the function sets" in problem.cause
    assert problem.confidence is Confidence.CERTAIN
    assert problems(RULE, history + touch(body)) == []
    elsewhere = "create schema private; create table private.history (song uuid);"
    assert problems(RULE, elsewhere + touch(body)) == []  # whose search_path it will be is not known


@pytest.mark.parametrize(
    "body",
    [
        "create temp table seen as select 1 as a; perform a from seen;",
        "execute 'insert into nowhere values (1)';",
        "if to_regclass('public.history') is not null then insert into public.history values (new.id); end if;",
        "if exists (select from information_schema.tables where table_name = 'h') then delete from public.h; end if;",
        "perform net.http_post('https://example.org');",
        "perform st_distance(null, null);",
        "perform pg_notify('songs', new.id::text);",
        "perform auth.something_new();",
    ],
)
def test_what_cannot_be_known_is_not_claimed(body: str) -> None:
    assert problems(RULE, touch(body)) == []


def test_transition_tables_exist() -> None:
    text = SONGS + function("perform count(*) from added;", "touch")
    text += (
        "create trigger t after insert on public.songs referencing new table as added"
        " for each statement execute function public.touch();"
    )
    assert problems(RULE, text) == []


def test_a_schema_that_nothing_creates_may_be_another_tools() -> None:
    problem = only(touch("perform graphile_worker.add_job('x');"))
    assert (problem.severity, problem.confidence) == (Severity.WARNING, Confidence.POSSIBLE)


def test_an_error_that_is_swallowed_is_a_warning() -> None:
    handler = "exception when others then return new;\n"
    problem = only(touch("insert into public.history values (new.id);", handler=handler))
    assert problem.severity is Severity.WARNING
    assert "swallows" in problem.consequence
    named = "exception when unique_violation then return new;\n"
    assert only(touch("insert into public.history values (new.id);", handler=named)).severity is Severity.ERROR


def test_a_called_function_is_looked_into() -> None:
    helper = "create function public.note() returns void language plpgsql as $$ begin delete from nowhere; end $$;"
    problem = only(helper + touch("perform public.note();"))
    assert str(problem.object) == "public.note()"
    swallowed = "begin perform public.note(); exception when others then null; end;"
    assert only(helper + touch(swallowed)).severity is Severity.WARNING


def test_functions_that_call_each_other_end() -> None:
    text = (
        "create function public.a() returns void language plpgsql as $$ begin perform public.b(); end $$;"
        "create function public.b() returns void language plpgsql as $$ begin perform public.a(); end $$;"
    )
    assert problems(RULE, text + touch("perform public.a();")) == []


def test_a_function_without_a_trigger_is_not_looked_at() -> None:
    assert problems(RULE, function("delete from nowhere;")) == []
    disabled = touch("delete from nowhere;") + "alter table public.songs disable trigger on_touch;"
    assert problems(RULE, disabled) == []


def test_a_trigger_on_the_source_breaks_sign_ups() -> None:
    problem = only(mirror() + sync(INSERT + "insert into public.nowhere values (new.id);"))
    assert problem.consequence == "Every INSERT on auth.users, hence every sign-up, fails with 42P01."


def test_a_deletion_of_a_user_runs_under_the_search_path_of_the_host() -> None:
    text = mirror() + function("delete from people where id = old.id;", "forget", "security definer")
    problem = only(text + trigger("forget", "after delete"))
    assert problem.consequence == "Every DELETE on auth.users, hence every deletion of a user, fails with 42P01."
    assert "the search_path of the caller (auth)" in problem.cause


def test_hostile_names() -> None:
    text = 'create table public."Org\'s" (id uuid);' + function('new."mem""bers" := 1;', "touch")
    text += trigger("touch", "before update", 'public."Org\'s"')
    assert 'NEW."mem""bers"' in only(text).cause
