"""What a reply says of its session: by its kind, its exchange's clock, and the hours its price is of."""

from decimal import Decimal
from typing import Any

import pytest

from stockstream.gate import Gate
from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.aliases import by_answer, hint
from stockstream.sources.yahoo.book import Book
from stockstream.sources.yahoo.mapping import map_v7_result
from stockstream.sources.yahoo_stream.decode import Tick
from stockstream.sources.yahoo_stream.merge import Held, merge_tick
from stockstream_wire import Quote
from stockstream_wire.trading_day import day_rule
from tests.sources_yahoo.replies import EVENT_SECONDS, equity

MIDNIGHT = EVENT_SECONDS - 15 * 3600  # 2026-11-22T00:00:00Z, a Sunday
HOUR = 3600


def quote_of(result: dict[str, Any], **options: Any) -> Quote:
    outcome = map_v7_result(result, **options)
    assert isinstance(outcome, Quote), outcome
    return outcome


def book(*, extended_hours: bool = False) -> Book:
    return Book(extended_hours=extended_hours, stale_after_seconds=300, max_price_ratio=Decimal(20))


@pytest.mark.parametrize(
    ("kind", "exchange_and_zone", "seconds", "session", "counts"),
    [
        # An exchange that no table knows, by the zone of the reply.
        ("EQUITY", ("XYZ", "Asia/Ho_Chi_Minh"), MIDNIGHT + 30 * HOUR, "2026-11-23", "session"),
        ("EQUITY", ("XYZ", "Asia/Ho_Chi_Minh"), MIDNIGHT + 18 * HOUR, "2026-11-23", "session"),
        ("ETF", ("NMS", "America/New_York"), MIDNIGHT + 27 * HOUR, "2026-11-22", "session"),
        ("FUTURE", ("CMX", "America/New_York"), MIDNIGHT + 23 * HOUR, "2026-11-23", "session"),
        ("FUTURE", ("CBT", "America/Chicago"), MIDNIGHT + 47 * HOUR, "2026-11-24", "session"),
        ("FUTURE", ("OSA", "Asia/Tokyo"), MIDNIGHT + 26 * HOUR, "2026-11-23", "session"),
        ("CURRENCY", ("CCY", "Europe/London"), MIDNIGHT + 46 * HOUR, "2026-11-24", "none"),
        ("CRYPTOCURRENCY", ("CCC", "UTC"), MIDNIGHT + 47 * HOUR, "2026-11-23", "rolling"),
        ("INDEX", ("OSA", "Asia/Tokyo"), MIDNIGHT + 26 * HOUR, "2026-11-23", "session"),
    ],
)
def test_a_session_is_by_kind_and_by_the_zone_in_the_reply(
    kind: str, exchange_and_zone: tuple[str, str], seconds: int, session: str, counts: str
) -> None:
    exchange, zone = exchange_and_zone
    quote = quote_of(equity(quoteType=kind, exchange=exchange, exchangeTimezoneName=zone, regularMarketTime=seconds))
    assert (quote.session_date, quote.volume_kind) == (session, counts)
    assert (quote.volume is None) == (counts == "none")


def test_a_zone_of_a_name_unknown_here_is_kept_by_its_offset_and_none_at_all_is_left_to_the_consumer() -> None:
    odd = equity(exchange="XYZ", exchangeTimezoneName="Mars/Base", regularMarketTime=MIDNIGHT + 20 * HOUR)
    assert quote_of(odd | {"gmtOffSetMilliseconds": 20_700_000}).session_date == "2026-11-23"
    assert quote_of(odd).session_date is None


def test_an_index_that_nobody_trades_has_no_volume() -> None:
    vix = quote_of(equity("^VIX", quoteType="INDEX", regularMarketVolume=0))
    assert (vix.volume, vix.volume_kind) == (None, "none")


def test_oil_may_settle_below_zero_and_a_share_may_not() -> None:
    below: dict[str, Any] = {
        "regularMarketPrice": -37.63, "regularMarketDayLow": -40.32, "regularMarketDayHigh": 17.85,
        "regularMarketOpen": 17.73, "regularMarketPreviousClose": 18.27,
    }  # fmt: skip
    oil = quote_of(equity("CL=F", quoteType="FUTURE", exchange="NYM", **below))
    assert (oil.price, oil.kind) == (Decimal("-37.63"), "future")
    assert book().refusal(oil) is None
    share = map_v7_result(equity(**below))
    assert isinstance(share, Rejection)
    assert share.reason == "price_not_positive"


def test_an_after_hours_crash_is_a_quote_outside_regular_hours() -> None:
    crash = equity(
        marketState="POST", regularMarketPrice=22.9, regularMarketOpen=22.5, regularMarketDayHigh=23.1,
        regularMarketDayLow=22.3, regularMarketPreviousClose=22.6, postMarketPrice=15.51,
        postMarketTime=EVENT_SECONDS + HOUR,
    )  # fmt: skip
    quotes, rejected, _ = book(extended_hours=True).take_results(
        [crash], polled_at="2026-11-22T16:01:00.000Z", now_seconds=0
    )
    assert [(quote.price, quote.regular) for quote in quotes] == [(Decimal("15.51"), False)]
    assert rejected == []


def test_when_post_becomes_closed_nothing_is_refused_all_night() -> None:
    gate, memory = Gate(), book(extended_hours=True)
    post: dict[str, Any] = {"postMarketPrice": 101.5, "postMarketTime": EVENT_SECONDS + HOUR}
    refused = accepted = 0
    for minute, state in enumerate(["POST"] * 3 + ["POSTPOST", "CLOSED", "PREPRE"] * 50):
        polled_at = f"2026-11-23T{2 + minute // 60:02d}:{minute % 60:02d}:00.000Z"
        quotes, rejected, _ = memory.take_results(
            [equity(marketState=state, **post)], polled_at=polled_at, now_seconds=minute * 60
        )
        result = gate.admit(quotes)
        accepted += len(result.accepted)
        refused += len(rejected) + len(result.rejected)
    assert (accepted, refused) == (1, 0)


def test_a_reply_hours_ahead_is_refused_and_leaves_the_symbol_and_its_silence_alone() -> None:
    memory, gate = book(), Gate()
    ahead = equity(regularMarketTime=EVENT_SECONDS + 6 * HOUR)
    _, rejected, _ = memory.take_results([ahead], polled_at="2026-11-22T15:00:05.000Z", now_seconds=0.0)
    assert [item.reason for item in rejected] == ["time_in_future"]
    for step in range(20):
        true = equity(regularMarketTime=EVENT_SECONDS + 10 * step)
        polled_at = f"2026-11-22T15:{step // 6:02d}:{step % 6 * 10 + 5:02d}.000Z"
        quotes, _, _ = memory.take_results([true], polled_at=polled_at, now_seconds=10.0 * step)
        assert len(gate.admit(quotes).accepted) == 1
    (fact,) = memory.stale_quotes(1000.0, EVENT_SECONDS + 1000.0, "2026-11-22T15:16:40.000Z")
    assert gate.admit([fact]).accepted == [fact]


def test_an_alias_is_answered_under_the_spelling_that_was_asked_for() -> None:
    assert by_answer(["USDJPY=X", "JPY=X", "EURUSD=X"]) == {"JPY=X": ["USDJPY=X", "JPY=X"], "EURUSD=X": ["EURUSD=X"]}


@pytest.mark.parametrize(
    ("symbol", "said"),
    [("BRK.B", "BRK-B"), ("BF.B", "BF-B"), ("EURUSD", "EURUSD=X"), ("BTCUSD", "BTC-USD"), ("VOD.L", ""), ("AAPL", "")],
)
def test_an_unknown_symbol_gets_its_hint(symbol: str, said: str) -> None:
    assert said in hint(symbol)
    assert bool(hint(symbol)) is bool(said)


def tick(seconds: int, price: str = "5003", **fields: Any) -> Tick:
    return Tick("GC=F", seconds * 1000, Decimal(price), 1, **fields)


def future_base() -> Quote:
    return quote_of(
        equity("GC=F", quoteType="FUTURE", exchange="CMX", exchangeTimezoneName="America/New_York",
               regularMarketPrice=5001, regularMarketOpen=4990, regularMarketDayHigh=5010, regularMarketDayLow=4980,
               regularMarketPreviousClose=4985, regularMarketVolume=180_500,
               regularMarketTime=MIDNIGHT + 45 * HOUR)
    )  # fmt: skip


def test_a_tick_of_the_next_session_takes_nothing_of_the_one_before() -> None:
    rule = day_rule("future", "America/New_York")
    evening = MIDNIGHT + 47 * HOUR  # 18:00 New York, one hour later
    bare = merge_tick(future_base(), tick(evening, day_volume=400), polled_at="2026-11-23T23:00:01.000Z", rule=rule)
    assert bare.held is Held.NEW_SESSION
    whole = merge_tick(
        future_base(),
        tick(evening, day_volume=400, open=Decimal(5003), previous_close=Decimal(5001)),
        polled_at="2026-11-23T23:00:01.000Z",
        rule=rule,
    ).quote
    assert whole is not None
    assert [whole.open, whole.high, whole.low, whole.previous_close] == [5003, 5003, 5003, 5001]
    assert (whole.volume, whole.session_date) == (400, "2026-11-24")


def test_a_rolling_volume_may_fall_from_tick_to_tick() -> None:
    base = quote_of(equity("BTC-USD", quoteType="CRYPTOCURRENCY", exchange="CCC", exchangeTimezoneName="UTC"))
    merged = merge_tick(
        base,
        Tick("BTC-USD", EVENT_SECONDS * 1000 + 5, Decimal(101), 1, day_volume=100),
        polled_at="2026-11-22T15:00:01.000Z",
        rule=day_rule("crypto", "UTC"),
    ).quote
    assert merged is not None
    assert (merged.volume, merged.volume_kind) == (100, "rolling")
