from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.rehearse.patterns import example

ATOMS = st.sampled_from(["a", "[a-z]", "[^a-z]", "\\d", "\\w", ".", "[[:alpha:]]", "[0-9a-f]", "\\.", "x", "(ab|cd)"])
QUANTIFIERS = st.sampled_from(["", "+", "*", "?", "{2}", "{1,3}", "{2,}"])
PATTERNS = st.lists(st.tuples(ATOMS, QUANTIFIERS).map("".join), min_size=1, max_size=5).map("".join)


def as_python(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace("[[:alpha:]]", "[A-Za-z]"))


@given(st.lists(PATTERNS, min_size=1, max_size=3).map("|".join), st.integers(0, 1000))
def test_the_pattern_matches_its_example(pattern: str, number: int) -> None:
    found = example(pattern, number)
    assert found is not None
    assert as_python(f"(?:{pattern})").fullmatch(found) is not None


@pytest.mark.parametrize(
    "pattern",
    [
        r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$",
        r"^#[0-9a-fA-F]{6}$",
        r"^\+?[1-9]\d{1,14}$",
        r"^(?:https?://)[^\s]+$",
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        r"^[A-Z]{2}\d{2}[A-Z0-9]{1,30}$",
        r"^\d{4}-(0[1-9]|1[0-2])$",
        r"[]a]{2}",
    ],
)
def test_patterns_of_the_field(pattern: str) -> None:
    found = example(pattern, 3)
    assert found is not None
    assert re.search(pattern.replace("[]a]", "[\\]a]"), found) is not None


@pytest.mark.parametrize("pattern", [r"^(?=.*\d).+$", r"(a)\1", "[a-", "(a", "[^[:unknown:]]", "a{5000}"])
def test_what_is_beyond_it_gives_nothing(pattern: str) -> None:
    assert example(pattern) is None


def test_other_numbers_give_other_texts() -> None:
    assert len({example(r"^[a-z]{3}[0-9]{3}$", number) for number in range(10)}) == 10


@given(st.text(max_size=20))
def test_nothing_makes_it_fail(pattern: str) -> None:
    example(pattern)
