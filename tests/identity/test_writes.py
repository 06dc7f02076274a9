import pytest

from referee.identity.writes import SESSION, origins
from referee.model.identity import Write
from referee.sql.expressions import read_expression
from tests.identity.sql import SYNC, identity_of, replayed

USERS = "create table public.users (id uuid primary key);"
SONGS = USERS + "create table public.songs (id int, owner uuid references public.users (id), editor uuid, n int);"


def stamp(body: str, timing: str = "before insert", on: str = "public.songs", declare: str = "") -> str:
    return (
        "create function public.stamp() returns trigger language plpgsql as "
        f" $$ {declare} begin {body} return new; end $$;\n"
        f"create trigger stamp {timing} on {on} for each row execute function public.stamp();"
    )


def writes_of(text: str) -> list[Write]:
    return list(identity_of(text).writes)


def told(write: Write) -> tuple[str, str, list[str], list[str]]:
    columns = [f"{table.name}.{column}" for table, column in write.columns]
    return write.where, write.expression, columns, [key.name for key in write.reaches]


@pytest.mark.parametrize(
    "body",
    [
        "new.owner := auth.uid();",
        "new.owner = (select auth.uid());",
        "NEW.Owner := coalesce(new.owner, auth.uid());",
        "if new.owner is null then new.owner := auth.uid(); end if;",
        "new.owner := case when new.n > 0 then auth.uid() else new.owner end;",
        "new.owner := (auth.jwt() ->> 'sub')::uuid;",
        "new.owner := current_setting('request.jwt.claim.sub', true)::uuid;",
    ],
)
def test_a_trigger_that_assigns_the_session_to_a_field(body: str) -> None:
    [write] = writes_of(SONGS + stamp(body))
    where, expression, columns, reaches = told(write)
    assert (where, columns, reaches) == ("trigger", ["songs.owner"], ["songs_owner_fkey"])
    assert "NEW" not in expression


@pytest.mark.parametrize(
    "declare",
    [
        "declare me uuid := auth.uid();",
        "declare other uuid := auth.uid(); me uuid := coalesce(other, gen_random_uuid());",
    ],
)
def test_the_session_reaches_a_field_through_variables(declare: str) -> None:
    [write] = writes_of(SONGS + stamp("new.owner := me;", declare=declare))
    assert told(write) == ("trigger", "auth.uid()", ["songs.owner"], ["songs_owner_fkey"])


@pytest.mark.parametrize("call", ["public.me()", "me()", "coalesce(me(), new.owner)"])
@pytest.mark.parametrize(
    "answer", ["language sql as $$ select auth.uid() $$", "language plpgsql as $$ begin return auth.uid(); end $$"]
)
def test_the_session_reaches_a_field_through_a_function_of_the_project(call: str, answer: str) -> None:
    me = f"create function public.me() returns uuid {answer};"
    [write] = writes_of(SONGS + me + stamp(f"new.owner := {call};"))
    assert told(write) == ("trigger", "auth.uid()", ["songs.owner"], ["songs_owner_fkey"])
    [default] = writes_of(me + USERS + "create table public.a (x uuid default me() references public.users);")
    assert told(default)[0] == "default"


def test_a_function_that_looks_something_up_is_not_the_session() -> None:
    team = "create function public.me() returns uuid language sql as $$ select id from users where id = auth.uid() $$;"
    assert writes_of(SONGS + team + stamp("new.owner := public.me();")) == []


def test_the_session_reaches_a_field_through_select_into() -> None:
    [write] = writes_of(SONGS + stamp("select auth.uid() into me; new.owner := me;", declare="declare me uuid;"))
    assert told(write)[1:3] == ("auth.uid()", ["songs.owner"])


@pytest.mark.parametrize(
    "body",
    [
        "new.n := 1;",
        "new.owner := (select id from public.users where id = auth.uid());",
        "if auth.uid() is null then raise exception 'who?'; end if;",
        "new.owner := md5(auth.uid()::text)::uuid;",
        "perform 1 from public.users where id = auth.uid();",
    ],
)
def test_what_is_computed_or_looked_up_is_no_write_of_the_session(body: str) -> None:
    assert writes_of(SONGS + stamp(body)) == []


def test_after_triggers_cannot_change_the_row() -> None:
    assert writes_of(SONGS + stamp("new.owner := auth.uid();", "after insert")) == []


def test_a_disabled_trigger_writes_nothing() -> None:
    text = SONGS + stamp("new.owner := auth.uid();") + "alter table public.songs disable trigger stamp;"
    assert writes_of(text) == []


def test_the_place_of_a_write_is_the_assignment() -> None:
    text = SONGS + stamp("new.owner := auth.uid();")
    [write] = writes_of(text)
    location = replayed(text).origins.location(write.place)
    assert location is not None
    assert text[location.column - 1 :].startswith("new.owner := auth.uid();")


def test_one_function_reaches_the_tables_of_all_its_triggers() -> None:
    text = (
        SONGS
        + "create table public.shows (owner uuid references auth.users (id));"
        + stamp("new.owner := auth.uid();")
        + "create trigger too before update on public.shows for each row execute function public.stamp();"
    )
    [write] = writes_of(text)
    assert told(write) == (
        "trigger",
        "auth.uid()",
        ["shows.owner", "songs.owner"],
        ["shows_owner_fkey", "songs_owner_fkey"],
    )


def test_a_statement_in_a_trigger_writes_another_table() -> None:
    log = "create table public.log (at int, who uuid references public.users (id), song uuid);"
    text = SONGS + log + stamp("insert into public.log (at, who) values (1, auth.uid());", "after insert")
    [write] = writes_of(text)
    assert told(write) == ("trigger", "auth.uid()", ["log.who"], ["log_who_fkey"])


def test_one_statement_is_one_write_that_names_all_its_columns() -> None:
    text = SONGS + stamp("insert into public.songs (owner, editor) values (auth.uid(), auth.uid());", "after delete")
    [write] = writes_of(text)
    assert told(write) == ("trigger", "auth.uid()", ["songs.editor", "songs.owner"], ["songs_owner_fkey"])


def test_two_statements_are_two_writes() -> None:
    assert len(writes_of(SONGS + stamp("new.owner := auth.uid(); new.editor := auth.uid();"))) == 2


def test_an_insert_without_a_column_list_goes_by_the_order_of_the_table() -> None:
    text = SONGS + stamp("insert into public.songs values (1, auth.uid());", "after delete")
    assert told(writes_of(text)[0])[2] == ["songs.owner"]


@pytest.mark.parametrize(
    "statement",
    [
        "update public.songs set owner = auth.uid() where id = p",
        "insert into public.songs (id, owner) values (p, auth.uid())",
        "insert into public.songs (id, owner) select p, auth.uid()",
        "with x as (insert into public.songs (owner) values (auth.uid()) returning id) select 1",
        "insert into public.songs (id) values (p) on conflict (id) do update set owner = auth.uid()",
    ],
)
@pytest.mark.parametrize("language", ["sql", "plpgsql"])
def test_a_function_that_users_call_writes_too(statement: str, language: str) -> None:
    if language == "plpgsql":
        statement = f"begin {statement.replace('select 1', 'select 1 into p')}; end"
    unique = "create unique index on public.songs (id);"
    text = f"{SONGS}{unique} create function public.f(p int) returns void language {language} as $$ {statement} $$;"
    [write] = writes_of(text)
    assert told(write) == ("function", "auth.uid()", ["songs.owner"], ["songs_owner_fkey"])


def test_a_default_writes() -> None:
    [write] = writes_of(
        USERS + "create table public.a (x uuid default (select auth.uid()) references public.users (id));"
    )
    assert told(write)[0] == "default"
    assert told(write)[2:] == (["a.x"], ["a_x_fkey"])
    assert str(write.owner) == "public.a.x"


def test_the_sync_trigger_writes_the_new_id() -> None:
    text = "create table public.users (id uuid primary key references auth.users (id));" + SYNC
    [write] = writes_of(text)
    assert told(write) == ("trigger", "NEW.id", ["users.id"], ["users_id_fkey"])


def test_a_trigger_on_the_mirror_writes_the_new_id() -> None:
    text = USERS + SYNC + "create table public.prefs (who uuid references public.users (id));"
    text += stamp("insert into public.prefs (who) values (new.id);", "after insert", "public.users")
    assert told(writes_of(text)[1]) == ("trigger", "NEW.id", ["prefs.who"], ["prefs_who_fkey"])


def test_a_field_of_any_other_table_is_no_identity() -> None:
    assert writes_of(SONGS + stamp("insert into public.songs (owner) values (new.owner);", "after update")) == []


def test_variables_that_feed_each_other_end() -> None:
    declare = "declare a uuid := auth.uid(); b uuid; c uuid;"
    body = "b := coalesce(a, c); c := coalesce(b, a); a := coalesce(c, b, a); new.owner := a;"
    assert told(writes_of(SONGS + stamp(body, declare=declare))[0])[1] == "auth.uid()"


def test_values_and_their_origins() -> None:
    values = {"me": (read_expression("auth.uid()"), read_expression("new.id"))}
    assert origins(read_expression("me"), values) == {SESSION: values["me"][0], "new.id": values["me"][1]}
    assert origins(read_expression("me || 'x'"), values) == {}
    assert origins(read_expression("nullif(me, other)"), values).keys() == {SESSION, "new.id"}


def test_a_body_that_cannot_be_read_is_no_trouble() -> None:
    text = SONGS + "create function public.f() returns void language plpython3u as $$ plpy.execute('auth.uid()') $$;"
    text = text.replace("plpython3u", "plpgsql").replace("plpy.execute('auth.uid()')", "this is; not auth.uid()")
    assert identity_of(text).writes == ()
