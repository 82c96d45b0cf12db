"""The streaming source on real sockets: the stand-in closes, falls silent, talks nonsense, refuses and limits."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from stockstream.clock import Clock
from stockstream.errors import SettingsError
from stockstream.settings import Watchlist
from stockstream.sources.alpaca import AlpacaAccess, AlpacaStreamSource
from stockstream.sources.watchlist import WatchlistFollower
from tests.alpaca_standin import KEY_ID, SECRET_KEY, AlpacaStandin, Fault
from tests.patience import PATIENCE_SECONDS
from tests.sources_alpaca.alpaca_listening import NOON, OPTIONS, SYMBOLS, Listener, clock_from, reading, standin_of

# Snapshots of the stand-in come so seldom that what comes is the feed's.
FEED_ALONE = dataclasses.replace(OPTIONS, unhurried_seconds=3600.0)


@pytest.fixture
def clock() -> Clock:
    return clock_from(NOON)


@pytest.fixture
async def standin(clock: Clock) -> AsyncIterator[AlpacaStandin]:
    async with standin_of(clock=clock) as standin:
        yield standin


def stream_of(listener: Listener) -> AlpacaStreamSource:
    assert isinstance(listener.source, AlpacaStreamSource)
    return listener.source


async def test_it_logs_in_subscribes_and_gives_each_share_at_most_once_an_interval(
    standin: AlpacaStandin, clock: Clock
) -> None:
    async with reading(Listener(standin, clock, options=FEED_ALONE)) as listener:
        await listener.next_quotes(4)

    assert standin.logins == [(KEY_ID, SECRET_KEY)]
    assert standin.subscriptions == [set(SYMBOLS)]
    assert standin.requests == 1
    assert {quote.source for quote in listener.quotes} == {"alpaca-stream"}
    for symbol in SYMBOLS:
        times = [quote.timestamp for quote in listener.quotes if quote.symbol == symbol]
        assert times == sorted(set(times))
    assert stream_of(listener).counts["trades"] > len(listener.quotes)


@pytest.mark.parametrize(
    "fault",
    [Fault.CLOSE_1000, Fault.ABORT, Fault.REFUSE, Fault.TRADES_MUTE, Fault.NO_WELCOME, Fault.SLOW_CLIENT],
)
async def test_any_end_and_any_silence_is_noticed_reconnected_and_resubscribed_and_snapshots_go_on(
    standin: AlpacaStandin, clock: Clock, fault: Fault
) -> None:
    async with reading(Listener(standin, clock)) as listener:
        await listener.until(lambda: standin.subscriptions == [set(SYMBOLS)], "the first subscription")
        connections = standin.connections_total
        standin.faults.add(fault)
        if fault in {Fault.REFUSE, Fault.NO_WELCOME}:
            await stream_of(listener).connection.reconnect("the test says so")
        await listener.next_quotes(2)
        await listener.until(lambda: standin.connections_total >= connections + 2, "two new connections")
        standin.faults.clear()
        trades = stream_of(listener).counts["trades"]
        await listener.until(lambda: stream_of(listener).counts["trades"] > trades + 5, "trades of the feed")
        assert standin.subscriptions[-1] == set(SYMBOLS)
    assert all(batch.is_answer for batch in listener.batches), "there was an answer all the time"


@pytest.mark.parametrize("fault", [Fault.AUTH_FAILED, Fault.CONNECTION_LIMIT])
async def test_a_refusal_is_said_once_with_its_remedy_and_snapshots_serve_meanwhile(
    standin: AlpacaStandin, clock: Clock, fault: Fault
) -> None:
    standin.faults.add(fault)
    with capture_logs() as logs:
        async with reading(Listener(standin, clock)) as listener:
            await listener.until(lambda: len(standin.logins) >= 3, "three tries")
            await listener.next_quotes(2)
            standin.faults.clear()
            await listener.until(lambda: standin.subscriptions == [set(SYMBOLS)], "the subscription")

    said = [entry for entry in logs if entry["event"] == "feed_refused"]
    assert [(entry["code"], bool(entry["remedy"])) for entry in said] == [
        (406 if fault is Fault.CONNECTION_LIMIT else 402, True)
    ]
    assert SECRET_KEY not in str(logs)


async def test_wrong_keys_end_the_run(standin: AlpacaStandin, clock: Clock) -> None:
    wrong = dataclasses.replace(OPTIONS, access=AlpacaAccess(KEY_ID, "wrongsecret"))
    with pytest.raises(SettingsError, match="refuses the keys"):
        await asyncio.wait_for(Listener(standin, clock, options=wrong).read(), PATIENCE_SECONDS)
    assert not standin.logins, "one refusal is enough"


async def test_symbols_beyond_the_plans_limit_come_by_snapshots(clock: Clock) -> None:
    symbols = tuple(f"S{chr(65 + number)}" for number in range(25))
    async with standin_of(*symbols, clock=clock) as standin:
        standin.symbol_limit = 12
        with capture_logs() as logs:
            watchlist = WatchlistFollower(Watchlist(symbols))
            async with reading(Listener(standin, clock, watchlist=watchlist)) as listener:
                await listener.next_quotes(2, symbols)
                await listener.until(lambda: len(standin.subscriptions[-1]) == 10, "what fits in whole orders")
                await listener.next_quotes(1, symbols)

    said = [entry for entry in logs if entry["event"] == "symbols_not_streamed"]
    assert [(entry["streamed"], entry["polled"]) for entry in said] == [(10, 15)]
    assert not listener.rejected


@pytest.mark.parametrize("fault", [Fault.CLOSE_1000, Fault.GARBAGE, Fault.CONNECTION_LIMIT])
async def test_a_feed_that_never_works_is_no_busy_loop(standin: AlpacaStandin, clock: Clock, fault: Fault) -> None:
    async with reading(Listener(standin, clock)) as listener:
        await listener.next_quotes(1)
        standin.faults.add(fault)
        await stream_of(listener).connection.reconnect("the test says so")
        connections, requests = standin.connections_total, standin.requests
        cpu_seconds, started = time.process_time(), time.monotonic()
        await asyncio.sleep(0.7)
        passed = time.monotonic() - started
    # The waits of this test are between 0.01 and 0.1 s: 18 a second on average, and 60 would be a loop without any.
    assert standin.connections_total - connections < 60 * passed
    assert standin.requests - requests < 15 * passed, "snapshots are asked for at the interval of 0.1 s"
    assert time.process_time() - cpu_seconds < 0.9 * passed


async def test_a_frame_of_many_trades_is_read_as_a_whole(standin: AlpacaStandin, clock: Clock) -> None:
    standin.faults.add(Fault.LARGE_FRAMES)
    async with reading(Listener(standin, clock, options=FEED_ALONE)) as listener:
        await listener.next_quotes(3)
    assert standin.connections_total == 1


async def test_garbage_and_older_trades_cost_nothing(standin: AlpacaStandin, clock: Clock) -> None:
    async with reading(Listener(standin, clock)) as listener:
        await listener.next_quotes(1)
        standin.faults = {Fault.GARBAGE}
        await listener.until(lambda: stream_of(listener).counts["unreadable"] >= 3, "garbage")
        standin.faults = {Fault.OLD_TRADES}
        await listener.until(lambda: stream_of(listener).counts["trade_out_of_order"] >= 3, "older trades")
        standin.faults.clear()
        await listener.next_quotes(1)
    assert min(quote.price for quote in listener.quotes) > 1


async def test_a_quiet_feed_is_no_mute_one(standin: AlpacaStandin, clock: Clock) -> None:
    async with reading(Listener(standin, clock)) as listener:
        await listener.next_quotes(1)
        standin.is_trading = False
        await asyncio.sleep(0.9)
        assert standin.connections_total == 1
        assert not stream_of(listener).counts["mute"]


async def test_both_away_is_told_as_a_failure_and_not_as_an_answer(standin: AlpacaStandin, clock: Clock) -> None:
    async with reading(Listener(standin, clock)) as listener:
        await listener.next_quotes(1)
        standin.faults |= {Fault.REFUSE, Fault.REST_500}
        await stream_of(listener).connection.reconnect("the test says so")
        await listener.until(
            lambda: bool(listener.batches[-1].failures) and not listener.batches[-1].is_answer, "a failure"
        )
        assert "500" in listener.batches[-1].failure
        standin.faults.clear()
        await listener.next_quotes(1)
