"""Kept HTTP connections to one endpoint, handed out last in, first out; safe to use from many threads.

A request is one write of head and body together: written apart, as `http.client` does, the body may wait for the
acknowledgement of the head.

A kept connection may be dead without our knowing: Lambda freezes the process between two batches, and what the other
end says meanwhile is not heard. It costs nobody a try: what is old, or has anything to read, is not used; what breaks
although it looked well is asked again at once on a new one (all our requests may be sent twice); and one that hangs
makes every connection that was open then an old one, of all services.
"""

import http.client
import os
import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final, NamedTuple

from stockstream_lambda.aws.answers import Answer, read_answer
from stockstream_lambda.aws.credentials import Endpoint
from stockstream_lambda.aws.proxy import Proxy
from stockstream_lambda.errors import StoreUnavailableError

CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 10.0
# S3 and the load balancers in front of the rest close what is idle for 5 to 60 seconds or more.
KEPT_SECONDS: Final = 15.0
# One that was used a moment ago is not looked at: a look lets another thread run, which costs half as much as a call.
UNSEEN_SECONDS: Final = 0.5


class Epoch:
    """Counts the moments at which all connections that were open became doubtful; one for all clients of a process."""

    def __init__(self) -> None:
        self.number = 0

    def end(self, number: int) -> None:
        """A connection of this epoch hung. Threads that find it together end the epoch once."""
        if number == self.number:
            self.number += 1


class _Kept(NamedTuple):
    connection: socket.socket
    used_at: float  # wall clock: the monotonic one may stand still while the process is frozen
    epoch: int


@cache
def _tls_context() -> ssl.SSLContext:
    # Made with the first connection: reading the system's certificates takes longer than all of our own import.
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


class Transport:
    """A pool of connections; it grows to the number of calls in flight and never beyond."""

    def __init__(
        self, endpoint: Endpoint, epoch: Epoch, proxy: Proxy | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._epoch = epoch
        self._clock = clock
        self._idle: deque[_Kept] = deque()

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        answer_max_bytes: int,
        deadline: float,
    ) -> Answer:
        """Send one request and read its whole answer.

        Args:
            method: HTTP method.
            target: Path and query, percent-encoded.
            headers: Headers with `host`; the length of the body is added.
            body: The body.
            answer_max_bytes: A longer body is an error.
            deadline: When the answer must be whole, on the monotonic clock: one that comes a byte at a time is none.

        Raises:
            StoreUnavailableError: no connection, or no complete answer.
        """
        lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
        request = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body
        kept = self._take()
        if kept is not None:
            try:
                reader = _Deadlined(kept.connection, deadline)
                return self._ask(reader, kept.epoch, request, method, answer_max_bytes)
            except (OSError, http.client.HTTPException):
                pass  # it had ended, or hung, without our knowing: nobody's fault
        epoch = self._epoch.number
        try:
            reader = _Deadlined(self._connect(deadline), deadline)
            return self._ask(reader, epoch, request, method, answer_max_bytes)
        except (OSError, http.client.HTTPException) as exc:
            place = f"{self._endpoint.host}:{self._endpoint.port}"
            raise StoreUnavailableError(f"{place}: {type(exc).__name__}: {exc}") from exc

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().connection.close()

    def _ask(self, reader: "_Deadlined", epoch: int, request: bytes, method: str, max_bytes: int) -> Answer:
        connection = reader.connection
        try:
            reader.sendall(request)
            answer = read_answer(reader, method, max_bytes)
        except BaseException as exc:
            connection.close()
            if isinstance(exc, TimeoutError):
                self._epoch.end(epoch)
            raise
        if answer.will_close or reader.was_hurried:
            connection.close()
        else:
            self._idle.append(_Kept(connection, self._clock(), epoch))
        return answer

    def _take(self) -> _Kept | None:
        now = self._clock()
        while True:
            try:
                kept = self._idle.pop()
            except IndexError:
                return None
            idle_seconds = now - kept.used_at
            # A clock that was set back tells no age.
            is_young = 0 <= idle_seconds <= KEPT_SECONDS and kept.epoch == self._epoch.number
            if is_young and (idle_seconds < UNSEEN_SECONDS or not _has_something_to_read(kept.connection)):
                return kept
            kept.connection.close()

    def _connect(self, deadline: float) -> socket.socket:
        host, port = self._endpoint.host, self._endpoint.port
        timeout_seconds = min(CONNECT_TIMEOUT_SECONDS, _left_seconds(deadline))
        if self._proxy is None:
            connection = socket.create_connection((host, port), timeout_seconds)
        else:
            connection = self._proxy.connect(host, port, timeout_seconds)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._endpoint.scheme == "https":
                connection = _tls_context().wrap_socket(connection, server_hostname=host)
            connection.settimeout(READ_TIMEOUT_SECONDS)
        except BaseException:
            connection.close()
            raise
        return connection


class _Deadlined:
    """A connection for one request and its answer, within the time that there is."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self.connection = connection
        self._deadline = deadline
        self.was_hurried = False

    def sendall(self, data: bytes) -> None:
        # A TLS socket's own sendall begins its timeout anew with every record.
        left = memoryview(data)
        while left:
            self._limit_wait()
            left = left[self.connection.send(left) :]

    def recv(self, size: int) -> bytes:
        self._limit_wait()
        return self.connection.recv(size)

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        self._limit_wait()
        return self.connection.recv_into(buffer)

    def _limit_wait(self) -> None:
        left_seconds = _left_seconds(self._deadline)
        if left_seconds < READ_TIMEOUT_SECONDS:
            self.was_hurried = True
            self.connection.settimeout(left_seconds)


def _left_seconds(deadline: float) -> float:
    left_seconds = deadline - time.monotonic()
    if left_seconds <= 0:
        raise TimeoutError("no whole answer within the time of a call")
    return left_seconds


def _has_something_to_read(connection: socket.socket) -> bool:
    # Nothing was asked, so it can only be the end of the connection, or an answer that must meet nobody's request.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))
