"""Two databases side by side: what differs, what that means, who is at fault, and what would remove it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from referee.compare.diff import diff
from referee.compare.ground import Ground
from referee.compare.history import compare_histories
from referee.compare.judge import Bench, fixes, judge
from referee.compare.notes import Notes
from referee.compare.texts import Texts, complete, wanted
from referee.compare.world import Migration, World
from referee.model.comparison import Folded, Judged, Side
from referee.model.names import QName, Ref

__all__ = ["Bench", "Findings", "Migration", "Texts", "World", "compare", "fixes", "judge"]

AskTexts = Callable[[Side, Sequence[Ref]], Texts]


@dataclass(frozen=True)
class Findings:
    """What a comparison found: the differences, ranked, and what was folded."""

    differences: tuple[Judged, ...]
    folded: tuple[Folded, ...]
    bench: Bench


def compare(
    left: World,
    right: World,
    texts: AskTexts = lambda side, refs: {},
    broken: Mapping[Side, frozenset[Ref]] | None = None,
    trusted: Side | None = None,
) -> Findings:
    """Compares two sides of one platform.

    ``texts`` gives the statements that made objects of a side, where their facts do not tell everything. ``broken`` are
    the objects with which a side breaks the project's lock; ``trusted`` is the side that the other one is to follow.
    """
    notes = Notes() if left.schema is right.schema else diff(Ground(left.schema, right.schema, left.platform))
    _leave_out(left.unknown | right.unknown, notes)
    compare_histories(left, right, notes)
    _compare_servers(left, right, notes)
    needed: dict[Side, list[Ref]] = {
        "left": wanted(notes.differences, "left"),
        "right": wanted(notes.differences, "right"),
    }
    differences = complete(
        notes.differences,
        texts("left", needed["left"]) if needed["left"] else {},
        texts("right", needed["right"]) if needed["right"] else {},
    )
    bench = Bench(left, right, broken or {}, trusted)
    return Findings(judge(differences, bench), notes.folded(), bench)


def _leave_out(tables: frozenset[QName], notes: Notes) -> None:
    """Says nothing about columns where one side does not know them."""
    unread = [one for one in notes.differences if one.object.kind == "column" and one.object.owner in tables]
    for difference in unread:
        notes.differences.remove(difference)
        notes.fold("unread", str(difference.object))


def _compare_servers(left: World, right: World, notes: Notes) -> None:
    if left.server is not None and right.server is not None and left.server != right.server:
        summary = f"the server is PostgreSQL {left.server} on the left and {right.server} on the right"
        notes.differ(Ref("server", "", "server"), summary, (), ())
