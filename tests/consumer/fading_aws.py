"""An AWS behind TLS whose connections fade while they are idle, each in one way; new ones are always well."""

import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from tests.consumer.threaded_server import ThreadedServer

Fate = Literal["well", "closed", "reset", "closes at the next byte", "resets at the next byte", "hangs"]
_ANSWER = b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: R\r\ncontent-length: 2\r\n\r\n{}"


class FadingAws(ThreadedServer):
    """Answers every request with `{}`, until `fade` decides what becomes of the connections that are open."""

    def __init__(self, tls: ssl.SSLContext | None, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._tls = tls
        self._fates: dict[socket.socket, Fate] = {}
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        super().__init__(family)

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://{self.authority}"

    def fade(self, fate: Fate) -> None:
        """Decide the fate of all connections that are open now."""
        for connection in list(self._fates):
            self._fates[connection] = fate
            if fate in {"closed", "reset"}:
                _end(connection, by_reset=fate == "reset")

    def _end_connections(self) -> None:
        for connection in list(self._fates):
            _end(connection, by_reset=True)

    def _serve(self, raw: socket.socket) -> None:
        with suppress(OSError), raw:
            connection = self._tls.wrap_socket(raw, server_side=True) if self._tls else raw
            self._fates[connection] = "well"
            try:
                with connection:
                    while self._answer(connection):
                        pass
            finally:
                del self._fates[connection]

    def _answer(self, connection: socket.socket) -> bool:
        data = connection.recv(1)
        fate = self._fates[connection]
        if not data or fate.endswith("next byte"):
            _end(connection, by_reset=fate.startswith("reset"))
            return False
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        if fate == "hangs":
            connection.recv(1)  # until the client ends it
            return False
        self.heads.append(head)
        self.bodies.append(body)
        connection.sendall(_ANSWER)
        return True


def _end(connection: socket.socket, *, by_reset: bool) -> None:
    """End a connection's reading; its own thread then closes it, which nobody else may while that thread reads."""
    with suppress(OSError):
        if by_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        socket.socket.shutdown(connection, socket.SHUT_RD if by_reset else socket.SHUT_RDWR)


@contextmanager
def fading_aws(tls: ssl.SSLContext | None = None, family: socket.AddressFamily = socket.AF_INET) -> Iterator[FadingAws]:
    server = FadingAws(tls, family)
    try:
        yield server
    finally:
        server.close()
