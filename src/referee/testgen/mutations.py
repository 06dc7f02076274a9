"""Faults to put into a schema, one at a time, so that a test suite can show that it notices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from referee.model.change import (
    AlterFunction,
    Change,
    DropPolicy,
    DropTrigger,
    ReplaceForeignKey,
    RetargetForeignKey,
    SetOnDelete,
)
from referee.model.identity import Identities, Identity
from referee.model.schema import ForeignKey, Schema, Trigger


class Fault(NamedTuple):
    """A fault in words, and the change that makes it."""

    text: str
    change: Change


def _fault(change: Change) -> Fault:
    return Fault(change.describe(), change)


def mutations(schema: Schema, identities: Identities) -> Iterator[Fault]:
    """Every fault worth noticing, in the order of what it hits: what fills mirrors, user references, policies.

    Faults that the schema has already are left out: what is no trigger cannot be dropped.
    """
    for identity in identities.all:
        yield from _of_triggers(schema, identity)
        for reference in identity.references:
            yield from _of_key(identity, reference.key)
    yield from _of_policies(schema, identities)


def _of_triggers(schema: Schema, identity: Identity) -> Iterator[Fault]:
    synced = {trigger for mirror in identity.mirrors for trigger in mirror.synced_by}
    for ref in sorted(synced):
        table = schema.table(ref.owner)
        found: list[Trigger] = [one for one in table.triggers if one.ref == ref] if table is not None else []
        for trigger in found:
            yield _fault(DropTrigger(trigger))
            function = schema.functions.get(trigger.function_name)
            if function is not None and function.security_definer:
                invoker = AlterFunction(replace(function, security_definer=False))
                yield Fault(f"let {function.name} be SECURITY INVOKER", invoker)


def _of_key(identity: Identity, key: ForeignKey) -> Iterator[Fault]:
    others = [target for target in (identity.canonical, identity.source) if target != key.target]
    others += [mirror.target for mirror in identity.mirrors if mirror.target not in (key.target, *others)]
    if others and others[0].table != key.table and len(key.columns) == 1:
        yield _fault(RetargetForeignKey(key, others[0]))
    if key.validated:
        yield Fault(f"leave {key.ref} NOT VALID", ReplaceForeignKey(key, replace(key, validated=False)))
    yield _fault(SetOnDelete(key, "NO ACTION" if key.on_delete == "CASCADE" else "CASCADE"))


def _of_policies(schema: Schema, identities: Identities) -> Iterator[Fault]:
    tables = {mirror.table for identity in identities.all for mirror in identity.mirrors}
    for name in sorted(tables):
        table = schema.table(name)
        for policy in table.policies if table is not None else ():
            yield _fault(DropPolicy(policy))
