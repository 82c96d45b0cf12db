import json
import math
from decimal import Decimal
from typing import Any

import pytest

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.mapping import map_v7_result, observe
from stockstream.sources.yahoo.reply import decode_json
from stockstream_wire import Quote, decode_quote, encode_quote
from tests.sources_yahoo.replies import EVENT_SECONDS, delisted, equity, fund, without


def quote_of(result: object, **options: Any) -> Quote:
    outcome = map_v7_result(result, **options)
    assert isinstance(outcome, Quote), outcome
    return outcome


def rejection_of(result: object) -> Rejection:
    outcome = map_v7_result(result)
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_a_share_maps_field_by_field_with_the_exchange_s_event_time() -> None:
    quote = quote_of(equity(), polled_at="2026-11-22T15:00:09.000Z")

    assert quote == Quote(
        symbol="ACME",
        timestamp="2026-11-22T15:00:00.000Z",
        open=Decimal("100.5"),
        high=Decimal(102),
        low=Decimal("99.875"),
        price=Decimal("101.25"),
        previous_close=Decimal(100),
        volume=123456,
        bid=Decimal("101.2"),
        ask=Decimal("101.3"),
        currency="USD",
        exchange="NMS",
        market_state="REGULAR",
        polled_at="2026-11-22T15:00:09.000Z",
        source="yahoo",
        delayed_by_seconds=900,
        session_date="2026-11-22",
    )
    assert decode_quote(encode_quote(quote)) == quote


@pytest.mark.parametrize("text", ["96481.414", "0.8401", "0.00001234", "1.25E-7", "315.4158", "612345.6875"])
def test_prices_keep_the_digits_yahoo_wrote(text: str) -> None:
    reply = json.dumps(equity()).replace("101.25", text).encode()

    from_bytes = quote_of(decode_json(reply))
    from_floats = quote_of(json.loads(reply))

    assert from_bytes.price == from_floats.price == Decimal(text)


def test_a_currency_in_pence_is_kept_as_it_is() -> None:
    assert quote_of(equity(currency="GBp")).currency == "GBp"


def test_a_null_currency_is_no_currency_and_no_error() -> None:
    assert quote_of(equity(currency=None)).currency is None


@pytest.mark.parametrize("kind", ["EQUITY", "CURRENCY", "CRYPTOCURRENCY", "INDEX", "FUTURE"])
def test_a_volume_that_is_not_there_is_absent_and_not_zero(kind: str) -> None:
    for result in (without(equity(quoteType=kind), "regularMarketVolume"), equity(regularMarketVolume=None)):
        assert quote_of(result).volume is None


def test_bid_and_ask_of_zero_are_absent() -> None:
    quote = quote_of(equity(bid=0, ask=0))

    assert quote.bid is None
    assert quote.ask is None


def test_a_delisted_symbol_with_almost_no_fields_has_no_market() -> None:
    rejection = rejection_of(delisted("SIMPLE"))

    assert rejection.subject == "SIMPLE"
    assert rejection.reason == "no_market"


def test_a_fund_without_a_day_range_is_rejected_by_name_and_not_given_one() -> None:
    assert rejection_of(fund()).reason == "no_intraday_range"


def test_zeros_for_the_day_range_mean_there_is_none() -> None:
    result = equity(regularMarketOpen=0, regularMarketDayHigh=0, regularMarketDayLow=0)

    assert rejection_of(result).reason == "no_intraday_range"


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("regularMarketOpen", 0, "missing_open"),
        ("regularMarketOpen", None, "missing_open"),
        ("regularMarketDayHigh", None, "missing_high"),
        ("regularMarketDayLow", None, "missing_low"),
        ("regularMarketDayLow", -1, "low_not_positive"),
        ("regularMarketPreviousClose", 0, "missing_previous_close"),
        ("regularMarketPreviousClose", None, "missing_previous_close"),
        ("regularMarketPrice", None, "missing_price"),
        ("regularMarketPrice", 0, "price_not_positive"),
        ("regularMarketPrice", -37.63, "price_not_positive"),
        ("regularMarketPrice", math.nan, "price_not_finite"),
        ("regularMarketPrice", math.inf, "price_not_finite"),
        ("regularMarketPrice", "101.25", "price_malformed"),
        ("regularMarketPrice", True, "price_malformed"),
        ("regularMarketPrice", {"raw": 1}, "price_malformed"),
        ("regularMarketPrice", Decimal("1E+40"), "invalid_price"),
        ("regularMarketTime", None, "missing_time"),
        ("regularMarketTime", 0, "missing_time"),
        ("regularMarketTime", EVENT_SECONDS * 1000, "time_malformed"),
        ("regularMarketTime", "yesterday", "time_malformed"),
        ("regularMarketVolume", -5, "volume_not_positive"),
        ("regularMarketVolume", "many", "volume_malformed"),
        ("regularMarketDayHigh", 98, "high_below_low"),
        ("symbol", "A CME", "invalid_symbol"),
        ("symbol", None, "missing_symbol"),
    ],
)
def test_a_field_no_quote_can_do_without_is_named(field: str, value: Any, reason: str) -> None:
    assert rejection_of(equity() | {field: value}).reason == reason


def test_a_nan_in_the_reply_costs_its_own_symbol_only() -> None:
    body = decode_json(
        b'[{"symbol":"A","quoteType":"EQUITY","regularMarketPrice":NaN,"regularMarketTime":1795359600},'
        + json.dumps(equity("B")).encode()
        + b"]"
    )

    assert isinstance(body, list)
    assert rejection_of(body[0]).reason == "price_not_finite"
    assert quote_of(body[1]).symbol == "B"


@pytest.mark.parametrize("junk", [None, 7, "AAPL", [], {}])
def test_a_result_that_is_no_object_or_names_no_symbol_is_rejected(junk: object) -> None:
    assert rejection_of(junk).reason in {"result_malformed", "missing_symbol"}


def test_pre_market_price_is_taken_only_by_setting_and_then_against_the_last_close() -> None:
    result = equity(marketState="PRE", preMarketPrice=105.5, preMarketTime=EVENT_SECONDS + 3600)

    assert quote_of(result).price == Decimal("101.25")
    early = quote_of(result, extended_hours=True)
    assert early.price == early.open == early.high == early.low == Decimal("105.5")
    assert early.previous_close == Decimal("101.25")
    assert early.volume is None
    assert not early.regular
    assert early.session_date == "2026-11-22"
    assert early.timestamp == "2026-11-22T16:00:00.000Z"


def test_post_market_price_keeps_the_session_s_range_and_volume() -> None:
    result = equity(marketState="POST", postMarketPrice=103, postMarketTime=EVENT_SECONDS + 60)

    late = quote_of(result, extended_hours=True)

    assert late.price == 103
    assert (late.open, late.previous_close, late.volume) == (Decimal("100.5"), Decimal(100), 123456)
    assert not late.regular


def test_an_extended_price_older_than_the_regular_one_is_ignored() -> None:
    result = equity(marketState="POST", postMarketPrice=103, postMarketTime=EVENT_SECONDS - 1)

    assert quote_of(result, extended_hours=True).price == Decimal("101.25")


def test_an_observation_needs_a_symbol_and_nothing_else() -> None:
    assert observe({}) is None
    seen = observe(delisted("gone"))

    assert seen is not None
    assert seen.symbol == "GONE"
    assert seen.exchange is None
    assert seen.event_seconds is None
