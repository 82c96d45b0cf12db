"""Real sessions through the consumer: its tables beside an independent computation, and made again after a wipe.

python -m benchmarks.consumer_sessions [SESSION.csv.gz...] [--json FILE]

Without files, all that lie beside the checkout. Quotes come by polls, aggregated, every tenth batch twice. Then every
item of `quotes` and `candles` is held against plain arithmetic over the file, every quote must lie in the log once, and
tables and checkpoints, wiped, must come out of `rebuild` byte for byte. Exit code 1 where anything differs.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import structlog.testing

from stockstream_lambda.clock import Deadline
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.rebuild import Rebuild, Wanted
from stockstream_wire import Quote, encode_quote
from tests.consumer.conftest import MARKET_DATA
from tests.consumer.folding import plain_value
from tests.consumer.kinesis_events import aggregated, event, read_session
from tests.consumer.twin import CONFIG, FakeTime, Memory, TwinStores

_NEW_YORK: Final = ZoneInfo("America/New_York")
_OPENING_MINUTE: Final = 9 * 60 + 30
_QUOTES_A_BATCH: Final = 40
_AFTER_ALL_SECONDS: Final = 2_000_000_000.0
# The exchange's day has no length of its own.
_LENGTHS: Final = {"1m": 1, "5m": 5, "1h": 60, "1d": 0}

Row = dict[str, Any]


@dataclass(slots=True)
class Window:
    """One candle as plain arithmetic has it."""

    start: str
    prices: list[Decimal] = field(default_factory=list)
    volume: int = 0
    is_incomplete: bool = False

    def row(self) -> Row:
        open_, *_, close = [*self.prices, self.prices[-1]]
        found = {"open": open_, "high": max(self.prices), "low": min(self.prices), "close": close}
        return found | {"volume": Decimal(self.volume), "quotes": Decimal(len(self.prices))}


def expected(quotes: Sequence[Quote]) -> tuple[dict[Any, Row], dict[Any, Row]]:
    """What a session's quotes of one symbol, in order, must leave in `quotes` and in `candles`, by key."""
    items: dict[Any, Row] = {}
    candles: dict[Any, Row] = {}
    windows: dict[str, Window] = {}
    minutes: list[Window] = []
    mark, marked_at, session = 0, 0, ""
    for quote in quotes:
        moment = datetime.fromisoformat(quote.timestamp)
        local = moment.astimezone(_NEW_YORK)
        minute = int(moment.timestamp()) // 60
        if local.date().isoformat() != session:
            session, mark = local.date().isoformat(), 0
            marked_at = minute - (local.hour * 60 + local.minute) + _OPENING_MINUTE
        traded, since, mark, marked_at = (quote.volume or 0) - mark, marked_at, quote.volume or 0, minute
        item = _published(quote) | {"session": session}
        for interval, length in _LENGTHS.items():
            start = _start(minute, length, session)
            belongs = not traded or not length or minute // length - since // length <= 1
            window = windows.get(interval)
            if window is not None and not belongs and window.start >= _start(since, length, session):
                window.is_incomplete = True
            if window is None or window.start != start:
                if window is not None:
                    _close(quote.symbol, interval, window, minutes, candles)
                window = windows[interval] = Window(start)
            window.prices.append(quote.price)
            window.volume += traded if belongs else 0
            window.is_incomplete = window.is_incomplete or not belongs
            row = window.row()
            item[f"candle_{interval}"] = [row[name] for name in ("open", "high", "low", "volume", "quotes")]
        if incomplete := [interval for interval in _LENGTHS if windows[interval].is_incomplete]:
            item["incomplete"] = " ".join(incomplete)
        items[quote.symbol, quote.timestamp] = item
    return items, candles


def _published(quote: Quote) -> Row:
    change = quote.price - quote.previous_close
    percent = change / quote.previous_close * 100
    return {
        **{name: getattr(quote, name) for name in ("symbol", "timestamp", "open", "high", "low", "price")},
        "previous_close": quote.previous_close,
        "volume": Decimal(quote.volume or 0),
        "change": change,
        "change_percent": percent,
        "moving_average": (quote.open + quote.high + quote.low + quote.price) / 4,
        "anomaly": "Yes" if abs(percent) > CONFIG.anomaly_threshold_percent else "No",
    }


def _close(symbol: str, interval: str, window: Window, minutes: list[Window], candles: dict[Any, Row]) -> None:
    if interval == "1m":
        minutes.append(window)
        return
    row = window.row() | ({"incomplete": True} if window.is_incomplete else {})
    if interval == "5m":
        row["minutes"] = [[Decimal(int(one.start[14:16])), *one.row().values()] for one in minutes]
        if partial := [Decimal(int(one.start[14:16])) for one in minutes if one.is_incomplete]:
            row["incomplete_minutes"] = partial
        minutes.clear()
    head = {"symbol": symbol, "interval": interval, "closed": True}
    candles[f"{symbol}#{interval}", window.start] = row | head


def _start(minute: int, length: int, session: str) -> str:
    if not length:
        return f"{session}T00:00:00.000Z"
    return datetime.fromtimestamp(minute // length * length * 60, UTC).strftime("%Y-%m-%dT%H:%M:00.000Z")


def check(quotes: Sequence[Quote]) -> dict[str, Any]:
    """Run quotes through a consumer; counts, and what differs."""
    time = FakeTime(_AFTER_ALL_SECONDS)
    memory = consume(quotes, time)
    wrong = list(differences(quotes, memory))
    lines = sorted(line for of_symbol in memory.archived().values() for line in of_symbol)
    if lines != sorted(map(encode_quote, quotes)):
        wrong.append(f"the log holds {len(lines)} lines for {len(quotes)} quotes, or other ones")
    return {
        "quotes": len(memory.tables["quotes"]),
        "candles": len(memory.tables["candles"]),
        "alerts": len(memory.tables["alerts"]),
        "wrong": len(wrong),
        "first_wrong": wrong[:3],
        "rebuilt_identical": _rebuilt(memory, time),
    }


def consume(quotes: Sequence[Quote], time: FakeTime) -> Memory:
    """What a consumer leaves of quotes that come by polls, every tenth batch twice."""
    memory = Memory()
    with closing(Pipeline(CONFIG, TwinStores(memory), time.clock())) as pipeline:
        for number, start in enumerate(range(0, len(quotes), _QUOTES_A_BATCH)):
            batch = event([aggregated(quotes[start : start + _QUOTES_A_BATCH])], start=start)
            for _ in range(2 if number % 10 == 0 else 1):
                if pipeline.process(batch).response != {"batchItemFailures": []}:
                    raise RuntimeError(f"the batch at quote {start} was given back")
    return memory


def differences(quotes: Sequence[Quote], memory: Memory) -> Iterator[str]:
    """What of a session's tables is not as plain arithmetic has it."""
    by_symbol: dict[str, list[Quote]] = {}
    for quote in quotes:
        by_symbol.setdefault(quote.symbol, []).append(quote)
    found = [expected(sorted(of_symbol, key=lambda one: one.timestamp)) for of_symbol in by_symbol.values()]
    for table, place in (("quotes", 0), ("candles", 1)):
        right = {key: row for of_symbol in found for key, row in of_symbol[place].items()}
        stored = memory.tables[table]
        yield from [f"{table} {key}: there, and not expected" for key in stored.keys() - right.keys()]
        for key, row in right.items():
            item = {name: plain_value(value) for name, value in stored.get(key, {}).items()}
            got = {name: item.get(name) for name in row}
            if got != row or ("incomplete" in item) != ("incomplete" in row):
                yield f"{table} {key}: {got} in place of {row}"


def _rebuilt(memory: Memory, time: FakeTime) -> bool:
    """Wipe tables and checkpoints and fold the log again; whether all of it came back byte for byte."""
    before = memory.tables
    memory.tables = {name: {} for name in before}
    checkpoints = {key for key in memory.objects if key.startswith("state/p")}
    for key in checkpoints:
        del memory.objects[key]
    with closing(Pipeline(CONFIG, TwinStores(memory), time.clock())) as pipeline:
        turn = pipeline.turn(datetime.fromtimestamp(time.seconds, UTC), Deadline())
        for _ in Rebuild(pipeline.tools, turn, CONFIG.partitions, CONFIG.retention_days, Wanted()).steps():
            pass
    return memory.tables == before and checkpoints <= memory.objects.keys()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", type=Path, nargs="*", metavar="SESSION")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args()
    paths = arguments.sessions or sorted(MARKET_DATA.glob("*.csv.gz"))
    if not paths:
        parser.error(f"no session is given, and none lies in {MARKET_DATA}")
    sessions = {path.name: read_session(path) for path in paths}
    together = sorted([quote for quotes in sessions.values() for quote in quotes], key=lambda one: one.timestamp)
    results = {}
    for name, quotes in [*sessions.items(), ("all, one after the other", together)]:
        with structlog.testing.capture_logs():
            results[name] = check(quotes)
        print(name, json.dumps(results[name]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return int(any(found["wrong"] or not found["rebuilt_identical"] for found in results.values()))


if __name__ == "__main__":
    sys.exit(main())
