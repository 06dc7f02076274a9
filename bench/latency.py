"""A proxy on loopback that delays each direction of a connection, and counts how often the direction turns.

``python -m bench.latency SOCKET SECONDS`` forwards to a Unix socket, prints the port it listens on, and, once its stdin
is closed, what it saw. It is a process of its own, so that it takes no time from the client that is measured.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK = 1 << 18


@dataclass(slots=True)
class Seen:
    """``turns`` counts the times that a client sent something after it had heard something, or first of all."""

    connections: int = 0
    turns: int = 0


@dataclass(slots=True)
class Line:
    """A running proxy; ``seen`` holds what it saw once the block that it was made for is left."""

    port: int
    seen: Seen = field(default_factory=Seen)


@contextmanager
def delayed(socket: Path, seconds: float) -> Iterator[Line]:
    """A way to the server at ``socket`` on which everything takes ``seconds`` longer, to and fro."""
    command = [sys.executable, "-m", "bench.latency", str(socket), str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = Line(int(process.stdout.readline()))
        try:
            yield line
        finally:
            said, _ = process.communicate()
            line.seen = Seen(**json.loads(said))


class _Proxy:
    def __init__(self, socket: str, seconds: float) -> None:
        self.socket = socket
        self.seconds = seconds
        self.seen = Seen()

    async def serve(self, client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        """Carries one connection until both sides have closed it."""
        server, request = await asyncio.open_unix_connection(self.socket)
        self.seen.connections += 1
        speaker = ["server"]
        await asyncio.gather(
            self._carry(client, request, "client", speaker), self._carry(server, answer, "server", speaker)
        )

    async def _carry(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, name: str, speaker: list[str]
    ) -> None:
        # A queue keeps the delay from limiting how much is under way at once.
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(queue, target))
        clock = asyncio.get_running_loop().time
        data = b"some"
        while data:
            try:
                data = await source.read(_CHUNK)
            except ConnectionError:
                data = b""
            if data and speaker[0] != name:
                speaker[0] = name
                self.seen.turns += name == "client"
            queue.put_nowait((clock() + self.seconds, data))
        await delivery

    async def _deliver(self, queue: asyncio.Queue[tuple[float, bytes]], target: asyncio.StreamWriter) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due, data = await queue.get()
            if (early := due - clock()) > 0:
                await asyncio.sleep(early)
            if not data:
                target.close()
                return
            target.write(data)
            try:
                await target.drain()
            except ConnectionError:
                return


async def _main(socket: str, seconds: float) -> None:
    proxy = _Proxy(socket, seconds)
    listening = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=2 * _CHUNK)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps({"connections": proxy.seen.connections, "turns": proxy.seen.turns}), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], float(sys.argv[2])))
