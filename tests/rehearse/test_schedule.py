from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from referee.rehearse.schedule import NOTHING, Footprint, Move, Order, count_orders, orders, switches

LENGTHS = st.lists(st.integers(1, 3), min_size=1, max_size=3)


def all_orders(lengths: Sequence[int]) -> set[Order]:
    return set(permutations([session for session, length in enumerate(lengths) for _ in range(length)]))


def moves(order: Order) -> Iterator[Move]:
    at: dict[int, int] = {}
    for session in order:
        at[session] = at.get(session, -1) + 1
        yield session, at[session]


@given(LENGTHS)
def test_orders_are_counted(lengths: list[int]) -> None:
    assert count_orders(lengths) == len(all_orders(lengths))


@given(LENGTHS)
def test_all_orders_differ_where_everything_depends(lengths: list[int]) -> None:
    found = list(orders(lengths, lambda one, other: True))
    assert len(found) == len(set(found))
    assert set(found) == all_orders(lengths)


@given(LENGTHS)
def test_one_order_is_left_where_nothing_depends(lengths: list[int]) -> None:
    assert len(list(orders(lengths, lambda one, other: False))) == 1


@given(LENGTHS, st.data())
def test_each_class_of_equivalent_orders_comes_up_once(lengths: list[int], data: st.DataObject) -> None:
    """An order is known by which of two dependent moves comes first; equivalent orders agree in all of these."""
    pairs = [
        ((one, first), (other, second))
        for one in range(len(lengths))
        for other in range(one)
        for first in range(lengths[one])
        for second in range(lengths[other])
    ]
    chosen = set(data.draw(st.lists(st.sampled_from(pairs), unique=True))) if pairs else set()

    def dependent(one: Move, other: Move) -> bool:
        return (one, other) in chosen or (other, one) in chosen

    def signature(order: Order) -> frozenset[tuple[Move, Move]]:
        sequence = list(moves(order))
        return frozenset(
            (one, other) for at, one in enumerate(sequence) for other in sequence[at + 1 :] if dependent(one, other)
        )

    found = list(orders(lengths, dependent))
    signatures = [signature(order) for order in found]
    assert len(set(signatures)) == len(signatures)
    assert set(signatures) == {signature(order) for order in all_orders(lengths)}


def test_two_writes_of_one_table_meet() -> None:
    assert Footprint(frozenset({"a"})).disturbs(Footprint(frozenset({"a", "b"})))
    assert not Footprint(frozenset({"a"})).disturbs(Footprint(frozenset({"b"})))


def test_a_reader_sees_a_commit_and_not_a_write() -> None:
    reads, writes = Footprint(reads=frozenset({"a"})), frozenset({"a"})
    assert not reads.disturbs(Footprint(writes))
    assert reads.disturbs(Footprint(writes, commits=True))
    assert Footprint(writes, commits=True).disturbs(reads)


def test_two_readers_never_meet() -> None:
    reads = Footprint(reads=frozenset({"a"}))
    assert not reads.disturbs(Footprint(reads=frozenset({"a"}), commits=True))
    assert not NOTHING.disturbs(NOTHING)


def test_switches() -> None:
    assert switches((0, 0, 1, 1)) == 1
    assert switches((0, 1, 0, 1)) == 3
    assert switches(()) == 0
