"""What snapshots and trades become: prices of the rules of the tapes, sessions of New York, and nothing invented."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from stockstream.sources.alpaca.book import AlpacaBook, Held
from stockstream.sources.alpaca.messages import (
    DailyBar,
    FeedError,
    Snapshot,
    Subscription,
    Success,
    Trade,
    UnreadableError,
    decode,
    decode_snapshots,
    orders,
)
from stockstream.sources.alpaca.rest import wait_asked_for
from stockstream.sources.alpaca.spelling import spell, their_spelling
from stockstream.sources.base import Rejection
from stockstream_wire import Quote, session_facts

NOON = datetime(2026, 11, 25, 17, 0, 5, tzinfo=UTC)  # a Wednesday, noon in New York
TODAY = {"t": "2026-11-25T05:00:00Z", "o": 228.1, "h": 231.05, "l": 227.5, "c": 229.9, "v": 923134, "n": 9, "vw": 229.1}
YESTERDAY = {"t": "2026-11-24T05:00:00Z", "o": 226, "h": 229, "l": 225, "c": 227.65, "v": 812345, "n": 9, "vw": 227}
TRADE = {"t": "2026-11-25T17:00:01.123456789Z", "x": "V", "p": 230.125, "s": 100, "c": ["@"], "i": 52983, "z": "C"}


def snapshot(**changes: Any) -> Snapshot:
    parts = {
        "latestTrade": TRADE,
        "latestQuote": {"t": "2026-11-25T17:00:01Z", "bp": 230.12, "bs": 1, "ap": 0, "as": 0, "c": ["R"]},
        "minuteBar": {**TODAY, "t": "2026-11-25T17:00:00Z", "c": 230.1},
        "dailyBar": TODAY,
        "prevDailyBar": YESTERDAY,
    }
    found = decode_snapshots(json.dumps({"AAPL": {**parts, **changes}}).encode())["AAPL"]
    assert isinstance(found, Snapshot), found
    return found


def trade(**changes: Any) -> Trade:
    (message,) = decode(json.dumps([{"T": "t", "S": "AAPL", **TRADE, **changes}]))
    assert isinstance(message, Trade)
    return message


def at(hour: int, minute: int = 0, *, day: int = 25) -> datetime:
    return datetime(2026, 11, day, hour, minute, 5, tzinfo=UTC)


@pytest.fixture
def book() -> AlpacaBook:
    return AlpacaBook("alpaca", "iex")


def taken(book: AlpacaBook, item: Quote | Held | Rejection) -> Quote:
    assert isinstance(item, Quote), item
    book.accept(item)
    return item


def test_a_snapshot_is_a_quote_with_the_days_figures_and_a_time_cut_to_the_millisecond(book: AlpacaBook) -> None:
    quote = taken(book, book.take_snapshot("AAPL", snapshot(), NOON))

    assert (quote.price, quote.timestamp) == (Decimal("230.125"), "2026-11-25T17:00:01.123Z")
    assert (quote.open, quote.high, quote.low) == (Decimal("228.1"), Decimal("231.05"), Decimal("227.5"))
    assert (quote.previous_close, quote.volume) == (Decimal("227.65"), 923134)
    assert (quote.bid, quote.ask) == (Decimal("230.12"), None), "0 is no offer"
    assert (quote.currency, quote.source, quote.market_state) == ("USD", "alpaca", "REGULAR")
    assert session_facts(quote) == ("2026-11-25", "session", True, False)
    assert book.take_snapshot("AAPL", snapshot(), NOON) is Held.NOTHING_NEW


def test_a_delayed_feed_says_so() -> None:
    quote = AlpacaBook("alpaca", "delayed_sip").take_snapshot("AAPL", snapshot(), NOON)
    assert isinstance(quote, Quote)
    assert quote.delayed_by_seconds == 900


@pytest.mark.parametrize("condition", ["4", "7", "9", "C", "G", "H", "I", "M", "N", "P", "Q", "R", "U", "V", "W", "Z"])
def test_trades_of_conditions_that_move_no_last_price_move_none(book: AlpacaBook, condition: str) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    later = trade(t="2026-11-25T17:00:02Z", p=300, c=["@", condition])

    assert book.take_trade("AAPL", later, NOON) is Held.NO_LAST_PRICE


def test_b_is_an_average_price_on_two_tapes_and_an_ordinary_trade_on_the_third(book: AlpacaBook) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))

    assert book.take_trade("AAPL", trade(t="2026-11-25T17:00:02Z", c=["B"], z="A"), NOON) is Held.NO_LAST_PRICE
    assert isinstance(book.take_trade("AAPL", trade(t="2026-11-25T17:00:02Z", c=["B"], z="C"), NOON), Quote)


def test_behind_an_odd_lot_stands_the_price_of_its_minute_or_of_the_minute_before_it(book: AlpacaBook) -> None:
    odd = {**TRADE, "c": ["@", "I"], "p": 500}

    quote = taken(book, book.take_snapshot("AAPL", snapshot(latestTrade=odd), NOON))
    assert (quote.price, quote.timestamp) == (Decimal("230.1"), "2026-11-25T17:00:01.123Z")

    odd["t"] = "2026-11-25T17:04:30Z"
    quote = taken(book, book.take_snapshot("AAPL", snapshot(latestTrade=odd), at(17, 4)))
    assert (quote.price, quote.timestamp) == (Decimal("230.1"), "2026-11-25T17:00:59.999Z")


def test_trades_carry_range_and_volume_on_and_bars_correct_them(book: AlpacaBook) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))

    first = taken(book, book.take_trade("AAPL", trade(t="2026-11-25T17:00:02.5Z", p=232, s=50), NOON))
    assert (first.high, first.volume) == (Decimal(232), 923184)
    assert book.take_trade("AAPL", trade(t="2026-11-25T17:00:02.6Z", p=99, s=7, c=["I"]), NOON) is Held.NO_LAST_PRICE
    second = taken(book, book.take_trade("AAPL", trade(t="2026-11-25T17:00:03Z", p=229, s=1), NOON))
    assert (second.low, second.high, second.volume) == (Decimal("227.5"), Decimal(232), 923192)

    (bar,) = decode(json.dumps([{"T": "d", "S": "AAPL", **TODAY, "h": 233.5, "v": 930000}]))
    assert isinstance(bar, DailyBar)
    book.take_daily_bar("AAPL", bar)
    third = taken(book, book.take_trade("AAPL", trade(t="2026-11-25T17:00:04Z", s=1), NOON))
    assert (third.high, third.volume) == (Decimal("233.5"), 930001)


def test_what_a_snapshot_has_counted_is_not_counted_again(book: AlpacaBook) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))

    assert book.take_trade("AAPL", trade(), NOON) is Held.OUT_OF_ORDER
    again = taken(book, book.take_trade("AAPL", trade(t="2026-11-25T17:00:01.124Z", s=1), NOON))
    assert again.volume == 923135


def test_an_older_trade_never_comes_after_a_newer_one(book: AlpacaBook) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    assert book.take_trade("AAPL", trade(t="2026-11-25T16:59:59Z", p=1), NOON) is Held.OUT_OF_ORDER


def test_a_session_begins_with_a_snapshot_of_its_own(book: AlpacaBook) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    opening = {**TRADE, "t": "2026-11-27T14:30:00.2Z", "p": 231}

    assert book.take_trade("AAPL", trade(**opening), at(14, 30, day=27)) is Held.NO_SNAPSHOT
    behind = snapshot(latestTrade=opening, prevDailyBar={**YESTERDAY, "c": 226})  # whose day is still the last one
    quote = taken(book, book.take_snapshot("AAPL", behind, at(14, 30, day=27)))

    assert (quote.session_date, quote.previous_close) == ("2026-11-27", Decimal("229.9"))
    assert quote.open == quote.high == quote.low == Decimal(231)
    assert quote.volume is None, "the bar's is of the day before"


EARLY = {**TRADE, "t": "2026-11-25T13:00:00Z", "c": ["@", "T"], "p": 240}
BEFORE = {**YESTERDAY, "t": "2026-11-23T05:00:00Z", "c": 226}


def test_before_the_opening_there_is_no_session_yet() -> None:
    book = AlpacaBook("alpaca", "iex", extended_hours=True)

    quote = taken(
        book,
        book.take_snapshot("AAPL", snapshot(latestTrade=EARLY, dailyBar=YESTERDAY, prevDailyBar=BEFORE), at(13)),
    )

    assert (quote.regular, quote.market_state, quote.session_date) == (False, "PRE", "2026-11-25")
    assert quote.open == quote.high == quote.low == quote.price == Decimal(240)
    assert (quote.previous_close, quote.volume) == (Decimal("227.65"), None)

    regular = taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    assert (regular.high, regular.regular) == (Decimal("231.05"), True), "what was before the opening is no range"


def test_after_the_close_the_figures_are_the_sessions() -> None:
    book = AlpacaBook("alpaca", "iex", extended_hours=True)
    late = {**TRADE, "t": "2026-11-25T21:30:00Z", "c": ["@", "T"], "p": 250}

    quote = taken(book, book.take_snapshot("AAPL", snapshot(latestTrade=late), at(21, 30)))

    assert (quote.price, quote.high, quote.volume) == (Decimal(250), Decimal("231.05"), None)
    assert (quote.regular, quote.market_state) == (False, "POST")


def test_who_wants_regular_hours_alone_gets_the_close_at_four_and_nothing_before_the_next_opening(
    book: AlpacaBook,
) -> None:
    early = snapshot(latestTrade=EARLY, dailyBar=YESTERDAY, prevDailyBar=BEFORE)
    quote = taken(book, book.take_snapshot("AAPL", early, at(13)))

    assert (quote.price, quote.timestamp) == (Decimal("227.65"), "2026-11-24T21:00:00.000Z")
    assert (quote.previous_close, quote.session_date) == (Decimal(226), "2026-11-24")
    assert book.take_snapshot("AAPL", early, at(13, 1)) is Held.NOTHING_NEW
    assert book.take_trade("AAPL", trade(**EARLY), at(13)) is Held.EXTENDED


def test_closing_prints_after_four_are_of_the_session(book: AlpacaBook) -> None:
    closing = {**TRADE, "t": "2026-11-25T21:00:03Z", "c": ["@", "6"], "p": 230.5}
    quote = taken(book, book.take_snapshot("AAPL", snapshot(latestTrade=closing), at(21)))
    assert (quote.regular, quote.price) == (True, Decimal("230.5"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latestTrade": None, "dailyBar": None}, "missing_price"),
        ({"prevDailyBar": None}, "missing_previous_close"),
        ({"latestTrade": {**TRADE, "t": "yesterday"}}, "time_malformed"),
        ({"latestTrade": {**TRADE, "p": 0}}, "quote_invalid"),
        ({"latestTrade": {**TRADE, "p": -1}}, "quote_invalid"),
    ],
)
def test_what_is_no_quote_is_refused_by_name(book: AlpacaBook, changes: dict[str, Any], reason: str) -> None:
    item = book.take_snapshot("AAPL", snapshot(**changes), NOON)
    assert isinstance(item, Rejection)
    assert item.reason == reason


def test_messages_of_unknown_types_are_passed_over_and_damaged_ones_are_not() -> None:
    status = '{"T":"s","S":"AAPL","sc":"2"}'
    assert decode(f"[{status}]") == []
    assert decode(f'[{status},{{"T":"success","msg":"connected"}}]') == [Success("connected")]
    assert decode('[{"T":"error","code":406,"msg":"connection limit exceeded"}]') == [
        FeedError(406, "connection limit exceeded")
    ]
    assert decode('[{"T":"subscription","trades":["AAPL"],"quotes":[],"lulds":[]}]') == [Subscription(("AAPL",))]
    for junk in (
        "no json",
        "{}",
        "[1]",
        '[{"T":"t","S":"AAPL"}]',
        f'[{status},{{"T":"d","S":"AAPL","o":"x"}}]',
        b"\xff",
    ):
        with pytest.raises(UnreadableError):
            decode(junk)


@pytest.mark.parametrize("damaged", ['{"T":"t","S":"AAPL"}', "7", "{}", '{"T":"t","S":"AAPL","p":"x","t":"","s":1}'])
def test_a_damaged_message_costs_no_other_of_its_frame(damaged: str) -> None:
    good = json.dumps({"T": "t", "S": "AAPL", **TRADE})
    said: list[UnreadableError] = []
    assert [type(one) for one in decode(f"[{good},{damaged},{good}]", said.append)] == [Trade, Trade]
    assert len(said) == 1


def test_a_nest_of_brackets_is_unreadable_and_no_end_of_the_source() -> None:
    nest = "[" * 100_000
    with pytest.raises(UnreadableError):
        decode(nest)
    with pytest.raises(UnreadableError):
        decode('[{"T":"t","a":' + nest)
    with pytest.raises(UnreadableError):
        decode_snapshots(b'{"AAPL":' + nest.encode())


@pytest.mark.parametrize("amount", [Decimal("1e9999999"), Decimal("1e19"), -5, "NaN", "sNaN", "Infinity"])
def test_a_volume_that_is_none_adds_nothing_and_takes_no_time(book: AlpacaBook, amount: Decimal | int | str) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    text = json.dumps([{"T": "t", "S": "AAPL", **TRADE, "t": "2026-11-25T17:00:02Z", "s": "#"}])
    number = f'"{amount}"' if isinstance(amount, str) else str(amount)
    (message,) = decode(text.replace('"#"', number))
    assert isinstance(message, Trade)
    assert taken(book, book.take_trade("AAPL", message, NOON)).volume == TODAY["v"]

    (bar,) = decode(json.dumps([{"T": "d", "S": "AAPL", **TODAY, "v": "#"}]).replace('"#"', number))
    assert isinstance(bar, DailyBar)
    book.take_daily_bar("AAPL", bar)
    later = trade(t="2026-11-25T17:00:03Z", s=1)
    assert taken(book, book.take_trade("AAPL", later, NOON)).volume == 923134 + 1


@pytest.mark.parametrize("bar", [{"h": 1}, {"l": 500}, {"h": Decimal("1e9999999")}, {"o": 0.01}])
def test_a_bar_whose_range_is_none_spoils_no_session(book: AlpacaBook, bar: dict[str, Any]) -> None:
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    numbers = {**TODAY, **dict.fromkeys(bar, "#")}
    (message,) = decode(json.dumps([{"T": "d", "S": "AAPL", **numbers}]).replace('"#"', str(*bar.values())))
    assert isinstance(message, DailyBar)
    book.take_daily_bar("AAPL", message)
    quote = taken(book, book.take_trade("AAPL", trade(t="2026-11-25T17:00:02Z"), NOON))
    assert (quote.open, quote.high, quote.low) == (Decimal("228.1"), Decimal("231.05"), Decimal("227.5"))


@pytest.mark.parametrize("ahead", ["2026-11-25T23:00:00Z", "2026-11-26T17:00:00Z", "2036-11-26T17:00:00Z"])
def test_a_trade_of_the_future_is_refused_and_makes_no_share_deaf(book: AlpacaBook, ahead: str) -> None:
    future = snapshot(latestTrade={**TRADE, "t": ahead})
    refused = book.take_snapshot("AAPL", future, NOON)
    assert isinstance(refused, Rejection)
    assert refused.reason == "time_in_future"
    taken(book, book.take_snapshot("AAPL", snapshot(), NOON))
    for refused in (book.take_snapshot("AAPL", future, NOON), book.take_trade("AAPL", trade(t=ahead), NOON)):
        assert isinstance(refused, Rejection)
        assert refused.reason == "time_in_future"

    later = "2026-11-25T17:00:02Z"
    quote = taken(book, book.take_trade("AAPL", trade(t=later, s=10), NOON))
    assert quote.volume == 923134 + 10
    taken(book, book.take_snapshot("AAPL", snapshot(latestTrade={**TRADE, "t": "2026-11-25T17:00:04Z"}), NOON))
    assert book.is_kept_from_us("AAPL", "2026-11-25T16:59:00.000Z"), "the feed has not told of the newest"


def test_a_damaged_snapshot_costs_no_other() -> None:
    found = decode_snapshots(b'{"AAPL": {"latestTrade": {"p": "x"}}, "MSFT": null, "SPY": {}}')
    assert isinstance(found["AAPL"], UnreadableError)
    assert (found["MSFT"], found["SPY"]) == (None, Snapshot())


def test_orders_are_small_so_that_a_limit_is_found_from_below() -> None:
    symbols = [f"S{number}" for number in range(25)]
    sent = [json.loads(order) for order in orders(symbols, ["OLD"])]
    assert [(order["action"], len(order["trades"])) for order in sent] == [
        ("unsubscribe", 1), ("subscribe", 10), ("subscribe", 10), ("subscribe", 5),
    ]  # fmt: skip
    assert all(order["trades"] == order["dailyBars"] for order in sent)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("AAPL", "AAPL"), ("BRK-B", "BRK.B"), ("BAC-PL", "BAC.PRL"), ("BRK.B", "BRK.B"),
        ("VOD.L", None), ("SHOP.TO", None), ("^VIX", None), ("GC=F", None), ("BTC-USD", None), ("0700.HK", None),
    ],
)  # fmt: skip
def test_symbols_are_spelt_as_alpaca_does(ours: str, theirs: str | None) -> None:
    assert their_spelling(ours) == theirs


def test_two_spellings_of_one_share_are_one_share() -> None:
    spellings = spell(["BRK-B", "BRK.B", "^VIX"])
    assert spellings.ours == {"BRK.B": "BRK-B"}
    assert [(item.subject, item.reason) for item in spellings.refused] == [
        ("BRK.B", "duplicate_symbol"), ("^VIX", "unknown_symbol"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Reset": str(NOON.timestamp() + 42)}, 42),
        ({"Retry-After": "7", "X-RateLimit-Reset": "1"}, 7),
        ({"X-RateLimit-Reset": "1"}, 0),
        ({"X-RateLimit-Reset": "9e99"}, 300),
        ({"Retry-After": "nan"}, 0),
        ({"X-RateLimit-Reset": "soon"}, 0),
        ({}, 0),
    ],
)
def test_a_limit_is_waited_off_as_its_headers_say_and_no_clock_makes_it_a_day(
    headers: dict[str, str], seconds: float
) -> None:
    assert wait_asked_for(headers, NOON) == pytest.approx(seconds)
