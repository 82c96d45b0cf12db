"""The simulated market: repeatable, consistent, and of the size and shape of a real one."""

import asyncio
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import log
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream.errors import SourceError
from stockstream.settings._values import read_watchlist_file
from stockstream.source_kinds import DEMO_WATCHLIST
from stockstream.sources.simulated import MoverPlan, SimulatedSource
from stockstream.sources.simulated._share import TRADING_SECONDS_PER_DAY, day_fraction_traded
from stockstream.sources.watchlist import WatchlistFollower
from stockstream_wire import Quote, validate_quote
from tests.patience import PATIENCE_SECONDS
from tests.virtual_clock import VirtualClock

MORNING = datetime(2026, 11, 23, 0, 0, 1, tzinfo=UTC)


async def run(
    symbols: tuple[str, ...] = DEMO_WATCHLIST,
    *,
    steps: int,
    seed: int = 7,
    interval_seconds: float = 1.0,
    start: datetime = MORNING,
    movers: MoverPlan | None = None,
) -> dict[str, list[Quote]]:
    clock = VirtualClock(start)
    source = SimulatedSource(symbols, seed=seed, interval_seconds=interval_seconds, clock=clock.clock, movers=movers)
    paths: dict[str, list[Quote]] = {symbol: [] for symbol in symbols}
    async for batch in source.batches():
        assert [quote.symbol for quote in batch.quotes] == list(symbols)
        for quote in batch.quotes:
            paths[quote.symbol].append(quote)
        if len(paths[symbols[0]]) == steps:
            await source.aclose()
    return paths


def change_percent(quote: Quote) -> float:
    return float((quote.price - quote.previous_close) / quote.previous_close * 100)


def log_returns(path: list[Quote]) -> list[float]:
    return [log(after.price / before.price) for before, after in pairwise(path)]


async def test_the_same_seed_gives_the_same_path_and_another_seed_another() -> None:
    first, second, other = [await run(steps=50, seed=seed, movers=MoverPlan()) for seed in (7, 7, 8)]
    assert first == second
    assert [q.price for q in first["AAPL"]] != [q.price for q in other["AAPL"]]


async def test_prices_are_those_of_the_seed_at_any_hour_of_the_day() -> None:
    morning = await run(steps=50)
    noon = await run(steps=50, start=MORNING + timedelta(hours=12))
    assert [q.price for q in morning["AAPL"]] == [q.price for q in noon["AAPL"]]


async def test_another_symbol_on_the_watchlist_changes_no_other_path() -> None:
    alone = await run(("AAPL",), steps=50)
    together = await run(("MSFT", "AAPL", "ZZZZ"), steps=50)
    assert alone["AAPL"] == together["AAPL"]


async def test_it_says_everywhere_that_it_is_simulated() -> None:
    source = SimulatedSource(["AAPL"], seed=1, interval_seconds=1)
    assert (source.label, source.is_market_data) == ("simulated", False)
    paths = await run(("AAPL",), steps=3)
    assert {(quote.source, quote.exchange) for quote in paths["AAPL"]} == {("simulated", "SIM")}


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    symbol=st.from_regex(r"[A-Z]{1,5}", fullmatch=True),
    interval_seconds=st.sampled_from([0.1, 1.0, 30.0, 3600.0]),
)
async def test_every_quote_is_valid_and_consistent_with_the_ones_before_it(
    seed: int, symbol: str, interval_seconds: float
) -> None:
    paths = await run((symbol,), steps=80, seed=seed, interval_seconds=interval_seconds, movers=MoverPlan())
    for quote in paths[symbol]:
        validate_quote(quote)
        assert quote.low <= quote.price <= quote.high
        assert quote.low <= quote.open <= quote.high
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid < quote.price < quote.ask
        for price in (quote.open, quote.high, quote.low, quote.price, quote.previous_close, quote.bid, quote.ask):
            assert price.as_tuple().exponent == -2
    for before, after in pairwise(paths[symbol]):
        assert before.timestamp < after.timestamp
        if before.timestamp[:10] == after.timestamp[:10]:
            assert (before.volume or 0) <= (after.volume or 0)
            assert before.high <= after.high
            assert before.low >= after.low
            assert (before.open, before.previous_close) == (after.open, after.previous_close)
        else:
            assert after.previous_close == before.price


async def test_a_day_is_as_volatile_as_a_real_one() -> None:
    symbols = tuple(f"S{n}" for n in range(60))
    steps = round(TRADING_SECONDS_PER_DAY / 60)
    paths = await run(symbols, steps=steps, interval_seconds=60)
    daily = [statistics.pstdev(log_returns(path)) * steps**0.5 for path in paths.values()]
    assert 0.008 < statistics.median(daily) < 0.03
    assert max(abs(change_percent(path[-1])) for path in paths.values()) < 12


async def test_volatility_clusters_and_returns_have_fat_tails() -> None:
    symbols = tuple(f"S{n}" for n in range(12))
    paths = await run(symbols, steps=1500, interval_seconds=30)
    correlations, kurtoses = [], []
    for path in paths.values():
        returns = log_returns(path)
        sizes = [abs(r) for r in returns]
        correlations.append(statistics.correlation(sizes[:-1], sizes[1:]))
        mean, deviation = statistics.fmean(returns), statistics.pstdev(returns)
        kurtoses.append(statistics.fmean(((r - mean) / deviation) ** 4 for r in returns))
        assert abs(statistics.correlation(returns[:-1], returns[1:])) < 0.12  # of the direction nothing is known
    assert statistics.median(correlations) > 0.03
    assert statistics.median(kurtoses) > 3.2


async def test_shares_move_together_to_a_degree() -> None:
    paths = await run(("A", "B", "C", "D", "E"), steps=800, interval_seconds=30)
    returns = [log_returns(path) for path in paths.values()]
    pairs = [statistics.correlation(a, b) for i, a in enumerate(returns) for b in returns[:i]]
    assert 0.1 < statistics.fmean(pairs) < 0.8


async def test_volume_follows_a_u_over_the_day() -> None:
    path = (await run(("AAPL",), steps=289, interval_seconds=300))["AAPL"]
    same_day = [quote.volume or 0 for quote in path if quote.timestamp < "2026-11-24"]
    per_hour = [after - before for before, after in pairwise(same_day[::12])]
    assert per_hour[0] > 2 * per_hour[11] > 0
    assert per_hour[-1] > 2 * per_hour[11]


def test_the_volume_curve_runs_from_nothing_to_all_of_the_day() -> None:
    values = [day_fraction_traded(i / 100) for i in range(101)]
    assert values[0] == pytest.approx(0)
    assert values[-1] == pytest.approx(1)
    assert values == sorted(values)


async def test_volume_does_not_run_backwards_over_a_restart() -> None:
    before = await run(("AAPL",), steps=200, interval_seconds=30)
    restart = MORNING + timedelta(seconds=200 * 30)
    after = await run(("AAPL",), steps=1, interval_seconds=30, start=restart)
    assert (after["AAPL"][0].volume or 0) >= (before["AAPL"][-1].volume or 0)


async def test_a_new_day_starts_a_session() -> None:
    late = datetime(2026, 11, 23, 23, 59, 55, tzinfo=UTC)
    path = (await run(("AAPL",), steps=10, start=late))["AAPL"]
    last, first = next((a, b) for a, b in pairwise(path) if a.timestamp[:10] != b.timestamp[:10])
    assert first.previous_close == last.price
    assert first.open == first.price
    assert (first.volume or 0) < (last.volume or 0)


@pytest.mark.parametrize("interval_seconds", [0.5, 2.0, 5.0, 30.0])
@pytest.mark.parametrize("seed", [1, 7, 42])
async def test_a_share_passes_five_percent_within_the_first_minute(seed: int, interval_seconds: float) -> None:
    steps = round(65 / interval_seconds) + 1
    paths = await run(steps=steps, seed=seed, interval_seconds=interval_seconds, movers=MoverPlan())
    movers = [symbol for symbol, path in paths.items() if max(abs(change_percent(q)) for q in path) > 5]
    assert len(movers) == 1
    assert all(abs(change_percent(path[0])) < 4 for path in paths.values())


async def test_a_move_comes_back_so_that_the_alert_can_fire_again() -> None:
    plan = MoverPlan(first_seconds=10, every_seconds=1e9)
    paths = await run(steps=500, movers=plan)
    mover = max(paths.values(), key=lambda path: max(abs(change_percent(q)) for q in path))
    assert max(abs(change_percent(q)) for q in mover) > 5
    assert abs(change_percent(mover[-1])) < 4


async def test_without_movers_nothing_passes_five_percent_in_an_hour() -> None:
    paths = await run(steps=720, interval_seconds=5)
    assert max(abs(change_percent(q)) for path in paths.values() for q in path) < 5


async def test_a_wall_clock_that_is_set_back_does_not_turn_time_around() -> None:
    clock = VirtualClock(MORNING)
    source = SimulatedSource(["AAPL"], seed=1, interval_seconds=1, clock=clock.clock)
    times = []
    async for batch in source.batches():
        times.append(batch.quotes[0].timestamp)
        clock.start -= timedelta(minutes=10)
        if len(times) == 5:
            await source.aclose()
    assert times == sorted(set(times))


async def test_closing_ends_the_wait_for_the_next_interval() -> None:
    source = SimulatedSource(["AAPL"], seed=1, interval_seconds=3600)
    batches = source.batches()
    await anext(batches)
    waiting = asyncio.ensure_future(anext(batches, None))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await source.aclose()
    assert await asyncio.wait_for(waiting, PATIENCE_SECONDS) is None


def test_a_market_without_symbols_is_refused() -> None:
    with pytest.raises(SourceError, match="no symbols"):
        SimulatedSource([], seed=1, interval_seconds=1)


async def test_symbols_named_twice_are_followed_once() -> None:
    source = SimulatedSource(["A", "A"], seed=1, interval_seconds=1)
    async for batch in source.batches():
        assert [quote.symbol for quote in batch.quotes] == ["A"]
        await source.aclose()


async def test_a_known_symbol_starts_near_its_known_price() -> None:
    path = (await run(("AAPL",), steps=1))["AAPL"]
    assert Decimal(200) < path[0].price < Decimal(280)


async def test_a_changed_list_is_read_again_and_the_others_go_on_as_before(tmp_path: Path) -> None:
    file = tmp_path / "symbols.txt"
    file.write_text("AAPL\nMSFT\n")
    clock = VirtualClock(MORNING)
    follower = WatchlistFollower(read_watchlist_file(file))
    source = SimulatedSource(follower, seed=7, interval_seconds=1.0, clock=clock.clock, movers=None)
    undisturbed = (await run(("AAPL",), steps=4))["AAPL"]
    seen: list[list[str]] = []
    prices = []
    async for batch in source.batches():
        seen.append([quote.symbol for quote in batch.quotes])
        prices += [quote.price for quote in batch.quotes if quote.symbol == "AAPL"]
        if len(seen) == 2:
            file.write_text("AAPL\nNVDA\nTSLA\n")
        if len(seen) == 4:
            await source.aclose()
    assert seen == [["AAPL", "MSFT"]] * 2 + [["AAPL", "NVDA", "TSLA"]] * 2
    assert prices == [quote.price for quote in undisturbed]
