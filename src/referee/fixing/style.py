"""Writing as the file does: its case of keywords, its quotes."""

from __future__ import annotations

import re

from referee.model.names import QName, quote
from referee.sql.tokens import tokens

# fmt: off
_KEYWORDS = frozenset((
    "after", "alter", "and", "as", "before", "begin", "by", "cascade", "case", "check", "column", "conflict",
    "constraint", "create", "definer", "delete", "distinct", "do", "drop", "each", "else", "enable", "end",
    "execute", "exists", "for", "foreign", "from", "function", "grant", "if", "in", "index", "insert", "into", "is",
    "key", "language", "not", "nothing", "null", "of", "on", "or", "policy", "primary", "references", "replace",
    "return", "returns", "revoke", "row", "security", "select", "set", "table", "then", "to", "trigger", "unique",
    "update", "using", "validate", "values", "when", "where", "with",
))
# fmt: on
_SHOUTED = re.compile(r"\b(?:CREATE|ALTER|REFERENCES|TABLE|FUNCTION|NOT NULL|PRIMARY KEY)\b")
_SPOKEN = re.compile(r"\b(?:create|alter|references|table|function|not null|primary key)\b")


def shouts(text: str) -> bool:
    """Whether a file writes keywords in capitals."""
    return len(_SHOUTED.findall(text)) > len(_SPOKEN.findall(text))


def cased(sql: str, upper: bool) -> str:
    """SQL whose keywords are in capitals if wanted; names, strings and comments stay."""
    if not upper:
        return sql
    parts, at = [], 0
    for kind, start, end in tokens(sql, 0):
        word = sql[start:end]
        if kind == "word" and word in _KEYWORDS and sql[start - 1 : start] != ".":
            parts += [sql[at:start], word.upper()]
            at = end
    return "".join([*parts, sql[at:]])


def quoted_always(name: str) -> str:
    """A name in quotes, whether it needs them or not."""
    return '"' + name.replace('"', '""') + '"'


def relation(name: QName, like: str) -> str:
    """A table's qualified name, in quotes where the text in its place has them."""
    if '"' in like and all(part.strip().startswith('"') for part in like.split(".")):
        return ".".join([quoted_always(part) for part in name])
    return str(name)


def columns(names: tuple[str, ...], like: str) -> str:
    """Column names with commas, in quotes where the text in their place has them."""
    one = quoted_always if like.strip().startswith('"') else quote
    return ", ".join([one(name) for name in names])
