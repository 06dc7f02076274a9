"""How many rows each step of a plan touches in the database that it is for."""

from __future__ import annotations

from dataclasses import replace

from referee.model.names import QName
from referee.model.plan import Plan, Step
from referee.postgres.session import FailedStatementError, Limits, Session, connect

# A count that takes longer than this is left out: it is an estimate for people.
_PATIENCE = Limits(statement=30, lock=1)

# -1 is a table that nobody has analysed yet.
_ESTIMATE = "select reltuples::bigint from pg_catalog.pg_class where oid = to_regclass(%s) and reltuples >= 0"


def with_rows(plan: Plan, url: str, password: str | None = None) -> Plan:
    """The plan with the rows of its steps: counted where few are expected, estimated where whole tables are read.

    What cannot be counted stays None. Raises ServerError for a database that cannot be reached.
    """
    with _connect(url, password) as session:
        return replace(plan, steps=tuple([replace(step, rows=_rows(session, step)) for step in plan.steps]))


def _connect(url: str, password: str | None) -> Session:
    return connect(url, limits=_PATIENCE) if password is None else connect(url, limits=_PATIENCE, password=password)


def _rows(session: Session, step: Step) -> int | None:
    if step.touches is None:
        return 0
    try:
        if isinstance(step.touches, QName):
            found = session.value(_ESTIMATE, [str(step.touches)])
        else:
            found = session.value(f"select count(*) from ({step.touches}) as touched")
    except FailedStatementError:
        return None
    return None if found is None else int(found)
