"""What is read of quotes beside prices: their windows' signals, one quote's record, the usual opening."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from stockstream.reading.sessions import rule_of, usual_opening
from stockstream_wire import encode_quote
from stockstream_wire.storage import pack_lines, partition_of, tidied_key
from tests.audit.stored_day import DAY, QUOTES, item_of, quote
from tests.reading.stored import BUCKET, PARTITIONS, Stored, stored_market

START, END = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        await stored.begin()
        yield stored


async def test_signals_say_what_the_quotes_of_a_window_say(stored: Stored) -> None:
    marks: list[dict[str, Any]] = [
        {"regular": False},
        {"regular": False, "return_z": Decimal("1.5")},
        {"split_suspected": "4:1", "return_z": Decimal("-3.25"), "volume_ratio": Decimal(2)},
        {"split_suspected": "4:1", "return_z": Decimal("0.5"), "volume_ratio": Decimal(4)},
        {"late": True, "return_z": Decimal(9)},
    ]
    for item, mark in zip(QUOTES, marks, strict=True):
        await stored.put("quotes", **item_of(item, session=DAY, **mark))
    found = await stored.market.signals("AAPL", "1m", START, END)
    assert [(row.start.minute, row.is_regular, row.return_z, row.split_suspected) for row in found] == [
        (30, False, Decimal("1.5"), None),
        (31, True, Decimal("-3.25"), "4:1"),
        (36, True, Decimal("0.5"), None),
    ]
    (hour,) = await stored.market.signals("aapl", "1h", START, END)
    assert (hour.is_regular, hour.return_z, hour.volume_ratio) == (True, Decimal("-3.25"), Decimal(4))
    assert await stored.market.signals("AAPL", "1m", END, END + timedelta(days=1)) == []


async def test_a_record_is_the_item_and_the_bytes_wherever_in_the_log_they_are(stored: Stored) -> None:
    await stored.roll("AAPL", DAY)
    keys = {}
    for item in QUOTES:
        await stored.put("quotes", **item_of(item, session=DAY))
        # Objects without the symbol lie between.
        other = quote(30, "7", 1, symbol="BAC")
        assert partition_of("BAC", PARTITIONS) == partition_of("AAPL", PARTITIONS)
        keys[item.timestamp] = await stored.append(other, item)
        await stored.append(other)
    for item in QUOTES:
        record = await stored.market.record("aapl", datetime.fromisoformat(item.timestamp))
        assert record is not None
        assert record.table_key == {"symbol": "AAPL", "timestamp": item.timestamp}
        assert record.item["price"] == item.price
        assert (record.object, record.line) == (f"s3://{BUCKET}/{keys[item.timestamp]}", 2)
        assert record.data == encode_quote(item).decode()
    assert await stored.market.record("AAPL", START) is None


async def test_quotes_that_came_late_hide_no_other_from_who_looks_for_its_record(stored: Stored) -> None:
    await stored.roll("AAPL", DAY)
    late, *on_time = QUOTES
    for item in QUOTES:
        await stored.put("quotes", **item_of(item, session=DAY))
    keys = [await stored.append(*([late] if at == 2 else []), item) for at, item in enumerate(on_time)]
    for item, key in zip(on_time, keys, strict=True):
        record = await stored.market.record("AAPL", datetime.fromisoformat(item.timestamp))
        assert record is not None
        assert record.object == f"s3://{BUCKET}/{key}"


async def test_signals_read_no_more_quotes_than_they_may_stale_ones_included(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.reading.signals.SIGNAL_QUOTES_MAX", len(QUOTES) - 1)
    for item in QUOTES:
        is_first = item is QUOTES[0]
        await stored.put("quotes", **item_of(item, session=DAY, **({} if is_first else {"stale": True})))
    assert await stored.market.signals("AAPL", "1m", START, END) == []


async def test_a_record_is_found_in_what_the_tidy_made_and_else_its_place_is_left_open(stored: Stored) -> None:
    await stored.put("quotes", **item_of(QUOTES[0], session=DAY))
    nowhere = await stored.market.record("AAPL", datetime.fromisoformat(QUOTES[0].timestamp))
    assert nowhere is not None
    assert (nowhere.object, nowhere.data) == (None, None)
    key = tidied_key(partition_of("AAPL", PARTITIONS), DAY, "AAPL", 2, 0)
    await stored.s3.put_object(Bucket=BUCKET, Key=key, Body=pack_lines([encode_quote(item) for item in QUOTES]))
    record = await stored.market.record("AAPL", datetime.fromisoformat(QUOTES[0].timestamp))
    assert record is not None
    assert (record.object, record.line) == (f"s3://{BUCKET}/{key}", 1)


@pytest.mark.parametrize(
    ("symbol", "exchange", "now", "opening"),
    [
        ("AAPL", "NMS", "2026-11-25T15:00:00Z", "2026-11-26T14:30:00Z"),
        ("AAPL", "NMS", "2026-11-27T22:00:00Z", "2026-11-30T14:30:00Z"),
        ("ES=F", "CME", "2026-11-27T23:30:00Z", "2026-11-29T23:00:00Z"),
        ("BTC-USD", "CCC", "2026-11-25T15:00:00Z", None),
        ("2222.SR", "SAU", "2026-11-25T15:00:00Z", None),
    ],
)
def test_the_usual_opening_is_told_where_the_clock_alone_knows_it(
    symbol: str, exchange: str, now: str, opening: str | None
) -> None:
    found = usual_opening(datetime.fromisoformat(now), rule_of(symbol, exchange))
    assert found == (datetime.fromisoformat(opening) if opening else None)
