"""A file of old findings. They are known, so that from now on only new ones count."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from referee.errors import ReadError
from referee.model.diagnosis import Notice
from referee.model.finding import Finding
from referee.workflow.files import write_whole

#: Where a baseline is kept if nothing else is said.
DEFAULT = "referee-baseline.json"
_SHOWN = 3


class Entry(msgspec.Struct, frozen=True):
    """One old finding. The fingerprint counts; the rest is for the reader."""

    fingerprint: str
    rule: str
    object: str
    message: str


class Baseline(msgspec.Struct, frozen=True):
    """The file."""

    version: int
    findings: list[Entry]


class Comparison(NamedTuple):
    """The findings that are new, how many were old, and what to tell about those that are gone."""

    findings: tuple[Finding, ...]
    baselined: int
    notices: tuple[Notice, ...]


def write_baseline(path: str | os.PathLike[str], findings: Sequence[Finding]) -> None:
    """Writes these findings down as old ones. The same findings make the same file, wherever they stand."""
    entries = [
        {
            "fingerprint": finding.fingerprint,
            "rule": finding.rule,
            "object": str(finding.problem.object),
            "message": finding.problem.cause,
        }
        for finding in findings
    ]
    entries.sort(key=lambda entry: (entry["rule"], entry["object"], entry["fingerprint"]))
    write_whole(path, json.dumps({"version": 1, "findings": entries}, ensure_ascii=False, indent=2) + "\n")


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in a file. Raises ReadError for a file that is missing or is none."""
    try:
        baseline = msgspec.json.decode(Path(path).read_bytes(), type=Baseline)
    except FileNotFoundError as error:
        raise ReadError(
            f"There is no baseline {path}. Check the path, or write one with `referee check --write-baseline`."
        ) from error
    except OSError as error:
        raise ReadError(f"The baseline {path} could not be read: {error.strerror or error}.") from error
    except msgspec.DecodeError as error:
        raise ReadError(
            f"{path} is no baseline of referee: {error}. Write it anew with `referee check --write-baseline`."
        ) from error
    if baseline.version != 1:
        raise ReadError(
            f"{path} is a baseline of version {baseline.version}; this referee knows version 1. Upgrade it."
        )
    return baseline


def compare(findings: Sequence[Finding], baseline: Baseline, ran: Collection[str]) -> Comparison:
    """Takes out the old findings. Those of rules in ``ran`` that are there no more are told to be gone."""
    old = Counter(entry.fingerprint for entry in baseline.findings)
    new: list[Finding] = []
    for finding in findings:
        if old[finding.fingerprint] > 0:
            old[finding.fingerprint] -= 1
        else:
            new.append(finding)
    gone = [entry for entry in baseline.findings if entry.rule in ran and old[entry.fingerprint] > 0]
    return Comparison(tuple(new), len(findings) - len(new), _told(gone))


def _told(gone: Sequence[Entry]) -> tuple[Notice, ...]:
    if not gone:
        return ()
    shown = ", ".join(f"{entry.rule} on {entry.object}" for entry in gone[:_SHOWN])
    more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
    count = "1 finding of the baseline is" if len(gone) == 1 else f"{len(gone)} findings of the baseline are"
    return (Notice(f"{count} gone: {shown}{more}. Write it anew with --write-baseline."),)
