"""`referee compare`: two databases side by side, ranked by what their differences do to identities and references."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from referee.compare import Bench, Texts
from referee.compare import compare as compare_worlds
from referee.compare import fixes as fixes_for
from referee.compare.explain import explain
from referee.compare.failure import read_failure
from referee.compare.lock import Lock, violations
from referee.compare.texts import incomplete
from referee.errors import UsageError
from referee.model.comparison import SIDES, Comparison, Explanation, Side, Trial
from referee.model.names import Ref
from referee.workflow.config import Config, read_config
from referee.workflow.lock import find_lock, open_lock
from referee.workflow.sides import Options, Reading, is_url, read_sides
from referee.workflow.trial import Subject, Tell, try_sides


@dataclass(frozen=True)
class Result:
    """A comparison, with both sides at hand for further questions."""

    comparison: Comparison
    bench: Bench
    texts: Mapping[Side, Texts]
    options: Options

    def explain(self, text: str) -> Explanation | None:
        """The difference that explains a failure as somebody pasted it; None where none does."""
        if not text.strip():
            raise UsageError('--explain needs a failure, such as "23503 bands_created_by_fkey".')
        return explain(read_failure(text), self.comparison.differences, self.bench)

    def fixes(self, side: Side) -> tuple[str, ...]:
        """The statements that remove every difference that is to be removed on one side."""
        return fixes_for(self.comparison.differences, side, self.bench)

    def prove(self, tell: Tell = lambda message: None) -> Trial:
        """Builds both sides on a throw-away server and plays them, as they are and with what is proposed.

        Raises UsageError where nobody is known to sign up, and ServerError.
        """
        subjects = {side: Subject(self.bench.world(side), self.texts[side], self.fixes(side)) for side in SIDES}
        return try_sides(subjects, self.options.config, self.options.programs, tell)


def compare(
    left: str,
    right: str,
    options: Options | None = None,
    locked: str | None = None,
    *,
    trusted: Side | None = None,
    to_prove: bool = False,
) -> Result:
    """Compares two subjects: projects, databases, dumps or snapshots. Nothing is written to either.

    ``locked`` is a lock file that both are held to; without it the one of the project counts, where it has one.
    ``trusted`` is the side that the other one is to follow; without it the rules and the lock judge.
    ``to_prove`` keeps what ``Result.prove`` needs besides. Raises UsageError, ConfigError, ReadError and ServerError.
    """
    options = options or Options(config_for(left, right))
    lock = _lock(left, right, locked)
    with ExitStack() as stack:
        readings = read_sides([left, right], options, stack)
        sides: dict[Side, Reading] = {"left": readings[0], "right": readings[1]}

        def texts(side: Side, refs: Sequence[Ref]) -> Texts:
            return sides[side].texts(refs)

        found = compare_worlds(readings[0].world, readings[1].world, texts, _broken(sides, lock), trusted)
        kept = {side: sides[side].texts(incomplete(sides[side].world.schema)) if to_prove else {} for side in SIDES}
    comparison = Comparison(
        readings[0].subject,
        readings[1].subject,
        found.differences,
        found.folded,
        tuple([told for reading in readings for told in reading.not_seen]),
    )
    return Result(comparison, found.bench, kept, options)


def config_for(left: str, right: str, given: Mapping[str, object] | None = None, file: str | None = None) -> Config:
    """The configuration of the project among two subjects, else that of the current folder."""
    path = next((subject for subject in (left, right) if not is_url(subject) and os.path.exists(subject)), ".")
    return read_config(path, given, file=file)


def _lock(left: str, right: str, locked: str | None) -> Lock | None:
    if locked is not None:
        return open_lock(locked)
    for subject in (left, right):
        if not is_url(subject) and os.path.isdir(subject) and (found := find_lock(subject)) is not None:
            return open_lock(found)
    return None


def _broken(sides: Mapping[Side, Reading], lock: Lock | None) -> Mapping[Side, frozenset[Ref]]:
    """The objects with which each side breaks the lock."""
    if lock is None:
        return {}
    return {
        side: frozenset(violation.object for violation in violations(reading.world.schema, lock))
        for side, reading in sides.items()
    }
