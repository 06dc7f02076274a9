"""Every rule that referee knows. A new rule is a file of its own, an import here and an entry in ``ALL``."""

from referee.rules.base import Example, FixtureRule, Rule
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from referee.rules.broken_function_reference import BrokenFunctionReference
from referee.rules.conflicting_dual_reference import ConflictingDualReference
from referee.rules.disabled_triggers_load import DisabledTriggersLoad
from referee.rules.duplicate_foreign_key import DuplicateForeignKey
from referee.rules.impossible_signup import ImpossibleSignup
from referee.rules.indirect_sync_failure import IndirectSyncFailure
from referee.rules.managed_non_key_reference import ManagedNonKeyReference
from referee.rules.masking_fixture import MaskingFixture
from referee.rules.mirror_write_blocked import MirrorWriteBlocked
from referee.rules.mismatched_key_types import MismatchedKeyTypes
from referee.rules.replica_mode_load import ReplicaModeLoad
from referee.rules.session_identity_in_key import SessionIdentityInKey
from referee.rules.split_identity_reference import SplitIdentityReference
from referee.rules.superuser_suite import SuperuserSuite
from referee.rules.undeclared_reference import UndeclaredReference
from referee.rules.unindexed_foreign_key import UnindexedForeignKey
from referee.rules.unlinked_mirror import UnlinkedMirror
from referee.rules.unsafe_sync_trigger import UnsafeSyncTrigger
from referee.rules.unsynced_mirror import UnsyncedMirror
from referee.rules.unvalidated_foreign_key import UnvalidatedForeignKey

#: All rules, in the order of their ids.
ALL: tuple[Rule, ...] = (
    BlockedUserDeletion(),
    BrokenFunctionReference(),
    ConflictingDualReference(),
    DisabledTriggersLoad(),
    DuplicateForeignKey(),
    ImpossibleSignup(),
    IndirectSyncFailure(),
    ManagedNonKeyReference(),
    MaskingFixture(),
    MirrorWriteBlocked(),
    MismatchedKeyTypes(),
    ReplicaModeLoad(),
    SessionIdentityInKey(),
    SplitIdentityReference(),
    SuperuserSuite(),
    UndeclaredReference(),
    UnindexedForeignKey(),
    UnlinkedMirror(),
    UnsafeSyncTrigger(),
    UnsyncedMirror(),
    UnvalidatedForeignKey(),
)

__all__ = ["ALL", "Example", "FixtureRule", "Rule"]
