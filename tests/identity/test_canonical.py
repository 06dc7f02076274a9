from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from referee.identity.canonical import UserKey, decide
from referee.model.finding import Confidence
from referee.model.identity import Mirror
from referee.model.names import QName
from referee.model.schema import ForeignKey
from tests.identity.sql import AUTH_USERS, identities_in, identity_of, replayed, target, verdicts_of

USERS = "create table public.users (id uuid primary key references auth.users (id));"
PROFILES = "create table public.profiles (id uuid primary key references auth.users (id));"


def test_the_vote_decides_for_the_mirror() -> None:
    identity = identity_of(
        USERS
        + """
        create table public.a (x uuid references public.users, y uuid references public.users);
        create table public.b (x uuid references auth.users);
        """
    )
    assert (identity.canonical, identity.decided_by) == (target("public.users", "id"), "vote")
    assert identity.votes == ((target("public.users", "id"), 2), (AUTH_USERS, 1))
    assert verdicts_of(identity) == {
        "a.x -> public.users(id)": "right",
        "a.y -> public.users(id)": "right",
        "b.x -> auth.users(id)": "wrong",
        "users.id -> auth.users(id)": "identity-key",
    }


def test_the_vote_may_decide_for_the_source() -> None:
    identity = identity_of(
        USERS + "create table public.a (x uuid references auth.users, y uuid references auth.users,"
        " z uuid references public.users);"
    )
    assert (identity.canonical, identity.decided_by) == (AUTH_USERS, "vote")
    assert verdicts_of(identity)["a.z -> public.users(id)"] == "wrong"


def test_a_tie_goes_to_the_mirror() -> None:
    identity = identity_of(
        USERS + "create table public.a (x uuid references auth.users, y uuid references public.users);"
    )
    assert (identity.canonical, identity.decided_by) == (target("public.users", "id"), "default")
    assert verdicts_of(identity)["a.x -> auth.users(id)"] == "wrong"


def test_without_a_vote_the_mirror_is_canonical_and_without_a_mirror_the_source() -> None:
    assert identity_of(USERS).canonical == target("public.users", "id")
    assert identity_of("create table public.bands (id int);").canonical == AUTH_USERS
    assert identity_of(USERS).decided_by == "default"


def test_the_configuration_beats_the_vote() -> None:
    text = USERS + "create table public.a (x uuid references public.users);"
    identity = identity_of(text, canonical=[AUTH_USERS])
    assert (identity.canonical, identity.decided_by) == (AUTH_USERS, "configuration")
    assert verdicts_of(identity)["a.x -> public.users(id)"] == "wrong"


def test_a_configured_table_is_a_mirror_without_other_evidence() -> None:
    text = (
        "create table public.people_ (id uuid primary key); create table public.a (x uuid references public.people_);"
    )
    identity = identity_of(text, canonical=[target("public.people_")])
    assert identity.canonical == target("public.people_", "id")
    assert verdicts_of(identity) == {"a.x -> public.people_(id)": "right"}


def test_three_tables_can_stand_for_the_user() -> None:
    identity = identity_of(
        USERS
        + PROFILES
        + """
        create table public.a (x uuid references public.profiles, y uuid references public.profiles,
          z uuid references public.users, w uuid references auth.users);
        """
    )
    assert identity.canonical == target("public.profiles", "id")
    assert Counter(verdicts_of(identity).values()) == {"identity-key": 2, "right": 2, "wrong": 2}


def test_a_dual_reference_neither_votes_nor_is_wrong() -> None:
    identity = identity_of(
        USERS
        + """
        create table public.a (x uuid references auth.users references public.users);
        create table public.b (x uuid references public.users);
        """
    )
    assert identity.votes == ((target("public.users", "id"), 1),)
    duals = [reference for reference in identity.references if reference.verdict == "dual"]
    assert {reference.column for reference in duals} == {"x"}
    assert {reference.partner.target for reference in duals if reference.partner} == {
        AUTH_USERS,
        target("public.users", "id"),
    }


def test_two_keys_of_a_column_to_one_table_are_no_dual_reference() -> None:
    identity = identity_of(
        USERS
        + """
        create table public.a (x uuid references public.users, foreign key (x) references public.users (id));
        """
    )
    assert [reference.verdict for reference in identity.references] == ["right", "right", "identity-key"]


def test_a_composite_key_stores_the_identity_in_one_of_its_columns() -> None:
    identity = identity_of(
        """
        create table public.users (
          id uuid primary key references auth.users (id), tenant int, unique (tenant, id)
        );
        create table public.a (t int, x uuid, foreign key (t, x) references public.users (tenant, id));
        """
    )
    [reference] = [reference for reference in identity.references if reference.verdict == "right"]
    assert reference.column == "x"
    assert identity.votes == ((target("public.users", "id"), 1),)


def test_a_key_to_a_surrogate_stores_no_identity() -> None:
    identity = identity_of(
        """
        create table public.profiles (
          id uuid primary key default gen_random_uuid(),
          user_id uuid not null unique references auth.users (id)
        );
        create table public.a (x uuid references public.profiles (id), y uuid references public.profiles (user_id));
        """
    )
    assert verdicts_of(identity) == {
        "a.y -> public.profiles(user_id)": "right",
        "profiles.user_id -> auth.users(id)": "identity-key",
    }


def test_the_key_of_an_extension_is_an_identity_key() -> None:
    text = USERS + "create table public.settings (who uuid primary key references auth.users (id));"
    assert verdicts_of(identity_of(text))["settings.who -> auth.users(id)"] == "identity-key"


def test_keys_inside_the_platform_do_not_count() -> None:
    assert identity_of("create table public.bands (id int);").references == ()


def test_a_partition_repeats_its_parents_key() -> None:
    identity = identity_of(
        """
        create table public.log (at date, who uuid references auth.users (id)) partition by range (at);
        create table public.log_1 partition of public.log for values from ('2026-01-01') to ('2027-01-01');
        """
    )
    assert identity.votes == ((AUTH_USERS, 1),)


COPY = """
    create schema test;
    create table test.profiles (id uuid primary key references auth.users (id));
    create table test.posts (author uuid references test.profiles (id));
"""


def test_a_schema_with_a_mirror_of_its_own_has_its_own_vote() -> None:
    text = PROFILES + COPY + "create table public.posts (a uuid references auth.users, b uuid references auth.users);"
    first, second = identities_in(replayed(text).schema).all
    assert {str(identity.canonical) for identity in (first, second)} == {"auth.users(id)", "test.profiles(id)"}
    assert "wrong" not in {*verdicts_of(first).values(), *verdicts_of(second).values()}


def test_schemas_whose_keys_cross_vote_together() -> None:
    text = PROFILES + COPY + "alter table test.posts add editor uuid references public.profiles (id);"
    [identity] = identities_in(replayed(text).schema).all
    assert sum(count for _, count in identity.votes) == 2


def test_a_schema_without_a_mirror_votes_with_the_others() -> None:
    identity = identity_of(
        USERS
        + """
        create schema audit;
        create table audit.log (who uuid references auth.users (id));
        create table public.a (x uuid references public.users, y uuid references public.users);
        """
    )
    assert verdicts_of(identity)["log.who -> auth.users(id)"] == "wrong"


def _mirror(name: str, confidence: Confidence = Confidence.CERTAIN) -> Mirror:
    return Mirror(QName("public", name), "id", confidence, ())


def _voters(counts: dict[str, int]) -> list[UserKey]:
    voters = []
    for name, count in counts.items():
        aim = AUTH_USERS if name == "auth" else target(f"public.{name}", "id")
        voters += [UserKey(ForeignKey(QName("public", "t"), f"k{n}", ("c",), aim), "c", aim) for n in range(count)]
    return voters


@given(st.dictionaries(st.sampled_from(["auth", "users", "profiles"]), st.integers(0, 5)))
def test_the_canonical_table_has_the_most_votes(counts: dict[str, int]) -> None:
    decision = decide(AUTH_USERS, [_mirror("users"), _mirror("profiles")], _voters(counts))
    votes = dict(decision.votes)
    assert votes.get(decision.canonical, 0) == max(votes.values(), default=0)
    assert sum(votes.values()) == sum(counts.values())
    tied = [aim for aim, count in votes.items() if count == votes.get(decision.canonical)]
    if decision.canonical == AUTH_USERS:
        assert tied == [AUTH_USERS]
    assert decision.decided_by == ("vote" if len(tied) == 1 else "default")


def test_a_possible_mirror_without_votes_is_not_canonical() -> None:
    decision = decide(AUTH_USERS, [_mirror("staff", Confidence.POSSIBLE)], [])
    assert decision.canonical == AUTH_USERS
