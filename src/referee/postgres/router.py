"""Which statements a host runs although plain Postgres would refuse them, and how they are run here.

The session that runs migrations belongs to a superuser who acts as the migration role (SET SESSION AUTHORIZATION), so
that one statement can be run with other rights in the middle of a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from referee.model.names import quote
from referee.postgres.extensions import Imitation, creation
from referee.postgres.host import Privileged
from referee.postgres.session import literal

_NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_I = re.IGNORECASE | re.DOTALL

_ON_TABLE = re.compile(
    rf"(?:drop\s+trigger|(?:create|alter|drop)\s+policy)\s+(?:if\s+exists\s+)?{_NAME}"
    rf"\s+on\s+(?P<schema>{_NAME})\s*\.\s*(?P<table>{_NAME})",
    _I,
)
_CREATE_EXTENSION = re.compile(
    rf"create\s+extension\s+(?P<unless>if\s+not\s+exists\s+)?(?P<name>{_NAME})(?P<options>.*)", _I
)
_EXTENSION_SCHEMA = re.compile(rf"\bschema\s+(?P<schema>{_NAME})", _I)
_CASCADE = re.compile(r"\bcascade\b", _I)
_PRIVILEGED = re.compile(
    r"(?:alter|drop|comment\s+on)\s+extension\b"
    r"|(?:create|alter|drop|comment\s+on)\s+event\s+trigger\b"
    r"|(?:create|alter|drop)\s+foreign\s+data\s+wrapper\b"
    r"|create\s+publication\b.*\bfor\s+(?:all\s+tables|tables\s+in\s+schema)\b",
    _I,
)
_SETTING = re.compile(
    rf"(?:alter\s+(?:role|user|database)\s+(?P<role>{_NAME})\s+(?:in\s+database\s+{_NAME}\s+)?)?"
    rf"(?:re)?set\s+(?:session\s+|local\s+)?(?P<setting>{_NAME}(?:\s*\.\s*{_NAME})?)",
    _I,
)
_CHANGES_ROLE = re.compile(rf"(?:alter|drop)\s+(?:role|user|group)\s+(?:if\s+exists\s+)?(?P<role>{_NAME})", _I)
_MAKES_ROLE = re.compile(rf"\bcreate\s+(?:role|user|group)\s+(?P<role>{_NAME})", _I)
_DO = re.compile(r"do\b", _I)
_IN_DO = re.compile(rf"\b(?:drop\s+trigger|policy)\b.*?\bon\s+(?P<schema>{_NAME})\s*\.\s*(?P<table>{_NAME})", _I)
_BACK_TO_LOGIN = re.compile(
    r"(?:reset\s+session\s+authorization|set\s+session\s+authorization\s+default|(?P<all>discard\s+all))\Z", _I
)
_OTHER_LOGIN = re.compile(rf"set\s+(?:session\s+|local\s+)?session\s+authorization\s+(?P<role>{_NAME}|'[^']*')\Z", _I)


def fold(name: str) -> str:
    """A name as Postgres folds it."""
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def roles_made(statement: str) -> set[str]:
    """The roles that a statement may make, those in the text of a block included."""
    return {fold(found["role"]) for found in _MAKES_ROLE.finditer(statement)}


@dataclass(frozen=True)
class Router:
    """Rewrites statements for one database.

    ``owners`` are the roles that own the tables of the host; ``protected`` are roles of a server that belongs to
    somebody else, which no migration may alter.
    """

    role: str
    superuser: str
    beyond: Privileged
    imitations: Mapping[str, Imitation]
    installable: frozenset[str]
    owners: tuple[str, ...] = ()
    protected: frozenset[str] = frozenset()

    def route(self, statement: str) -> tuple[str, ...]:
        """The statements to run instead, in order: mostly the statement alone; none where it is to be left alone."""
        for routed in _ROUTES:
            if (found := routed(self, statement)) is not None:
                return found
        return (statement,)

    @property
    def back(self) -> str:
        """The statement that makes the session act as the migration role again."""
        return f"set session authorization {quote(self.role)}"

    def as_superuser(self, *statements: str) -> tuple[str, ...]:
        return (f"set session authorization {quote(self.superuser)}", *statements, self.back)

    def is_hosts(self, table: re.Match[str]) -> bool:
        return (fold(table["schema"]), fold(table["table"])) in self.beyond.owned_by_host

    def may_set(self, setting: str) -> bool:
        name = ".".join(fold(part.strip()) for part in setting.split("."))
        return any(
            name.startswith(allowed[:-1]) if allowed.endswith("*") else name == allowed
            for allowed in self.beyond.settings
        )


def _protected(router: Router, statement: str) -> tuple[str, ...] | None:
    found = _CHANGES_ROLE.match(statement) if router.protected else None
    return () if found and fold(found["role"]) in router.protected else None


def _table(router: Router, statement: str) -> tuple[str, ...] | None:
    found = _ON_TABLE.match(statement)
    return router.as_superuser(statement) if found and router.is_hosts(found) else None


def _extension(router: Router, statement: str) -> tuple[str, ...] | None:
    found = _CREATE_EXTENSION.match(statement)
    if found is None or not (router.beyond.privileged or fold(found["name"]) in router.imitations):
        return None
    place = _EXTENSION_SCHEMA.search(found["options"])
    # VERSION is left out: which versions there are differs between the host and this server.
    return router.as_superuser(
        creation(
            fold(found["name"]),
            fold(place["schema"]) if place else None,
            installable=router.installable,
            imitations=router.imitations,
            if_not_exists=found["unless"] is not None,
            cascade=_CASCADE.search(found["options"]) is not None,
        )
    )


def _privileged(router: Router, statement: str) -> tuple[str, ...] | None:
    if router.beyond.privileged and _PRIVILEGED.match(statement):
        return router.as_superuser(statement)
    return None


def _setting(router: Router, statement: str) -> tuple[str, ...] | None:
    found = _SETTING.match(statement)
    if found is None:
        return None
    is_tunable = found["role"] is not None and fold(found["role"]) in router.beyond.tunable_roles
    return router.as_superuser(statement) if is_tunable or router.may_set(found["setting"]) else None


def _block(router: Router, statement: str) -> tuple[str, ...] | None:
    """A DO block that handles policies or triggers of the host's tables gets their owners' rights besides its own."""
    if not router.owners or not _DO.match(statement):
        return None
    if not any(router.is_hosts(found) for found in _IN_DO.finditer(statement)):
        return None
    owners, role = ", ".join(map(quote, router.owners)), quote(router.role)
    return (
        *router.as_superuser(f"grant {owners} to {role}"),
        statement,
        *router.as_superuser(f"revoke {owners} from {role}"),
    )


def _login(router: Router, statement: str) -> tuple[str, ...] | None:
    """The login role is the migration role, not the superuser behind it, who could become anybody."""
    if found := _BACK_TO_LOGIN.match(statement):
        return (statement, router.back) if found["all"] else (router.back,)
    other = _OTHER_LOGIN.match(statement)
    if other is None or router.role == router.superuser or fold(other["role"]).strip("'") == router.role:
        return None
    said = literal(f"permission denied to set session authorization {other['role']}")
    return (f"do $referee$ begin raise insufficient_privilege using message = {said}; end $referee$",)


_ROUTES: tuple[Callable[[Router, str], tuple[str, ...] | None], ...] = (
    _protected,
    _table,
    _extension,
    _privileged,
    _setting,
    _block,
    _login,
)
