"""Where the items of a comma-separated list end: libpg_query says where an expression starts, at best, never where it
ends.

One regular expression jumps from one thing that matters to the next, so that a long list costs little more than its
commas. Offsets count characters of the text given. Quotes, dollar quotes and comments are stepped over; one that
nobody closed reaches to the end of the text.
"""

from __future__ import annotations

import re

Range = tuple[int, int]

# What Postgres' lexer takes for blanks; other blanks of Unicode are letters to it.
_BLANKS = " \t\n\r\f\v"

_BLOCK = r"/\*(?:[^*/]++|\*(?!/)|/(?!\*)|%s)*+\*/"
_COMMENT = r"--[^\n]*+|" + _BLOCK % (_BLOCK % (_BLOCK % r"(?!)"))
_QUOTED = (
    r"(?:(?<![\w$])[eE]|(?<=[eE])(?<![\w$][eE]))'(?:[^'\\]++|\\.|'')*+(?:'|\Z)"
    r"|'(?:[^']++|'')*+(?:'|\Z)"
    r'|"(?:[^"]++|"")*+(?:"|\Z)'
    r"|(?<![\w$])\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
)
_OPAQUE = rf"(?P<comment>{_COMMENT})|(?P<quoted>{_QUOTED})"
_NAME = r'(?:(?:[uU]&)?"(?:[^"]|"")*+"|[^\W\d][\w$]*+)'

# Words that end a list, wherever it stands: all reserved, so none of them is a bare name. Behind a dot they may be one.
_ENDING = "from where group having window union intersect except order limit offset fetch for into on returning when"
_WORDS = re.compile(
    rf"{_OPAQUE}|(?P<sign>[()\[\],;])|(?<![\w$.])(?P<word>{'|'.join(_ENDING.split())}|case|end)(?![\w$])",
    re.IGNORECASE | re.DOTALL,
)
# A run of characters that mean nothing here and then one thing that may: the run is what makes these fast.
_SIGNS = re.compile(rf"[^()\[\],;'\"$/\-]*+(?:{_OPAQUE}|(?P<sign>[()\[\],;])|.|\Z)", re.DOTALL)
_EQUALS = re.compile(rf"[^()\[\];='\"$/\-]*+(?:{_OPAQUE}|(?P<sign>[()\[\];=])|.|\Z)", re.DOTALL)
_ROWS = re.compile(rf"{_OPAQUE}|(?P<sign>[()\[\];])|(?<![\w$.])(?P<word>values)(?![\w$])", re.IGNORECASE | re.DOTALL)
_INTO = re.compile(
    rf"{_OPAQUE}|(?<![\w$.])(?:insert|merge)(?:\s|{_COMMENT})++into(?![\w$])|(?<![\w$.])(?P<into>into)(?![\w$])",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_INTO = re.compile(r"insert\s+into\b|import\b")
# How nearly every INSERT goes on behind its table.
_PLAIN_ROWS = re.compile(r"\s*+(?:\([\w\s,]*+\)\s*+)?values\s*+\(", re.IGNORECASE)
_GAP = re.compile(rf"(?:[{_BLANKS}]++|{_COMMENT})*+", re.DOTALL)
_ALL_OPAQUE = re.compile(_OPAQUE, re.DOTALL)
_QUALIFIED = re.compile(rf"{_NAME}(?:\s*+\.\s*+{_NAME})*+")
_ALIAS = re.compile(rf"(?:(?<![\w$])as)?\s*+{_NAME}\Z", re.IGNORECASE)
_STRICT = re.compile(r"strict(?![\w$])", re.IGNORECASE)
_TARGET = re.compile(rf"{_NAME}(?:\s*+\.\s*+{_NAME}|\s*+\[[^\[\]]*+\])*+|\$\d+")


def item(text: str, start: int, end: int | None = None) -> tuple[int, int, int]:
    """Start and end of the list item from ``start``, blanks and comments trimmed, and where the list goes on or ends.

    It ends at a comma, a closing parenthesis, a semicolon or a clause that follows lists (FROM, WHERE, ...).
    """
    stop = _item_stop(text, start, len(text) if end is None else end)
    return *trim(text, start, stop), stop


def items_in_parentheses(text: str, opening: int) -> list[Range]:
    """The items between the parenthesis at ``opening`` and the one that closes it."""
    found: list[Range] = []
    start, depth = opening + 1, 0
    for mark in _SIGNS.finditer(text, start):
        sign = mark["sign"]
        if sign is None:
            continue
        at = mark.end() - 1
        if sign in "([":
            depth += 1
        elif depth:
            depth -= sign in ")]"
        else:
            found.append(trim(text, start, at))
            if sign != ",":
                return found
            start = at + 1
    found.append(trim(text, start, len(text)))
    return found


def _item_stop(text: str, start: int, end: int) -> int:
    """Where the item from ``start`` stops."""
    depth = cases = 0
    for mark in _WORDS.finditer(text, start, end):
        kind = mark.lastgroup
        if kind == "sign":
            sign = mark.group()
            if sign in "([":
                depth += 1
            elif depth == 0:
                return mark.start()
            elif sign in ")]":
                depth -= 1
        elif kind == "word":
            if depth:
                continue
            word = mark.group().lower()
            if word == "case":
                cases += 1
            elif word == "end":
                cases -= 1
            elif cases <= 0 and not _belongs_to_expression(text, mark.start(), word):
                return mark.start()
    return end


def _belongs_to_expression(text: str, at: int, word: str) -> bool:
    """IS DISTINCT FROM and WITHIN GROUP hold words that end a list elsewhere."""
    before = {"from": "distinct", "group": "within"}.get(word)
    return before is not None and text[max(0, at - 40) : at].rstrip().lower().endswith(before)


def skip_gap(text: str, at: int) -> int:
    """The offset behind the blanks and comments at ``at``."""
    gap = _GAP.match(text, at)
    return at if gap is None else gap.end()


def trim(text: str, start: int, end: int) -> Range:
    """The range without blanks and comments at its ends."""
    if text.find("--", start, end) >= 0 or text.find("/*", start, end) >= 0:
        return _trim_comments(text, min(skip_gap(text, start), end), end)
    if start < end and text[start] > " " and text[end - 1] > " ":
        return start, end
    inside = text[start:end]
    solid = len(inside.rstrip(_BLANKS))
    first = solid and len(inside) - len(inside.lstrip(_BLANKS))
    return start + first, start + solid


def _trim_comments(text: str, start: int, end: int) -> Range:
    last = solid_from = start
    for mark in _ALL_OPAQUE.finditer(text, start, end):
        between = text[solid_from : mark.start()].rstrip(_BLANKS)
        if between:
            last = solid_from + len(between)
        solid_from = mark.end()
        if mark.lastgroup != "comment":
            last = mark.end()
    between = text[solid_from:end].rstrip(_BLANKS)
    return start, solid_from + len(between) if between else last


def without_alias(text: str, start: int, end: int) -> int:
    """The end of a SELECT item that is known to have an alias, without the alias."""
    alias = _ALIAS.search(text, start, end)
    return end if alias is None else start + len(text[start : alias.start()].rstrip(_BLANKS))


def value_after_equals(text: str, start: int) -> int:
    """The offset behind the first ``=`` outside parentheses from ``start``; -1 where there is none."""
    depth = 0
    for mark in _EQUALS.finditer(text, start):
        sign = mark["sign"]
        if sign is None:
            continue
        if sign in "([":
            depth += 1
        elif sign in ")]":
            depth -= 1
        elif sign == "=" and depth <= 0:
            return mark.end()
    return -1


def first_row(text: str, start: int) -> int:
    """The offset of the parenthesis that opens the first row behind VALUES; -1 where there is none.

    ``start`` is behind the name of the table.
    """
    if plain := _PLAIN_ROWS.match(text, start):
        return plain.end() - 1
    depth = 0
    for mark in _ROWS.finditer(text, start):
        kind = mark.lastgroup
        if kind == "sign":
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(mark.group(), 0)
        elif kind == "word" and depth <= 0:
            at = skip_gap(text, mark.end())
            return at if text[at : at + 1] == "(" else -1
    return -1


def closing(text: str, start: int) -> int:
    """The offset of the parenthesis that closes the one that ``start`` stands in; the end of the text without one."""
    depth = 0
    for mark in _SIGNS.finditer(text, start):
        sign = mark["sign"]
        if sign in ("(", "["):
            depth += 1
        elif sign in (")", "]"):
            if depth == 0:
                return mark.end() - 1
            depth -= 1
    return len(text)


def name_end(text: str, start: int) -> int:
    """The end of the possibly qualified name at ``start``."""
    name = _QUALIFIED.match(text, start)
    return start if name is None else name.end()


def into_clause(text: str) -> tuple[Range, tuple[str, ...]] | None:
    """PL/pgSQL's INTO in a statement: its range and its targets, folded and dotted, subscripts dropped; None without
    one.

    As in PL/pgSQL (pl_gram.y, make_execsql_stmt; PostgreSQL 18) any INTO counts but those of INSERT INTO and MERGE
    INTO.
    """
    words = text.lower()
    occurrences = words.count("into")
    if not occurrences or (occurrences == 1 and _OTHER_INTO.match(words)):
        return None
    for mark in _INTO.finditer(text):
        if mark.lastgroup == "into":
            return _into_targets(text, mark.start(), mark.end())
    return None


def _into_targets(text: str, start: int, at: int) -> tuple[Range, tuple[str, ...]] | None:
    at = skip_gap(text, at)
    if strict := _STRICT.match(text, at):
        at = skip_gap(text, strict.end())
    targets: list[str] = []
    end = at
    while target := _TARGET.match(text, at):
        targets.append(folded(target.group()))
        end = target.end()
        at = skip_gap(text, end)
        if text[at : at + 1] != ",":
            break
        at = skip_gap(text, at + 1)
    return ((start, end), tuple(targets)) if targets else None


_PLAIN_PARTS = re.compile(r"[a-z_]\w*+(?:\.[a-z_]\w*+)*+", re.IGNORECASE | re.ASCII)
_PART = re.compile(rf"(?P<quoted>\"(?:[^\"]|\"\")*+\")|(?P<bare>{_NAME}|\$\d+)|\[[^\[\]]*+\]")


def folded(name: str) -> str:
    """A dotted name as Postgres folds it: bare parts in lower case, quoted ones as they are, subscripts dropped.

    >>> folded('NEW."createdBy"'), folded("Rec.Items[1]")
    ('new.createdBy', 'rec.items')
    """
    return name.lower() if _PLAIN_PARTS.fullmatch(name) else ".".join(name_parts(name))


def name_parts(name: str) -> tuple[str, ...]:
    """The parts of a dotted name, each folded."""
    parts: list[str] = []
    for part in _PART.finditer(name):
        if part.lastgroup == "quoted":
            parts.append(part.group()[1:-1].replace('""', '"'))
        elif part.lastgroup == "bare":
            parts.append(part.group().lower())
    return tuple(parts)
