"""What would cure a finding: one change to the schema, and how far it may be trusted.

Every other change is in ``model.change``. They stand apart because every check needs these, and only a comparison and
a plan need the others: making sixty classes takes as long as checking a small project.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from referee.model.names import QName, Ref, Target
from referee.model.schema import Action, ForeignKey

if TYPE_CHECKING:
    from referee.model.change import Change


class Safety(IntEnum):
    """How far a remedy may be trusted. SAFE means proven on a throw-away server."""

    SHOW_ONLY = 0
    UNSAFE = 1
    SAFE = 2

    def __str__(self) -> str:
        return ("show-only", "unsafe", "safe")[self]


@dataclass(frozen=True, slots=True)
class RetargetForeignKey:
    """Let a foreign key reference another table, keeping its name and actions."""

    kind: ClassVar[str] = "retarget-foreign-key"
    key: ForeignKey
    to: Target

    def describe(self) -> str:
        return f"let {self.key.ref} reference {self.to} instead of {self.key.target}"


@dataclass(frozen=True, slots=True)
class CreateSyncTrigger:
    """Fill the mirror from the source by a trigger."""

    kind: ClassVar[str] = "create-sync-trigger"
    source: Target
    mirror: Target

    def describe(self) -> str:
        return f"create a trigger on {self.source.table} that inserts each new row into {self.mirror.table}"


#: The troubles in a function for which there is a text: names, rights, what is written, errors.
VALUE_MENDS = frozenset({"missing-value", "nullable-value", "unique-collision", "skipped-on-conflict", "fires-again"})
MENDS = VALUE_MENDS | {
    "unresolved-name",
    "wrong-table",
    "missing-privilege",
    "row-security",
    "swallowed-errors",
    "no-search-path",
}


class Mend(NamedTuple):
    """One trouble that can be mended: its kind, one of ``MENDS``, and the characters of the body that it is about."""

    kind: str
    start: int = -1
    end: int = -1


@dataclass(frozen=True, slots=True)
class RepairSyncFunction:
    """Rewrite the function of a sync trigger so that no sign-up fails in it; ``faults`` says what is wrong with it.

    ``mends`` is the same for who writes the text; without any, a person has to.
    """

    kind: ClassVar[str] = "repair-sync-function"
    function: Ref
    trigger: Ref
    faults: tuple[str, ...]
    mends: tuple[Mend, ...] = ()

    def describe(self) -> str:
        return f"rewrite {self.function}: {'; '.join(self.faults)}"


@dataclass(frozen=True, slots=True)
class EnableTrigger:
    """Let a disabled trigger fire again."""

    kind: ClassVar[str] = "enable-trigger"
    trigger: Ref

    def describe(self) -> str:
        return f"enable {self.trigger}"


@dataclass(frozen=True, slots=True)
class AddIdentityKey:
    """Give the mirror a foreign key to its source, deleting with it."""

    kind: ClassVar[str] = "add-identity-key"
    mirror: Target
    source: Target
    on_delete: Action = "CASCADE"

    def describe(self) -> str:
        return f"add a foreign key from {self.mirror} to {self.source} ON DELETE {self.on_delete}"


@dataclass(frozen=True, slots=True)
class DropDefault:
    """Drop the default of a column."""

    kind: ClassVar[str] = "drop-default"
    column: Ref

    def describe(self) -> str:
        return f"drop the default of {self.column}"


@dataclass(frozen=True, slots=True)
class CreatePolicy:
    """Let the owner of a mirror row do ``command`` on it."""

    kind: ClassVar[str] = "create-policy"
    table: QName
    command: str
    role: str
    column: str

    def describe(self) -> str:
        return f"create a policy on {self.table} for {self.command} to {self.role} where {self.column} is their own id"


@dataclass(frozen=True, slots=True)
class SetOnDelete:
    """Change the ON DELETE action of a foreign key."""

    kind: ClassVar[str] = "set-on-delete"
    key: ForeignKey
    action: Action

    def describe(self) -> str:
        return f"let {self.key.ref} act ON DELETE {self.action} instead of {self.key.on_delete}"


@dataclass(frozen=True, slots=True)
class CreateIndex:
    """Create a plain btree index."""

    kind: ClassVar[str] = "create-index"
    table: QName
    columns: tuple[str, ...]

    def describe(self) -> str:
        return f"create an index on {Target(self.table, self.columns)}"


@dataclass(frozen=True, slots=True)
class ValidateForeignKey:
    """Check the rows that a NOT VALID foreign key has not seen."""

    kind: ClassVar[str] = "validate-foreign-key"
    key: Ref

    def describe(self) -> str:
        return f"validate {self.key}"


@dataclass(frozen=True, slots=True)
class AddForeignKey:
    """Declare a reference that the schema only implies."""

    kind: ClassVar[str] = "add-foreign-key"
    table: QName
    columns: tuple[str, ...]
    to: Target
    on_delete: Action = "NO ACTION"

    def describe(self) -> str:
        return f"add a foreign key from {Target(self.table, self.columns)} to {self.to}"


@dataclass(frozen=True, slots=True)
class DropConstraint:
    """Drop one constraint, for instance the second of two that say the same."""

    kind: ClassVar[str] = "drop-constraint"
    constraint: Ref

    def describe(self) -> str:
        return f"drop {self.constraint}"


@dataclass(frozen=True, slots=True)
class AlterColumnType:
    """Give a column another type."""

    kind: ClassVar[str] = "alter-column-type"
    column: Ref
    type: str

    def describe(self) -> str:
        return f"change the type of {self.column} to {self.type}"


Cure = (
    RetargetForeignKey
    | CreateSyncTrigger
    | RepairSyncFunction
    | EnableTrigger
    | AddIdentityKey
    | DropDefault
    | CreatePolicy
    | SetOnDelete
    | CreateIndex
    | ValidateForeignKey
    | AddForeignKey
    | DropConstraint
    | AlterColumnType
)
"""A change that a rule may propose."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change that would cure a finding, and how far it may be trusted."""

    change: Change
    safety: Safety = Safety.UNSAFE
