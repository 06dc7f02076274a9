import pytest

from referee.model.change import RetargetForeignKey, Safety
from referee.model.finding import Confidence, Severity
from referee.rules.split_identity_reference import SplitIdentityReference
from tests.identity.sql import AUTH_USERS, SYNC, target
from tests.rules.checking import problems

RULE = SplitIdentityReference()
USERS = "create table public.users (id uuid primary key references auth.users (id));"
SPLIT = """
create table public.a (x uuid references public.users, y uuid references public.users);
create table public.songs (edited_by uuid references auth.users (id));
"""


def test_a_finding_tells_target_majority_consequence_and_remedy() -> None:
    [problem] = problems(RULE, USERS + SPLIT)
    assert str(problem.object) == "public.songs.songs_edited_by_fkey"
    assert (problem.target, problem.expected_target) == (AUTH_USERS, target("public.users", "id"))
    assert problem.cause == (
        "public.songs(edited_by) references auth.users(id), while 2 of the 3 user references of this schema point to"
        " public.users(id)."
    )
    assert (
        "in auth.users but not in public.users is accepted by this key and refused by the keys" in problem.consequence
    )
    assert "23503" in problem.consequence
    assert problem.remedy is not None
    assert isinstance(problem.remedy.change, RetargetForeignKey)
    assert problem.remedy.change.to == target("public.users", "id")
    assert problem.remedy.safety is Safety.UNSAFE
    assert [note.message for note in problem.related] == [
        "public.users, the table that user references should point to",
        "one of the 2 keys to public.users(id)",
    ]


def test_the_other_way_round_the_consequence_is_too() -> None:
    text = (
        USERS
        + "create table public.a (x uuid references auth.users, y uuid references auth.users, z uuid references users);"
    )
    [problem] = problems(RULE, text)
    assert (problem.columns, problem.expected_target) == (("z",), AUTH_USERS)
    assert "is accepted by the others and refused by this key with 23503" in problem.consequence


def test_both_tables_filled_make_it_a_warning() -> None:
    assert [problem.severity for problem in problems(RULE, USERS + SPLIT)] == [Severity.ERROR]
    [problem] = problems(RULE, USERS + SPLIT + SYNC)
    assert problem.severity is Severity.WARNING
    assert problem.consequence.startswith("New users are in both tables through on_auth_user_created;")


@pytest.mark.parametrize(
    "change",
    [
        ("values (new.id)", "select new.id where new.email is not null"),
        ("after insert", "after update"),
        ("return new;\nend", "return new;\nexception when others then return new;\nend"),
    ],
)
def test_a_trigger_that_leaves_users_out_does_not_lessen_it(change: tuple[str, str]) -> None:
    [problem] = problems(RULE, USERS + SPLIT + SYNC.replace(*change))
    assert problem.severity is Severity.ERROR


def test_the_confidence_is_that_of_the_mirror() -> None:
    bare = USERS.replace("references auth.users (id)", "")
    policy = "create policy own on public.users using (id = auth.uid());"
    assert [problem.confidence for problem in problems(RULE, bare + SPLIT)] == [Confidence.POSSIBLE]
    assert [problem.confidence for problem in problems(RULE, bare + SPLIT + policy)] == [Confidence.LIKELY]
    assert [problem.confidence for problem in problems(RULE, USERS + SPLIT)] == [Confidence.CERTAIN]


def test_a_tie_and_a_configured_table_are_named_as_the_reason() -> None:
    text = USERS + "create table public.a (x uuid references public.users, y uuid references auth.users);"
    assert (
        "as many user references of this schema (1 of 2) point to public.users(id), the mirror"
        in problems(RULE, text)[0].cause
    )
    [problem] = problems(RULE, text, canonical=[AUTH_USERS])
    assert problem.cause.endswith("while the configuration lets user references point to auth.users(id).")
    assert problem.columns == ("x",)


def test_a_composite_key_is_not_retargeted() -> None:
    [problem] = problems(
        RULE,
        """
        create table public.users (id uuid primary key references auth.users (id), tenant int, unique (tenant, id));
        create table public.a (x uuid references auth.users, y uuid references auth.users);
        create table public.b (t int, u uuid, foreign key (t, u) references public.users (tenant, id));
        """,
    )
    assert problem.columns == ("t", "u")
    assert problem.cause.startswith("public.b(u) references public.users(id), ")
    assert problem.remedy is None


def test_three_identities_split_in_every_direction() -> None:
    text = (
        USERS
        + "create table public.profiles (id uuid primary key references auth.users (id));"
        + "create table public.a (p uuid references profiles, q uuid references profiles, r uuid references users,"
        + " s uuid references auth.users);"
    )
    found = problems(RULE, text)
    assert [problem.columns for problem in found] == [("r",), ("s",)]
    assert {problem.expected_target for problem in found} == {target("public.profiles", "id")}
    assert "who is in public.profiles but not in public.users" in found[0].consequence


def test_hostile_names_are_quoted() -> None:
    [problem] = problems(
        RULE,
        """
        create table public."Mem""bers" ("select" uuid primary key references auth.users (id));
        create table public."Org's" ("org;id" uuid references public."Mem""bers", b uuid references public."Mem""bers");
        create table public."🎸" ("who is it" uuid references auth.users (id));
        """,
    )
    assert problem.cause.startswith('public."🎸"("who is it") references auth.users(id), while 2 of the 3')
    assert str(problem.expected_target) == 'public."Mem""bers"("select")'
