from __future__ import annotations

from collections.abc import Iterator

from referee.model.finding import Note, Problem, Severity
from referee.model.history import History, KeyAdded, KeyValidated
from referee.model.identity import Identities
from referee.model.names import Ref
from referee.model.schema import Schema
from referee.rules.base import PlanRule


class ValidateWithAdd(PlanRule):
    """
    A key is added NOT VALID and validated in the same transaction.

    ## Why it fails
    ADD CONSTRAINT takes SHARE ROW EXCLUSIVE on both tables, which stops every write to them, and holds it until the
    transaction ends. NOT VALID makes that a moment. A VALIDATE in the same transaction reads the whole table while the
    lock is still held: writers wait as long as they would have without NOT VALID. With a key to `auth.users`, nobody
    can sign up or in meanwhile.

    Most tools run each migration as one transaction, the Supabase CLI among them.

    ## Wrong
    ```sql
    create table public.songs (edited_by uuid);
    -- supabase/migrations/2_key.sql
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by) references auth.users (id) not valid;
    alter table public.songs validate constraint songs_edited_by_fkey;  -- finding
    ```

    ## Right
    ```sql
    create table public.songs (edited_by uuid);
    -- supabase/migrations/2_key.sql
    alter table public.songs
      add constraint songs_edited_by_fkey foreign key (edited_by) references auth.users (id) not valid;
    -- supabase/migrations/3_validate.sql
    alter table public.songs validate constraint songs_edited_by_fkey;
    ```
    In one file, a COMMIT between the two does it where the tool lets a file have transactions of its own.

    ## Severity and confidence
    Certain for tools that run a file as one transaction. Tables that the same migration makes are left out, since they
    hold nothing, and so are files that say that they want no transaction (goose, Atlas, dbmate) or build an index
    CONCURRENTLY.
    """

    severity = Severity.WARNING

    def check_history(self, schema: Schema, identities: Identities, history: History) -> Iterator[Problem]:
        added: dict[tuple[int, Ref], KeyAdded] = {}
        for event in history.events:
            if isinstance(event, KeyAdded):
                if not event.key.validated and not event.new_table and event.moment.file not in history.loose:
                    added[event.moment.transaction, event.key.ref] = event
            elif isinstance(event, KeyValidated):
                first = added.get((event.moment.transaction, event.key.ref))
                if first is not None:
                    yield _problem(first, event)


def _problem(added: KeyAdded, validated: KeyValidated) -> Problem:
    key = added.key
    return Problem(
        object=key.ref,
        cause=f"{key.ref} is validated in the transaction that added it.",
        consequence=f"Writes to {key.table} and {key.target.table} wait until every row has been read.",
        severity=Severity.WARNING,
        table=key.table,
        columns=key.columns,
        target=key.target,
        place=validated.moment.place,
        related=(Note("the lock is taken here and held to the end", added.moment.place),),
        file=added.moment.file,
    )
