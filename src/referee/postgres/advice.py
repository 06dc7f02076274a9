"""What to do when no connection comes about: the server's words, and after them the way out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

_SUPABASE_HOST = re.compile(r"db\.([a-z0-9]+)\.supabase\.(?:co|net|red)\Z", re.IGNORECASE)
_POOLER_HOST = re.compile(r"\.pooler\.supabase\.(?:com|co|net)\Z", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"network is unreachable|no route to host|cannot assign requested address|address family not supported"
    r"|failed to resolve|could not translate host name|name or service not known|no address associated"
    r"|nodename nor servname",
    re.IGNORECASE,
)

# What the driver puts before the reason, and where there are several hosts before the reason of each.
_PREFIX = re.compile(
    r"(?:- host: (?:'[^']*'|None), port: (?:'[^']*'|None), hostaddr: (?:'[^']*'|None): )?"
    r"(?:connection (?:failed|is bad): )?"
)

_SESSION_POOLER = (
    "in the dashboard under Connect, take the connection string of the session pooler "
    "(user postgres.<project ref>, port 5432)"
)


class _Failure(NamedTuple):
    said: str
    sqlstate: str | None
    host: str
    port: str
    user: str

    def says(self, pattern: str) -> bool:
        return re.search(pattern, self.said, re.IGNORECASE) is not None

    @property
    def project(self) -> str | None:
        """The project's reference, where the host is a Supabase project's own."""
        match = _SUPABASE_HOST.search(self.host)
        return match[1] if match else None

    @property
    def is_pooler(self) -> bool:
        return _POOLER_HOST.search(self.host) is not None


def _direct_host(failure: _Failure) -> str | None:
    if failure.project is None or not _UNREACHABLE.search(failure.said):
        return None
    return (
        f"{failure.host} has an IPv6 address only, which many networks cannot reach: {_SESSION_POOLER}. "
        "If its name does not resolve at all, the project may be paused; restore it in the dashboard."
    )


def _pooler_tenant(failure: _Failure) -> str | None:
    if not (failure.is_pooler and failure.says(r"tenant or user not found")):
        return None
    return (
        "The pooler knows no such project: the user must be postgres.<project ref>, the host that of the project's own "
        "region, and a paused project must be restored in the dashboard first."
    )


def _password(failure: _Failure) -> str | None:
    if failure.says(r"no password supplied"):
        return "Give the password in the URL, in PGPASSWORD, in ~/.pgpass or in a service file."
    if failure.sqlstate != "28P01" and not failure.says(r"password authentication failed|SASL authentication failed"):
        return None
    return (
        "The user or the password is wrong. In a URL, characters such as @ : / # ? must be written as %40 %3A %2F %23 "
        "%3F; PGPASSWORD takes the password as it is."
    )


def _transaction_pooler(failure: _Failure) -> str | None:
    if failure.port != "6543":
        return None
    return (
        "Port 6543 is a pooler in transaction mode, which loses what a session sets: use the session pooler on port "
        "5432, or the direct host."
    )


def _tls(failure: _Failure) -> str | None:
    if failure.says(r"server does not support SSL"):
        return "The server speaks no TLS: connect with sslmode=disable, if the network between is yours."
    if failure.says(r"no encryption|SSL required|SSL connection is required|insecure"):
        return "The server wants TLS: add ?sslmode=require to the URL, or set PGSSLMODE=require."
    if failure.says(r"root certificate|certificate verify failed|server certificate"):
        return (
            "The server's certificate could not be checked: name the certificate to trust with sslrootcert=FILE "
            "(sslrootcert=system for the ones that the system trusts), or connect with sslmode=require, which does not "
            "check it."
        )
    return None


def _absent(failure: _Failure) -> str | None:
    if failure.says(r"definition of service"):
        return "Services are looked up in ~/.pg_service.conf, or in the file that PGSERVICEFILE names."
    if failure.says(r"invalid response to SSL negotiation|unexpected response|expected authentication request"):
        return "What listens there is no Postgres: check host and port."
    if failure.says(r"invalid port number"):
        return "A port is a number from 1 to 65535."
    if failure.says(r"socket path.*too long"):
        return "Name a folder with a shorter path as host."
    if failure.says(r"connection refused|no such file or directory"):
        return (
            "No server listens there. Is it running, and are host and port right? "
            "The local stack of Supabase listens on port 54322."
        )
    if failure.says(r"time-?out|timed out"):
        return (
            "The host did not answer in time: it may be paused, behind a firewall or a VPN, or restrict the addresses "
            "that may connect."
        )
    if _UNREACHABLE.search(failure.said):
        return "The host is unknown or cannot be reached from here: check its name and the network."
    return None


_BY_STATE = {
    "3D000": "There is no such database on this server: check the last part of the URL.",
    "28000": "The server does not let this user in from here: check the user's name, and pg_hba.conf on the server.",
    "53300": "The server has no connection left: close some, or go through its session pooler.",
    "57P03": "The server is starting or stopping: wait a moment and try again.",
}


def _by_state(failure: _Failure) -> str | None:
    if failure.sqlstate is not None:
        return _BY_STATE.get(failure.sqlstate)
    # libpq hands on no SQLSTATE for what fails while connecting, so its words must do.
    if failure.says(r'database ".*" does not exist'):
        return _BY_STATE["3D000"]
    if failure.says(r"pg_hba\.conf|role \".*\" does not exist|not permitted to log in"):
        return _BY_STATE["28000"]
    if failure.says(r"too many (?:connections|clients)|remaining connection slots|max clients"):
        return _BY_STATE["53300"]
    if failure.says(r"the database system is (?:starting up|shutting down|in recovery|not yet)"):
        return _BY_STATE["57P03"]
    return None


# The first that knows the failure speaks.
_ADVISERS: tuple[Callable[[_Failure], str | None], ...] = (
    _direct_host,
    _pooler_tenant,
    _password,
    _tls,
    _by_state,
    _transaction_pooler,
    _absent,
)


def advise(said: str, sqlstate: str | None, parameters: Mapping[str, str], place: str) -> str:
    """One paragraph for a person whose connection failed: where, what was said, and what to do.

    ``said`` is the driver's message with the password taken out already.
    """
    said = _tidy(said)
    failure = _Failure(
        said, sqlstate, parameters.get("host", ""), parameters.get("port", "5432"), parameters.get("user", "")
    )
    advice = next(filter(None, (adviser(failure) for adviser in _ADVISERS)), "")
    return f"No connection to {place}: {said}{'' if said.endswith(('.', '?')) else '.'} {advice}".rstrip()


def _tidy(said: str) -> str:
    """The driver's message on one line, without the questions that libpq adds and without saying anything twice."""
    lines = [_PREFIX.sub("", line.strip(), count=1) for line in said.splitlines()]
    kept = [line for line in lines if line and not line.endswith("?") and not line.startswith("Multiple connection")]
    text = " ".join(dict.fromkeys(kept)) or "no reason was given"
    text = re.sub(r"FATAL:\s+|fe_sendauth: ", "", text)
    return text.replace(" connection to server", "; connection to server")
