"""Minute history through the real yfinance session, from a stand-in that keeps Yahoo's rules."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from yfinance.data import YfData

from stockstream.backfill import SymbolHistory, YahooHistory, oldest_start
from stockstream.backfill.yahoo_history import parse_bars, running_session
from stockstream.errors import SourceError
from stockstream.sources.yahoo._session import YahooSession
from stockstream.sources.yahoo.errors import FailureKind, YahooCallError
from tests.backfill.chart_standin import ChartStandin, minute
from tests.virtual_clock import VirtualClock
from tests.yahoo_standin import Fault

NOW = datetime(2026, 11, 20, 16, 0, 30, tzinfo=UTC)  # a Friday, in the session
THURSDAY = datetime(2026, 11, 19, tzinfo=UTC)


@pytest.fixture
async def yahoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ChartStandin]:
    async with ChartStandin(tmp_path, NOW) as standin:
        for name, value in standin.environment.items():
            monkeypatch.setenv(name, value)
        yield standin


@pytest.fixture
async def provider(clock: VirtualClock) -> AsyncIterator[YahooHistory]:
    made = YahooHistory(clock=clock.clock, rng=random.Random(1))
    yield made
    await made.aclose()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


def session_bars(history: SymbolHistory, session: str) -> int:
    return sum(bar.session == session for bar in history.bars)


async def test_a_day_of_minutes_comes_with_the_close_before_it(yahoo: ChartStandin, provider: YahooHistory) -> None:
    history = await provider.history("AAPL", THURSDAY, THURSDAY + timedelta(days=1))
    assert session_bars(history, "2026-11-19") == 390 - 390 // 7 - 1
    first = next(bar for bar in history.bars if bar.session == "2026-11-19")
    expected = minute(first.start_ms // 1000)
    assert first.open == Decimal(f"{expected[0]:.2f}")
    assert first.open.as_tuple().exponent == -2  # not the float32's 200.02000427246094
    wednesday = [bar for bar in history.bars if bar.session == "2026-11-18"]
    assert history.previous_closes["2026-11-19"] == wednesday[-1].close
    assert (history.currency, history.exchange, history.rejected) == ("USD", "NMS", [])
    assert [bar.start_ms for bar in history.bars] == sorted(bar.start_ms for bar in history.bars)


async def test_history_leaves_a_session_that_polls_beside_it_alone(
    yahoo: ChartStandin, provider: YahooHistory, tmp_path: Path
) -> None:
    polling = await asyncio.to_thread(YahooSession, tmp_path / "cache", 5.0)
    await asyncio.to_thread(polling.quotes, ["AAPL"], "symbol")
    crumbs = (YfData()._crumb, YfData()._session)

    await provider.history("AAPL", THURSDAY, THURSDAY + timedelta(days=1))
    await provider.aclose()

    assert (YfData()._crumb, YfData()._session) == crumbs
    assert crumbs[1] is polling.http
    assert await asyncio.to_thread(polling.quotes, ["AAPL"], "symbol")
    await asyncio.to_thread(polling.close)


async def test_a_running_session_ends_with_its_last_finished_minute(
    yahoo: ChartStandin, provider: YahooHistory
) -> None:
    history = await provider.history("AAPL", NOW - timedelta(hours=1), NOW)
    last = datetime.fromtimestamp(history.bars[-1].start_ms / 1000, UTC)
    assert last == datetime(2026, 11, 20, 15, 59, tzinfo=UTC)
    assert history.running_session == "2026-11-20"
    assert history.bars[0].start_ms < int((NOW - timedelta(hours=1)).timestamp()) * 1000  # the session from its start


async def test_long_ranges_are_asked_for_in_weeks_within_yahoos_limits(
    yahoo: ChartStandin, provider: YahooHistory, clock: VirtualClock
) -> None:
    start = oldest_start(NOW, YahooHistory.keeps_days)
    history = await provider.history("^GSPC", start, NOW)
    weeks = [asked for asked in yahoo.history.charts_asked if asked["interval"] == "1m"]
    assert len(weeks) == 5
    assert {asked["symbol"] for asked in yahoo.history.charts_asked} == {"^GSPC"}
    assert {asked["includePrePost"] for asked in weeks} == {"false"}
    assert len({bar.session for bar in history.bars}) == 23
    assert history.previous_closes.keys() >= {bar.session for bar in history.bars}
    assert sum(clock.slept_seconds) >= 5  # one request a second


async def test_a_symbol_that_yahoo_does_not_know_is_told_with_yahoos_words(
    yahoo: ChartStandin, provider: YahooHistory
) -> None:
    with pytest.raises(SourceError, match=r"NOPE: Yahoo has no such history: HTTP 404 .*.*No data found"):
        await provider.history("NOPE", THURSDAY, THURSDAY + timedelta(days=1))
    assert len(yahoo.history.charts_asked) == 1


async def test_a_rate_limit_is_waited_out(yahoo: ChartStandin, provider: YahooHistory, clock: VirtualClock) -> None:
    yahoo.faults.order(Fault.RATE_LIMIT, times=2)
    history = await provider.history("AAPL", THURSDAY, THURSDAY + timedelta(days=1))
    assert history.bars


async def test_patience_with_a_rate_limit_has_an_end(yahoo: ChartStandin, provider: YahooHistory) -> None:
    yahoo.faults.order(Fault.RATE_LIMIT)
    with pytest.raises(YahooCallError) as caught:
        await provider.history("AAPL", THURSDAY, THURSDAY + timedelta(days=1))
    assert caught.value.kind is FailureKind.RATE_LIMITED


async def test_a_network_that_is_not_there_is_unreachable_and_not_a_crash(
    yahoo: ChartStandin, provider: YahooHistory
) -> None:
    yahoo.faults.order(Fault.RESET)
    with pytest.raises(YahooCallError) as caught:
        await provider.history("AAPL", THURSDAY, THURSDAY + timedelta(days=1))
    assert caught.value.kind is FailureKind.UNREACHABLE


def test_a_broken_bar_is_refused_by_name_and_costs_no_other() -> None:
    columns = {
        "open": [1.0, "x", 3.0], "high": [1.0, 2.0, 3.0], "low": [1.0, 2.0, 3.0], "close": [1.0, 2.0, 3.0],
        "volume": [1, 2, None],
    }  # fmt: skip
    chart = {"meta": {"gmtoffset": 0}, "timestamp": [60, 120, 180], "indicators": {"quote": [columns]}}
    bars, rejected = parse_bars("AAPL", chart)
    assert [(bar.start_ms, bar.volume) for bar in bars] == [(60_000, 1), (180_000, 0)]
    assert [(r.subject, r.reason) for r in rejected] == [("AAPL@120", "bar_malformed")]


@pytest.mark.parametrize("chart", [{"meta": {}}, {"meta": {}, "timestamp": [], "indicators": {"quote": [{}]}}])
def test_a_chart_without_bars_is_empty(chart: dict[str, object]) -> None:
    assert parse_bars("AAPL", chart) == ([], [])
    assert running_session({}) is None
