"""The journal in the database: which run did what, and which runs are at work."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from referee.errors import UsageError
from referee.model.names import QName, quote
from referee.postgres.session import FailedStatementError, Session
from referee.sql import repairs
from referee.sql.repairs import Journal

# After a process was killed the server may need a moment to notice.
_MOMENT = 3.0
_PAIRS_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has begun. ``resumed`` is whether it goes on with one that was cut short."""

    journal: Journal
    resumed: bool


def set_up(session: Session, schema: str) -> None:
    """Makes the journal where it is missing. Raises UsageError where the role may not, and for a schema of others."""
    has_journal, is_occupied = session.rows(_STATE, [str(QName(schema, "pairs")), schema])[0]
    if has_journal:
        return
    if is_occupied:
        raise UsageError(
            f"The schema {quote(schema)} of {session.place} has tables or views of others, among which a journal of "
            "repairs would be lost: name a schema of its own with --journal, which is made where it is missing."
        )
    try:
        session.run(f"set client_min_messages to warning; begin; {_TURN}; {repairs.set_up(schema)} commit")
    except FailedStatementError as error:
        if session.in_transaction:
            session.run("rollback")
        if error.sqlstate == "42501":
            raise UsageError(
                "The journal of a repair is kept in the database, and this role may not make the schema "
                f"{quote(schema)}: {error} Grant it CREATE on the database, or name another schema with --journal."
            ) from None
        if error.sqlstate == "25006":
            raise UsageError(
                f"{session.place} takes no writes ({error.report.message}): it is a standby, or set to read-only. "
                "Repair the primary."
            ) from None
        raise


# Whether a schema has the journal, and whether it has anything. The former is not bound to the query's snapshot, so a
# journal that another process has just made is never seen in the second alone.
_STATE = (
    "select pg_catalog.to_regclass(%s) is not null, exists (select from pg_catalog.pg_class as c"
    " join pg_catalog.pg_namespace as n on n.oid = c.relnamespace where n.nspname = %s)"
)
_TURN = "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('referee journal', 0))"


def begin(session: Session, schema: str, purpose: str, wish: Mapping[str, object], version: str) -> Run:
    """Goes on with a run that wanted the same and was cut short, or begins a new one.

    The run belongs to the session from then on; when the session ends, another one may go on with it.
    """
    text = json.dumps(wish, sort_keys=True)
    for (run,) in session.rows(repairs.unfinished_runs(schema, purpose, text)):
        if hold(session, run, _MOMENT):
            return Run(Journal(schema, run), resumed=True)
    journal = Journal(schema, str(uuid.uuid4()))
    hold(session, journal.run)
    session.run(repairs.begin_run(journal, version, purpose, text))
    return Run(journal, resumed=False)


def hold(session: Session, run: str, moment: float = 0.0) -> bool:
    """Takes a run for this session; whether it could, as nobody else has it."""
    deadline = time.monotonic() + moment
    while True:
        if session.value(repairs.living(run)):
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.2)


def end(session: Session, journal: Journal, result: Mapping[str, object]) -> None:
    """Notes that a run has ended, and how."""
    session.run(repairs.end_run(journal, json.dumps(result)))


def set_pairs(session: Session, journal: Journal, subject: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Keeps old and new ids for a run, in place of those that it had."""
    parts = [pairs[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pairs), _PAIRS_AT_ONCE)]
    statements = [repairs.drop_pairs(journal, subject), *(repairs.add_pairs(journal, subject, part) for part in parts)]
    session.run("; ".join(["begin", *statements, "commit"]))


def totals(session: Session, journal: Journal) -> tuple[tuple[str, str, int], ...]:
    """What a run has done in all: action, question, rows."""
    return tuple(sorted((row[0], row[1], row[2]) for row in session.rows(repairs.rows_done(journal))))


def origins(session: Session, journal: Journal) -> dict[str, dict[str, int]]:
    """Where the names of new mirror rows came from, in all of a run: rows by question and origin."""
    found: dict[str, dict[str, int]] = {}
    for question, origin, rows in session.rows(repairs.origins_told(journal)):
        found.setdefault(question, {})[origin] = rows
    return found
