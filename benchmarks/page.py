"""The page under 5,000 symbols at an update a second each: the browser's main thread, heap and frames, the server.

`python -m benchmarks.page --json FILE [--symbols N] [--seconds N] [--quick]`, 10 minutes where nobody says, 45 s where
quick. The server is a
process of its own over a log made in memory (its stores cost nothing here); the browser is headless Chromium on the
watchlist.

Reported: `main_thread_busy_share` (its CPU time by the clock's; at most 0.25 was the aim), `server_cpu_share` (0.3, the
making of the quotes included), `heap_growth_bytes_a_minute` (the slope of the heap after collections, from the second
quarter on), `dropped_frame_share` (frames over 1.5 of the usual pace: a busy machine drops them for us), and how busy
the machine was.
"""

# ruff: noqa: ASYNC220 - nothing else waits for a benchmark

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import psutil

from stockstream.dashboard import access_from, serve_dashboard
from stockstream.reading import Market, Place, Rows, StoredQuote, Update, live_quote
from stockstream.reading.follow import Position
from stockstream.reading.health import Health
from stockstream.settings import Settings
from stockstream_wire import Quote, format_timestamp
from stockstream_wire.storage import Partition, partition_of, partitions_of
from tests.dashboard.devtools import Tab, browser_tab

PARTITIONS: Final = 4
SAMPLE_SECONDS: Final = 15.0
QUICK_SECONDS: Final = 45.0
FRAMES: Final = """
window.gaps = []; let last = performance.now();
(function frame(now) { window.gaps.push(now - last); last = now; requestAnimationFrame(frame); })(last); true
"""


class Made:
    """A market whose every symbol moves once a second; what the page's server asks of a `Market`."""

    def __init__(self, symbols: int) -> None:
        self._of: dict[Partition, list[str]] = {partition: [] for partition in partitions_of(PARTITIONS)}
        for number in range(symbols):
            symbol = f"S{number}"
            self._of[partition_of(symbol, PARTITIONS)].append(symbol)
        self._place = Place(tuple(Position(0, "2026-11-25") for _ in range(PARTITIONS)))

    async def end(self) -> Place:
        return self._place

    async def latest(self, symbol: str | None = None) -> Rows[StoredQuote]:
        symbols = [one for found in self._of.values() for one in found] if symbol is None else [symbol]
        return Rows(live_quote(self._quote(one, 0), Decimal(5)) for one in symbols)

    async def follow(self, place: Place, *, poll_seconds: float) -> AsyncIterator[Update]:
        tick = 0
        while True:
            tick += 1
            for partition, symbols in self._of.items():
                revision = place.positions[partition.number].revision + 1
                place = place.at(partition.number, Position(revision, "2026-11-25"))
                quotes = tuple(self._quote(symbol, tick) for symbol in symbols)
                yield Update(place, partition, quotes, datetime.now(UTC))
                await asyncio.sleep(poll_seconds / PARTITIONS)

    async def candles(self, *_: Any, **__: Any) -> Rows[Any]:
        return Rows([])

    async def health(self) -> Health:
        return Health(partitions=[], unsent_alerts=0, quarantined=0, quarantine=[])

    async def workers(self) -> list[Any]:
        return []

    def _quote(self, symbol: str, tick: int) -> Quote:
        price = Decimal(10_000 + (hash((symbol, tick)) % 200)) / 100
        return Quote(
            symbol=symbol, timestamp=format_timestamp(datetime.now(UTC)), open=Decimal(100), high=Decimal(103),
            low=Decimal(98), price=price, previous_close=Decimal(100), volume=1000 * (tick + 1), source="simulated",
            exchange="SIM",
        )  # fmt: skip


async def serve(symbols: int) -> None:
    access = access_from(Settings(), "127.0.0.1")
    market = cast("Market", Made(symbols))
    async with serve_dashboard(market, access, host="127.0.0.1", port=0, poll_seconds=1.0) as url:
        print(url, flush=True)
        await asyncio.Event().wait()


async def measure(symbols: int, seconds: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.page", "--serve", "--symbols", str(symbols)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        try:
            assert server.stdout is not None
            url = await asyncio.to_thread(server.stdout.readline)
            async with browser_tab(Path(folder) / "profile") as tab:
                return await _watch(tab, url.strip(), server.pid, symbols, seconds)
        finally:
            server.terminate()


async def _watch(tab: Tab, url: str, server_pid: int, symbols: int, seconds: float) -> dict[str, Any]:
    await tab.call("Performance.enable", timeDomain="threadTicks")
    await tab.call("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    await tab.open(url)
    await tab.until(f"document.querySelector('table.list')?.getAttribute('aria-rowcount') === '{symbols + 1}'")
    await asyncio.sleep(5)
    await tab.evaluate(FRAMES)
    process = psutil.Process(server_pid)
    begin, busy, cpu = time.monotonic(), await _metric(tab, "TaskDuration"), sum(process.cpu_times()[:2])
    heaps: list[tuple[float, float]] = []
    while (passed := time.monotonic() - begin) < seconds:
        await asyncio.sleep(min(SAMPLE_SECONDS, seconds - passed))
        await tab.call("HeapProfiler.collectGarbage")
        heaps.append((time.monotonic() - begin, await _metric(tab, "JSHeapUsedSize")))
    elapsed = time.monotonic() - begin
    rate = await tab.evaluate("fetch('/api/v1/health').then((a) => a.json()).then((h) => h.board.quotes_per_second)")
    gaps = json.loads(await tab.evaluate("JSON.stringify(window.gaps.slice(1))"))
    usual = statistics.median(gaps)
    settled = heaps[len(heaps) // 4 :]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope if len(settled) > 2 else 0.0
    return {
        "symbols": symbols,
        "seconds": round(elapsed, 1),
        "quotes_per_second": rate,
        "main_thread_busy_share": round((await _metric(tab, "TaskDuration") - busy) / elapsed, 3),
        "server_cpu_share": round((sum(process.cpu_times()[:2]) - cpu) / elapsed, 3),
        "heap_bytes_first": heaps[0][1],
        "heap_bytes_last": heaps[-1][1],
        "heap_growth_bytes_a_minute": round(slope * 60),
        "frames": len(gaps),
        "frame_ms_median": round(usual, 2),
        "dropped_frame_share": round(sum(gap > 1.5 * usual for gap in gaps) / len(gaps), 4),
        "longest_frame_ms": round(max(gaps), 1),
        "complaints": len(tab.complaints),
        "machine_load_1_min": os.getloadavg()[0],
    }


async def _metric(tab: Tab, name: str) -> float:
    found = await tab.call("Performance.getMetrics")
    return next(float(one["value"]) for one in found["metrics"] if one["name"] == name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--symbols", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS:g} seconds")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve(arguments.symbols))
        return
    seconds = QUICK_SECONDS if arguments.quick else arguments.seconds
    text = json.dumps(asyncio.run(measure(arguments.symbols, seconds)), indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
