"""What a suite of SQL tests says, and which faults of the schema it notices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileResult:
    """What came of one file: how many assertions passed, which failed, and the error that ended it.

    ``reports`` are the failed assertions with all that was said about them.
    """

    path: str
    passed: int
    failed: tuple[str, ...] = ()
    error: str | None = None
    reports: tuple[str, ...] = ()

    @property
    def green(self) -> bool:
        return not self.failed and self.error is None


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault; ``kind`` is that of its change. ``noticed_by`` names what came out otherwise than without it; empty
    where no test noticed. ``not_run`` is why the fault could not be made.
    """

    fault: str
    kind: str = ""
    noticed_by: tuple[str, ...] = ()
    not_run: str | None = None


@dataclass(frozen=True)
class Score:
    """What a suite notices. ``assertions`` says by what it was run; ``before`` is its result without any fault."""

    name: str
    assertions: str
    before: tuple[FileResult, ...]
    trials: tuple[Trial, ...]

    @property
    def survivors(self) -> tuple[Trial, ...]:
        return tuple(trial for trial in self.trials if not trial.noticed_by and trial.not_run is None)

    @property
    def run(self) -> int:
        return sum(trial.not_run is None for trial in self.trials)
