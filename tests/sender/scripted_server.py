"""A server that does on each connection what a test's script says, and a clock that a test moves."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

import pytest


class Peer:
    """One connection, as the server sees it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def head(self) -> int:
        """Read a request's head; returns the length of its body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])

    async def request(self) -> bytes:
        """Read a whole request; returns its body."""
        return await self.reader.readexactly(await self.head())

    async def send(self, data: bytes) -> None:
        """Send, and give the client, which shares our loop, its turns to receive."""
        self.writer.write(data)
        await self.writer.drain()
        await turns()

    async def answer(self, body: bytes, *headers: str) -> None:
        await self.send(answer_of(body, *headers))

    async def gone(self) -> None:
        """Wait until the client has ended the connection."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Listens while it is entered; what a script raises, other than that its client went away, fails the test."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, receive_buffer_bytes: int = 0) -> None:
        self._script = script
        self._tls = tls
        self._receive_buffer_bytes = receive_buffer_bytes
        self._tasks: list[asyncio.Task[None]] = []
        self.port = 0

    @property
    def connections(self) -> int:
        """Connections taken so far."""
        return len(self._tasks)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0, ssl=self._tls)
        listener = self._server.sockets[0]
        if self._receive_buffer_bytes:
            # Connections inherit it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        self.port = listener.getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self._serve(Peer(len(self._tasks) + 1, reader, writer))))

    async def _serve(self, peer: Peer) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._script(peer)
        finally:
            peer.writer.transport.abort()
            with suppress(OSError):
                await peer.writer.wait_closed()


class MovableClock:
    """The loop's clock, which a test can move on: what takes a minute is tested at once, on a busy machine too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        real_time = loop.time
        self._ahead_seconds = 0.0
        monkeypatch.setattr(loop, "time", lambda: real_time() + self._ahead_seconds)

    async def move(self, seconds: float) -> None:
        """Move it on, and let what is due happen."""
        self._ahead_seconds += seconds
        await turns()


async def turns() -> None:
    """Let everything that is ready in the loop run."""
    for _ in range(10):
        await asyncio.sleep(0)


def answer_of(body: bytes, *headers: str) -> bytes:
    """An answer with a length."""
    lines = "".join(f"{header}\r\n" for header in ("Content-Type: text/plain", *headers))
    return f"HTTP/1.1 200 OK\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body
