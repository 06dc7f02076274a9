"""What a comparison has found so far: differences, and how much was folded away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from referee.model.change import Change
from referee.model.comparison import Difference, Folded, FoldKind, Side
from referee.model.names import Ref

_SHOWN = 5

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Named(Protocol):
    @property
    def name(self) -> Any: ...
    @property
    def ref(self) -> Ref: ...


N = TypeVar("N", bound=_Named)

Make = Callable[[V], Change]


@dataclass
class Notes:
    """Collects differences and what is folded."""

    differences: list[Difference] = field(default_factory=list)
    counts: Counter[FoldKind] = field(default_factory=Counter)
    examples: dict[FoldKind, list[str]] = field(default_factory=dict)

    def fold(self, kind: FoldKind, example: str, count: int = 1) -> None:
        """Counts something that makes no difference."""
        self.counts[kind] += count
        shown = self.examples.setdefault(kind, [])
        if len(shown) < _SHOWN:
            shown.append(example)

    def differ(self, object_: Ref, summary: str, forward: Iterable[Change], backward: Iterable[Change]) -> None:
        self.differences.append(Difference(object_, summary, tuple(forward), tuple(backward)))

    def missing(self, side: Side, object_: Ref, what: str, create: Change, drop: Change) -> None:
        """Something that only the other side has: ``create`` makes it, ``drop`` takes it away."""
        has = "left" if side == "right" else "right"
        summary = f"{what} is on the {has} and not on the {side}"
        if side == "right":
            self.differ(object_, summary, (drop,), (create,))
        else:
            self.differ(object_, summary, (create,), (drop,))

    def changed(self, object_: Ref, summary: str, left: V, right: V, make: Make[V]) -> None:
        """Something that both have and that is different; ``make`` gives the change that brings about a state."""
        self.differ(object_, summary, (make(right),), (make(left),))

    def folded(self) -> tuple[Folded, ...]:
        return tuple(
            Folded(kind, count, tuple(self.examples.get(kind, ()))) for kind, count in sorted(self.counts.items())
        )


def in_both(left: Mapping[K, V], right: Mapping[K, V]) -> Iterator[tuple[K, V | None, V | None]]:
    """The keys under which two mappings differ, in their order, with both values; None where a key is missing."""
    different = [key for key in left.keys() | right.keys() if left.get(key) != right.get(key)]
    for key in sorted(different, key=str):
        yield key, left.get(key), right.get(key)


@dataclass
class Pairs:
    """The objects of two tables put side by side."""

    both: list[tuple[Any, Any]] = field(default_factory=list)
    left: list[Any] = field(default_factory=list)
    right: list[Any] = field(default_factory=list)


def pair(left: Iterable[N], right: Iterable[N], alike: Callable[[N, N], bool], notes: Notes) -> Pairs:
    """Pairs objects by name; of the rest, those that are alike but for their names, which is folded."""
    mine, theirs = {one.name: one for one in left}, {one.name: one for one in right}
    pairs = Pairs([(one, theirs[name]) for name, one in mine.items() if name in theirs])
    rest = [one for name, one in theirs.items() if name not in mine]
    for name, one in mine.items():
        if name in theirs:
            continue
        same = next((candidate for candidate in rest if alike(one, candidate)), None)
        if same is None:
            pairs.left.append(one)
        else:
            rest.remove(same)
            notes.fold("names", f"{one.ref} is called {same.name} on the right")
    pairs.right = rest
    return pairs
