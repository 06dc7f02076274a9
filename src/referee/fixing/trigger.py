"""The statement that lets a disabled trigger fire again, as the migration role may run it.

ALTER TABLE asks for the owner of the table, which a host does not make its migration role: Supabase's ``postgres`` has
the TRIGGER privilege alone on ``auth.users``. CREATE OR REPLACE TRIGGER asks for no more than that, and what it makes
fires whatever was before (PostgreSQL 15 and 18, CREATE TRIGGER; tried on both).
"""

from __future__ import annotations

from referee.model.names import Ref, quote
from referee.model.schema import Schema, Trigger
from referee.sql import clauses
from referee.sql.clauses import UnwritableError


def enabling(schema: Schema, ref: Ref) -> str:
    """One statement after which a trigger fires. Raises UnwritableError where only a table's owner could say it."""
    if not schema.is_managed(ref.schema):
        return switch(ref, "enable")
    table = schema.table(ref.owner)
    trigger = next((one for one in (table.triggers if table is not None else ()) if one.name == ref.part), None)
    if trigger is None or not _is_replaceable(trigger):
        raise UnwritableError(
            f"only the owner of {ref.owner} may enable {quote(ref.part)}; drop it and create it anew from its own text"
        )
    return clauses.statement(clauses.or_replace(clauses.trigger(trigger)), "CreateTrigStmt")


def _is_replaceable(trigger: Trigger) -> bool:
    """A constraint trigger cannot be replaced; one for a statement may name transition tables, which are not read."""
    return not trigger.constraint and trigger.level == "row"


def switch(ref: Ref, action: str) -> str:
    """ALTER TABLE for a trigger's state, which is for the owner of the table."""
    return f"alter table {ref.owner} {action} trigger {quote(ref.part)}"
