"""Servers that misbehave, on loopback: too old, of another kind, silent, or gone in the middle."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_SSL_REQUEST, _GSS_REQUEST = 80877103, 80877104


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port of this machine; ``serve`` gets each connection, in a thread, and it is closed behind it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, serve), daemon=True).start()
        try:
            yield int(server.getsockname()[1])
        finally:
            server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with suppress(OSError):  # the listener is closed
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_serve, args=(connection, serve), daemon=True).start()


def _serve(connection: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    with connection, suppress(OSError):
        serve(connection)


def postgres_of(version: str) -> Callable[[socket.socket], None]:
    """Lets everybody in, says that it is this version, and answers nothing further."""

    def serve(client: socket.socket) -> None:
        _startup(client)
        _welcome(client, version)
        client.recv(1)

    return serve


def pgbouncer(heard: list[str]) -> Callable[[socket.socket], None]:
    """A pooler that takes no settings in the start-up message, notes what it is asked, and refuses it."""

    def serve(client: socket.socket) -> None:
        if b"\0options\0" in _startup(client):
            client.sendall(_error("08P01", "unsupported startup parameter: options"))
            return
        _welcome(client, "15.6")
        while (head := _exactly(client, 5))[:1] == b"Q":
            heard.append(_exactly(client, struct.unpack("!i", head[1:])[0] - 4).rstrip(b"\0").decode())
            client.sendall(_error("08P01", "no more connections allowed") + _message(b"Z", b"I"))

    return serve


def _error(state: str, said: str) -> bytes:
    return _message(b"E", f"SFATAL\0VFATAL\0C{state}\0M{said}\0\0".encode())


def _welcome(client: socket.socket, version: str) -> None:
    client.sendall(_message(b"R", struct.pack("!i", 0)))
    for name, value in (("server_version", version), ("client_encoding", "UTF8"), ("TimeZone", "UTC")):
        client.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
    client.sendall(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))


def _startup(client: socket.socket) -> bytes:
    """The start-up message; wishes for encryption are declined before it."""
    while True:
        head = _exactly(client, 8)
        length, code = struct.unpack("!ii", head)
        rest = _exactly(client, length - 8)
        if code not in (_SSL_REQUEST, _GSS_REQUEST):
            return head + rest
        client.sendall(b"N")


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _exactly(client: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = client.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def http(client: socket.socket) -> None:
    """A web server, which Postgres' protocol is Greek to."""
    client.recv(1024)
    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def silence(client: socket.socket) -> None:
    """Takes the connection and says nothing until the client goes."""
    while client.recv(1024):
        pass


def cut_after(path: Path, count: int) -> Callable[[socket.socket], None]:
    """A way to the Unix socket at ``path`` that ends after so many bytes of what the server says."""

    def serve(client: socket.socket) -> None:
        with ExitStack() as stack:
            server = stack.enter_context(socket.socket(socket.AF_UNIX))
            server.connect(str(path))
            stack.callback(_hang_up, client)
            threading.Thread(target=_pour, args=(client, server), daemon=True).start()
            left = count
            while left > 0 and (data := server.recv(min(left, 65536))):
                client.sendall(data)
                left -= len(data)

    return serve


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
