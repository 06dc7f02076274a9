"""The lock: what a database must have so that identities hold, and whether it has it.

It holds the triggers on identity sources and their functions, the table that references should point to and the keys
that do, the identity keys, and the policies and row security of the mirrors. A function is held to its hash: what is
written differently and does the same has the same one. Its facts stand beside it, to restore it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Literal

import msgspec

from referee import __version__
from referee.compare.alike import words
from referee.compare.behaviour import compare_functions, compare_policies, compare_triggers
from referee.compare.facts import encode, to_plain
from referee.compare.notes import Notes
from referee.compare.tables import compare_foreign_keys
from referee.errors import ReadError
from referee.model import change as changes
from referee.model.change import Change
from referee.model.comparison import Difference, Violation
from referee.model.identity import Identities
from referee.model.names import QName, Ref, Target
from referee.model.schema import ForeignKey, Function, Policy, Role, Schema, Table, Trigger


class LockedFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that a locked trigger calls."""

    hash: str
    function: Function


class LockedIdentity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identity: its source, where references should point, and its mirrors."""

    source: Target
    canonical: Target
    mirrors: tuple[Target, ...] = ()


class LockedTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mirror's row security."""

    table: QName
    row_security: bool
    force_row_security: bool = False


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A lock file, version 1. ``keys`` are identity keys and user references that point where they should."""

    version: Literal[1]
    referee: str
    platform: str
    identities: tuple[LockedIdentity, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    functions: tuple[LockedFunction, ...] = ()
    keys: tuple[ForeignKey, ...] = ()
    tables: tuple[LockedTable, ...] = ()
    policies: tuple[Policy, ...] = ()
    roles: tuple[Role, ...] = ()


def function_hash(function: Function) -> str:
    """Changes with what a function does: its body without blanks and comments, its attributes and settings."""
    parts = (
        function.language,
        function.returns,
        *(words(function.body) if function.language in ("sql", "plpgsql") else function.body.split()),
        f"{function.security_definer} {function.volatility} {function.strict}",
        *(f"{name}={value}" for name, value in function.settings),
    )
    return sha256("\0".join(parts).encode()).hexdigest()


# Writing and reading


def make_lock(schema: Schema, identities: Identities, platform: str, sign_up_role: str) -> Lock:
    """The lock of a schema that is as it should be."""
    sources = {identity.source.table for identity in identities.all}
    triggers = [
        trigger
        for trigger in schema.own_triggers
        if trigger.table in sources and not schema.is_managed(trigger.function.schema)
    ]
    called = {trigger.function_name: schema.functions.get(trigger.function_name) for trigger in triggers}
    mirrors = {mirror.table: schema.table(mirror.table) for identity in identities.all for mirror in identity.mirrors}
    tables = [mirrors[name] for name in sorted(mirrors)]
    role = schema.roles.get(sign_up_role)
    return Lock(
        1,
        __version__,
        platform,
        tuple(
            LockedIdentity(identity.source, identity.canonical, tuple(mirror.target for mirror in identity.mirrors))
            for identity in identities.all
        ),
        tuple(sorted(triggers, key=lambda trigger: trigger.ref)),
        tuple(
            LockedFunction(function_hash(function), replace(function, grants=()))
            for _, function in sorted(called.items())
            if function is not None
        ),
        tuple(_keys(identities)),
        tuple(LockedTable(one.name, one.row_security, one.force_row_security) for one in tables if one is not None),
        tuple(policy for one in tables if one is not None for policy in one.policies),
        (role,) if role is not None else (),
    )


def _keys(identities: Identities) -> Iterator[ForeignKey]:
    found: dict[Ref, ForeignKey] = {}
    for identity in identities.all:
        for mirror in identity.mirrors:
            if mirror.identity_key is not None:
                found[mirror.identity_key.ref] = mirror.identity_key
        for reference in identity.references:
            if reference.verdict in ("right", "identity-key"):
                found[reference.key.ref] = reference.key
    for ref in sorted(found):
        yield found[ref]


def write_lock(lock: Lock) -> str:
    """The text of a lock file."""
    return encode(
        {
            name: [_plain(one) for one in value] if isinstance(value, tuple) else value
            for name, value in ((name, getattr(lock, name)) for name in lock.__struct_fields__)
        }
    )


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {name: to_plain(getattr(value, name)) for name in value.__struct_fields__}
    return to_plain(value)


def read_lock(text: str, where: str) -> Lock:
    """The lock in a text; ``where`` is what messages call it. Raises ReadError for anything else."""
    try:
        lock = msgspec.json.decode(text, type=Lock)
    except msgspec.DecodeError as error:
        raise ReadError(f"{where} is no lock file: {error}. `referee lock` writes one.") from error
    for locked in lock.functions:
        if function_hash(locked.function) != locked.hash:
            raise ReadError(
                f"{where} was changed by hand: the body of {locked.function.name} is not the one of its hash. Write it "
                "anew with `referee lock`."
            )
    return lock


# Holding a database to it


def violations(schema: Schema, lock: Lock) -> tuple[Violation, ...]:
    """Everything locked that a schema has not, or has otherwise."""
    return tuple(_violations(schema, lock))


def _violations(schema: Schema, lock: Lock) -> Iterator[Violation]:
    yield from _functions(schema, lock)
    yield from _triggers(schema, lock)
    yield from _foreign_keys(schema, lock)
    yield from _tables(schema, lock)
    yield from _policies(schema, lock)
    for role in lock.roles:
        found = schema.roles.get(role.name)
        if found is not None and found.search_path != role.search_path:
            message = f"role {role.name} has another search_path than the lock says"
            yield Violation(Ref("role", "", role.name), message, (changes.AlterRole(found, role),))


def _told(difference: Difference) -> str:
    """A difference in which the lock is the left side and the database the right one."""
    summary = difference.summary.replace(" is on the left and not on the right", " is locked and missing")
    return summary.replace("on the left", "in the lock").replace("on the right", "in the database")


def _each(notes: Notes) -> Iterator[Violation]:
    for difference in notes.differences:
        if difference.backward:
            yield Violation(difference.object, _told(difference), difference.backward)


def _functions(schema: Schema, lock: Lock) -> Iterator[Violation]:
    for locked in lock.functions:
        wanted, found = locked.function, schema.functions.get(locked.function.name)
        if found is None:
            message = f"function {wanted.name} is locked and missing"
            yield Violation(wanted.ref, message, (changes.CreateFunction(wanted),))
            continue
        if found.security_definer and found.owner != wanted.owner and wanted.owner:
            message = f"function {wanted.name} belongs to {found.owner} and should belong to {wanted.owner}"
            yield Violation(wanted.ref, message, (changes.SetOwner(wanted.ref, wanted.owner),))
        if function_hash(found) == locked.hash:
            continue
        notes = Notes()
        compare_functions(wanted, found, notes)
        if not any(difference.backward for difference in notes.differences):
            message = f"function {wanted.name} is another one than the lock says"
            yield Violation(wanted.ref, message, (changes.ReplaceFunction(wanted),))
        yield from _each(notes)


def _triggers(schema: Schema, lock: Lock) -> Iterator[Violation]:
    by_table: dict[QName, list[Trigger]] = {}
    for trigger in lock.triggers:
        by_table.setdefault(trigger.table, []).append(trigger)
    for name, wanted in by_table.items():
        table = schema.table(name)
        found = [one for one in table.triggers if any(one.name == other.name for other in wanted)] if table else []
        spare = [one for one in table.triggers if one not in found] if table else []
        notes = Notes()
        compare_triggers(wanted, [*found, *spare], notes)
        for violation in _each(notes):
            locked = next((one for one in wanted if one.ref == violation.object), None)
            if locked is None:
                continue  # a trigger that nobody locked
            lost = "locked and missing" in violation.message and locked.function_name in schema.functions
            kept = f"; its function {locked.function} was kept" if lost else ""
            yield replace(violation, message=violation.message + kept)


def _foreign_keys(schema: Schema, lock: Lock) -> Iterator[Violation]:
    by_table: dict[QName, list[ForeignKey]] = {}
    for key in lock.keys:
        by_table.setdefault(key.table, []).append(key)
    for name, wanted in by_table.items():
        table = schema.table(name)
        if table is None:
            yield Violation(Ref("table", *name), f"table {name}, which holds locked keys, is missing", ())
            continue
        columns = {key.columns for key in wanted}
        found = [key for key in table.foreign_keys if key.columns in columns]
        notes = Notes()
        compare_foreign_keys(wanted, found, notes)
        locked = {key.ref for key in wanted}
        yield from (violation for violation in _each(notes) if violation.object in locked)


def _tables(schema: Schema, lock: Lock) -> Iterator[Violation]:
    for locked in lock.tables:
        table: Table | None = schema.table(locked.table)
        if table is None:
            yield Violation(Ref("table", *locked.table), f"table {locked.table} is locked and missing", ())
        elif (table.row_security, table.force_row_security) != (locked.row_security, locked.force_row_security):
            change = changes.SetRowSecurity(locked.table, locked.row_security, locked.force_row_security)
            message = f"row security of {locked.table} is {'on' if table.row_security else 'off'}, unlike in the lock"
            yield Violation(table.ref, message, (change,))


def _policies(schema: Schema, lock: Lock) -> Iterator[Violation]:
    by_table: dict[QName, list[Policy]] = {locked.table: [] for locked in lock.tables}
    for policy in lock.policies:
        by_table.setdefault(policy.table, []).append(policy)
    for name, wanted in by_table.items():
        table = schema.table(name)
        notes = Notes()
        compare_policies(wanted, table.policies if table is not None else (), notes)
        for difference in notes.differences:
            message = (
                _told(difference)
                .replace(" is on the right and not on the left", " is there and not locked")
                .replace(" is in the database and not in the lock", " is there and not locked")
            )
            yield Violation(difference.object, message, difference.backward)


def restoring(found: Iterable[Violation]) -> list[Change]:
    """The changes that bring back everything that can be brought back."""
    return [change for violation in found for change in violation.restore]
