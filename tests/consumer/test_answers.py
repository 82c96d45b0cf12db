"""Reading HTTP answers in every form and in every fragmentation, against http.client."""

import http.client
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream_lambda.aws.answers import Answer, read_answer

FORMS: dict[bytes, Answer] = {
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello": Answer(200, b"hello", will_close=False),
    b"HTTP/1.1 200 OK\r\ncontent-length:0\r\nServer: x\r\n\r\n": Answer(200, b"", will_close=False),
    b"HTTP/1.1 503 Slow Down\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno": Answer(503, b"no", will_close=True),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n": Answer(
        200, b"abcde", will_close=False
    ),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx": Answer(200, b"x", will_close=False),
    b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n": Answer(204, b"", will_close=False),
    b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\nuntil the end": Answer(200, b"until the end", will_close=True),
    b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok": Answer(200, b"ok", will_close=True),
    b"HTTP/1.1 200\r\nContent-Length: 1\r\nX-Text: transfer-encoding\r\n\r\ny": Answer(200, b"y", will_close=False),
}


class Wire:
    """A socket that hands out given fragments, then the end."""

    def __init__(self, fragments: list[bytes]) -> None:
        self._fragments: Iterator[bytes] = iter(fragments)
        self._left = b""

    def recv(self, size: int) -> bytes:
        data = self._left or next(self._fragments, b"")
        self._left = data[size:]
        return data[:size]

    def recv_into(self, buffer: memoryview) -> int:
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def read(fragments: list[bytes]) -> Answer:
    return read_answer(Wire(fragments), "POST")  # type: ignore[arg-type]


@given(st.sampled_from(sorted(FORMS)), st.lists(st.integers(1, 400), max_size=6))
def test_every_form_is_read_whole_however_it_arrives(form: bytes, cuts: list[int]) -> None:
    places = sorted({cut for cut in cuts if cut < len(form)})
    fragments = [form[a:b] for a, b in zip([0, *places], [*places, len(form)], strict=True)]
    assert read(fragments)._replace(head=b"") == FORMS[form]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", http.client.IncompleteRead),
        (b"SSH-2.0-OpenSSH\r\n\r\n", http.client.BadStatusLine),
        (b"HTTP/1.1 200 OK\r\nContent-Le", http.client.HTTPException),
        (b"x" * 200_000, http.client.HTTPException),
    ],
)
def test_what_is_no_whole_answer_is_an_error(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read([data])


def test_a_real_socket_stays_usable_for_the_next_answer() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for body in (b"one", b"three"):
            theirs.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            assert read_answer(ours, "POST").body == body
