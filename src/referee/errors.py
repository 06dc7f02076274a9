"""What referee raises when it cannot do what was asked.

    RefereeError
    ├── UsageError      the request makes no sense: an unknown rule, two options that exclude each other
    ├── ConfigError     referee.toml or pyproject.toml is wrong, with the place
    ├── ReadError       a file or folder could not be read
    └── ServerError     a server could not be started, reached or kept
        └── StatementError   one statement failed on a server, with its SQLSTATE

Each message is one paragraph for a person: what happened, where, and what to do next. The command line prints it on
stderr and ends with exit status 2; it never prints a traceback without ``--debug``.
"""


class RefereeError(Exception):
    """Base of every error that referee raises on purpose."""


class UsageError(RefereeError):
    """The request makes no sense as given."""


class ConfigError(RefereeError):
    """A configuration file is wrong."""


class ReadError(RefereeError):
    """A file or folder could not be read."""


class ServerError(RefereeError):
    """A Postgres server could not be started, reached or kept."""


class StatementError(ServerError):
    """One statement failed on a server."""

    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
