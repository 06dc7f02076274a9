"""Ranges that libpg_query does not give: it says where a clause starts, never where it ends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

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
_PLAIN_NAME = re.compile(r"[^\W\d][\w$]*+(?=[ ,)(\[\n])")
_QUALIFIED = re.compile(rf"{_NAME}(?:{_GAP}\.{_GAP}{_NAME})*")
_REFERENCES = re.compile(r"\breferences\b", re.IGNORECASE)
_PARENTHESIS = re.compile(
    r"""
    [^()'"$/\-]*+
    (?: ([()]) | (?<![\w$])[eE]'(?:[^'\\]++|\\.|'')*+' | '(?:[^']++|'')*+' | "(?:[^"]++|"")*+"
      | --[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+\*/ | \$(?P<tag>(?:[^\W\d]\w*)?)\$(?s:.)*?\$(?P=tag)\$ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_PLAIN_INSIDE = re.compile(r"[^()'\"$/\-]*+\)")
_HIDING = re.compile(r"['\"$()]|--|/\*")
_SIMPLE_DEFAULT = re.compile(
    r"""
    \s*+ (?: [\w.]++ (?:\(\))? | '[^']*+' ) (?: ::\w++ (?:\[\])? )?
    (?= \s*+ (?: [,)] | \Z | (?: not | null | constraint | primary | unique | references | check )\b ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_ESCAPED = re.compile(r"'(?:[^'\\]++|\\.|'')*+'", re.DOTALL)

# Keywords that can follow a DEFAULT expression inside a column definition (gram.y, ColConstraint; PostgreSQL 18). A
# b_expr holds none of them bare, except inside CASE.
_COLUMN_KEYWORDS = frozenset(
    [
        "not",
        "null",
        "constraint",
        "primary",
        "unique",
        "references",
        "check",
        "generated",
        "collate",
        "deferrable",
        "initially",
        "default",
    ]
)


def tokens(text: str, start: int, end: int | None = None) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each token from ``start``; blanks and comments are left out."""
    at, stop = start, len(text) if end is None else end
    while at < stop and (token := _TOKEN.match(text, at, stop)):
        kind, at = token.lastgroup or "other", token.end()
        if kind == "tag":
            kind = "dollar"
        is_prefix = kind == "word" and token.group() in ("e", "E") and text[at : at + 1] == "'"
        if is_prefix and (escaped := _ESCAPED.match(text, at, stop)):
            kind, at = "string", escaped.end()
        if kind != "blank":
            yield kind, token.start(), at


def close(text: str, opening: int) -> int:
    """The offset just behind the parenthesis that closes the one at ``opening``; the end of the text if none does."""
    if plain := _PLAIN_INSIDE.match(text, opening + 1):
        return plain.end()
    depth, at = 0, opening
    while found := _PARENTHESIS.match(text, at):
        at = found.end()
        sign = found.group(1)
        if sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
            if depth == 0:
                return at
    return len(text)


def inside_parentheses(text: str, start: int) -> tuple[int, int]:
    """The range between the next opening parenthesis from ``start`` and the one that closes it, blanks trimmed."""
    opening = text.find("(", start)
    if opening == start or text[start:opening].isspace():
        return trim(text, opening + 1, close(text, opening) - 1)
    at = start
    while found := _PARENTHESIS.match(text, at):
        at = found.end()
        if found.group(1) == "(":
            return trim(text, at, close(text, at - 1) - 1)
    return (start, start)


def after_word(text: str, start: int, word: str, end: int | None = None) -> int:
    """The offset behind the next bare ``word`` (lower case) outside parentheses; -1 where there is none."""
    first = _find_word(word, text, start, end)
    if first == -1 or _HIDING.search(text, start, first) is None:
        return first  # nothing stands before it in which a word could hide
    depth = 0
    for kind, at, behind in tokens(text, start, end):
        if kind == "other":
            depth += {"(": 1, ")": -1}.get(text[at], 0)
        elif kind == "word" and depth == 0 and text[at:behind].lower() == word:
            return behind
    return -1


@cache
def _word_pattern(word: str) -> re.Pattern[str]:
    return re.compile(rf"\b{word}\b", re.IGNORECASE)


def _find_word(word: str, text: str, start: int, end: int | None) -> int:
    found = _word_pattern(word).search(text, start, len(text) if end is None else end)
    return -1 if found is None else found.end()


def default_end(text: str, start: int) -> int:
    """The end of the expression that starts behind DEFAULT in a column definition."""
    if simple := _SIMPLE_DEFAULT.match(text, start):
        return simple.end()
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
    """The range of ``REFERENCES table (columns)``, where the constraint starts at ``start`` and the table at
    ``relation``.
    """
    at = start
    for word in _REFERENCES.finditer(text, start, relation):
        at = word.start()
    name = _RELATION.match(text, relation)
    return (at, relation if name is None else name.end())


def relation_end(text: str, start: int) -> int:
    """The end of the table's name at ``start``, also where blanks or comments stand around its dot."""
    name = _QUALIFIED.match(text, start)
    return start if name is None else name.end()


def qualified_name_end(text: str, start: int) -> int:
    """The end of the possibly qualified name at ``start``."""
    if plain := _PLAIN_NAME.match(text, start):
        return plain.end()
    name = _QUALIFIED.match(text, start)
    return start if name is None else name.end()


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without blanks at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
