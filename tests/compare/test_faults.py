"""One fault at a time: found, explained, ranked above noise, removed by what is proposed; and nothing else reported."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from referee.model.comparison import Judged
from referee.model.finding import Severity
from referee.postgres.scripts import run_scripts
from referee.postgres.server import Server
from referee.workflow.compare import Result, compare
from tests.bandbook import migration
from tests.compare.applying import run
from tests.compare.bandbook import FAULTS, Fault, as_script


@pytest.fixture
def other(server: Server, fixed: str) -> Iterator[str]:
    """A second database, the same as the first until something is done to it."""
    with server.database(template=fixed) as name:
        yield name


@pytest.fixture
def fixed_again(server: Server, fixed: str) -> Iterator[str]:
    """A clone of the first, for tests that change it."""
    with server.database(template=fixed) as name:
        yield name


def differences(server: Server, left: str, right: str) -> Result:
    return compare(server.url(left), server.url(right))


def is_equal(result: Result) -> bool:
    return not result.comparison.differences and not result.comparison.folded


def test_a_clone_does_not_differ(server: Server, fixed: str, other: str) -> None:
    assert is_equal(differences(server, fixed, other))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_fault_is_told_and_removed(server: Server, fixed: str, other: str, fault: Fault) -> None:
    with server.connect(other, server.superuser) as session:
        session.run(fault.sql)
    result = differences(server, fixed, other)
    [judged] = result.comparison.differences
    assert not result.comparison.folded
    assert "+".join(change.kind for change in judged.difference.forward) == fault.change
    assert str(judged.difference.object) == fault.object
    assert judged.affected == "right"
    assert judged.severity == fault.severity
    assert judged.consequence.who
    if fault.sqlstate is not None:
        assert judged.consequence.sqlstate == fault.sqlstate
    for words in fault.told:
        assert words in judged.consequence.text
    assert judged.at_fault == fault.at_fault
    assert set(fault.rules) <= set(judged.because)
    assert judged.fix.side == "right"
    outcome = run(server, other, judged.fix.statements)
    assert [failure.report.message for failure in outcome.failures] == []
    assert is_equal(differences(server, fixed, other))


NOISE = """
alter table public.songs rename constraint songs_created_by_fkey to made_by;
alter index public.songs_created_by_idx rename to made_by_idx;
alter trigger songs_stamp_edit on public.songs rename to stamp;
comment on table public.users is 'People';
create or replace function public.touch_updated_date() returns trigger language plpgsql
set search_path = '' as $$ begin
  -- Now, whatever the client says
  new.updated_date = NOW(); return new;
end $$;
"""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_neither_noise_nor_the_side_on_which_it_happened_matters(
    server: Server, fixed: str, fixed_again: str, other: str, fault: Fault
) -> None:
    with server.connect(other, server.superuser) as session:
        session.run(NOISE)
        session.run(fault.sql)
    found = differences(server, other, fixed).comparison
    [judged] = found.differences
    assert {folded.kind: folded.count for folded in found.folded} == {"names": 3, "formatting": 1}
    # Two functions of which no rule says anything are as good as each other: then the right is to follow the left.
    assert judged.affected == ("right" if fault.name in ("body stale", "search_path changed") else "left")
    assert judged.at_fault == ("left" if fault.at_fault else None)
    assert judged.severity == fault.severity
    assert not run(server, other if judged.fix.side == "left" else fixed_again, judged.fix.statements).failures
    assert differences(server, fixed_again, other).comparison.differences == ()


def test_a_trusted_side_is_followed_in_everything(server: Server, fixed: str, other: str) -> None:
    with server.connect(other, server.superuser) as session:
        session.run(
            "drop trigger on_auth_user_created on auth.users; create policy more on public.bands to anon using (true);"
            "grant delete on public.audit_log to service_role; alter table public.bands add column extra text"
        )
    judged = differences(server, fixed, other).comparison.differences
    assert {one.affected for one in judged} == {"left", "right"}
    result = compare(server.url(fixed), server.url(other), trusted="left")
    assert {one.affected for one in result.comparison.differences} == {"right"}
    assert result.fixes("left") == ()
    assert not run(server, other, result.fixes("right")).failures
    assert is_equal(differences(server, fixed, other))


def test_each_of_several_faults_has_the_rules_that_speak_of_it(server: Server, fixed: str, other: str) -> None:
    chosen = ("trigger dropped", "key not enforced", "identity key dropped", "index dropped")
    faults = {fault.object: fault for fault in FAULTS if fault.name in chosen}
    with server.connect(other, server.superuser) as session:
        for fault in faults.values():
            session.run(fault.sql)
    found = {
        str(judged.difference.object): judged for judged in differences(server, fixed, other).comparison.differences
    }
    assert found.keys() == faults.keys()
    for name, fault in faults.items():
        assert found[name].at_fault == "right"
        assert set(fault.rules) <= set(found[name].because)
    spoken = [rule for judged in found.values() for rule in judged.because]
    assert spoken.count("unlinked-mirror") == spoken.count("unindexed-foreign-key") == 1


def test_a_missing_migration_is_told_with_what_it_makes(server: Server, fixed: str) -> None:
    with server.database() as name:
        baseline = as_script("20251106000000", "baseline", migration("fixed_with_identity_key"))
        assert not run_scripts(server, name, [baseline]).failures
        result = differences(server, fixed, name)
        found = {str(judged.difference.object): judged for judged in result.comparison.differences}
        assert set(found) == {
            "20251201000000",
            "public.bands.genre",
            "public.bands_genre_idx",
            'public.song_groups."Everybody reads genres"',
        }
        history = found.pop("20251201000000")
        assert history.difference.forward[0].kind == "forget-migration"
        assert "what 20251201000000 makes is missing" in history.consequence.text.lower()
        for judged in found.values():
            assert judged.migration == "20251201000000 later, which the history of the right side does not hold"
        assert not run(server, name, result.fixes("right")).failures
        assert is_equal(differences(server, fixed, name))


def test_a_repair_that_never_ran_is_told(server: Server, fixed: str) -> None:
    with server.database() as name:
        scripts = [as_script("20251106000000", "baseline", migration("fixed_with_identity_key"))]
        scripts.append(as_script("20251201000000", "later", "select 1"))
        assert not run_scripts(server, name, scripts).failures
        found = differences(server, fixed, name).comparison.differences
        told = {judged.migration for judged in found if judged.difference.object.kind != "migration"}
        assert told == {"20251201000000 later, which the history of the right side holds all the same"}
        [edited] = [judged for judged in found if judged.difference.object.kind == "migration"]
        assert "other statements" in edited.difference.summary


def test_a_migration_out_of_order_is_told(server: Server, fixed: str, other: str) -> None:
    with server.connect(other) as session:
        session.run("delete from supabase_migrations.schema_migrations where version = '20251106000000'")
    [judged] = differences(server, fixed, other).comparison.differences
    assert "--include-all" in judged.consequence.text
    assert judged.severity == Severity.WARNING
    [judged] = differences(server, other, fixed).comparison.differences
    assert "20251106000000 has run here, and not on the other side" in judged.consequence.text


def test_faults_come_before_what_matters_less(server: Server, fixed: str, other: str) -> None:
    with server.connect(other, server.superuser) as session:
        for fault in reversed(FAULTS):
            if fault.name in ("trigger dropped", "grant revoked", "index dropped"):
                session.run(fault.sql)
        session.run("alter index public.songs_created_by_idx rename to another; create table public.notes (id int)")
        session.run("alter table public.songs rename constraint songs_title_check to other")
    found = differences(server, fixed, other).comparison
    assert [str(judged.severity) for judged in found.differences] == sorted(
        (str(judged.severity) for judged in found.differences), key=("error", "warning", "info").index
    )
    assert str(found.differences[0].difference.object) == "auth.users.on_auth_user_created"
    assert [(folded.kind, folded.count) for folded in found.folded] == [("names", 2)]


def test_all_faults_together_are_removed_together(server: Server, fixed: str, other: str) -> None:
    chosen = [fault for fault in FAULTS if fault.object not in ("public.users.users_id_fkey",)]
    with server.connect(other, server.superuser) as session:
        for fault in chosen:
            if "disabled" not in fault.name and fault.name not in ("key made NOT VALID", "key not enforced"):
                session.run(fault.sql)
    result = differences(server, fixed, other)
    assert {str(judged.difference.object) for judged in result.comparison.differences} == {
        fault.object for fault in chosen
    }
    assert not run(server, other, result.fixes("right")).failures
    assert is_equal(differences(server, fixed, other))


def explained(result: Result, text: str) -> Judged | None:
    found = result.explain(text)
    return found.judged if found is not None else None


KEY = 'insert or update on table "bands" violates foreign key constraint "bands_created_by_fkey"'
PASTED = {
    "words": "23503 bands_created_by_fkey",
    "psql": f'ERROR:  {KEY}\nDETAIL:  Key (created_by)=(5f0c8a4e-0000-4000) is not present in table "users".',
    "postgrest": json.dumps({"code": "23503", "details": "Key is not present in table", "hint": None, "message": KEY}),
    "csvlog": '2026-11-22 09:21:27.992 UTC,"postgres","exp",13781,"127.0.0.1:36632",6b02b417.35d5,1,"INSERT",'
    '2026-11-22 09:21:27 UTC,4/42,1643,ERROR,23503,"'
    + KEY.replace('"', '""')
    + '","Key (created_by)=(00aa) is not present",,,,,',
    "jsonlog": json.dumps({"user": "authenticator", "state_code": "23503", "message": KEY, "detail": "Key (x)=(y)"}),
    "stderr": f"127.0.0.1 2026-11-22 09:21:27.879 UTC [13766] authenticator@postgres ERROR:  {KEY}",
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_a_failing_key_is_explained_by_what_no_longer_fills_its_table(
    server: Server, fixed: str, other: str, text: str
) -> None:
    for fault in FAULTS[:2]:
        with server.database(template=other) as broken:
            with server.connect(broken, server.superuser) as session:
                session.run(fault.sql)
                session.run("revoke insert on public.songs from authenticated; drop index public.bands_created_by_idx")
            result = differences(server, fixed, broken)
            found = result.explain(text)
            assert found is not None
            assert str(found.judged.difference.object) == "auth.users.on_auth_user_created"
            assert "public.bands.bands_created_by_fkey references public.users(id)" in found.proof[0]
            assert "on_auth_user_created" in found.proof[1]
            assert len(found.proof) == 4


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("function made invoker", "ERROR: permission denied for table users (SQLSTATE 42501)"),
        ("function made invoker", '{"code":"unexpected_failure","message":"Database error saving new user"}'),
        ("key retargeted", "23503 bands_created_by_fkey"),
        (
            "ON DELETE changed",
            'update or delete on table "users" violates foreign key constraint "users_id_fkey" on table "users"',
        ),
        ("policy dropped", 'new row violates row-level security policy for table "bands"'),
        ("grant revoked", '{"code":"42501","message":"permission denied for table bands"}'),
        ("trigger dropped", '{"code":500,"error_code":"unexpected_failure","msg":"Database error saving new user"}'),
        ("column type changed", "ERROR: 22001: value too long for type character varying(50) email"),
        ("search_path gone", 'ERROR:  relation "users" does not exist\nLINE 1: insert into users'),
    ],
)
def test_other_failures_are_explained(server: Server, fixed: str, other: str, fault: str, text: str) -> None:
    [wanted] = [one for one in FAULTS if one.name == fault]
    with server.connect(other, server.superuser) as session:
        session.run(wanted.sql)
        session.run("drop index public.shows_setlist_id_idx; alter table public.songs alter column notes type varchar")
    result = differences(server, fixed, other)
    found = explained(result, text)
    assert found is not None
    assert str(found.difference.object) == wanted.object


def test_what_no_difference_explains_is_said(server: Server, fixed: str, other: str) -> None:
    with server.connect(other, server.superuser) as session:
        session.run("drop index public.bands_created_by_idx")
    result = differences(server, fixed, other)
    assert result.explain("23503 songs_created_by_fkey") is None
    assert result.explain("23505 users_pkey") is None
