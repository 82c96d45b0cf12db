"""Which session a quote belongs to, for every kind of instrument and every exchange that Yahoo knows."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from yfinance.const import EQUITY_SCREENER_EQ_MAP

from stockstream_wire import Quote, session_facts
from stockstream_wire.exchanges import ZONE_OF_EXCHANGE, ZONE_OF_SUFFIX, known_zone_of
from stockstream_wire.trading_day import day_rule, fixed_offset_zone, is_zone, session_date_of

ONE = Decimal(1)
PRICES: dict[str, Any] = {"open": ONE, "high": ONE, "low": ONE, "price": ONE, "previous_close": ONE}


def quote(symbol: str, timestamp: str, **fields: Any) -> Quote:
    return Quote(symbol=symbol, timestamp=timestamp, volume=1, **PRICES, **fields)


def test_every_exchange_that_yfinance_knows_has_a_zone() -> None:
    codes = {code for region in EQUITY_SCREENER_EQ_MAP["exchange"].values() for code in region}
    assert len(codes) >= 98
    assert not codes - ZONE_OF_EXCHANGE.keys()
    for zone in {*ZONE_OF_EXCHANGE.values(), *ZONE_OF_SUFFIX.values()}:
        assert ZoneInfo(zone).key == zone
        assert is_zone(zone)


@pytest.mark.parametrize(
    ("symbol", "exchange", "timestamp", "session"),
    [
        # New York across its daylight saving of 2026-03-08, in winter and summer.
        ("AAPL", "NMS", "2026-03-07T04:59:00.000Z", "2026-03-06"),
        ("AAPL", "NMS", "2026-03-10T03:59:00.000Z", "2026-03-09"),
        # London across its own, three weeks later.
        ("BARC.L", None, "2026-03-27T23:30:00.000Z", "2026-03-27"),
        ("BARC.L", None, "2026-03-30T23:30:00.000Z", "2026-03-31"),
        # A session of Hanoi, Tokyo, Sydney, Auckland is one day, though UTC's midnight or New York's lies in it.
        ("VNM.VN", "VSE", "2026-03-09T02:15:00.000Z", "2026-03-09"),
        ("VNM.VN", "VSE", "2026-03-09T07:45:00.000Z", "2026-03-09"),
        ("SM.PS", "PHS", "2026-03-09T05:30:00.000Z", "2026-03-09"),
        ("HBL.KA", "KAR", "2026-03-09T04:32:00.000Z", "2026-03-09"),
        ("7203.T", None, "2026-03-09T00:00:00.000Z", "2026-03-09"),
        ("BHP.AX", None, "2026-01-13T23:00:00.000Z", "2026-01-14"),
        ("AIR.NZ", None, "2026-01-13T21:00:00.000Z", "2026-01-14"),
        # Indices without an exchange.
        ("^N225", None, "2026-03-09T00:10:00.000Z", "2026-03-09"),
        ("^N225", None, "2026-03-09T06:30:00.000Z", "2026-03-09"),
        ("^HSI", None, "2026-03-09T08:00:00.000Z", "2026-03-09"),
        ("^AXJO", None, "2026-03-08T23:10:00.000Z", "2026-03-09"),
        # Sunday is a trading day in Riyadh.
        ("2222.SR", "SAU", "2025-12-07T07:00:00.000Z", "2025-12-07"),
        # Futures open at 18:00 New York for the next day; DST moves that in UTC.
        ("GC=F", None, "2026-03-09T21:59:00.000Z", "2026-03-09"),
        ("GC=F", "CMX", "2026-03-09T22:00:00.000Z", "2026-03-10"),
        ("GC=F", "CMX", "2026-03-10T04:01:00.000Z", "2026-03-10"),
        ("ES=F", "CME", "2026-03-05T22:59:00.000Z", "2026-03-05"),
        ("ES=F", "CME", "2026-03-05T23:00:00.000Z", "2026-03-06"),
        ("ES=F", "CME", "2026-03-08T22:00:00.000Z", "2026-03-09"),  # Sunday evening
        ("SB=F", "NYB", "2026-03-10T08:00:00.000Z", "2026-03-10"),
        ("ZC=F", "CBT", "2026-03-10T00:00:00.000Z", "2026-03-10"),
        # Currencies turn at 17:00 New York; Sunday evening begins Monday.
        ("EURUSD=X", "CCY", "2026-03-09T20:59:00.000Z", "2026-03-09"),
        ("EURUSD=X", "CCY", "2026-03-09T21:00:00.000Z", "2026-03-10"),
        ("EURUSD=X", None, "2026-03-08T21:05:00.000Z", "2026-03-09"),
        # Coins: the UTC day.
        ("BTC-USD", "CCC", "2026-03-09T23:59:00.000Z", "2026-03-09"),
        ("BTC-USD", None, "2026-03-10T00:00:00.000Z", "2026-03-10"),
    ],
)
def test_a_quote_without_a_session_gets_that_of_its_exchange(
    symbol: str, exchange: str | None, timestamp: str, session: str
) -> None:
    assert session_facts(quote(symbol, timestamp, exchange=exchange)).session_date == session


def test_the_source_decides_where_it_has_spoken() -> None:
    told = quote(
        "XYZ.UNKNOWN", "2026-03-09T23:00:00.000Z", session_date="2026-03-10", volume_kind="rolling", regular=False
    )
    assert session_facts(told) == ("2026-03-10", "rolling", False, False)


@pytest.mark.parametrize(
    ("symbol", "exchange", "guessed"),
    [
        ("AAPL", "NMS", False), ("AAPL", None, True), ("VOD.L", None, False), ("ABC.ZZZ", None, True),
        ("AAPL", "???", True), ("GC=F", None, False), ("EURUSD=X", None, False), ("BTC-USD", None, False),
    ],
)  # fmt: skip
def test_a_guess_says_that_it_is_one(symbol: str, exchange: str | None, guessed: bool) -> None:
    assert session_facts(quote(symbol, "2026-03-09T15:00:00.000Z", exchange=exchange)).guessed is guessed


@pytest.mark.parametrize(
    ("symbol", "counts"),
    [("AAPL", "session"), ("GC=F", "session"), ("^GSPC", "session"), ("BTC-USD", "rolling"), ("EURUSD=X", "none")],
)
def test_what_a_volume_counts_follows_from_the_kind(symbol: str, counts: str) -> None:
    assert session_facts(quote(symbol, "2026-03-09T15:00:00.000Z")).volume_kind == counts


@pytest.mark.parametrize(
    ("state", "regular"),
    [(None, True), ("REGULAR", True), ("CLOSED", True), ("PRE", False), ("PREPRE", False), ("POST", False)],
)
def test_the_market_state_says_regular_hours_where_nobody_else_does(state: str | None, regular: bool) -> None:
    assert session_facts(quote("AAPL", "2026-03-09T15:00:00.000Z", market_state=state)).regular is regular


def test_a_zone_that_this_machine_does_not_know_is_kept_by_its_offset() -> None:
    zone = fixed_offset_zone(5 * 3600 + 45 * 60)
    assert zone == "UTC+05:45"
    assert session_date_of("2026-03-09T18:20:00.000Z", day_rule("equity", zone)) == "2026-03-10"
    assert fixed_offset_zone(-12600) == "UTC-03:30"


def test_a_suffix_of_a_class_is_no_exchange() -> None:
    assert known_zone_of("BRK-B", None) is None
    assert known_zone_of(".T", None) is None
