"""Statements that take repairs back, line by line of the journal.

A row is only taken back while it still is as the repair left it, and nothing has come to rely on it since. The lines
are marked in the transaction that takes them back.
"""

from __future__ import annotations

from collections.abc import Sequence

from referee.model.names import QName, quote
from referee.model.schema import ForeignKey, Table
from referee.sql.clauses import string
from referee.sql.questions import column_of
from referee.sql.repairs import PICKED, Journal, held_back, picked, quarantine_name

#: Keys and triggers are out of force for what follows, so that a row can be put back exactly as it was.
WITHOUT_KEYS = "set local session_replication_role to replica"


def entries(journal: Journal) -> str:
    """The query for what is to be taken back, the last first: entry, action, schema, table, rows, note, changes.

    The rows are those that have not been taken back yet.

    The changes are those of steps only, which are the statements that take them back.
    """
    return (
        "select entry, action, table_schema, table_name, rows - coalesce(undone_rows, 0), note,"
        " case when action = 'step' then changes end from"
        f" {journal.table('journal')}"
        f" where run = {string(journal.run)}::uuid and undone is null"
        " and action in ('create', 'update', 'move', 'step')"
        " order by entry desc"
    )


def rows_left(journal: Journal, entry: int) -> str:
    """The query for how many rows of an entry have not been taken back: one number, NULL where it is done with."""
    return (
        f"select case when undone is null then rows - coalesce(undone_rows, 0) end from {journal.table('journal')}"
        f" where entry = {entry}"
    )


def last_run(schema: str) -> str:
    """The query for the run to take back if none is named: id, began, whether it has ended."""
    table, journal = QName(schema, "run"), QName(schema, "journal")
    return (
        f"select id::text, began::text, ended is not null from {table} as r where purpose in ('repair', 'plan')"
        f" and exists (select from {journal} as j where j.run = r.id and j.undone is null"
        " and (j.rows > 0 or j.action = 'step'))"
        " order by began desc limit 1"
    )


def columns_changed(journal: Journal, entry: int) -> str:
    """The query for the columns that an entry changed."""
    return (
        f"select distinct k from {journal.table('journal')} as j, jsonb_array_elements(j.changes) as c,"
        f" jsonb_object_keys(c -> 1) as k where j.entry = {entry} order by 1"
    )


def pick_created(table: Table, key: str, journal: Journal, entry: int) -> str:
    """Locks the rows that an entry made and nobody has changed since."""
    own = column_of("r", key)
    return _picking(
        f"{table.name} as r, {journal.table('journal')} as j where j.entry = {entry}"
        f" and {own}::text = any (j.keys) and r.xmin::text::bigint = j.transaction"
    )


def _picking(source: str) -> str:
    return (
        f"select pg_catalog.set_config({string(PICKED)}, coalesce(string_agg(place, ' '), ''), true)"
        f" from (select r.tableoid::text || r.ctid::text as place from {source} for update of r skip locked) as locked"
    )


def remove_created(table: Table, referring: Sequence[ForeignKey], journal: Journal, entry: int) -> str:
    """Removes the picked rows that nothing refers to. One row: how many."""
    free = held_back(referring)
    return _marked(
        f"delete from {table.name} as r using {picked()} where r.tableoid = p.table_id and r.ctid = p.place"
        f"{' and ' + free if free else ''} returning 1",
        journal,
        entry,
    )


def restore_changed(table: Table, columns: Sequence[str], journal: Journal, entry: int) -> str:
    """Gives rows back what an entry changed, if they still hold what it wrote. One row: how many."""
    primary = table.primary_key.columns if table.primary_key is not None else ()
    assigned = ", ".join(
        [
            f"{quote(name)} = case when x.c -> 1 ? {string(name)} then {_of('b', name)} else {column_of('r', name)} end"
            for name in columns
        ]
    )
    match = " and ".join([f"{column_of('r', name)} = {_of('k', name)}" for name in primary])
    record = f"null::{table.name}"
    return _marked(
        f"update {table.name} as r set {assigned} from {journal.table('journal')} as j,"
        f" jsonb_array_elements(j.changes) as x (c), jsonb_populate_record({record}, x.c -> 0) as k,"
        f" jsonb_populate_record({record}, x.c -> 1) as b"
        f" where j.entry = {entry} and {match} and not exists (select from jsonb_each(x.c -> 2) as e"
        " where e.value is distinct from to_jsonb(r.*) -> e.key) returning 1",
        journal,
        entry,
    )


def put_back(table: Table, journal: Journal, entry: int) -> str:
    """Moves rows back to where an entry took them from. One row: how many. An error where a trigger swallows one."""
    primary = table.primary_key.columns if table.primary_key is not None else ()
    kept = QName(journal.schema, quarantine_name(table.name))
    names = ", ".join([quote(column.name) for column in table.columns if column.generated is None])
    match = " and ".join([f"{column_of('q', name)} = {_of('k', name)}" for name in primary])
    return _marked(
        f"delete from {kept} as q using {journal.table('journal')} as j, jsonb_array_elements(j.changes) as x (c),"
        f" jsonb_populate_record(null::{table.name}, x.c -> 0) as k"
        f" where j.entry = {entry} and q.referee_run = j.run and {match} returning q.*",
        journal,
        entry,
        insert=f"insert into {table.name} ({names}) overriding system value select {names} from undone returning 1",
    )


def _of(record: str, name: str) -> str:
    return f"{record}.{quote(name)}"


def mark(journal: Journal, entry: int) -> str:
    """Marks an entry as taken back."""
    return f"update {journal.table('journal')} set undone = clock_timestamp(), undone_rows = rows where entry = {entry}"


def _marked(statement: str, journal: Journal, entry: int, insert: str | None = None) -> str:
    """A statement that takes something back, and the mark on the journal's line.

    What could not be taken back may be tried again: the line is only done with when nothing of it is left.
    """
    parts = [f"undone as ({statement})"]
    counted, result = "undone", "count(*)"
    if insert is not None:
        parts.append(f"inserted as ({insert})")
        counted = "inserted"
        lost = "((select count(*) from undone) - count(*))"
        result = f"case when {lost} = 0 then count(*) else ({lost} || ' rows were swallowed by a trigger')::bigint end"
    parts.append(f"counted as (select count(*) as n from {counted})")
    parts.append(
        f"marked as (update {journal.table('journal')} set undone_rows = coalesce(undone_rows, 0) + n,"
        " undone = case when coalesce(undone_rows, 0) + n >= rows then clock_timestamp() end"
        f" from counted where entry = {entry})"
    )
    return f"with {', '.join(parts)} select {result} from {counted}"
