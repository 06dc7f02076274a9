from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Problem, Severity
from referee.model.history import History, KeyAdded, KeyDropped
from referee.model.identity import Identities
from referee.model.names import QName
from referee.model.schema import Schema
from referee.rules.base import PlanRule, plural

_Step = KeyAdded | KeyDropped


class KeyWithoutLockTimeout(PlanRule):
    """
    A key between tables in use and the users' table is added or dropped without a `lock_timeout`.

    ## Why it fails
    ADD takes SHARE ROW EXCLUSIVE on both tables, DROP takes ACCESS EXCLUSIVE on both: `auth.users` too. While the
    statement waits for its turn, because somebody's long transaction has touched one of them, everybody else waits
    behind it. Nobody can sign up, and with DROP nobody can sign in, for as long as that transaction lasts. A
    `lock_timeout` ends the wait; the migration fails without having changed anything, and can be run again.

    ## Wrong
    ```sql
    create table public.songs (edited_by uuid references auth.users (id));
    -- supabase/migrations/2_key.sql
    alter table public.songs drop constraint songs_edited_by_fkey;  -- finding
    ```

    ## Right
    ```sql
    create table public.songs (edited_by uuid references auth.users (id));
    -- supabase/migrations/2_key.sql
    set lock_timeout = '500ms';
    alter table public.songs drop constraint songs_edited_by_fkey;
    reset lock_timeout;
    ```

    ## When it is deliberate
    Where nobody uses the database while migrations run, or where the role that runs them has a `lock_timeout` of its
    own (ALTER ROLE ... SET).

    ## Severity and confidence
    Information, once for each migration: it only hurts if somebody holds a lock at that moment. Tables that the same
    migration makes are left out.
    """

    severity = Severity.INFO

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        shared = frozenset([target.table for identity in identities.all for target in identity.targets])
        found: dict[str, list[_Step]] = {}
        for event in history.events:
            if isinstance(event, KeyAdded | KeyDropped) and _waits(event, shared):
                found.setdefault(event.moment.file, []).append(event)
        for file, steps in found.items():
            yield _problem(file, steps)


def _waits(event: _Step, shared: frozenset[QName]) -> bool:
    return event.key.target.table in shared and not event.new_table and not event.moment.limited


def _problem(file: str, steps: list[_Step]) -> Problem:
    first = next((step for step in steps if isinstance(step, KeyDropped)), steps[0])
    key, drops = first.key, isinstance(first, KeyDropped)
    others = f", and {plural(len(steps) - 1, 'other key')} besides," if len(steps) > 1 else ""
    return Problem(
        object=key.ref,
        cause=f"{key.ref}{others} {'goes' if drops else 'comes'} without a lock_timeout.",
        consequence=f"While it waits for its locks, everybody who {'uses' if drops else 'writes'} "
        f"{key.target.table} waits behind it.",
        severity=Severity.INFO,
        table=key.table,
        columns=key.columns,
        target=key.target,
        place=first.moment.place,
        file=file,
    )
