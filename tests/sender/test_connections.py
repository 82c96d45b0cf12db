"""Connections of our own: answers in every form, connections that break, and what must not be used again."""

import asyncio
import gc
import select
import socket
import ssl
import struct
import time
import warnings
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import httptools
import pytest
import trustme

from stockstream.sender.transport.connections import ConnectionPool, HttpAnswer
from tests.sender.scripted_server import MovableClock, Peer, Script, ScriptedServer, answer_of, turns

_MEBIBYTE = 1024 * 1024
_OK = HttpAnswer(200, "text/plain", b"own answer")
# A receiver that is kept small, and a body that does not fit into it and the sender's (Linux: up to 4 MiB).
_SMALL_RECEIVER_BYTES = 64 * 1024
_SOCKETS_HOLD_BYTES = 6 * _MEBIBYTE
_LARGE_BODY_BYTES = 4 * _SOCKETS_HOLD_BYTES
_READ_TIMEOUT_SECONDS = 60.0
_KEEPALIVE_SECONDS = 100.0


@dataclass
class Talk:
    """A pool, and the server it talks to."""

    pool: ConnectionPool
    server: ScriptedServer

    async def post(self, body: bytes = b"{}") -> HttpAnswer:
        return await self.pool.post(_request(body))


Start = Callable[..., Any]


def _request(*pieces: bytes) -> list[bytes]:
    length = sum(map(len, pieces))
    return [f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n".encode(), *pieces]


@pytest.fixture(scope="module")
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Of the server and of a client that trusts it."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture
async def start(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:

        async def start(script: Script, *, tls: bool = False, receive_buffer_bytes: int = 0, **settings: Any) -> Talk:
            server = ScriptedServer(script, contexts[0] if tls else None, receive_buffer_bytes)
            await stack.enter_async_context(server)
            defaults: dict[str, Any] = {
                "tls": contexts[1] if tls else None,
                "connect_timeout_seconds": 10.0,
                "read_timeout_seconds": _READ_TIMEOUT_SECONDS,
                "keepalive_seconds": _KEEPALIVE_SECONDS,
            }
            pool = ConnectionPool("127.0.0.1", server.port, **{**defaults, **settings})
            stack.push_async_callback(pool.close)
            return Talk(pool, server)

        yield start


def _first_then_right(first: Script) -> Script:
    """Does something else on the first connection, and answers well on all others."""

    async def script(peer: Peer) -> None:
        if peer.number == 1:
            await first(peer)
            return
        while True:
            await peer.request()
            await peer.answer(_OK.body)

    return script


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n7;x=y\r\n answer\r\n0\r\n\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FORMS = {
    "with a length": (answer_of(b"own answer"), _OK),
    "with parameters": (
        b"HTTP/1.1 200 OK\r\ncontent-TYPE:  Application/JSON ; charset=utf-8\r\ncontent-LENGTH:2\r\n\r\n{}",
        HttpAnswer(200, "application/json", b"{}"),
    ),
    "in chunks": (_CHUNKED, HttpAnswer(200, "", b"own answer")),
    "after one 100": (_CONTINUE + answer_of(b"own answer"), _OK),
    "after 102 with headers, and 103": (
        b"HTTP/1.1 102 Processing\r\nContent-Type: text/early\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + _CHUNKED,
        HttpAnswer(200, "", b"own answer"),
    ),
    "with the offer of another protocol": (answer_of(b"own answer", "Upgrade: h2,h2c", "Connection: Upgrade"), _OK),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", HttpAnswer(204, "", b"")),
    "of length 0": (
        b"HTTP/1.1 500 Oh\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\r\n",
        HttpAnswer(500, "text/xml", b""),
    ),
}


@pytest.mark.parametrize("in_bytes", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize(("raw", "expected"), _FORMS.values(), ids=_FORMS)
async def test_an_answer_of_any_form_is_read_whole_and_the_connection_is_used_again(
    start: Start, raw: bytes, expected: HttpAnswer, in_bytes: bool
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            for piece in [bytes((byte,)) for byte in raw] if in_bytes else [raw]:
                await peer.send(piece)

    talk = await start(script)
    assert [await talk.post() for _ in range(3)] == [expected] * 3
    assert talk.server.connections == 1


@pytest.mark.parametrize("in_bytes", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"])
async def test_a_body_without_a_length_ends_with_its_connection(start: Start, head: bytes, in_bytes: bool) -> None:
    async def script(peer: Peer) -> None:
        raw = head + await peer.request()
        for piece in [bytes((byte,)) for byte in raw] if in_bytes else [raw]:
            await peer.send(piece)
        peer.writer.close()

    talk = await start(script)
    assert [await talk.post(body) for body in (b"one", b"two")] == [
        HttpAnswer(200, "", b"one"),
        HttpAnswer(200, "", b"two"),
    ]
    assert talk.server.connections == 2


async def test_a_body_without_a_length_that_a_reset_cuts_is_no_answer(start: Start) -> None:
    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf an ans")
        _reset(peer)

    talk = await start(_first_then_right(cut))
    with pytest.raises(ConnectionResetError):
        await talk.post()
    assert await talk.post() == _OK


@pytest.mark.parametrize("close", ["Connection: close", "connection: Close"])
async def test_a_connection_that_the_server_will_close_is_not_used_again(start: Start, close: str) -> None:
    async def closing(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"the last one", close)
        # It stays open for as long as the client lets it.
        await peer.gone()

    talk = await start(_first_then_right(closing))
    assert (await talk.post()).body == b"the last one"
    assert await talk.post() == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize(
    "junk",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    ],
)
async def test_what_is_not_an_http_answer_fails_by_name_and_ends_the_connection(start: Start, junk: bytes) -> None:
    async def talk_nonsense(peer: Peer) -> None:
        await peer.request()
        await peer.send(junk)
        await peer.gone()

    talk = await start(_first_then_right(talk_nonsense))
    with pytest.raises(httptools.HttpParserError):
        await talk.post()
    assert await talk.post() == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize(
    "part",
    [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\n", answer_of(b"own answer")[:-1], _CHUNKED[:-1], _CHUNKED[:-9]],
)
@pytest.mark.parametrize("by_reset", [False, True], ids=["closed", "reset"])
async def test_a_connection_that_ends_before_the_answer_does_is_an_error(
    start: Start, part: bytes, by_reset: bool
) -> None:
    async def end_early(peer: Peer) -> None:
        await peer.request()
        await peer.send(part)
        if by_reset:
            _reset(peer)
        else:
            peer.writer.close()

    talk = await start(_first_then_right(end_early))
    with pytest.raises(ConnectionResetError):
        await talk.post()
    assert await talk.post() == _OK


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_connection_that_the_server_closed_while_it_was_idle_is_not_used(start: Start, tls: bool) -> None:
    closed = asyncio.Event()

    async def close_when_idle(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"first")
        peer.writer.close()
        await peer.gone()
        closed.set()

    talk = await start(_first_then_right(close_when_idle), tls=tls)
    assert (await talk.post()).body == b"first"
    await closed.wait()
    assert await talk.post() == _OK


@pytest.mark.parametrize("by_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_kept_connection_that_ends_as_it_is_used_costs_no_try(start: Start, tls: bool, by_reset: bool) -> None:
    at_once = 6

    async def end_at_the_second_request(peer: Peer) -> None:
        await peer.request()
        await peer.answer(_OK.body)
        if peer.number > at_once:
            while True:
                await peer.request()
                await peer.answer(_OK.body)
        await peer.reader.readexactly(1)
        if by_reset:
            _reset(peer)
        else:
            peer.writer.close()

    talk = await start(end_at_the_second_request, tls=tls)
    for _ in range(2):
        assert await asyncio.gather(*(talk.post(bytes(40_000)) for _ in range(at_once))) == [_OK] * at_once
    assert talk.server.connections == 2 * at_once


async def test_a_hang_is_met_once_and_not_once_for_every_idle_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, at_once = MovableClock(monkeypatch), 4
    all_asked, hung = asyncio.Event(), asyncio.Event()
    asked: list[Peer] = []

    async def hang_at_the_second_request(peer: Peer) -> None:
        await peer.request()
        asked.append(peer)
        if len(asked) == at_once:
            all_asked.set()
        await all_asked.wait()
        await peer.answer(_OK.body)
        if peer.number <= at_once:
            await peer.request()
            hung.set()
            await peer.gone()

    talk = await start(hang_at_the_second_request)
    await asyncio.gather(*(talk.post() for _ in range(at_once)))
    post = asyncio.create_task(talk.post())
    await hung.wait()
    await clock.move(1.1 * _READ_TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError):
        await post
    assert await talk.post() == _OK
    assert talk.server.connections == at_once + 1


async def test_an_answer_that_a_reset_cuts_is_not_asked_for_again(start: Start) -> None:
    async def cut_the_second(peer: Peer) -> None:
        await peer.request()
        await peer.answer(_OK.body)
        await peer.request()
        await peer.send(answer_of(b"own answer")[:-1])
        _reset(peer)

    talk = await start(cut_the_second)
    assert await talk.post() == _OK
    with pytest.raises(ConnectionResetError):
        await talk.post()


async def test_a_connection_that_slept_with_its_machine_is_not_used(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.answer(_OK.body)

    talk = await start(script)
    await talk.post()
    real_time = time.time
    for ahead_seconds, connections in ((0.9, 1), (2.0, 2), (1.9, 3)):
        monkeypatch.setattr(time, "time", lambda ahead=ahead_seconds: real_time() + ahead * _KEEPALIVE_SECONDS)
        await talk.post()
        assert talk.server.connections == connections


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(start: Start) -> None:
    idle, gone = asyncio.Event(), asyncio.Event()

    async def speak_unasked(peer: Peer) -> None:
        await peer.request()
        await peer.answer(b"first")
        await idle.wait()
        await peer.answer(b"nobody's answer")
        await peer.gone()
        gone.set()

    talk = await start(_first_then_right(speak_unasked))
    assert (await talk.post()).body == b"first"
    idle.set()
    await gone.wait()
    assert await talk.post() == _OK


@pytest.mark.parametrize(
    "surplus",
    [answer_of(b"nobody's answer"), answer_of(b"nobody's answer")[:20], b"nonsense"],
    ids=["an answer", "a part of one", "nonsense"],
)
async def test_bytes_that_nobody_asked_for_behind_an_answer_end_its_connection(start: Start, surplus: bytes) -> None:
    async def say_too_much(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer_of(b"first") + surplus)
        await peer.gone()

    talk = await start(_first_then_right(say_too_much))
    assert (await talk.post()).body == b"first"
    assert await talk.post() == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_an_answer_that_comes_before_the_request_is_sent_counts_and_the_rest_is_not_sent(
    start: Start, tls: bool
) -> None:
    async def refuse_by_the_head(peer: Peer) -> None:
        await peer.head()
        await peer.answer(b"too large")
        await asyncio.Event().wait()  # reads no more

    talk = await start(_first_then_right(refuse_by_the_head), tls=tls, receive_buffer_bytes=_SMALL_RECEIVER_BYTES)
    assert (await talk.post(bytes(_LARGE_BODY_BYTES))).body == b"too large"
    assert await talk.post() == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize("sent", [0, 30, len(answer_of(b"late")) - 1])
async def test_the_late_answer_to_a_cancelled_request_meets_no_other(start: Start, sent: int) -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def dawdle(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer_of(b"late")[:sent])
        asked.set()
        await cancelled.wait()
        await peer.send(answer_of(b"late")[sent:])

    talk = await start(_first_then_right(dawdle))
    post = asyncio.create_task(talk.post())
    await asked.wait()
    post.cancel()
    with pytest.raises(asyncio.CancelledError):
        await post
    following = asyncio.create_task(talk.post())
    cancelled.set()
    assert await following == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("sent", [0, 30])
async def test_an_answer_that_stands_still_is_a_timeout_and_ends_its_connection(
    start: Start, monkeypatch: pytest.MonkeyPatch, tls: bool, sent: int
) -> None:
    stands = asyncio.Event()

    async def stand_still(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer_of(b"late")[:sent])
        stands.set()
        await peer.gone()

    clock = MovableClock(monkeypatch)
    talk = await start(_first_then_right(stand_still), tls=tls)
    post = asyncio.create_task(talk.post())
    await stands.wait()
    await clock.move(0.9 * _READ_TIMEOUT_SECONDS)
    assert not post.done()
    # Twice the timeout at the most: what came just after the last look counts at the next.
    await clock.move(0.2 * _READ_TIMEOUT_SECONDS)
    await clock.move(_READ_TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError, match="no byte sent or received for 60 s"):
        await post
    assert await talk.post() == _OK
    assert talk.server.connections == 2


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_an_answer_that_drips_is_no_timeout(start: Start, monkeypatch: pytest.MonkeyPatch, tls: bool) -> None:
    clock = MovableClock(monkeypatch)

    async def drip(peer: Peer) -> None:
        await peer.request()
        for byte in answer_of(_OK.body):
            await peer.send(bytes((byte,)))
            await clock.move(0.6 * _READ_TIMEOUT_SECONDS)

    talk = await start(drip, tls=tls)
    assert await talk.post() == _OK


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_request_that_is_taken_slowly_is_no_timeout(
    start: Start, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    clock = MovableClock(monkeypatch)

    async def take_slowly(peer: Peer) -> None:
        left = await peer.head()
        while left:
            # More at each step than the sockets hold, so that the client must have sent some of it meanwhile.
            step = min(left, _SOCKETS_HOLD_BYTES)
            await peer.reader.readexactly(step)
            left -= step
            await clock.move(0.6 * _READ_TIMEOUT_SECONDS)
        await peer.answer(_OK.body)

    talk = await start(take_slowly, tls=tls, receive_buffer_bytes=_SMALL_RECEIVER_BYTES)
    assert await talk.post(bytes(_LARGE_BODY_BYTES)) == _OK


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_request_that_is_not_taken_is_a_timeout(
    start: Start, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    clock = MovableClock(monkeypatch)
    asked = asyncio.Event()

    async def take_nothing(peer: Peer) -> None:
        await peer.head()
        asked.set()
        await asyncio.Event().wait()

    talk = await start(_first_then_right(take_nothing), tls=tls, receive_buffer_bytes=_SMALL_RECEIVER_BYTES)
    post = asyncio.create_task(talk.post(bytes(_LARGE_BODY_BYTES)))
    await asked.wait()
    while not post.done():
        await clock.move(_READ_TIMEOUT_SECONDS)
    with pytest.raises(TimeoutError, match="no byte"):
        await post
    assert await talk.post() == _OK


async def test_a_server_that_accepts_no_connection_is_a_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            if select.select([], waiting[-1:], [], 0)[1]:
                pytest.skip("this system queues more connections than a listener asks for")
            pool = _unserved_pool(listener, tls=None)
            with pytest.raises(TimeoutError):
                await pool.post(_request(b"{}"))
            await pool.close()
        finally:
            for one in waiting:
                one.close()


async def test_a_server_that_shakes_no_hands_is_a_timeout(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = _unserved_pool(listener, tls=contexts[1])
        with pytest.raises(TimeoutError):
            await pool.post(_request(b"{}"))
        # And nothing is left that closing would wait for.
        await pool.close()


def _unserved_pool(listener: socket.socket, tls: ssl.SSLContext | None) -> ConnectionPool:
    return ConnectionPool(
        "127.0.0.1",
        listener.getsockname()[1],
        tls=tls,
        connect_timeout_seconds=0.05,
        read_timeout_seconds=_READ_TIMEOUT_SECONDS,
        keepalive_seconds=_KEEPALIVE_SECONDS,
    )


async def test_a_server_that_is_not_there_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = _unserved_pool(listener, tls=None)
    with pytest.raises(ConnectionRefusedError):
        await pool.post(_request(b"{}"))
    await pool.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(start: Start) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    talk = await start(script, tls=True)
    stranger = ConnectionPool(
        "127.0.0.1",
        talk.server.port,
        tls=ssl.create_default_context(),
        connect_timeout_seconds=10.0,
        read_timeout_seconds=_READ_TIMEOUT_SECONDS,
        keepalive_seconds=_KEEPALIVE_SECONDS,
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        await stranger.post(_request(b"{}"))
    await stranger.close()


async def test_a_server_that_hangs_up_during_the_handshake_is_a_reset(
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async def hang_up(peer: Peer) -> None:
        await peer.reader.read(10)

    async with ScriptedServer(hang_up) as server:
        pool = ConnectionPool(
            "127.0.0.1",
            server.port,
            tls=contexts[1],
            connect_timeout_seconds=10.0,
            read_timeout_seconds=_READ_TIMEOUT_SECONDS,
            keepalive_seconds=_KEEPALIVE_SECONDS,
        )
        with pytest.raises(ConnectionError):
            await pool.post(_request(b"{}"))
        await pool.close()


def _pieces(size: int, seed: int) -> Sequence[bytes]:
    """Bytes that differ from place to place, in pieces of uneven size."""
    whole = (b"".join(struct.pack(">II", seed, number) for number in range(size // 8 + 1)))[:size]
    cuts = sorted({0, min(1, size), size // 3, size // 2, size})
    return [whole[start:end] for start, end in pairwise(cuts)]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_bodies_of_every_size_arrive_byte_for_byte_over_one_connection(start: Start, tls: bool) -> None:
    received = []

    async def keep(peer: Peer) -> None:
        while True:
            received.append(await peer.request())
            await peer.answer(b"%d" % len(received[-1]))

    talk = await start(keep, tls=tls)
    head_bytes = len(_request(b"x" * 262_100)[0])
    # Around the buffer's size, past what is kept of it, and small again.
    sizes = [0, 10, 262_144 - head_bytes, 262_145 - head_bytes, 5 * _MEBIBYTE, 10, 3 * _MEBIBYTE, 700_000, 10, 300_000]
    sent = [_pieces(size, seed) for seed, size in enumerate(sizes)]
    for pieces, size in zip(sent, sizes, strict=True):
        assert (await talk.pool.post(_request(*pieces))).body == b"%d" % size
    assert received == [b"".join(pieces) for pieces in sent]
    assert talk.server.connections == 1


async def test_each_of_many_requests_at_once_gets_its_own_answer(start: Start) -> None:
    rounds, at_once = 3, 40
    waiting: list[tuple[Peer, bytes]] = []

    async def echo_in_reverse(peer: Peer) -> None:
        while True:
            waiting.append((peer, await peer.request()))
            if len(waiting) == at_once:
                everyone, waiting[:] = waiting[::-1], []
                for other, body in everyone:
                    await other.answer(body)

    talk = await start(echo_in_reverse)
    for round_number in range(rounds):
        bodies = [b"%d/%d" % (round_number, number) for number in range(at_once)]
        answers = await asyncio.gather(*map(talk.post, bodies))
        assert [answer.body for answer in answers] == bodies
    assert talk.server.connections == at_once


async def test_a_connection_that_was_idle_for_too_long_is_not_used(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovableClock(monkeypatch)
    ended = []

    async def script(peer: Peer) -> None:
        try:
            while True:
                await peer.request()
                await peer.answer(_OK.body)
        finally:
            ended.append(peer.number)

    talk = await start(script)
    await talk.post()
    await clock.move(0.9 * _KEEPALIVE_SECONDS)
    await talk.post()
    await clock.move(0.9 * _KEEPALIVE_SECONDS)
    await talk.post()
    assert talk.server.connections == 1
    await clock.move(1.1 * _KEEPALIVE_SECONDS)
    await talk.post()
    assert talk.server.connections == 2
    await turns()
    assert ended == [1]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_closing_ends_idle_and_busy_connections(start: Start, tls: bool) -> None:
    at_once = 3
    silent = asyncio.Event()
    ended: asyncio.Queue[int] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number <= at_once:
            await peer.answer(_OK.body)
        else:
            silent.set()
        await peer.gone()
        ended.put_nowait(peer.number)

    talk = await start(script, tls=tls)
    await asyncio.gather(*(talk.post() for _ in range(at_once)))
    # The idle ones are all taken and not answered; one more has to connect.
    busy = [asyncio.create_task(talk.post()) for _ in range(at_once + 1)]
    await silent.wait()
    await talk.pool.close()
    results = await asyncio.gather(*busy, return_exceptions=True)
    assert [type(result) for result in results] == [ConnectionResetError] * (at_once + 1)
    assert sorted([await ended.get() for _ in range(at_once + 1)]) == [1, 2, 3, 4]


def _reset(peer: Peer) -> None:
    connection = peer.writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.writer.transport.abort()


async def test_a_request_that_is_given_up_while_it_connects_leaves_no_socket_behind() -> None:
    """At whichever turn of the loop: a socket left to the garbage collector is a warning, and so a failure."""
    unread: set[asyncio.StreamWriter] = set()
    server = await asyncio.start_server(lambda _, writer: unread.add(writer), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    for loop_turns in range(16):
        pool = ConnectionPool(
            "127.0.0.1", port, tls=None, connect_timeout_seconds=60, read_timeout_seconds=60, keepalive_seconds=60
        )
        asking = asyncio.ensure_future(pool.post(_request()))
        for _ in range(loop_turns):
            await asyncio.sleep(0)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        del asking
        await pool.close()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            gc.collect()
        assert [str(each.message) for each in told if "socket" in str(each.message)] == []
    for writer in unread:
        writer.close()
    server.close()
    await server.wait_closed()
