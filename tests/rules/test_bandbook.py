"""The example's story: what the rules about identities say of it before, between and after its repairs."""

from __future__ import annotations

from collections import Counter

import pytest

from referee.identity import IdentityOptions, identify
from referee.model.finding import Problem, Severity
from referee.model.identity import Identity
from referee.model.origins import Place
from referee.model.source import Source
from referee.platforms import platform
from referee.read.replay import Replayed, replay
from referee.rules import ALL
from tests.bandbook import RIGHT_LINES, VARIANTS, WRITE_LINES, WRONG_LINES, Variant, line_in, migration
from tests.identity.sql import AUTH_USERS, target

USERS = target("public.users", "id")
BY_ID = {rule.id: rule for rule in ALL}


def read(variant: Variant) -> tuple[Replayed, Identity]:
    read = replay([Source("baseline.sql", migration(variant))], platform("supabase"))
    assert read.gaps == ()
    [identity] = identify(read.schema, IdentityOptions(platform("supabase"))).all
    return read, identity


def problems(variant: Variant, rule: str) -> dict[int, Problem]:
    """The problems of one rule by the line of the original file that they are on."""
    replayed, _ = read(variant)
    identities = identify(replayed.schema, IdentityOptions(platform("supabase")))
    back = {line_in(variant, line): line for line in range(1, migration("broken").count("\n") + 1)}
    found: dict[int, Problem] = {}
    for problem in BY_ID[rule].check(replayed.schema, identities):
        location = replayed.origins.location(problem.place or Place(problem.object))
        assert location is not None
        assert back[location.line] not in found
        found[back[location.line]] = problem
    return found


@pytest.mark.parametrize("variant", VARIANTS)
def test_public_users_is_canonical_by_vote(variant: Variant) -> None:
    replayed, identity = read(variant)
    assert (identity.canonical, identity.decided_by) == (USERS, "vote")
    lines = {
        location.line: reference.verdict
        for reference in identity.references
        if (location := replayed.origins.location(Place(reference.key.ref))) is not None
    }
    wrong = {} if variant not in ("broken", "synced") else dict.fromkeys(WRONG_LINES, "wrong")
    right = dict.fromkeys(RIGHT_LINES, "right") | ({} if wrong else dict.fromkeys(WRONG_LINES, "right"))
    own = {46: "identity-key"} if variant == "fixed_with_identity_key" else {}
    assert lines == {line_in(variant, line): verdict for line, verdict in (wrong | right | own).items()}


def test_the_votes_are_seven_to_six() -> None:
    assert read("broken")[1].votes == ((USERS, 7), (AUTH_USERS, 6))


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_three_writes_are_listed_with_the_keys_they_reach(variant: Variant) -> None:
    replayed, identity = read(variant)
    sessions = {
        location.line: [key.name for key in write.reaches]
        for write in identity.writes
        if write.expression == "auth.uid()" and (location := replayed.origins.location(write.place)) is not None
    }
    assert sessions == {
        line_in(variant, 467): ["songs_last_modified_by_fkey"],
        line_in(variant, 486): [
            "practice_sessions_last_modified_by_fkey",
            "setlists_last_modified_by_fkey",
            "shows_last_modified_by_fkey",
        ],
        line_in(variant, 504): ["setlists_created_by_fkey", "shows_created_by_fkey", "songs_created_by_fkey"],
    }


def test_the_fault_as_it_is() -> None:
    split = problems("broken", "split-identity-reference")
    assert set(split) == set(WRONG_LINES)
    assert {problem.expected_target for problem in split.values()} == {USERS}
    assert {problem.severity for problem in split.values()} == {Severity.ERROR}
    [write] = problems("broken", "session-identity-in-key").items()
    assert write[0] == 504
    assert [note.place.ref.part for note in write[1].related if note.place] == [
        "setlists_created_by_fkey",
        "songs_created_by_fkey",
    ]
    for rule in ("unsynced-mirror", "unlinked-mirror", "mirror-write-blocked"):
        assert set(problems("broken", rule)) == {45}
    assert set(problems("broken", "blocked-user-deletion")) == set(WRONG_LINES)


def test_the_six_keys_retargeted_without_a_trigger() -> None:
    assert problems("retargeted", "split-identity-reference") == {}
    assert set(problems("retargeted", "unsynced-mirror")) == {45}
    assert set(problems("retargeted", "session-identity-in-key")) == set(WRITE_LINES)
    assert problems("retargeted", "blocked-user-deletion") == {}


def test_the_trigger_alone_leaves_the_split_as_a_warning() -> None:
    split = problems("synced", "split-identity-reference")
    assert set(split) == set(WRONG_LINES)
    assert {problem.severity for problem in split.values()} == {Severity.WARNING}
    for rule in ("unsynced-mirror", "session-identity-in-key", "mirror-write-blocked"):
        assert problems("synced", rule) == {}


@pytest.mark.parametrize("variant", ["fixed", "fixed_with_identity_key"])
def test_both_make_all_three_rules_silent(variant: Variant) -> None:
    for rule in ("split-identity-reference", "unsynced-mirror", "session-identity-in-key", "mirror-write-blocked"):
        assert problems(variant, rule) == {}


def test_an_identity_key_links_the_mirror_and_lets_the_keys_to_it_block() -> None:
    assert set(problems("fixed", "unlinked-mirror")) == {45}
    assert problems("fixed", "blocked-user-deletion") == {}
    assert problems("fixed_with_identity_key", "unlinked-mirror") == {}
    assert set(problems("fixed_with_identity_key", "blocked-user-deletion")) == set(WRONG_LINES)


def test_a_deletion_blocked_through_the_mirror_prints_its_chain() -> None:
    blocked = problems("fixed_with_identity_key", "blocked-user-deletion")
    assert Counter("auth.users -> public.users CASCADE -> " in problem.cause for problem in blocked.values()) == {
        True: 6
    }
