"""referee: finds foreign keys that point at the wrong user table, and shows what production will do with them.

>>> from referee import check
>>> diagnosis = check("examples/bandbook")  # doctest: +SKIP
"""

from importlib import import_module

__version__ = "0.1.0"
__all__ = ["__version__", "check", "identities"]


def __getattr__(name: str) -> object:
    # `referee --version` comes through here too and shall not wait for a parser; the types are in __init__.pyi.
    if name in ("check", "identities"):
        return getattr(import_module("referee.workflow.check"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
