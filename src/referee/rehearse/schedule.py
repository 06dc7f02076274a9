"""The orders in which sessions can run, without those that come to the same.

Two moves of different sessions are independent where they touch nothing in common, or only read it. Orders that differ
in nothing but the sequence of independent moves are equivalent (they have the same Mazurkiewicz trace); one of each
class is enough. The search keeps sleep sets, so that each class comes up exactly once (Godefroid, "Partial-Order
Methods for the Verification of Concurrent Systems", 1996).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import comb

#: A session's number and the number of its move.
Move = tuple[int, int]
Dependent = Callable[[Move, Move], bool]
#: The session of each move, in order.
Order = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Footprint:
    """The tables that a move touches, by name: those whose rows it changes, and those whose rows it reads or needs.

    One that ``commits`` publishes what its transaction wrote, and sets free what it had locked.
    """

    writes: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    commits: bool = False

    def __or__(self, other: Footprint) -> Footprint:
        return Footprint(self.writes | other.writes, self.reads | other.reads)

    @property
    def all(self) -> frozenset[str]:
        return self.writes | self.reads

    def without(self, other: Footprint) -> Footprint:
        return Footprint(self.writes - other.writes, self.reads - other.all)

    def only(self, tables: frozenset[str]) -> Footprint:
        return Footprint(self.writes & tables, self.reads & tables)

    def disturbs(self, other: Footprint) -> bool:
        """Whether the sequence of two moves can matter, as transactions see each other under READ COMMITTED.

        Two writes may meet in one row or one unique key. What somebody reads changes by a commit, not by a write; a
        foreign key's check reads too, and the lock that it takes lets everything pass but a deletion.
        """
        if self.writes & other.writes:
            return True
        return (self.commits and bool(self.writes & other.reads)) or (other.commits and bool(other.writes & self.reads))


NOTHING = Footprint()


def count_orders(lengths: Sequence[int]) -> int:
    """How many ways there are to shuffle sessions of these lengths together."""
    total, result = 0, 1
    for length in lengths:
        total += length
        result *= comb(total, length)
    return result


def orders(lengths: Sequence[int], dependent: Dependent) -> Iterator[Order]:
    """One order of each class of equivalent ones; ``lengths`` are the numbers of moves of each session."""

    def visit(at: tuple[int, ...], asleep: frozenset[int]) -> Iterator[Order]:
        ready = [session for session, length in enumerate(lengths) if at[session] < length]
        if not ready:
            yield ()
            return
        seen: set[int] = set()
        for session in ready:
            if session in asleep:
                continue
            move = (session, at[session])
            sleeping = frozenset(one for one in asleep | seen if not dependent(move, (one, at[one])))
            following = (*at[:session], at[session] + 1, *at[session + 1 :])
            for rest in visit(following, sleeping):
                yield (session, *rest)
            seen.add(session)

    yield from visit(tuple(0 for _ in lengths), frozenset())


def switches(order: Order) -> int:
    """How often an order goes over from one session to another: people read the ones with few first."""
    return sum(one != other for one, other in pairwise(order))
