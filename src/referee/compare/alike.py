"""Whether two texts say the same: expressions and queries by meaning, function bodies by their tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from referee.sql.meaning import same_meaning
from referee.sql.split import split
from referee.sql.tokens import tokens

_ATOMIC = re.compile(r"\s*begin\s+atomic\b(.*)\bend\s*;?\s*", re.IGNORECASE | re.DOTALL)
_RETURN = re.compile(r"\s*return\b(.*)", re.IGNORECASE | re.DOTALL)


def same_expression(left: str | None, right: str | None) -> bool:
    """Whether two expressions, or two queries, mean the same; None stands for having none."""
    if left is None or right is None:
        return left is right
    return left == right or same_meaning(left, right)


def same_expressions(left: Sequence[str], right: Sequence[str]) -> bool:
    """Whether two lists hold the same expressions, in whatever order."""
    rest = list(right)
    for one in left:
        found = next((other for other in rest if same_expression(one, other)), None)
        if found is None:
            return False
        rest.remove(found)
    return not rest


def same_body(language: str, left: str, right: str) -> bool:
    """Whether two function bodies are the same but for blanks, comments and the case of words.

    A body that Postgres keeps as a tree (BEGIN ATOMIC, RETURN) is compared statement by statement, by meaning.
    """
    if left == right:
        return True
    if language not in ("sql", "plpgsql"):
        return left.split() == right.split()
    if words(left) == words(right):
        return True
    return language == "sql" and _same_inline(left, right)


def _same_inline(left: str, right: str) -> bool:
    one, other = _inline(left), _inline(right)
    if one is None or other is None or len(one) != len(other):
        return False
    return all(same_meaning(mine, theirs) for mine, theirs in zip(one, other, strict=True))


def _inline(body: str) -> list[str] | None:
    if found := _ATOMIC.fullmatch(body):
        return [statement.text(found[1]) for statement in split(found[1])]
    if found := _RETURN.fullmatch(body):
        return [found[1]]
    return None


@lru_cache(maxsize=256)
def words(text: str) -> tuple[str, ...]:
    """The tokens of a text without blanks and comments; words that are not quoted in lower case."""
    return tuple(
        [
            text[start:end].lower() if kind == "word" else text[start:end]
            for kind, start, end in tokens(text.rstrip().rstrip(";"), 0)
        ]
    )
