"""HTTP/1.1, no more of it than producers speak, as an asyncio protocol."""

import asyncio
import re
from typing import Final

import msgspec

from benchmarks.null_kinesis.api import Answer, KinesisApi
from benchmarks.null_kinesis.stream import Stream
from benchmarks.null_kinesis.verify import verify

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *([^\r]+)", re.IGNORECASE)
_TYPE: Final = re.compile(rb"\r\ncontent-type: *([^\r;]+)", re.IGNORECASE)
_EXPECT: Final = re.compile(rb"\r\nexpect: *100-continue", re.IGNORECASE)
_CLOSE: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class KinesisProtocol(asyncio.Protocol):
    """One connection."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._api = KinesisApi(stream)
        self._buffer = bytearray()
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

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            if self._body_at < 0 and not self._read_head():
                return
            end = self._body_at + self._length
            if len(self._buffer) < end:
                return
            head, body = bytes(self._buffer[: self._body_at]), bytes(self._buffer[self._body_at : end])
            del self._buffer[:end]
            self._body_at = -1
            self._respond(head, body)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[: end + 4])
        if self._stream.faults.outage and not head.startswith(b"POST /control"):
            self._stream.calls += b"PutRecord" in head
            if b"PutRecord" in head:
                self._stream.call_times.append(asyncio.get_running_loop().time())
            self._transport.abort()
            self._buffer.clear()
            return False
        length = _LENGTH.search(head)
        self._length = int(length[1]) if length else 0
        self._body_at = end + 4
        if _EXPECT.search(head):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _respond(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST /control"):
            self._write(control(self._stream, body), close=False)
            return
        refused = self._stream.refuse_access_key
        if refused and f"Credential={refused}/".encode() in head and b"PutRecords" in head:
            body = b'{"__type":"ExpiredTokenException","message":"The security token is expired"}'
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


def control(stream: Stream, body: bytes) -> Answer:
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


async def serve(stream: Stream, host: str, port: int) -> tuple[asyncio.Server, int]:
    """Listen; returns the server and its port."""
    server = await asyncio.get_running_loop().create_server(lambda: KinesisProtocol(stream), host, port)
    return server, int(server.sockets[0].getsockname()[1])
