from __future__ import annotations

from referee.model.change import ValidateForeignKey
from referee.model.finding import Severity
from referee.rules.unvalidated_foreign_key import UnvalidatedForeignKey
from tests.rules.checking import problems

RULE = UnvalidatedForeignKey()
TABLE = "create table public.songs (id uuid primary key, by uuid);"
ADD = "alter table public.songs add constraint k foreign key (by) references auth.users (id) {state};"


def test_a_key_that_was_never_validated() -> None:
    [problem] = problems(RULE, TABLE + ADD.format(state="not valid"))
    assert problem.severity is Severity.WARNING
    assert problem.remedy is not None
    assert problem.remedy.change == ValidateForeignKey(problem.object)


def test_a_key_that_was_validated_later() -> None:
    assert (
        problems(RULE, TABLE + ADD.format(state="not valid") + "alter table public.songs validate constraint k;") == []
    )
    assert problems(RULE, TABLE + ADD.format(state="")) == []


def test_a_key_that_is_not_enforced_is_information() -> None:
    [problem] = problems(RULE, TABLE + ADD.format(state="not enforced"))
    assert (problem.severity, problem.remedy) == (Severity.INFO, None)
