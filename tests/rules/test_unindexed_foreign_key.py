from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.model.finding import Severity
from referee.model.identity import Identities
from referee.model.names import QName, Target
from referee.model.schema import Column, ForeignKey, Index, Schema, Table
from referee.rules.unindexed_foreign_key import UnindexedForeignKey
from tests.rules.checking import lines, problems

RULE = UnindexedForeignKey()
SONGS = (
    "create table public.songs (id uuid primary key, band uuid, by uuid references auth.users (id) on delete {action});"
)


def test_a_key_to_the_user_that_acts_on_deletion_is_a_warning() -> None:
    for action in ("cascade", "set null"):
        [problem] = problems(RULE, SONGS.format(action=action))
        assert problem.severity is Severity.WARNING
        assert action.upper() in problem.consequence
    [problem] = problems(RULE, SONGS.format(action="no action"))
    assert problem.severity is Severity.INFO


def test_a_key_to_another_table_is_information() -> None:
    bands = "create table public.bands (id uuid primary key);\n"
    text = bands + "create table public.songs (band uuid references public.bands);"
    assert lines(RULE, text) == [2]
    [problem] = problems(RULE, text)
    assert problem.severity is Severity.INFO


@pytest.mark.parametrize(
    "index",
    [
        "(by)",
        "(by, band)",
        "(by) where by is not null",
        "(by desc nulls last)",
        "using hash (by)",
    ],
)
def test_an_index_that_serves(index: str) -> None:
    assert problems(RULE, SONGS.format(action="cascade") + f"create index on public.songs {index};") == []


@pytest.mark.parametrize(
    "index",
    [
        "(band, by)",
        "(lower(by::text))",
        "(by) where band is not null",
        "(band) include (by)",
        "using brin (by)",
    ],
)
def test_an_index_that_does_not(index: str) -> None:
    assert len(problems(RULE, SONGS.format(action="cascade") + f"create index on public.songs {index};")) == 1


def test_a_unique_or_primary_key_serves() -> None:
    for constraint in ("unique", "primary key"):
        text = f"create table public.settings (by uuid {constraint} references auth.users (id) on delete cascade);"
        assert problems(RULE, text) == []


def test_a_dual_reference_is_told_once_by_its_gravest_key() -> None:
    text = (
        "create table public.profiles (id uuid primary key references auth.users (id));"
        "create table public.songs (by uuid references auth.users (id)"
        " references public.profiles (id) on delete cascade);"
    )
    [problem] = problems(RULE, text)
    assert (str(problem.target), problem.severity) == ("public.profiles(id)", Severity.WARNING)


@given(st.permutations(["a", "b", "c"]), st.permutations(["a", "b", "c"]), st.integers(1, 3))
def test_the_order_of_the_keys_columns_does_not_matter(index: list[str], key: list[str], size: int) -> None:
    name, target = QName("public", "t"), QName("public", "u")
    columns = tuple(key[:size])
    reference = ForeignKey(name, "k", columns, Target(target, columns))
    table = Table(
        name,
        tuple(Column(column, "uuid") for column in "abc"),
        foreign_keys=(reference,),
        indexes=(Index(name, "i", tuple(index)),),
    )
    found = list(RULE.check(Schema({name: table}), Identities()))
    assert (not found) == (set(index[:size]) == set(columns))
