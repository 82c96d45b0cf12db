"""A server of plain sockets, a thread a connection, for an AWS that is unwell."""

import socket
import threading


class ThreadedServer:
    """Listens on loopback from the beginning; what becomes of a connection is the subclass's."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET) -> None:
        self._listener = socket.create_server(
            ("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family, backlog=256
        )
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def authority(self) -> str:
        """Host and port, as a URL writes them."""
        host, port = self._listener.getsockname()[:2]
        return f"{f'[{host}]' if ':' in host else host}:{port}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._end_connections()
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
        raise NotImplementedError

    def _end_connections(self) -> None:
        raise NotImplementedError
