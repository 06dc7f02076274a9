"""What the user of an application is told when a statement fails.

Sources: supabase/auth, internal/api (signup.go, anonymous.go, admin.go, token.go; 2026); PostgREST's errors and its
HTTP status codes.
"""

from __future__ import annotations

from referee.model.rehearsal import Step
from referee.postgres.session import Report
from referee.rehearse.words import steady

# Said by the sign-up service where a transaction fails at its very end, which it does not expect.
AT_COMMIT = "HTTP 500: Unexpected failure, please check server logs for more information"

_STATUS = {"23503": 409, "23505": 409, "25006": 405, "42883": 404, "42P01": 404, "42P17": 500, "21000": 400}
_STATUS_OF_CLASS = {"08": 503, "09": 500, "0L": 403, "0P": 403, "25": 500, "28": 403, "38": 500, "39": 500,
                    "3B": 500, "40": 500, "53": 503, "54": 500, "55": 500, "57": 500, "58": 500, "F0": 500, "HV": 500,
                    "P0": 500, "XX": 500}  # fmt: skip


def told(step: Step, report: Report, anonymous: bool = False) -> str:
    """What the application hears: the sign-up service's own words, or PostgREST's answer to a request.

    ``anonymous`` is whether the request came without a user's token.
    """
    if step.told and step.sql.strip().lower() == "commit":
        return AT_COMMIT
    return step.told or f"HTTP {status(report.sqlstate, anonymous)}: {report.sqlstate} {steady(report).message}"


def status(sqlstate: str, anonymous: bool = False) -> int:
    """PostgREST's HTTP status for an error (PostgREST 12, Error.hs)."""
    if sqlstate == "42501":
        return 401 if anonymous else 403
    if sqlstate == "P0001":
        return 400
    return _STATUS.get(sqlstate) or _STATUS_OF_CLASS.get(sqlstate[:2], 400)
