"""What a suite of tests notices, for people."""

from __future__ import annotations

from collections.abc import Iterator

from referee.model.suite import Score


def render(score: Score) -> str:
    """The report, with a line end."""
    return "\n".join(_lines(score)) + "\n"


def _lines(score: Score) -> Iterator[str]:
    passed = sum(result.passed for result in score.before)
    files = f"{passed:,} assertions in {len(score.before):,} files"
    yield f"{files} pass on the schema as it is (run by {score.assertions})."
    for result in score.before:
        if not result.green:
            said = "; ".join([*result.failed, *([result.error] if result.error else [])])
            yield f"  {result.path} does not: {said}"
    yield f"Of {score.run:,} faults, put in one at a time, the tests notice {score.run - len(score.survivors):,}."
    yield from (f"  not noticed: {trial.fault}" for trial in score.survivors)
    yield from (f"  not tried: {trial.fault}: {trial.not_run}" for trial in score.trials if trial.not_run)
