"""An AWS that begins every answer and then goes on with it a byte at a time, for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.consumer.threaded_server import ThreadedServer

_BYTE_SECONDS = 0.05


class TricklingAws(ThreadedServer):
    """Answers every request with a start and then a byte at a time."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._ends = threading.Event()
        super().__init__()
        self.url = f"http://{self.authority}"

    def _end_connections(self) -> None:
        self._ends.set()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65536)
            connection.sendall(self._start)
            while not self._ends.wait(_BYTE_SECONDS):
                connection.sendall(b"x")


@contextmanager
def trickling_aws(start: bytes) -> Iterator[TricklingAws]:
    aws = TricklingAws(start)
    try:
        yield aws
    finally:
        aws.close()
