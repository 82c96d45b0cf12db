"""Reads an HTTP answer from a socket: the common form at once, every other by `http.client`.

`http.client` parses headers as an e-mail's, which costs more than all else of a small call. AWS answers nearly always
in one form, HTTP/1.1 with a Content-Length, and of its headers only that one and Connection matter here.
"""

import http.client
import io
import re
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

_RECEIVE_BYTES: Final = 64 * 1024
# A head longer than this is not AWS's; http.client has limits of its own.
_HEAD_MAX_BYTES: Final = 16 * 1024
_PLAIN_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,12})[ \t]*\r\n")
# Answers of these statuses have no body, whatever their headers say (RFC 9110, section 6.4.1).
_BODILESS: Final = frozenset({b"204", b"304"})


class Answer(NamedTuple):
    """One whole answer; `will_close` says that the connection ends with it."""

    status: int
    body: bytes
    will_close: bool
    head: bytes = b""

    def headers(self) -> Mapping[str, str]:
        """The headers, names in lower case; of one that is there twice, the last."""
        pairs = [line.partition(b":") for line in self.head.split(b"\r\n")[1:]]
        return {
            name.decode("latin-1").lower(): value.decode("latin-1").strip() for name, colon, value in pairs if colon
        }


def read_answer(connection: socket.socket, method: str) -> Answer:
    """Read one answer.

    Raises:
        http.client.RemoteDisconnected: the connection ended before the first byte.
        http.client.HTTPException, OSError: not an answer, or not a whole one.
    """
    data = b""
    end = -1
    while end < 0 and len(data) < _HEAD_MAX_BYTES:
        received = connection.recv(_RECEIVE_BYTES)
        if not received:
            break
        data += received
        end = data.find(b"\r\n\r\n")
    if end < 0:
        if not data:
            raise http.client.RemoteDisconnected("the connection ended without an answer")
        # http.client would take a head that breaks off for a whole one, and with it a success for certain.
        raise http.client.HTTPException(f"the answer's head does not end within {len(data)} bytes")
    head = data[: end + 2]
    lower = head.lower()
    status, length = _PLAIN_STATUS.match(data), _LENGTH.search(lower)
    plain = b"\r\ntransfer-encoding:" not in lower and lower.count(b"\r\ncontent-length:") == 1
    if status and length and plain and status[1] not in _BODILESS:
        body = _rest(connection, data[end + 4 :], int(length[1]))
        return Answer(int(status[1]), body, b"\r\nconnection: close" in lower, head)
    answer = http.client.HTTPResponse(_Resumed(connection, data), method=method)  # type: ignore[arg-type]
    answer.begin()
    lines = "".join([f"{name}: {value}\r\n" for name, value in answer.getheaders()])
    return Answer(answer.status, answer.read(), answer.will_close, b"\r\n" + lines.encode("latin-1", "replace"))


def _rest(connection: socket.socket, begun: bytes, length: int) -> bytes:
    if len(begun) == length:
        return begun
    parts, missing = [begun], length - len(begun)
    while missing > 0:
        received = connection.recv(min(missing, 1 << 20))
        if not received:
            raise http.client.IncompleteRead(b"".join(parts), missing)
        parts.append(received)
        missing -= len(received)
    if missing < 0:
        raise http.client.HTTPException("more bytes than the answer's Content-Length")
    return b"".join(parts)


class _Resumed(io.RawIOBase):
    """A socket as http.client wants it, of which some bytes were read already."""

    def __init__(self, connection: socket.socket, begun: bytes) -> None:
        super().__init__()
        self._connection = connection
        self._begun = begun

    def makefile(self, _: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._begun:
            size = min(len(buffer), len(self._begun))
            buffer[:size], self._begun = self._begun[:size], self._begun[size:]
            return size
        return self._connection.recv_into(buffer)
