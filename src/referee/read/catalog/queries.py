"""The queries, for each major version. They stand in .sql files beside this one.

In them ``{own:column}`` is the condition that a namespace is not Postgres' own, and ``{since 15:a|b}`` is ``a`` from
that major version on, else ``b``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

#: What is read of a catalog, each by the query of that name.
PARTS = (
    "namespaces",
    "roles",
    "extensions",
    "tables",
    "columns",
    "constraints",
    "indexes",
    "triggers",
    "policies",
    "functions",
    "types",
    "views",
    "defaults",
)
_SINCE = re.compile(r"\{since (\d+):([^|}]*)\|([^}]*)\}")
_OWN = re.compile(r"\{own:([\w.]+)\}")
_COMMENT = re.compile(r"^--.*\n", re.MULTILINE)
_NAMESPACES = r"(select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one query may take, and wait for a lock. Both are milliseconds."""

    statement_timeout: int = 60_000
    lock_timeout: int = 5_000


def script(version: int, limits: Limits, names: Iterable[str] = PARTS) -> str:
    """Everything that reading sends to a server of a major version: the queries in one read-only transaction."""
    opening = (
        "begin transaction isolation level repeatable read read only",
        "set local search_path = ''",
        f"set local statement_timeout = {limits.statement_timeout}",
        f"set local lock_timeout = {limits.lock_timeout}",
        "set local quote_all_identifiers = off",
        # One process of the server does the work, and does not compile queries that are run once.
        "set local max_parallel_workers_per_gather = 0",
        "set local jit = off",
    )
    return ";\n".join([*opening, *(query(name, version) for name in names), "commit"])


@cache
def query(name: str, version: int) -> str:
    """One query as a server of that major version takes it."""
    text = _COMMENT.sub("", files(__package__).joinpath(f"{name}.sql").read_text("utf-8"))
    text = _SINCE.sub(lambda match: match[2] if version >= int(match[1]) else match[3], text)
    return _OWN.sub(lambda match: f"{match[1]} in {_NAMESPACES}", text).strip()
