"""Which difference explains a failure, with the shortest proof: each sentence is a fact that can be looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from referee.compare.failure import Failure
from referee.compare.judge import Bench
from referee.compare.world import World, listed, mentions, sentence
from referee.model import change as changes
from referee.model.change import Change
from referee.model.comparison import Explanation, Judged, Side, other
from referee.model.names import QName, Ref
from referee.model.schema import ForeignKey, Function, Trigger

_ROWS = ("23503", "23502", "23505", "23514")


@dataclass(frozen=True)
class _Court:
    """A failure, the differences, and both sides."""

    failure: Failure
    judged: tuple[Judged, ...]
    bench: Bench

    def worlds(self) -> Iterator[tuple[Side, World]]:
        # The failure was met in production more likely than at home.
        yield "right", self.bench.right
        yield "left", self.bench.left


def explain(failure: Failure, judged: Iterable[Judged], bench: Bench) -> Explanation | None:
    """The difference that explains a failure; None where none does."""
    court = _Court(failure, tuple(judged), bench)
    found = [explanation for reason in _REASONS for explanation in reason(court)]
    return min(found, key=lambda one: (len(one.proof), -one.judged.severity), default=None)


def _changes(judged: Judged) -> tuple[Change, ...]:
    """What the affected side has instead of what the other has."""
    return judged.difference.towards(judged.affected)


def _explain(judged: Judged, *facts: str) -> Explanation:
    return Explanation(judged, (*facts, sentence(judged.difference.summary), judged.consequence.text))


# A foreign key


def _keys(court: _Court) -> Iterator[tuple[Side, ForeignKey]]:
    """The foreign keys that the failure names, on either side."""
    failure = court.failure
    for side, world in court.worlds():
        for table in world.schema.tables.values():
            for key in table.foreign_keys:
                if key.name == failure.constraint or (failure.constraint is None and key.name in failure.words):
                    yield side, key


def _the_key_itself(court: _Court) -> Iterator[Explanation]:
    if court.failure.sqlstate not in ("23503", "23001", None):
        return
    refs = {key.ref for _, key in _keys(court)}
    for judged in court.judged:
        if judged.difference.object in refs:
            yield _explain(judged)


def _nothing_fills_its_target(court: _Court) -> Iterator[Explanation]:
    """The key is the same, but the rows that it needs are not made."""
    failure = court.failure
    if failure.sqlstate not in ("23503", None) or failure.deleting:
        return
    for side, key in _keys(court):
        world = court.bench.world(side)
        if key.target.table not in world.mirrors:
            continue
        needs = f"{key.ref} references {key.target}, so a row of {key.table} needs one there."
        for judged in court.judged:
            if judged.affected == side and (by := _fills(judged, key.target.table, court)):
                yield _explain(judged, needs, f"Rows come into {key.target.table} by {by}.")


def _fills(judged: Judged, mirror: QName, court: _Court) -> str:
    """What fills a mirror, where the difference is about that; empty where it is not."""
    ref = judged.difference.object
    for world in (court.bench.world(other(judged.affected)), court.bench.world(judged.affected)):
        for trigger_ref, mirrors in world.synced.items():
            trigger = world.trigger(trigger_ref)
            if trigger is None or all(one.table != mirror for one in mirrors):
                continue
            if ref in (trigger_ref, Ref("function", *trigger.function, "()")):
                return f"the trigger {trigger.name} on {trigger.table}, which calls {trigger.function}"
    return ""


def _what_writes_it(court: _Court) -> Iterator[Explanation]:
    """A function that writes the column of the key is another one."""
    if court.failure.sqlstate not in ("23503", None) or court.failure.deleting:
        return
    for side, key in _keys(court):
        world = court.bench.world(side)
        for identity in world.identities.all:
            for write in identity.writes:
                if any(reached.ref == key.ref for reached in write.reaches):
                    for judged in court.judged:
                        if judged.difference.object == write.owner:
                            yield _explain(judged, f"{write.owner} writes {write.expression} into {key.table}.")


def _another_deletion(court: _Court) -> Iterator[Explanation]:
    """Deletions go from key to key: the one that differs may be another one on the way."""
    if not court.failure.deleting:
        return
    for judged in court.judged:
        for change in _changes(judged):
            if isinstance(change, changes.SetOnDelete | changes.CreateForeignKey | changes.ReplaceForeignKey):
                key = change.by if isinstance(change, changes.ReplaceForeignKey) else change.key
                if court.failure.table in (None, key.target.table.name, key.table.name):
                    yield _explain(judged, f"A deletion from {key.target.table} asks {key.ref}.")


# Rights


def _a_right(court: _Court) -> Iterator[Explanation]:
    failure = court.failure
    if failure.sqlstate != "42501":
        return
    for judged in court.judged:
        ref = judged.difference.object
        named = ref.name in failure.words if failure.table is None else ref.name == failure.table
        if ref.kind in ("table", "schema", "function", "policy") and named:
            about_rows = "row-level security" in failure.text
            is_policy = any(
                isinstance(
                    change, changes.DropPolicy | changes.AddPolicy | changes.ReplacePolicy | changes.SetRowSecurity
                )
                for change in _changes(judged)
            )
            if about_rows == is_policy or "permission denied" not in failure.text:
                yield _explain(judged)


def _rights_of_a_function(court: _Court) -> Iterator[Explanation]:
    """A function that acted with its owner's rights acts with the caller's, or is owned by somebody else."""
    failure = court.failure
    if failure.sqlstate not in ("42501", "42P17"):
        return
    for judged in court.judged:
        function = _function(judged, court)
        if function is None or judged.difference.object.kind != "function":
            continue
        if failure.table is not None and not mentions(function.body, failure.table):
            asked = court.bench.world(judged.affected).policies_asking(function)
            if all(policy.table.name != failure.table for policy in asked):
                continue
        if any(
            isinstance(change, changes.AlterFunction | changes.ReplaceFunction | changes.SetOwner)
            for change in _changes(judged)
        ):
            what = f" {failure.table}" if failure.table is not None else " what is refused"
            yield _explain(judged, f"{function.name} uses{what}.")


def _function(judged: Judged, court: _Court) -> Function | None:
    ref = judged.difference.object
    return court.bench.world(judged.affected).function(ref) if ref.kind == "function" else None


# Names that are not found


def _a_name(court: _Court) -> Iterator[Explanation]:
    failure = court.failure
    if failure.sqlstate not in ("42P01", "42883", "42703", "42704", "3F000", "42P10"):
        return
    wanted = {failure.table, failure.function, failure.column} - {None} or failure.words
    for judged in court.judged:
        ref = judged.difference.object
        if ref.kind in ("table", "view", "column", "type", "schema", "role", "extension") and (
            ref.part in wanted if ref.kind == "column" else ref.name in wanted
        ):
            yield _explain(judged)
        elif ref.kind == "extension" and failure.sqlstate == "42883":
            yield _explain(judged, "The function may be one of the extension.")
        elif ref.kind == "function" and ref.name in wanted:
            yield _explain(judged)


def _a_path(court: _Court) -> Iterator[Explanation]:
    """A function looks names up elsewhere, or names others than before."""
    failure = court.failure
    if failure.sqlstate not in ("42P01", "42883", "42703", "42704"):
        return
    wanted = {failure.table, failure.function, failure.column} - {None}
    for judged in court.judged:
        function = _function(judged, court)
        if function is not None and any(name is not None and mentions(function.body, name) for name in wanted):
            yield _explain(judged, f"{function.name} names {listed(sorted(filter(None, wanted)))}.")


# Rows that are refused


def _a_row(court: _Court) -> Iterator[Explanation]:
    """A constraint or column that only one side has, or has otherwise."""
    failure = court.failure
    if failure.sqlstate not in (*_ROWS[1:], "22P02", "22001", "22003", "42804", "428C9"):
        return
    for judged in court.judged:
        ref = judged.difference.object
        if ref.kind in ("constraint", "index") and failure.constraint in (ref.part, ref.name):
            yield _explain(judged)
        elif ref.kind == "column" and (
            ref.part == failure.column or (failure.column is None and ref.part in failure.words)
        ):
            if failure.table in (None, ref.name):
                yield _explain(judged)
        elif ref.kind == "type" and ref.name in failure.words:
            yield _explain(judged)


def _what_fills_a_column(court: _Court) -> Iterator[Explanation]:
    """A trigger that set the column is missing, or its function is another one."""
    failure = court.failure
    if failure.sqlstate not in ("23502", "23505") or failure.table is None:
        return
    for judged in court.judged:
        trigger = _trigger(judged, court)
        if trigger is not None and trigger.table.name == failure.table:
            yield _explain(judged, f"The trigger {trigger.name} writes rows of {trigger.table} before they are stored.")
        function = _function(judged, court)
        if function is not None and mentions(function.body, failure.column or failure.table):
            yield _explain(judged, f"{function.name} writes {failure.table}.")


def _trigger(judged: Judged, court: _Court) -> Trigger | None:
    ref = judged.difference.object
    if ref.kind != "trigger":
        return None
    return court.bench.left.trigger(ref) or court.bench.right.trigger(ref)


# Sign-ups


def _a_sign_up(court: _Court) -> Iterator[Explanation]:
    """The sign-up service hides the cause: what differs in what runs at a sign-up is the nearest."""
    if not court.failure.signing_up:
        return
    for judged in court.judged:
        world = court.bench.world(judged.affected)
        trigger, function = _trigger(judged, court), _function(judged, court)
        if trigger is not None and trigger.table in world.sources:
            yield _explain(judged, f"The sign-up service writes {trigger.table}, which fires {trigger.name}.")
        if function is not None:
            fired = [
                one
                for one in world.schema.triggers_by_function.get(function.name.qualified, ())
                if one.table in world.sources
            ]
            if fired:
                yield _explain(judged, f"The sign-up service writes {fired[0].table}, which calls {function.name}.")


_REASONS = (
    _the_key_itself,
    _nothing_fills_its_target,
    _what_writes_it,
    _another_deletion,
    _a_right,
    _rights_of_a_function,
    _a_name,
    _a_path,
    _a_row,
    _what_fills_a_column,
    _a_sign_up,
)
