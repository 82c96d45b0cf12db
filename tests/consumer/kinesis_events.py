"""Makers of quotes and of Lambda's Kinesis events."""

import csv
import gzip
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from stockstream_wire import Quote, UserRecord, aggregate, encode_quote

SHARD = "shardId-000000000000"
FIRST_SEQUENCE = 49590338271490256608559692538361571095921575989136588898


def quote(
    symbol: str = "AAPL", timestamp: str = "2026-11-20T14:30:00.000Z", price: str = "100", **fields: Any
) -> Quote:
    prices = dict.fromkeys(("open", "high", "low", "previous_close"), price) | {"previous_close": "100"}
    content: dict[str, Any] = {
        "symbol": symbol,
        "timestamp": timestamp,
        "price": price,
        "volume": 0,
        **prices,
        **fields,
    }
    return msgspec.convert(content, Quote, strict=False)


def record(data: bytes, number: int, *, key: str = "AAPL", shard: str = SHARD) -> dict[str, Any]:
    sequence = str(FIRST_SEQUENCE + number)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": key,
            "sequenceNumber": sequence,
            "data": b64encode(data).decode(),
            "approximateArrivalTimestamp": 1_800_000_000.25 + number,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
    }


def event(datas: Iterable[bytes], *, start: int = 0, shard: str = SHARD) -> dict[str, Any]:
    return {"Records": [record(data, number, shard=shard) for number, data in enumerate(datas, start)]}


def quote_event(quotes: Iterable[Quote], *, start: int = 0) -> dict[str, Any]:
    return event((encode_quote(quote) for quote in quotes), start=start)


def aggregated(quotes: Sequence[Quote]) -> bytes:
    return aggregate([UserRecord(quote.symbol, None, encode_quote(quote)) for quote in quotes])


def read_session(path: Path) -> list[Quote]:
    with gzip.open(path, "rt") as lines:
        return [msgspec.convert({**row, "source": "replay"}, Quote, strict=False) for row in csv.DictReader(lines)]
