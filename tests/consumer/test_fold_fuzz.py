"""Any quotes that the wire lets through, in any order: the fold never raises and its state is always storable."""

import json
import random
import string
from base64 import b64decode
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from stockstream_lambda.analysis.gate import EARLIEST_TIMESTAMP
from stockstream_lambda.analysis.state import decode_state, encode_state
from stockstream_lambda.config import Config
from stockstream_lambda.records import QUOTE_MAX_BYTES
from stockstream_lambda.redo import decode_redo, encode_redo
from stockstream_lambda.symbols import SymbolView, build_commit, view_of
from stockstream_wire import Quote, validate_quote
from stockstream_wire.quote import DELAY_MAX_SECONDS, VOLUME_MAX
from tests.consumer.folding import Folder, plain
from tests.consumer.kinesis_events import quote

CONFIG = Config("quotes", "symbols", "candles", "alerts", "archive", retention_days=30)

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
@given(st.lists(quotes(), min_size=1, max_size=25))
def test_any_valid_quotes_fold_and_what_comes_of_them_can_be_stored_and_read_again(history: list[Quote]) -> None:
    folder = Folder().add(history)
    assert decode_state(encode_state(folder.state)) == folder.state
    view = SymbolView("^GC=F", folder.state)
    stored: dict[str, Any] = {}
    for segment in folder.segments:
        commit = build_commit(view, segment, CONFIG)
        stored = json.loads(commit.writes[0].item)
        assert decode_redo(encode_redo(commit.redo)) == commit.redo
        assert commit.size_bytes < 400_000
        for write in commit.writes[1:]:
            plain(write.item)
    for item in folder.items():
        for value in item.values():
            if isinstance(value, Decimal):
                assert value.is_finite()
                assert len(value.normalize().as_tuple().digits) <= 38
                assert not value or -130 <= value.adjusted() <= 125
    assert view_of("^GC=F", stored).state == folder.state


def test_a_commit_full_of_bytes_that_do_not_compress_still_fits_its_item() -> None:
    rng = random.Random(1)

    def noise(length: int) -> str:
        return "".join(rng.choices(string.ascii_letters + string.digits, k=length))

    sizes = [*[150] * 700, *[QUOTE_MAX_BYTES - 400] * 12]
    history = [
        quote("A", f"2026-11-20T{n // 60:02d}:{n % 60:02d}:00.000Z", source=noise(size)) for n, size in enumerate(sizes)
    ]
    folder = Folder().add(history)
    view = SymbolView("A", folder.state)
    largest = 0
    for segment in folder.segments:
        item = build_commit(view, segment, CONFIG).writes[0].item
        counted = json.loads(item)
        size = sum(
            len(name) + (len(b64decode(value["B"])) if "B" in value else len(str(next(iter(value.values())))))
            for name, value in counted.items()
        )
        largest = max(largest, size)
    # DynamoDB: an item has at most 400 KB, names and values together.
    assert 150_000 < largest < 400_000
    assert sum(len(segment.accepted) for segment in folder.segments) == len(history)
