"""Every rule that referee knows. A new rule is a file of its own, an import here and an entry in ``ALL``."""

from referee.rules.backfill_before_trigger import BackfillBeforeTrigger
from referee.rules.base import Example, FixtureRule, PlanRule, Rule
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from referee.rules.broken_function_reference import BrokenFunctionReference
from referee.rules.conflicting_dual_reference import ConflictingDualReference
from referee.rules.destructive_retarget import DestructiveRetarget
from referee.rules.disabled_triggers_load import DisabledTriggersLoad
from referee.rules.duplicate_foreign_key import DuplicateForeignKey
from referee.rules.impossible_signup import ImpossibleSignup
from referee.rules.indirect_sync_failure import IndirectSyncFailure
from referee.rules.key_before_backfill import KeyBeforeBackfill
from referee.rules.key_without_lock_timeout import KeyWithoutLockTimeout
from referee.rules.managed_non_key_reference import ManagedNonKeyReference
from referee.rules.masking_fixture import MaskingFixture
from referee.rules.mirror_write_blocked import MirrorWriteBlocked
from referee.rules.mismatched_key_types import MismatchedKeyTypes
from referee.rules.recreated_split import RecreatedSplit
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
from referee.rules.validate_with_add import ValidateWithAdd

#: All rules, in the order of their ids.
ALL: tuple[Rule, ...] = (
    BackfillBeforeTrigger(),
    BlockedUserDeletion(),
    BrokenFunctionReference(),
    ConflictingDualReference(),
    DestructiveRetarget(),
    DisabledTriggersLoad(),
    DuplicateForeignKey(),
    ImpossibleSignup(),
    IndirectSyncFailure(),
    KeyBeforeBackfill(),
    KeyWithoutLockTimeout(),
    ManagedNonKeyReference(),
    MaskingFixture(),
    MirrorWriteBlocked(),
    MismatchedKeyTypes(),
    RecreatedSplit(),
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
    ValidateWithAdd(),
)

__all__ = ["ALL", "Example", "FixtureRule", "PlanRule", "Rule"]
