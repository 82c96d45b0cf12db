from decimal import Decimal
from typing import Any

import pytest

from stockstream.sources.base import Rejection
from stockstream.sources.yahoo.chart import map_chart_reply
from stockstream_wire import Quote
from tests.sources_yahoo.replies import chart


def rejection_of(body: object) -> Rejection:
    outcome = map_chart_reply(body, "ACME")
    assert isinstance(outcome, Rejection), outcome
    return outcome


def test_a_chart_of_today_is_a_quote_with_its_float32_open_rounded() -> None:
    quote = map_chart_reply(chart(), "ACME", polled_at="2026-11-22T15:00:09.000Z")

    assert isinstance(quote, Quote)
    assert quote.open == Decimal("166.69")
    assert quote.price == Decimal("166.7")
    assert quote.previous_close == Decimal("164.32")
    assert quote.volume == 1000
    assert quote.exchange == "NMS"


def test_the_previous_close_of_a_chart_of_several_days_is_yesterday_s_bar_not_the_one_before_the_first() -> None:
    quote = map_chart_reply(chart(days=3), "ACME")

    assert isinstance(quote, Quote)
    assert quote.previous_close == Decimal("162.15")


def test_a_chart_that_names_its_previous_close_is_believed() -> None:
    quote = map_chart_reply(chart(previousClose=160.5), "ACME")

    assert isinstance(quote, Quote)
    assert quote.previous_close == Decimal("160.5")


def test_a_chart_of_another_day_than_the_last_trade_is_refused() -> None:
    assert rejection_of(chart(regularMarketTime=1_795_359_600 + 86_400)).reason == "chart_not_current"


def test_no_data_for_the_symbol_carries_yahoo_s_words() -> None:
    error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}

    rejection = rejection_of({"chart": {"result": None, "error": error}})

    assert rejection.reason == "chart_empty"
    assert "No data found" in rejection.detail


def test_a_fund_s_chart_has_no_range() -> None:
    body = chart()
    for key in ("regularMarketDayHigh", "regularMarketDayLow"):
        del body["chart"]["result"][0]["meta"][key]

    assert rejection_of(body).reason == "no_intraday_range"


@pytest.mark.parametrize(
    "body", [None, [], {}, {"chart": 1}, {"chart": {"result": [1]}}, {"chart": {"result": [{"meta": None}]}}]
)
def test_another_shape_is_malformed_or_empty_and_never_raises(body: Any) -> None:
    assert rejection_of(body).reason in {"chart_malformed", "chart_empty"}


def test_bars_without_an_open_are_named() -> None:
    body = chart()
    body["chart"]["result"][0]["indicators"]["quote"][0]["open"] = [None]

    assert rejection_of(body).reason == "missing_open"


def test_bars_that_are_missing_altogether_make_the_chart_not_current() -> None:
    body = chart()
    del body["chart"]["result"][0]["timestamp"]

    assert rejection_of(body).reason == "chart_not_current"
