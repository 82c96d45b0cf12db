"""One rule for both sides: bad ticks, splits, clocks."""

from decimal import Decimal
from typing import Any

import pytest

from stockstream_wire import Quote, bad_tick, is_ahead_of_clock, is_old_news


def quote(price: str, close: str, *, low: str = "", high: str = "", open_: str = "", **fields: Any) -> Quote:
    values = {"open": open_ or price, "high": high or price, "low": low or price, "price": price}
    numbers = {name: Decimal(value) for name, value in {**values, "previous_close": close}.items()}
    return Quote(**{"symbol": "ACME", "timestamp": "2026-03-09T15:00:00.000Z", **numbers, **fields})


@pytest.mark.parametrize(
    "good",
    [
        quote("15.51", "23.00", low="14", high="24", open_="23"),  # a crash within its range
        quote("15.51", "22.90", low="22.30", high="23.10", open_="22.5", regular=False),  # after hours
        quote("3.51", "0.17", low="3.4", high="3.75", open_="3.6"),  # reverse split 1:20, close not rescaled
        quote("25", "500", low="24.5", high="26"),  # split 20:1, close not rescaled
        quote("0.01", "18.27", low="0.01", high="17.85", open_="17.73", symbol="CL=F"),
        quote("-37.63", "18.27", low="-40.32", high="17.85", open_="17.73", symbol="CL=F"),
        quote("10.01", "-37.63", low="-14", high="13", open_="-14", symbol="CL=F"),
        quote("0.5", "0.01", low="0.01", high="0.6", open_="0.3", kind="rate"),
        quote("0.02", "0", low="-0.01", high="0.02", open_="0.01", symbol="^IRX"),
        quote("21", "2", low="2", high="21", open_="2"),
    ],
)
def test_what_a_market_can_do_is_no_bad_tick(good: Quote) -> None:
    assert bad_tick(good) is None


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (quote("3100", "31", low="30", high="32", open_="31"), "absurd_ratio"),
        (quote("42", "31", low="30", high="32", open_="31"), "outside_range"),
        (quote("15.51", "22.9", low="22.30", high="23.10", open_="22.5"), "outside_range"),
        (quote("2290", "22.9", low="22", high="23", open_="22.9", regular=False), "absurd_ratio"),
        (quote("2290", "22.9", low="22", high="2290", open_="22.9"), "absurd_ratio"),
        (quote("0.2", "22.9", low="0.2", high="23", open_="22.9"), "absurd_ratio"),
        (quote("7512", "75.12", low="75", high="7512", open_="75", symbol="CL=F"), "absurd_ratio"),
        (quote("-90", "-37", low="-40", high="10", open_="-14", symbol="CL=F"), "outside_range"),
    ],
)
def test_what_no_market_does_is_a_bad_tick_with_a_name(bad: Quote, reason: str) -> None:
    found = bad_tick(bad)
    assert found is not None
    assert found[0] == reason
    assert str(bad.price) in found[1]


def test_a_source_may_be_stricter_by_its_setting() -> None:
    tenfold = quote("12", "1", low="1", high="12", open_="1")
    assert bad_tick(tenfold) is None
    assert bad_tick(tenfold, Decimal(10)) is not None


@pytest.mark.parametrize(
    ("timestamp", "ahead"),
    [
        ("2026-03-09T14:59:00.000Z", False),
        ("2026-03-09T15:05:00.000Z", False),
        ("2026-03-09T15:05:00.001Z", True),
        ("2026-03-09T21:00:00.000Z", True),
    ],
)
def test_minutes_ahead_of_the_clock_are_tolerated_and_more_is_not(timestamp: str, ahead: bool) -> None:
    assert is_ahead_of_clock(timestamp, "2026-03-09T15:00:00.000Z") is ahead


def test_a_trade_of_more_than_a_day_ago_is_no_news_to_a_live_source() -> None:
    trade = quote("31", "10")
    assert not is_old_news(trade)
    for polled_at, old in (("2026-03-10T15:00:00.000Z", False), ("2026-03-10T15:00:00.001Z", True)):
        assert is_old_news(quote("31", "10", polled_at=polled_at)) is old
