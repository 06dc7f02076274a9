"""A rehearsal as text, JSON and Markdown, from results made by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from referee.model.names import QName, Ref, Target
from referee.model.rehearsal import (
    WORLDS,
    Acting,
    Attempt,
    Blocker,
    Conditions,
    Deletion,
    FailedStep,
    Failure,
    FlowResult,
    Race,
    RaisedBy,
    ReferenceResult,
    Rehearsal,
    Schedule,
    Step,
    TableCount,
    Unverified,
    World,
    WorldSetup,
    WorldVerdict,
    WriteResult,
)
from referee.model.schema import ForeignKey
from referee.model.source import Location
from referee.render import prove_json, prove_markdown, prove_text

USERS, BANDS = QName("public", "users"), QName("public", "bands")
KEY = ForeignKey(BANDS, "bands_created_by_fkey", ("created_by",), Target(USERS, ("id",)))
PLACE = Location("m.sql", 12, 3, 12, 20)
BY = RaisedBy("public.handle_new_user()", 3, Ref("trigger", "auth", "users", "on_auth_user_created"))
NULL = Failure("23502", 'null value in column "email"', table=USERS, raised_by=BY, location=PLACE)
MISSING = Failure("23503", "no such user", "Key is not present.", BANDS, KEY.name, location=PLACE)
HIDDEN = Failure("42501", "new row violates row-level security policy", table=BANDS)
TOLD = "HTTP 500: Database error saving new user"
STEP = Step("sign-up service", "supabase_auth_admin", "insert into users ...", TOLD)
OWN, BEYOND = Acting("authenticated", "own"), Acting("postgres", "own")

VERDICTS: dict[World, WorldVerdict] = {
    "fixture": WorldVerdict("pass", Acting("supabase_admin")),
    "fresh-sign-up": WorldVerdict("fail", BEYOND, MISSING, Attempt(OWN, HIDDEN, "row-security")),
    "upsert-own-session": WorldVerdict("pass", OWN),
    "upsert-no-session": WorldVerdict("fail", OWN, NULL, reason="the key itself was not reached: 23502"),
    "mirror-only": WorldVerdict("not-run", reason="there is no mirror"),
    "service-role": WorldVerdict("overwritten", Acting("service_role"), stored=None),
}
REHEARSAL = Rehearsal(
    Conditions("18.6", "supabase", "exposed", ("pg_net",)),
    Target(QName("auth", "users"), ("id",)),
    (Target(USERS, ("id",)),),
    flows=(
        FlowResult("sign-up-phone", "sign-up by phone", "supabase_auth_admin", "fail", FailedStep(STEP, NULL, TOLD)),
        FlowResult("login", "login", "supabase_auth_admin", "pass", notes=("a note | with a bar",)),
        FlowResult("profile-write", "the profile", "", "not-run", reason="there is no mirror"),
    ),
    setups=(
        WorldSetup("upsert-own-session", (("upsert of public.users", Attempt(OWN, HIDDEN, "row-security")),)),
        WorldSetup("mirror-only", usable=False, reason="there is no mirror"),
    ),
    references=(
        ReferenceResult(KEY, "created_by", VERDICTS),
        ReferenceResult(replace(KEY, name="other", columns=("other",)), "other", not_run="23514 a CHECK"),
    ),
    writes=(
        WriteResult(
            Ref("trigger", "public", "bands", "stamp"), "public.stamp()", "auth.uid()", "insert", BANDS,
            ("created_by",), PLACE, {"fresh-sign-up": VERDICTS["fresh-sign-up"]},
        ),
    ),
    races=(
        Race(
            "arrival", "sign-up, first write", ("sign-up", "first write"), 5, 7, 4, 2, 1, 1, 0,
            Schedule(
                (
                    replace(STEP, session="sign-up", sql="begin"),
                    replace(STEP, session="sign-up"),
                    replace(STEP, session="sign-up", sql="commit"),
                    Step("first write", "authenticator", "insert into bands ..."),
                ),
                (1,),
                ((3, MISSING),),
            ),
        ),
    ),
    deletion=Deletion(
        4, FailedStep(STEP, MISSING, "HTTP 500: Database error deleting user"), (Blocker(KEY, 1, (KEY,), PLACE),),
        (TableCount(USERS, 1),), (TableCount(BANDS, 2, ("created_by",)),), (), unmade=((USERS, "P0001 no"),),
    ),
    unverified=(Unverified("PostgreSQL", "the project runs 17", None),),
)  # fmt: skip


@pytest.fixture
def page() -> str:
    return prove_text.render([REHEARSAL], "bandbook", columns=120)


def row(text: str, start: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.strip().startswith(start))
    return line.split()


def test_a_failed_flow_tells_who_what_where_and_what_the_user_hears(page: str) -> None:
    at = page.index("FAIL    sign-up-phone: sign-up by phone")
    told = " ".join(page[at : page.index("pass    login")].split())
    assert "supabase_auth_admin runs: insert into users ..." in told
    assert '23502 null value in column "email"' in told
    assert "Raised by public.handle_new_user(), line 3, called by the trigger auth.users.on_auth_user_created." in told
    assert "See m.sql:12:3." in told
    assert "The user is told: HTTP 500: Database error saving new user" in told


def test_flows_that_fail_alike_are_told_once() -> None:
    other = replace(
        REHEARSAL.flows[0],
        flow="sign-up-anonymous",
        failed_step=FailedStep(STEP, replace(NULL, detail="another row"), "HTTP 500: another word"),
    )
    page = prove_text.render([replace(REHEARSAL, flows=(*REHEARSAL.flows, other))], "bandbook", columns=120)
    assert "FAIL    sign-up-phone, -anonymous\n" in page
    assert page.count('23502 null value in column "email"\n') == 1
    assert f"The user is told: {TOLD}; or HTTP 500: another word" in " ".join(page.split())


def test_a_flow_that_was_not_run_is_no_pass(page: str) -> None:
    assert "3 flows, 1 failed, 1 passed, 1 not run" in page
    assert "not run profile-write: there is no mirror" in page


def test_the_table_has_a_cell_for_each_world(page: str) -> None:
    assert row(page, "bands.created_by") == ["bands.created_by", "pass", "23503*", "pass", "23502!", "-", "overwritten"]


def test_marks_are_explained_and_only_those_that_occur(page: str) -> None:
    words = " ".join(page.split())
    assert "* The write of the user (as authenticated) or of the job is stopped before the key is asked" in words
    assert "reached as postgres in the same session" in words
    assert "! The write fails by something else" in page
    assert "+ Reached without" not in page


def test_what_could_not_be_made_is_listed(page: str) -> None:
    assert "not run public.bands.other: 23514 a CHECK" in page
    assert "not run mirror only: there is no mirror" in page
    assert "not run public.users: P0001 no" in page


def test_the_upsert_is_told_with_its_cause(page: str) -> None:
    words = " ".join(page.split())
    assert "own upsert: the upsert of public.users as authenticated, in the user's session ends in 42501" in words
    assert "(no policy allows it)" in words


def test_a_race_tells_its_counts_and_the_shortest_that_fails(page: str) -> None:
    words = " ".join(page.split())
    assert "5 different orders, 7 equal to one of them, 4 run, 2 failed, 1 left out" in words
    assert row(page, "first write")[-4:] == ["23503", "no", "such", "user"]
    assert "waits for a lock" in page


def test_a_deletion_tells_what_blocks_goes_and_stays(page: str) -> None:
    words = " ".join(page.split())
    assert "blocks public.bands.bands_created_by_fkey NO ACTION, 1 row, by way of public.users -> public.bands" in words
    assert "destroyed once nothing blocks: public.users 1" in words
    assert "kept without the user once nothing blocks: public.bands 2 (created_by)" in words


def test_who_may_not_write_is_told_apart() -> None:
    other = replace(KEY, table=QName("public", "songs"))
    closed = WorldVerdict("pass", BEYOND, first=Attempt(OWN, HIDDEN, "privilege"))
    songs = ReferenceResult(other, "created_by", {"fresh-sign-up": closed})
    page = prove_text.render([replace(REHEARSAL, references=(*REHEARSAL.references, songs))], "bandbook", columns=120)
    assert "note    authenticated is refused by row security in public.bands\n" in page
    assert "note    authenticated lacks the grant to insert into public.songs\n" in page


def test_what_refuses_an_insert_whoever_makes_it_is_named() -> None:
    log = replace(MISSING, table=QName("public", "log"), raised_by=BY)
    stopped = WorldVerdict("fail", OWN, log, Attempt(OWN, log), reason="the key itself was not reached: 23503")
    rehearsal = replace(REHEARSAL, references=(ReferenceResult(KEY, "created_by", {"fresh-sign-up": stopped}),))
    words = " ".join(prove_text.render([rehearsal], "bandbook", columns=120).split())
    said = (
        "an insert into public.bands fails whoever makes it, in public.log, which it does not name: 23503 no such user"
    )
    assert f"FAIL {said} Raised by public.handle_new_user(), line 3" in words
    assert "fails whoever makes it, in public.log: 23503 no such user, raised by" in prove_markdown.render(
        [rehearsal], "bandbook"
    )


def test_worlds_that_cannot_be_for_the_same_reason_share_a_line(page: str) -> None:
    same = WorldSetup("upsert-own-session", usable=False, reason="there is no mirror")
    found = prove_text.render([replace(REHEARSAL, setups=(same, REHEARSAL.setups[1]))], "bandbook", columns=120)
    assert "not run own upsert, mirror only: there is no mirror\n" in found


def test_what_stands_in_a_file_is_not_said_twice() -> None:
    point = Unverified("m.sql", "a statement failed", PLACE)
    page = prove_text.render([replace(REHEARSAL, unverified=(point,))], "bandbook", columns=120)
    assert "open    m.sql:12:3: a statement failed\n" in page


def test_many_failed_statements_share_a_line() -> None:
    failed = [Unverified("m.sql", f"failed {number}", PLACE, failed_statement=True) for number in range(3)]
    rehearsal = replace(REHEARSAL, unverified=(*failed, *REHEARSAL.unverified))
    page = prove_text.render([rehearsal], "bandbook", columns=120)
    words = " ".join(page.split())
    assert "open 3 statements of the migrations failed; the rest was rehearsed without them." in words
    assert "The first: m.sql:12:3: failed 0" in words
    assert "open    PostgreSQL: the project runs 17" in page
    assert "failed 2" not in page
    assert "failed 2" in prove_text.render([rehearsal], "bandbook", columns=120, verbose=True)


def test_a_missing_grant_alone_is_a_difference() -> None:
    bare = ReferenceResult(KEY, "created_by", {"fresh-sign-up": WorldVerdict("pass", OWN)})
    lacking = WorldVerdict("pass", BEYOND, first=Attempt(OWN, HIDDEN, "privilege"))
    first = replace(REHEARSAL, references=(bare,))
    other = replace(
        first,
        conditions=replace(REHEARSAL.conditions, privileges="revoked"),
        references=(replace(bare, worlds={"fresh-sign-up": lacking}),),
    )
    page = prove_text.render([first, other], "bandbook", columns=120)
    assert "authenticated lacks the grant to insert into public.bands" in page.partition("revoked privileges")[2]
    assert "authenticated lacks" not in page.partition("revoked privileges")[0]


def test_references_that_production_did_not_answer_are_counted() -> None:
    unusable = dict.fromkeys(WORLDS, WorldVerdict("not-run", reason="sign-up fails"))
    rehearsal = replace(REHEARSAL, references=(ReferenceResult(KEY, "created_by", unusable),))
    page = prove_text.render([rehearsal], "bandbook", columns=120)
    assert "User references: 1 in 6 worlds, 0 fail in production, 1 could not be tried there\n" in page


def test_orders_beyond_counting_are_told() -> None:
    race = replace(REHEARSAL.races[0], schedules=20_000, all_counted=False)
    page = prove_text.render([replace(REHEARSAL, races=(race,))], "bandbook", columns=120)
    assert "at least 20,000 different orders" in page


def test_the_end_states_the_scope(page: str) -> None:
    words = " ".join(page.split())
    assert "Rehearsed on PostgreSQL 18.6 with the platform supabase, default privileges exposed." in words
    assert "Stand-ins took the place of pg_net." in words
    assert "open PostgreSQL: the project runs 17" in words


def test_lines_fit() -> None:
    for width in (60, 80, 120):
        page = prove_text.render([replace(REHEARSAL, references=(), writes=(), races=())], "bandbook", columns=width)
        assert max(map(len, page.splitlines())) <= width


def test_colours_do_not_move_anything() -> None:
    painted = prove_text.render([REHEARSAL], "bandbook", columns=120, paint=lambda style, text: f"\x1b[1m{text}\x1b[0m")
    bare = painted.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert bare == prove_text.render([REHEARSAL], "bandbook", columns=120)
    assert painted != bare


def test_nothing_of_the_project_steers_the_terminal() -> None:
    nasty = replace(REHEARSAL.flows[0], flow="x\x1b[31m", title="\u202etitle")
    page = prove_text.render([replace(REHEARSAL, flows=(nasty,))], "na\x1bme")
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_of_a_second_mode_only_the_differences_are_shown() -> None:
    other = replace(
        REHEARSAL,
        conditions=replace(REHEARSAL.conditions, privileges="revoked"),
        flows=(*REHEARSAL.flows[:1], replace(REHEARSAL.flows[1], outcome="fail", reason="no grant")),
    )
    _, second = prove_text.render([REHEARSAL, other], "bandbook").split("Rehearsal of bandbook, revoked privileges")
    assert "FAIL    login: login" in second
    assert "sign-up-phone" not in second
    assert "bands.created_by" not in second


def test_json_is_version_1() -> None:
    found = json.loads(prove_json.render([REHEARSAL]))
    assert found["version"] == 1
    assert found["server"] == {
        "version": "18.6",
        "platform": "supabase",
        "privileges": "exposed",
        "stand_ins": ["pg_net"],
    }
    flow = found["flows"][0]
    assert (flow["flow"], flow["role"], flow["verdict"]) == ("sign-up-phone", "supabase_auth_admin", "fail")
    assert {"statement", "sqlstate", "message", "raised_by", "location", "told"} <= set(flow["failed_step"])
    assert flow["failed_step"]["raised_by"] == {
        "function": "public.handle_new_user()",
        "line": 3,
        "trigger": "auth.users.on_auth_user_created",
    }
    assert flow["failed_step"]["location"]["line"] == 12
    reference = found["references"][0]
    assert reference["foreign_key"] == "public.bands.bands_created_by_fkey"
    assert list(reference["worlds"]) == list(WORLDS)
    fresh = reference["worlds"]["fresh-sign-up"]
    assert (fresh["verdict"], fresh["sqlstate"], fresh["constraint"]) == ("fail", "23503", KEY.name)
    assert (fresh["role"], fresh["claims"], fresh["first"]["refused_by"]) == ("postgres", "own", "row-security")
    assert found["references"][1]["not_run"] == "23514 a CHECK"
    assert {"schedules": 5, "run": 4, "failed": 2}.items() <= found["races"].items()
    assert found["races"]["shortest_failure"]["steps"][1]["waits"]
    assert found["deletion"]["verdict"] == "fail"
    assert found["unverified"][0]["subject"] == "PostgreSQL"
    assert found["also"] == []


LOCATION = {"file", "line", "column", "end_line", "end_column"}
RAISED_BY = {"function", "line", "trigger"}
FAILURE = {"sqlstate", "message", "detail", "table", "constraint", "raised_by", "location"}
FAILED_STEP = {"statement", "role", "told", *FAILURE}
ATTEMPT = {"role", "claims", "refused_by", "failure"}
VERDICT = {"verdict", "sqlstate", "message", "constraint", "table", "role", "claims", "stored", "first", "raised_by",
           "reason"}  # fmt: skip
RACE = {"race", "title", "sessions", "schedules", "all_counted", "merged", "run", "dropped", "failed", "too_early",
        "waited", "deadlocks", "shortest_failure", "not_run"}  # fmt: skip
KEYS: Mapping[str, set[str]] = {
    "": {"version", "referee", "server", "source", "mirrors", "flows", "worlds", "references", "writes", "races",
         "deletion", "unverified", "failures", "also"},
    "server": {"version", "platform", "privileges", "stand_ins"},
    "flows": {"flow", "title", "role", "verdict", "failed_step", "reason", "notes"},
    "flows.failed_step": FAILED_STEP,
    "flows.failed_step.raised_by": RAISED_BY,
    "flows.failed_step.location": LOCATION,
    "worlds": {"world", "usable", "reason", "attempts"},
    "worlds.attempts.*": ATTEMPT,
    "worlds.attempts.*.failure": FAILURE,
    "references": {"foreign_key", "table", "column", "target", "worlds", "not_run"},
    "references.worlds.*": VERDICT,
    "references.worlds.*.first": ATTEMPT,
    "references.worlds.*.first.failure": FAILURE,
    "references.worlds.*.raised_by": RAISED_BY,
    "writes": {"trigger", "function", "expression", "event", "table", "columns", "location", "worlds", "not_run"},
    "writes.location": LOCATION,
    "writes.worlds.*": VERDICT,
    "writes.worlds.*.first": ATTEMPT,
    "writes.worlds.*.first.failure": FAILURE,
    "races": {"schedules", "run", "failed", "shortest_failure", "all"},
    "races.shortest_failure": {"steps", "missed"},
    "races.shortest_failure.steps": {"session", "role", "statement", "waits", "failure"},
    "races.shortest_failure.steps.failure": FAILURE,
    "races.shortest_failure.steps.failure.location": LOCATION,
    "races.all": RACE,
    "races.all.shortest_failure": {"steps", "missed"},
    "races.all.shortest_failure.steps": {"session", "role", "statement", "waits", "failure"},
    "races.all.shortest_failure.steps.failure": FAILURE,
    "races.all.shortest_failure.steps.failure.location": LOCATION,
    "deletion": {"verdict", "rows", "failed_step", "blocked_by", "destroyed", "emptied", "left", "unmade", "reason"},
    "deletion.failed_step": FAILED_STEP,
    "deletion.failed_step.location": LOCATION,
    "deletion.blocked_by": {"foreign_key", "table", "rows", "path", "location"},
    "deletion.blocked_by.location": LOCATION,
    "deletion.destroyed": {"table", "rows", "columns"},
    "deletion.emptied": {"table", "rows", "columns"},
    "deletion.left": {"table", "rows", "columns"},
    "deletion.unmade": {"table", "reason"},
    "unverified": {"subject", "reason", "location"},
    "unverified.location": LOCATION,
}  # fmt: skip
"""What others read: keys may come, none may go."""

# Here the keys are the project's own: parts of a world's making, worlds.
BY_NAME = {"worlds.attempts", "references.worlds", "writes.worlds"}


def keys_of(value: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Every key of every object, with where the object stands."""
    if isinstance(value, list):
        for one in value:
            yield from keys_of(one, path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            if path not in BY_NAME:
                yield path, key
            yield from keys_of(inner, f"{path}.{'*' if path in BY_NAME else key}".lstrip("."))


def whole() -> Rehearsal:
    """A rehearsal in which nothing is empty."""
    assert REHEARSAL.deletion is not None
    left = replace(REHEARSAL.deletion, left=(TableCount(BANDS, 1, ("created_by",)),))
    return replace(REHEARSAL, deletion=left, unverified=(Unverified("x", "y", PLACE),))


def test_the_keys_of_version_1() -> None:
    found: dict[str, set[str]] = {}
    for path, key in keys_of(json.loads(prove_json.render([whole()]))):
        found.setdefault(path, set()).add(key)
    assert found == KEYS


def test_every_key_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "prove.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", page[page.index("## Reading the JSON") :]))
    assert set[str]().union(*KEYS.values()) <= described


def test_json_of_both_modes() -> None:
    other = replace(REHEARSAL, conditions=replace(REHEARSAL.conditions, privileges="revoked"))
    found = json.loads(prove_json.render([REHEARSAL, other]))
    assert found["also"][0]["server"]["privileges"] == "revoked"
    assert set(found["also"][0]) == set(found) - {"version", "referee", "also"}


def test_markdown_keeps_its_tables() -> None:
    page = prove_markdown.render([REHEARSAL], "band_book <x>")
    assert page.startswith("# Rehearsal of band\\_book \\<x\\>\n")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert any("a note \\| with a bar" in line for line in rows)
    cells = next(line for line in rows if "created" in line and "public.bands" in line)
    assert cells.count(" | ") == len(WORLDS) + 1
    assert "**23503**\\*" in cells


def test_failures_are_named_once_each() -> None:
    assert list(REHEARSAL.failures()) == [
        "flow sign-up-phone",
        "reference public.bands.bands_created_by_fkey",
        "write public.bands.stamp insert",
        "race arrival",
        "deletion",
    ]
