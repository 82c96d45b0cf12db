"""What the consumer saw and what history tells of the rest sum to what traded, nothing twice."""

import csv
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.backfill.candles import DynamoCandles, candles_of
from stockstream.local.provision import table_request
from stockstream.reading import Tables
from stockstream.reading import candles_of as read_candles
from stockstream.sources.history import MINUTE_MS, MinuteBar, SymbolHistory
from stockstream_wire import Quote, timestamp_to_epoch_ms
from stockstream_wire.storage import TABLES
from tests.consumer.folding import Folder
from tests.moto_server import moto_server

CASE = Path(__file__).parents[2] / ".." / "shared" / "cases" / "g10-outage-backfill.csv"
START, END = datetime(2026, 11, 25, 14, 30, tzinfo=UTC), datetime(2026, 11, 25, 16, 20, tzinfo=UTC)
TRADED = 43_420


@pytest.fixture(name="dynamodb")
async def _dynamodb() -> AsyncIterator[Any]:
    with moto_server() as url:
        async with open_client(AwsConfig("us-east-1", url, "test", "test"), "dynamodb") as dynamodb:
            for name in ("quotes", "candles"):
                await dynamodb.create_table(**table_request(name, TABLES[name], None))
            yield dynamodb


def history_of(quotes: list[Quote]) -> SymbolHistory:
    """Minute bars: of what was seen the minutes as they were, of the outage (14:40 to 16:01) minutes that sum to it."""
    bars: list[MinuteBar] = []
    traded = 0
    for one in quotes:
        minute_ms = timestamp_to_epoch_ms(one.timestamp) // MINUTE_MS * MINUTE_MS
        volume, traded = (one.volume or 0) - traded, one.volume or 0
        missing = range(bars[-1].start_ms + MINUTE_MS, minute_ms, MINUTE_MS) if volume > 10_000 else []
        for start_ms in missing:
            bars.append(bar(start_ms, 400))
            volume -= 400
        bars.append(bar(minute_ms, volume))
    return SymbolHistory("AAPL", bars, {"2026-11-25": Decimal(199)}, bars[-1].start_ms + MINUTE_MS, "2026-11-25")


def bar(start_ms: int, volume: int) -> MinuteBar:
    price = Decimal(200)
    return MinuteBar(start_ms, "2026-11-25", price, price, price, price, volume)


@pytest.mark.skipif(not CASE.is_file(), reason="the shared cases are not here")
async def test_live_candles_and_a_backfilled_outage_sum_to_what_traded(dynamodb: Any) -> None:
    with CASE.open() as lines:
        quotes = [msgspec.convert(row, Quote, strict=False) for row in csv.DictReader(lines)]
    folder = Folder().add(quotes)
    for effects in folder.effects:
        for table, items in (("quotes", effects.quotes), ("candles", effects.candles)):
            for _, item in items:
                await dynamodb.put_item(TableName=table, Item=msgspec.json.decode(item))
    history = history_of(quotes)
    assert sum(bar.volume for bar in history.bars) == TRADED
    windows = candles_of(history, int(START.timestamp()) * 1000, int(END.timestamp()) * 1000)
    assert await DynamoCandles(dynamodb, "candles", 0).fill("AAPL", windows) > 0
    tables = Tables(dynamodb, "quotes", "candles")
    day = datetime(2026, 11, 25, tzinfo=UTC)
    minutes = await read_candles(tables, "AAPL", "1m", START, END)
    (whole,) = await read_candles(tables, "AAPL", "1d", day, END)
    assert sum(candle.volume or 0 for candle in minutes) == whole.volume == TRADED
    assert {candle.source for candle in minutes} == {None, "backfill"}
    assert not any(candle.is_incomplete and candle.source for candle in minutes)
