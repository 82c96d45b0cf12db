"""Minutes of UTC days from the stand-in's candles, which keeps the limit of 300 a request."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from stockstream.backfill.history import quotes_of
from stockstream.errors import SourceError, SourceUnavailableError
from stockstream.sources.coinbase.history import CoinbaseHistory
from stockstream_wire import session_facts
from tests.coinbase_standin import CoinbaseStandin, Fault
from tests.virtual_clock import VirtualClock

NOW = datetime(2026, 11, 22, 3, 10, 30, tzinfo=UTC)
START, END = datetime(2026, 11, 21, 23, 50, tzinfo=UTC), datetime(2026, 11, 22, 0, 20, tzinfo=UTC)


@pytest.fixture
async def standin() -> AsyncIterator[CoinbaseStandin]:
    async with CoinbaseStandin(("BTC-USD",), now=NOW.timestamp) as standin:
        yield standin


@pytest.fixture
async def history(standin: CoinbaseStandin) -> AsyncIterator[CoinbaseHistory]:
    provider = CoinbaseHistory(url=standin.rest_url, clock=VirtualClock(NOW).clock)
    yield provider
    await provider.aclose()


async def test_the_utc_days_of_a_range_come_whole_and_without_the_minute_that_trades(
    history: CoinbaseHistory, standin: CoinbaseStandin
) -> None:
    found = await history.history("BTC-USD", START, END)

    times = [datetime.fromtimestamp(bar.start_ms / 1000, UTC) for bar in found.bars]
    assert times[0] == datetime(2026, 11, 21, tzinfo=UTC)
    assert NOW - timedelta(minutes=3) < times[-1] < NOW.replace(second=0)
    assert times == sorted(set(times))
    assert standin.requests == 7, "1630 minutes are six requests, the days one"
    assert {bar.session for bar in found.bars} == {"2026-11-21", "2026-11-22"}
    assert found.running_session == "2026-11-22"


async def test_volume_is_of_whole_coins_and_sums_to_those_of_the_day(history: CoinbaseHistory) -> None:
    found = await history.history("BTC-USD", START, END)
    of_day = [bar for bar in found.bars if bar.session == "2026-11-21"]
    assert sum(bar.volume for bar in of_day) == int(len(of_day) * Decimal("0.4"))


async def test_quotes_of_it_are_of_the_utc_day_and_marked(history: CoinbaseHistory) -> None:
    # The stand-in has a day before today alone, so that the day before has no close before it.
    found = await history.history("BTC-USD", START, END)
    quotes, rejected = quotes_of(found, START, END)
    assert [item.reason for item in rejected] == ["missing_previous_close"]
    assert {session_facts(quote) for quote in quotes} == {("2026-11-22", "session", True, False)}
    assert {(quote.source, quote.kind, quote.exchange) for quote in quotes} == {("backfill", "crypto", "COINBASE")}


async def test_what_cannot_be_had_says_whether_another_time_may_be_better(
    history: CoinbaseHistory, standin: CoinbaseStandin
) -> None:
    with pytest.raises(SourceError, match="AAPL: Coinbase has no such product"):
        await history.history("AAPL", START, END)
    standin.faults.add(Fault.REST_429)
    with pytest.raises(SourceUnavailableError, match="429"):
        await history.history("BTC-USD", START, END)
