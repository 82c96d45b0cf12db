"""Any quotes that the wire lets through, in any order: the fold never raises and its state is always storable."""

from decimal import Decimal
from typing import Any

import structlog.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream_lambda.checkpoint import decode_checkpoint, encode_checkpoint
from stockstream_wire import Quote, format_epoch_ms, validate_quote
from stockstream_wire.market_rules import EARLIEST_TIMESTAMP
from stockstream_wire.quote import DELAY_MAX_SECONDS, VOLUME_MAX
from tests.consumer.folding import Folder, item_bytes, plain
from tests.consumer.kinesis_events import quote

extreme_prices = st.one_of(
    st.sampled_from(["1E-20", "99999999999999999999E+15", "0.0001", "1", "100", "99.99"]).map(Decimal),
    st.decimals("0.01", "1000", places=2),
)
volumes = st.one_of(st.just(0), st.just(VOLUME_MAX), st.integers(0, VOLUME_MAX))
moments = st.one_of(
    st.sampled_from([EARLIEST_TIMESTAMP, "9998-12-31T23:59:59.999Z", "2026-03-08T07:00:00.000Z"]),
    st.integers(0, 59).map(lambda second: f"2026-11-20T14:30:{second:02d}.000Z"),
    st.integers(1, 28).map(lambda day: f"2026-11-{day:02d}T14:30:00.000Z"),
)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    low, high = sorted((draw(extreme_prices), draw(extreme_prices)))
    fields: dict[str, Any] = {
        name: draw(st.none() | st.text(max_size=6)) for name in ("currency", "exchange", "market_state", "source")
    }
    one = Quote(
        symbol="^GC=F",
        timestamp=draw(moments),
        open=draw(extreme_prices),
        high=high,
        low=low,
        price=draw(extreme_prices),
        previous_close=draw(extreme_prices),
        volume=draw(volumes),
        bid=draw(st.none() | extreme_prices),
        stale=draw(st.booleans()),
        delayed_by_seconds=draw(st.none() | st.integers(0, DELAY_MAX_SECONDS)),
        **fields,
    )
    validate_quote(one)
    return one


@settings(max_examples=100, deadline=None)
@given(st.lists(quotes(), min_size=1, max_size=25), st.sampled_from(["", "2026-11-20T14:31:00.000Z", "9000"]))
def test_any_valid_quotes_fold_and_what_comes_of_them_can_be_stored_and_read_again(
    history: list[Quote], until: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        folder = Folder(retention_days=30).add(history)
        if until:
            folder.close(until if len(until) > 4 else "9998-12-30T00:00:00.000Z").add(history[:1])
    assert logs == []
    data = encode_checkpoint(1, "2026-11-20", folder.states)
    assert decode_checkpoint(data, "state/p4-00").states == folder.states
    for effects in folder.effects:
        for _, item in effects.candles:
            plain(item)
    for content in folder.items():
        for value in content.values():
            if isinstance(value, Decimal):
                assert value.is_finite()
                assert len(value.normalize().as_tuple().digits) <= 38
                assert not value or -130 <= value.adjusted() <= 125


def test_the_largest_quote_item_that_the_wire_admits_stays_within_one_write_unit() -> None:
    """And with room for what later versions add: session facts, a name or two."""
    quotes = [
        quote(
            "W" * 32,
            format_epoch_ms(1_795_185_000_000 + n * 1_000 + n // 60 * 86_400_000),
            f"{99999999999999999999 - n * 12345678901234567}E-15",
            open="99999.999999999999999",
            high="99999.999999999999999",
            low="88888.888888888888888",
            previous_close="33333.333333333333333",
            bid="99999.999999999999998",
            ask="99999.999999999999999",
            volume=VOLUME_MAX - 10**9 + n * 1000,
            currency="USDUSD",
            exchange="NMS",
            market_state="REGULAR",
            source="yahoo-stream",
            delayed_by_seconds=DELAY_MAX_SECONDS,
            polled_at="2026-11-20T14:30:00.000Z",
        )
        for n in range(60 * 8)
    ]
    items = [item for effects in Folder(retention_days=365).add(quotes).effects for _, item in effects.quotes]
    largest = max(map(item_bytes, items))
    assert 700 < largest <= 1024 - 80
