from __future__ import annotations

import re
from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.names import QName, Target, quote
from referee.model.remedy import CreateIndex, Remedy
from referee.model.schema import ForeignKey, Index, Schema, Table
from referee.rules.base import Rule

_IS_NOT_NULL = re.compile(r"\(*\s*(.+?)\s+is\s+not\s+null\s*\)*", re.IGNORECASE | re.DOTALL)


class UnindexedForeignKey(Rule):
    """
    A foreign key whose columns lead no index.

    ## Why it fails
    Postgres indexes the referenced side of a key, never the referencing one. Each deletion of a referenced row, and
    each change of its key, then reads the whole referencing table to find what depends on it. With keys to the users'
    tables that is one full scan per table for every user that is deleted: beyond some hundred thousand rows the
    request runs into its timeout (57014), and locks wait behind it.

    An index serves where the key's columns stand first in it, in any order. A partial index serves where it leaves out
    no more than the NULLs.

    ## Wrong
    ```sql
    create table public.songs (
      id uuid primary key,
      created_by uuid references auth.users (id) on delete set null  -- finding
    );
    ```
    ## Right
    ```sql
    create table public.songs (
      id uuid primary key,
      created_by uuid references auth.users (id) on delete set null
    );
    create index on public.songs (created_by);
    ```
    ## When it is deliberate
    Where the referencing table stays small, or where referenced rows are never deleted.

    ## Severity and confidence
    It is a warning where deleting a user reads the table (a key to the identity's source or a mirror with CASCADE, SET
    NULL or SET DEFAULT), else information. Certain: keys and indexes are declared.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        users = frozenset(target.table for identity in identities.all for target in identity.targets)
        for table in schema.own_tables:
            if table.foreign_keys and table.kind != "foreign":
                yield from _unindexed(table, users)


def _unindexed(table: Table, users: frozenset[QName]) -> Iterator[Problem]:
    leads = [key.columns for key in table.keys]
    leads += [_leading_columns(index) for index in table.indexes if index.valid and index.method == "btree"]
    hashes = {index.columns for index in table.indexes if index.method == "hash" and not index.predicate}
    reported: set[frozenset[str]] = set()
    # The gravest key of a set of columns speaks for all of them: one index serves them all.
    for key in sorted(table.foreign_keys, key=lambda key: not _scans_on_user_deletion(key, users)):
        wanted = frozenset(key.columns)
        if not (_leads(key.columns, leads) or key.columns in hashes or wanted in reported):
            reported.add(wanted)
            yield _problem(key, _scans_on_user_deletion(key, users))


def _leads(columns: tuple[str, ...], leads: list[tuple[str, ...]]) -> bool:
    """Whether something starts with these columns, in whatever order."""
    length = len(columns)
    if any(lead[:length] == columns for lead in leads):
        return True
    return length > 1 and any(frozenset(lead[:length]) == frozenset(columns) for lead in leads)


def _leading_columns(index: Index) -> tuple[str, ...]:
    """The columns that an index starts with, up to its first expression; none where it is partial in earnest."""
    columns: list[str] = []
    for column in index.columns:
        if column is None:
            break
        columns.append(column)
    if index.predicate is not None and not _leaves_out_nulls_only(index.predicate, columns[:1]):
        return ()
    return tuple(columns)


def _leaves_out_nulls_only(predicate: str, columns: list[str]) -> bool:
    match = _IS_NOT_NULL.fullmatch(predicate.strip())
    return match is not None and match[1] in {name for column in columns for name in (column, quote(column))}


def _scans_on_user_deletion(key: ForeignKey, users: frozenset[QName]) -> bool:
    return key.target.table in users and key.on_delete in ("CASCADE", "SET NULL", "SET DEFAULT")


def _problem(key: ForeignKey, grave: bool) -> Problem:
    if grave:
        consequence = (
            f"Deleting a user reads the whole of {key.table} (ON DELETE {key.on_delete}), and runs into its timeout "
            "once the table is large (57014)."
        )
    else:
        consequence = f"Each deletion of a row of {key.target.table} reads the whole of {key.table}."
    return Problem(
        object=key.ref,
        cause=f"No index starts with {Target(key.table, key.columns)}, which references {key.target}.",
        consequence=consequence,
        severity=Severity.WARNING if grave else Severity.INFO,
        table=key.table,
        columns=key.columns,
        target=key.target,
        remedy=Remedy(CreateIndex(key.table, key.columns)),
    )
