from __future__ import annotations

import pytest

from referee.model.change import AddForeignKey
from referee.model.finding import Confidence, Problem, Severity
from referee.rules.undeclared_reference import UndeclaredReference
from tests.rules.checking import lines, problems

RULE = UndeclaredReference()


def declared(*tables: str, column: str = "created_by", action: str = "cascade") -> str:
    return "".join(
        f"create table public.{name} (id uuid primary key,"
        f" {column} uuid references auth.users (id) on delete {action});\n"
        for name in tables
    )


def plain(name: str = "setlists", column: str = "created_by", more: str = "") -> str:
    return f"create table public.{name} (\nid uuid primary key,\n{column} uuid{more});\n"


OWN = (
    "alter table public.setlists enable row level security;"
    "create policy own on public.setlists for all using ({condition});"
)


def only(text: str) -> Problem:
    [problem] = problems(RULE, text)
    return problem


def test_a_name_like_that_of_two_keys() -> None:
    problem = only(declared("songs", "shows") + plain())
    assert str(problem.object) == "public.setlists.created_by"
    assert (problem.severity, problem.confidence) == (Severity.INFO, Confidence.POSSIBLE)
    assert str(problem.expected_target) == "auth.users(id)"
    assert lines(RULE, declared("songs", "shows") + plain()) == [5]


def test_one_key_of_that_name_is_not_enough() -> None:
    assert problems(RULE, declared("songs") + plain()) == []
    assert problems(RULE, declared("songs", "shows") + plain(column="band_id")) == []


def test_many_keys_of_that_name_are_more_convincing() -> None:
    assert only(declared("a", "b", "c", "d") + plain()).confidence is Confidence.LIKELY


@pytest.mark.parametrize(
    "condition", ["created_by = auth.uid()", "(select auth.uid()) = created_by", "created_by = auth.uid() or true"]
)
def test_a_policy_that_compares_it_with_the_user(condition: str) -> None:
    problem = only(declared("songs") + plain() + OWN.format(condition=condition))
    assert (problem.severity, problem.confidence) == (Severity.WARNING, Confidence.LIKELY)
    assert 'policy "own"' in problem.cause


def test_a_policy_that_compares_another_tables_column() -> None:
    condition = "exists (select 1 from public.songs where created_by = auth.uid())"
    assert problems(RULE, declared("songs") + plain() + OWN.format(condition=condition)) == []


def test_a_default_that_is_the_user() -> None:
    assert only(declared("songs") + plain(more=" default auth.uid()")).severity is Severity.WARNING


def test_a_trigger_that_writes_the_user() -> None:
    text = declared("songs") + plain()
    text += (
        "create function public.stamp() returns trigger language plpgsql as $$"
        " begin new.created_by := auth.uid(); return new; end $$;"
        "create trigger stamp before insert on public.setlists for each row execute function public.stamp();"
    )
    assert only(text).severity is Severity.WARNING


@pytest.mark.parametrize(
    "text",
    [
        plain(more=" references auth.users (id)"),
        plain().replace("created_by uuid", "created_by text"),
        plain().replace("created_by uuid", "created_by uuid, created_by_type text"),
        plain("song_history"),
        plain("audit_log"),
        "create table public.setlists (created_by uuid) partition by hash (created_by);",
    ],
)
def test_columns_that_are_none(text: str) -> None:
    assert problems(RULE, declared("songs", "shows") + text) == []


def test_a_log_that_is_compared_with_the_user_is_information() -> None:
    text = declared("songs") + plain("audit_log") + OWN.replace("setlists", "audit_log")
    problem = only(text.format(condition="created_by = auth.uid()"))
    assert (problem.severity, problem.confidence) == (Severity.INFO, Confidence.POSSIBLE)


def test_a_mirrors_own_key_is_another_rules_business() -> None:
    people = "create table public.profiles (id uuid primary key, name text);"
    keys = "create table public.a (user_id uuid references public.profiles (id));"
    policy = (
        "alter table public.profiles enable row level security;"
        "create policy own on public.profiles for select using (id = auth.uid());"
    )
    assert problems(RULE, people + keys + policy) == []


def test_the_remedy_does_what_the_siblings_do() -> None:
    text = declared("songs", "shows", action="set null")
    remedy = only(text + plain()).remedy
    assert remedy is not None
    assert isinstance(remedy.change, AddForeignKey)
    assert remedy.change.on_delete == "SET NULL"
    strict = only(text + plain(more=" not null")).remedy
    assert strict is not None
    assert isinstance(strict.change, AddForeignKey)
    assert strict.change.on_delete == "NO ACTION"
