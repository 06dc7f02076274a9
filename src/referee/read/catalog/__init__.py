"""Reads a live database into the same Schema that a replay builds.

One round trip: a read-only transaction with an empty search_path and all queries in one message. Two more where the
role may not see everything.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from referee.errors import ServerError, StatementError
from referee.model.schema import Schema
from referee.read.catalog.build import Rows, build
from referee.read.catalog.queries import PARTS, Limits, script
from referee.read.catalog.sight import REFUSED, Unseen, plan, probe

__all__ = ["OLDEST", "Catalog", "Limits", "Unseen", "read_catalog", "read_visible"]

OLDEST = 13
"""The oldest major version that is read."""

_LIMITS = Limits()
_Result = list[tuple[Any, ...]]


class Catalog(Protocol):
    """What reading needs of a connection: its version, and several statements in one round trip."""

    @property
    def major(self) -> int: ...

    def fetch_all(self, text: str) -> list[_Result]:
        """Runs statements that stand in one text, separated by semicolons; the rows of those that return rows."""
        ...


def read_catalog(catalog: Catalog, managed: Iterable[str] = (), limits: Limits = _LIMITS) -> Schema:
    """The schema of a live database; ``managed`` names the schemas that belong to its platform.

    Raises ServerError for a server older than PostgreSQL 13, and what the connection raises.
    """
    _check_version(catalog)
    with _without_collector():
        return build(_rows(catalog.fetch_all(script(catalog.major, limits))), frozenset(managed))


def read_visible(
    catalog: Catalog, managed: Iterable[str] = (), limits: Limits = _LIMITS
) -> tuple[Schema, tuple[Unseen, ...]]:
    """What a role can see of a live database, and what it cannot; at most three round trips.

    Raises ServerError for a server older than PostgreSQL 13 and where the role sees too little, and what the connection
    raises.
    """
    try:
        return read_catalog(catalog, managed, limits), ()
    except StatementError as error:
        if error.sqlstate != REFUSED:
            raise
        [(role,)], *found = catalog.fetch_all(probe(catalog.major))
        refused = frozenset(name for rows in found for (name,) in rows)
        if not refused:  # something else was refused than what can be done without
            raise
    chosen = plan(catalog.major, role, refused)
    with _without_collector():
        results = catalog.fetch_all(script(catalog.major, limits, chosen.queries.values()))
        return build(_rows(results, tuple(chosen.queries)), frozenset(managed)), chosen.unseen


def _check_version(catalog: Catalog) -> None:
    if catalog.major < OLDEST:
        raise ServerError(
            f"The server is PostgreSQL {catalog.major}; referee reads {OLDEST} and later. "
            "Check the migrations instead: referee check PATH."
        )


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hundreds of thousands of objects are made and all of them stay: looking for garbage doubles the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _rows(results: Sequence[_Result], parts: Sequence[str] = PARTS) -> Rows:
    """The results of ``script`` by the part of the catalog that they are."""
    return Rows(**dict(zip(parts, results, strict=True)))
