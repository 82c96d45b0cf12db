"""Writes the sample session of `examples/` from the simulated market: the same quotes on every call."""

import asyncio
import csv
import gzip
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from stockstream.clock import Clock
from stockstream.sources.simulated import SimulatedSource
from stockstream_wire import Quote

TARGET: Final = Path(__file__).parents[1] / "examples" / "simulated-session.csv.gz"
SYMBOLS: Final = ("AAPL", "MSFT", "NVDA", "^VIX", "BTC-USD")
START: Final = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
INTERVAL_SECONDS: Final = 10.0
STEPS: Final = 360
# `source` is for whoever opens the file: a replay ignores it and says "replay". `exchange` stays in the quotes.
COLUMNS: Final = (
    "timestamp", "symbol", "open", "high", "low", "price", "previous_close", "volume", "exchange", "source",
)  # fmt: skip


async def make_quotes() -> list[Quote]:
    """An hour of the market of seed 1, in no time."""
    clock = _SteppedClock()
    source = SimulatedSource(SYMBOLS, seed=1, interval_seconds=INTERVAL_SECONDS, clock=clock.clock)
    quotes: list[Quote] = []
    steps = 0
    async for batch in source.batches():
        quotes += batch.quotes
        steps += 1
        if steps == STEPS:
            await source.aclose()
    return quotes


def render(quotes: list[Quote]) -> bytes:
    """The file's bytes, the same on every call."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_rows(quotes))
    return gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0)


def main() -> None:
    """Write the file."""
    content = render(asyncio.run(make_quotes()))
    TARGET.write_bytes(content)
    print(f"wrote {TARGET}")


def _rows(quotes: list[Quote]) -> Iterator[list[Any]]:
    for quote in quotes:
        yield [getattr(quote, name) for name in COLUMNS]


class _SteppedClock:
    """A clock that only moves when someone sleeps on it."""

    def __init__(self) -> None:
        self._seconds = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self._monotonic, now=self._now, sleep=self._sleep)

    def _monotonic(self) -> float:
        return self._seconds

    def _now(self) -> datetime:
        return START + timedelta(seconds=self._seconds)

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self._seconds += seconds


if __name__ == "__main__":
    main()
