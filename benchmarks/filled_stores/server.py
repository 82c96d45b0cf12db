"""What the stores answer: DynamoDB's Query in pages of 1 MB, S3's objects, a log that grows by an entry a second."""

import asyncio
import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from benchmarks.filled_stores.market import MODEL, Stored, quote_of, stored_month
from stockstream_wire import encode_quote
from stockstream_wire.storage import (
    FIRST_FOLDER,
    FORMAT_HEADER,
    LAYOUT_KEY,
    TABLES,
    checkpoint_key,
    encode_layout,
    log_key,
    pack_lines,
    partition_of,
    partitions_of,
)

CALLS_PATH: Final = "/_calls"
BUCKET: Final = "stockstream-archive"
_PARTITIONS: Final = 4
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_Query.html
_PAGE_MAX_BYTES: Final = 1024 * 1024
_FLOW_SECONDS: Final = 1.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_TARGET: Final = re.compile(rb"\r\nx-amz-target: *DynamoDB_20120810\.(\w+)", re.IGNORECASE)
_MISSING: Final = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"


class Stores:
    """The tables and the bucket. Answers are made once: who asks again is answered by a look into a table.

    Args:
        symbols: How many there are: SYM0, SYM1, …, each with the same month.
    """

    def __init__(self, symbols: int) -> None:
        self.calls: Counter[str] = Counter()
        self._month = stored_month()
        self._answers: dict[bytes, bytes] = {}
        self._partitions = partitions_of(_PARTITIONS)
        names = [f"SYM{number}" for number in range(symbols)]
        self._of = {
            partition: [name for name in names if partition_of(name, _PARTITIONS) == partition]
            for partition in self._partitions
        }
        self._objects = {LAYOUT_KEY: encode_layout(_PARTITIONS)}
        for partition, members in self._of.items():
            content = [1, 0, FIRST_FOLDER, {name: [] for name in members}]
            self._objects[checkpoint_key(partition)] = msgspec.msgpack.encode(content)
        self._revision = 0

    async def flow(self) -> None:
        """Append a quote of every symbol to the log each second."""
        while True:
            await asyncio.sleep(_FLOW_SECONDS)
            self._revision += 1
            now, price = datetime.now(UTC), Decimal(10_000 + self._revision % 100) / 100
            for partition, members in self._of.items():
                lines = [encode_quote(quote_of(name, now, price, 1000 * self._revision)) for name in members]
                self._objects[log_key(partition, FIRST_FOLDER, self._revision)] = pack_lines(lines)

    def reply(self, head: bytes, body: bytes) -> tuple[int, bytes, bytes]:
        """Status, further header lines and body of an answer."""
        target = _TARGET.search(head)
        if target is not None:
            self.calls[target[1].decode()] += 1
            known = self._answers.get(body)
            if known is None:
                known = self._answers[body] = self._query(json.loads(body))
            return 200, b"Content-Type: application/x-amz-json-1.0\r\n", known
        self.calls["GetObject"] += 1
        key = unquote(head.split(b" ", 2)[1].decode().partition("?")[0]).removeprefix(f"/{BUCKET}/")
        content = self._objects.get(key)
        if content is None:
            return 404, b"", _MISSING
        written = format_datetime(datetime.now(UTC), usegmt=True)
        lines = f'Last-Modified: {written}\r\n{FORMAT_HEADER}: 1\r\nETag: "1"\r\n'
        return 200, lines.encode(), content

    def _query(self, asked: dict[str, Any]) -> bytes:
        values = {name: text["S"] for name, text in asked["ExpressionAttributeValues"].items()}
        symbol, mark, interval = values[":hash"].partition("#")
        stored = self._month.get((asked["TableName"], f"{MODEL}{mark}{interval}"), Stored({}))
        low, high = bisect_left(stored.keys, values[":first"]), bisect_right(stored.keys, values[":last"])
        sort_name = TABLES[asked["TableName"]].sort
        start = asked.get("ExclusiveStartKey", {}).get(sort_name, {}).get("S")
        if asked.get("ScanIndexForward", True):
            begin = low if start is None else bisect_right(stored.keys, start)
            indexes = range(begin, high)
        else:
            end = high if start is None else bisect_left(stored.keys, start)
            indexes = range(end - 1, low - 1, -1)
        taken: list[int] = []
        size = 0
        for index in indexes:
            if len(taken) == asked.get("Limit") or size > _PAGE_MAX_BYTES:
                break
            taken.append(index)
            size += stored.sizes[index]
        fields = asked.get("ProjectionExpression")
        kept = {asked["ExpressionAttributeNames"][name] for name in fields.split(", ")} if fields else None
        items = b",".join(_projected(stored.items[index], kept) for index in taken)
        items = items.replace(MODEL.encode(), symbol.encode())
        more = b""
        if len(taken) < len(indexes) and taken:
            names = TABLES[asked["TableName"]]
            key = {names.partition: {"S": values[":hash"]}, names.sort: {"S": stored.keys[taken[-1]]}}
            more = b',"LastEvaluatedKey":' + json.dumps(key).encode()
        return b'{"Count":%d,"ScannedCount":%d,"Items":[%b]%b}' % (len(taken), len(taken), items, more)


def _projected(item: bytes, kept: set[str] | None) -> bytes:
    if kept is None:
        return item
    raw = msgspec.json.decode(item, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({name: value for name, value in raw.items() if name in kept})


class Connection(asyncio.Protocol):
    """A connection that is kept open; requests come one behind the other."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
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
        if len(self._buffer) < total:
            return
        body = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        if head.startswith(b"GET " + CALLS_PATH.encode()):
            content = json.dumps(self._stores.calls).encode()
            self._stores.calls.clear()
            status, lines = 200, b""
        else:
            status, lines, content = self._stores.reply(head, body)
        self._transport.write(b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n" % (status, lines, len(content)))
        self._transport.write(content)
