"""HTTP/1.1 POSTs of large bodies to one endpoint, over connections that stay open.

A general client copies a body of half a megabyte into fresh memory twice, and the page faults of that cost more than
all the rest of the request (docs/sender.md has the figures). Here each connection has one buffer, which every request
is laid into and sent from. Answers are read by llhttp (httptools).
"""

import asyncio
import ipaddress
import ssl
import time
from collections import deque
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import httptools

from stockstream.errors import AnswerTooLargeError

_BUFFER_BYTES: Final = 256 * 1024
# A buffer that a rare large request has grown past this is not kept.
_BUFFER_KEPT_BYTES: Final = 2 * 1024 * 1024
_HAPPY_EYEBALLS_SECONDS: Final = 0.25
# What AWS's support asks for first.
_ID_HEADERS: Final = frozenset({b"x-amzn-requestid", b"x-amz-id-2"})
# Head and body. PutRecords takes at most 500 records and speaks of each in some 150 bytes, a refused one in some 300.
ANSWER_MAX_BYTES: Final = 1024 * 1024


class HttpAnswer(NamedTuple):
    """Status, Content-Type without parameters, the whole body, and the headers that name the request."""

    status: int
    content_type: str
    body: bytes
    ids: Mapping[str, str] = MappingProxyType({})


class ConnectionPool:
    """Connections to one host; each carries one request at a time.

    Args:
        host: Name or address.
        port: TCP port.
        tls: For `https`; None speaks plain HTTP.
        connect_timeout_seconds: Of name, connection and TLS handshake together.
        read_timeout_seconds: Without any byte sent or received.
        keepalive_seconds: Idle connections older than this are not used any more.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        keepalive_seconds: float,
    ) -> None:
        self._host = host
        self._port = port
        # An address has none to race with; and asyncio drops, unclosed, a socket that won as the race was cancelled.
        self._eyeballs_seconds = None if _is_address(host) else _HAPPY_EYEBALLS_SECONDS
        self._tls = tls
        self._connect_timeout_seconds = connect_timeout_seconds
        self._read_timeout_seconds = read_timeout_seconds
        self._keepalive_seconds = keepalive_seconds
        self._idle: deque[_Connection] = deque()
        self._open: set[_Connection] = set()
        self._is_closed = False

    async def post(self, request: Sequence[bytes]) -> HttpAnswer:
        """Send a request (head and body, in pieces) and return the answer.

        A kept connection that turns out to have ended before any answer costs no try: the request goes again at once
        over a new one, which is what every caller of PutRecords would do later. One that hangs makes all idle ones
        doubtful: they are as old, or older.

        Raises:
            OSError: no connection, or it broke: ConnectionError, TimeoutError, ssl.SSLError, socket.gaierror.
            httptools.HttpParserError: what came back is not HTTP.
            AnswerTooLargeError: it is longer than any answer of Kinesis.
        """
        kept = self._kept_connection()
        if kept is not None:
            try:
                return await self._ask(kept, request)
            except (ConnectionError, ssl.SSLError):
                if kept.answer_has_begun or self._is_closed:
                    raise
        return await self._ask(await self._connect(), request)

    async def _ask(self, connection: "_Connection", request: Sequence[bytes]) -> HttpAnswer:
        try:
            answer = await connection.ask(request, self._read_timeout_seconds)
        except BaseException as exc:
            # Cancellation included: an answer that comes later must meet nobody's request.
            connection.abort()
            if isinstance(exc, TimeoutError):
                while self._idle:
                    self._idle.pop().abort()
            raise
        if connection.reusable:
            self._idle.append(connection)
        else:
            connection.abort()
        return answer

    async def close(self) -> None:
        """End all connections."""
        self._is_closed = True
        self._idle.clear()
        for connection in list(self._open):
            connection.abort()
        while self._open:
            await next(iter(self._open)).closed

    def _kept_connection(self) -> "_Connection | None":
        while self._idle:
            # The one used last: in a lull the others grow old, and are closed when they are met.
            connection = self._idle.pop()
            if connection.reusable and connection.idle_seconds() <= self._keepalive_seconds:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._connect_timeout_seconds):
            _, connection = await loop.create_connection(
                lambda: _Connection(loop, self._open),
                self._host,
                self._port,
                happy_eyeballs_delay=self._eyeballs_seconds,
            )
            if self._tls is not None:
                await connection.start_tls(self._tls, self._host)
        return connection


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class _Connection(asyncio.Protocol):
    """One connection, and the parser's callbacks (those named `on_…`).

    Args:
        loop: The running loop.
        registry: Of open connections; this one enters when it is made, and leaves when it is lost.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, registry: "set[_Connection]") -> None:
        self._loop = loop
        self._registry = registry
        self._buffer = bytearray(_BUFFER_BYTES)
        # Under TLS two: what is unsent lies in the socket's, and the other one does not count it.
        self._socket: asyncio.Transport
        self._transport: asyncio.Transport
        self._parser: httptools.HttpResponseParser
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._content_type = ""
        self._ids: dict[str, str] = {}
        self._body: list[bytes] = []
        self._has_length = False
        self._headers_complete = False
        self._received_bytes = 0
        self._answer_bytes = 0
        self._keeps_alive = True
        self._timer: asyncio.TimerHandle | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        self._idle_since = (0.0, 0.0)

    def idle_seconds(self) -> float:
        """Since the last answer; by the wall clock too, as the loop's stands still while a machine sleeps."""
        loop_since, wall_since = self._idle_since
        slept_seconds = time.time() - wall_since
        # A clock that was set back tells no age.
        return max(self._loop.time() - loop_since, slept_seconds if slept_seconds >= 0 else float("inf"))

    @property
    def answer_has_begun(self) -> bool:
        """Whether anything came back since the last request was sent."""
        return self._answer_bytes > 0

    @property
    def reusable(self) -> bool:
        """Whether another request may follow: the connection stands, and the last request was sent whole."""
        is_open = not self._socket.is_closing() and not self.closed.done()
        return is_open and self._keeps_alive and not self._socket.get_write_buffer_size()

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands; `host` is who the server must prove to be."""
        try:
            transport = await self._loop.start_tls(self._socket, self, context, server_hostname=host)
        except BaseException:
            # Of a connection that is lost in its handshake `connection_lost` may not be told.
            self._registry.discard(self)
            raise
        if transport is None:
            raise ConnectionResetError("the connection was closed during the TLS handshake")
        self._transport = transport

    async def ask(self, request: Sequence[bytes], timeout_seconds: float) -> HttpAnswer:
        """Send one request and wait for its answer."""
        size = sum(map(len, request))
        # The transport may hold a view of the buffer until all is sent, so one too small is replaced and not resized.
        if not size <= len(self._buffer) <= max(size, _BUFFER_KEPT_BYTES):
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)
        start = 0
        for piece in request:
            end = start + len(piece)
            view[start:end] = piece
            start = end
        self._expect_answer()
        self._answer_bytes = 0
        self._answer = self._loop.create_future()
        self._transport.write(view[:size])
        self._watch(timeout_seconds, None)
        try:
            return await self._answer
        finally:
            self._answer = None
            self._idle_since = (self._loop.time(), time.time())
            if self._timer is not None:
                self._timer.cancel()

    def abort(self) -> None:
        """End the connection at once."""
        self._socket.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._socket = self._transport = cast("asyncio.Transport", transport)
        self._registry.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._registry.discard(self)
        self.closed.set_result(None)
        self._keeps_alive = False
        if exc is not None:
            self._fail(exc)
        elif self._headers_complete and not self._has_length:
            # RFC 9112, 6.3: without a length the body ends with the connection.
            self.on_message_complete()
        else:
            self._fail(ConnectionResetError("the connection was closed before the answer was complete"))

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        self._received_bytes += len(data)
        self._answer_bytes += len(data)
        if self._answer is None:
            # Nobody has asked: an answer to nothing, such as 408 before the server closes.
            self.abort()
            return
        if self._answer_bytes > ANSWER_MAX_BYTES:
            self._keeps_alive = False
            self._fail(AnswerTooLargeError("the answer of Kinesis", ANSWER_MAX_BYTES))
            # At once: whoever waits for the failure may be slow to hear of it, and more would be kept meanwhile.
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as exc:
            self._keeps_alive = False
            self._fail(exc)
        except httptools.HttpParserUpgrade:
            # Not one of the parser's errors; nobody has asked for another protocol.
            self._keeps_alive = False
            self._fail(httptools.HttpParserError("the server changes to another protocol"))

    def on_message_begin(self) -> None:
        """The first byte of an answer; of a second one where its request is answered already."""
        self._keeps_alive = self._keeps_alive and self._answer is not None and not self._answer.done()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer."""
        name = name.lower()
        if name == b"content-type":
            self._content_type = value.partition(b";")[0].strip().lower().decode("latin-1")
        elif name in {b"content-length", b"transfer-encoding"}:
            self._has_length = True
        elif name in _ID_HEADERS:
            self._ids[name.decode()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All of them."""
        self._headers_complete = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The whole answer; those of status 1xx come before it."""
        status = self._parser.get_status_code()
        if status < 200:
            self._expect_answer(self._parser)
            return
        self._headers_complete = False
        self._keeps_alive = self._keeps_alive and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(HttpAnswer(status, self._content_type, b"".join(self._body), self._ids))

    def _expect_answer(self, parser: httptools.HttpResponseParser | None = None) -> None:
        self._parser = httptools.HttpResponseParser(self) if parser is None else parser
        self._content_type = ""
        self._ids = {}
        self._body = []
        self._has_length = self._headers_complete = False

    def _fail(self, failure: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(failure)

    def _watch(self, timeout_seconds: float, seen: tuple[int, int] | None) -> None:
        """Fail when nothing has moved for as long as the timeout."""
        progress = (self._socket.get_write_buffer_size(), self._received_bytes)
        if progress == seen:
            self._fail(TimeoutError(f"no byte sent or received for {timeout_seconds:g} s"))
            return
        self._timer = self._loop.call_later(timeout_seconds, self._watch, timeout_seconds, progress)
