"""Candles against a plain grouping of the same ticks."""

from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stockstream_lambda.pipeline import Pipeline
from stockstream_wire import Quote, format_epoch_ms, timestamp_to_epoch_ms
from tests.consumer.conftest import MARKET_DATA
from tests.consumer.folding import Folder
from tests.consumer.kinesis_events import quote, quote_event, read_session
from tests.consumer.twin import CONFIG, Memory, TwinStores

needs_market_data = pytest.mark.skipif(not MARKET_DATA.is_dir(), reason="the shared real sessions are not here")
OPEN_MS = 1_795_185_000_000
SECONDS = {"1m": 60, "5m": 300, "1h": 3600, "1d": 86_400}


def at(seconds: int, price: str, **fields: Any) -> Quote:
    fields = {"high": "1000", "low": "1", "previous_close": "100", **fields}
    return quote(timestamp=format_epoch_ms(OPEN_MS + seconds * 1000), price=price, **fields)


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
    assert set(memory.tables["candles"]) == set(expected)
    newest = dict(sorted(expected))
    for (series, window_start), item in items_of(memory):
        found = {name: Decimal(item[name]["N"]) for name in ("open", "high", "low", "close", "volume", "quotes")}
        assert found == expected[series, window_start], (series, window_start)
        assert item["closed"]["BOOL"] is (newest[series] != window_start)


def items_of(memory: Memory) -> list[tuple[tuple[str, str], dict[str, Any]]]:
    return [((key[0], key[1]), item) for key, item in memory.tables["candles"].items()]


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
    assert [item["window_start"] for item in folder.closed_candles("1m")] == [
        "2026-11-20T14:30:00.000Z",
        "2026-11-20T14:40:00.000Z",
    ]


def test_a_late_quote_widens_an_open_candle_and_moves_nothing_else() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105"), at(90, "104"), at(80, "99", volume=7)])
    candles = dict(zip(("1m", "5m", "1h", "1d"), folder.state.candles, strict=True))
    minute, five = candles["1m"], candles["5m"]
    assert minute is not None
    assert five is not None
    assert [minute.open, minute.high, minute.low, minute.close] == [105, 105, 99, 104]
    assert minute.quotes == 3
    assert [five.open, five.low, five.close] == [100, 99, 104]
    assert folder.state.last_timestamp == "2026-11-20T14:31:30.000Z"
    assert [item.get("late") for item in folder.items()] == [None, None, None, True]


def test_a_late_quote_leaves_a_closed_candle_alone() -> None:
    folder = Folder().add([at(0, "100"), at(70, "105"), at(30, "1")])
    assert [(item["low"], item["quotes"]) for item in folder.closed_candles("1m")] == [(100, 1)]
    minute = folder.state.candles[0]
    assert minute is not None
    assert minute.low == 105
    assert minute.quotes == 1


def test_a_stale_fact_is_stored_and_touches_neither_candles_nor_indicators() -> None:
    folder = Folder().add([at(0, "100"), at(1, "100", stale=True)])
    assert len(folder.items()) == 2
    assert folder.items()[1]["stale"] is True
    minute = folder.state.candles[0]
    assert minute is not None
    assert minute.quotes == 1
    assert folder.state.averages.count == 1
    assert ("stale", "none", "info") in folder.alerts()
