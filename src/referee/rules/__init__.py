"""Every rule that referee knows. A new rule is a file of its own, an import here and an entry in ``ALL``."""

from referee.rules.base import Example, Rule

#: All rules, in the order of their ids.
ALL: tuple[Rule, ...] = ()

__all__ = ["ALL", "Example", "Rule"]
