"""AWS as a stub of its own process: DynamoDB, S3 and SNS that answer "done" after a fixed time and count their calls.

python -m benchmarks.consumer.stub_aws LATENCY_MS      (prints its port; ends when its standard input closes)
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
_ENTRY_ID = re.compile(rb"\.Id=(\d+)")
_DYNAMODB = {
    "BatchGetItem": b'{"Responses":{},"UnprocessedKeys":{}}',
    "BatchWriteItem": b'{"UnprocessedItems":{}}',
}


class _Connection(asyncio.Protocol):
    def __init__(self, latency_seconds: float, calls: Counter[str]) -> None:
        self._latency_seconds = latency_seconds
        self._calls = calls
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
            self._answer(200, json.dumps(self._calls).encode())
            self._calls.clear()
            return
        operation, status, content = _reply(head, body)
        self._calls[operation] += 1
        asyncio.get_running_loop().call_later(self._latency_seconds, self._answer, status, content)

    def _answer(self, status: int, content: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(content), content))


def _reply(head: bytes, body: bytes) -> tuple[str, int, bytes]:
    target = _TARGET.search(head)
    if target:
        operation = target[1].decode()
        return operation, 200, _DYNAMODB.get(operation, b"{}")
    if head.startswith(b"PUT "):
        return "PutObject", 200, b""
    if head.startswith(b"GET "):
        return "GetObject", 404, b"<Error><Code>NoSuchKey</Code></Error>"
    operation = "PublishBatch" if b"Action=PublishBatch" in body else "Publish"
    ids = b"".join(
        [b"<member><Id>%b</Id><MessageId>m</MessageId></member>" % number for number in _ENTRY_ID.findall(body)]
    )
    result = b"<Successful>%b</Successful><Failed/>" % ids if ids else b"<MessageId>m</MessageId>"
    name = operation.encode()
    return operation, 200, b"<%bResponse><%bResult>%b</%bResult></%bResponse>" % (name, name, result, name, name)


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
def stub_aws(latency_ms: float) -> Iterator[StubAws]:
    """Run the stub in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.consumer.stub_aws", str(latency_ms)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield StubAws(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


async def _serve(latency_ms: float) -> None:
    loop = asyncio.get_running_loop()
    calls: Counter[str] = Counter()
    server = await loop.create_server(lambda: _Connection(latency_ms / 1000, calls), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
