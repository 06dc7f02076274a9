"""Every rule that referee knows. A new rule is a file of its own, an import here and an entry in ``ALL``."""

from referee.rules.base import Example, Rule
from referee.rules.blocked_user_deletion import BlockedUserDeletion
from referee.rules.conflicting_dual_reference import ConflictingDualReference
from referee.rules.mirror_write_blocked import MirrorWriteBlocked
from referee.rules.session_identity_in_key import SessionIdentityInKey
from referee.rules.split_identity_reference import SplitIdentityReference
from referee.rules.unlinked_mirror import UnlinkedMirror
from referee.rules.unsynced_mirror import UnsyncedMirror

#: All rules, in the order of their ids.
ALL: tuple[Rule, ...] = (
    BlockedUserDeletion(),
    ConflictingDualReference(),
    MirrorWriteBlocked(),
    SessionIdentityInKey(),
    SplitIdentityReference(),
    UnlinkedMirror(),
    UnsyncedMirror(),
)

__all__ = ["ALL", "Example", "Rule"]
