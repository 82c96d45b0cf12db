"""The quote's codec: what goes in comes out, and what no market has is refused by name."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stockstream_wire import (
    Quote,
    QuoteDecodeError,
    QuoteInvalidError,
    SchemaVersionError,
    WireError,
    decode_quote,
    encode_quote,
    read_quote,
    validate_quote,
)
from stockstream_wire.instruments import KINDS
from stockstream_wire.quote import PRICE_MAX_DIGITS, PRICE_MAX_EXPONENT, VOLUME_MAX

GOOD: dict[str, Any] = {
    "v": 1,
    "symbol": "AAPL",
    "timestamp": "2026-11-22T14:30:00.000Z",
    "open": 1.5,
    "high": 2,
    "low": 1,
    "price": 1.25,
    "previous_close": 1.1,
    "volume": 10,
}

prices = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent),
    st.integers(1, 10**PRICE_MAX_DIGITS - 1),
    st.integers(-PRICE_MAX_DIGITS, PRICE_MAX_EXPONENT),
)
moments = st.datetimes().map(lambda moment: moment.isoformat(timespec="milliseconds") + "Z")
symbols = st.from_regex(r"[A-Z0-9^][A-Z0-9.^=&_$\-]{0,31}", fullmatch=True)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    low, high = sorted((draw(prices), draw(prices)))
    moment = draw(moments)
    return Quote(
        symbol=draw(symbols),
        timestamp=moment,
        open=draw(prices),
        high=high,
        low=low,
        price=draw(prices),
        previous_close=draw(prices),
        volume=draw(st.none() | st.integers(0, VOLUME_MAX)),
        session_date=draw(st.none() | st.just(moment[:10])),
        volume_kind=draw(st.sampled_from(["session", "rolling", "none"])),
        regular=draw(st.booleans()),
        kind=draw(st.none() | st.sampled_from([*KINDS, "of-tomorrow"])),
        bid=draw(st.none() | prices),
        ask=draw(st.none() | prices),
        currency=draw(st.none() | st.text(max_size=5)),
        polled_at=draw(st.none() | moments),
        source=draw(st.none() | st.sampled_from(["yahoo", "replay"])),
        stale=draw(st.booleans()),
    )


@given(quotes())
def test_every_valid_quote_comes_back_equal_to_the_last_digit(quote: Quote) -> None:
    decoded = decode_quote(encode_quote(quote))
    assert decoded == quote
    assert str(decoded.price.normalize()) == str(quote.price.normalize())


def plain_price_rule(price: Decimal) -> bool:
    """The rule as its sentence says it, without any cleverness: the oracle of the fast check."""
    _, digits, exponent = price.as_tuple()
    return (
        isinstance(exponent, int)
        and price > 0
        and len(digits) <= PRICE_MAX_DIGITS
        and -PRICE_MAX_DIGITS <= exponent <= PRICE_MAX_EXPONENT
    )


any_decimals = st.decimals() | st.builds(
    lambda sign, digits, exponent: Decimal((sign, digits, exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=24).map(tuple),
    st.integers(-25, 20),
)


@given(any_decimals)
@example(Decimal("1E+15"))
@example(Decimal("1E+16"))
@example(Decimal("1E-20"))
@example(Decimal("1.0E-20"))
@example(Decimal("Infinity"))
@example(Decimal("sNaN"))
@example(Decimal("-0"))
def test_a_price_is_taken_exactly_where_the_plain_rule_takes_it(price: Decimal) -> None:
    one = Decimal(1)
    fields: dict[str, Any] = {"open": one, "high": one, "low": one, "price": one, "previous_close": one}
    for name in ("open", "price", "previous_close", "bid", "ask"):
        quote = Quote(symbol="A", timestamp=GOOD["timestamp"], volume=0, **{**fields, name: price})
        if plain_price_rule(price):
            validate_quote(quote)
        else:
            with pytest.raises(QuoteInvalidError) as caught:
                validate_quote(quote)
            assert caught.value.field == name
    both = Quote(symbol="A", timestamp=GOOD["timestamp"], volume=0, **{**fields, "high": price, "low": price})
    if plain_price_rule(price):
        validate_quote(both)
    else:
        with pytest.raises(QuoteInvalidError, match=r"^high="):
            validate_quote(both)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("symbol", ""),
        ("symbol", "A" * 33),
        ("symbol", "A/B"),
        ("symbol", "AAPL\n"),
        ("timestamp", "2026-11-22T14:30:00"),
        ("timestamp", "2026-11-22T14:30:00.000"),
        ("timestamp", "2026-11-22"),
        ("timestamp", "1795358000"),
        ("timestamp", "2026-13-22T14:30:00.000Z"),
        ("timestamp", "2026-02-30T14:30:00.000Z"),
        ("timestamp", "2026-11-22T24:30:00.000Z"),
        ("timestamp", "2026-11-22T14:60:00.000Z"),
        ("timestamp", "2026-11-22T14:30:60.000Z"),
        ("timestamp", "2026-11-22T14:30:00.00 Z"),
        ("timestamp", "2026-W47-7T14:30:00.000Z"),
        ("timestamp", "２０２６-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22T14:30:00.0００Z"),
        ("timestamp", "0000-11-22T14:30:00.000Z"),
        ("polled_at", "yesterday"),
        ("price", -1),
        ("price", 0),
        ("price", "NaN"),
        ("price", "Infinity"),
        ("price", 1e300),
        ("bid", 0),
        ("ask", -0.5),
        ("high", 0.5),
        ("volume", -1),
        ("volume", 2**63),
        ("delayed_by_seconds", -1),
        ("delayed_by_seconds", 10**40),
        ("v", 0),
        ("session_date", "2026-11-99"),
        ("session_date", "20261122"),
        ("session_date", "2026-12-22"),
        ("silent_symbols", -1),
    ],
)
def test_a_value_that_no_market_has_is_refused_by_its_name(field: str, value: object) -> None:
    with pytest.raises(QuoteInvalidError) as caught:
        decode_quote(json.dumps({**GOOD, field: value}).encode())
    assert caught.value.field == field


@pytest.mark.parametrize(
    "data",
    [b"", b"null", b"[]", b"{}", b"\xff\xfe", b'{"v":1', b'{"symbol": 5}', b"[" * 10_000, b'"AAPL"', b'{"price": NaN}'],
)
def test_bytes_of_another_shape_are_a_decode_error(data: bytes) -> None:
    with pytest.raises(QuoteDecodeError):
        decode_quote(data)


def test_a_newer_version_is_refused_as_such_even_where_its_shape_changed() -> None:
    for content in ({**GOOD, "v": 2}, {"v": 2, "entirely": "different"}):
        with pytest.raises(SchemaVersionError) as caught:
            decode_quote(json.dumps(content).encode())
        assert caught.value.version == 2


def test_fields_of_the_future_are_ignored() -> None:
    assert decode_quote(json.dumps({**GOOD, "colour": "blue"}).encode()) == decode_quote(json.dumps(GOOD).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_quote_or_a_wire_error(data: bytes) -> None:
    try:
        decode_quote(data)
    except WireError:
        return
    raise AssertionError("random bytes made a quote")


@pytest.mark.parametrize(
    ("field", "written", "meant"),
    [
        ("timestamp", "2026-11-22T14:30:00Z", "2026-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22T14:30Z", "2026-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22 14:30:00.000Z", "2026-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22T14:30:00+00:00", "2026-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22T14:30:00.123456+00:00", "2026-11-22T14:30:00.123Z"),
        ("timestamp", "2026-11-22T14:30:00.123456789Z", "2026-11-22T14:30:00.123Z"),
        ("timestamp", "2026-11-22T09:30:00-05:00", "2026-11-22T14:30:00.000Z"),
        ("timestamp", "2026-11-22T20:00:00.5+0530", "2026-11-22T14:30:00.500Z"),
        ("polled_at", "2026-11-22T14:30:00Z", "2026-11-22T14:30:00.000Z"),
        ("symbol", "brk-b", "BRK-B"),
        ("volume", 1001.0, 1001),
        ("volume", None, None),
        ("delayed_by_seconds", 900.0, 900),
    ],
)
def test_what_a_plain_producer_writes_in_one_reading_is_read_and_stored_in_the_one_form(
    field: str, written: object, meant: object
) -> None:
    content = json.dumps({**GOOD, field: written}).encode()

    for data in (content, b"\xef\xbb\xbf" + content):
        quote, stored = read_quote(data)
        assert getattr(quote, field) == meant
        assert decode_quote(stored) == quote
        if meant is not None:
            assert json.loads(stored)[field] == meant
        assert not stored.startswith(b"\xef\xbb\xbf")


def test_bytes_in_the_one_form_are_stored_as_they_came() -> None:
    data = json.dumps({**GOOD, "mine": 1}).encode()
    assert read_quote(data)[1] is data


@pytest.mark.parametrize("volume", ["10", 10.5, 1e300, True, [1]])
def test_a_volume_without_one_reading_is_refused(volume: object) -> None:
    with pytest.raises(WireError):
        decode_quote(json.dumps({**GOOD, "volume": volume}).encode())


def test_an_absent_volume_is_not_zero() -> None:
    content = {name: value for name, value in GOOD.items() if name != "volume"}
    quote = decode_quote(json.dumps(content).encode())
    assert quote.volume is None
    assert "volume" not in json.loads(encode_quote(quote))


BELOW_ZERO: dict[str, Any] = {**GOOD, "low": -40.32, "price": -37.63, "bid": -38, "ask": -37.5}


@pytest.mark.parametrize(
    "marks",
    [{"symbol": "CL=F"}, {"kind": "future"}, {"kind": "rate"}, {"kind": "spread"}, {"symbol": "^IRX"}],
)
def test_prices_at_or_below_zero_pass_where_the_kind_has_them(marks: dict[str, Any]) -> None:
    quote = decode_quote(json.dumps({**BELOW_ZERO, **marks}).encode())
    assert quote.price == Decimal("-37.63")
    assert decode_quote(json.dumps({**BELOW_ZERO, **marks, "previous_close": 0, "open": 0}).encode()).open == 0
    assert decode_quote(encode_quote(quote)) == quote


@pytest.mark.parametrize(
    "marks", [{}, {"symbol": "BTC-USD"}, {"symbol": "EURUSD=X"}, {"kind": "etf", "symbol": "CL=F"}]
)
def test_prices_at_or_below_zero_are_refused_where_no_market_has_them(marks: dict[str, Any]) -> None:
    with pytest.raises(QuoteInvalidError, match=r"^low=.*must be above 0"):
        decode_quote(json.dumps({**BELOW_ZERO, **marks}).encode())


def test_a_share_in_regular_hours_carries_its_session_in_one_field_of_28_bytes() -> None:
    plain = decode_quote(json.dumps(GOOD).encode())
    dated = msgspec.structs.replace(plain, session_date="2026-11-23")
    assert len(encode_quote(dated)) - len(encode_quote(plain)) == len('"session_date":"2026-11-23",')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "bid", "polled_at", "stale", "source"]), json_values, max_size=4))
def test_a_quote_with_any_fields_replaced_is_valid_or_a_wire_error(changes: dict[str, Any]) -> None:
    data = json.dumps({**GOOD, **changes}).encode()
    try:
        quote = decode_quote(data)
    except WireError:
        return
    assert decode_quote(encode_quote(quote)) == quote
