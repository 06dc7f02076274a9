"""How many rows each step of a plan touches in the database that it is for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from referee.model.names import QName
from referee.model.plan import BATCH, Plan, Step
from referee.postgres.session import FailedStatementError, Limits, Session, connect

# A count that takes longer than this is left out: it is an estimate for people.
_PATIENCE = Limits(statement=30, lock=1)

#: More files than this help nobody; `repair --plan` commits batches by itself.
MOST = 50

# -1 is a table that nobody has analysed yet.
_ESTIMATE = "select reltuples::bigint from pg_catalog.pg_class where oid = to_regclass(%s) and reltuples >= 0"


def with_rows(plan: Plan, url: str, password: str | None = None) -> Plan:
    """The plan with the rows of its steps: counted where few are expected, estimated where whole tables are read.

    What cannot be counted stays None. A step with very many rows becomes several, which run one after the other.
    Raises ServerError for a database that cannot be reached.
    """
    with _connect(url, password) as session:
        counted = [replace(step, rows=_rows(session, step)) for step in plan.steps]
    return replace(plan, steps=tuple([part for step in counted for part in in_batches(step)]))


def in_batches(step: Step) -> Iterator[Step]:
    """A step in as many parts as it needs, at most MOST; the last does all that is left.

    What was missing when it was counted may be more by the time that the parts run, and less as well.
    """
    if step.batch is None or step.rows is None or step.rows <= 2 * BATCH:
        yield step
        return
    number = min(-(-step.rows // BATCH), MOST)
    title, _, rest = step.about.partition("\n")
    for part in range(1, number + 1):
        is_last = part == number
        yield replace(
            step,
            sql=step.sql if is_last else step.batch,
            about=f"part {part} of {number}: {title}\n{rest}".rstrip(),
            rows=step.rows - BATCH * (number - 1) if is_last else BATCH,
        )


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
