"""`candles_of`: closed candles, the running block, what is open, and history beside the consumer's own."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.local.provision import table_request
from stockstream.reading import Candle, Tables, candles_of
from stockstream_wire.storage import TABLES
from tests.audit.stored_day import DAY, QUOTES, WINDOWS, item_of, quote
from tests.moto_server import moto_server

START, END = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
SESSION = {"session": DAY}


def attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, list):
        return {"L": [attribute(entry) for entry in value]}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


@pytest.fixture(name="tables")
async def _tables() -> AsyncIterator[Tables]:
    with moto_server() as url:
        async with open_client(AwsConfig("us-east-1", url, "test", "test"), "dynamodb") as dynamodb:
            for name in ("quotes", "candles"):
                await dynamodb.create_table(**table_request(name, TABLES[name], None))
            yield Tables(dynamodb, "quotes", "candles")


async def put(tables: Tables, table: str, **values: Any) -> None:
    item = {name: attribute(value) for name, value in values.items()}
    await tables.dynamodb.put_item(TableName=table, Item=item)


async def put_quotes(tables: Tables, count: int) -> None:
    for item in QUOTES[:count]:
        day = {"candle_1d": WINDOWS[item.timestamp]["candle_1h"]}
        await put(tables, "quotes", **item_of(item, **WINDOWS[item.timestamp], **day, **SESSION))


async def put_block(
    tables: Tables, start: str, minutes: list[list[int]], *, beside: str = "", price: int = 100
) -> None:
    numbers = {"open": price, "high": price, "low": price, "close": price, "volume": 5, "quotes": 2} if price else {}
    await put(
        tables, "candles", symbol_interval="AAPL#5m", window_start=f"{DAY}T{start}:00.000Z{beside}",
        minutes=minutes, **numbers,
    )  # fmt: skip


def shown(candles: list[Candle]) -> list[tuple[str, Decimal, Decimal, int | None, int, bool]]:
    return [
        (f"{candle.start:%H:%M}", candle.open, candle.close, candle.volume, candle.quotes, candle.is_closed)
        for candle in candles
    ]


async def test_what_is_open_stands_on_the_newest_quote_that_is_neither_late_nor_stale(tables: Tables) -> None:
    await put_quotes(tables, 3)
    # Twelve newer ones that tell no window: more than a page.
    for second in range(12):
        stale = quote(32, "99.75", 1700, second=second, stale=True)
        await put(tables, "quotes", **item_of(stale, **SESSION))
    for interval in ("5m", "1h"):
        (candle,) = await candles_of(tables, "AAPL", interval, START, END)
        assert (candle.open, candle.high, candle.low, candle.close) == (
            Decimal("100.01"), Decimal("101.5"), Decimal("99.75"), Decimal("99.75"),
        )  # fmt: skip
        assert (candle.volume, candle.quotes, candle.is_closed) == (1700, 3, False)
    (day,) = await candles_of(tables, "AAPL", "1d", START, END)
    assert day.start == START


async def test_the_minutes_of_the_running_block_are_its_quotes_and_those_before_it_its_blocks(tables: Tables) -> None:
    await put_block(tables, "14:25", [[26, 90, 91, 89, 90, 7, 3], [27, 90, 90, 90, 90, 1, 1]])
    await put_quotes(tables, 3)
    assert shown(await candles_of(tables, "AAPL", "1m", START, END)) == [
        ("14:26", Decimal(90), Decimal(90), 7, 3, True),
        ("14:27", Decimal(90), Decimal(90), 1, 1, True),
        ("14:30", Decimal("100.01"), Decimal("101.5"), 1500, 2, True),
        ("14:31", Decimal("99.75"), Decimal("99.75"), 200, 1, False),
    ]
    inside = datetime(2026, 11, 20, 14, 27, tzinfo=UTC), datetime(2026, 11, 20, 14, 31, tzinfo=UTC)
    assert [row[0] for row in shown(await candles_of(tables, "AAPL", "1m", *inside))] == ["14:27", "14:30"]


async def test_a_window_that_is_closed_is_shown_as_it_was_closed(tables: Tables) -> None:
    await put_quotes(tables, 3)
    await put_block(tables, "14:30", [], price=77)
    assert shown(await candles_of(tables, "AAPL", "5m", START, END)) == [
        ("14:30", Decimal(77), Decimal(77), 5, 2, True)
    ]


async def test_history_fills_what_the_consumer_lacks_and_never_replaces_what_it_has(tables: Tables) -> None:
    await put_block(tables, "15:00", [[0, 1, 1, 1, 1, 1, 1]], price=50)
    await put_block(tables, "15:00", [[0, 9, 9, 9, 9, 9, 9], [3, 2, 2, 2, 2, 2, 4]], beside="/backfill", price=0)
    await put_block(tables, "15:05", [[5, 3, 3, 3, 3, 3, 4]], beside="/backfill", price=60)
    five = await candles_of(tables, "AAPL", "5m", START, END)
    assert [(int(candle.open), candle.source) for candle in five] == [(50, None), (60, "backfill")]
    minutes = await candles_of(tables, "AAPL", "1m", START, END)
    assert [(int(candle.open), candle.source) for candle in minutes] == [(1, None), (2, "backfill"), (3, "backfill")]


async def test_no_candles_no_range_and_no_such_interval(tables: Tables) -> None:
    assert await candles_of(tables, "AAPL", "1d", START, END) == []
    assert await candles_of(tables, "AAPL", "1d", END, START) == []
    with pytest.raises(ValueError, match=r"interval='2m': must be one of 1m, 5m, 1h, 1d"):
        await candles_of(tables, "AAPL", "2m", START, END)
