"""A server whose answers do not end. The first segment of the path, or the port's default, says in which way."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

_BLOCK: Final = b"x" * 65_536
_BLOCK_OF_ZEROS: Final = bytes(16 * 1024 * 1024)
_GZIP_HEAD: Final = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
# What a reader without a bound is sent at most; the machine shall survive it.
SENT_MAX_BYTES: Final = 3 * 1024**3


def bomb_block() -> bytes:
    """16 kB of deflate that unpack to 16 MiB of zeros, and may be repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(_BLOCK_OF_ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)


def bomb(unpacked_bytes: int) -> bytes:
    """A gzip file that unpacks to so many zeros; its checksum is wrong, which its reader learns last."""
    blocks = unpacked_bytes // len(_BLOCK_OF_ZEROS)
    return _GZIP_HEAD + bomb_block() * blocks + b"\x03\x00" + bytes(8)


def _chunked(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def _repeat(piece: bytes, weight_bytes: int) -> Iterator[bytes]:
    for _ in range(SENT_MAX_BYTES // weight_bytes):
        yield piece


def _endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from _repeat(_chunked(_BLOCK), len(_BLOCK))


def _declared() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % SENT_MAX_BYTES
    yield from _repeat(_BLOCK, len(_BLOCK))


def _until_close() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    yield from _repeat(_BLOCK, len(_BLOCK))


def _error() -> Iterator[bytes]:
    yield b"HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield from _repeat(_chunked(_BLOCK), len(_BLOCK))


def _head() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\n"
    yield from _repeat(b"X-Header: " + b"x" * 1000 + b"\r\n", 1012)


def _interim() -> Iterator[bytes]:
    yield from _repeat(b"HTTP/1.1 100 Continue\r\nX-Header: " + b"x" * 1000 + b"\r\n\r\n", 1035)


def _gzip() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield _chunked(_GZIP_HEAD)
    yield from _repeat(_chunked(bomb_block()), len(_BLOCK_OF_ZEROS))


ANSWERS: Final[dict[str, Callable[[], Iterator[bytes]]]] = {
    "endless": _endless,
    "declared": _declared,
    "until-close": _until_close,
    "error": _error,
    "head": _head,
    "interim": _interim,
    "gzip": _gzip,
}


@asynccontextmanager
async def serve_answer(kind: str) -> AsyncIterator[int]:
    """Serve one kind of answer to every request on a free port of loopback; yields the port."""
    if kind.startswith("websocket"):
        compression = "deflate" if kind == "websocket-deflate" else None
        async with serve(_endless_message, "127.0.0.1", 0, compression=compression, max_size=None) as server:
            yield next(iter(server.sockets)).getsockname()[1]
        return

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for piece in ANSWERS[kind]():
                writer.write(piece)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listener:
        yield listener.sockets[0].getsockname()[1]


async def _endless_message(connection: ServerConnection) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in _repeat(bytes(len(_BLOCK)), len(_BLOCK)):
            yield piece

    with suppress(ConnectionClosed):
        await connection.send(pieces())
