"""Kept HTTP connections to one endpoint, handed out last in, first out; safe to use from many threads.

A request is one write of head and body together: written apart, as `http.client` does, the body may wait for the
acknowledgement of the head.
"""

import http.client
import os
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Final

from stockstream_lambda.aws.answers import Answer, read_answer
from stockstream_lambda.aws.credentials import Endpoint
from stockstream_lambda.errors import StoreUnavailableError

CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 10.0


@cache
def _tls_context() -> ssl.SSLContext:
    # Made with the first connection: reading the system's certificates takes longer than all of our own import.
    return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


class Transport:
    """A pool of connections; it grows to the number of calls in flight and never beyond."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: deque[socket.socket] = deque()

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one request and read its whole answer.

        Args:
            method: HTTP method.
            path: Path, percent-encoded.
            headers: Headers with `host`; the length of the body is added.
            body: The body.

        Raises:
            StoreUnavailableError: no connection, or no complete answer.
        """
        lines = [f"{method} {path} HTTP/1.1", *[f"{name}: {value}" for name, value in headers.items()]]
        request = "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body
        while True:
            connection, kept = self._take()
            try:
                connection.sendall(request)
                answer = read_answer(connection, method)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as exc:
                connection.close()
                if kept:
                    continue  # the server closed an idle connection: nobody's fault, and all our requests may repeat
                raise self._unavailable(exc) from exc
            except (OSError, http.client.HTTPException) as exc:
                connection.close()
                raise self._unavailable(exc) from exc
            if answer.will_close:
                connection.close()
            else:
                self._idle.append(connection)
            return answer

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> tuple[socket.socket, bool]:
        try:
            return self._idle.pop(), True
        except IndexError:
            return self._connect(), False

    def _connect(self) -> socket.socket:
        host = self._endpoint.host
        try:
            connection = socket.create_connection((host, self._endpoint.port), CONNECT_TIMEOUT_SECONDS)
            try:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self._endpoint.scheme == "https":
                    connection = _tls_context().wrap_socket(connection, server_hostname=host)
                connection.settimeout(READ_TIMEOUT_SECONDS)
            except BaseException:
                connection.close()
                raise
        except OSError as exc:
            raise self._unavailable(exc) from exc
        return connection

    def _unavailable(self, exc: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._endpoint.host}:{self._endpoint.port}: {type(exc).__name__}: {exc}")
