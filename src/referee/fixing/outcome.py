"""Whether a schema has changed in exactly the places that were proposed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from referee.fixing.migration import former_key
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref
from referee.model.schema import ForeignKey, Schema, Table


def differences(before: Schema, after: Schema) -> dict[Ref, str]:
    """The objects in which two readings of the project's own schema differ, and how."""
    former, latter = dict(_objects(before)), dict(_objects(after))
    found: dict[Ref, str] = {}
    for ref in {**former, **latter}:
        if ref not in latter:
            found[ref] = "gone"
        elif ref not in former:
            found[ref] = "new"
        elif former[ref] != latter[ref]:
            found[ref] = "changed"
    return found


def _objects(schema: Schema) -> Iterator[tuple[Ref, object]]:
    for table in schema.own_tables:
        yield from _parts(table)
    for trigger in schema.own_triggers:
        yield trigger.ref, trigger
    for function in schema.functions.values():
        if not schema.is_managed(function.name.schema):
            yield function.ref, function
    for view in schema.views.values():
        if not schema.is_managed(view.name.schema):
            yield view.ref, view


def _parts(table: Table) -> Iterator[tuple[Ref, object]]:
    bare = replace(table, columns=(), keys=(), checks=(), exclusions=(), foreign_keys=(), indexes=(), triggers=())
    yield table.ref, replace(bare, policies=())
    yield from [(Ref("column", *table.name, column.name), column) for column in table.columns]
    for group in (table.keys, table.checks, table.exclusions, table.foreign_keys, table.indexes, table.policies):
        yield from [(part.ref, part) for part in group]


def expected(before: Schema, wanted: Iterable[Change]) -> tuple[dict[Ref, ForeignKey | None], list[tuple[str, QName]]]:
    """The foreign keys as they are to be (None for one that goes), and of what new objects there is to be one each.

    The second holds kind of object and table, or for functions an arbitrary name in their schema.
    """
    keys: dict[Ref, ForeignKey | None] = {}
    fresh: list[tuple[str, QName]] = []
    for change in wanted:
        _expect(before, change, keys, fresh)
    return keys, fresh


def _expect(before: Schema, change: Change, keys: dict[Ref, ForeignKey | None], fresh: list[tuple[str, QName]]) -> None:
    match change:
        case changes.RetargetForeignKey(key, to):
            _change(before, keys, key.ref, key, target=to)
        case changes.SetOnDelete(key, action):
            _change(before, keys, key.ref, key, on_delete=action, on_delete_columns=())
        case changes.ValidateForeignKey(ref):
            _change(before, keys, ref, None, validated=True)
        case changes.DropConstraint(ref):
            keys[ref] = None
        case changes.AddForeignKey(table, _, _, _):
            fresh.append(("constraint", table))
        case changes.AddIdentityKey(mirror, _, _):
            fresh.append(("constraint", mirror.table))
        case changes.CreateSyncTrigger(source, mirror):
            fresh += [("trigger", source.table), ("function", QName(mirror.table.schema, ""))]
        case changes.CreatePolicy(table, _, _, _):
            fresh.append(("policy", table))
        case changes.CreateIndex(table, _):
            fresh.append(("index", QName(table.schema, "")))
        case _:
            pass


def _change(
    before: Schema, keys: dict[Ref, ForeignKey | None], ref: Ref, given: ForeignKey | None, **facts: object
) -> None:
    key = keys.get(ref) or former_key(before, ref) or given
    if key is not None:
        keys[ref] = replace(key, **facts)  # type: ignore[arg-type]


def surprises(before: Schema, after: Schema, wanted: Iterable[Change]) -> list[str]:
    """What differs from what the changes propose, in words; empty where the schema arrived exactly."""
    wanted = tuple(wanted)
    keys, fresh = expected(before, wanted)
    columns = {
        change.column
        for change in wanted
        if isinstance(change, changes.SetNotNull | changes.DropDefault | changes.AlterColumnType)
    }
    columns |= {Ref("column", *heir, column.part) for column in columns for heir in _heirs(before, column.owner)}
    functions = {change.function for change in wanted if isinstance(change, changes.RepairSyncFunction)}
    triggers = {change.trigger for change in wanted if isinstance(change, changes.EnableTrigger)}
    found: list[str] = []
    for ref, how in sorted(differences(before, after).items()):
        if ref in keys or ref in columns or ref in functions or ref in triggers:
            continue
        place = next((entry for entry in fresh if how == "new" and _is_there(ref, entry)), None)
        if place is None:
            found.append(f"{ref.kind} {ref} is {how}")
        else:
            fresh.remove(place)
    found += [f"there is no new {kind} in {table.schema}" for kind, table in fresh if kind != "constraint"]
    for ref, key in keys.items():
        now = former_key(after, ref)
        # A key that the cure brought waits, NOT VALID, for the rows that break it.
        is_waiting = key is not None and former_key(before, ref) is None and now == replace(key, validated=False)
        if now != key and not is_waiting:
            found.append(f"{ref} is {now}, and should be {key}")
    return found


def _heirs(schema: Schema, table: QName) -> Iterator[QName]:
    """The partitions and children of a table, and theirs: what is done to a column of it is done to theirs."""
    for heir in schema.tables.values():
        if heir.partition_of == table or table in heir.inherits:
            yield heir.name
            yield from _heirs(schema, heir.name)


def _is_there(ref: Ref, entry: tuple[str, QName]) -> bool:
    kind, table = entry
    return ref.kind == kind and ref.schema == table.schema and table.name in ("", ref.name)
