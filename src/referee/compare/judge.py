"""What differences mean: their consequence, who is at fault, what would remove them, and which count most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from referee.compare.blame import Evidence, evidence, sqlstate_in
from referee.compare.consequence import weigh
from referee.compare.history import maker_of, taker_of
from referee.compare.world import World
from referee.model.comparison import Consequence, Difference, Fix, Judged, Side, other
from referee.model.finding import Severity
from referee.model.names import Ref
from referee.sql.write import UnwritableError, Writer, script

#: What comes first among differences of one severity.
_ORDER = (
    "trigger",
    "function",
    "constraint",
    "policy",
    "table",
    "column",
    "schema",
    "role",
    "type",
    "extension",
    "view",
    "index",
    "migration",
    "server",
)


@dataclass(frozen=True)
class Bench:
    """Both sides, and who finds fault besides the rules: ``broken`` says which objects break the lock of a side.

    ``trusted`` is the side that the other one is to follow, whatever the rules say; None to let them judge.
    """

    left: World
    right: World
    broken: Mapping[Side, frozenset[Ref]]
    trusted: Side | None = None

    def world(self, side: Side) -> World:
        return self.left if side == "left" else self.right


def judge(differences: Sequence[Difference], bench: Bench) -> tuple[Judged, ...]:
    """The differences with their meaning, the gravest first."""
    found = evidence(differences, bench.left, bench.right)
    judged = [_judge(difference, proof, bench) for difference, proof in zip(differences, found, strict=True)]
    return tuple(sorted(judged, key=_rank))


def _judge(difference: Difference, proof: Evidence, bench: Bench) -> Judged:
    felt = {side: _felt(difference, side, bench) for side in ("left", "right")}
    at_fault = _lock_breaker(difference, bench) or proof.at_fault
    affected: Side = at_fault or ("left" if felt["left"].severity > felt["right"].severity else "right")
    if bench.trusted is not None:
        affected = other(bench.trusted)
    consequence = felt[affected]
    if (gravest := proof.gravest(affected)) is not None:
        consequence = _with_rule(consequence, gravest.severity, gravest.consequence, sqlstate_in(gravest))
    return Judged(
        difference,
        consequence,
        affected,
        at_fault,
        _fix(difference, affected, bench),
        proof.rules(affected),
        _migration(difference, affected, bench),
    )


def _felt(difference: Difference, side: Side, bench: Bench) -> Consequence:
    """What is felt on one side because it is not as the other."""
    return weigh(difference.towards(side), bench.world(other(side)), bench.world(side))


def _with_rule(own: Consequence, severity: Severity, text: str, sqlstate: str | None) -> Consequence:
    """A rule knows better where it says something graver."""
    if severity > own.severity:
        return replace(own, text=text, severity=severity, sqlstate=sqlstate or own.sqlstate)
    return replace(own, sqlstate=own.sqlstate or sqlstate)


def _lock_breaker(difference: Difference, bench: Bench) -> Side | None:
    left, right = (difference.object in bench.broken.get(side, frozenset()) for side in ("left", "right"))
    return None if left == right else "left" if left else "right"


def _fix(difference: Difference, side: Side, bench: Bench) -> Fix:
    """What makes the affected side like the other."""
    wanted = difference.towards(other(side))
    if not wanted:
        return Fix(side, (), reason="No statement makes one the other.")
    if difference.object.kind == "migration" and not bench.world(side).has_run:
        return Fix(side, (), reason="A file has to be written or taken away; no statement does that.")
    try:
        return Fix(side, wanted, script(wanted, writer_for(bench.world(side))))
    except UnwritableError as error:
        return Fix(side, wanted, reason=str(error))


def writer_for(world: World) -> Writer:
    """What writes changes for a side, in the name of its host's migration role."""
    return Writer(world.schema, world.platform.migration_role, world.server or 17)


def fixes(judged: Iterable[Judged], side: Side, bench: Bench) -> tuple[str, ...]:
    """All statements that make a side what it should be, in one order; those that no statement can mend are left
    out."""
    wanted = [change for one in judged if one.fix.side == side and one.fix.reason is None for change in one.fix.changes]
    return script(wanted, writer_for(bench.world(side)))


def _migration(difference: Difference, affected: Side, bench: Bench) -> str | None:
    """Which migration makes the object; what the affected side's history says of it, or which one took it away."""
    if difference.object.kind == "migration":
        return None
    taker = taker_of(difference.object, bench.world(affected)) if _is_missing(difference, affected) else None
    for side in (other(affected), affected):
        migration = maker_of(difference.object, bench.world(side))
        if migration is not None:
            name = " ".join(filter(None, migration[:2]))
            history = bench.world(affected).history
            if history is None or not _is_missing(difference, affected):
                return name
            if taker is not None and taker.version > migration.version:
                return f"{name}; taken away on the {affected} side by {' '.join(filter(None, taker[:2]))}"
            has_run = any(one.version == migration.version for one in history)
            where = f"the history of the {affected} side"
            return f"{name}, which {where} {'holds all the same' if has_run else 'does not hold'}"
    return None


def _is_missing(difference: Difference, side: Side) -> bool:
    """Whether a side lacks the object altogether."""
    return any(change.kind.startswith(("create-", "add-")) for change in difference.towards(other(side)))


def _rank(judged: Judged) -> tuple[int, int, str]:
    kind = judged.difference.object.kind
    return -judged.severity, _ORDER.index(kind) if kind in _ORDER else len(_ORDER), str(judged.difference.object)
