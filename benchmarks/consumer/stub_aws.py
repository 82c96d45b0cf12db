"""AWS as a stub of its own process: DynamoDB and SNS that answer "done" after a fixed time, S3 that keeps its objects.

python -m benchmarks.consumer.stub_aws LATENCY_MS S3_PUT_MS    (prints its port; ends when its standard input closes)
"""

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.IGNORECASE)
_ETAG = re.compile(rb"\r\nif-match: *(\S+)", re.IGNORECASE)
_METADATA = re.compile(rb"\r\n(x-amz-meta-[a-z]+: *[^\r]*)", re.IGNORECASE)
_ENTRY_ID = re.compile(rb"\.Id=(\d+)")
_DYNAMODB = {
    "BatchGetItem": b'{"Responses":{},"UnprocessedKeys":{}}',
    "BatchWriteItem": b'{"UnprocessedItems":{}}',
    "Query": b'{"Count":0,"Items":[]}',
}


class _Stub:
    """What all connections share: objects by path, calls by operation, and how long an answer takes."""

    def __init__(self, latency_seconds: float, s3_put_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._s3_put_seconds = s3_put_seconds
        self._objects: dict[bytes, tuple[bytes, bytes]] = {}
        self.calls: Counter[str] = Counter()

    def reply(self, head: bytes, body: bytes) -> tuple[float, int, bytes, bytes]:
        """Seconds, status, further header lines and body of the answer to a request."""
        target = _TARGET.search(head)
        if target:
            operation = target[1].decode()
            self.calls[operation] += 1
            return self._latency_seconds, 200, b"", _DYNAMODB.get(operation, b"{}")
        path = head.split(b" ", 2)[1]
        if head.startswith(b"PUT "):
            self.calls["PutObject"] += 1
            return self._s3_put_seconds, *self._put(head, path, body), b""
        if head.startswith(b"GET "):
            self.calls["GetObject"] += 1
            stored = self._objects.get(path)
            if stored is None:
                return self._latency_seconds, 404, b"", b"<Error><Code>NoSuchKey</Code></Error>"
            return self._latency_seconds, 200, stored[0], stored[1]
        operation = "PublishBatch" if b"Action=PublishBatch" in body else "Publish"
        self.calls[operation] += 1
        ids = b"".join(
            [b"<member><Id>%b</Id><MessageId>m</MessageId></member>" % number for number in _ENTRY_ID.findall(body)]
        )
        result = b"<Successful>%b</Successful><Failed/>" % ids if ids else b"<MessageId>m</MessageId>"
        name = operation.encode()
        return self._latency_seconds, 200, b"", b"<%bResponse><%bResult>%b</%bResult></%bResponse>" % (
            name, name, result, name, name,
        )  # fmt: skip

    def _put(self, head: bytes, path: bytes, body: bytes) -> tuple[int, bytes]:
        present = self._objects.get(path)
        etag = _ETAG.search(head)
        if b"\r\nif-none-match:" in head.lower() and present is not None:
            return 412, b""
        if etag and (present is None or etag[1] not in present[0]):
            return 412, b""
        lines = b"".join([b"%b\r\n" % line for line in _METADATA.findall(head)])
        new = b'ETag: "%x"\r\n' % (hash(body) & 0xFFFFFFFFFFFF)
        self._objects[path] = lines + new, body
        return 200, new


class _Connection(asyncio.Protocol):
    def __init__(self, stub: _Stub) -> None:
        self._stub = stub
        self._buffer = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._buffer[:end])
        length = _LENGTH.search(head)
        total = end + 4 + (int(length[1]) if length else 0)
        if b"100-continue" in head and len(self._buffer) == end + 4:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if len(self._buffer) < total:
            return
        body = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        if head.startswith(b"GET /_calls"):
            self._answer(200, b"", json.dumps(self._stub.calls).encode())
            self._stub.calls.clear()
            return
        seconds, status, lines, content = self._stub.reply(head, body)
        asyncio.get_running_loop().call_later(seconds, self._answer, status, lines, content)

    def _answer(self, status: int, lines: bytes, content: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, lines, len(content))
            self._transport.write(head + content)


class StubAws:
    """A running stub."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def take_calls(self) -> dict[str, int]:
        """Calls by operation since the last time this was asked."""
        with urllib.request.urlopen(f"{self.url}/_calls") as answer:  # noqa: S310 - loopback
            calls: dict[str, int] = json.load(answer)
        return calls


@contextmanager
def stub_aws(latency_ms: float, s3_put_ms: float | None = None) -> Iterator[StubAws]:
    """Run the stub in a process of its own; an object takes as long to put as any other call, if nothing is said."""
    put_ms = latency_ms if s3_put_ms is None else s3_put_ms
    command = [sys.executable, "-m", "benchmarks.consumer.stub_aws", str(latency_ms), str(put_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield StubAws(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def _serve(latency_ms: float, s3_put_ms: float) -> None:
    loop = asyncio.get_running_loop()
    stub = _Stub(latency_ms / 1000, s3_put_ms / 1000)
    server = await loop.create_server(lambda: _Connection(stub), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), float(sys.argv[2])))
