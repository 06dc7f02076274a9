"""What a suite of tests notices, for people."""

from __future__ import annotations

from collections.abc import Iterator

from referee.model.suite import Score
from referee.render.plain import count


def render(score: Score) -> str:
    """The report, with a line end."""
    return "\n".join(_lines(score)) + "\n"


def _lines(score: Score) -> Iterator[str]:
    passed = sum(result.passed for result in score.before)
    files = f"{count(passed, 'assertion')} in {count(len(score.before), 'file')}"
    yield f"{files} {'passes' if passed == 1 else 'pass'} on the schema as it is (run by {score.assertions})."
    for result in score.before:
        if not result.green:
            said = "; ".join([*result.failed, *([result.error] if result.error else [])])
            yield f"  {result.path} does not: {said}"
    noticed = score.run - len(score.survivors)
    yield f"Of {count(score.run, 'fault')}, put in one at a time, the tests notice {noticed:,}."
    yield from (f"  not noticed: {trial.fault}" for trial in score.survivors)
    yield from (f"  not tried: {trial.fault}: {trial.not_run}" for trial in score.trials if trial.not_run)
