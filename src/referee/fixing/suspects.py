"""Which changes a server's complaint is about, and which are about things that a server never has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from referee.fixing.migration import former_key
from referee.model import change as changes
from referee.model.change import Change
from referee.model.finding import Finding, Problem
from referee.model.names import QName, Ref
from referee.model.schema import Schema

_QUOTED = re.compile(r'"([^"]+)"')


def absent(schema: Schema, change: Change) -> str | None:
    """What a change is about and a schema does not have, in words; None where everything is there."""
    missing = _missing(schema, change)
    return None if missing is None else f"{missing} does not exist on a server: a migration fails before it is made"


def _missing(schema: Schema, change: Change) -> object | None:
    for name, columns in _places(change):
        table = schema.table(name)
        if table is None:
            return name
        for column in columns:
            if table.columns and table.column(column) is None:
                return Ref("column", *name, column)
    key = _key(change)
    if key is not None and former_key(schema, key) is None:
        return key
    if isinstance(change, changes.RepairSyncFunction):
        known = any(one.ref == change.function for one in schema.functions.values())
        return None if known else change.function
    return None


def _places(change: Change) -> Iterator[tuple[QName, tuple[str, ...]]]:
    """The tables and columns that a change is about."""
    match change:
        case changes.RetargetForeignKey(key, to):
            yield key.table, key.columns
            yield to.table, to.columns
        case changes.SetOnDelete(key, _):
            yield key.table, key.columns
        case changes.AddForeignKey(table, columns, to, _):
            yield table, columns
            yield to.table, to.columns
        case changes.AddIdentityKey(one, other, _) | changes.CreateSyncTrigger(other, one):
            yield one.table, one.columns
            yield other.table, other.columns
        case changes.CreateIndex(table, columns):
            yield table, columns
        case changes.CreatePolicy(table, _, _, column):
            yield table, (column,)
        case changes.SetNotNull(column, _) | changes.DropDefault(column) | changes.AlterColumnType(column, _):
            yield column.owner, (column.part,)
        case _:
            return


def _key(change: Change) -> Ref | None:
    match change:
        case changes.RetargetForeignKey(key, _) | changes.SetOnDelete(key, _):
            return key.ref
        case changes.ValidateForeignKey(ref) | changes.DropConstraint(ref):
            return ref
        case _:
            return None


def suspects(wanted: Iterable[Change], complaints: Iterable[str]) -> Mapping[Change, str]:
    """The changes that errors of a server are about, by the names in them, each with the first error about it.

    What names a constraint is about that, else it is about a column and its table; what names a table alone is about
    everything that was to be done with it.
    """
    wanted = tuple(wanted)
    found: dict[Change, str] = {}
    for complaint in complaints:
        names = set(_QUOTED.findall(complaint))
        names |= {name.rpartition(".")[2] for name in names}
        for test in (_names_constraint, _names_column, _names_table):
            guilty = [change for change in wanted if test(change, names)]
            for change in guilty:
                found.setdefault(change, complaint)
            if guilty:
                break
    return found


def _names_constraint(change: Change, names: set[str]) -> bool:
    key = _key(change)
    if key is not None:
        return key.part in names
    if isinstance(change, changes.AddForeignKey | changes.AddIdentityKey):
        [(table, columns), *_] = _places(change)
        stem = "_".join([table.name, *columns, "fkey"])
        return any(name.rstrip("0123456789") == stem for name in names)
    return False


def _names_column(change: Change, names: set[str]) -> bool:
    first = next(_places(change), None)
    return first is not None and first[0].name in names and set(first[1]) <= names and bool(first[1])


def _names_table(change: Change, names: set[str]) -> bool:
    first = next(_places(change), None)
    return first is not None and first[0].name in names


def stopping(schema: Schema, wanted: Iterable[Change], refusing: Ref) -> Iterator[Change]:
    """The changes by which deleting a user comes to a key that refuses; ``schema`` is as they leave it."""
    key = next((key for key in schema.foreign_keys() if key.ref == refusing), None)
    if key is None:
        return
    above = _deleted_with(schema, key.target.table)
    for change in wanted:
        match change:
            case changes.AddIdentityKey(mirror, _, _):
                is_guilty = mirror.table in above
            case changes.RetargetForeignKey() | changes.AddForeignKey():
                is_guilty = next(_places(change)) == (key.table, key.columns)
            case _:
                is_guilty = False
        if is_guilty:
            yield change


def _deleted_with(schema: Schema, table: QName) -> set[QName]:
    """A table, and those whose deleted rows take rows of it with them."""
    found, left = {table}, [table]
    while left:
        child = left.pop()
        owner = schema.table(child)
        keys = owner.foreign_keys if owner is not None else ()
        above = {key.target.table for key in keys if key.on_delete == "CASCADE"} - found
        found |= above
        left += above
    return found


def bringing(wanted: Iterable[Change], new: Iterable[Finding]) -> Mapping[Change, str]:
    """The changes of where a column looks its ids up by which something is found that was not found before."""
    wanted = tuple(wanted)
    found: dict[Change, str] = {}
    for finding in new:
        problem = finding.problem
        for change in wanted:
            if _brings(change, problem):
                found.setdefault(change, f"{finding.rule} {problem.object} would be found then: {problem.consequence}")
    return found


def _brings(change: Change, problem: Problem) -> bool:
    match change:
        case changes.RetargetForeignKey() | changes.AddForeignKey():
            refs = {problem.object, *[note.place.ref for note in problem.related if note.place is not None]}
            return _key(change) in refs or next(_places(change)) == (problem.table, problem.columns)
        case changes.AddIdentityKey(mirror, source, _):
            # A trigger that fires before there is an account cannot make a row that needs it.
            is_early = problem.key.startswith("key-before-row") and problem.table == source.table
            return is_early and f" of {mirror.table} " in problem.cause
        case _:
            return False


def doubtful(schema: Schema, wanted: Iterable[Change], worse: Iterable[str]) -> Mapping[Change, str]:
    """The keys that nobody had declared and that writes fail of in a rehearsal: something else must hold there.

    ``worse`` are names as a rehearsal gives them: "reference public.songs.songs_by_fkey", "insert into public.songs".
    """
    found: dict[Change, str] = {}
    for name in worse:
        kind = next((kind for kind in ("reference ", "insert into ") if name.startswith(kind)), None)
        if kind is None:
            continue
        subject = name.removeprefix(kind)
        for change in wanted:
            if not isinstance(change, changes.AddForeignKey):
                continue
            tables = {str(table) for table in _reached_from(schema, change.table)}
            if subject in tables or any(subject.startswith(f"{table}.") for table in tables):
                found.setdefault(change, name)
    return found


def _reached_from(schema: Schema, table: QName) -> Iterator[QName]:
    """A table, and those whose rows need one of it."""
    yield table
    yield from {key.table for key in schema.foreign_keys() if key.target.table == table}
