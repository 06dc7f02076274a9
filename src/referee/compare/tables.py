"""Tables side by side: columns, keys, checks, foreign keys, indexes, row security."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from referee.compare.alike import same_expression, words
from referee.compare.notes import Notes, pair
from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import Ref, Target, quote
from referee.model.schema import Check, Column, Exclusion, ForeignKey, Index, Key, Table


def compare_tables(left: Table, right: Table, notes: Notes) -> None:
    """Everything of two tables of one name but their triggers, policies, owners and grants."""
    _columns(left, right, notes)
    _keys(left, right, notes)
    _checks(left, right, notes)
    _exclusions(left, right, notes)
    compare_foreign_keys(left.foreign_keys, right.foreign_keys, notes)
    _indexes(left, right, notes)
    _row_security(left, right, notes)
    _kind(left, right, notes)


# Columns


def _columns(left: Table, right: Table, notes: Notes) -> None:
    if left.columns is right.columns or left.columns == right.columns:
        return
    for name in dict.fromkeys([column.name for column in (*left.columns, *right.columns)]):
        one, other = left.column(name), right.column(name)
        if one is None or other is None:
            _missing_column(left, one, other, notes)
        elif one != other:
            _column(Ref("column", *left.name, name), one, other, notes)
    shared = [column.name for column in left.columns if right.column(column.name) is not None]
    if shared != [column.name for column in right.columns if left.column(column.name) is not None]:
        notes.fold("order", f"the columns of {left.name}")


def _missing_column(table: Table, left: Column | None, right: Column | None, notes: Notes) -> None:
    column = left or right
    if column is None:
        return
    ref = Ref("column", *table.name, column.name)
    create, drop = changes.AddColumn(table.name, column), changes.DropColumn(ref)
    notes.missing("right" if right is None else "left", ref, f"column {ref} ({column.type})", create, drop)


def _column(ref: Ref, left: Column, right: Column, notes: Notes) -> None:
    if left.type != right.type:
        summary = f"column {ref} is {left.type} on the left and {right.type} on the right"
        notes.changed(ref, summary, left.type, right.type, lambda type_: changes.AlterColumnType(ref, type_))
    if left.not_null != right.not_null:
        refusing = "left" if left.not_null else "right"
        summary = f"column {ref} refuses NULL on the {refusing} only"
        notes.changed(ref, summary, left.not_null, right.not_null, lambda value: changes.SetNotNull(ref, value))
    if left.identity != right.identity:
        summary = f"column {ref} is {_identity(left)} on the left and {_identity(right)} on the right"
        notes.changed(ref, summary, left, right, lambda column: changes.SetIdentity(ref, column.identity))
    _expressions(ref, left, right, notes)


def _identity(column: Column) -> str:
    return f"generated {column.identity} as identity" if column.identity else "no identity column"


def _expressions(ref: Ref, left: Column, right: Column, notes: Notes) -> None:
    pairs = (("default", left.default, right.default), ("expression", left.generated, right.generated))
    for what, one, other in pairs:
        if one == other:
            continue
        if same_expression(one, other):
            notes.fold("formatting", f"the {what} of {ref}")
        elif what == "default":
            summary = f"column {ref} {_defaults(one, 'left')} and {_defaults(other, 'right')}"
            notes.changed(ref, summary, one, other, _default_of(ref))
        else:
            summary = (
                f"column {ref} is computed as {one or 'nothing'} on the left and {other or 'nothing'} on the right"
            )
            notes.changed(ref, summary, one, other, lambda text: changes.SetGenerated(ref, text))


def _defaults(default: str | None, side: str) -> str:
    return f"has no default on the {side}" if default is None else f"defaults to {default} on the {side}"


def _default_of(ref: Ref) -> Callable[[str | None], Change]:
    return lambda text: changes.DropDefault(ref) if text is None else changes.SetDefault(ref, text)


# Keys, checks, exclusions


def _distinct(table: Table) -> frozenset[str]:
    return frozenset([index.name for index in table.indexes if index.nulls_not_distinct])


def _keys(left: Table, right: Table, notes: Notes) -> None:
    if left.keys == right.keys and _distinct(left) == _distinct(right):
        return
    pairs = pair(_full(left), _full(right), lambda one, other: replace(one, name=other.name) == other, notes)
    for one, other in pairs.both:
        if one != other:
            summary = f"key {one.ref} is {_key(one)} on the left and {_key(other)} on the right"
            notes.differ(one.ref, summary, _remake(other), _remake(one))
    for side, keys in (("right", pairs.left), ("left", pairs.right)):
        for key in keys:
            what = f"{_key(key)}, {key.ref},"
            notes.missing(side, key.ref, what, changes.AddKey(key), changes.DropConstraint(key.ref))  # type: ignore[arg-type]


def _full(table: Table) -> Iterator[Key]:
    """The keys with what their indexes say about NULL."""
    distinct = _distinct(table)
    for key in table.keys:
        yield replace(key, nulls_not_distinct=key.nulls_not_distinct or key.name in distinct)


def _key(key: Key) -> str:
    kind = "primary key" if key.primary else "unique"
    return f"{kind} ({', '.join(map(quote, key.columns))}){' deferrable' * key.deferrable}"


def _remake(key: Key) -> tuple[Change, ...]:
    return (changes.DropConstraint(key.ref), changes.AddKey(key))


def _checks(left: Table, right: Table, notes: Notes) -> None:
    if left.checks == right.checks:
        return
    pairs = pair(left.checks, right.checks, _same_check, notes)
    for one, other in pairs.both:
        _check(one, other, notes)
    for side, checks in (("right", pairs.left), ("left", pairs.right)):
        for check in checks:
            what = f"check {check.ref}, {check.expression},"
            notes.missing(side, check.ref, what, changes.AddCheck(check), changes.DropConstraint(check.ref))  # type: ignore[arg-type]


def _same_check(left: Check, right: Check) -> bool:
    return left.validated == right.validated and same_expression(left.expression, right.expression)


def _check(left: Check, right: Check, notes: Notes) -> None:
    if left == right:
        return
    if not same_expression(left.expression, right.expression):
        summary = f"check {left.ref} demands {left.expression} on the left and {right.expression} on the right"
        notes.differ(left.ref, summary, _remake_check(right), _remake_check(left))
        return
    if left.expression != right.expression:
        notes.fold("formatting", f"the check {left.ref}")
    if left.validated != right.validated:
        notes.differ(
            left.ref,
            f"check {left.ref} is NOT VALID on the {'right' if left.validated else 'left'} only",
            (changes.ValidateCheck(left.ref),) if right.validated else _remake_check(right),
            (changes.ValidateCheck(left.ref),) if left.validated else _remake_check(left),
        )


def _remake_check(check: Check) -> tuple[Change, ...]:
    return (changes.DropConstraint(check.ref), changes.AddCheck(check))


def _exclusions(left: Table, right: Table, notes: Notes) -> None:
    """What an exclusion excludes stays text: of a replay it is not known, so only its being there is compared."""
    pairs = pair(left.exclusions, right.exclusions, _same_exclusion, notes)
    for one, other in pairs.both:
        if not _same_exclusion(one, other):
            notes.fold("unread", f"the exclusion {one.ref}")
    for side, exclusions in (("right", pairs.left), ("left", pairs.right)):
        for one in exclusions:
            create, drop = changes.AddExclusion(one), changes.DropConstraint(one.ref)
            notes.missing(side, one.ref, f"exclusion {one.ref}", create, drop)  # type: ignore[arg-type]


def _same_exclusion(left: Exclusion, right: Exclusion) -> bool:
    return left.definition == right.definition or words(left.definition) == words(right.definition)


# Foreign keys


@dataclass(frozen=True, slots=True)
class _Aspect:
    """One part of a foreign key: how it reads, and the change that brings it about."""

    name: str
    of: Callable[[ForeignKey], object]
    told: Callable[[ForeignKey], str]
    make: Callable[[ForeignKey, ForeignKey], Change]


def _replaced(former: ForeignKey, wanted: ForeignKey) -> Change:
    return changes.ReplaceForeignKey(former, wanted)


def _validated(former: ForeignKey, wanted: ForeignKey) -> Change:
    return changes.ValidateForeignKey(wanted.ref) if wanted.validated else _replaced(former, wanted)


def _on_delete(former: ForeignKey, wanted: ForeignKey) -> Change:
    if wanted.on_delete_columns:
        return _replaced(former, wanted)
    return changes.SetOnDelete(former, wanted.on_delete)


def _enforced(former: ForeignKey, wanted: ForeignKey) -> Change:
    return changes.EnforceForeignKey(replace(former, validated=wanted.validated), wanted.enforced)


def _told_on_delete(key: ForeignKey) -> str:
    columns = f" ({', '.join(map(quote, key.on_delete_columns))})" if key.on_delete_columns else ""
    return f"acts ON DELETE {key.on_delete}{columns}"


def _told_details(key: ForeignKey) -> str:
    deferral = " DEFERRABLE" * key.deferrable + " INITIALLY DEFERRED" * key.initially_deferred
    return f"acts ON UPDATE {key.on_update}, MATCH {key.match}{deferral}"


_ASPECTS = (
    _Aspect("columns", lambda key: key.columns, lambda key: f"is over {Target(key.table, key.columns)}", _replaced),
    _Aspect(
        "target",
        lambda key: key.target,
        lambda key: f"references {key.target}",
        lambda former, wanted: changes.RetargetForeignKey(former, wanted.target),
    ),
    _Aspect("on delete", lambda key: (key.on_delete, key.on_delete_columns), _told_on_delete, _on_delete),
    _Aspect(
        "details",
        lambda key: (key.on_update, key.match, key.deferrable, key.initially_deferred),
        _told_details,
        _replaced,
    ),
    _Aspect(
        "enforced",
        lambda key: key.enforced,
        lambda key: "is enforced" if key.enforced else "is not enforced",
        _enforced,
    ),
    # What is not enforced is never valid, so that says nothing more.
    _Aspect(
        "validated",
        lambda key: key.validated if key.enforced else None,
        lambda key: "is validated" if key.validated else "is NOT VALID",
        _validated,
    ),
)


def compare_foreign_keys(left: Sequence[ForeignKey], right: Sequence[ForeignKey], notes: Notes) -> None:
    """The foreign keys of one table."""
    if left == right:
        return
    pairs = pair(left, right, lambda one, other: replace(one, name=other.name) == other, notes)
    both, lost, extra = pairs.both, pairs.left, pairs.right
    for key in list(lost):
        # A key of the same columns under another name has taken the place of this one.
        same = [candidate for candidate in extra if candidate.columns == key.columns]
        if len(same) == 1:
            both.append((key, same[0]))
            lost.remove(key)
            extra.remove(same[0])
    for one, other in both:
        _foreign_key(one, other, notes)
    for side, keys in (("right", lost), ("left", extra)):
        for key in keys:
            what = f"foreign key {key.ref} to {key.target}"
            notes.missing(side, key.ref, what, changes.CreateForeignKey(key), changes.DropConstraint(key.ref))  # type: ignore[arg-type]


def _foreign_key(left: ForeignKey, right: ForeignKey, notes: Notes) -> None:
    different = [aspect for aspect in _ASPECTS if aspect.of(left) != aspect.of(right)]
    if not left.enforced or not right.enforced:
        different = [aspect for aspect in different if aspect.name != "validated"]
    if not different:
        if left != replace(right, name=left.name, validated=left.validated):
            raise AssertionError(f"no aspect tells {left} and {right} apart")
        return
    told = [f"{aspect.told(left)} on the left and {aspect.told(right)} on the right" for aspect in different]
    summary = f"foreign key {left.ref} {', '.join(told)}"
    if len(different) == 1 and left.name == right.name:
        [aspect] = different
        notes.differ(left.ref, summary, (aspect.make(left, right),), (aspect.make(right, left),))
    else:
        notes.differ(left.ref, summary, (_replaced(left, right),), (_replaced(right, left),))


# Indexes, row security, kind


def _indexes(left: Table, right: Table, notes: Notes) -> None:
    if left.indexes == right.indexes:
        return
    pairs = pair(_plain(left), _plain(right), _same_index, notes)
    for one, other in pairs.both:
        _index(one, other, notes)
    for side, indexes in (("right", pairs.left), ("left", pairs.right)):
        for index in indexes:
            what = f"{'unique ' * index.unique}index {index.ref} on {_parts(index)}"
            notes.missing(side, index.ref, what, changes.AddIndex(index), changes.DropIndex(index))  # type: ignore[arg-type]


def _plain(table: Table) -> list[Index]:
    """The indexes that no constraint stands for."""
    names = {key.name for key in table.keys} | {exclusion.name for exclusion in table.exclusions}
    return [index for index in table.indexes if index.name not in names]


def _same_index(left: Index, right: Index) -> bool:
    bare = replace(left, name=right.name, predicate=right.predicate)
    return bare == right and same_expression(left.predicate, right.predicate) and None not in left.columns


def _parts(index: Index) -> str:
    parts = ", ".join(["an expression" if column is None else quote(column) for column in index.columns])
    return f"{index.table} ({parts}){' where ' + index.predicate if index.predicate else ''}"


def _index(left: Index, right: Index, notes: Notes) -> None:
    if left == right:
        return
    if replace(left, predicate=right.predicate, valid=right.valid) != right or not same_expression(
        left.predicate, right.predicate
    ):
        summary = f"index {left.ref} is on {_parts(left)} on the left and on {_parts(right)} on the right"
        remade = [
            (changes.DropIndex(former), changes.AddIndex(index)) for former, index in ((left, right), (right, left))
        ]
        notes.differ(left.ref, summary, *remade)
        return
    if left.predicate != right.predicate:
        notes.fold("formatting", f"the condition of {left.ref}")
    if left.valid != right.valid:
        broken = "right" if left.valid else "left"
        mend = (changes.RebuildIndex(left.ref),)
        summary = f"index {left.ref} is invalid on the {broken}: its building failed"
        notes.differ(left.ref, summary, () if left.valid else mend, mend if left.valid else ())


def _row_security(left: Table, right: Table, notes: Notes) -> None:
    one, other = (left.row_security, left.force_row_security), (right.row_security, right.force_row_security)
    if one != other:
        summary = f"row security of {left.name} is {_secured(*one)} on the left and {_secured(*other)} on the right"
        notes.changed(left.ref, summary, one, other, lambda state: changes.SetRowSecurity(left.name, *state))


def _secured(enabled: bool, forced: bool) -> str:
    return f"{'on' if enabled else 'off'}{' and binds the owner' * forced}"


def _kind(left: Table, right: Table, notes: Notes) -> None:
    one, other = (left.kind, left.partition_of, left.inherits), (right.kind, right.partition_of, right.inherits)
    if one != other:
        summary = f"{left.name} is {_sort(left)} on the left and {_sort(right)} on the right"
        notes.differ(left.ref, summary, (), ())


def _sort(table: Table) -> str:
    if table.partition_of is not None:
        return f"a partition of {table.partition_of}"
    heirs = f" that inherits from {', '.join(map(str, table.inherits))}" if table.inherits else ""
    return {"table": "a table", "partitioned": "a partitioned table", "foreign": "a foreign table"}[table.kind] + heirs
