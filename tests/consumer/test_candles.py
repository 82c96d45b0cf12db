"""Candles against a plain grouping of the same ticks."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, format_epoch_ms, timestamp_to_epoch_ms
from stockstream_wire.storage import INTERVALS, OPEN_CANDLE_ATTRIBUTES, minute_start, window_start
from tests.consumer.conftest import MARKET_DATA
from tests.consumer.folding import Folder, plain_value
from tests.consumer.kinesis_events import quote, quote_event, read_session
from tests.consumer.twin import CONFIG, Memory, TwinStores

needs_market_data = pytest.mark.skipif(not MARKET_DATA.is_dir(), reason="the shared real sessions are not here")
OPEN_MS = 1_795_185_000_000
FIELDS = ("open", "high", "low", "close", "volume", "quotes")
SECONDS = {"1m": 60, "5m": 300, "1h": 3600, "1d": 86_400}


def at(seconds: int, price: str, **fields: Any) -> Quote:
    fields = {"high": "1000", "low": "1", "previous_close": "100", **fields}
    return quote(timestamp=format_epoch_ms(OPEN_MS + seconds * 1000), price=price, **fields)


@pytest.mark.long
@needs_market_data
@pytest.mark.parametrize("path", sorted(MARKET_DATA.glob("*.csv.gz")), ids=lambda path: path.name.partition(".")[0])
@pytest.mark.parametrize("batch", [7, 1000])
def test_candles_of_a_real_session_are_the_groups_of_its_ticks(path: Path, batch: int) -> None:
    quotes = read_session(path)
    memory = Memory()
    pipeline = Pipeline(CONFIG, TwinStores(memory))
    for start in range(0, len(quotes), batch):
        assert not pipeline.process(quote_event(quotes[start : start + batch], start=start)).response[
            "batchItemFailures"
        ]
    pipeline.close()
    expected = group(quotes)
    found = {**open_candles(memory), **closed_candles(memory)}
    assert found == expected


def closed_candles(memory: Memory) -> dict[tuple[str, str], dict[str, Decimal]]:
    found = {}
    for (series, start), item in memory.tables["candles"].items():
        values = {name: plain_value(value) for name, value in item.items()}
        found[series, start] = {name: values[name] for name in FIELDS}
        for minute, *of_minute in values.get("minutes", ()):
            key = f"{values['symbol']}#1m", minute_start(start, int(minute))
            found[key] = dict(zip(FIELDS, of_minute, strict=True))
    return found


def open_candles(memory: Memory) -> dict[tuple[str, str], dict[str, Decimal]]:
    """Every candle as the newest quote that is in it shows it: a reader's view, of closed windows too."""
    found = {}
    for (symbol, timestamp), item in sorted(memory.tables["quotes"].items()):
        values = {name: plain_value(value) for name, value in item.items()}
        for interval, attribute in zip(INTERVALS, OPEN_CANDLE_ATTRIBUTES, strict=True):
            start = window_start(timestamp, interval, values["session"])
            o, high, low, volume, count = values[attribute]
            of_window = (o, high, low, values["price"], volume, count)
            found[f"{symbol}#{interval}", start] = dict(zip(FIELDS, of_window, strict=True))
    return found


def group(quotes: list[Quote]) -> dict[tuple[str, str], dict[str, Decimal]]:
    ticks: dict[tuple[str, str], list[tuple[Decimal, int]]] = defaultdict(list)
    last: dict[str, int] = {}
    for one in quotes:
        volume = (one.volume or 0) - last.get(one.symbol, 0)
        last[one.symbol] = one.volume or 0
        for interval, seconds in SECONDS.items():
            start = timestamp_to_epoch_ms(one.timestamp) // (seconds * 1000) * seconds * 1000
            ticks[f"{one.symbol}#{interval}", format_epoch_ms(start)].append((one.price, volume))
    found = {}
    for key, of_window in ticks.items():
        prices = [price for price, _ in of_window]
        found[key] = {
            "open": prices[0],
            "high": max(prices),
            "low": min(prices),
            "close": prices[-1],
            "volume": Decimal(sum(volume for _, volume in of_window)),
            "quotes": Decimal(len(prices)),
        }
    return found


def test_silence_makes_no_candle() -> None:
    folder = Folder().add([at(0, "100"), at(600, "101"), at(1200, "102")])
    blocks = folder.closed_candles("5m")
    assert [item["window_start"] for item in blocks] == ["2026-11-20T14:30:00.000Z", "2026-11-20T14:40:00.000Z"]
    assert [len(item["minutes"]) for item in blocks] == [1, 1]


def test_a_block_holds_its_closed_minutes_in_order() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105"), at(90, "103", volume=7), at(310, "104")])
    assert folder.minutes() == [[30, 100, 100, 100, 100, 0, 1], [31, 105, 105, 103, 103, 7, 2]]


def test_a_quote_carries_the_windows_that_it_is_in_as_they_stand_with_it() -> None:
    items = Folder().add([at(0, "100"), at(70, "105", volume=9)]).items()
    assert items[1]["candle_1m"] == [105, 105, 105, 9, 1]
    assert items[1]["candle_5m"] == items[1]["candle_1h"] == items[1]["candle_1d"] == [100, 105, 100, 9, 2]
    assert items[1]["session"] == "2026-11-20"


def test_a_late_quote_widens_an_open_candle_and_moves_nothing_else() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105"), at(90, "104"), at(80, "99", volume=7)])
    minute, five, *_ = folder.state.candles.newest
    assert minute is not None
    assert five is not None
    assert [minute.open, minute.high, minute.low, minute.close] == [105, 105, 99, 104]
    assert minute.quotes == 3
    assert [five.open, five.low, five.close] == [100, 99, 104]
    assert folder.state.last_timestamp == "2026-11-20T14:31:30.000Z"
    assert [item.get("late") for item in folder.items()] == [None, None, None, True]
    assert "candle_1m" not in folder.items()[3]


def test_a_late_quote_leaves_a_closed_candle_alone() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105"), at(30, "1"), at(400, "104")])
    assert folder.minutes() == [[30, 100, 100, 100, 100, 0, 1], [31, 105, 105, 105, 105, 0, 1]]


def test_a_stale_fact_is_stored_and_touches_neither_candles_nor_indicators() -> None:
    folder = Folder().add([at(0, "100"), at(1, "100", stale=True)])
    assert len(folder.items()) == 2
    assert folder.items()[1]["stale"] is True
    minute = folder.state.candles.newest[0]
    assert minute is not None
    assert minute.quotes == 1
    assert folder.state.averages.count == 1
    assert ("stale", "none", "info") in folder.alerts()


def test_a_window_that_is_over_is_closed_by_time_and_never_again() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105")]).close("2026-11-20T14:35:00.000Z")
    assert [item["quotes"] for item in folder.closed_candles("5m")] == [2]
    assert len(folder.minutes()) == 2
    assert folder.closed_candles("1h") == []
    folder.close("2026-11-20T14:36:00.000Z").add([at(600, "106")]).close("2026-11-21T12:00:00.000Z")
    assert [item["window_start"][11:16] for item in folder.closed_candles("5m")] == ["14:30", "14:40"]
    assert [item["quotes"] for item in folder.closed_candles("1h")] == [3]
    assert [item["quotes"] for item in folder.closed_candles("1d")] == [3]


def test_a_day_is_over_at_its_exchanges_midnight() -> None:
    folder = Folder().add([at(0, "100")]).close("2026-11-21T04:59:00.000Z")
    assert folder.closed_candles("1d") == []
    assert len(folder.close("2026-11-21T05:00:00.000Z").closed_candles("1d")) == 1


def test_a_quote_of_a_window_that_was_closed_by_time_is_stored_and_changes_nothing_of_it() -> None:
    folder = Folder().add([at(0, "100")]).close("2026-11-20T14:31:00.000Z").add([at(20, "999"), at(10, "1")])
    assert [name for name in folder.items()[1] if name.startswith("candle_")] == ["candle_5m", "candle_1h", "candle_1d"]
    folder.add([at(400, "101")])
    assert folder.minutes() == [[30, 100, 100, 100, 100, 0, 1]]
    (block,) = folder.closed_candles("5m")
    assert (block["high"], block["quotes"]) == (999, 3)
