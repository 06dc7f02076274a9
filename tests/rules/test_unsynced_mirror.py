from referee.model.change import CreateSyncTrigger, EnableTrigger
from referee.model.finding import Confidence, Problem, Severity
from referee.rules.unsynced_mirror import UnsyncedMirror
from tests.identity.sql import SYNC
from tests.rules.checking import problems

RULE = UnsyncedMirror()
USERS = "create table public.users (id uuid primary key references auth.users (id));"
BANDS = "create table public.bands (owner uuid references public.users (id), other uuid references public.users (id));"
DISABLE = "grant supabase_auth_admin to postgres; alter table auth.users disable trigger on_auth_user_created;"


def the_problem(text: str) -> Problem:
    [problem] = problems(RULE, text)
    return problem


def test_a_mirror_that_nothing_fills_is_possible() -> None:
    problem = the_problem(USERS + BANDS)
    assert (problem.severity, problem.confidence) == (Severity.WARNING, Confidence.POSSIBLE)
    assert problem.cause == (
        "2 foreign keys rely on public.users(id), but no trigger on auth.users in this schema inserts a row into it."
    )
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, CreateSyncTrigger)


def test_a_trigger_makes_it_silent_even_an_unsafe_one() -> None:
    assert problems(RULE, USERS + BANDS + SYNC) == []
    assert problems(RULE, USERS + BANDS + SYNC.replace("security definer", "")) == []


def test_a_disabled_trigger_is_likely_and_enabling_it_the_remedy() -> None:
    problem = the_problem(USERS + BANDS + SYNC + DISABLE)
    assert problem.confidence is Confidence.LIKELY
    assert "the trigger on_auth_user_created that would fill it is disabled" in problem.cause
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, EnableTrigger)
    assert str(problem.remedy.change.trigger) == "auth.users.on_auth_user_created"


def test_a_function_without_a_trigger_is_likely() -> None:
    problem = the_problem(USERS + BANDS + SYNC.partition("create trigger")[0])
    assert problem.confidence is Confidence.LIKELY
    assert "public.handle_new_user() would fill it and no trigger in this schema calls it" in problem.cause


def test_row_security_that_keeps_users_out_makes_it_likely() -> None:
    closed = "alter table public.users enable row level security;"
    problem = the_problem(USERS + BANDS + closed)
    assert problem.confidence is Confidence.LIKELY
    assert problem.cause.endswith(", and no policy lets users insert their own.")
    opened = closed + "create policy own on public.users for insert with check (id = auth.uid());"
    assert the_problem(USERS + BANDS + opened).confidence is Confidence.POSSIBLE


def test_a_mirror_that_no_key_relies_on_may_stay_empty() -> None:
    assert problems(RULE, USERS) == []


def test_a_name_alone_is_no_ground() -> None:
    assert problems(RULE, USERS.replace("references auth.users (id)", "") + BANDS) == []
