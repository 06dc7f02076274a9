"""What speaks against a cure in a rehearsal, and what does not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from referee.fixing.rehearsed import compare
from referee.model import change as changes
from referee.model.names import QName, Ref, Target
from referee.model.rehearsal import (
    Acting,
    Conditions,
    FailedStep,
    Failure,
    FlowResult,
    Outcome,
    ReferenceResult,
    Rehearsal,
    Step,
    World,
    WorldVerdict,
)
from referee.model.remedy import Mend
from tests.fixing.sql import schema_of

USERS = Target(QName("public", "users"), ("id",))
AUTH = Target(QName("auth", "users"), ("id",))
SCHEMA = schema_of(
    "create table public.users (id uuid primary key);\n"
    "create table public.songs (by uuid references auth.users (id));\n"
    "create table public.plays (by uuid references public.users (id));\n"
)
[SONGS_BY] = SCHEMA.tables[QName("public", "songs")].foreign_keys
[PLAYS_BY] = SCHEMA.tables[QName("public", "plays")].foreign_keys
MENDED: changes.Change = changes.RepairSyncFunction(
    Ref("function", "public", "f", "()"), Ref("trigger", "auth", "users", "t"), (), (Mend("missing-privilege"),)
)
NOTHING = Rehearsal(Conditions("18", "supabase", "exposed"), AUTH, (USERS,))
WORLD: World = "fresh-sign-up"


def failing(sqlstate: str, constraint: str | None = None) -> WorldVerdict:
    return WorldVerdict("fail", Acting("authenticated"), Failure(sqlstate, "no", constraint=constraint))


def about(*verdicts: WorldVerdict | None) -> Rehearsal:
    """What became of the keys of songs and plays; None for a world that could not be made."""
    keys = (SONGS_BY, PLAYS_BY)
    results = [
        ReferenceResult(key, "by", {WORLD: verdict or WorldVerdict("not-run")})
        for key, verdict in zip(keys, verdicts, strict=False)
    ]
    return replace(NOTHING, references=tuple(results))


def flow(outcome: Outcome, sqlstate: str = "42501", constraint: str | None = None) -> Rehearsal:
    step = FailedStep(Step("app", "authenticated", "insert"), Failure(sqlstate, "no", constraint=constraint), "no")
    return replace(
        NOTHING,
        flows=(FlowResult("profile-write", "", "authenticated", outcome, step if outcome == "fail" else None),),
    )


def test_what_passed_and_fails_is_worse() -> None:
    found = compare(flow("pass"), flow("fail"), SCHEMA, [MENDED], False)
    assert (found.worse, found.untried) == (("flow profile-write",), ())
    found = compare(about(WorldVerdict("pass")), about(failing("42501")), SCHEMA, [MENDED], False)
    assert (found.worse, found.untried) == (("reference public.songs.songs_by_fkey",), ())


def test_what_could_not_be_tried_before_is_told_and_not_worse() -> None:
    found = compare(flow("not-run"), flow("fail"), SCHEMA, [MENDED], False)
    assert (found.worse, found.untried) == ((), ("flow profile-write",))
    found = compare(about(None), about(WorldVerdict("overwritten")), SCHEMA, [MENDED], False)
    assert (found.worse, found.untried) == ((), ("reference public.songs.songs_by_fkey",))


@pytest.mark.parametrize("constraint", ["songs_by_fkey", "plays_by_fkey", "a_new_one"])
def test_a_key_that_the_cure_brought_has_to_hold_whether_it_was_tried_before_or_not(constraint: str) -> None:
    retarget = changes.RetargetForeignKey(SONGS_BY, USERS)
    found = compare(flow("not-run"), flow("fail", "23503", constraint), SCHEMA, [retarget], False)
    # The key of plays is as it was: it refused this all along.
    assert bool(found.worse) == (constraint != "plays_by_fkey")
    assert bool(found.untried) == (constraint == "plays_by_fkey")


def test_a_key_that_was_not_there_before_is_the_cures_own() -> None:
    schema = schema_of("create table public.users (id uuid primary key);\ncreate table public.plays (by uuid);\n")
    added = changes.AddForeignKey(QName("public", "plays"), ("by",), USERS)
    before = about(None)
    found = compare(before, about(None, failing("42501")), schema, [added], False)
    assert (found.worse, found.untried) == (("reference public.plays.plays_by_fkey",), ())
    # But it makes no trigger write somebody else.
    found = compare(before, about(None, WorldVerdict("overwritten")), schema, [added], False)
    assert (found.worse, found.untried) == ((), ("reference public.plays.plays_by_fkey",))


def test_a_key_that_was_there_and_is_only_now_taken_for_a_users_is_none_of_the_cures() -> None:
    found = compare(NOTHING, about(WorldVerdict("pass"), failing("42P17")), SCHEMA, [MENDED], False)
    assert (found.worse, found.untried) == ((), ("reference public.plays.plays_by_fkey",))


def test_a_cured_key_promises_to_find_whom_it_is_asked_for_and_nothing_else() -> None:
    retarget = changes.RetargetForeignKey(SONGS_BY, USERS)
    refused, overwritten = about(failing("23503", "songs_by_fkey")), about(WorldVerdict("overwritten"))
    assert compare(refused, refused, SCHEMA, [retarget], False).stays == ("reference public.songs.songs_by_fkey",)
    # A trigger that writes somebody else is no matter of the key.
    assert compare(overwritten, overwritten, SCHEMA, [retarget], False).stays == ()


def test_a_job_is_judged_by_the_rows_that_could_be_made_before() -> None:
    """A row that only the cure makes possible can fail a flow that had passed without it."""
    before = replace(
        NOTHING,
        references=(ReferenceResult(SONGS_BY, "by", {}, "no row could be made"),),
        flows=(FlowResult("service-role-write", "", "authenticator", "pass"),),
    )
    after = replace(
        NOTHING,
        references=(ReferenceResult(SONGS_BY, "by", {"service-role": WorldVerdict("overwritten")}),),
        flows=(FlowResult("service-role-write", "", "authenticator", "fail", reason="a trigger replaced it"),),
    )
    found = compare(before, after, SCHEMA, [MENDED], False)
    assert found.worse == ()
    assert found.untried == ("flow service-role-write", "reference public.songs.songs_by_fkey")
