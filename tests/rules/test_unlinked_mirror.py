import pytest

from referee.model.change import AddIdentityKey, DropDefault
from referee.model.finding import Confidence, Severity
from referee.model.schema import Column
from referee.rules.unlinked_mirror import UnlinkedMirror, makes_ids
from tests.identity.sql import SYNC
from tests.rules.checking import problems

RULE = UnlinkedMirror()
BANDS = "create table public.bands (owner uuid references public.users (id));"
POLICY = "create policy own on public.users using (id = auth.uid());"


def test_a_mirror_without_identity_key() -> None:
    [problem] = problems(RULE, "create table public.users (id uuid primary key);" + BANDS + POLICY)
    assert str(problem.object) == "public.users"
    assert problem.confidence is Confidence.LIKELY
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, AddIdentityKey)
    assert problem.remedy.change.describe() == (
        "add a foreign key from public.users(id) to auth.users(id) ON DELETE CASCADE"
    )


def test_a_dropped_identity_key_is_seen_as_missing() -> None:
    text = "create table public.users (id uuid primary key references auth.users (id));" + SYNC
    assert problems(RULE, text) == []
    [problem] = problems(RULE, text + "alter table public.users drop constraint users_id_fkey;")
    assert problem.confidence is Confidence.CERTAIN


def test_ids_of_its_own_making_are_a_second_finding() -> None:
    text = "create table public.users (id uuid primary key default gen_random_uuid());" + BANDS + POLICY
    missing, own = sorted(problems(RULE, text), key=lambda problem: problem.key, reverse=True)
    assert missing.key == "no identity key"
    assert str(own.object) == "public.users.id"
    assert own.severity is Severity.WARNING
    assert "a user that no session will ever be" in own.consequence
    assert own.remedy is not None
    assert isinstance(own.remedy.change, DropDefault)


def test_with_an_identity_key_a_default_can_only_fail() -> None:
    text = "create table public.users (id uuid primary key default gen_random_uuid() references auth.users (id));"
    [problem] = problems(RULE, text)
    assert problem.severity is Severity.INFO
    assert "fails with 23503" in problem.consequence


@pytest.mark.parametrize("default", ["auth.uid()", "(select auth.uid())"])
def test_the_session_as_default_is_no_id_of_its_own(default: str) -> None:
    text = f"create table public.users (id uuid primary key default {default} references auth.users (id));"
    assert problems(RULE, text) == []


def test_a_name_alone_is_no_ground() -> None:
    assert problems(RULE, "create table public.users (id uuid primary key);" + BANDS) == []


def test_a_chained_mirror_is_linked() -> None:
    text = """
        create table public.users (id uuid primary key references auth.users (id));
        create table public.profiles (id uuid primary key references public.users (id));
    """
    assert problems(RULE, text) == []


@pytest.mark.parametrize(
    ("column", "answer"),
    [
        (Column("id", "uuid", default="gen_random_uuid()"), True),
        (Column("id", "uuid", default="extensions.uuid_generate_v4()"), True),
        (Column("id", "bigint", default="nextval('s'::regclass)"), True),
        (Column("id", "bigint", identity="always"), True),
        (Column("id", "uuid", default="auth.uid()"), False),
        (Column("id", "uuid", default="'00000000-0000-0000-0000-000000000000'::uuid"), False),
        (Column("id", "uuid"), False),
    ],
)
def test_columns_that_make_ids(column: Column, answer: bool) -> None:
    assert makes_ids(column) is answer
