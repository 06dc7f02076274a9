"""A faulty sign-up function, rewritten: every sign-up gets its row, and what else the function does stays."""

from __future__ import annotations

import pytest

from referee.fixing.function import Rewritten, rewrite
from referee.fixing.proposals import choose
from referee.fixing.sync import UndecidedError
from referee.model.change import Change
from referee.model.finding import Problem, Severity
from referee.model.remedy import RepairSyncFunction
from referee.postgres.server import Server
from referee.postgres.session import literal
from referee.rules.unsafe_sync_trigger import UnsafeSyncTrigger
from referee.sql.clauses import UnwritableError
from referee.sql.clauses import function as written
from referee.workflow.locate import locate
from tests.fixing.sql import edited
from tests.identity.sql import identities_in, replayed

DEFINER = "language plpgsql security definer set search_path = ''"
RULE = UnsafeSyncTrigger()


def project(columns: str, body: str, head: str = DEFINER) -> str:
    inside = f",\n  {columns}" if columns else ""
    return (
        f"create table public.profiles (\n  id uuid primary key references auth.users on delete cascade{inside}\n);\n"
        "create table public.log (line text);\n"
        "create table public.songs (by uuid references public.profiles (id) on delete cascade);\n"
        "create function public.shout(text) returns text language sql immutable as 'select upper($1)';\n"
        f"create function public.handle_new_user() returns trigger\n{head}\nas $$\n{body}\n$$;\n"
        "create trigger on_auth_user_created after insert on auth.users\n"
        "  for each row execute function public.handle_new_user();\n"
    )


def insert(columns: str, values: str, behind: str = "", table: str = "public.profiles") -> str:
    return f"begin\n  insert into {table} ({columns}) values ({values}){behind};\n  return new;\nend;"


NAME = "new.raw_user_meta_data ->> 'user_name'"
SWALLOWING = f"""begin
  insert into public.profiles (id, username) values (new.id, {NAME});
  insert into public.log (line) values ('somebody came');  -- stays
  return new;
exception
  when others then
    raise warning 'lost: %', sqlerrm;
    return new;
end;"""
EVERYTHING = f"""declare
  known profiles.username%type;
  whole profiles%rowtype;
begin
  select username into known from profiles where shout(username) = 'X';
  insert into profiles (id, email, username, name)
  values (new.id, new.email, {NAME}, new.raw_user_meta_data ->> 'name');
  return new;
exception when others then return new;
end;"""

CASES = {
    "invoker": project("", insert("id", "new.id"), "language plpgsql"),
    "invoker that says so": project("", insert("id", "new.id"), "language plpgsql\nsecurity invoker\nvolatile"),
    "bare names": project("", insert("id", "new.id", "", "profiles"), "language plpgsql security definer"),
    "bare names under an empty path": project("", insert("id", "new.id", "", "profiles")),
    "a language in quotes": project("", insert("id", "new.id"), "language 'plpgsql'"),
    "no path": project("", insert("id", "new.id"), "security definer language plpgsql"),
    "missing address": project("email text not null", insert("id, email", "new.id, new.email")),
    "missing name": project("name text not null", insert("id, name", f"new.id, {NAME}")),
    "nothing for a column": project("email text not null, name varchar(9) not null", insert("id", "new.id")),
    "a name that is taken": project("username text unique", insert("id, username", f"new.id, {NAME}")),
    "an address that is taken": project("email text unique", insert("id, email", "new.id, new.email")),
    "skipping": project("email text unique", insert("id, email", "new.id, new.email", " on conflict do nothing")),
    "swallowing": project("username text unique", SWALLOWING),
    "everything": project("email text not null unique, username text unique, name text not null", EVERYTHING,
                          "language plpgsql"),
}  # fmt: skip

SIGN_UPS = (
    (None, "{}"),
    (None, '{"user_name": "bea"}'),
    ("a@example.org", '{"user_name": "bea", "name": "Bea"}'),
    ("same@example.org", '{"user_name": "cleo"}'),
    ("same@example.org", "[]"),
)


def problems(text: str) -> list[Problem]:
    schema = replayed(text).schema
    return list(RULE.check(schema, identities_in(schema)))


def remedies(text: str) -> list[Change]:
    """What is proposed, all findings of the function brought together."""
    read = replayed(text)
    findings = [locate(RULE.id, problem, read.origins) for problem in problems(text)]
    return list(choose(findings, read.schema, {}).changes)


def repaired(text: str) -> str:
    [change] = remedies(text)
    return edited(text, [change])


def replaced(text: str) -> str:
    """The project and behind it the function as a migration writes it."""
    return f"{text}\n{written(rewritten(text).function)};"


def rewritten(text: str) -> Rewritten:
    [change] = remedies(text)
    assert isinstance(change, RepairSyncFunction)
    return rewrite(replayed(text).schema, change, {})


@pytest.mark.parametrize("way", [repaired, replaced])
@pytest.mark.parametrize("case", CASES)
def test_nothing_is_left_to_find(case: str, way: type) -> None:
    assert problems(CASES[case])
    assert [problem.cause for problem in problems(way(CASES[case])) if problem.severity > Severity.INFO] == []
    assert remedies(way(CASES[case])) == [], "a second fix has more to do"


@pytest.mark.parametrize("case", CASES)
def test_every_sign_up_gets_its_row(case: str, server: Server, database: str) -> None:
    with server.connect(database, server.superuser) as session:
        session.run(f"set role postgres; {repaired(CASES[case])}; reset role")
        session.run("set role supabase_auth_admin; set search_path = auth")
        for email, data in SIGN_UPS:
            session.run(
                "insert into auth.users (id, email, raw_user_meta_data, is_sso_user) values "
                f"(gen_random_uuid(), {'null' if email is None else literal(email)}, {literal(data)}, true)"
            )
        session.run("reset role")
        assert session.value("select count(*) from public.profiles") == len(SIGN_UPS)
        if case == "swallowing":
            assert session.value("select count(*) from public.log") == len(SIGN_UPS)
            names = "select count(*) from public.profiles where username in ('bea', 'cleo')"
            assert session.value(names) == 2
        flags = "select prosecdef, proconfig from pg_proc where proname = 'handle_new_user'"
        assert session.rows(flags) == [(True, ['search_path=""'])]


def test_only_what_is_at_fault_changes() -> None:
    text = project("email text not null", insert("id, email", "new.id, new.email"), "LANGUAGE plpgsql")
    after = repaired(text)
    assert after == text.replace(
        "LANGUAGE plpgsql", "LANGUAGE plpgsql\nsecurity definer\nset search_path = ''"
    ).replace("(new.id, new.email)", "(new.id, coalesce(new.email, ''))")


def test_an_edit_and_a_migration_write_the_same_body() -> None:
    for text in CASES.values():
        body = rewritten(text).function.body
        assert body in repaired(text)


def test_names_in_dynamic_sql_keep_a_path() -> None:
    body = "begin\n  execute 'select 1 from log';\n  insert into profiles (id) values (new.id);\n  return new;\nend;"
    found = rewritten(project("", body, "language plpgsql security definer"))
    assert (found.path, found.definer) == ("public, extensions", False)
    assert found.function.search_path == ("public", "extensions")


@pytest.mark.parametrize(
    ("columns", "body"),
    [
        # Nobody but the project knows which plan a new user has.
        ("plan text check (plan in ('free', 'paid'))", insert("id, plan", "new.id, 'gold'")),
        # The value comes from a query; a column cannot be added to it.
        ("name text not null", "begin\n  insert into public.profiles (id) select new.id;\n  return new;\nend;"),
    ],
)
def test_what_a_person_has_to_decide_is_left(columns: str, body: str) -> None:
    [change] = remedies(project(columns, body))
    assert isinstance(change, RepairSyncFunction)
    with pytest.raises(UnwritableError, match="by hand"):
        rewrite(replayed(project(columns, body)).schema, change, {})


def test_a_value_that_nobody_can_guess_is_a_question() -> None:
    text = project("team uuid not null references public.songs2", insert("id", "new.id"))
    text = f"create table public.songs2 (id uuid primary key);\n{text}"
    [change] = remedies(text)
    assert isinstance(change, RepairSyncFunction)
    with pytest.raises(UndecidedError) as raised:
        rewrite(replayed(text).schema, change, {})
    assert [question.id for question in raised.value.questions] == ["value public.profiles.team"]
    found = rewrite(replayed(text).schema, change, {"value public.profiles.team": "gen_random_uuid()"})
    assert "gen_random_uuid()" in found.function.body


def test_errors_are_swallowed_on_where_a_sign_up_would_fail_without() -> None:
    body = f"begin\n  insert into public.profiles (id, plan) values (new.id, 'gold');\n{SWALLOWING[6:]}"
    found = remedies(project("plan text check (plan in ('free')), username text unique", body))
    assert all("swallowed-errors" not in {mend.kind for mend in change.mends}
               for change in found if isinstance(change, RepairSyncFunction))  # fmt: skip
