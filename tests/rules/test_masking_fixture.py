"""What the page of the rule cannot hold: fixtures in other languages than SQL."""

from __future__ import annotations

from referee.identity import IdentityOptions, identify
from referee.model.finding import Confidence, Problem, Severity
from referee.model.fixtures import FixtureKind
from referee.model.source import Source
from referee.platforms import platform
from referee.read.code_fixtures import code_events
from referee.read.fixtures import FixtureText, read_fixtures
from referee.read.replay import replay
from referee.rules.masking_fixture import MaskingFixture

SUPABASE = platform("supabase")
TABLES = """
create table public.profiles (id uuid primary key references auth.users (id) on delete cascade);
create table public.posts (author uuid references public.profiles (id));
"""
TRIGGER = """
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = '' as $$
begin insert into public.profiles (id) values (new.id); return new; {exception} end $$;
create trigger on_auth_user_created after insert on auth.users for each row execute function public.handle_new_user();
"""
SWALLOWS = "exception when others then return new;"
ADMIN = "const admin = createClient(url, process.env.SERVICE_ROLE_KEY)\n"
MAKES = "const { data } = await admin.auth.admin.createUser({ email })\n"


def problems(text: str, schema: str = TABLES, *, kind: FixtureKind = "code", ending: str = ".ts") -> list[Problem]:
    built = replay([Source("1.sql", schema)], SUPABASE).schema
    source = Source(f"a{ending}", text)
    code = [FixtureText(kind, source, code_events(source), is_code=True)]
    identities = identify(built, IdentityOptions(SUPABASE))
    return list(MaskingFixture().check_fixtures(built, identities, read_fixtures([], built, SUPABASE, code)))


def test_a_helper_that_makes_the_account_and_the_row() -> None:
    text = ADMIN + f"async function person() {{ {MAKES} await admin.from('profiles').insert({{ id: data.user.id }}) }}"
    (found,) = problems(text)
    assert found.severity is Severity.WARNING
    assert found.confidence is Confidence.CERTAIN
    assert found.cause == "person() lets somebody sign up and fills public.profiles by hand."
    assert "delete this call: then a trigger on auth.users, or the application, has to fill it" in found.consequence


def test_sql_in_a_test_of_python() -> None:
    text = """
def person(db):
    db.execute("insert into auth.users (id) values (%s)", [ID])
    db.execute("insert into profiles (id) values (%s)", [ID])
"""
    (found,) = problems(text, ending=".py")
    assert found.cause == "person() fills auth.users and public.profiles by hand."
    assert "delete this statement" in found.consequence


def test_a_test_has_its_title() -> None:
    (found,) = problems(ADMIN + f"it('signs up', async () => {{ {MAKES} await admin.from('profiles').insert({{}}) }})")
    assert found.cause.startswith('The test "signs up" lets somebody sign up')


def test_a_row_without_an_account_beside_it_masks_nothing() -> None:
    assert problems(ADMIN + "await admin.from('profiles').insert({})") == []


def test_what_a_user_does_is_what_the_application_does() -> None:
    text = f"{ADMIN}{MAKES}await admin.auth.signOut(); const mine = createClient(url, ANON_KEY);"
    assert problems(f"{text} await mine.from('profiles').insert({{}})") == []


def test_a_client_whose_key_is_not_known_may_be_anybodys() -> None:
    (found,) = problems("await db.auth.signUp({}); await db.from('profiles').insert({})")
    assert (found.severity, found.confidence) == (Severity.INFO, Confidence.POSSIBLE)
    assert "(if its client has the service key)" in found.cause


def test_seed_scripts_mislead_developers_only() -> None:
    (found,) = problems(f"{ADMIN}{MAKES}await admin.from('profiles').insert({{}})", kind="seed")
    assert found.severity is Severity.INFO


def test_adding_to_the_row_of_a_trigger_is_no_fault_unless_the_trigger_may_not_have_made_it() -> None:
    upsert = f"{ADMIN}{MAKES}await admin.from('profiles').upsert({{ id }})"
    assert problems(upsert, TABLES + TRIGGER.format(exception="")) == []
    (found,) = problems(upsert, TABLES + TRIGGER.format(exception=SWALLOWS))
    assert found.severity is Severity.WARNING
    assert "then auth.users.on_auth_user_created has to fill it, which swallows errors" in found.consequence
    insert = upsert.replace("upsert", "insert")
    assert [one.severity for one in problems(insert, TABLES + TRIGGER.format(exception=""))] == [Severity.INFO]


def test_the_same_function_is_told_once() -> None:
    twice = "await admin.from('profiles').insert({});" * 2
    assert len(problems(f"{ADMIN}async function f() {{ {MAKES} {twice} }}")) == 1
