"""Telling a pooler that hands out another server session for every transaction from a connection of one's own."""

from __future__ import annotations

from collections.abc import Callable

from referee.errors import UsageError
from referee.postgres.session import Session, parse

_PID = "select pg_catalog.pg_backend_pid()"
# What a session sets goes to whoever gets the server's session next.
_LEAVE = "reset default_transaction_read_only; reset statement_timeout; reset lock_timeout"


def refuse_transaction_pooler(url: str) -> None:
    """Raises UsageError for a URL that names Supabase's pooler in transaction mode; connects to nothing."""
    parameters = parse(url)
    host = parameters.get("host", "")
    if parameters.get("port") == "6543" and ("pooler" in host or "supabase" in host):
        raise UsageError(_message(f"{host}:6543"))


def refuse_shared_session(connect: Callable[[], Session]) -> None:
    """Raises UsageError where two connections are served by one session of the server.

    A pooler in transaction mode gives the session that was free last to whoever begins the next transaction. Directly
    connected, or behind a pooler in session mode, every connection has its own.
    """
    with connect() as one:
        if one.value(_PID) == one.announced_pid:
            return
        with connect() as other:
            if one.value(_PID) != other.value(_PID):
                return
            for session in (one, other):
                session.run(_LEAVE)
            raise UsageError(_message(one.place))


def _message(place: str) -> str:
    return (
        f"{place} is a pooler in transaction mode, which hands out another session of the server for every "
        "transaction: time limits and locks would end up with other clients. Use the session pooler (Supabase: port "
        "5432 of the same host), or connect to the database directly."
    )
