"""What a role may not see of a catalog, and how to read the rest.

Everybody may read the catalogs of Postgres, until somebody revokes it. A query that is refused is replaced by one that
needs less, or left out; what is then not known is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from referee.errors import ServerError
from referee.read.catalog.queries import PARTS, query

#: The SQLSTATE of a privilege that is missing.
REFUSED = "42501"

# What needs less for a part of the catalog.
_INSTEAD = {
    "columns": "columns_without_defaults",
    "constraints": "constraints_without_checks",
    "roles": "roles_by_name",
    "views": "views_by_name",
}
# Without these there is nothing to judge.
_ESSENTIAL = frozenset({"namespaces", "roles", "tables", "columns", "constraints"})
_FUNCTIONS = (
    "format_type(oid, integer)",
    "pg_get_constraintdef(oid)",
    "pg_get_expr(pg_node_tree, oid)",
    "pg_get_function_sqlbody(oid)",
    "pg_get_triggerdef(oid)",
    "pg_get_userbyid(oid)",
    "pg_get_viewdef(oid)",
)
_WORD = re.compile(r"\b(?:pg_|format_)\w+")


@dataclass(frozen=True, slots=True)
class Unseen:
    """Something that was not read. ``what`` is the query that was left out, or the one that was run in its stead.

    ``refused`` names the catalogs that the role may not read and the functions that it may not call.
    """

    what: str
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The query to run for each part that can be read, and what remains unseen."""

    queries: Mapping[str, str]
    unseen: tuple[Unseen, ...]


def probe(version: int) -> str:
    """Three queries: the role, the catalogs that it may not read, and the functions that it may not call.

    They come after a transaction that failed.
    """
    names = sorted({word for name in (*PARTS, *_INSTEAD.values()) for word in _WORD.findall(query(name, version))})
    relations = ", ".join(f"'{name}'" for name in names)
    functions = ", ".join(f"'{signature}'" for signature in _FUNCTIONS)
    return (
        f"rollback;select quote_ident(current_user);select name from unnest(array[{relations}]) name"
        " where not has_table_privilege(to_regclass('pg_catalog.' || name), 'select');"
        f"select split_part(name, '(', 1) from unnest(array[{functions}]) name"
        " where not has_function_privilege(to_regprocedure('pg_catalog.' || name), 'execute')"
    )


def plan(version: int, role: str, refused: frozenset[str]) -> Plan:
    """What a role can read without these catalogs and functions. Raises ServerError where that is too little."""
    queries: dict[str, str] = {}
    unseen: list[Unseen] = []
    for part in PARTS:
        missing = _missing(part, version, refused)
        chosen = next((name for name in _choices(part) if not _missing(name, version, refused)), None)
        if chosen is not None:
            queries[part] = chosen
        elif part in _ESSENTIAL:
            raise ServerError(_too_little(role, missing))
        if missing:
            unseen.append(Unseen(chosen or part, missing))
    return Plan(queries, tuple(unseen))


def _choices(part: str) -> Iterator[str]:
    yield part
    if part in _INSTEAD:
        yield _INSTEAD[part]


def _missing(name: str, version: int, refused: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(refused & set(_WORD.findall(query(name, version)))))


def _too_little(role: str, missing: tuple[str, ...]) -> str:
    signatures = {signature.partition("(")[0]: signature for signature in _FUNCTIONS}
    grants = [
        f"grant execute on function pg_catalog.{signatures[name]}"
        if name in signatures
        else f"grant select on pg_catalog.{name}"
        for name in missing
    ]
    return (
        f"The role {role} may not use {' and '.join(missing)}, without which nothing can be read of the database. Read "
        f"it as another role, or let a superuser run: {'; '.join(f'{grant} to {role}' for grant in grants)}."
    )
