"""Decoding and merging of stream ticks: pure."""

import base64
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from stockstream.sources.yahoo.mapping import map_v7_result
from stockstream.sources.yahoo_stream.decode import Tick, TickUnreadableError, decode_tick
from stockstream.sources.yahoo_stream.merge import Held, merge_snapshot, merge_tick
from stockstream_wire import Quote, decode_quote, encode_quote
from tests.sources_yahoo.replies import EVENT_SECONDS, equity

POLLED_AT = "2026-11-22T15:00:11.000Z"


def message(**fields: Any) -> str:
    from yfinance.pricing_pb2 import PricingData

    defaults: dict[str, Any] = {"id": "ACME", "price": 101.5, "time": EVENT_SECONDS * 1000 + 10_250, "market_hours": 1}
    data = PricingData(**(defaults | fields))
    return json.dumps({"type": "pricing", "message": base64.b64encode(data.SerializeToString()).decode()})


def tick_of(**fields: Any) -> Tick:
    tick = decode_tick(message(**fields))
    assert tick is not None
    return tick


def base(**changes: Any) -> Quote:
    outcome = map_v7_result(equity() | changes)
    assert isinstance(outcome, Quote)
    return outcome


def undated() -> Quote:
    """A snapshot of an exchange that nobody knows the clock of."""
    return msgspec.structs.replace(base(), session_date=None)


def test_a_float32_price_is_rounded_by_its_hint_and_time_is_in_milliseconds() -> None:
    tick = tick_of(price=612345.67, price_hint=2)

    assert tick.price == Decimal("612345.69")  # the nearest float32 is 612345.6875
    assert tick.time_ms == EVENT_SECONDS * 1000 + 10_250


def test_zero_fields_have_vanished_and_are_not_said() -> None:
    tick = tick_of(day_volume=0, day_high=0.0)

    assert tick.day_volume is None
    assert tick.high is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("no json", "not_json"),
        (b"\xff\x00", "not_json"),
        ("[1]", "not_json"),
        ('{"type":"pricing"}', "not_json"),
        ('{"type":"pricing","message":"!!!"}', "not_base64"),
        ('{"type":"pricing","message":"//////8="}', "not_protobuf"),
        ('{"type":"pricing","message":""}', "no_symbol"),
    ],
)
def test_garbage_is_named(raw: str | bytes, reason: str) -> None:
    with pytest.raises(TickUnreadableError) as caught:
        decode_tick(raw)

    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time": 0}, "no_time"),
        ({"time": EVENT_SECONDS}, "no_time"),
        ({"price": 0.0}, "no_price"),
        ({"price": -1.0}, "no_price"),
        ({"price": float("nan")}, "price_not_finite"),
        ({"price": float("inf")}, "price_not_finite"),
    ],
)
def test_a_tick_without_a_time_or_a_price_is_named(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(TickUnreadableError) as caught:
        tick_of(**fields)

    assert caught.value.reason == reason


def test_a_message_of_another_type_is_no_tick_and_no_error() -> None:
    assert decode_tick('{"type":"heartbeat","message":""}') is None


def test_a_tick_takes_what_it_lacks_from_the_snapshot() -> None:
    merged = merge_tick(base(), tick_of(price=101.5, day_volume=130_000), polled_at=POLLED_AT).quote

    assert merged is not None
    assert merged.timestamp == "2026-11-22T15:00:10.250Z"
    assert (merged.price, merged.open, merged.previous_close) == (Decimal("101.5"), Decimal("100.5"), Decimal(100))
    assert merged.volume == 130_000
    assert merged.bid is None
    assert merged.source == "yahoo-stream"
    assert decode_quote(encode_quote(merged)) == merged


def test_a_new_high_widens_the_range_even_where_the_tick_does_not_say_so() -> None:
    merged = merge_tick(base(), tick_of(price=105.0), polled_at=POLLED_AT).quote

    assert merged is not None
    assert merged.high == 105
    assert merged.low == Decimal("99.875")


def test_cumulative_volume_never_shrinks_within_a_session() -> None:
    merged = merge_tick(base(), tick_of(day_volume=123_000), polled_at=POLLED_AT).quote

    assert merged is not None
    assert merged.volume == 123_456


@pytest.mark.parametrize(
    ("snapshot", "fields", "held"),
    [
        (None, {}, Held.NO_SNAPSHOT),
        (base(), {"market_hours": 2}, Held.OUTSIDE_HOURS),
        (base(marketState="PRE"), {"market_hours": 0}, Held.OUTSIDE_HOURS),
        (base(), {"time": EVENT_SECONDS * 1000}, Held.OUT_OF_ORDER),
        (base(), {"time": EVENT_SECONDS * 1000 - 5}, Held.OUT_OF_ORDER),
        (undated(), {"time": (EVENT_SECONDS + 13 * 3600) * 1000}, Held.NEW_SESSION),
        (undated(), {"time": (EVENT_SECONDS + 2 * 3600) * 1000, "day_volume": 500}, Held.NEW_SESSION),
    ],
)
def test_a_tick_that_no_snapshot_fits_is_held_and_not_guessed_around(
    snapshot: Quote | None, fields: dict[str, Any], held: Held
) -> None:
    merged = merge_tick(snapshot, tick_of(**fields), polled_at=POLLED_AT)

    assert merged.quote is None
    assert merged.held is held
    assert merged.needs_snapshot == (held in {Held.NO_SNAPSHOT, Held.NEW_SESSION})


def test_post_market_ticks_are_taken_by_setting_and_leave_the_range_alone() -> None:
    merged = merge_tick(base(), tick_of(price=150.0, market_hours=2), polled_at=POLLED_AT, extended_hours=True).quote

    assert merged is not None
    assert merged.price == 150
    assert merged.high == 102


def test_a_snapshot_older_than_the_last_tick_is_no_news_and_still_adds_what_it_knows() -> None:
    ticked = merge_tick(base(), tick_of(price=101.5), polled_at=POLLED_AT).quote
    assert ticked is not None

    merged, is_news = merge_snapshot(ticked, base(regularMarketDayHigh=103, regularMarketVolume=200_000))

    assert not is_news
    assert (merged.price, merged.timestamp) == (ticked.price, ticked.timestamp)
    assert merged.high == 103
    assert merged.volume == 200_000


def test_a_newer_snapshot_replaces_the_tick() -> None:
    snapshot = base(regularMarketTime=EVENT_SECONDS + 60)

    assert merge_snapshot(base(), snapshot) == (snapshot, True)
    assert merge_snapshot(None, snapshot) == (snapshot, True)
