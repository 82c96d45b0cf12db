"""An AWS that begins every answer and then goes on with it a byte at a time, for ever."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_BYTE_SECONDS = 0.05


class TricklingAws:
    """Answers every request with a start and then a byte at a time."""

    def __init__(self, start: bytes) -> None:
        self._start = start
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0

    def close(self) -> None:
        self._ends.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

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
