"""What a script's statements do to a schema, as small records: the contribution of a file, whatever came before it.

Names stand as written (folded, not resolved) and types too, because both depend on the search_path in force. All
offsets are characters of the file. The records are msgspec structs so that a cache can keep them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from referee.sql.tree import Body, Query


class Record(Struct, frozen=True, tag_field="record", tag=True, array_like=True, gc=False):
    """Base of all records."""


class Written(Struct, frozen=True, array_like=True, gc=False):
    """A name as written; ``start`` is its offset in the file, -1 where it has none."""

    schema: str | None
    name: str
    start: int = -1


class TypeWritten(Struct, frozen=True, array_like=True, gc=False):
    """A type as written: its name, its modifiers as text, whether it is an array. libpg_query has folded ``int`` to
    int4.
    """

    schema: str | None
    name: str
    modifiers: tuple[str, ...] = ()
    array: bool = False


class Constraint(Record, frozen=True):
    """A constraint of a table or column. ``start`` to ``end`` is what a finding about it points at; it begins at
    ``begin``.

    ``columns`` are those of a key, those that a check names, or for an exclusion what each element adds to a generated
    name.
    """

    kind: Literal["primary", "unique", "check", "foreign", "exclude", "not null"]
    start: int
    end: int
    name: str | None = None
    columns: tuple[str, ...] = ()
    target: Written | None = None
    target_columns: tuple[str, ...] = ()
    match: str = "s"
    on_delete: str = "a"
    on_update: str = "a"
    on_delete_columns: tuple[str, ...] = ()
    deferrable: bool = False
    deferred: bool = False
    not_valid: bool = False
    enforced: bool = True
    index: str | None = None
    expression: str = ""
    nulls_not_distinct: bool = False
    begin: int = -1
    include: tuple[str, ...] = ()
    overlaps: bool = False
    """WITHOUT OVERLAPS in a key, PERIOD in a foreign key."""
    inherit: bool = True


class ColumnSpec(Record, frozen=True):
    """A column definition. ``constraints`` are its keys and checks, with the column filled in."""

    name: str
    type: TypeWritten
    start: int
    end: int
    not_null: bool = False
    default: str | None = None
    generated: str | None = None
    identity: Literal["", "always", "by default"] = ""
    constraints: tuple[Constraint, ...] = ()


class Like(Record, frozen=True):
    """LIKE table INCLUDING ...; ``options`` are libpg_query's bits (1 comments, 4 constraints, 8 defaults, ...)."""

    table: Written
    options: int
    position: int


class CreateTable(Record, frozen=True):
    name: Written
    columns: tuple[ColumnSpec, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    likes: tuple[Like, ...] = ()
    inherits: tuple[Written, ...] = ()
    partition_of: Written | None = None
    if_not_exists: bool = False
    partitioned: bool = False
    temporary: bool = False
    foreign: bool = False
    unknown_columns: bool = False
    """CREATE TABLE AS: the columns are not in the text."""
    of_type: Written | None = None
    """CREATE TABLE OF: the columns are those of a type."""


class AlterAction(Record, frozen=True):
    """One action of ALTER TABLE; which fields matter depends on ``kind``."""

    kind: str
    name: str = ""
    column: ColumnSpec | None = None
    constraint: Constraint | None = None
    type: TypeWritten | None = None
    text: str | None = None
    cascade: bool = False
    missing_ok: bool = False
    other: Written | None = None


class AlterTable(Record, frozen=True):
    """ALTER TABLE, and ALTER TYPE of a composite type where ``composite`` is set. ``only``: not its descendants."""

    name: Written
    actions: tuple[AlterAction, ...]
    if_exists: bool = False
    only: bool = False
    composite: bool = False


class Drop(Record, frozen=True):
    """DROP of tables, views, indexes, types, routines, schemas, extensions, roles, triggers, policies, ...

    ``names`` are their names; for triggers and policies ``parts`` runs in step and ``names`` are their tables; for
    routines ``arguments`` runs in step (None where the text lists none).
    """

    kind: str
    names: tuple[Written, ...]
    parts: tuple[str, ...] = ()
    arguments: tuple[tuple[TypeWritten, ...] | None, ...] = ()
    cascade: bool = False
    missing_ok: bool = False


class Rename(Record, frozen=True):
    kind: str
    name: Written
    new: str
    part: str = ""
    missing_ok: bool = False
    arguments: tuple[TypeWritten, ...] | None = None
    only: bool = False


class SetSchema(Record, frozen=True):
    kind: str
    name: Written
    new: str
    missing_ok: bool = False
    arguments: tuple[TypeWritten, ...] | None = None


class SetOwner(Record, frozen=True):
    kind: str
    name: Written
    owner: str
    arguments: tuple[TypeWritten, ...] | None = None


class CreateIndex(Record, frozen=True):
    table: Written
    name: str | None
    columns: tuple[str | None, ...]
    labels: tuple[str, ...]
    """The name of each part inside the index, which a generated name is made of: a column, a function or "expr"."""
    unique: bool = False
    method: str = "btree"
    predicate: str | None = None
    include: tuple[str, ...] = ()
    if_not_exists: bool = False
    nulls_not_distinct: bool = False
    parts: str = ""
    """The text from the parenthesis in front of the first part, where one of them is an expression."""
    only: bool = False


class CreateFunction(Record, frozen=True):
    """CREATE FUNCTION or PROCEDURE. ``body_start`` is the offset of the body in the file; ``offsets`` where escapes
    make the two
    run out of step; -1 where the body is no text."""

    name: Written
    arguments: tuple[TypeWritten, ...]
    argument_names: tuple[str, ...]
    returns: TypeWritten | None
    returns_set: bool
    language: str
    body: str
    body_start: int
    body_end: int
    offsets: tuple[int, ...] | None = None
    kind: Literal["function", "procedure"] = "function"
    replace: bool = False
    security_definer: bool = False
    volatility: Literal["volatile", "stable", "immutable"] = "volatile"
    strict: bool = False
    settings: tuple[tuple[str, str | None], ...] = ()
    """A value of None stands for FROM CURRENT."""
    returns_table: bool = False
    defaults: tuple[str | None, ...] = ()
    """The default of each argument as text; empty where there are none."""
    outputs: tuple[str, ...] = ()
    """The names of the arguments that only come out."""
    leakproof: bool = False


RoutineKind = Literal["function", "procedure", "routine", "aggregate"]


class AlterFunction(Record, frozen=True):
    """ALTER FUNCTION, PROCEDURE or ROUTINE. A setting whose value is None is reset; "all" resets every one."""

    name: Written
    arguments: tuple[TypeWritten, ...] | None
    security_definer: bool | None = None
    volatility: Literal["volatile", "stable", "immutable"] | None = None
    strict: bool | None = None
    settings: tuple[tuple[str, str | None], ...] = ()
    from_current: tuple[str, ...] = ()
    """Settings that take the value they have in the session."""
    kind: RoutineKind = "function"


class CreateTrigger(Record, frozen=True):
    name: str
    table: Written
    function: Written
    timing: Literal["BEFORE", "AFTER", "INSTEAD OF"]
    events: tuple[str, ...]
    update_columns: tuple[str, ...] = ()
    row: bool = False
    when: str | None = None
    arguments: tuple[str, ...] = ()
    constraint: bool = False
    deferrable: bool = False
    deferred: bool = False
    replace: bool = False
    referenced: Written | None = None
    """The table behind FROM of a constraint trigger."""
    transition_tables: bool = False


class CreatePolicy(Record, frozen=True):
    """CREATE POLICY, and ALTER POLICY where ``alter`` is set (then None leaves a part as it is)."""

    name: str
    table: Written
    command: str = "all"
    permissive: bool = True
    roles: tuple[str, ...] | None = None
    using: str | None = None
    check: str | None = None
    alter: bool = False


class GrantRights(Record, frozen=True):
    """GRANT and REVOKE on objects. No privilege named means all. ``kind`` is "table", "schema", "function" or another.

    ``everywhere``: on all objects of the named schemas. ``option_only``: REVOKE GRANT OPTION FOR, which leaves the
    privilege.
    """

    grant: bool
    kind: str
    privileges: tuple[tuple[str, tuple[str, ...]], ...]
    names: tuple[Written, ...]
    grantees: tuple[str, ...]
    everywhere: bool = False
    arguments: tuple[tuple[TypeWritten, ...] | None, ...] = ()
    option_only: bool = False
    with_option: bool = False
    routine: Literal["function", "procedure", "routine"] = "routine"
    """What exactly was said where ``kind`` is "function"."""


class DefaultRights(Record, frozen=True):
    """ALTER DEFAULT PRIVILEGES."""

    grant: bool
    kind: str
    privileges: tuple[str, ...]
    grantees: tuple[str, ...]
    roles: tuple[str, ...]
    schemas: tuple[str, ...]


class CreateSchema(Record, frozen=True):
    name: str
    if_not_exists: bool
    owner: str | None
    elements: tuple[Statement, ...] = ()


class CreateExtension(Record, frozen=True):
    name: str
    if_not_exists: bool
    schema: str | None


class CreateEnum(Record, frozen=True):
    name: Written
    labels: tuple[str, ...]


class AddEnumLabel(Record, frozen=True):
    name: Written
    label: str
    neighbour: str | None
    after: bool
    if_not_exists: bool
    renames: bool = False


class CreateDomain(Record, frozen=True):
    name: Written
    base: TypeWritten
    not_null: bool
    default: str | None
    checks: tuple[tuple[str | None, str], ...]
    """Name and expression."""


class AlterDomain(Record, frozen=True):
    """ALTER DOMAIN. ``kind`` is "default", "not null", "add", "drop" or "validate"; a default of None is none."""

    name: Written
    kind: Literal["default", "set not null", "drop not null", "add", "drop", "validate"]
    constraint: str | None = None
    expression: str | None = None
    missing_ok: bool = False


class CreateComposite(Record, frozen=True):
    name: Written
    columns: tuple[ColumnSpec, ...]


class CreateOtherType(Record, frozen=True):
    """A range type with its multirange, or a base type."""

    names: tuple[Written, ...]
    generated: bool = False
    """Whether the multirange's name is to be made up."""


class CreateView(Record, frozen=True):
    """CREATE VIEW and CREATE MATERIALIZED VIEW."""

    name: Written
    definition: str
    replace: bool
    materialized: bool = False
    if_not_exists: bool = False
    security_invoker: bool = False
    temporary: bool = False


class CreateSequence(Record, frozen=True):
    """CREATE SEQUENCE; ALTER SEQUENCE ... OWNED BY where ``alter`` is set. ``owner`` is its table and column."""

    name: Written
    if_not_exists: bool
    owner: tuple[Written, str] | None = None
    alter: bool = False
    temporary: bool = False


class SetVariable(Record, frozen=True):
    """SET, RESET and set_config; ``value`` is None for RESET and DEFAULT, and "all" as a name is RESET ALL."""

    name: str
    value: str | None
    local: bool = False


class Transaction(Record, frozen=True):
    """BEGIN, COMMIT, ROLLBACK and what goes with savepoints."""

    kind: Literal["begin", "commit", "rollback", "savepoint", "release", "rollback to"]
    name: str = ""


class CreateRole(Record, frozen=True):
    """CREATE ROLE and ALTER ROLE; options as libpg_query names them (``bypassrls``, ``superuser``, ``inherit``)."""

    name: str
    options: tuple[tuple[str, bool], ...]
    member_of: tuple[str, ...] = ()
    alter: bool = False
    members: tuple[str, ...] = ()


class Reassign(Record, frozen=True):
    """REASSIGN OWNED; DROP OWNED where ``owner`` is None."""

    roles: tuple[str, ...]
    owner: str | None
    cascade: bool = False


class RoleSetting(Record, frozen=True):
    role: str
    name: str
    value: str | None


class GrantRole(Record, frozen=True):
    grant: bool
    roles: tuple[str, ...]
    members: tuple[str, ...]


class Do(Record, frozen=True):
    """A DO block. ``text`` is its body, which begins at ``start`` in the file; ``offsets`` as in CreateFunction.

    ``statements`` are the records of its DDL, by the index of the step in ``body``; what it builds at run time is read
    when it runs.
    """

    text: str
    start: int
    offsets: tuple[int, ...] | None
    body: Body
    statements: tuple[tuple[int, tuple[Statement, ...]], ...] = ()

    def place(self, offset: int) -> int:
        """The offset in the file of a character of the body."""
        if self.offsets is None:
            return self.start + offset
        return self.offsets[min(offset, len(self.offsets) - 1)] if self.offsets else self.start


class Calls(Record, frozen=True):
    """SELECT or CALL of functions that are not Postgres' own, and that may do anything."""

    names: tuple[Written, ...]


class MoveRows(Record, frozen=True):
    """INSERT ... SELECT, UPDATE and DELETE: they change no schema, but when they run can matter."""

    query: Query


class Unreadable(Record, frozen=True):
    """A part that cannot be read; ``kind`` is a model.origins.GapKind."""

    kind: str
    message: str
    start: int
    end: int


Action = (
    CreateTable
    | AlterTable
    | Drop
    | Rename
    | SetSchema
    | SetOwner
    | CreateIndex
    | CreateFunction
    | AlterFunction
    | CreateTrigger
    | CreatePolicy
    | GrantRights
    | DefaultRights
    | CreateSchema
    | CreateExtension
    | CreateEnum
    | AddEnumLabel
    | CreateDomain
    | AlterDomain
    | CreateComposite
    | CreateOtherType
    | CreateView
    | CreateSequence
    | SetVariable
    | Transaction
    | CreateRole
    | Reassign
    | RoleSetting
    | GrantRole
    | Do
    | Calls
    | MoveRows
    | Unreadable
)


class Statement(Struct, frozen=True, array_like=True, gc=False):
    """One statement that matters to a schema, and its range in the file."""

    start: int
    end: int
    action: Action


class Script(Struct, frozen=True, array_like=True, gc=False):
    """What one file contributes. ``count`` counts all its statements, also those that do not matter to a schema."""

    statements: tuple[Statement, ...]
    count: int
