from __future__ import annotations

from referee.model.finding import Severity
from referee.rules.managed_non_key_reference import ManagedNonKeyReference
from tests.rules.checking import lines, problems

RULE = ManagedNonKeyReference()


def test_a_key_to_another_unique_column_of_a_managed_table() -> None:
    text = "create table public.devices (\nid uuid,\nphone text references auth.users (phone));"
    [problem] = problems(RULE, text)
    assert problem.severity is Severity.ERROR
    assert (str(problem.target), str(problem.expected_target)) == ("auth.users(phone)", "auth.users(id)")
    assert lines(RULE, text) == [3]


def test_keys_to_primary_keys_are_fine() -> None:
    assert (
        problems(RULE, "create table public.a (id uuid references auth.users (id), s uuid references auth.sessions);")
        == []
    )


def test_keys_to_the_projects_own_tables_may_rest_on_any_unique_column() -> None:
    text = "create table public.a (code text unique); create table public.b (code text references public.a (code));"
    assert problems(RULE, text) == []
