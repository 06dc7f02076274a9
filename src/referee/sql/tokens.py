"""Ranges that libpg_query does not give: it says where a clause starts, never where it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
    (?P<blank> \s++ | --[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+\*/ )
  | (?P<word> [^\W\d][\w$]*+ )
  | (?P<string> '(?: [^']++ | '' )*+ ' )
  | (?P<name> "(?: [^"]++ | "" )*+ " )
  | (?P<dollar> \$(?P<tag>(?:[^\W\d]\w*)?)\$ (?s:.)*? \$(?P=tag)\$ )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_NAME = r'(?:"(?:[^"]|"")*+"|[^\W\d][\w$]*+)'
_GAP = r"(?:\s++|--[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+"
_RELATION = re.compile(rf"{_NAME}(?:{_GAP}\.{_GAP}{_NAME})*(?:{_GAP}\({_GAP}(?:{_NAME}{_GAP},{_GAP})*{_NAME}{_GAP}\))?")
_QUALIFIED = re.compile(rf"{_NAME}(?:{_GAP}\.{_GAP}{_NAME})*")
_REFERENCES = re.compile(r"\breferences\b", re.IGNORECASE)
_ESCAPED = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)

# Keywords that can follow a DEFAULT expression inside a column definition (gram.y, ColConstraint; PostgreSQL 18). A b_expr
# holds none of them bare, except inside CASE.
_COLUMN_KEYWORDS = frozenset(
    "not null constraint primary unique references check generated collate deferrable initially default".split()
)


def tokens(text: str, start: int, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each token from ``start``; blanks and comments are left out."""
    at, stop = start, len(text) if end is None else end
    while at < stop and (token := _TOKEN.match(text, at, stop)):
        kind, at = token.lastgroup or "other", token.end()
        if kind == "tag":
            kind = "dollar"
        if kind == "word" and token.group() in ("e", "E") and text[at : at + 1] == "'":
            if escaped := _ESCAPED.match(text, at, stop):
                kind, at = "string", escaped.end()
        if kind != "blank":
            yield kind, token.start(), at


def close(text: str, opening: int) -> int:
    """The offset just behind the parenthesis that closes the one at ``opening``; the end of the text if none does."""
    depth = 0
    for kind, start, end in tokens(text, opening):
        if kind == "other":
            if text[start] == "(":
                depth += 1
            elif text[start] == ")":
                depth -= 1
                if depth == 0:
                    return end
    return len(text)


def inside_parentheses(text: str, start: int) -> tuple[int, int]:
    """The range between the next opening parenthesis from ``start`` and the one that closes it, blanks trimmed."""
    for kind, at, end in tokens(text, start):
        if kind == "other" and text[at] == "(":
            return trim(text, end, close(text, at) - 1)
    return (start, start)


def after_word(text: str, start: int, word: str, end: int | None = None) -> int:
    """The offset behind the next bare ``word`` (lower case) outside parentheses; -1 where there is none."""
    depth = 0
    for kind, at, behind in tokens(text, start, end):
        if kind == "other":
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        elif kind == "word" and depth == 0 and text[at:behind].lower() == word:
            return behind
    return -1


def default_end(text: str, start: int) -> int:
    """The end of the expression that starts behind DEFAULT in a column definition."""
    depth, cases, end = 0, 0, start
    for kind, at, behind in tokens(text, start):
        if kind == "other":
            sign = text[at]
            if sign in "([":
                depth += 1
            elif sign in ")]":
                if depth == 0:
                    return end
                depth -= 1
            elif depth == 0 and sign in ",;":
                return end
        elif kind == "word" and depth == 0:
            word = text[at:behind].lower()
            cases += {"case": 1, "end": -1}.get(word, 0)
            if end > start and cases <= 0 and word in _COLUMN_KEYWORDS:
                return end
        end = behind
    return end


def references_clause(text: str, start: int, relation: int) -> tuple[int, int]:
    """The range of ``REFERENCES table (columns)``, where the constraint starts at ``start`` and the table at ``relation``."""
    at = start
    for word in _REFERENCES.finditer(text, start, relation):
        at = word.start()
    name = _RELATION.match(text, relation)
    return (at, relation if name is None else name.end())


def qualified_name_end(text: str, start: int) -> int:
    """The end of the possibly qualified name at ``start``."""
    name = _QUALIFIED.match(text, start)
    return start if name is None else name.end()


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without blanks at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
