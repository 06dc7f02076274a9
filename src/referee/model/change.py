"""One change to a schema, never its SQL: what removes a difference, and from ``model.remedy`` what cures a finding.

A change holds facts of ``model.schema``: what is to be made, or what is there and has to go. Where the facts do not
tell everything about an object (the defaults of a function's arguments, the expressions of an index), ``text`` is the
statement that made it; it is None where the facts are enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from referee.model.names import QName, Ref, Target, quote
from referee.model.remedy import (
    AddForeignKey,
    AddIdentityKey,
    AlterColumnType,
    CreateIndex,
    CreatePolicy,
    CreateSyncTrigger,
    Cure,
    DropConstraint,
    DropDefault,
    EnableTrigger,
    Remedy,
    RepairSyncFunction,
    RetargetForeignKey,
    Safety,
    SetOnDelete,
    ValidateForeignKey,
)
from referee.model.schema import (
    Check,
    Column,
    Composite,
    DefaultOf,
    Domain,
    Enabled,
    Enum,
    Exclusion,
    ForeignKey,
    Function,
    Grant,
    Index,
    Key,
    Namespace,
    Policy,
    Role,
    Table,
    Trigger,
    View,
)

# Foreign keys


@dataclass(frozen=True, slots=True)
class CreateForeignKey:
    """Add a foreign key with everything that it says."""

    kind: ClassVar[str] = "create-foreign-key"
    key: ForeignKey

    def describe(self) -> str:
        return f"add {self.key.ref}, a foreign key to {self.key.target} ON DELETE {self.key.on_delete}"


@dataclass(frozen=True, slots=True)
class ReplaceForeignKey:
    """Put one foreign key in the place of another of the same table."""

    kind: ClassVar[str] = "replace-foreign-key"
    key: ForeignKey
    by: ForeignKey

    def describe(self) -> str:
        return f"replace {self.key.ref} by a foreign key to {self.by.target} ON DELETE {self.by.on_delete}"


@dataclass(frozen=True, slots=True)
class EnforceForeignKey:
    """Let a foreign key be enforced, or not."""

    kind: ClassVar[str] = "enforce-foreign-key"
    key: ForeignKey
    enforced: bool = True

    def describe(self) -> str:
        return f"let {self.key.ref} be enforced" if self.enforced else f"enforce {self.key.ref} no longer"


# Tables and columns


@dataclass(frozen=True, slots=True)
class CreateTable:
    """Create a table with everything that hangs on it, foreign keys, triggers, policies and grants included."""

    kind: ClassVar[str] = "create-table"
    table: Table

    def describe(self) -> str:
        return f"create the table {self.table.name}"


@dataclass(frozen=True, slots=True)
class DropTable:
    """Drop a table and its rows."""

    kind: ClassVar[str] = "drop-table"
    table: Table

    def describe(self) -> str:
        return f"drop the table {self.table.name} and its rows"


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add a column."""

    kind: ClassVar[str] = "add-column"
    table: QName
    column: Column

    def describe(self) -> str:
        return f"add the column {self.table}.{quote(self.column.name)} {self.column.type}"


@dataclass(frozen=True, slots=True)
class DropColumn:
    """Drop a column and what is stored in it."""

    kind: ClassVar[str] = "drop-column"
    column: Ref

    def describe(self) -> str:
        return f"drop the column {self.column} and what is stored in it"


@dataclass(frozen=True, slots=True)
class SetNotNull:
    """Let a column refuse NULL, or take it."""

    kind: ClassVar[str] = "set-not-null"
    column: Ref
    not_null: bool = True

    def describe(self) -> str:
        return f"let {self.column} {'refuse' if self.not_null else 'take'} NULL"


@dataclass(frozen=True, slots=True)
class SetDefault:
    """Give a column a default."""

    kind: ClassVar[str] = "set-default"
    column: Ref
    default: str

    def describe(self) -> str:
        return f"let {self.column} default to {self.default}"


@dataclass(frozen=True, slots=True)
class SetIdentity:
    """Make a column an identity column of this kind; "" makes it an ordinary one."""

    kind: ClassVar[str] = "set-identity"
    column: Ref
    identity: Literal["", "always", "by default"]

    def describe(self) -> str:
        if not self.identity:
            return f"let {self.column} be no identity column"
        return f"let {self.column} be generated {self.identity} as identity"


@dataclass(frozen=True, slots=True)
class SetGenerated:
    """Compute a column from others in another way; None keeps its values and stops computing."""

    kind: ClassVar[str] = "set-generated"
    column: Ref
    expression: str | None

    def describe(self) -> str:
        return f"compute {self.column} as {self.expression}" if self.expression else f"stop computing {self.column}"


@dataclass(frozen=True, slots=True)
class AddKey:
    """Add a primary key or a unique constraint."""

    kind: ClassVar[str] = "add-key"
    key: Key

    def describe(self) -> str:
        return (
            f"let {Target(self.key.table, self.key.columns)} be {'the primary key' if self.key.primary else 'unique'}"
        )


@dataclass(frozen=True, slots=True)
class AddCheck:
    """Add a CHECK constraint."""

    kind: ClassVar[str] = "add-check"
    check: Check

    def describe(self) -> str:
        return f"add {self.check.ref}, which demands {self.check.expression}"


@dataclass(frozen=True, slots=True)
class ValidateCheck:
    """Check the rows that a NOT VALID check has not seen."""

    kind: ClassVar[str] = "validate-check"
    check: Ref

    def describe(self) -> str:
        return f"validate {self.check}"


@dataclass(frozen=True, slots=True)
class AddExclusion:
    """Add an EXCLUDE constraint."""

    kind: ClassVar[str] = "add-exclusion"
    exclusion: Exclusion

    def describe(self) -> str:
        return f"add {self.exclusion.ref}, {self.exclusion.definition}"


@dataclass(frozen=True, slots=True)
class AddIndex:
    """Create an index with everything that it says."""

    kind: ClassVar[str] = "add-index"
    index: Index
    text: str | None = None

    def describe(self) -> str:
        return f"create the index {self.index.ref} on {self.index.table}"


@dataclass(frozen=True, slots=True)
class DropIndex:
    """Drop an index."""

    kind: ClassVar[str] = "drop-index"
    index: Index

    def describe(self) -> str:
        return f"drop the index {self.index.ref}"


@dataclass(frozen=True, slots=True)
class RebuildIndex:
    """Build an index anew whose building failed."""

    kind: ClassVar[str] = "rebuild-index"
    index: Ref

    def describe(self) -> str:
        return f"rebuild the index {self.index}"


@dataclass(frozen=True, slots=True)
class SetRowSecurity:
    """Switch row security on or off, and whether it binds the table's owner."""

    kind: ClassVar[str] = "set-row-security"
    table: QName
    enabled: bool
    forced: bool = False

    def describe(self) -> str:
        return f"switch row security of {self.table} {'on' if self.enabled else 'off'}{' by force' * self.forced}"


# Triggers, functions, policies, views


@dataclass(frozen=True, slots=True)
class CreateTrigger:
    """Create a trigger."""

    kind: ClassVar[str] = "create-trigger"
    trigger: Trigger
    text: str | None = None

    def describe(self) -> str:
        return f"create the trigger {quote(self.trigger.name)} on {self.trigger.table}"


@dataclass(frozen=True, slots=True)
class DropTrigger:
    """Drop a trigger."""

    kind: ClassVar[str] = "drop-trigger"
    trigger: Trigger

    def describe(self) -> str:
        return f"drop the trigger {quote(self.trigger.name)} on {self.trigger.table}"


@dataclass(frozen=True, slots=True)
class ReplaceTrigger:
    """Make a trigger anew."""

    kind: ClassVar[str] = "replace-trigger"
    trigger: Trigger
    text: str | None = None

    def describe(self) -> str:
        return f"make the trigger {quote(self.trigger.name)} on {self.trigger.table} anew"


@dataclass(frozen=True, slots=True)
class SetTriggerState:
    """Say when a trigger fires: always, in ordinary sessions, in replicas, or never."""

    kind: ClassVar[str] = "set-trigger-state"
    trigger: Ref
    enabled: Enabled

    def describe(self) -> str:
        words = {"origin": "enable", "disabled": "disable", "replica": "let replicas fire", "always": "always fire"}
        return f"{words[self.enabled]} {self.trigger}"


@dataclass(frozen=True, slots=True)
class CreateFunction:
    """Create a function with its owner and grants."""

    kind: ClassVar[str] = "create-function"
    function: Function
    text: str | None = None

    def describe(self) -> str:
        return f"create the {self.function.kind} {self.function.name}"


@dataclass(frozen=True, slots=True)
class DropFunction:
    """Drop a function."""

    kind: ClassVar[str] = "drop-function"
    function: Function

    def describe(self) -> str:
        return f"drop the {self.function.kind} {self.function.name}"


@dataclass(frozen=True, slots=True)
class ReplaceFunction:
    """Give a function another body, result or attributes; its owner and grants stay."""

    kind: ClassVar[str] = "replace-function"
    function: Function
    text: str | None = None

    def describe(self) -> str:
        return f"replace the {self.function.kind} {self.function.name}"


@dataclass(frozen=True, slots=True)
class AlterFunction:
    """Give a function its security, volatility, strictness and settings; its body stays."""

    kind: ClassVar[str] = "alter-function"
    function: Function

    def describe(self) -> str:
        function = self.function
        words = [
            f"SECURITY {'DEFINER' if function.security_definer else 'INVOKER'}",
            function.volatility.upper(),
            *(f"{name} = {value}" for name, value in function.settings),
        ]
        return f"let {function.name} be {', '.join(words)}"


@dataclass(frozen=True, slots=True)
class AddPolicy:
    """Create a policy with everything that it says."""

    kind: ClassVar[str] = "add-policy"
    policy: Policy

    def describe(self) -> str:
        return f"create the policy {quote(self.policy.name)} on {self.policy.table}"


@dataclass(frozen=True, slots=True)
class DropPolicy:
    """Drop a policy."""

    kind: ClassVar[str] = "drop-policy"
    policy: Policy

    def describe(self) -> str:
        return f"drop the policy {quote(self.policy.name)} on {self.policy.table}"


@dataclass(frozen=True, slots=True)
class ReplacePolicy:
    """Make a policy anew."""

    kind: ClassVar[str] = "replace-policy"
    policy: Policy

    def describe(self) -> str:
        return f"make the policy {quote(self.policy.name)} on {self.policy.table} anew"


@dataclass(frozen=True, slots=True)
class CreateView:
    """Create a view."""

    kind: ClassVar[str] = "create-view"
    view: View

    def describe(self) -> str:
        return f"create the view {self.view.name}"


@dataclass(frozen=True, slots=True)
class ReplaceView:
    """Give a view another query or other rights."""

    kind: ClassVar[str] = "replace-view"
    view: View

    def describe(self) -> str:
        return f"replace the view {self.view.name}"


@dataclass(frozen=True, slots=True)
class DropView:
    """Drop a view."""

    kind: ClassVar[str] = "drop-view"
    view: View

    def describe(self) -> str:
        return f"drop the view {self.view.name}"


# Types, schemas, extensions, roles

NamedType = Enum | Domain | Composite


@dataclass(frozen=True, slots=True)
class CreateType:
    """Create an enumerated type, a domain or a composite type."""

    kind: ClassVar[str] = "create-type"
    type: NamedType

    def describe(self) -> str:
        return f"create the type {self.type.name}"


@dataclass(frozen=True, slots=True)
class AlterType:
    """Turn a type into another of its kind and name."""

    kind: ClassVar[str] = "alter-type"
    type: NamedType
    to: NamedType

    def describe(self) -> str:
        return f"alter the type {self.to.name}"


@dataclass(frozen=True, slots=True)
class DropType:
    """Drop a type."""

    kind: ClassVar[str] = "drop-type"
    type: NamedType

    def describe(self) -> str:
        return f"drop the type {self.type.name}"


@dataclass(frozen=True, slots=True)
class CreateSchema:
    """Create a schema with its owner and grants."""

    kind: ClassVar[str] = "create-schema"
    namespace: Namespace

    def describe(self) -> str:
        return f"create the schema {quote(self.namespace.name)}"


@dataclass(frozen=True, slots=True)
class DropSchema:
    """Drop a schema that holds nothing any more."""

    kind: ClassVar[str] = "drop-schema"
    name: str

    def describe(self) -> str:
        return f"drop the schema {quote(self.name)}"


@dataclass(frozen=True, slots=True)
class CreateExtension:
    """Install an extension into a schema."""

    kind: ClassVar[str] = "create-extension"
    name: str
    schema: str

    def describe(self) -> str:
        return f"install the extension {quote(self.name)} into {quote(self.schema)}"


@dataclass(frozen=True, slots=True)
class MoveExtension:
    """Move an extension into another schema."""

    kind: ClassVar[str] = "move-extension"
    name: str
    schema: str

    def describe(self) -> str:
        return f"move the extension {quote(self.name)} to {quote(self.schema)}"


@dataclass(frozen=True, slots=True)
class DropExtension:
    """Drop an extension."""

    kind: ClassVar[str] = "drop-extension"
    name: str

    def describe(self) -> str:
        return f"drop the extension {quote(self.name)}"


@dataclass(frozen=True, slots=True)
class CreateRole:
    """Create a role that cannot log in."""

    kind: ClassVar[str] = "create-role"
    role: Role

    def describe(self) -> str:
        return f"create the role {quote(self.role.name)}"


@dataclass(frozen=True, slots=True)
class AlterRole:
    """Turn a role into another of its name: its attributes, its memberships and its search_path."""

    kind: ClassVar[str] = "alter-role"
    role: Role
    to: Role

    def describe(self) -> str:
        return f"alter the role {quote(self.to.name)}"


@dataclass(frozen=True, slots=True)
class DropRole:
    """Drop a role."""

    kind: ClassVar[str] = "drop-role"
    role: Role

    def describe(self) -> str:
        return f"drop the role {quote(self.role.name)}"


# Owners and rights


@dataclass(frozen=True, slots=True)
class SetOwner:
    """Give a table, view, function or schema to a role."""

    kind: ClassVar[str] = "set-owner"
    object: Ref
    owner: str

    def describe(self) -> str:
        return f"let {quote(self.owner)} own {self.object}"


@dataclass(frozen=True, slots=True)
class GrantRights:
    """Grant privileges on a table, function or schema."""

    kind: ClassVar[str] = "grant-rights"
    object: Ref
    grant: Grant

    def describe(self) -> str:
        return f"grant {_privileges(self.grant)} on {self.object} to {quote(self.grant.grantee)}"


@dataclass(frozen=True, slots=True)
class RevokeRights:
    """Revoke privileges on a table, function or schema."""

    kind: ClassVar[str] = "revoke-rights"
    object: Ref
    grant: Grant

    def describe(self) -> str:
        return f"revoke {_privileges(self.grant)} on {self.object} from {quote(self.grant.grantee)}"


@dataclass(frozen=True, slots=True)
class SetDefaultRights:
    """Let new objects give these rights instead of those; both as ``Schema.default_grants`` holds them."""

    kind: ClassVar[str] = "set-default-rights"
    of: DefaultOf
    grants: tuple[Grant, ...]
    instead_of: tuple[Grant, ...]

    def describe(self) -> str:
        where = f" in {quote(self.of.schema)}" if self.of.schema else ""
        given = "; ".join(f"{_privileges(grant)} to {quote(grant.grantee)}" for grant in self.grants) or "nothing"
        return f"let each new {self.of.kind} of {quote(self.of.creator)}{where} give {given}"


# The history of migrations


@dataclass(frozen=True, slots=True)
class RecordMigration:
    """Enter a migration into the history, as if it had run."""

    kind: ClassVar[str] = "record-migration"
    version: str
    name: str = ""
    statements: tuple[str, ...] = ()

    def describe(self) -> str:
        return f"enter migration {' '.join(filter(None, (self.version, self.name)))} into the history"


@dataclass(frozen=True, slots=True)
class ForgetMigration:
    """Take a migration out of the history; what it made stays."""

    kind: ClassVar[str] = "forget-migration"
    version: str
    name: str = ""

    def describe(self) -> str:
        return f"take migration {' '.join(filter(None, (self.version, self.name)))} out of the history"


def _privileges(grant: Grant) -> str:
    names = ", ".join(sorted(grant.privileges))
    return f"{names} ({', '.join(map(quote, grant.columns))})" if grant.columns else names


Change = (
    Cure
    | CreateForeignKey
    | ReplaceForeignKey
    | EnforceForeignKey
    | CreateTable
    | DropTable
    | AddColumn
    | DropColumn
    | SetNotNull
    | SetDefault
    | SetIdentity
    | SetGenerated
    | AddKey
    | AddCheck
    | ValidateCheck
    | AddExclusion
    | AddIndex
    | DropIndex
    | RebuildIndex
    | SetRowSecurity
    | CreateTrigger
    | DropTrigger
    | ReplaceTrigger
    | SetTriggerState
    | CreateFunction
    | DropFunction
    | ReplaceFunction
    | AlterFunction
    | AddPolicy
    | DropPolicy
    | ReplacePolicy
    | CreateView
    | ReplaceView
    | DropView
    | CreateType
    | AlterType
    | DropType
    | CreateSchema
    | DropSchema
    | CreateExtension
    | MoveExtension
    | DropExtension
    | CreateRole
    | AlterRole
    | DropRole
    | SetOwner
    | GrantRights
    | RevokeRights
    | SetDefaultRights
    | RecordMigration
    | ForgetMigration
)

__all__ = [
    "AddCheck",
    "AddColumn",
    "AddExclusion",
    "AddForeignKey",
    "AddIdentityKey",
    "AddIndex",
    "AddKey",
    "AddPolicy",
    "AlterColumnType",
    "AlterFunction",
    "AlterRole",
    "AlterType",
    "Change",
    "CreateExtension",
    "CreateForeignKey",
    "CreateFunction",
    "CreateIndex",
    "CreatePolicy",
    "CreateRole",
    "CreateSchema",
    "CreateSyncTrigger",
    "CreateTable",
    "CreateTrigger",
    "CreateType",
    "CreateView",
    "Cure",
    "DropColumn",
    "DropConstraint",
    "DropDefault",
    "DropExtension",
    "DropFunction",
    "DropIndex",
    "DropPolicy",
    "DropRole",
    "DropSchema",
    "DropTable",
    "DropTrigger",
    "DropType",
    "DropView",
    "EnableTrigger",
    "EnforceForeignKey",
    "ForgetMigration",
    "GrantRights",
    "MoveExtension",
    "NamedType",
    "RebuildIndex",
    "RecordMigration",
    "Remedy",
    "RepairSyncFunction",
    "ReplaceForeignKey",
    "ReplaceFunction",
    "ReplacePolicy",
    "ReplaceTrigger",
    "ReplaceView",
    "RetargetForeignKey",
    "RevokeRights",
    "Safety",
    "SetDefault",
    "SetDefaultRights",
    "SetGenerated",
    "SetIdentity",
    "SetNotNull",
    "SetOnDelete",
    "SetOwner",
    "SetRowSecurity",
    "SetTriggerState",
    "ValidateCheck",
    "ValidateForeignKey",
]
