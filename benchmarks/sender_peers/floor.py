"""What no sender in Python can leave out, and nothing else: what a row of `benchmarks.sender` is held against.

It does the same writes and syncs, wakes the same tasks, makes as many aggregates and calls as the sender made in the
run beside it (told by the null Kinesis), with MD5 and SHA-256 of every byte, and TLS where the row has it. What it
leaves out is what makes a sender of it: checks, bounds, sizes and keys of aggregates, acknowledgements, order across
requests, waiting, retries, failures, what it takes to find records again after a crash. It is of no other use.
"""

import asyncio
import hashlib
import os
import pathlib
import ssl
import threading
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from operator import call
from queue import SimpleQueue
from typing import Final
from urllib.parse import urlsplit

Record = tuple[str, bytes]

_LANES: Final = 256
_IN_FLIGHT: Final = 8
_FRAME_HEADER_BYTES: Final = 48
# As long as what stands before each record's data in an aggregate, and before an aggregate in a request.
_RECORD_HEADER: Final = bytes(10)
_MAGIC: Final = b"\xf3\x89\x9a\xc2"
_ENTRY: Final = b"\xa3lPartitionKeyflane-1oExplicitHashKeya1dData"
_START: Final = b"\xa2jStreamNamekstockstreamgRecords"
# Of a key that the null Kinesis does not know, and so cannot check.
_HEAD: Final = (
    "POST / HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-amz-cbor-1.1\r\nX-Amz-Date: 20260101T000000Z\r\n"
    "X-Amz-Target: Kinesis_20131202.PutRecords\r\nAuthorization: AWS4-HMAC-SHA256 Credential=AKID/20260101/us-east-1/"
    "kinesis/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature={signature}\r\n"
    "Content-Length: {length}\r\n\r\n"
)


class Floor:
    """Takes what `send` takes, as a sender of the driver."""

    async def start(
        self,
        url: str,
        *,
        quotes_per_record: float,
        records_per_call: float,
        on_disk: bool,
        in_thread: bool,
        **other: str,
    ) -> None:
        """Connect.

        Args:
            url: Of the null Kinesis; `https` trusts AWS_CA_BUNDLE.
            quotes_per_record: How many quotes an aggregate held.
            records_per_call: How many aggregates a call carried.
            on_disk: Whether every batch is written and synced.
            in_thread: Whether in a thread beside the loop: a loop cannot stand still for as long as a slow disk takes.
            other: `outbox_dir`, for the file.
        """
        self._loop = asyncio.get_running_loop()
        self._quotes_per_record, self._records_per_call = quotes_per_record, records_per_call
        self._lanes: list[deque[bytes]] = [deque() for _ in range(_LANES)]
        self._append_of_key = _Appends(self._lanes)
        self._quotes = self._made = self._sent = self._next_lane = 0
        self._aggregates: list[bytes] = []
        self._waiting: deque[list[bytes]] = deque()
        self._answered = asyncio.Event()
        address = urlsplit(url)
        self._host = address.netloc
        tls = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"]) if address.scheme == "https" else None
        self._free: list[_Connection] = []
        for _ in range(_IN_FLIGHT):
            made = await self._loop.create_connection(
                lambda: _Connection(self._on_answer), str(address.hostname), address.port or 443, ssl=tls
            )
            self._free.append(made[1])
        self._queue: list[tuple[Sequence[Record], asyncio.Future[None]]] = []
        self._running = False
        self._file = -1
        if on_disk:
            path = pathlib.Path(other["outbox_dir"]) / "floor"
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._jobs: SimpleQueue[tuple[list[bytes], Callable[[], None]] | None] | None = None
        if in_thread:
            self._jobs = SimpleQueue()
            threading.Thread(target=self._work, daemon=True).start()

    async def send(self, records: Sequence[Record]) -> None:
        """Write, sync and wake; or, in memory, wait only where too much is unanswered."""
        if self._file < 0:
            self._deal(records)
            await self._answers(_IN_FLIGHT)
            return
        done = self._loop.create_future()
        self._queue.append((records, done))
        if not self._running:
            self._running = True
            self._loop.call_soon(self._commit)
        await done

    async def finish(self) -> None:
        """Send what is left and await every answer."""
        while any(self._lanes):
            self._aggregate()
        self._call()
        await self._answers(0)
        while len(self._free) < _IN_FLIGHT:
            self._answered.clear()
            await self._answered.wait()
        for connection in self._free:
            connection.transport.close()
        if self._jobs is not None:
            self._jobs.put(None)
        if self._file >= 0:
            os.close(self._file)

    def _commit(self) -> None:
        batch, self._queue = self._queue, []
        records = [record for some, _ in batch for record in some]
        _, datas = zip(*records, strict=True)
        data = b"".join(datas)
        pieces = [zlib.crc32(data).to_bytes(_FRAME_HEADER_BYTES, "little"), data]

        def committed() -> None:
            self._deal(records)
            for _, done in batch:
                done.set_result(None)
            self._running = bool(self._queue)
            if self._running:
                self._commit()

        if self._jobs is None:
            self._write(pieces)
            committed()
        else:
            self._jobs.put((pieces, committed))

    def _work(self) -> None:
        assert self._jobs is not None
        while (job := self._jobs.get()) is not None:
            pieces, committed = job
            self._write(pieces)
            self._loop.call_soon_threadsafe(committed)

    def _write(self, pieces: list[bytes]) -> None:
        os.writev(self._file, pieces)
        os.fdatasync(self._file)

    def _deal(self, records: Sequence[Record]) -> None:
        """Each quote to the lane of its key; then as many aggregates and calls as are due by now."""
        keys, datas = zip(*records, strict=True)
        deque(map(call, map(self._append_of_key.__getitem__, keys), datas), maxlen=0)
        self._quotes += len(records)
        while self._made + 1 <= self._quotes / self._quotes_per_record:
            self._aggregate()
        if self._made - self._sent >= self._records_per_call:
            self._call()

    def _aggregate(self) -> None:
        lane = self._lanes[self._next_lane]
        while not lane:
            self._next_lane = (self._next_lane + 1) % _LANES
            lane = self._lanes[self._next_lane]
        parts = [_RECORD_HEADER] * (2 * len(lane))
        parts[1::2] = lane
        lane.clear()
        body = b"".join(parts)
        digest = hashlib.md5(body, usedforsecurity=False).digest()
        length = (len(_MAGIC) + len(body) + len(digest)).to_bytes(4, "big")
        self._aggregates.append(b"".join((_ENTRY, b"\x5a", length, _MAGIC, body, digest)))
        self._made += 1

    def _call(self) -> None:
        if not self._aggregates:
            return
        count = len(self._aggregates).to_bytes(2, "big")
        body = b"".join((_START, b"\x99", count, *self._aggregates))
        self._aggregates, self._sent = [], self._made
        signature = hashlib.sha256(body).hexdigest()
        head = _HEAD.format(host=self._host, signature=signature, length=len(body)).encode()
        self._waiting.append([head, body])
        self._write_waiting()

    def _on_answer(self, connection: "_Connection") -> None:
        self._free.append(connection)
        self._answered.set()
        self._write_waiting()

    def _write_waiting(self) -> None:
        while self._free and self._waiting:
            connection = self._free.pop()
            for piece in self._waiting.popleft():
                connection.transport.write(piece)

    async def _answers(self, waiting: int) -> None:
        while len(self._waiting) > waiting:
            self._answered.clear()
            await self._answered.wait()


class _Appends(dict[str, Callable[[bytes], None]]):
    """What puts a quote into the lane of its key."""

    def __init__(self, lanes: Sequence[deque[bytes]]) -> None:
        super().__init__()
        self._lanes = lanes

    def __missing__(self, key: str) -> Callable[[bytes], None]:
        append = self[key] = self._lanes[zlib.crc32(key.encode()) % _LANES].append
        return append


class _Connection(asyncio.Protocol):
    """Reads an answer as far as its length says."""

    transport: asyncio.Transport

    def __init__(self, on_answer: Callable[["_Connection"], None]) -> None:
        self._on_answer = on_answer
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) >= int(length.split(b"\r\n", 1)[0]):
            assert head.startswith(b"HTTP/1.1 200"), self._received
            self._received = b""
            self._on_answer(self)
