from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from referee.read.globs import excluder


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("a.sql", "a.sql", True),
        ("a.sql", "deep/down/a.sql", True),
        ("*.sql", "deep/a.sql", True),
        ("/a.sql", "deep/a.sql", False),
        ("./a.sql", "a.sql", True),
        ("deep/*.sql", "deep/a.sql", True),
        ("deep/*.sql", "deep/down/a.sql", False),
        ("deep/**/*.sql", "deep/down/under/a.sql", True),
        ("deep/**/*.sql", "deep/a.sql", True),
        ("deep/**", "deep/down/a.sql", True),
        ("deep", "deep/down/a.sql", True),
        ("deep/", "very/deep/a.sql", True),
        ("dee", "deep/a.sql", False),
        ("?.sql", "a.sql", True),
        ("?.sql", "ab.sql", False),
        ("[ab].sql", "b.sql", True),
        ("[!ab].sql", "b.sql", False),
        ("[!ab].sql", "c.sql", True),
        ("[0-9]_*.sql", "1_x.sql", True),
        ("[z-a].sql", "[z-a].sql", True),
        ("a.sql", "aXsql", False),
        ("(a|b).sql", "a.sql", False),
    ],
)
def test_patterns_match_as_in_gitignore(pattern: str, path: str, matches: bool) -> None:
    assert excluder([pattern], "/project")(f"/project/{path}") is matches


def test_any_of_several_patterns_matches_and_none_of_none() -> None:
    excludes = excluder(["a*", "b*"], "/p")
    assert (excludes("/p/a1"), excludes("/p/b1"), excludes("/p/c1")) == (True, True, False)
    assert excluder([], "/p")("/p/a") is False


@given(st.text(alphabet="ab[]!-*?./\\()^$", max_size=12))
def test_no_pattern_is_an_error(pattern: str) -> None:
    assert isinstance(excluder([pattern], "/p")("/p/a/b.sql"), bool)
