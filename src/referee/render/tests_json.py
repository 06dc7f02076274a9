"""What a suite of tests notices, as JSON for other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from referee.model.suite import FileResult, Score, Trial


def render(files: list[tuple[str, bool]], score: Score | None) -> str:
    """One JSON object and a line end; version 1. ``files`` are those that were generated, and whether they changed."""
    return msgspec.json.format(msgspec.json.encode(document(files, score)), indent=2).decode() + "\n"


def document(files: list[tuple[str, bool]], score: Score | None) -> dict[str, Any]:
    """The object before it is encoded. ``mutation`` is null where nobody asked for it."""
    return {
        "version": 1,
        "files": [{"path": path, "changed": changed} for path, changed in files],
        "mutation": None if score is None else _score(score),
    }


def _score(score: Score) -> dict[str, Any]:
    return {
        "subject": score.name,
        "assertions": score.assertions,
        "suite": [_file(result) for result in score.before],
        "faults": [_trial(trial) for trial in score.trials],
        "summary": {
            "faults": len(score.trials),
            "noticed": score.run - len(score.survivors),
            "survived": len(score.survivors),
            "not_tried": len(score.trials) - score.run,
        },
    }


def _file(result: FileResult) -> dict[str, Any]:
    return {
        "path": result.path,
        "passed": result.passed,
        "failed": list(result.failed),
        "error": result.error,
    }


def _trial(trial: Trial) -> dict[str, Any]:
    verdict = "not-tried" if trial.not_run is not None else "noticed" if trial.noticed_by else "survived"
    return {
        "change": trial.kind,
        "text": trial.fault,
        "verdict": verdict,
        "noticed_by": list(trial.noticed_by),
        "reason": trial.not_run,
    }
