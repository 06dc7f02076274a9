from __future__ import annotations

import pytest

from referee.model.finding import Problem, Severity
from referee.rules.indirect_sync_failure import IndirectSyncFailure
from referee.rules.unsafe_sync_trigger import UnsafeSyncTrigger
from tests.rules.checking import problems
from tests.rules.sync import INSERT, function, mirror, sync, trigger

RULE = IndirectSyncFailure()
SETTINGS = "create table public.settings (who uuid primary key references public.people (id), address text);\n"
ADD = "insert into public.settings (who) values (new.id);"


def behind(
    body: str, rights: str = "security definer", fires: str = "after insert", table: str = "public.people"
) -> str:
    """A trigger that the mirror's new row fires."""
    return function(body, "add_settings", rights) + trigger("add_settings", fires, table)


def only(text: str) -> Problem:
    [problem] = problems(RULE, text)
    return problem


def test_a_trigger_on_the_mirror_inherits_the_search_path_of_the_host() -> None:
    text = mirror() + SETTINGS + sync(INSERT, rights="security definer") + behind(ADD.replace("public.", ""))
    problem = only(text)
    assert problem.key == "unresolved-name"
    assert problem.consequence.startswith("Every sign-up fails with 42P01")
    assert str(problem.object) == "public.add_settings()"
    assert [note.message for note in problem.related] == ["on_add_settings on public.people fires it"]


def test_a_search_path_further_up_counts_further_down() -> None:
    rights = "security definer set search_path = public"
    text = mirror() + SETTINGS + sync(INSERT, rights=rights) + behind(ADD.replace("public.", ""))
    assert problems(RULE, text) == []


def test_rights_are_handed_down_like_the_search_path() -> None:
    text = mirror() + SETTINGS + sync(INSERT) + behind(ADD, rights="")
    assert problems(RULE, text) == []  # the sync function's owner calls it
    grant = "grant insert on public.people to supabase_auth_admin;"
    text = mirror() + SETTINGS + grant + sync(INSERT, rights="") + behind(ADD, rights="")
    assert only(text).key == "missing-privilege"


def test_what_the_sync_function_writes_is_known_further_down() -> None:
    strict = SETTINGS.replace("address text", "address text not null")
    add = "insert into public.settings (who, address) values (new.id, new.email);"
    text = mirror("email text") + strict + behind(add)
    without = text + sync(INSERT)
    assert only(without).consequence.startswith("Every sign-up fails with 23502")
    copied = text + sync("insert into public.people (id, email) values (new.id, new.email);")
    assert only(copied).consequence.startswith(
        "Sign-ups without an e-mail address (by phone, anonymous) fail with 23502"
    )
    never = text + sync("insert into public.people (id, email) values (new.id, coalesce(new.email, ''));")
    assert problems(RULE, never) == []


def test_a_third_table_is_reached_too() -> None:
    log = "create table public.log (who uuid, at timestamptz not null);"
    text = (
        mirror()
        + SETTINGS
        + log
        + sync(INSERT)
        + behind(ADD)
        + function("insert into public.log (who) values (new.who);", "log_it")
        + trigger("log_it", table="public.settings")
    )
    assert only(text).key == "missing-value public.log.at"


@pytest.mark.parametrize("fires", ["after update", "after delete", "before update"])
def test_triggers_on_other_events_are_not_fired(fires: str) -> None:
    text = (
        mirror() + SETTINGS + sync(INSERT, rights="security definer") + behind(ADD.replace("public.", ""), fires=fires)
    )
    assert problems(RULE, text) == []


def test_a_condition_of_the_trigger_is_a_condition() -> None:
    text = (
        mirror("kind text default 'user'")
        + SETTINGS
        + sync(INSERT, rights="security definer")
        + function(ADD.replace("public.", ""), "add_settings", "security definer")
        + trigger("add_settings", table="public.people", when="new.kind = 'band'")
    )
    assert problems(RULE, text) == []


def test_a_disabled_trigger_does_nothing() -> None:
    text = mirror() + SETTINGS + sync(INSERT, rights="security definer") + behind(ADD.replace("public.", ""))
    assert problems(RULE, text + "alter table public.people disable trigger on_add_settings;") == []


def test_triggers_that_insert_into_each_other_end() -> None:
    text = (
        mirror()
        + "create table public.a (id uuid); create table public.b (id uuid);"
        + sync(INSERT)
        + function("insert into public.a values (new.id);", "to_a")
        + function("insert into public.b values (new.id);", "to_b")
        + trigger("to_a", table="public.people")
        + trigger("to_b", table="public.a")
        + "create trigger again after insert on public.b for each row execute function public.to_a();"
    )
    assert problems(RULE, text) == []


def test_what_is_swallowed_above_is_swallowed() -> None:
    handler = "exception when others then return new;\n"
    text = mirror() + SETTINGS + sync(INSERT, "security definer", handler) + behind(ADD.replace("public.", ""))
    problem = only(text)
    assert "swallowed" in problem.consequence
    assert problem.severity is Severity.WARNING


def test_the_two_rules_share_the_work() -> None:
    text = mirror() + SETTINGS + sync(INSERT, rights="security definer") + behind(ADD.replace("public.", ""))
    assert [problem.key for problem in problems(UnsafeSyncTrigger(), text)] == ["no-search-path"]
