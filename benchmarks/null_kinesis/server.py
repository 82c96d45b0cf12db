"""HTTP/1.1, no more of it than producers speak, as an asyncio protocol."""

import asyncio
import re
import ssl
from typing import Final

import msgspec

from benchmarks.null_kinesis.api import Answer, KinesisApi
from benchmarks.null_kinesis.signature import is_wrongly_signed
from benchmarks.null_kinesis.stream import Stream
from benchmarks.null_kinesis.verify import verify

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *([^\r]+)", re.IGNORECASE)
_TYPE: Final = re.compile(rb"\r\ncontent-type: *([^\r;]+)", re.IGNORECASE)
_EXPECT: Final = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_BUFFER_BYTES: Final = 1024 * 1024
_READ_BYTES: Final = 64 * 1024


SIGNATURE_SAMPLE = 64


class KinesisProtocol(asyncio.BufferedProtocol):
    """One connection, read into one buffer: what this process spends, its neighbour on the same core goes without."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._api = KinesisApi(stream)
        self._buffer = bytearray(_BUFFER_BYTES)
        # Bytes received that belong to requests not yet answered.
        self._filled = 0
        self._body_at = -1
        self._length = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._stream.connections += 1
        self._stream.open_connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._stream.open_connections.discard(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        needed = self._filled + max(sizehint, _READ_BYTES)
        if self._body_at >= 0:
            needed = max(needed, self._body_at + self._length)
        if needed > len(self._buffer):
            # Not resized: the loop may still hold a view of it.
            grown = bytearray(2 * needed)
            grown[: self._filled] = memoryview(self._buffer)[: self._filled]
            self._buffer = grown
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        while self._filled:
            if self._body_at < 0 and not self._read_head():
                return
            end = self._body_at + self._length
            if self._filled < end:
                return
            view = memoryview(self._buffer)
            self._respond(bytes(view[: self._body_at]), view[self._body_at : end])
            rest = bytes(view[end : self._filled])
            self._filled = len(rest)
            view[: self._filled] = rest
            self._body_at = -1

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            return False
        head = bytes(memoryview(self._buffer)[: end + 4])
        if self._stream.faults.outage and not head.startswith(b"POST /control"):
            self._stream.calls += b"PutRecord" in head
            if b"PutRecord" in head:
                self._stream.call_times.append(asyncio.get_running_loop().time())
            self._transport.abort()
            self._filled = 0
            return False
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else 0
        self._body_at = end + 4
        if _EXPECT.search(head):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _respond(self, head: bytes, body: memoryview | bytes) -> None:
        if head.startswith(b"POST /control"):
            self._write(control(self._stream, body), close=False)
            return
        refused = self._stream.refuse_access_key
        if refused and f"Credential={refused}/".encode() in head and b"PutRecords" in head:
            body = b'{"__type":"ExpiredTokenException","message":"The security token is expired"}'
            self._write(Answer(400, body=body), close=False)
            return
        # Looking at each would measure us and not the producer.
        if self._stream.calls % SIGNATURE_SAMPLE == 0:
            self._stream.signatures_checked += 1
            if is_wrongly_signed(head, body):
                self._stream.wrongly_signed += 1
                body = b'{"__type":"InvalidSignatureException","message":"the signature does not match"}'
                self._write(Answer(400, body=body), close=False)
                return
        target, content_type = _TARGET.search(head), _TYPE.search(head)
        answer = self._api.handle(
            target[1].decode() if target else "", content_type[1].decode() if content_type else "", body
        )
        close = _CLOSE.search(head) is not None
        latency = self._stream.faults.latency_seconds
        if latency:
            asyncio.get_running_loop().call_later(latency, self._write, answer, close)
        else:
            self._write(answer, close)

    def _write(self, answer: Answer, close: bool) -> None:
        if self._transport.is_closing():
            return
        if answer.status is None:
            self._transport.abort()
            return
        head = (
            f"HTTP/1.1 {answer.status} X\r\nContent-Type: {answer.content_type}\r\n"
            f"Content-Length: {len(answer.body)}\r\nx-amzn-RequestId: null\r\n\r\n"
        )
        self._transport.write(head.encode() + answer.body)
        if close:
            self._transport.close()


def control(stream: Stream, body: memoryview | bytes) -> Answer:
    """Answer `POST /control`: set faults, reshard, reset, report."""
    request = msgspec.json.decode(body)
    action = request["action"]
    reply: dict[str, object] = {}
    if action == "faults":
        for name, value in request["faults"].items():
            setattr(stream.faults, name, value)
    elif action == "reset":
        stream.reset(request["shards"])
    elif action == "reshard":
        stream.reshard(request["shards"])
    elif action == "report":
        reply = {
            **verify(stream, request["expected"]),
            "calls": stream.calls,
            "call_times": stream.call_times,
            "connections": stream.connections,
            "shards_used": len({record.shard_id for record in stream.records}),
            "throttled": stream.throttled,
            "largest_request_bytes": stream.largest_request_bytes,
            "largest_request_records": stream.largest_request_records,
        }
    elif action == "count":
        reply = {"kinesis_records": len(stream.records), "calls": stream.calls}
    else:
        raise KeyError(action)
    return Answer(200, "application/json", msgspec.json.encode(reply))


async def serve(stream: Stream, host: str, port: int, tls: ssl.SSLContext | None = None) -> tuple[asyncio.Server, int]:
    """Listen; returns the server and its port."""
    server = await asyncio.get_running_loop().create_server(lambda: KinesisProtocol(stream), host, port, ssl=tls)
    return server, int(server.sockets[0].getsockname()[1])
