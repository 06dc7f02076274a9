import pytest

from referee.model.change import CreateSyncTrigger
from referee.model.finding import Confidence, Severity
from referee.rules.session_identity_in_key import SessionIdentityInKey
from tests.identity.sql import SYNC
from tests.rules.checking import problems

RULE = SessionIdentityInKey()
USERS = "create table public.users (id uuid primary key references auth.users (id));"
SONGS = "create table public.songs (id int, owner uuid default auth.uid() references public.users (id));"
FILL = "insert into public.users (id) values (new.id) on conflict (id) do nothing;"


def test_a_default_into_a_key_to_an_unfilled_mirror() -> None:
    [problem] = problems(RULE, USERS + SONGS)
    assert (problem.severity, problem.confidence) == (Severity.ERROR, Confidence.POSSIBLE)
    assert problem.cause == (
        "auth.uid() is the default of public.songs(owner), and the key there looks it up in public.users(id)."
    )
    assert "which nothing in the database fills, gets 23503" in problem.consequence
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, CreateSyncTrigger)


def test_a_sound_trigger_makes_it_silent_and_an_unsound_one_a_warning() -> None:
    assert problems(RULE, USERS + SONGS + SYNC) == []
    unsound = SYNC.replace("return new;\nend", "return new;\nexception when others then return new;\nend")
    [problem] = problems(RULE, USERS + SONGS + unsound)
    assert problem.severity is Severity.WARNING
    assert "which not every sign-up fills" in problem.consequence
    assert problem.remedy is None


def test_the_source_holds_every_session() -> None:
    assert problems(RULE, USERS + SONGS.replace("public.users", "auth.users")) == []


def test_one_finding_for_a_write_that_reaches_several_keys() -> None:
    [problem] = problems(
        RULE,
        USERS
        + """
        create table public.a (owner uuid references public.users (id));
        create table public.b (owner uuid references public.users (id));
        create table public.c (owner uuid references auth.users (id));
        create function public.stamp() returns trigger language plpgsql as $$
        begin new.owner := auth.uid(); return new; end $$;
        create trigger t before insert on public.a for each row execute function public.stamp();
        create trigger t before insert on public.b for each row execute function public.stamp();
        create trigger t before insert on public.c for each row execute function public.stamp();
        """,
    )
    assert str(problem.object) == "public.stamp()"
    assert problem.cause == (
        "auth.uid() is written into public.a(owner) and public.b(owner) by public.stamp(), and the keys there look it"
        " up in public.users(id)."
    )
    assert len(problem.related) == 2
    assert problem.table is None


def test_a_function_that_makes_the_row_first_is_silent() -> None:
    function = """
        create table public.bands (owner uuid references public.users (id));
        create function public.found() returns void language plpgsql security definer as $$
        begin
          {first}
          insert into public.bands (owner) values (auth.uid());
          {last}
        end $$;
    """
    row = "insert into public.users (id) values (auth.uid()) on conflict do nothing;"
    assert problems(RULE, USERS + function.format(first=row, last="")) == []
    [problem] = problems(RULE, USERS + function.format(first="", last=row))
    assert problem.consequence.endswith("gets 23503 from public.found().")


# Triggers on the source

SETTINGS = "create table public.settings (who uuid references public.users (id));"
SETTLE = "insert into public.settings (who) values (new.id);"
OTHER = """
create function public.settle() returns trigger language plpgsql security definer as $$
begin insert into public.settings (who) values (new.id); return new; end $$;
create trigger {name} {timing} insert on auth.users for each row execute function public.settle();
"""


@pytest.mark.parametrize(
    ("body", "count"),
    [(f"{FILL} {SETTLE}", 0), (f"{SETTLE} {FILL}", 1), (SETTLE, 1)],
)
def test_the_order_of_the_statements_in_one_trigger(body: str, count: int) -> None:
    found = problems(RULE, USERS + SETTINGS + SYNC.replace(FILL, body))
    assert len(found) == count
    for problem in found:
        assert problem.severity is Severity.ERROR
        assert problem.confidence is Confidence.CERTAIN
        assert "fails with 23503 at every new row of auth.users, and the sign-up" in problem.consequence


def test_behind_a_condition_not_every_sign_up_fails() -> None:
    body = f"if new.email is not null then {SETTLE} end if;"
    [problem] = problems(RULE, USERS + SETTINGS + SYNC.replace(FILL, body))
    assert problem.confidence is Confidence.LIKELY
    assert "at a new row that gets there" in problem.consequence


def test_an_error_that_is_swallowed_lets_the_sign_up_pass() -> None:
    body = f"begin {SETTLE} exception when others then null; end;"
    [problem] = problems(RULE, USERS + SETTINGS + SYNC.replace(FILL, body))
    assert problem.severity is Severity.WARNING
    assert "swallows it" in problem.consequence


@pytest.mark.parametrize(
    ("name", "timing", "count"),
    [("z_later", "after", 0), ("a_sooner", "after", 1), ("z_before", "before", 1)],
)
def test_the_order_of_two_triggers(name: str, timing: str, count: int) -> None:
    assert len(problems(RULE, USERS + SETTINGS + SYNC + OTHER.format(name=name, timing=timing))) == count


def test_a_key_that_waits_for_the_end_of_the_transaction_finds_the_row() -> None:
    later = SETTINGS.replace("(id))", "(id) deferrable initially deferred)")
    assert problems(RULE, USERS + later + SYNC + OTHER.format(name="a_sooner", timing="after")) == []


def test_a_trigger_before_the_row_cannot_be_looked_up_in_the_source() -> None:
    settings = SETTINGS.replace("public.users", "auth.users")
    [problem] = problems(RULE, settings + OTHER.format(name="early", timing="before"))
    assert str(problem.target) == "auth.users(id)"
    assert problems(RULE, settings + OTHER.format(name="early", timing="after")) == []


def test_the_sync_triggers_own_insert_is_no_finding() -> None:
    assert problems(RULE, USERS + SYNC) == []


def test_a_new_profile_whose_key_still_points_to_the_old_table() -> None:
    """The trigger fills profiles, while the identity key of profiles references the legacy table that nothing fills."""
    [problem] = problems(
        RULE,
        """
        create table public.users (id uuid primary key references auth.users (id));
        create table public.profiles (id uuid primary key references public.users (id));
        create table public.posts (author uuid references public.profiles (id));
        """
        + SYNC.replace("public.users", "public.profiles"),
    )
    assert (problem.severity, problem.columns) == (Severity.ERROR, ("id",))
    assert "the sign-up fails with it" in problem.consequence


def test_a_trigger_on_the_mirror_finds_its_row() -> None:
    text = USERS + SETTINGS + SYNC + OTHER.format(name="t", timing="after").replace("on auth.users", "on public.users")
    assert problems(RULE, text) == []
    assert len(problems(RULE, text.replace("trigger t after", "trigger t before"))) == 1
