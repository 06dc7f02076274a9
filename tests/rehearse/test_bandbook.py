"""Bandbook and its repairs, as the analysis behind it says that production behaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from referee.model.rehearsal import FlowResult, Rehearsal, World, WorldVerdict
from referee.workflow.prove import Proof
from tests.bandbook import RIGHT_LINES, SYNC_TRIGGER, WRONG_LINES, Variant, line_in

pytestmark = pytest.mark.server

Proofs = Callable[[Variant], Proof]

WRONG = set(WRONG_LINES.values())
RIGHT = set(RIGHT_LINES.values())
SIGNED_UP: tuple[World, ...] = ("fresh-sign-up", "upsert-own-session", "upsert-no-session", "service-role")


def of(proofs: Proofs, variant: Variant) -> Rehearsal:
    return proofs(variant).rehearsals[0]


def places(rehearsal: Rehearsal) -> Mapping[tuple[str, str], Mapping[World, WorldVerdict]]:
    return {(one.key.table.name, one.column): one.worlds for one in rehearsal.references}


def answer(verdict: WorldVerdict) -> str:
    return verdict.outcome if verdict.failure is None else verdict.failure.sqlstate


def flows(rehearsal: Rehearsal) -> Mapping[str, FlowResult]:
    return {flow.flow: flow for flow in rehearsal.flows}


def test_every_user_reference_gets_a_row(proofs: Proofs) -> None:
    rehearsal = of(proofs, "broken")
    assert set(places(rehearsal)) == WRONG | RIGHT
    assert [one.not_run for one in rehearsal.references if one.not_run] == []


def test_local_tests_pass_on_every_reference(proofs: Proofs) -> None:
    assert {answer(worlds["fixture"]) for worlds in places(of(proofs, "broken")).values()} == {"pass"}


@pytest.mark.parametrize("world", SIGNED_UP)
def test_keys_to_the_mirror_fail_after_a_sign_up(proofs: Proofs, world: World) -> None:
    found = places(of(proofs, "broken"))
    failures = {place: found[place][world].failure for place in RIGHT}
    assert {place: (failure.sqlstate, failure.constraint) for place, failure in failures.items() if failure} == {
        (table, column): ("23503", f"{table}_{column}_fkey") for table, column in RIGHT
    }


@pytest.mark.parametrize("world", SIGNED_UP)
def test_keys_to_the_source_pass_after_a_sign_up(proofs: Proofs, world: World) -> None:
    found = places(of(proofs, "broken"))
    assert {place: answer(found[place][world]) for place in WRONG} == dict.fromkeys(WRONG, "pass")


def test_with_a_mirror_row_alone_it_is_the_other_way_round(proofs: Proofs) -> None:
    found = {place: answer(worlds["mirror-only"]) for place, worlds in places(of(proofs, "broken")).items()}
    assert found == dict.fromkeys(WRONG, "23503") | dict.fromkeys(RIGHT, "pass")


def test_a_verdict_says_under_whom_it_was_reached(proofs: Proofs) -> None:
    found = places(of(proofs, "broken"))
    own = found["bands", "created_by"]["fresh-sign-up"]
    assert own.acting is not None
    assert own.first is None
    assert (own.acting.role, own.acting.claims) == ("authenticated", "own")
    # Only members write songs, and this user is in no band.
    hidden = found["songs", "created_by"]["fresh-sign-up"]
    assert hidden.acting is not None
    assert (hidden.acting.role, hidden.acting.claims) == ("postgres", "own")
    assert hidden.first is not None
    assert hidden.first.acting.role == "authenticated"
    assert hidden.first.refused_by == "row-security"


def test_the_upsert_is_blocked_by_row_security(proofs: Proofs) -> None:
    setups = {setup.world: setup for setup in of(proofs, "broken").setups}
    for world in ("upsert-own-session", "upsert-no-session"):
        ((part, attempt),) = setups[world].attempts
        assert part == "upsert of public.users"
        assert attempt.failure is not None
        assert attempt.failure.sqlstate == "42501"
        assert attempt.refused_by == "row-security"


def test_the_user_is_told_that_the_profile_was_refused(proofs: Proofs) -> None:
    profile = flows(of(proofs, "broken"))["profile-write"]
    assert profile.outcome == "fail"
    assert profile.failed_step is not None
    assert profile.failed_step.told.startswith("HTTP 403: 42501")


def test_deleting_a_user_names_every_key_that_blocks(proofs: Proofs) -> None:
    deletion = of(proofs, "broken").deletion
    assert deletion is not None
    assert deletion.first is not None
    assert deletion.first.failure.sqlstate == "23503"
    assert deletion.first.told == "HTTP 500: Database error deleting user"
    blocked = {(blocker.key.table.name, *blocker.key.columns): blocker for blocker in deletion.blocked_by}
    assert set(blocked) == WRONG
    lines = {place: blocker.location.line for place, blocker in blocked.items() if blocker.location is not None}
    assert lines == {place: line for line, place in WRONG_LINES.items()}
    assert deletion.first.failure.constraint in {blocker.key.name for blocker in deletion.blocked_by}


def writes(rehearsal: Rehearsal, world: World) -> dict[tuple[str, str], str]:
    return {(one.event, one.table.name): answer(one.worlds[world]) for one in rehearsal.writes}


UPDATES = {("update", table) for table in ("songs", "setlists", "shows", "practice_sessions")}
INSERTS = {("insert", table) for table in ("songs", "setlists", "shows")}


def test_without_a_mirror_row_updates_pass_and_inserts_fail_by_where_their_keys_point(proofs: Proofs) -> None:
    expected = dict.fromkeys(UPDATES, "pass") | dict.fromkeys(INSERTS, "23503") | {("insert", "shows"): "pass"}
    assert writes(of(proofs, "broken"), "fresh-sign-up") == expected


def test_with_the_keys_retargeted_and_no_trigger_both_fail(proofs: Proofs) -> None:
    rehearsal = of(proofs, "retargeted")
    assert writes(rehearsal, "fresh-sign-up") == dict.fromkeys(UPDATES | INSERTS, "23503")
    assert {answer(worlds["fresh-sign-up"]) for worlds in places(rehearsal).values()} == {"23503"}


def test_with_a_trigger_alone_inserts_pass_and_deletion_is_blocked(proofs: Proofs) -> None:
    rehearsal = of(proofs, "synced")
    assert {answer(worlds["fresh-sign-up"]) for worlds in places(rehearsal).values()} == {"pass"}
    assert rehearsal.deletion is not None
    assert {(blocker.key.table.name, *blocker.key.columns) for blocker in rehearsal.deletion.blocked_by} == WRONG


@pytest.mark.parametrize("variant", ["fixed", "fixed_with_identity_key"])
def test_with_the_fix_all_that_concerns_the_split_is_green(proofs: Proofs, variant: Variant) -> None:
    rehearsal = of(proofs, variant)
    for world in SIGNED_UP:
        assert {answer(worlds[world]) for worlds in places(rehearsal).values()} == {"pass"}
    assert writes(rehearsal, "fresh-sign-up") == dict.fromkeys(UPDATES | INSERTS, "pass")
    assert flows(rehearsal)["sign-up-email"].notes == ()
    # The fix adds no policy for INSERT, so the upsert is still refused; but there is a row now that an update reaches.
    profile = flows(rehearsal)["profile-write"]
    assert profile.outcome == "pass"
    assert profile.notes[0].startswith("an upsert is refused, a plain update passes (42501 ")


def test_what_the_fix_leaves_open_is_reported(proofs: Proofs) -> None:
    rehearsal = of(proofs, "fixed")
    for flow in ("sign-up-phone", "sign-up-anonymous"):
        found = flows(rehearsal)[flow]
        assert found.outcome == "fail"
        assert found.failed_step is not None
        failure = found.failed_step.failure
        assert failure.sqlstate == "23502"
        assert failure.raised_by is not None
        assert failure.raised_by.function == "public.handle_new_user()"
        assert failure.raised_by.trigger is not None
        assert str(failure.raised_by.trigger) == "auth.users.on_auth_user_created"
        insert = SYNC_TRIGGER.split("\n").index(
            "  INSERT INTO public.users (id, email, name, created_date, last_login, auth_provider)"
        )
        assert failure.location is not None
        assert failure.location.line == 53 + insert + 1
    assert flows(rehearsal)["sign-up-phone"].failed_step.told.endswith("Database error saving new user")  # type: ignore[union-attr]
    assert flows(rehearsal)["sign-up-anonymous"].failed_step.told.endswith(  # type: ignore[union-attr]
        "Database error creating anonymous user"
    )
    assert "public.users still has a row for the deleted user" in flows(rehearsal)["hard-delete"].notes
    assert rehearsal.deletion is not None
    assert rehearsal.deletion.first is None
    assert ("users", 1) in {(left.table.name, left.rows) for left in rehearsal.deletion.left}


def test_an_identity_key_lets_the_mirror_row_go_and_deletion_be_blocked_again(proofs: Proofs) -> None:
    rehearsal = of(proofs, "fixed_with_identity_key")
    assert flows(rehearsal)["hard-delete"].notes == ()
    deletion = rehearsal.deletion
    assert deletion is not None
    assert deletion.left == ()
    assert {(blocker.key.table.name, *blocker.key.columns) for blocker in deletion.blocked_by} == WRONG
    # It is transitive: from the account to its mirror row, and from there to the key that refuses.
    assert {str(blocker.path[0].table) for blocker in deletion.blocked_by} == {"public.users"}
    assert {table.table.name for table in deletion.destroyed} == {"users", "user_profiles", "band_memberships"}
    mirror_only = {setup.world: setup for setup in rehearsal.setups}["mirror-only"]
    assert not mirror_only.usable
    assert "users_id_fkey" in (mirror_only.reason or "")


def test_places_in_derived_variants(proofs: Proofs) -> None:
    deletion = of(proofs, "synced").deletion
    assert deletion is not None
    lines = {blocker.location.line for blocker in deletion.blocked_by if blocker.location is not None}
    assert lines == {line_in("synced", line) for line in WRONG_LINES}
