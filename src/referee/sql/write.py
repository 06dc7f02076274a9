"""Changes as statements: the only place where SQL that alters a schema is made.

Each change becomes the direct statements for it, every one of which is parsed before it is given away. Ranks bring the
statements of many changes into an order in which they run: what depends on something goes before it and comes after it.
A foreign key on a table that has rows is added NOT VALID and validated by a statement of its own, which takes no lock
that stops writers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum, auto
from typing import Any, NamedTuple

from referee.model import change as changes
from referee.model.change import Change
from referee.model.names import QName, Ref, Target, clip, quote
from referee.model.schema import (
    Check,
    Column,
    Composite,
    DefaultOf,
    Domain,
    Enum,
    ForeignKey,
    Function,
    Grant,
    Index,
    Policy,
    Role,
    Schema,
    Table,
    Trigger,
    View,
)
from referee.sql import clauses
from referee.sql.clauses import UnwritableError
from referee.sql.expressions import read_expression
from referee.sql.tokens import tokens
from referee.sql.tree import Call, Cast, Expr, Literal

__all__ = ["Rank", "Statement", "UnwritableError", "Writer", "script"]


class Rank(IntEnum):
    """When a statement runs, among those of several changes."""

    DROP_POLICY = auto()
    DROP_TRIGGER = auto()
    DROP_VIEW = auto()
    DROP_FOREIGN_KEY = auto()
    DROP_CONSTRAINT = auto()
    DROP_INDEX = auto()
    DROP_TABLE = auto()
    DROP_COLUMN = auto()
    ROLE = auto()
    SCHEMA = auto()
    EXTENSION = auto()
    TYPE = auto()
    SEQUENCE = auto()
    TABLE = auto()
    COLUMN = auto()
    DROP_DEFAULT = auto()
    ALTER_COLUMN = auto()
    DROP_FUNCTION = auto()
    FUNCTION = auto()
    DEFAULT = auto()
    CONSTRAINT = auto()
    INDEX = auto()
    FOREIGN_KEY = auto()
    VALIDATE = auto()
    VIEW = auto()
    TRIGGER = auto()
    TRIGGER_STATE = auto()
    POLICY = auto()
    ROW_SECURITY = auto()
    DROP_TYPE = auto()
    DROP_EXTENSION = auto()
    OWNER = auto()
    RIGHTS = auto()
    DROP_SCHEMA = auto()
    DROP_ROLE = auto()
    HISTORY = auto()


class Statement(NamedTuple):
    """One statement without its semicolon."""

    rank: Rank
    text: str


#: Function bodies may name what a later statement makes.
PROLOGUE = "set local check_function_bodies = off"


def script(changes: Iterable[Change], writer: Writer) -> tuple[str, ...]:
    """The statements of several changes, in an order in which they run in one transaction; each statement once.

    Raises UnwritableError.
    """
    wanted = list(changes)
    writer = replace(writer, remade=frozenset(_remade(wanted)), restated=frozenset(_restated(wanted)))
    found = [statement for change in wanted for statement in writer.write(change)]
    texts = dict.fromkeys(statement.text for statement in sorted(found, key=lambda statement: statement.rank))
    if any(statement.rank is Rank.FUNCTION for statement in found):
        return (PROLOGUE, *texts)
    return tuple(texts)


def _remade(wanted: Iterable[Change]) -> Iterator[Ref]:
    """The objects that one of the changes drops or makes anew: nobody else has to bring them back."""
    for change in wanted:
        if isinstance(change, changes.DropConstraint):
            yield change.constraint
        elif isinstance(change, changes.RetargetForeignKey | changes.ReplaceForeignKey | changes.SetOnDelete):
            yield change.key.ref
        elif isinstance(change, changes.EnforceForeignKey):
            yield from [change.key.ref] * change.enforced
        elif isinstance(change, changes.DropPolicy | changes.ReplacePolicy):
            yield change.policy.ref
        elif isinstance(change, changes.DropTrigger | changes.ReplaceTrigger):
            yield change.trigger.ref
        elif isinstance(change, changes.DropView | changes.ReplaceView):
            yield change.view.ref
        elif isinstance(change, changes.SetDefault | changes.DropDefault):
            yield change.column._replace(kind="default")
        elif isinstance(change, changes.DropTable):
            yield from [key.ref for key in change.table.foreign_keys]
            yield from [policy.ref for policy in change.table.policies]
            yield from [trigger.ref for trigger in change.table.triggers]


def _restated(wanted: Iterable[Change]) -> Iterator[Ref]:
    """The triggers that one of the changes enables or disables."""
    for change in wanted:
        if isinstance(change, changes.SetTriggerState | changes.EnableTrigger):
            yield change.trigger


@dataclass(frozen=True)
class Writer:
    """Writes changes for one database.

    ``schema`` is what is there before, ``role`` who runs the statements, ``major`` the version of the server.
    ``remade`` are objects that other changes of the same script take away or make anew, ``restated`` triggers whose
    state they set; ``script`` knows them.
    """

    schema: Schema
    role: str = "postgres"
    major: int = 17
    remade: frozenset[Ref] = frozenset()
    restated: frozenset[Ref] = frozenset()

    def write(self, change: Change) -> tuple[Statement, ...]:
        """The statements of one change. Raises UnwritableError where there are none."""
        found = tuple(_WRITERS[type(change)](self, change))
        for statement in found:
            clauses.statement(statement.text)
        return found


# Facts at hand


def _table(writer: Writer, name: QName) -> Table:
    table = writer.schema.table(name)
    if table is None:
        raise UnwritableError(f"There is no table {name}.")
    return table


def _column(writer: Writer, ref: Ref) -> tuple[Table, Column]:
    table = _table(writer, ref.owner)
    column = table.column(ref.part)
    if column is None:
        raise UnwritableError(f"There is no column {ref}.")
    return table, column


def _trigger(writer: Writer, ref: Ref) -> Trigger:
    table = _table(writer, ref.owner)
    found = next((trigger for trigger in table.triggers if trigger.name == ref.part), None)
    if found is None:
        raise UnwritableError(f"There is no trigger {ref}.")
    return found


def _free_name(table: Table, base: str) -> str:
    """A name for a constraint that no other of the table has."""
    taken = {ref.part for ref in _constraints(table)}
    name, number = clip(base), 0
    while name in taken:
        number += 1
        name = clip(base, 63 - len(str(number))) + str(number)
    return name


def _constraints(table: Table) -> Iterator[Ref]:
    yield from [key.ref for key in table.keys]
    yield from [key.ref for key in table.foreign_keys]
    yield from [check.ref for check in table.checks]
    yield from [exclusion.ref for exclusion in table.exclusions]


def _alter(table: QName, action: str) -> str:
    return f"alter table {table} {action}"


# Foreign keys


def _add_foreign_key(writer: Writer, key: ForeignKey, is_new_table: bool = False) -> Iterator[Statement]:
    table = writer.schema.table(key.table)
    # A new table has no rows; a partitioned one takes no NOT VALID key before PostgreSQL 18.
    at_once = is_new_table or not key.enforced or (table is not None and table.kind == "partitioned")
    not_valid = not key.validated if at_once and key.enforced else key.enforced
    if not key.enforced and writer.major < 18:
        raise UnwritableError(
            f"{key.ref} is not enforced, which only a superuser can bring about before PostgreSQL 18."
        )
    yield Statement(Rank.FOREIGN_KEY, _alter(key.table, f"add {clauses.foreign_key(key, not_valid)}"))
    if key.validated and not at_once:
        yield Statement(Rank.VALIDATE, _alter(key.table, f"validate constraint {quote(key.name)}"))


def _drop_foreign_key(key: ForeignKey) -> Statement:
    return Statement(Rank.DROP_FOREIGN_KEY, _alter(key.table, f"drop constraint {quote(key.name)}"))


def _replace_foreign_key(writer: Writer, key: ForeignKey, by: ForeignKey) -> Iterator[Statement]:
    yield _drop_foreign_key(key)
    yield from _add_foreign_key(writer, by)


def _create_foreign_key(writer: Writer, change: changes.CreateForeignKey) -> Iterator[Statement]:
    return _add_foreign_key(writer, change.key)


def _swap_foreign_key(writer: Writer, change: changes.ReplaceForeignKey) -> Iterator[Statement]:
    return _replace_foreign_key(writer, change.key, change.by)


def _retarget(writer: Writer, change: changes.RetargetForeignKey) -> Iterator[Statement]:
    return _replace_foreign_key(writer, change.key, replace(change.key, target=change.to))


def _set_on_delete(writer: Writer, change: changes.SetOnDelete) -> Iterator[Statement]:
    by = replace(change.key, on_delete=change.action, on_delete_columns=())
    return _replace_foreign_key(writer, change.key, by)


def _enforce(writer: Writer, change: changes.EnforceForeignKey) -> Iterator[Statement]:
    """Enforcing makes the key anew: where its triggers are disabled, only a superuser could enable them."""
    key = change.key
    if change.enforced:
        yield from _replace_foreign_key(writer, key, replace(key, enforced=True))
    elif writer.major < 18:
        raise UnwritableError(f"Before PostgreSQL 18, only a superuser can stop the enforcement of {key.ref}.")
    else:
        yield Statement(Rank.VALIDATE, _alter(key.table, f"alter constraint {quote(key.name)} not enforced"))


def _validate(_: Writer, change: changes.ValidateForeignKey) -> Iterator[Statement]:
    yield Statement(Rank.VALIDATE, _alter(change.key.owner, f"validate constraint {quote(change.key.part)}"))


def _add_plain_key(writer: Writer, change: changes.AddForeignKey) -> Iterator[Statement]:
    table = _table(writer, change.table)
    name = _free_name(table, f"{table.name.name}_{'_'.join(change.columns)}_fkey")
    return _add_foreign_key(writer, ForeignKey(change.table, name, change.columns, change.to, change.on_delete))


def _add_identity_key(writer: Writer, change: changes.AddIdentityKey) -> Iterator[Statement]:
    mirror = change.mirror
    return _add_plain_key(writer, changes.AddForeignKey(mirror.table, mirror.columns, change.source, change.on_delete))


def _drop_constraint(writer: Writer, change: changes.DropConstraint) -> Iterator[Statement]:
    ref = change.constraint
    table = writer.schema.table(ref.owner)
    key = next((key for key in table.keys if key.name == ref.part), None) if table is not None else None
    if table is not None and key is not None:
        yield from _around_key(writer, Target(table.name, key.columns))
    is_foreign = table is not None and any(foreign.name == ref.part for foreign in table.foreign_keys)
    rank = Rank.DROP_FOREIGN_KEY if is_foreign else Rank.DROP_CONSTRAINT
    yield Statement(rank, _alter(ref.owner, f"drop constraint {quote(ref.part)}"))


def _around_key(writer: Writer, target: Target) -> Iterator[Statement]:
    """Lets the foreign keys go that need a key, and come back once it has; they fail where it does not come back."""
    for foreign in writer.schema.referencing.get(target.table, ()):
        if set(foreign.target.columns) == set(target.columns):
            yield from _remake_foreign_key(writer, foreign)


def _remake_foreign_key(writer: Writer, key: ForeignKey) -> Iterator[Statement]:
    if key.ref not in writer.remade:
        yield from _replace_foreign_key(writer, key, key)


# Columns


def _add_column(_: Writer, change: changes.AddColumn) -> Iterator[Statement]:
    yield from _sequences(change.table, change.column)
    yield Statement(Rank.COLUMN, _alter(change.table, f"add column {clauses.column(change.column)}"))


def _drop_column(_: Writer, change: changes.DropColumn) -> Iterator[Statement]:
    yield Statement(Rank.DROP_COLUMN, _alter(change.column.owner, f"drop column {quote(change.column.part)}"))


def _alter_column(ref: Ref, action: str, rank: Rank = Rank.ALTER_COLUMN) -> Statement:
    return Statement(rank, _alter(ref.owner, f"alter column {quote(ref.part)} {action}"))


def _alter_type(writer: Writer, change: changes.AlterColumnType) -> Iterator[Statement]:
    """The type, with everything taken away meanwhile that Postgres keeps a column's type for."""
    ref = change.column
    table, column = _column(writer, ref)
    yield from _around_column(writer, table, column.name)
    kind = clauses.type_name(change.type)
    if column.default is not None:
        yield _alter_column(ref, "drop default", Rank.DROP_DEFAULT)
        if ref._replace(kind="default") not in writer.remade:
            yield _alter_column(ref, f"set default {clauses.expression(column.default)}", Rank.DEFAULT)
    through = "" if _has_cast(column.type, change.type) else "::text"
    using = "" if column.generated is not None else f" using {quote(ref.part)}{through}::{kind}"
    yield _alter_column(ref, f"type {kind}{using}")


_FAMILIES = (
    frozenset(("smallint", "integer", "bigint", "numeric", "real", "double precision")),
    frozenset(("date", "timestamp")),
    frozenset(("json", "jsonb")),
)


def _has_cast(former: str, wanted: str) -> bool:
    """Whether a value surely can be cast from one type to the other without being printed and read again."""
    if former.endswith("[]") and wanted.endswith("[]"):
        return _has_cast(former[:-2], wanted[:-2])
    if any(kind in ("text", "character varying") or kind.startswith("character") for kind in (former, wanted)):
        return True
    one, other = (kind.partition("(")[0].partition(" with")[0] for kind in (former, wanted))
    return any(one in family and other in family for family in _FAMILIES)


def _around_column(writer: Writer, table: Table, column: str) -> Iterator[Statement]:
    schema = writer.schema
    for view in schema.views.values():
        if _mentions(view.definition, table.name.name) and _mentions(view.definition, column, "*"):
            if view.ref not in writer.remade:
                raise UnwritableError(
                    f"The view {view.name} may read {table.name}.{quote(column)}, whose type cannot change while it "
                    "does."
                )
            yield _unmake_view(view)
    for policy in _policies_about(schema, table, column):
        if policy.ref not in writer.remade:
            yield from _remake_policy(policy)
    for trigger in table.triggers:
        is_about = column in trigger.update_columns or _mentions(trigger.when or "", column)
        if is_about and trigger.ref not in writer.remade:
            yield from _remake_trigger(writer, trigger)
    for key in (*table.foreign_keys, *schema.referencing.get(table.name, ())):
        if (key.table == table.name and column in key.columns) or (
            key.target.table == table.name and column in key.target.columns
        ):
            yield from _remake_foreign_key(writer, key)


def _policies_about(schema: Schema, table: Table, column: str) -> Iterator[Policy]:
    for other in schema.tables.values():
        for policy in other.policies:
            for text in (policy.using, policy.check):
                is_about = other is table or (text is not None and _mentions(text, table.name.name))
                if text is not None and is_about and _mentions(text, column, "*"):
                    yield policy
                    break


def _mentions(text: str, *names: str) -> bool:
    """Whether one of these names may be meant somewhere in an expression or query."""
    bare = {name for name in names if quote(name) == name or name == "*"}
    for kind, start, end in tokens(text, 0):
        word = text[start:end]
        if kind == "name" and word[1:-1].replace('""', '"') in names:
            return True
        if kind in ("word", "other") and word.lower() in bare:
            return True
    return False


def _set_not_null(_: Writer, change: changes.SetNotNull) -> Iterator[Statement]:
    yield _alter_column(change.column, f"{'set' if change.not_null else 'drop'} not null", Rank.DEFAULT)


def _set_default(_: Writer, change: changes.SetDefault) -> Iterator[Statement]:
    yield from _sequences(change.column.owner, Column(change.column.part, "bigint", default=change.default))
    yield _alter_column(change.column, f"set default {clauses.expression(change.default)}", Rank.DEFAULT)


def _drop_default(_: Writer, change: changes.DropDefault) -> Iterator[Statement]:
    yield _alter_column(change.column, "drop default", Rank.DROP_DEFAULT)


def _set_identity(writer: Writer, change: changes.SetIdentity) -> Iterator[Statement]:
    _, column = _column(writer, change.column)
    if not change.identity:
        yield _alter_column(change.column, "drop identity")
    elif column.identity:
        yield _alter_column(change.column, f"set generated {change.identity}")
    else:
        if not column.not_null:
            yield _alter_column(change.column, "set not null")
        yield _alter_column(change.column, f"add generated {change.identity} as identity", Rank.DEFAULT)


def _set_generated(writer: Writer, change: changes.SetGenerated) -> Iterator[Statement]:
    _, column = _column(writer, change.column)
    if change.expression is None:
        yield _alter_column(change.column, "drop expression")
    elif column.generated is None or writer.major < 17:
        raise UnwritableError(
            f"{change.column} has to be dropped and added anew to be computed as {change.expression}"
            f"{'' if column.generated is None else ', on a server before PostgreSQL 17'}."
        )
    else:
        yield _alter_column(change.column, f"set expression as {clauses.expression(change.expression)}")


def _sequences(table: QName, column: Column) -> Iterator[Statement]:
    """The sequence that a default takes its numbers from, with the column as its owner."""
    name = sequence_of(column.default)
    if name is None:
        return
    as_type = f" as {column.type}" if column.type in ("smallint", "integer") else ""
    yield Statement(Rank.SEQUENCE, f"create sequence if not exists {name}{as_type}")
    yield Statement(Rank.DEFAULT, f"alter sequence {name} owned by {table}.{quote(column.name)}")


def sequence_of(default: str | None) -> str | None:
    """The sequence, as SQL names it, that a default takes numbers from; None where it takes none."""
    value: Expr | None = read_expression(default) if default is not None else None
    if not isinstance(value, Call) or value.name != "nextval" or not value.args:
        return None
    argument = value.args[0]
    while isinstance(argument, Cast):
        argument = argument.arg
    if not isinstance(argument, Literal) or argument.value is None:
        return None
    found = list(tokens(argument.value, 0))
    if not all(kind in ("word", "name") or argument.value[start:end] == "." for kind, start, end in found):
        raise UnwritableError(f"{argument.value!r} names no sequence.")
    return argument.value


# Constraints and indexes


def _add_key(writer: Writer, change: changes.AddKey) -> Iterator[Statement]:
    key, table = change.key, writer.schema.table(change.key.table)
    backing = next((one for one in table.indexes if one.name == key.name), None) if table is not None else None
    distinct = key.nulls_not_distinct or (backing is not None and backing.nulls_not_distinct)
    yield Statement(Rank.CONSTRAINT, _alter(key.table, f"add {clauses.key(key, distinct)}"))


def _add_check(_: Writer, change: changes.AddCheck) -> Iterator[Statement]:
    yield from _check(change.check)


def _check(check: Check) -> Iterator[Statement]:
    yield Statement(Rank.CONSTRAINT, _alter(check.table, f"add {clauses.check(check)}"))


def _validate_check(_: Writer, change: changes.ValidateCheck) -> Iterator[Statement]:
    yield Statement(Rank.VALIDATE, _alter(change.check.owner, f"validate constraint {quote(change.check.part)}"))


def _add_exclusion(_: Writer, change: changes.AddExclusion) -> Iterator[Statement]:
    constraint = change.exclusion
    if not constraint.definition.upper().startswith("EXCLUDE "):
        raise UnwritableError(f"What {constraint.ref} excludes is not known here.")
    text = _alter(constraint.table, f"add constraint {quote(constraint.name)} {constraint.definition}")
    yield Statement(Rank.CONSTRAINT, clauses.statement(text, "AlterTableStmt"))


def _create_index(_: Writer, change: changes.CreateIndex) -> Iterator[Statement]:
    yield Statement(Rank.INDEX, f"create index on {change.table} ({clauses.names(change.columns)})")


def _add_index(_: Writer, change: changes.AddIndex) -> Iterator[Statement]:
    yield _index(change.index, change.text)


def _index(index: Index, text: str | None = None) -> Statement:
    return Statement(Rank.INDEX, clauses.statement(text, "IndexStmt") if text else clauses.index(index))


def _drop_index(_: Writer, change: changes.DropIndex) -> Iterator[Statement]:
    yield Statement(Rank.DROP_INDEX, f"drop index {QName(change.index.table.schema, change.index.name)}")


def _rebuild_index(_: Writer, change: changes.RebuildIndex) -> Iterator[Statement]:
    yield Statement(Rank.INDEX, f"reindex index {change.index}")


# Tables


def _create_table(writer: Writer, change: changes.CreateTable) -> Iterator[Statement]:
    table = change.table
    if table.kind != "table" or table.partition_of is not None:
        raise UnwritableError(f"How {table.name} is partitioned or connected is not known here.")
    columns = ", ".join([clauses.column(column, with_default=False) for column in table.columns])
    inherits = f" inherits ({', '.join(map(str, table.inherits))})" if table.inherits else ""
    yield Statement(Rank.TABLE, f"create table {table.name} ({columns}){inherits}")
    for column in table.columns:
        if column.default is not None and column.generated is None:
            yield from _sequences(table.name, column)
            ref = Ref("column", *table.name, column.name)
            yield _alter_column(ref, f"set default {clauses.expression(column.default)}", Rank.DEFAULT)
    yield from _parts(writer, table)
    yield from _owner_and_rights(writer, table.ref, "table", table.owner, table.grants)


def _parts(writer: Writer, table: Table) -> Iterator[Statement]:
    distinct = {index.name for index in table.indexes if index.nulls_not_distinct}
    for key in table.keys:
        yield Statement(Rank.CONSTRAINT, _alter(table.name, f"add {clauses.key(key, key.name in distinct)}"))
    for check in table.checks:
        yield from _check(check)
    for exclusion in table.exclusions:
        yield from _add_exclusion(writer, changes.AddExclusion(exclusion))
    own = {key.name for key in table.keys} | {exclusion.name for exclusion in table.exclusions}
    for index in table.indexes:
        if index.name not in own:
            yield _index(index)
    for foreign in table.foreign_keys:
        yield from _add_foreign_key(writer, foreign, is_new_table=True)
    for trigger in table.triggers:
        yield from _make_trigger(trigger)
    for policy in table.policies:
        yield Statement(Rank.POLICY, clauses.policy(policy))
    if table.row_security or table.force_row_security:
        yield from _row_security(table.name, table.row_security, table.force_row_security)


def _drop_table(writer: Writer, change: changes.DropTable) -> Iterator[Statement]:
    table = change.table
    for key in writer.schema.referencing.get(table.name, ()):
        if key.table != table.name:
            yield _drop_foreign_key(key)
    for view in writer.schema.views.values():
        if view.ref in writer.remade and _mentions(view.definition, table.name.name):
            yield _unmake_view(view)
    kind = "foreign table" if table.kind == "foreign" else "table"
    yield Statement(Rank.DROP_TABLE, f"drop {kind} {table.name}")


def _set_row_security(_: Writer, change: changes.SetRowSecurity) -> Iterator[Statement]:
    yield from _row_security(change.table, change.enabled, change.forced)


def _row_security(table: QName, enabled: bool, forced: bool) -> Iterator[Statement]:
    yield Statement(Rank.ROW_SECURITY, _alter(table, f"{'enable' if enabled else 'disable'} row level security"))
    yield Statement(Rank.ROW_SECURITY, _alter(table, f"{'force' if forced else 'no force'} row level security"))


# Triggers


def _make_trigger(trigger: Trigger, text: str | None = None) -> Iterator[Statement]:
    created = clauses.statement(text, "CreateTrigStmt") if text else clauses.trigger(trigger)
    yield Statement(Rank.TRIGGER, created)
    if trigger.enabled != "origin":
        yield _state(trigger.ref, trigger.enabled)


def _state(ref: Ref, enabled: str) -> Statement:
    action = {"origin": "enable", "disabled": "disable", "replica": "enable replica", "always": "enable always"}[
        enabled
    ]
    return Statement(Rank.TRIGGER_STATE, _alter(ref.owner, f"{action} trigger {quote(ref.part)}"))


def _unmake_trigger(trigger: Trigger) -> Statement:
    return Statement(Rank.DROP_TRIGGER, f"drop trigger {quote(trigger.name)} on {trigger.table}")


def _remake_trigger(writer: Writer, trigger: Trigger, text: str | None = None) -> Iterator[Statement]:
    """Drops it and makes it: a host that owns the table allows both to others, where it does not let them alter it."""
    table = writer.schema.table(trigger.table)
    if table is None or any(known.name == trigger.name for known in table.triggers):
        yield _unmake_trigger(trigger)
    made = _make_trigger(trigger, text)
    if trigger.ref in writer.restated:
        made = (statement for statement in made if statement.rank is not Rank.TRIGGER_STATE)
    yield from made


def _create_trigger(_: Writer, change: changes.CreateTrigger) -> Iterator[Statement]:
    return _make_trigger(change.trigger, change.text)


def _drop_trigger(_: Writer, change: changes.DropTrigger) -> Iterator[Statement]:
    yield _unmake_trigger(change.trigger)


def _replace_trigger(writer: Writer, change: changes.ReplaceTrigger) -> Iterator[Statement]:
    return _remake_trigger(writer, change.trigger, change.text)


def _enable_trigger(writer: Writer, change: changes.EnableTrigger) -> Iterator[Statement]:
    return _set_trigger_state(writer, changes.SetTriggerState(change.trigger, "origin"))


def _set_trigger_state(writer: Writer, change: changes.SetTriggerState) -> Iterator[Statement]:
    ref = change.trigger
    if change.enabled == "origin" and writer.schema.is_managed(ref.schema):
        yield from _remake_trigger(writer, replace(_trigger(writer, ref), enabled="origin"))
    else:
        yield _state(ref, change.enabled)


def _create_sync_trigger(_: Writer, change: changes.CreateSyncTrigger) -> Iterator[Statement]:
    raise UnwritableError(
        f"What {change.mirror.table} gets from {change.source.table} has to be decided: `referee fix`."
    )


# Functions


def _create_function(writer: Writer, change: changes.CreateFunction) -> Iterator[Statement]:
    function = change.function
    yield from _define(function, change.text)
    yield from _owner_and_rights(writer, function.ref, "function", function.owner, function.grants)


def _define(function: Function, text: str | None) -> Iterator[Statement]:
    """A body that stands in a file may since have got other attributes by ALTER FUNCTION."""
    if text is None:
        yield Statement(Rank.FUNCTION, clauses.statement(clauses.function(function), "CreateFunctionStmt"))
        return
    yield Statement(Rank.FUNCTION, clauses.statement(clauses.or_replace(text), "CreateFunctionStmt"))
    yield _attributes(function)


def _attributes(function: Function) -> Statement:
    name = clauses.routine(function.name)
    return Statement(Rank.FUNCTION, f"alter {function.kind} {name} {clauses.attributes(function)}")


def _drop_function(_: Writer, change: changes.DropFunction) -> Iterator[Statement]:
    # Last of what may go, since tables, policies and defaults that used it are changed first.
    yield Statement(Rank.DROP_TYPE, f"drop {change.function.kind} {clauses.routine(change.function.name)}")


def _replace_function(writer: Writer, change: changes.ReplaceFunction) -> Iterator[Statement]:
    function = change.function
    former = writer.schema.functions.get(function.name)
    if former is not None and _must_go_first(former, function):
        yield from _around_function(writer, former)
        yield Statement(Rank.DROP_FUNCTION, f"drop {former.kind} {clauses.routine(former.name)}")
        yield from _create_function(writer, changes.CreateFunction(replace(function, owner=former.owner), change.text))
    else:
        yield from _define(function, change.text)


def _must_go_first(former: Function, function: Function) -> bool:
    """Whether CREATE OR REPLACE cannot turn one into the other."""
    return (former.returns, former.kind, former.argument_names) != (
        function.returns,
        function.kind,
        function.argument_names,
    )


def _around_function(writer: Writer, function: Function) -> Iterator[Statement]:
    for trigger in writer.schema.triggers_by_function.get(function.name.qualified, ()):
        if trigger.ref not in writer.remade:
            yield from _remake_trigger(writer, trigger)
    for table in writer.schema.tables.values():
        for policy in table.policies:
            if policy.ref in writer.remade:
                continue
            if any(_mentions(text, function.name.name) for text in (policy.using, policy.check) if text is not None):
                yield from _remake_policy(policy)


def _alter_function(_: Writer, change: changes.AlterFunction) -> Iterator[Statement]:
    yield _attributes(change.function)


def _repair_sync_function(_: Writer, change: changes.RepairSyncFunction) -> Iterator[Statement]:
    raise UnwritableError(f"The body of {change.function} has to be rewritten: `referee fix`.")


# Policies


def _own_row_policy(_: Writer, change: changes.CreatePolicy) -> Iterator[Statement]:
    test = f"((select auth.uid()) = {quote(change.column)})"
    policy = Policy(
        change.table,
        clip(f"own_row_{change.command}"),
        change.command.lower(),  # type: ignore[arg-type]
        roles=(change.role,),
        using=None if change.command.lower() == "insert" else test,
        check=test if change.command.lower() in ("insert", "update", "all") else None,
    )
    yield Statement(Rank.POLICY, clauses.policy(policy))


def _add_policy(_: Writer, change: changes.AddPolicy) -> Iterator[Statement]:
    yield Statement(Rank.POLICY, clauses.policy(change.policy))


def _drop_policy(_: Writer, change: changes.DropPolicy) -> Iterator[Statement]:
    yield _unmake_policy(change.policy)


def _unmake_policy(policy: Policy) -> Statement:
    return Statement(Rank.DROP_POLICY, f"drop policy {quote(policy.name)} on {policy.table}")


def _remake_policy(policy: Policy) -> Iterator[Statement]:
    yield _unmake_policy(policy)
    yield Statement(Rank.POLICY, clauses.policy(policy))


def _replace_policy(_: Writer, change: changes.ReplacePolicy) -> Iterator[Statement]:
    return _remake_policy(change.policy)


# Views


def _create_view(writer: Writer, change: changes.CreateView) -> Iterator[Statement]:
    yield Statement(Rank.VIEW, _view(change.view, replaces=False))
    yield from _owner(writer, change.view.ref, change.view.owner)


def _replace_view(_: Writer, change: changes.ReplaceView) -> Iterator[Statement]:
    """In place, which keeps its grants; a materialised view has to go first."""
    if change.view.materialized:
        yield _unmake_view(change.view)
    yield Statement(Rank.VIEW, _view(change.view, replaces=not change.view.materialized))


def _view(view: View, replaces: bool) -> str:
    if view.materialized:
        return f"create materialized view {view.name} as {clauses.query(view.definition)}"
    invoker = f"with (security_invoker = {'on' if view.security_invoker else 'off'}) "
    options = invoker if view.security_invoker or replaces else ""
    return f"create {'or replace ' * replaces}view {view.name} {options}as {clauses.query(view.definition)}"


def _drop_view(_: Writer, change: changes.DropView) -> Iterator[Statement]:
    yield _unmake_view(change.view)


def _unmake_view(view: View) -> Statement:
    return Statement(Rank.DROP_VIEW, f"drop {'materialized ' * view.materialized}view {view.name}")


# Types


def _create_type(_: Writer, change: changes.CreateType) -> Iterator[Statement]:
    found = change.type
    if isinstance(found, Enum):
        labels = ", ".join([clauses.string(label) for label in found.labels])
        yield Statement(Rank.TYPE, f"create type {found.name} as enum ({labels})")
    elif isinstance(found, Composite):
        columns = ", ".join([f"{quote(one.name)} {clauses.type_name(one.type)}" for one in found.columns])
        yield Statement(Rank.TYPE, f"create type {found.name} as ({columns})")
    else:
        words = [f"create domain {found.name} as {clauses.type_name(found.base)}"]
        words += [f"default {clauses.expression(found.default)}"] if found.default is not None else []
        words += ["not null"] * found.not_null
        words += [f"check {clauses.expression(one)}" for one in found.checks]
        yield Statement(Rank.TYPE, " ".join(words))


def _drop_type(_: Writer, change: changes.DropType) -> Iterator[Statement]:
    kind = "domain" if isinstance(change.type, Domain) else "type"
    yield Statement(Rank.DROP_TYPE, f"drop {kind} {change.type.name}")


def _change_type(_: Writer, change: changes.AlterType) -> Iterator[Statement]:
    former, wanted = change.type, change.to
    if isinstance(former, Enum) and isinstance(wanted, Enum):
        return _add_labels(former, wanted)
    if isinstance(former, Domain) and isinstance(wanted, Domain):
        return _change_domain(former, wanted)
    if isinstance(former, Composite) and isinstance(wanted, Composite):
        return _change_composite(former, wanted)
    raise UnwritableError(f"{wanted.name} is a type of another kind on each side.")


def _add_labels(former: Enum, wanted: Enum) -> Iterator[Statement]:
    if [label for label in wanted.labels if label in former.labels] != list(former.labels):
        lost = [label for label in former.labels if label not in wanted.labels]
        what = (
            f"A label of an enumerated type cannot be dropped ({', '.join(lost)})" if lost else "Labels cannot be moved"
        )
        raise UnwritableError(f"{what}: {wanted.name} has to be made anew, and the columns of that type with it.")
    for at, label in enumerate(wanted.labels):
        if label not in former.labels:
            place = (
                f"after {clauses.string(wanted.labels[at - 1])}" if at else f"before {clauses.string(former.labels[0])}"
            )
            yield Statement(Rank.TYPE, f"alter type {wanted.name} add value {clauses.string(label)} {place}")


def _change_domain(former: Domain, wanted: Domain) -> Iterator[Statement]:
    if former.base != wanted.base:
        raise UnwritableError(f"A domain keeps its base type: {wanted.name} has to be made anew.")
    lost = set(former.checks) - set(wanted.checks)
    if lost:
        raise UnwritableError(f"The name of the check {min(lost)} of {wanted.name} is not known here.")
    if former.default != wanted.default:
        default = "drop default" if wanted.default is None else f"set default {clauses.expression(wanted.default)}"
        yield Statement(Rank.TYPE, f"alter domain {wanted.name} {default}")
    if former.not_null != wanted.not_null:
        action = "set" if wanted.not_null else "drop"
        yield Statement(Rank.TYPE, f"alter domain {wanted.name} {action} not null")
    for check in wanted.checks:
        if check not in former.checks:
            yield Statement(Rank.TYPE, f"alter domain {wanted.name} add check {clauses.expression(check)}")


def _change_composite(former: Composite, wanted: Composite) -> Iterator[Statement]:
    before = {column.name: column.type for column in former.columns}
    after = {column.name: column.type for column in wanted.columns}
    for name in before.keys() - after.keys():
        yield Statement(Rank.TYPE, f"alter type {wanted.name} drop attribute {quote(name)}")
    for name, kind in after.items():
        action = "add attribute" if name not in before else "alter attribute" if before[name] != kind else ""
        if action:
            word = " type" if name in before else ""
            text = f"alter type {wanted.name} {action} {quote(name)}{word} {clauses.type_name(kind)}"
            yield Statement(Rank.TYPE, text)


# Schemas and extensions


def _create_schema(writer: Writer, change: changes.CreateSchema) -> Iterator[Statement]:
    space = change.namespace
    yield Statement(Rank.SCHEMA, f"create schema {quote(space.name)}")
    yield from _owner_and_rights(writer, Ref("schema", "", space.name), "schema", space.owner, space.grants)


def _drop_schema(_: Writer, change: changes.DropSchema) -> Iterator[Statement]:
    yield Statement(Rank.DROP_SCHEMA, f"drop schema {quote(change.name)}")


def _create_extension(_: Writer, change: changes.CreateExtension) -> Iterator[Statement]:
    text = f"create extension if not exists {quote(change.name)} with schema {quote(change.schema)}"
    yield Statement(Rank.EXTENSION, text)


def _move_extension(_: Writer, change: changes.MoveExtension) -> Iterator[Statement]:
    text = f"alter extension {quote(change.name)} set schema {quote(change.schema)}"
    yield Statement(Rank.EXTENSION, text)


def _drop_extension(_: Writer, change: changes.DropExtension) -> Iterator[Statement]:
    yield Statement(Rank.DROP_EXTENSION, f"drop extension {quote(change.name)}")


# Roles


def _create_role(_: Writer, change: changes.CreateRole) -> Iterator[Statement]:
    role = change.role
    options = " ".join(["nologin", *_role_options(Role(role.name), role)])
    yield Statement(Rank.ROLE, f"create role {quote(role.name)} with {options}")
    yield from _memberships(frozenset(), role)
    if role.search_path is not None:
        yield _role_path(role)


def _role_options(former: Role, role: Role) -> list[str]:
    """The attributes that differ; only a superuser may name those of superusers, even to leave them as they are."""
    pairs = (
        ("superuser", former.superuser, role.superuser),
        ("bypassrls", former.bypass_row_security, role.bypass_row_security),
        ("inherit", former.inherit, role.inherit),
    )
    return [word if wanted else f"no{word}" for word, held, wanted in pairs if held != wanted]


def _memberships(former: frozenset[str], role: Role) -> Iterator[Statement]:
    for group in sorted(former - role.member_of):
        yield Statement(Rank.ROLE, f"revoke {quote(group)} from {quote(role.name)}")
    for group in sorted(role.member_of - former):
        yield Statement(Rank.ROLE, f"grant {quote(group)} to {quote(role.name)}")


def _role_path(role: Role) -> Statement:
    if role.search_path is None:
        return Statement(Rank.ROLE, f"alter role {quote(role.name)} reset search_path")
    path = ", ".join([clauses.string(name) for name in role.search_path]) or "''"
    return Statement(Rank.ROLE, f"alter role {quote(role.name)} set search_path to {path}")


def _alter_role(_: Writer, change: changes.AlterRole) -> Iterator[Statement]:
    former, role = change.role, change.to
    if options := _role_options(former, role):
        yield Statement(Rank.ROLE, f"alter role {quote(role.name)} with {' '.join(options)}")
    yield from _memberships(former.member_of, role)
    if former.search_path != role.search_path:
        yield _role_path(role)


def _drop_role(_: Writer, change: changes.DropRole) -> Iterator[Statement]:
    yield Statement(Rank.DROP_ROLE, f"drop role {quote(change.role.name)}")


# Owners and rights


def _set_owner(_: Writer, change: changes.SetOwner) -> Iterator[Statement]:
    kind = {"function": "routine", "table": "table", "schema": "schema", "view": "table"}[change.object.kind]
    yield Statement(Rank.OWNER, f"alter {kind} {change.object} owner to {quote(change.owner)}")


def _owner(writer: Writer, ref: Ref, owner: str) -> Iterator[Statement]:
    if owner and owner != writer.role:
        yield from _set_owner(writer, changes.SetOwner(ref, owner))


def _owner_and_rights(writer: Writer, ref: Ref, kind: str, owner: str, wanted: Sequence[Grant]) -> Iterator[Statement]:
    """What brings a new object from the rights that it is born with to those that it should give."""
    yield from _owner(writer, ref, owner)
    found = born_with(writer.schema, writer.role, ref, kind)
    yield from _rights(ref, found, [grant for grant in wanted if grant.grantee != writer.role or owner != writer.role])


def born_with(schema: Schema, creator: str, ref: Ref, kind: str) -> tuple[Grant, ...]:
    """The rights that an object gives to others when ``creator`` has just made it."""
    built_in = (Grant("public", frozenset({"EXECUTE"})),) if kind == "function" else ()
    entry: Any = (creator, "", kind)
    rights = {grant.grantee: grant.privileges for grant in schema.default_grants.get(DefaultOf(*entry), built_in)}
    entry = (creator, ref.schema, kind)
    for grant in schema.default_grants.get(DefaultOf(*entry), ()) if ref.schema else ():
        rights[grant.grantee] = rights.get(grant.grantee, frozenset()) | grant.privileges
    return tuple([Grant(grantee, rights[grantee]) for grantee in sorted(rights) if rights[grantee]])


def _rights(ref: Ref, former: Iterable[Grant], wanted: Iterable[Grant]) -> Iterator[Statement]:
    before = {(grant.grantee, grant.columns): grant.privileges for grant in former}
    after = {(grant.grantee, grant.columns): grant.privileges for grant in wanted}
    for (grantee, columns), privileges in before.items():
        if lost := privileges - after.get((grantee, columns), frozenset()):
            yield _revoke(ref, Grant(grantee, lost, columns))
    for (grantee, columns), privileges in after.items():
        if new := privileges - before.get((grantee, columns), frozenset()):
            yield _grant(ref, Grant(grantee, new, columns))


def _grant(ref: Ref, grant: Grant) -> Statement:
    text = f"grant {clauses.rights(grant)} on {clauses.on(ref)} to {quote(grant.grantee)}"
    return Statement(Rank.RIGHTS, text)


def _revoke(ref: Ref, grant: Grant) -> Statement:
    text = f"revoke {clauses.rights(grant)} on {clauses.on(ref)} from {quote(grant.grantee)}"
    return Statement(Rank.RIGHTS, text)


def _grant_rights(_: Writer, change: changes.GrantRights) -> Iterator[Statement]:
    yield _grant(change.object, change.grant)


def _revoke_rights(_: Writer, change: changes.RevokeRights) -> Iterator[Statement]:
    yield _revoke(change.object, change.grant)


def _set_default_rights(_: Writer, change: changes.SetDefaultRights) -> Iterator[Statement]:
    entry = change.of
    where = f" in schema {quote(entry.schema)}" if entry.schema else ""
    head = f"alter default privileges for role {quote(entry.creator)}{where}"
    before = {grant.grantee: grant.privileges for grant in change.instead_of}
    after = {grant.grantee: grant.privileges for grant in change.grants}
    for grantee in sorted(before.keys() | after.keys()):
        lost = before.get(grantee, frozenset()) - after.get(grantee, frozenset())
        new = after.get(grantee, frozenset()) - before.get(grantee, frozenset())
        if lost:
            words = f"revoke {clauses.rights(Grant(grantee, lost))} on {entry.kind}s from {quote(grantee)}"
            yield Statement(Rank.RIGHTS, f"{head} {words}")
        if new:
            words = f"grant {clauses.rights(Grant(grantee, new))} on {entry.kind}s to {quote(grantee)}"
            yield Statement(Rank.RIGHTS, f"{head} {words}")


# The history of migrations

_HISTORY = "supabase_migrations.schema_migrations"


def _record_migration(_: Writer, change: changes.RecordMigration) -> Iterator[Statement]:
    texts = ", ".join([clauses.string(text) for text in change.statements])
    values = f"{clauses.string(change.version)}, {clauses.string(change.name)}, array[{texts}]::text[]"
    text = f"insert into {_HISTORY} (version, name, statements) values ({values}) on conflict (version) do nothing"
    yield Statement(Rank.HISTORY, text)


def _forget_migration(_: Writer, change: changes.ForgetMigration) -> Iterator[Statement]:
    yield Statement(Rank.HISTORY, f"delete from {_HISTORY} where version = {clauses.string(change.version)}")


_WRITERS: dict[type, Callable[[Writer, Any], Iterator[Statement]]] = {
    changes.RetargetForeignKey: _retarget,
    changes.CreateSyncTrigger: _create_sync_trigger,
    changes.RepairSyncFunction: _repair_sync_function,
    changes.EnableTrigger: _enable_trigger,
    changes.AddIdentityKey: _add_identity_key,
    changes.DropDefault: _drop_default,
    changes.CreatePolicy: _own_row_policy,
    changes.SetOnDelete: _set_on_delete,
    changes.CreateIndex: _create_index,
    changes.ValidateForeignKey: _validate,
    changes.AddForeignKey: _add_plain_key,
    changes.DropConstraint: _drop_constraint,
    changes.AlterColumnType: _alter_type,
    changes.CreateForeignKey: _create_foreign_key,
    changes.ReplaceForeignKey: _swap_foreign_key,
    changes.EnforceForeignKey: _enforce,
    changes.CreateTable: _create_table,
    changes.DropTable: _drop_table,
    changes.AddColumn: _add_column,
    changes.DropColumn: _drop_column,
    changes.SetNotNull: _set_not_null,
    changes.SetDefault: _set_default,
    changes.SetIdentity: _set_identity,
    changes.SetGenerated: _set_generated,
    changes.AddKey: _add_key,
    changes.AddCheck: _add_check,
    changes.ValidateCheck: _validate_check,
    changes.AddExclusion: _add_exclusion,
    changes.AddIndex: _add_index,
    changes.DropIndex: _drop_index,
    changes.RebuildIndex: _rebuild_index,
    changes.SetRowSecurity: _set_row_security,
    changes.CreateTrigger: _create_trigger,
    changes.DropTrigger: _drop_trigger,
    changes.ReplaceTrigger: _replace_trigger,
    changes.SetTriggerState: _set_trigger_state,
    changes.CreateFunction: _create_function,
    changes.DropFunction: _drop_function,
    changes.ReplaceFunction: _replace_function,
    changes.AlterFunction: _alter_function,
    changes.AddPolicy: _add_policy,
    changes.DropPolicy: _drop_policy,
    changes.ReplacePolicy: _replace_policy,
    changes.CreateView: _create_view,
    changes.ReplaceView: _replace_view,
    changes.DropView: _drop_view,
    changes.CreateType: _create_type,
    changes.AlterType: _change_type,
    changes.DropType: _drop_type,
    changes.CreateSchema: _create_schema,
    changes.DropSchema: _drop_schema,
    changes.CreateExtension: _create_extension,
    changes.MoveExtension: _move_extension,
    changes.DropExtension: _drop_extension,
    changes.CreateRole: _create_role,
    changes.AlterRole: _alter_role,
    changes.DropRole: _drop_role,
    changes.SetOwner: _set_owner,
    changes.GrantRights: _grant_rights,
    changes.RevokeRights: _revoke_rights,
    changes.SetDefaultRights: _set_default_rights,
    changes.RecordMigration: _record_migration,
    changes.ForgetMigration: _forget_migration,
}
