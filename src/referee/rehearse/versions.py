"""What a deletion does differently on the version of Postgres that the project runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from referee.model.names import FunctionName, QName
from referee.model.origins import Origins, Place
from referee.model.rehearsal import Unverified
from referee.model.schema import Schema, Trigger

#: Since this version an AFTER trigger runs as the role that was active when it was queued, before as the one that is
#: active when it fires (PostgreSQL 18, release notes, "Migration to Version 18").
_QUEUED = 18
_EVENTS: Mapping[str, str] = {"CASCADE": "delete", "SET NULL": "update", "SET DEFAULT": "update"}


def triggers_of_cascades(
    schema: Schema, source: QName, deleter: str, origins: Origins, ran_on: int, wanted: int | None
) -> Iterator[Unverified]:
    """The AFTER triggers that run as another role where the deletion of a user reaches them.

    The cascade itself acts as the owner of the referencing table, so that is whom PostgreSQL 18 queues them for;
    before, they run as ``deleter``. ``wanted`` is the project's major version, None where it does not say; then it may
    be one before 18.
    """
    if (ran_on >= _QUEUED) == (wanted is not None and wanted >= _QUEUED):
        return
    project = "the project may run an older version" if wanted is None else f"the project runs {wanted}"
    for trigger in _reached(schema, source):
        owner = schema.tables[trigger.table].owner
        yield Unverified(
            f"trigger {trigger.name} on {trigger.table}",
            f"when the deletion of a user reaches it, it runs as {owner} on PostgreSQL {_QUEUED} and later, and as "
            f"{deleter} before; this ran on {ran_on}, and {project}",
            origins.location(Place(trigger.ref)),
        )


def _reached(schema: Schema, source: QName) -> Iterator[Trigger]:
    """The AFTER triggers of rows with the rights of whoever fires them, on the tables that a deletion changes."""
    seen, waiting = {source}, [source]
    changed: dict[QName, set[str]] = {}
    while waiting:
        for key in schema.referencing.get(waiting.pop(), ()):
            event = _EVENTS.get(key.on_delete)
            if event is None or not key.enforced:
                continue
            changed.setdefault(key.table, set()).add(event)
            if event == "delete" and key.table not in seen:
                seen.add(key.table)
                waiting.append(key.table)
    for table, events in changed.items():
        for trigger in schema.tables[table].triggers if table in schema.tables else ():
            if trigger.timing == "AFTER" and not events.isdisjoint(trigger.events) and _asks_who(schema, trigger):
                yield trigger


def _asks_who(schema: Schema, trigger: Trigger) -> bool:
    function = schema.functions.get(FunctionName(*trigger.function))
    return trigger.enabled in ("origin", "always") and (function is None or not function.security_definer)
