"""Real sessions through the handler into the emulator: every row one item, one archive line, exact numbers."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from benchmarks import consumer_sessions
from stockstream_wire import encode_quote
from tests.consumer.conftest import MARKET_DATA, World
from tests.consumer.kinesis_events import aggregated, event, read_session
from tests.consumer.twin import FakeTime

needs_market_data = pytest.mark.skipif(not MARKET_DATA.is_dir(), reason="the shared real sessions are not here")
SESSIONS = sorted(MARKET_DATA.glob("*.csv.gz"))


@needs_market_data
@pytest.mark.emulator
@pytest.mark.parametrize("path", SESSIONS, ids=lambda path: path.name.partition(".")[0])
def test_every_row_of_a_session_is_one_item_and_one_archive_line_with_exact_numbers(path: Path, world: World) -> None:
    quotes = read_session(path)
    pipeline = world.pipeline()
    size = 400
    for start in range(0, len(quotes), size):
        part = quotes[start : start + size]
        datas = [aggregated(part[n : n + 40]) for n in range(0, len(part), 40)]
        assert pipeline.process(event(datas, start=start)).response == {"batchItemFailures": []}

    stored = {(item["symbol"], item["timestamp"]): item for item in world.items(world.config.quotes_table)}
    assert len(stored) == len(quotes)
    for quote in quotes:
        item = stored[quote.symbol, quote.timestamp]
        change = quote.price - quote.previous_close
        percent = change / quote.previous_close * 100
        expected = {
            "open": quote.open,
            "high": quote.high,
            "low": quote.low,
            "price": quote.price,
            "previous_close": quote.previous_close,
            "change": change,
            "change_percent": percent,
            "volume": Decimal(quote.volume or 0),
            "moving_average": (quote.open + quote.high + quote.low + quote.price) / 4,
            "anomaly": "Yes" if abs(percent) > 5 else "No",
        }
        assert {name: item[name] for name in expected} == expected
    lines = [
        line for body in world.objects("raw/").values() for line in gzip.decompress(body).splitlines(keepends=False)
    ]
    assert sorted(lines) == sorted(encode_quote(quote) for quote in quotes)
    assert all(json.loads(line)["v"] == 1 for line in lines)


@needs_market_data
def test_tables_of_real_sessions_equal_plain_arithmetic_and_come_back_from_the_log_byte_for_byte() -> None:
    quotes = [quote for path in SESSIONS for quote in read_session(path)][: 2 * 390]
    found = consumer_sessions.check(quotes)
    assert (found["quotes"], found["wrong"], found["rebuilt_identical"]) == (len(quotes), 0, True), found
    # What it is held against can tell: another quote in place of one is seen.
    other = [*quotes[:-1], msgspec.structs.replace(quotes[-1], price=quotes[-1].price + 1)]
    memory = consumer_sessions.consume(other, FakeTime())
    assert list(consumer_sessions.differences(quotes, memory))
