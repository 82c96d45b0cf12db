"""A deployment's stores on moto, written by hand as the consumer writes them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from stockstream.aws import AwsConfig, open_client
from stockstream.local.provision import UNSENT_KEYS, table_request
from stockstream.reading import Market, StoreNames, open_market
from stockstream_wire import Quote, encode_quote
from stockstream_wire.storage import (
    FIRST_FOLDER,
    FORMAT_HEADER,
    LAYOUT_KEY,
    NEXT_FOLDER,
    TABLES,
    Partition,
    checkpoint_key,
    encode_layout,
    log_key,
    pack_lines,
    partition_of,
    partitions_of,
)
from tests.moto_server import moto_server

BUCKET = "stockstream-archive"
PARTITIONS = 4


def attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, list):
        return {"L": [attribute(entry) for entry in value]}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


@dataclass
class Stored:
    """The stores, and how far each partition's log was written."""

    aws: AwsConfig
    s3: Any
    dynamodb: Any
    market: Market
    ends: dict[Partition, tuple[int, str]] = field(default_factory=dict)

    async def begin(self) -> None:
        for partition in partitions_of(PARTITIONS):
            self.ends[partition] = (0, FIRST_FOLDER)
            await self.checkpoint(partition, 0, FIRST_FOLDER, {})
        await self.s3.put_object(Bucket=BUCKET, Key=LAYOUT_KEY, Body=encode_layout(PARTITIONS))

    async def checkpoint(self, partition: Partition, revision: int, folder: str, states: dict[str, Any]) -> None:
        body = msgspec.msgpack.encode([1, revision, folder, states])
        await self.s3.put_object(Bucket=BUCKET, Key=checkpoint_key(partition), Body=body)

    async def roll(self, symbol: str, folder: str) -> None:
        await self._append(partition_of(symbol, PARTITIONS), [], {NEXT_FOLDER: folder})

    async def append(self, *quotes: Quote) -> str:
        """One entry, of one partition; its key."""
        return await self._append(partition_of(quotes[0].symbol, PARTITIONS), quotes, {})

    async def _append(self, partition: Partition, quotes: Sequence[Quote], marks: dict[str, str]) -> str:
        revision, folder = self.ends[partition]
        key = log_key(partition, folder, revision + 1)
        metadata = {name.removeprefix("x-amz-meta-"): text for name, text in ({FORMAT_HEADER: "1"} | marks).items()}
        body = pack_lines([encode_quote(quote) for quote in quotes])
        await self.s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)
        self.ends[partition] = (revision + 1, marks.get(NEXT_FOLDER, folder))
        return key

    async def put(self, table: str, **values: Any) -> None:
        item = {name: attribute(value) for name, value in values.items()}
        await self.dynamodb.put_item(TableName=table, Item=item)

    async def put_alert(self, symbol: str, timestamp: str, kind: str = "move", **more: Any) -> None:
        await self.put(
            "alerts",
            **{
                "symbol": symbol, "alert_id": f"{timestamp}-{kind}", "kind": kind, "direction": "up",
                "severity": "warning", "timestamp": timestamp, "price": 105, "previous_close": 100,
                "change_percent": 5, "value": 5, "threshold": 4, "volume": 9, **more,
            },
        )  # fmt: skip


@asynccontextmanager
async def stored_market() -> AsyncIterator[Stored]:
    with moto_server() as url:
        aws = AwsConfig("us-east-1", url, "test", "test")
        async with (
            open_client(aws, "s3") as s3,
            open_client(aws, "dynamodb") as dynamodb,
            open_market(aws, StoreNames()) as market,
        ):
            await s3.create_bucket(Bucket=BUCKET)
            for name in ("quotes", "candles", "alerts"):
                index = UNSENT_KEYS if name == "alerts" else None
                await dynamodb.create_table(**table_request(name, TABLES[name], index))
            yield Stored(aws, s3, dynamodb, market)
