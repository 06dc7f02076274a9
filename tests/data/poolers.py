"""Stand-ins for what may answer in place of a Postgres: a pooler in transaction mode, and a server of old."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _read(source: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = source.recv(size - len(found))
        if not part:
            raise EOFError
        found += part
    return found


def _read_message(source: socket.socket) -> tuple[bytes, bytes]:
    kind = _read(source, 1)
    return kind, _read(source, struct.unpack("!I", _read(source, 4))[0] - 4)


def _startup(client: socket.socket) -> bytes | None:
    """The client's start-up message; None for a request to cancel."""
    while True:
        (size,) = struct.unpack("!I", _read(client, 4))
        body = _read(client, size - 4)
        (code,) = struct.unpack("!I", body[:4])
        if code in (_SSL, _GSS):
            client.sendall(b"N")
        else:
            return None if code == _CANCEL else body


_PARAMETERS = {
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "TimeZone": "UTC",
}


def _greeting(version: str) -> bytes:
    parameters = {**_PARAMETERS, "server_version": version}
    shown = b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in parameters.items())
    return _message(b"R", struct.pack("!I", 0)) + shown + _message(b"K", struct.pack("!II", 4711, 1)) + _ready(b"I")


def _ready(status: bytes) -> bytes:
    return _message(b"Z", status)


class _Backends:
    """Sessions with the real server, the one that was free last first."""

    def __init__(self, target: str, startup: bytes) -> None:
        self._target = target
        self._startup = startup
        self._free: list[socket.socket] = []
        self._lock = threading.Lock()

    def take(self) -> socket.socket:
        with self._lock:
            if self._free:
                return self._free.pop()
        backend = socket.socket(socket.AF_UNIX)
        backend.connect(self._target)
        backend.sendall(struct.pack("!I", len(self._startup) + 4) + self._startup)
        while True:
            kind, body = _read_message(backend)
            if kind == b"E":
                raise AssertionError(body)
            if kind == b"Z":
                return backend

    def give(self, backend: socket.socket) -> None:
        with self._lock:
            self._free.append(backend)


def _serve(client: socket.socket, backends: _Backends, version: str) -> None:
    with client, suppress(EOFError, OSError):
        if _startup(client) is None:
            return
        client.sendall(_greeting(version))
        while True:
            kind, body = _read_message(client)
            if kind == b"X":
                return
            backend = backends.take()
            status = b"T"
            while True:
                backend.sendall(_message(kind, body))
                if kind in (b"Q", b"S"):
                    status = _answer(backend, client)
                    if status == b"I":
                        break
                kind, body = _read_message(client)
            backends.give(backend)


def _answer(backend: socket.socket, client: socket.socket) -> bytes:
    while True:
        kind, body = _read_message(backend)
        client.sendall(_message(kind, body))
        if kind == b"Z":
            return body


@contextmanager
def transaction_pooler(folder: Path, server: Path, database: str, user: str) -> Iterator[str]:
    """A pooler that serves each transaction by whatever session is free; its URL.

    Like pgbouncer it announces a process number of its own and drops what a client asks for at start-up.
    """
    startup = struct.pack("!I", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
    with _listening(folder) as (listener, url):
        backends = _Backends(str(server / ".s.PGSQL.5432"), startup)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_serve, args=(client, backends, "18.6"), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"{url} dbname={database} user={user}"


@contextmanager
def server_of_version(folder: Path, version: str) -> Iterator[str]:
    """Something that greets like a server of that version and knows nothing else; its URL."""
    with _listening(folder) as (listener, url):

        def accept() -> None:
            with suppress(OSError, EOFError):
                while True:
                    client, _ = listener.accept()
                    if _startup(client) is not None:
                        client.sendall(_greeting(version))

        threading.Thread(target=accept, daemon=True).start()
        yield f"{url} dbname=any user=any"


@contextmanager
def _listening(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / ".s.PGSQL.7777"))
    listener.listen()
    try:
        yield listener, f"host={folder} port=7777"
    finally:
        listener.close()
