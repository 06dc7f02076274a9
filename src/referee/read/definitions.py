"""What the facts of a schema leave out: the statements that make single objects, and the history of migrations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from referee.model.names import Ref

#: The table in which the Supabase command line keeps what has run.
HISTORY = "supabase_migrations.schema_migrations"

_NAMED = "in (select * from unnest(%s::text[], %s::text[]))"
_FUNCTIONS = f"""
    select n.nspname, p.proname,
           array(select format_type(t, null) from unnest(p.proargtypes) with ordinality u (t, n) order by n),
           pg_get_functiondef(p.oid)
    from pg_proc p
    join pg_namespace n on n.oid = p.pronamespace
    where p.prokind in ('f', 'p') and (n.nspname::text, p.proname::text) {_NAMED}
"""
_INDEXES = f"""
    select n.nspname, c.relname, pg_get_indexdef(c.oid)
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('i', 'I') and (n.nspname::text, c.relname::text) {_NAMED}
"""
_TRIGGERS = f"""
    select n.nspname, c.relname, t.tgname, pg_get_triggerdef(t.oid)
    from pg_trigger t
    join pg_class c on c.oid = t.tgrelid
    join pg_namespace n on n.oid = c.relnamespace
    where not t.tgisinternal and (n.nspname::text, c.relname::text) {_NAMED}
"""


class Rows(Protocol):
    """What is needed of a connection: it has to be in a transaction with an empty search_path."""

    def rows(self, query: str, parameters: Sequence[object] | None = None) -> list[tuple[Any, ...]]: ...


def read_definitions(connection: Rows, refs: Iterable[Ref]) -> Iterator[tuple[Ref, str]]:
    """The statements with which a server would make functions, indexes and triggers again; one query for each kind.

    Other objects of a name that was asked for (overloads, triggers of the same table) may come along.
    """
    kinds: dict[str, list[Ref]] = {"function": [], "index": [], "trigger": []}
    for ref in refs:
        if ref.kind in kinds:
            kinds[ref.kind].append(ref)
    for kind, query in (("function", _FUNCTIONS), ("index", _INDEXES), ("trigger", _TRIGGERS)):
        if kinds[kind]:
            schemas, names = [ref.schema for ref in kinds[kind]], [ref.name for ref in kinds[kind]]
            for row in connection.rows(query, [schemas, names]):
                yield _defined(kind, row)


def _defined(kind: str, row: tuple[Any, ...]) -> tuple[Ref, str]:
    if kind == "function":
        return Ref("function", row[0], row[1], f"({', '.join(row[2])})"), row[3]
    if kind == "index":
        return Ref("index", row[0], row[1]), row[2]
    return Ref("trigger", row[0], row[1], row[2]), row[3]


def read_history(connection: Rows) -> list[tuple[str, str, tuple[str, ...]]]:
    """Version, name and statements of each migration that has run, whichever columns the table has been given."""
    found = connection.rows(f"select to_jsonb(m.*) from {HISTORY} m order by version")
    return [(str(row["version"]), row.get("name") or "", tuple(row.get("statements") or ())) for (row,) in found]
