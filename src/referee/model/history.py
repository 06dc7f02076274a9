"""What the migrations of a project do one after the other, as far as their order matters to those who use the database.

A schema says where migrations arrive. These are steps of the way there: the foreign keys and triggers that came and
went, and the rows that were moved meanwhile. Names are those that things had at the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from referee.model.names import QName, Ref
from referee.model.origins import Place, place_in_file
from referee.model.schema import ForeignKey
from referee.model.source import Span


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step ran: where it is written, in which transaction (counted through all files), and under which limit.

    ``limited`` is whether the session then gave up waiting for locks after a while (``lock_timeout``).
    """

    span: Span
    transaction: int
    limited: bool = False

    @property
    def file(self) -> str:
        return self.span.path

    @property
    def place(self) -> Place:
        return place_in_file(self.span)


@dataclass(frozen=True, slots=True)
class KeyAdded:
    """A foreign key of a table. ``key`` is as it was added: ``validated`` is whether all rows were checked at once.

    ``new_table`` is whether the same file created its table, ``new_column`` whether it created the table or one of the
    key's columns, so that no row of production held a value there; ``new_target`` is whether it created the table that
    is referenced.
    """

    moment: Moment
    key: ForeignKey
    new_table: bool = False
    new_column: bool = False
    new_target: bool = False


@dataclass(frozen=True, slots=True)
class KeyValidated:
    moment: Moment
    key: ForeignKey


@dataclass(frozen=True, slots=True)
class KeyDropped:
    moment: Moment
    key: ForeignKey
    new_table: bool = False


@dataclass(frozen=True, slots=True)
class TriggerCreated:
    moment: Moment
    trigger: Ref
    function: QName


@dataclass(frozen=True, slots=True)
class RowsCopied:
    """INSERT ... SELECT. ``sources`` are the tables that it reads, the one that it fills left out."""

    moment: Moment
    table: QName
    sources: frozenset[QName]


@dataclass(frozen=True, slots=True)
class RowsLost:
    """DELETE, or UPDATE that sets columns to NULL: what rows said is gone.

    ``columns`` are those that become NULL, empty for DELETE. ``unless_in`` are the tables of which a row keeps the
    statement from it (NOT IN, NOT EXISTS, an outer join that finds nothing), with the columns that are compared in
    ``by``. ``everything`` is whether no condition spares a row that holds a value.
    """

    moment: Moment
    action: Literal["delete", "update"]
    table: QName
    columns: tuple[str, ...]
    unless_in: frozenset[QName]
    by: frozenset[str]
    everything: bool


HistoryEvent = KeyAdded | KeyValidated | KeyDropped | TriggerCreated | RowsCopied | RowsLost


@dataclass(frozen=True)
class History:
    """The steps in their order. ``loose`` are the files whose statements are each a transaction of their own."""

    events: tuple[HistoryEvent, ...] = ()
    loose: frozenset[str] = frozenset()

    @cached_property
    def copies(self) -> tuple[tuple[int, RowsCopied], ...]:
        """The copies of rows, each with its place among the events."""
        return tuple([(at, event) for at, event in enumerate(self.events) if isinstance(event, RowsCopied)])
