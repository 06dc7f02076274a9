"""What is asked before anything is done, and what the answers bring about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from referee.fixing.proposals import Chosen, choose
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from referee.rules.conflicting_dual_reference import ConflictingDualReference
from referee.rules.duplicate_foreign_key import DuplicateForeignKey
from referee.rules.split_identity_reference import SplitIdentityReference
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


def proposed(text: str, answers: Mapping[str, str] | None = None) -> Chosen:
    """What the findings of all rules about keys propose."""
    schema = schema_of(text)
    identities = identities_in(schema)
    rules = (DuplicateForeignKey(), SplitIdentityReference(), BlockedUserDeletion(), ConflictingDualReference())
    findings = [
        locate(rule.id, problem, replayed(text).origins) for rule in rules for problem in rule.check(schema, identities)
    ]
    return choose(findings, schema, answers or {})


MIRROR = (
    "create table public.users (id uuid primary key references auth.users (id) on delete cascade);\n"
    "create table public.gigs (a uuid references public.users (id) on delete cascade,\n"
    "  b uuid references public.users (id) on delete cascade);\n"
)


def test_of_two_equal_keys_to_the_wrong_table_one_is_moved_and_the_other_goes() -> None:
    found = proposed(
        MIRROR + "create table public.songs (by uuid references auth.users (id) on delete cascade);\n"
        "alter table public.songs add constraint again foreign key (by) references auth.users (id) on delete cascade;\n"
    )
    assert [change.describe() for change in found.changes] == [
        "drop public.songs.again",
        "let public.songs.songs_by_fkey reference public.users(id) instead of auth.users(id)",
    ]
    assert [proposal.reason for proposal in found.proposals if not proposal.is_applied] == [
        "it goes: drop public.songs.again"
    ]


@pytest.mark.parametrize("other", ["CASCADE", "NO ACTION"])
@pytest.mark.parametrize("null", ["not null", ""])
def test_a_column_that_is_to_be_emptied_is_emptied_by_both_of_its_keys(other: str, null: str) -> None:
    """Else the key that deletes the row is left beside one that keeps it: the next finding."""
    found = proposed(
        MIRROR + f"create table public.songs (by uuid {null} references auth.users (id)\n"
        f"  references public.users (id) on delete {other});\n"
    )
    loosened = {"let public.songs.by take NULL"} if null else set()
    assert {change.describe() for change in found.changes} == loosened | {
        "let public.songs.songs_by_fkey act ON DELETE SET NULL instead of NO ACTION",
        f"let public.songs.songs_by_fkey1 act ON DELETE SET NULL instead of {other}",
    }
    cascading = proposed(
        MIRROR + "create table public.songs (by uuid not null references auth.users (id)\n"
        "  references public.users (id) on delete cascade);\n",
        {"on-delete public.songs.songs_by_fkey": "cascade"},
    )
    assert [change.describe() for change in cascading.changes] == [
        "let public.songs.songs_by_fkey act ON DELETE CASCADE instead of NO ACTION"
    ]


def test_a_key_that_empties_what_must_not_be_empty_stays_as_it_is() -> None:
    found = proposed(
        MIRROR + "create table public.songs (by uuid not null references public.users (id) on delete set null);\n"
    )
    assert [change.describe() for change in found.changes] == ["let public.songs.by take NULL"]


def test_a_conflict_is_never_settled_by_the_key_that_refuses() -> None:
    """Deletions go through today; to let the refusing action decide would stop them."""
    found = proposed(
        MIRROR + "create table public.songs (by uuid references auth.users (id) on delete set null\n"
        "  references public.users (id));\n"
        "create table public.plays (by uuid references auth.users (id) on delete cascade\n"
        "  references public.users (id));\n"
    )
    assert {change.describe() for change in found.changes} == {
        "let public.songs.songs_by_fkey1 act ON DELETE SET NULL instead of NO ACTION",
        "let public.plays.plays_by_fkey act ON DELETE SET NULL instead of CASCADE",
        "let public.plays.plays_by_fkey1 act ON DELETE SET NULL instead of NO ACTION",
    }
    assert [question.id for question in found.questions] == ["on-delete public.plays.plays_by_fkey1"]
