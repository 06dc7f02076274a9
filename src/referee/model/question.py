"""A question about rows: a query with a name, asked in many ways and written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from referee.model.names import QName, Ref, Target, fits, quote
from referee.model.schema import ForeignKey

QuestionKind = Literal[
    "unmirrored",  # rows of the source without their row in a mirror
    "stray",  # rows of a mirror whose source row is missing
    "disagreeing",  # rows of a mirror whose e-mail is not the source's
    "orphans",  # rows that break a foreign key
    "undeclared",  # rows that would break a foreign key that nobody declared
]


@dataclass(frozen=True, slots=True)
class Question:
    """Which rows of ``table`` break a promise about ``columns``.

    In the texts a row of ``table`` goes by ``r`` and one of ``target.table`` by ``t``. Rows for which ``applies`` does
    not hold have nothing to break (their reference is NULL). ``lookup`` is a query that finds what a row refers to; the
    row breaks the promise if it finds nothing or, where ``absent`` is False, if it finds something. Names in the texts
    are quoted and values are constants, so there are no parameters. ``types`` are those of ``columns``; ``row_key`` is
    the primary key of ``table``, empty where it has none. ``key`` is the foreign key that the question is about.
    """

    kind: QuestionKind
    subject: Ref
    table: QName
    columns: tuple[str, ...]
    types: tuple[str, ...]
    target: Target
    row_key: tuple[str, ...]
    rows: str
    applies: str
    lookup: str
    absent: bool = True
    key: ForeignKey | None = None

    @property
    def id(self) -> str:
        """Its name: ``orphans public.songs.songs_created_by_fkey``."""
        return f"{self.kind} {self.subject}"

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called: its kind, subject, table or id; names as SQL writes them, and without the quotes,
        which a shell takes away.
        """
        subject = ".".join([part for part in self.subject[1:] if part])
        quoted = (str(self.subject), str(self.table), self.id)
        return (self.kind, *dict.fromkeys((*quoted, subject, ".".join(self.table), f"{self.kind} {subject}")))

    def is_named(self, pattern: str) -> bool:
        """Whether a pattern is one of its names, or one of them fits it."""
        return fits(self.names, pattern)

    @property
    def condition(self) -> str:
        """What holds for the rows that break the promise."""
        return f"{self.applies} and {'not ' if self.absent else ''}exists ({self.lookup})"

    @property
    def text(self) -> str:
        """The whole query: key and reference of every row that breaks the promise."""
        names = dict.fromkeys((*self.row_key, *self.columns))
        shown = ", ".join([f"r.{quote(name)}" for name in names])
        return f"select {shown} from {self.rows} where {self.condition}"
