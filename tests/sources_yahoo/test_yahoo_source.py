"""The polling source whole: the real yfinance, the stand-in on real sockets, and a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks.yahoo_faults import run_hour
from stockstream.errors import SourceError
from stockstream.gate import Gate
from stockstream.settings._values import Watchlist, read_watchlist_file
from stockstream.sources.base import Rejection
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo.client import YahooClient
from stockstream.sources.yahoo.hours import Hours, TradingHours
from stockstream.sources.yahoo.source import YahooOptions, YahooSource
from stockstream_wire import Quote, timestamp_to_epoch_ms
from tests.sources.shared_list import MovedByHand, follower
from tests.sources_yahoo.virtual_clock import VirtualClock
from tests.yahoo_standin import Fault, ScriptedMarket, YahooStandin


class Reader:
    """Collects what a source gives, on a virtual clock."""

    def __init__(self, source: YahooSource, virtual: VirtualClock) -> None:
        self.source = source
        self.quotes: list[Quote] = []
        self.rejected: list[Rejection] = []
        self.failures = 0
        self.error: Exception | None = None
        self._virtual = virtual

    async def read(self) -> None:
        try:
            async with aclosing(self.source.batches()) as batches:
                async for batch in batches:
                    self.quotes += batch.quotes
                    self.rejected += batch.rejected
                    self.failures += batch.failures
        except SourceError as exc:
            self.error = exc

    async def advance(self, seconds: float) -> None:
        await self._virtual.advance(seconds)

    def take_symbols(self) -> list[str]:
        symbols = [quote.symbol for quote in self.quotes]
        self.quotes.clear()
        return symbols


Reading = Callable[..., Any]


async def unknown_hours(_names: Sequence[str], _first: date, _last: date) -> dict[str, Hours]:
    """No calendar: whether an exchange is open is what the market of the test says."""
    return {}


@pytest.fixture
def reading(client: YahooClient, virtual: VirtualClock) -> Reading:
    @asynccontextmanager
    async def read(
        *symbols: str, watchlist: WatchlistFollower | None = None, hours: TradingHours | None = None, **options: Any
    ) -> AsyncIterator[Reader]:
        source = YahooSource(
            watchlist or WatchlistFollower(Watchlist(symbols)),
            YahooOptions(**options),
            api=client,
            clock=virtual.clock,
            rng=Random(3),
            hours=hours or TradingHours(read=unknown_hours),
        )
        reader = Reader(source, virtual)
        task = asyncio.create_task(reader.read())
        try:
            yield reader
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.aclose()

    return read


async def test_every_symbol_is_polled_every_interval(reading: Reading) -> None:
    async with reading("AAPL", "MSFT") as reader:
        await reader.advance(91)

    symbols = reader.take_symbols()
    assert symbols.count("AAPL") == symbols.count("MSFT") == 4


async def test_event_time_is_the_exchange_s_and_poll_time_is_beside_it(
    reading: Reading, market: ScriptedMarket
) -> None:
    market.overrides["AAPL"] = {"regularMarketTime": 1_795_359_600}

    async with reading("AAPL") as reader:
        await reader.advance(1)

    assert reader.quotes[0].timestamp == "2026-11-22T15:00:00.000Z"
    assert reader.quotes[0].polled_at == "2026-11-23T15:00:00.000Z"


async def test_unknown_symbols_are_named_and_the_rest_go_on(reading: Reading, market: ScriptedMarket) -> None:
    market.unknown |= {"TYPO"}
    market.chartless |= {"TYPO"}

    async with reading("AAPL", "TYPO", "MSFT") as reader:
        await reader.advance(31)

    assert [(item.subject, item.reason) for item in reader.rejected] == [("TYPO", "unknown_symbol")]
    assert set(reader.take_symbols()) == {"AAPL", "MSFT"}


async def test_a_watchlist_of_unknown_symbols_only_is_an_error(reading: Reading, market: ScriptedMarket) -> None:
    market.unknown |= {"TYPO", "WRONG"}
    market.chartless |= {"TYPO", "WRONG"}

    async with reading("TYPO", "WRONG") as reader:
        await reader.advance(5)

    assert reader.error is not None
    assert "TYPO" in str(reader.error)


async def test_an_outage_at_the_start_is_no_error_about_symbols(reading: Reading, standin: YahooStandin) -> None:
    standin.faults.order(Fault.SERVER_ERROR)

    async with reading("AAPL") as reader:
        await reader.advance(600)
        assert reader.error is None
        standin.faults.clear()
        await reader.advance(900)

    assert reader.quotes


async def test_a_symbol_that_v7_leaves_out_comes_from_its_chart(reading: Reading, market: ScriptedMarket) -> None:
    market.unknown |= {"GC=F"}

    async with reading("AAPL", "GC=F") as reader:
        await reader.advance(1)

    assert set(reader.take_symbols()) == {"AAPL", "GC=F"}
    assert reader.rejected == []


async def test_a_missing_symbol_is_quarantined_and_found_again(
    reading: Reading, market: ScriptedMarket, standin: YahooStandin
) -> None:
    async with reading("AAPL", "MSFT") as reader:
        await reader.advance(31)
        market.unknown.add("MSFT")
        market.chartless.add("MSFT")
        await reader.advance(120)
        standin.yahoo.asked_symbols.clear()
        await reader.advance(120)
        assert set(standin.yahoo.asked_symbols) == {"AAPL"}
        market.unknown.clear()
        reader.quotes.clear()
        await reader.advance(300)

    assert {"AAPL", "MSFT"} <= set(reader.take_symbols())


async def test_a_closed_exchange_is_watched_by_one_symbol_a_minute_until_it_opens(
    reading: Reading, market: ScriptedMarket, standin: YahooStandin
) -> None:
    market.states["NMS"] = "CLOSED"
    market.freeze(["AAPL", "MSFT", "NVDA"])
    async with reading("AAPL", "MSFT", "NVDA", "OCDO.L") as reader:
        await reader.advance(3700)  # the grace after the last print is over
        standin.yahoo.asked_symbols.clear()
        await reader.advance(600)
        asked = standin.yahoo.asked_symbols
        assert 9 <= sum(symbol != "OCDO.L" for symbol in asked) <= 11
        assert len({symbol for symbol in asked if symbol != "OCDO.L"}) == 1
        assert asked.count("OCDO.L") >= 19

        market.states["NMS"] = "REGULAR"
        market.thaw()
        await reader.advance(95)
        reader.quotes.clear()
        await reader.advance(31)

    assert {"AAPL", "MSFT", "NVDA"} <= set(reader.take_symbols())


async def test_a_feed_that_goes_silent_in_an_open_session_is_said_once_as_stale(
    reading: Reading, market: ScriptedMarket
) -> None:
    async with reading("AAPL", "MSFT") as reader:
        await reader.advance(120)
        market.freeze(["AAPL"])
        await reader.advance(900)
        market.thaw()
        await reader.advance(31)

    stale = [quote for quote in reader.quotes if quote.stale]
    assert [quote.symbol for quote in stale] == ["AAPL"]
    told = reader.quotes.index(stale[0])
    last = max(quote.timestamp for quote in reader.quotes[:told] if quote.symbol == "AAPL")
    assert timestamp_to_epoch_ms(stale[0].timestamp) == timestamp_to_epoch_ms(last) + 1
    through = Gate().admit(reader.quotes)
    assert stale[0] in through.accepted
    assert through.rejected == []
    resumed = [quote for quote in reader.quotes[told + 1 :] if quote.symbol == "AAPL" and quote in through.accepted]
    assert resumed


async def test_bad_ticks_are_rejected_by_name_and_the_symbol_goes_on(reading: Reading, market: ScriptedMarket) -> None:
    async with reading("AAPL") as reader:
        await reader.advance(1)
        market.overrides["AAPL"] = {"regularMarketPrice": 1e6}
        await reader.advance(30)
        market.overrides["AAPL"] = {"regularMarketPrice": -1}
        await reader.advance(30)
        market.overrides.clear()
        await reader.advance(30)

    assert [item.reason for item in reader.rejected] == ["absurd_ratio", "price_not_positive"]
    assert len(reader.quotes) == 2


async def test_a_fund_is_refused_once_and_not_at_every_poll(reading: Reading, market: ScriptedMarket) -> None:
    nothing = {"regularMarketOpen": None, "regularMarketDayHigh": None, "regularMarketDayLow": None}
    market.overrides["FUND"] = {**nothing, "regularMarketTime": 1_795_359_600, "regularMarketPrice": 152.63}

    async with reading("FUND") as reader:
        await reader.advance(300)

    assert [item.reason for item in reader.rejected] == ["no_intraday_range"]


async def test_a_short_answer_is_asked_for_again_and_quarantines_nobody(
    reading: Reading, standin: YahooStandin
) -> None:
    symbols = [f"S{number:02d}" for number in range(60)]
    async with reading(*symbols) as reader:
        await reader.advance(1)
        reader.quotes.clear()
        standin.faults.order(Fault.SHORT, probability=0.5)
        await reader.advance(600)
        standin.faults.clear()
        reader.quotes.clear()
        await reader.advance(61)

    assert set(reader.take_symbols()) == set(symbols)


async def test_a_forgotten_cookie_costs_one_cure_and_no_quote(reading: Reading, standin: YahooStandin) -> None:
    async with reading(*[f"S{number:03d}" for number in range(300)], spread=False, requests_per_second=50) as reader:
        await reader.advance(1)
        assert len(set(reader.take_symbols())) == 300
        standin.yahoo.forget_cookies()
        before = len(standin.yahoo.requests)
        await reader.advance(30)

    assert len(set(reader.take_symbols())) == 300
    paths = [path for _, path, _ in standin.yahoo.requests[before:]]
    assert paths.count("/") == 1  # one new cookie, though four calls were refused
    assert reader.source.poller.breaker.opened_total == 0


async def test_a_rate_limit_stops_everything_and_one_request_probes(reading: Reading, standin: YahooStandin) -> None:
    symbols = [f"S{number:03d}" for number in range(400)]
    async with reading(*symbols) as reader:
        await reader.advance(61)
        standin.faults.order(Fault.RATE_LIMIT)
        await reader.advance(30)
        limited_at = len(standin.yahoo.requests)
        await reader.advance(3600)
        probes = len(standin.yahoo.requests) - limited_at
        standin.faults.clear()
        reader.quotes.clear()
        await reader.advance(960)

    assert 1 <= probes < 30
    assert set(reader.take_symbols()) == set(symbols)


async def test_symbols_join_and_leave_with_the_file(reading: Reading, standin: YahooStandin, tmp_path: Path) -> None:
    file = tmp_path / "symbols.txt"
    file.write_text("AAPL\nMSFT\n")
    follower = WatchlistFollower(read_watchlist_file(file))
    async with reading(watchlist=follower) as reader:
        await reader.advance(31)
        file.write_text("MSFT\nNVDA, ba # and a comment\n")
        await reader.advance(31)
        standin.yahoo.asked_symbols.clear()
        reader.quotes.clear()
        await reader.advance(31)

    assert set(standin.yahoo.asked_symbols) == {"MSFT", "NVDA", "BA"}
    assert {"MSFT", "NVDA", "BA"} == set(reader.take_symbols())


async def test_what_another_worker_leaves_to_us_is_asked_for_at_once_and_alone(
    reading: Reading, standin: YahooStandin
) -> None:
    share = MovedByHand("AAPL", "MSFT")
    async with reading(watchlist=follower(share, "AAPL", "MSFT", "NVDA", "BA")) as reader:
        await reader.advance(31)
        standin.yahoo.asked_symbols.clear()
        reader.quotes.clear()

        share.move("MSFT", "NVDA", "BA")
        await reader.advance(2)
        assert sorted(standin.yahoo.asked_symbols) == sorted(reader.take_symbols()) == ["BA", "NVDA"]

        standin.yahoo.asked_symbols.clear()
        await reader.advance(31)
        assert sorted(standin.yahoo.asked_symbols) == ["BA", "MSFT", "NVDA"]


@pytest.mark.parametrize("own", [(), ("NOPE",)])
async def test_a_worker_whose_part_holds_no_symbol_of_yahoos_goes_on(
    reading: Reading, market: ScriptedMarket, own: tuple[str, ...]
) -> None:
    market.unknown.add("NOPE")
    market.chartless.add("NOPE")
    share = MovedByHand(*own)
    async with reading(watchlist=follower(share, "AAPL", "NOPE")) as reader:
        await reader.advance(200)
        assert reader.error is None

        share.move("AAPL")
        await reader.advance(2)

    assert reader.take_symbols() == ["AAPL"]


async def test_closing_leaves_no_task_and_no_thread_that_works_on(reading: Reading, client: YahooClient) -> None:
    async with reading("AAPL") as reader:
        await reader.advance(31)

    assert "yahoo-poller" not in {task.get_name() for task in asyncio.all_tasks()}
    assert client.in_flight == 0
    await client.aclose()  # twice is fine


@pytest.mark.parametrize(
    "faults",
    [[Fault.RATE_LIMIT], [Fault.CRUMB_UNAUTHORIZED], [Fault.HTML], [Fault.NAN, Fault.SHORT]],
)
def test_an_hour_of_a_fault_ends_in_recovery_without_leaks(
    faults: list[Fault], tmp_path: Path, fresh_yfinance: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "")  # restores what run_hour changes
    report = asyncio.run(run_hour(faults, tmp_path))

    assert report.recovered_after_seconds is not None
    assert report.quotes_after > 0
    assert report.threads_grown <= 0
    assert report.tasks_grown <= 0
    # A connection that is just being made or closed has one end of it counted, and there are four threads.
    assert report.descriptors_grown <= 4
    if faults == [Fault.RATE_LIMIT]:
        assert report.requests_after_first_minute < 59
