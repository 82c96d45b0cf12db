"""The reading library: latest, ranges, sessions, alerts, health, tables, and the door for notebooks."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

import stockstream
from stockstream.errors import InputError
from stockstream.reading.sessions import rule_of, session_span
from stockstream_lambda.analysis.state import SymbolState
from stockstream_lambda.checkpoint import encode_checkpoint
from stockstream_wire import format_timestamp
from stockstream_wire.storage import (
    decode_checkpoint_symbols,
    encode_quarantined,
    partition_of,
    quarantine_key,
)
from stockstream_wire.trading_day import session_date_of
from tests.audit.stored_day import DAY, QUOTES, WINDOWS, item_of, quote
from tests.reading.stored import BUCKET, PARTITIONS, Stored, stored_market

SESSION = {"session": DAY}


@pytest.fixture(name="stored")
async def _stored() -> AsyncIterator[Stored]:
    async with stored_market() as stored:
        yield stored


async def put_day(stored: Stored) -> None:
    for item in QUOTES:
        await stored.put("quotes", **item_of(item, **WINDOWS[item.timestamp], **SESSION, rsi_14=Decimal("55.5")))


async def test_latest_is_the_newest_quote_of_each_with_all_its_figures(stored: Stored) -> None:
    await put_day(stored)
    await stored.put("quotes", **item_of(quote(31, "7", 1, symbol="MSFT"), **SESSION))
    aapl, msft = await stored.market.latest(["aapl", "MSFT", "NONE"])
    assert (aapl.symbol, aapl.price, aapl.previous_close, aapl.volume) == (
        "AAPL", Decimal("98.25"), Decimal("99.5"), 9000,
    )  # fmt: skip
    assert (aapl.change, aapl.anomaly, aapl.session) == (Decimal("-1.25"), False, DAY)
    assert aapl.timestamp == datetime(2026, 11, 20, 15, 35, tzinfo=UTC)
    assert aapl.indicators["rsi_14"] == Decimal("55.5")
    assert msft.price == 7


async def test_latest_of_all_knows_the_symbols_of_checkpoints_and_of_the_log_behind(stored: Stored) -> None:
    assert await stored.market.latest() == []
    await stored.begin()
    await put_day(stored)
    await stored.put("quotes", **item_of(quote(31, "7", 1, symbol="MSFT"), **SESSION))
    ours = partition_of("AAPL", PARTITIONS)
    await stored.checkpoint(ours, 0, "first", {"AAPL": ["2026-11-20T15:35:00.000Z", DAY, "America/New_York"]})
    await stored.append(quote(31, "7", 1, symbol="MSFT"))
    assert [row.symbol for row in await stored.market.latest()] == ["AAPL", "MSFT"]


async def test_an_item_that_could_not_be_judged_is_a_row_with_its_price(stored: Stored) -> None:
    await stored.put("quotes", symbol="AAPL", timestamp=f"{DAY}T15:00:00.000Z", price=12, fold_failed=True)
    (row,) = await stored.market.latest("AAPL")
    assert (row.price, row.open, row.change, row.anomaly) == (Decimal(12), None, None, False)


async def test_quotes_of_a_range_a_limit_and_a_session(stored: Stored) -> None:
    await put_day(stored)
    other = quote(0, "50", 1, second=1)
    await stored.put("quotes", **item_of(other, session="2026-11-19"))
    market = stored.market
    start, end = datetime(2026, 11, 20, 14, 30, 30, tzinfo=UTC), datetime(2026, 11, 20, 14, 36, tzinfo=UTC)
    assert [row.price for row in await market.quotes("AAPL", start, end)] == [Decimal("101.5"), Decimal("99.75")]
    newest = await market.quotes("AAPL", newest_first=True, limit=2)
    assert [row.price for row in newest] == [Decimal("98.25"), 102]
    assert len(await market.quotes("AAPL", session=DAY)) == len(QUOTES)
    assert [row.price for row in await market.quotes("AAPL", session="2026-11-19")] == [50]


async def test_candles_of_a_session_are_those_of_the_exchanges_day(stored: Stored) -> None:
    for start, price in (("2026-11-20T04:55", 1), ("2026-11-20T05:00", 2), ("2026-11-21T00:55", 3)):
        await stored.put(
            "candles", symbol_interval="AAPL#5m", window_start=f"{start}:00.000Z", minutes=[],
            open=price, high=price, low=price, close=price, volume=1, quotes=1,
        )  # fmt: skip
    candles = await stored.market.candles("AAPL", "5m", session=DAY)
    assert [int(candle.open) for candle in candles] == [2, 3]  # New York's day begins at 05:00 UTC
    with pytest.raises(InputError, match="2026-11-25"):
        await stored.market.candles("AAPL", "5m", session="today")
    with pytest.raises(InputError, match="interval='2m'"):
        await stored.market.candles("AAPL", "2m")
    with pytest.raises(InputError, match="no time zone"):
        await stored.market.candles("AAPL", "1m", datetime(2026, 11, 20))  # noqa: DTZ001
    with pytest.raises(InputError, match="leave one of them out"):
        await stored.market.quotes("AAPL", datetime(2026, 11, 20, tzinfo=UTC), session=DAY)


@pytest.mark.parametrize("symbol", ["AAPL", "VOD.L", "BTC-USD", "EURUSD=X", "ES=F"])
@pytest.mark.parametrize("session", ["2026-11-20", "2026-11-22", "2026-11-23", "2026-03-08", "2026-10-25"])
def test_a_sessions_span_is_exactly_the_moments_that_the_wire_counts_to_it(symbol: str, session: str) -> None:
    rule = rule_of(symbol, None)
    span = session_span(session, rule)
    inside = []
    day = datetime.fromisoformat(f"{session}T00:00:00Z").timestamp()
    for quarter in range(-4 * 96, 4 * 96):
        moment = datetime.fromtimestamp(day + quarter * 900, UTC)
        is_ours = session_date_of(format_timestamp(moment), rule) == session
        assert is_ours == (span.start <= moment < span.end), moment
        inside.append(is_ours)
    assert any(inside) == (span.start < span.end)


async def test_an_alert_is_of_the_session_that_the_consumer_says_else_of_its_exchanges(stored: Stored) -> None:
    evening = "2026-11-16T23:30:00.000Z"
    await stored.put_alert("GC=F", evening, exchange="CMX")  # a future's evening is of the next day
    await stored.put_alert("MSFT", evening)
    await stored.put_alert("ODD", evening, session="2026-11-18")
    found = {row.symbol: row.session for row in await stored.market.alerts()}
    assert found == {"GC=F": "2026-11-17", "MSFT": "2026-11-16", "ODD": "2026-11-18"}
    assert [row.symbol for row in await stored.market.alerts(session="2026-11-17")] == ["GC=F"]
    assert [row.symbol for row in await stored.market.alerts(["MSFT", "ODD"], session="2026-11-18")] == ["ODD"]


async def test_alerts_newest_first_of_some_of_all_of_a_range_and_of_a_session(stored: Stored) -> None:
    await stored.put_alert("AAPL", "2026-11-20T14:30:00.000Z")
    await stored.put_alert("MSFT", "2026-11-20T14:31:00.000Z", unsent="1", created_at="2026-11-20T14:31:01.000Z")
    await stored.put_alert("MSFT", "2026-11-21T03:00:00.000Z", kind="spike")
    await stored.put_alert("MSFT", "2026-11-21T14:31:00.000Z")
    market = stored.market
    assert [row.symbol for row in await market.alerts()] == ["MSFT", "MSFT", "MSFT", "AAPL"]
    assert [row.is_sent for row in await market.alerts("MSFT")] == [True, True, False]
    assert [row.kind for row in await market.alerts("MSFT", session="2026-11-20")] == ["spike", "move"]
    edge = datetime(2026, 11, 20, 14, 31, tzinfo=UTC)
    assert [row.symbol for row in await market.alerts(end=edge)] == ["AAPL"]
    assert len(await market.alerts(start=edge)) == 3
    assert (await market.health()).unsent_alerts == 1


async def test_health_tells_how_far_each_partition_is_and_what_lies_in_quarantine(stored: Stored) -> None:
    assert (await stored.market.health()).partitions == []
    await stored.begin()
    await stored.roll("AAPL", DAY)
    await stored.append(QUOTES[0])
    body = encode_quarantined(
        b"{", reason="not_json", error_class="QuoteDecodeError", detail="cut", partition_key="AAPL",
        shard_id="shardId-0", sequence_number="7", subsequence_number=0, aggregated=False,
        approximate_arrival_ms=1_800_000_000_000,
    )  # fmt: skip
    key = quarantine_key(DAY, "shardId-0", "7", 0)
    await stored.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
    health = await stored.market.health()
    assert (health.quarantined, [(found.key, found.reason) for found in health.quarantine]) == (1, [(key, "not_json")])
    ours = health.partitions[partition_of("AAPL", PARTITIONS).number]
    assert (ours.revision, ours.folder, ours.checkpoint_revision, ours.symbols) == (2, DAY, 0, 1)
    assert ours.newest_event == datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    assert ours.written_at is not None
    assert {found.revision for found in health.partitions} == {0, 2}


def test_what_readers_take_of_a_checkpoint_is_what_the_consumer_writes() -> None:
    state = SymbolState(
        last_timestamp="2026-11-20T15:35:00.000Z", session=DAY, zone="Europe/Paris", last_price=Decimal("98.25"),
        last_open=Decimal(100), last_previous_close=Decimal("99.5"),
    )  # fmt: skip
    found = decode_checkpoint_symbols(encode_checkpoint(33, DAY, {"MC.PA": state}))
    assert (found.revision, found.folder) == (33, DAY)
    for name, value in msgspec.structs.asdict(found.symbols["MC.PA"]).items():
        assert getattr(state, name) == value, name


async def test_rows_are_tables_of_every_library(stored: Stored) -> None:
    await put_day(stored)
    await stored.put("quotes", **item_of(quote(31, "7", 1, symbol="MSFT"), **SESSION))
    rows = await stored.market.quotes(["AAPL", "MSFT"])
    frame, table, polars = rows.to_pandas(), rows.to_arrow(exact=True), rows.to_polars()
    assert frame.shape == (6, len(rows.to_dicts()[0]))
    assert (frame["price"].iloc[0], str(frame["timestamp"].dt.tz)) == (100.01, "UTC")
    assert table.column("price").to_pylist()[0] == Decimal("100.01")
    assert table.column("rsi_14").to_pylist()[-1] is None
    assert polars["price"].to_list()[-1] == 7.0
    assert (await stored.market.quotes("NONE")).to_pandas().empty


async def test_the_door_for_notebooks_works_inside_a_running_loop(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_day(stored)
    await stored.begin()
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def read() -> list[Any]:
        with stockstream.open(stored.aws.endpoint_url) as market:
            updates = market.follow("first.0,first.0,first.0,first.0", poll_seconds=0.05)
            asyncio.run_coroutine_threadsafe(stored.append(QUOTES[0]), loop).result()
            first = next(updates)
            updates.close()
            market.close()
            return [first.quotes[0].price]

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(read) == [Decimal("100.01")]
    with stockstream.open(stored.aws.endpoint_url) as market:
        assert len(await asyncio.to_thread(market.quotes, "AAPL")) == 5
