from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.identity import Identities
from referee.model.names import Target
from referee.model.remedy import Remedy, ValidateForeignKey
from referee.model.schema import ForeignKey, Schema
from referee.rules.base import Rule


class UnvalidatedForeignKey(Rule):
    """
    A foreign key that was added NOT VALID and never validated.

    ## Why it fails
    `NOT VALID` lets a key be added without a look at the rows that exist, which is the right first half of adding one
    to a busy table. Until `VALIDATE CONSTRAINT` has run, orphans may stay: an update that touches the key column of
    such a row fails with 23503, a dump of the database cannot be restored, and the planner cannot trust the key.

    ## Wrong
    ```sql
    create table public.songs (id uuid primary key, created_by uuid);
    alter table public.songs
      add constraint songs_created_by_fkey foreign key (created_by)
        references auth.users (id) not valid;  -- finding
    ```
    ## Right
    ```sql
    create table public.songs (id uuid primary key, created_by uuid);
    alter table public.songs
      add constraint songs_created_by_fkey foreign key (created_by) references auth.users (id) not valid;
    alter table public.songs validate constraint songs_created_by_fkey;
    ```
    ## When it is deliberate
    Between two deployments, or where old orphans must be kept; say so in an ignore comment. A key that is NOT ENFORCED
    (PostgreSQL 18) checks nothing by design, and is reported as information only.

    ## Severity and confidence
    Certain: it is read off the key itself.
    """

    severity = Severity.WARNING

    def check(self, schema: Schema, identities: Identities) -> Iterator[Problem]:
        for table in schema.own_tables:
            for key in table.foreign_keys:
                if not key.enforced:
                    yield _unenforced(key)
                elif not key.validated:
                    yield _unvalidated(key)


def _unvalidated(key: ForeignKey) -> Problem:
    return Problem(
        object=key.ref,
        cause=f"The key from {Target(key.table, key.columns)} to {key.target} is NOT VALID: "
        "rows older than the key were never checked.",
        consequence="Orphans may be among them: an update of such a row fails with 23503, and so does the restore of a "
        "dump.",
        severity=Severity.WARNING,
        table=key.table,
        columns=key.columns,
        target=key.target,
        remedy=Remedy(ValidateForeignKey(key.ref)),
    )


def _unenforced(key: ForeignKey) -> Problem:
    return Problem(
        object=key.ref,
        cause=f"The key from {Target(key.table, key.columns)} to {key.target} is NOT ENFORCED.",
        consequence="It documents the reference and prevents nothing: orphans can be written at any time.",
        severity=Severity.INFO,
        table=key.table,
        columns=key.columns,
        target=key.target,
    )
