"""What a ticker becomes, and what of the feed's figures is no day's."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from stockstream.sources.coinbase.book import CoinbaseBook, Held
from stockstream.sources.coinbase.messages import FeedError, Heartbeat, Ticker, UnreadableError, decode
from stockstream.sources.coinbase.rest import Day
from stockstream_wire import Quote, QuoteInvalidError, session_facts

TODAY = date(2026, 11, 22)  # a Sunday
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = {
    TODAY: Day(Decimal(91000), Decimal(92500), Decimal(90500), Decimal(92000)),
    TODAY - timedelta(days=1): Day(Decimal(89000), Decimal(91500), Decimal(88000), Decimal("90999.99")),
}
TICKER: dict[str, Any] = {
    "type": "ticker", "sequence": 37475248783, "product_id": "BTC-USD", "price": "92100.50", "open_24h": "90000.10",
    "volume_24h": "24553.79269678", "low_24h": "88888.52", "high_24h": "93333.8", "volume_30d": "9788783.6",
    "best_bid": "92100.49", "best_bid_size": "0.46688654", "best_ask": "92100.51", "best_ask_size": "1.5",
    "side": "buy", "time": "2026-11-22T12:00:01.061769Z", "trade_id": 370843401, "last_size": "11.4396987",
}  # fmt: skip


def ticker(**changes: object) -> Ticker:
    message = decode(json.dumps(TICKER | changes))
    assert isinstance(message, Ticker)
    return message


@pytest.fixture
def book() -> CoinbaseBook:
    book = CoinbaseBook()
    assert book.set_days("BTC-USD", DAYS, NOON)
    return book


def take(book: CoinbaseBook, tick: Ticker) -> Quote:
    quote = book.quote_of(tick, NOON)
    assert isinstance(quote, Quote), quote
    book.take(tick, quote)
    return quote


def test_figures_of_the_day_are_the_days_and_none_is_of_24_hours(book: CoinbaseBook) -> None:
    quote = take(book, ticker())

    assert (quote.open, quote.high, quote.low) == (Decimal(91000), Decimal(92500), Decimal(90500))
    assert quote.previous_close == Decimal("90999.99")
    assert quote.price == Decimal("92100.50")
    assert (quote.bid, quote.ask, quote.currency) == (Decimal("92100.49"), Decimal("92100.51"), "USD")
    assert quote.timestamp == "2026-11-22T12:00:01.061Z"


def test_volume_is_said_to_be_rolling_and_is_of_whole_coins(book: CoinbaseBook) -> None:
    quote = take(book, ticker())

    assert quote.volume == 24553
    assert session_facts(quote) == ("2026-11-22", "rolling", True, False)
    assert take(book, ticker(sequence=37475248784, volume_24h=None)).volume is None


def test_a_day_ends_at_midnight_utc_and_its_last_trade_is_the_close(book: CoinbaseBook) -> None:
    take(book, ticker(sequence=2**40, time="2026-11-22T23:59:59.999999Z", price="93000.00"))

    quote = take(book, ticker(sequence=2**40 + 1, time="2026-11-23T00:00:00.000001Z", price="92900.00"))

    assert quote.session_date == "2026-11-23"
    assert quote.previous_close == Decimal("93000.00")
    assert quote.open == quote.high == quote.low == quote.price == Decimal("92900.00")


def test_where_trades_may_have_been_missed_a_new_day_waits_for_the_candles(book: CoinbaseBook) -> None:
    take(book, ticker())
    book.connection_lost()
    after_midnight = ticker(sequence=2**40, time="2026-11-23T00:00:05Z", price="92900.00")

    assert book.quote_of(after_midnight, NOON) is Held.NO_DAY
    assert book.needs_days("BTC-USD")

    days = DAYS | {TODAY: Day(Decimal(91000), Decimal(94000), Decimal(90500), Decimal(93500))}
    days[date(2026, 11, 23)] = Day(Decimal(93400), Decimal(93600), Decimal(92800), Decimal(92850))
    book.set_days("BTC-USD", days, NOON + timedelta(days=1))
    quote = take(book, after_midnight)
    assert (quote.previous_close, quote.open, quote.high) == (Decimal(93500), Decimal(93400), Decimal(93600))


def test_candles_give_the_extremes_that_no_ticker_told_of_and_lose_none_that_it_did(book: CoinbaseBook) -> None:
    take(book, ticker(price="99000.00"))
    behind = DAYS | {TODAY: Day(Decimal(91000), Decimal(92500), Decimal(80000), Decimal(92000))}

    book.set_days("BTC-USD", behind, NOON)

    quote = take(book, ticker(sequence=2**40))
    assert (quote.high, quote.low) == (Decimal(99000), Decimal(80000))


def test_an_older_message_never_comes_after_a_newer_one(book: CoinbaseBook) -> None:
    take(book, ticker())

    assert book.quote_of(ticker(sequence=37475248782), NOON) is Held.OUT_OF_ORDER
    assert book.quote_of(ticker(), NOON) is Held.OUT_OF_ORDER


def test_a_product_that_has_never_traded_before_today_has_no_previous_close() -> None:
    book = CoinbaseBook()
    assert not book.set_days("NEW-USD", {TODAY: DAYS[TODAY]}, NOON)
    assert not book.knows("NEW-USD")
    assert book.quote_of(ticker(product_id="NEW-USD"), NOON) is Held.NO_DAY


def test_a_thin_product_opens_with_its_first_trade_of_the_day() -> None:
    book = CoinbaseBook()
    days = {TODAY - timedelta(days=2): DAYS[TODAY], TODAY - timedelta(days=5): DAYS[TODAY - timedelta(days=1)]}
    book.set_days("BTC-USD", days, NOON)

    last = take(book, ticker(sequence=1, time="2026-11-20T09:00:00Z"))  # which a subscription begins with
    assert (last.open, last.high, last.previous_close) == (Decimal(91000), Decimal(92500), Decimal("90999.99"))
    book.set_days("BTC-USD", days, NOON)
    quote = take(book, ticker())

    assert quote.previous_close == Decimal(92000)
    assert quote.open == quote.high == quote.low == Decimal("92100.50")


def test_heartbeats_tell_of_trades_that_no_ticker_told_of(book: CoinbaseBook) -> None:
    take(book, ticker())
    ahead = Heartbeat(product_id="BTC-USD", sequence=1, last_trade_id=370843402)

    assert not book.take_heartbeat(ahead), "its ticker may be under way"
    assert book.take_heartbeat(ahead)
    assert book.needs_days("BTC-USD")
    assert not book.take_heartbeat(ahead), "said once"
    assert book.tickers_are_mute("BTC-USD", 3)
    book.connection_lost()
    assert not book.take_heartbeat(ahead)
    assert not book.take_heartbeat(ahead), "what was traded before a connection it does not keep from us"
    assert not book.tickers_are_mute("BTC-USD", 1)


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1", "0"])
def test_a_price_that_is_none_is_refused_by_name_and_moves_nothing(book: CoinbaseBook, price: str) -> None:
    with pytest.raises(QuoteInvalidError, match="price"):
        book.quote_of(ticker(price=price), NOON)
    assert take(book, ticker()).high == Decimal(92500)


def test_messages_of_other_types_are_ignored_and_damaged_ones_are_not() -> None:
    assert decode('{"type":"l2update","changes":[]}') is None
    assert isinstance(decode('{"type":"error","message":"Failed","reason":"X is not a valid product"}'), FeedError)
    for junk in ("no json", b"\xff\x00", "[1]", "{}", '{"type":"ticker"}', '{"type":"ticker","sequence":"x"}'):
        with pytest.raises(UnreadableError):
            decode(junk)


def test_an_exchange_that_counts_anew_makes_no_product_deaf_nor_does_one_wild_number(book: CoinbaseBook) -> None:
    take(book, ticker())
    take(book, ticker(sequence=10**15, trade_id=10**12, time="2026-11-22T12:00:02Z"))
    quote = take(book, ticker(sequence=5, trade_id=7, time="2026-11-22T12:00:03Z", price="92200"))
    assert quote.price == 92200
    assert book.quote_of(ticker(sequence=4, time="2026-11-22T12:00:02.5Z"), NOON) is Held.OUT_OF_ORDER
    take(book, ticker(sequence=6, trade_id=8, time="2026-11-22T12:00:04Z"))
    missed = Heartbeat("BTC-USD", 7, last_trade_id=20)
    assert not book.take_heartbeat(missed)
    assert book.take_heartbeat(missed), "trades are counted anew too"


def test_a_nest_of_brackets_is_unreadable_and_a_volume_of_ten_million_digits_is_none(book: CoinbaseBook) -> None:
    for nest in ("[" * 100_000, '{"type":"other","a":' + "[" * 100_000):
        with pytest.raises(UnreadableError):
            decode(nest)
    for volume in ("1e9999999", "1e19", "-1", "NaN", "sNaN"):
        found = book.quote_of(ticker(volume_24h=volume), NOON)
        assert isinstance(found, Quote)
        assert found.volume is None
