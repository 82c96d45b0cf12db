"""The polling source on real sockets: keys, limits, refusals and faults of the stand-in."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stockstream.clock import Clock
from stockstream.errors import InputError, SettingsError, SourceError
from stockstream.settings import Settings, Watchlist
from stockstream.settings._values import read_watchlist_file
from stockstream.sources import alpaca
from stockstream.sources.alpaca import AlpacaAccess, check_keys, probe_source
from stockstream.sources.alpaca import rest as alpaca_rest
from stockstream.sources.watchlist import WatchlistFollower
from tests.alpaca_standin import KEY_ID, SECRET_KEY, AlpacaStandin, Fault
from tests.patience import PATIENCE_SECONDS
from tests.sources_alpaca.alpaca_listening import NOON, OPTIONS, SYMBOLS, Listener, clock_from, reading, standin_of


@pytest.fixture
def clock() -> Clock:
    return clock_from(NOON)


@pytest.fixture
async def standin(clock: Clock) -> AsyncIterator[AlpacaStandin]:
    async with standin_of(*SYMBOLS, "BRK.B", clock=clock) as standin:
        yield standin


async def test_each_poll_is_one_request_and_gives_each_share_once(standin: AlpacaStandin, clock: Clock) -> None:
    async with reading(Listener(standin, clock, streams=False)) as listener:
        await listener.next_quotes(3)

    assert all(asked == set(SYMBOLS) for asked in standin.snapshots_asked)
    assert all(len({quote.symbol for quote in batch.quotes}) == len(batch.quotes) for batch in listener.batches)
    assert {quote.source for quote in listener.quotes} == {"alpaca"}


async def test_our_spelling_is_kept(standin: AlpacaStandin, clock: Clock) -> None:
    watchlist = WatchlistFollower(Watchlist(("BRK-B",)))
    async with reading(Listener(standin, clock, streams=False, watchlist=watchlist)) as listener:
        await listener.next_quotes(1, ("BRK-B",))
    assert standin.snapshots_asked[0] == {"BRK.B"}


async def test_what_alpaca_has_not_is_named_once_and_the_others_go_on(standin: AlpacaStandin, clock: Clock) -> None:
    watchlist = WatchlistFollower(Watchlist((*SYMBOLS, "^VIX", "NOPE")))
    async with reading(Listener(standin, clock, streams=False, watchlist=watchlist)) as listener:
        await listener.next_quotes(3)

    named = [(item.subject, item.reason) for item in listener.rejected]
    assert named == [("^VIX", "unknown_symbol"), ("NOPE", "unknown_symbol")]


async def test_a_symbol_that_spoils_the_request_is_left_out_of_the_next(
    standin: AlpacaStandin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.sources.alpaca.spelling.their_spelling", lambda symbol: symbol)
    watchlist = WatchlistFollower(Watchlist((*SYMBOLS, "ABC4")))
    async with reading(Listener(standin, clock, streams=False, watchlist=watchlist)) as listener:
        await listener.next_quotes(2)

    assert [(item.subject, item.reason) for item in listener.rejected] == [("ABC4", "unknown_symbol")]
    assert sum("ABC4" in asked for asked in standin.snapshots_asked) == 1


async def test_a_watchlist_of_which_nothing_is_known_ends_the_run_with_the_remedy(
    standin: AlpacaStandin, clock: Clock
) -> None:
    listener = Listener(standin, clock, streams=False, watchlist=WatchlistFollower(Watchlist(("^VIX", "NOPE"))))
    with pytest.raises(SourceError, match=r"none of the symbols \^VIX, NOPE.*STOCKSTREAM_SYMBOLS"):
        await asyncio.wait_for(listener.read(), PATIENCE_SECONDS)


async def test_wrong_keys_end_the_run_as_a_wrong_setting_does_and_are_not_told(
    standin: AlpacaStandin, clock: Clock
) -> None:
    wrong = dataclasses.replace(OPTIONS, access=AlpacaAccess(KEY_ID, "wrongsecret"))
    listener = Listener(standin, clock, streams=False, options=wrong)

    with pytest.raises(SettingsError, match=r"Alpaca refuses the keys.*401.*STOCKSTREAM_ALPACA_KEY_ID") as caught:
        await asyncio.wait_for(listener.read(), PATIENCE_SECONDS)

    assert caught.value.exit_code == 2
    assert "wrongsecret" not in str(caught.value) + repr(wrong)


async def test_a_feed_that_the_plan_lacks_ends_the_run_with_the_remedy(standin: AlpacaStandin, clock: Clock) -> None:
    standin.faults.add(Fault.REST_403_FEED)
    with pytest.raises(SettingsError, match=r"the plan of these keys has no feed iex.*STOCKSTREAM_ALPACA_FEED"):
        await asyncio.wait_for(Listener(standin, clock, streams=False).read(), PATIENCE_SECONDS)


@pytest.mark.parametrize("fault", [Fault.REST_401, Fault.REST_HTML, Fault.REST_RESET])
async def test_a_fault_is_a_failure_with_a_reason_few_requests_and_an_end(
    standin: AlpacaStandin, clock: Clock, fault: Fault
) -> None:
    async with reading(Listener(standin, clock, streams=False)) as listener:
        await listener.next_quotes(1)
        standin.faults.add(fault)
        await listener.until(lambda: bool(listener.batches[-1].failures), "a failure")
        assert "Alpaca" in listener.batches[-1].failure
        assert not listener.batches[-1].is_answer
        requests, started = standin.requests, time.monotonic()
        await asyncio.sleep(0.3)
        passed = time.monotonic() - started
        assert standin.requests - requests <= 1 + passed / 0.5, "the waits are of half a second and more"
        standin.faults.clear()
        await listener.next_quotes(1)


async def test_a_limit_is_waited_off_until_the_time_that_it_names(standin: AlpacaStandin, clock: Clock) -> None:
    standin.reset_after_seconds = 2.5
    async with reading(Listener(standin, clock, streams=False)) as listener:
        await listener.next_quotes(1)
        standin.faults.add(Fault.REST_429)
        await listener.until(lambda: bool(standin.resets_told), "the limit")
        requests = standin.requests
        standin.faults.clear()
        await listener.next_quotes(1)
    # Our own first wait is of a second at most.
    assert standin.asked_at[requests] >= standin.resets_told[0] - 0.05


@pytest.mark.parametrize("fault", [Fault.REST_EMPTY, Fault.ODD_LOTS])
async def test_an_answer_without_news_is_an_answer(standin: AlpacaStandin, clock: Clock, fault: Fault) -> None:
    async with reading(Listener(standin, clock, streams=False)) as listener:
        await listener.next_quotes(1)
        standin.faults.add(fault)
        seen = len(listener.batches)
        await listener.until(lambda: len(listener.batches) >= seen + 3, "answers")
        standin.faults.clear()
        await listener.next_quotes(1)
    assert all(batch.is_answer for batch in listener.batches)


async def test_at_night_it_asks_seldom(standin: AlpacaStandin) -> None:
    night = clock_from(datetime(2026, 11, 25, 6, tzinfo=UTC))
    standin.now = NOON.timestamp
    options = dataclasses.replace(OPTIONS, interval_seconds=0.05, unhurried_seconds=60.0)
    async with reading(Listener(standin, night, streams=False, options=options)):
        await asyncio.sleep(0.6)
    assert standin.requests == 1


async def test_silence_in_regular_hours_is_said_once_for_all_shares(standin: AlpacaStandin, clock: Clock) -> None:
    options = dataclasses.replace(OPTIONS, stale_after_seconds=0.5)
    # Trades of ten seconds apart each second, for the feed of a test that does not last: seconds are what moves.
    standin.now = lambda: NOON.timestamp() + 10 * (clock.now() - NOON).total_seconds()
    async with reading(Listener(standin, clock, streams=False, options=options)) as listener:
        await listener.next_quotes(3)
        standin.is_trading = False
        await listener.until(lambda: any(quote.stale for quote in listener.quotes), "a stale fact")
    assert [quote.silent_symbols for quote in listener.quotes if quote.stale] == [2]


async def test_the_watchlist_file_is_followed(standin: AlpacaStandin, clock: Clock, tmp_path: Path) -> None:
    file = tmp_path / "shares.txt"
    file.write_text("AAPL\n")
    watchlist = WatchlistFollower(read_watchlist_file(file))
    async with reading(Listener(standin, clock, streams=False, watchlist=watchlist)) as listener:
        await listener.next_quotes(1, ("AAPL",))
        file.write_text("MSFT\n")
        await listener.next_quotes(1, ("MSFT",))
    assert standin.snapshots_asked[-1] == {"MSFT"}


@pytest.mark.parametrize(
    ("key_id", "what"), [("", "is not set"), ("short", "is no key of Alpaca's"), ("a b" * 9, "is no")]
)
def test_keys_that_can_be_none_are_refused_before_the_start_and_not_told(
    monkeypatch: pytest.MonkeyPatch, key_id: str, what: str
) -> None:
    monkeypatch.setenv("STOCKSTREAM_ALPACA_KEY_ID", key_id)
    monkeypatch.setenv("STOCKSTREAM_ALPACA_SECRET_KEY", SECRET_KEY)
    with pytest.raises(InputError, match=f"STOCKSTREAM_ALPACA_KEY_ID {what}") as caught:
        check_keys(Settings())
    assert caught.value.exit_code == 2
    assert not key_id or key_id not in str(caught.value)


def test_keys_are_read_from_a_file_with_its_newline_and_shown_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOCKSTREAM_ALPACA_KEY_ID", KEY_ID + "\n")
    monkeypatch.setenv("STOCKSTREAM_ALPACA_SECRET_KEY", SECRET_KEY + "\n")
    settings = Settings()
    assert alpaca.access_of(settings) == AlpacaAccess(KEY_ID, SECRET_KEY)
    assert SECRET_KEY not in repr(settings) + repr(alpaca.access_of(settings)) + repr(OPTIONS)


@pytest.mark.parametrize(
    ("fault", "detail", "remedy"),
    [
        (None, "feed iex has AAPL", ""),
        (Fault.REST_401, "Alpaca refuses the keys", "STOCKSTREAM_ALPACA_KEY_ID"),
        (Fault.REST_403_FEED, "no feed iex", "STOCKSTREAM_ALPACA_FEED=iex"),
        (Fault.REST_429, "429", "network"),
        (Fault.REST_EMPTY, "nothing of AAPL", "STOCKSTREAM_SYMBOLS"),
    ],
)
async def test_the_doctor_hears_whether_it_answers(
    standin: AlpacaStandin, monkeypatch: pytest.MonkeyPatch, fault: Fault | None, detail: str, remedy: str
) -> None:
    monkeypatch.setattr(alpaca_rest, "REST_URL", standin.url)
    monkeypatch.setenv("STOCKSTREAM_ALPACA_KEY_ID", KEY_ID)
    monkeypatch.setenv("STOCKSTREAM_ALPACA_SECRET_KEY", SECRET_KEY)
    standin.faults = {fault} if fault is not None else set()

    result = await probe_source(Settings(), PATIENCE_SECONDS)

    assert result.reachable == (fault is None)
    assert detail in result.detail
    assert remedy in result.remedy
    assert bool(remedy) == bool(result.remedy)
