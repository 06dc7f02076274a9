"""What is asked before anything is done, and what the answers bring about."""

from __future__ import annotations

from collections.abc import Mapping

from referee.fixing.proposals import Chosen, choose
from referee.rules.duplicate_foreign_key import DuplicateForeignKey
from referee.workflow.locate import locate
from tests.fixing.sql import schema_of
from tests.identity.sql import identities_in, replayed

TEXT = (
    "create table public.bands (id uuid primary key);\n"
    "create table public.songs (band uuid references public.bands);\n"
    "alter table public.songs add constraint again foreign key (band) references public.bands on delete cascade;\n"
)


def chosen(answers: Mapping[str, str]) -> Chosen:
    rule, schema = DuplicateForeignKey(), schema_of(TEXT)
    problems = rule.check(schema, identities_in(schema))
    findings = [locate(rule.id, problem, replayed(TEXT).origins) for problem in problems]
    return choose(findings, schema, answers)


def test_which_of_two_keys_goes_is_never_guessed() -> None:
    found = chosen({})
    [question] = found.questions
    assert question.id == "duplicate public.songs.again"
    assert question.choices == ("drop again", "drop songs_band_fkey", "leave")
    assert (question.recommended, question.answer) == ("leave", "leave")
    assert "again says ON DELETE CASCADE" in question.reason
    assert found.changes == ()
    assert [proposal.reason for proposal in found.proposals] == [
        'the answer to "duplicate public.songs.again" is leave'
    ]


def test_an_answer_drops_either() -> None:
    for name in ("again", "songs_band_fkey"):
        [change] = chosen({"duplicate public.songs.again": f"drop {name}"}).changes
        assert change.describe() == f"drop public.songs.{name}"


def test_an_answer_that_is_no_choice_changes_nothing() -> None:
    assert chosen({"duplicate public.songs.again": "drop everything"}).changes == ()
