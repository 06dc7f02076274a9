"""Comments that keep findings quiet: ``-- referee: ignore[rule-id, other] reason``.

Behind code, a comment counts for the findings of its line. On a line of its own it counts for what begins on the next
line of code: the whole statement, or inside a statement the column, the constraint or the statement of a function body.
``-- referee: ignore-file[rule-id]`` counts for its file. ``/* referee: ignore[rule-id] reason */`` does the same, also
where it begins a later line of its comment. Tests in other languages have ``#`` or ``//`` in the place of ``--``; there
a comment on a line of its own counts for what begins on the next line of code.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from referee import rules
from referee.model.diagnosis import Notice
from referee.model.finding import Finding
from referee.model.source import Location, Source, Span
from referee.read.code_files import ENDINGS
from referee.sql.split import Statement, skip_blank, split
from referee.sql.tokens import tokens
from referee.workflow.nearest import nearest

# Inside a block comment prose may begin with "referee:" as well, so there only our own words count.
_COMMENT = re.compile(
    r"(?:(?:--|/\*+)[ \t]*|^[ \t]*\**[ \t]*(?P<inside>(?=referee:[ \t]*ignore)))"
    r"referee:[ \t]*(?P<word>[\w-]*)[ \t]*(?:\[(?P<rules>[^\]\r\n]*)\])?",
    re.MULTILINE,
)
_CODE_COMMENT = re.compile(_COMMENT.pattern.replace("--", "--|//|#", 1), re.MULTILINE)
_WORDS = ("ignore", "ignore-file")
_EDGE = re.compile(r"/\*|\*/")
_OTHER_CODE = re.compile(r"(?:\s++|(?:--|//|#)[^\n]*+|/\*(?:[^*]++|\*(?!/))*+\*/)*+")


class Suppression(NamedTuple):
    """The findings that are left, how many were suppressed, and what to tell about comments that are of no use."""

    findings: tuple[Finding, ...]
    suppressed: int
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class _Comment:
    """One comment and the lines that it counts for. Behind code it counts for what ends on its line, too."""

    location: Location
    rules: tuple[str, ...]
    first: int
    last: int
    is_trailing: bool

    def covers(self, location: Location) -> bool:
        if self.is_trailing:
            return self.first in (location.line, location.end_line)
        return self.first <= location.line <= self.last


def suppress(findings: Sequence[Finding], sources: Iterable[Source], ran: Collection[str]) -> Suppression:
    """Takes out the findings that comments in ``sources`` suppress.

    Unknown words and rules, and comments that suppress nothing, come back as notices; of rules that are not in ``ran``
    nothing can be said.
    """
    comments, notices = _read(sources)
    if not comments:
        return Suppression(tuple(findings), 0, tuple(notices))
    by_file: defaultdict[str, list[_Comment]] = defaultdict(list)
    for comment in comments:
        by_file[comment.location.file].append(comment)
    used: set[tuple[Location, str]] = set()
    kept = tuple(finding for finding in findings if not _is_suppressed(finding, by_file, used))
    notices += [
        Notice(f"This comment suppresses nothing: there is no {rule} here.", comment.location)
        for comment in comments
        for rule in comment.rules
        if rule in ran and (comment.location, rule) not in used
    ]
    notices.sort(key=lambda notice: (notice.location.file, notice.location.line) if notice.location else ("", 0))
    return Suppression(kept, len(findings) - len(kept), tuple(notices))


def _is_suppressed(
    finding: Finding, by_file: Mapping[str, Sequence[_Comment]], used: set[tuple[Location, str]]
) -> bool:
    if finding.location is None:
        return False
    hits = [
        comment
        for comment in by_file.get(finding.location.file, ())
        if finding.rule in comment.rules and comment.covers(finding.location)
    ]
    used.update((comment.location, finding.rule) for comment in hits)
    return bool(hits)


def _read(sources: Iterable[Source]) -> tuple[list[_Comment], list[Notice]]:
    comments: list[_Comment] = []
    notices: list[Notice] = []
    known = frozenset(rule.id for rule in rules.ALL)
    for source in sources:
        if "referee:" not in source.text:
            continue
        reach = _Reach(source)
        for match in (_CODE_COMMENT if source.path.endswith(ENDINGS) else _COMMENT).finditer(source.text):
            start, place = match.start(), match.start()
            if match["inside"] is not None:
                start, place = _opening(source.text, match.start()), match.start("inside")
                if start == -1:
                    continue
            location = Location.of(Span(source.path, place, match.end()), source)
            names = tuple(name.strip() for name in (match["rules"] or "").split(",") if name.strip())
            # A game has a referee, too: a comment on one is none of ours.
            if match["rules"] is not None or get_close_matches(match["word"], _WORDS):
                notices += [Notice(fault, location) for fault in _faults(match["word"], names, known)]
            if match["word"] in _WORDS and known.intersection(names):
                is_trailing, first, last = reach.of(start, match["word"])
                comments.append(_Comment(location, tuple(n for n in names if n in known), first, last, is_trailing))
    return comments, notices


def _opening(text: str, inside: int) -> int:
    """Where the block comment begins that a place lies in; -1 where it lies in none. Comments may hold comments."""
    closed = 0
    for edge in reversed(list(_EDGE.finditer(text, 0, inside))):
        if edge.group() == "*/":
            closed += 1
        elif closed == 0:
            return edge.start()
        else:
            closed -= 1
    return -1


def _faults(word: str, names: Sequence[str], known: Collection[str]) -> Iterator[str]:
    if word not in _WORDS:
        yield f'"referee: {word}" means nothing; write "referee: ignore[rule-id] reason".'
    elif not names:
        yield f'This comment names no rule, so it suppresses nothing; write "referee: {word}[rule-id] reason".'
    for name in names if word in _WORDS else ():
        if name not in known:
            yield f'There is no rule "{name}", so this comment does not suppress it.{nearest(name, known)}'


class _Reach:
    """Tells for the comments of one file which lines they count for."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.text = source.text
        self.is_sql = not source.path.endswith(ENDINGS)
        self._statements: list[Statement] | None = None

    def of(self, start: int, word: str) -> tuple[bool, int, int]:
        """Whether a comment stands behind code, and the first and last line that it counts for."""
        if word == "ignore-file":
            return False, 1, self._line(len(self.text))
        begin = self.text.rfind("\n", 0, start) + 1
        line = self._line(start)
        if self.text[begin:start].strip():
            return True, line, line
        code = self._next_code(start)
        if not self.is_sql:
            return False, self._line(code), self._line(code)
        return False, self._line(code), self._line(self._end(start, code))

    def _line(self, offset: int) -> int:
        return self.source.position(offset).line

    def _next_code(self, start: int) -> int:
        if self.is_sql:
            return skip_blank(self.text, start, len(self.text))
        match = _OTHER_CODE.match(self.text, start)
        return start if match is None else match.end()

    def _end(self, comment: int, code: int) -> int:
        """The end of what begins at ``code``, seen from a comment above it."""
        statement = self._statement(code)
        if statement is None or not statement.start <= code < statement.end:
            return code
        if comment < statement.start:
            return statement.end
        body = next((t for t in tokens(self.text, statement.start, statement.end) if t[1] <= comment < t[2]), None)
        if body is not None and body[0] in ("dollar", "string"):
            return self._first(";", code, body[2])
        return self._first(",;", code, statement.end)

    def _first(self, signs: str, code: int, end: int) -> int:
        """The first of these signs from ``code``, outside parentheses opened behind it; the end where there is none."""
        depth = 0
        for kind, start, behind in tokens(self.text, code, end):
            sign = self.text[start] if kind == "other" else ""
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth < 0 or (sign and sign in signs and depth == 0):
                return behind
        return end

    def _statement(self, offset: int) -> Statement | None:
        if self._statements is None:
            self._statements = list(split(self.text))
        at = bisect_right(self._statements, offset, key=lambda statement: statement.start)
        return self._statements[at - 1] if at else None
