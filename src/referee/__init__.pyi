from referee.workflow.check import check as check
from referee.workflow.check import identities as identities

__version__: str
__all__ = ["__version__", "check", "identities"]
