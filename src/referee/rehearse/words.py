"""What the server said, without what differs from run to run."""

from __future__ import annotations

import re
from dataclasses import replace

from referee.postgres.session import Report, literal

# Ids of our own people and rows begin like this; others were made at random while the flow ran.
_OURS = "00000000-0000-"
_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:[+-]\d\d(?::?\d\d)?|Z)?")
_WHOLE_ROW = "Failing row contains"


def steady(report: Report) -> Report:
    """The same report for the same cause: random ids and times are blotted out, whole rows are left out."""
    detail = report.detail
    if detail is not None and detail.startswith(_WHOLE_ROW):
        detail = None
    return replace(report, message=_blot(report.message), detail=None if detail is None else _blot(detail))


def describe(report: Report) -> str:
    """What the server said, in one line."""
    calm = steady(report)
    return f"{calm.sqlstate} {calm.message}" + (f" ({calm.detail})" if calm.detail else "")


def assertion(condition: str, reason: str) -> str:
    """A statement that fails with the reason (P0004) where a condition does not hold."""
    return f"do $referee$ begin assert {condition}, {literal(reason)}; end $referee$"


def _blot(text: str) -> str:
    text = _UUID.sub(lambda found: found[0] if found[0].startswith(_OURS) else "<a random id>", text)
    return _TIME.sub("<a time>", text)
