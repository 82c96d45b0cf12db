"""Kept HTTP connections to one endpoint, handed out last in, first out; safe to use from many threads."""

import http.client
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from stockstream_lambda.aws.credentials import Endpoint
from stockstream_lambda.errors import StoreUnavailableError

CONNECT_TIMEOUT_SECONDS: Final = 3.0
READ_TIMEOUT_SECONDS: Final = 10.0


class Response(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Transport:
    """A pool of connections; it grows to the number of calls in flight and never beyond."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._idle: deque[http.client.HTTPConnection] = deque()
        self._tls = ssl.create_default_context() if endpoint.scheme == "https" else None

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """Send one request and read its whole answer.

        Raises:
            StoreUnavailableError: no connection, or no complete answer.
        """
        while True:
            connection, kept = self._take()
            try:
                connection.request(method, path, body, dict(headers))
                answer = connection.getresponse()
                content = answer.read()
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
            return Response(answer.status, answer.headers, content)

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        try:
            return self._idle.pop(), True
        except IndexError:
            pass
        host, port = self._endpoint.host, self._endpoint.port
        connection: http.client.HTTPConnection
        if self._tls is not None:
            connection = http.client.HTTPSConnection(host, port, timeout=CONNECT_TIMEOUT_SECONDS, context=self._tls)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=CONNECT_TIMEOUT_SECONDS)
        try:
            connection.connect()
        except OSError as exc:
            connection.close()
            raise self._unavailable(exc) from exc
        connection.sock.settimeout(READ_TIMEOUT_SECONDS)
        return connection, False

    def _unavailable(self, exc: Exception) -> StoreUnavailableError:
        return StoreUnavailableError(f"{self._endpoint.host}:{self._endpoint.port}: {type(exc).__name__}: {exc}")
