"""What polling 5,000 symbols costs, on a stand-in Yahoo in a process of its own.

`python -m benchmarks.yahoo --json FILE [--quick]`. The ration is lifted for the measurement (at the default of one
request a second a cycle of 56 requests lasts a minute, by intent); everything else is the service's own: yfinance's
session, four requests in flight, mapping to validated quotes, the gate, and the whole service imported.
"""

import argparse
import asyncio
import importlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from urllib.request import urlopen

import psutil
import structlog

from stockstream.gate import Gate
from stockstream.settings import Watchlist
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo import YahooOptions, YahooSource
from stockstream.sources.yahoo.client import YahooClient

SYMBOLS: Final = 5000
LATENCY_MS: Final = 150.0
TIMED_CYCLES: Final = 8
FLAT_CYCLES: Final = 500
# Samples of the event loop's lag: how late a sleep of this length wakes.
LAG_SAMPLE_SECONDS: Final = 0.002


@dataclass
class Result:
    """Figures of the timed cycles (median unless the name says otherwise) and of memory."""

    symbols: int = SYMBOLS
    latency_ms: float = LATENCY_MS
    cycles: int = 0
    cpu_seconds_per_cycle: float = 0.0
    wall_seconds_per_cycle: float = 0.0
    loop_lag_ms: float = 0.0
    loop_lag_p99_ms: float = 0.0
    requests_per_cycle: float = 0.0
    quotes_per_cycle: float = 0.0
    rss_bytes: int = 0
    flat_cycles: int = 0
    rss_start_bytes: int = 0
    rss_end_bytes: int = 0
    python: str = field(default_factory=lambda: sys.version.split()[0])


@contextmanager
def standin(latency_ms: float, folder: Path) -> Iterator[int]:
    """Run the stand-in in its own process, and point this one at it; gives its port."""
    command = [sys.executable, "-m", "tests.yahoo_standin", "--latency-ms", str(latency_ms), "--ca-folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    port = 0
    for line in process.stdout:
        if line.startswith("export "):
            name, value = line.removeprefix("export ").strip().split("=", 1)
            os.environ[name] = value
            if name == "HTTPS_PROXY":
                port = int(value.rsplit(":", 1)[1])
        if line.startswith("# ready"):
            break
    try:
        yield port
    finally:
        process.terminate()
        process.wait(10)


def quote_requests(port: int) -> int:
    with urlopen(f"http://127.0.0.1:{port}/standin") as reply:
        return int(json.load(reply)["quote_requests"])


@dataclass
class Cycles:
    """What so many cycles came to."""

    cpu_seconds: float = 0.0
    walls_seconds: list[float] = field(default_factory=list)
    quotes: int = 0
    requests: int = 0
    lags_seconds: list[float] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)


async def run_cycles(
    cycles: int, cache_dir: Path, port: int, *, interval_seconds: float, measure_lag: bool = False
) -> Cycles:
    """Poll so many cycles, after one to warm up, into a gate."""
    options = YahooOptions(
        interval_seconds=interval_seconds, requests_per_second=100.0, burst_requests=100.0, spread=False
    )
    symbols = tuple(f"S{number:04d}" for number in range(SYMBOLS))
    source = YahooSource(WatchlistFollower(Watchlist(symbols)), options, api=YahooClient(cache_dir=cache_dir))
    gate, result, process = Gate(), Cycles(), psutil.Process()
    lag_task: asyncio.Task[None] | None = None
    done = 0
    started_cpu, started_requests = 0.0, 0
    try:
        async with aclosing(source.batches()) as batches:
            async for batch in batches:
                gate.admit(batch.quotes)
                result.quotes += len(batch.quotes)
                if source.cycles_total == done:
                    continue
                done = source.cycles_total
                if done == 1:
                    started_cpu, started_requests, result.quotes = time.process_time(), quote_requests(port), 0
                    lag_task = asyncio.create_task(_sample_lag(result.lags_seconds)) if measure_lag else None
                    continue
                result.walls_seconds.append(source.last_cycle_seconds)
                result.rss_bytes.append(process.memory_info().rss)
                if len(result.walls_seconds) == cycles:
                    break
        result.cpu_seconds = time.process_time() - started_cpu
    finally:
        if lag_task is not None:
            lag_task.cancel()
        await source.aclose()
    result.requests = quote_requests(port) - started_requests
    return result


async def _sample_lag(lags_seconds: list[float]) -> None:
    while True:
        started = time.perf_counter()
        await asyncio.sleep(LAG_SAMPLE_SECONDS)
        lags_seconds.append(time.perf_counter() - started - LAG_SAMPLE_SECONDS)


def measure(*, quick: bool) -> Result:
    # The whole service in memory, as it is when it runs, and not only the part that is timed.
    importlib.import_module("stockstream.pipeline.service")
    timed, flat = (3, 20) if quick else (TIMED_CYCLES, FLAT_CYCLES)
    result = Result(cycles=timed, flat_cycles=flat)
    with tempfile.TemporaryDirectory(prefix="yahoo-benchmark-") as made:
        folder = Path(made)
        with standin(LATENCY_MS, folder) as port:
            # CPU first, without the sampling of the lag, which costs some itself.
            cost = asyncio.run(run_cycles(timed, folder / "cache", port, interval_seconds=4.0))
            lag = asyncio.run(run_cycles(timed, folder / "cache", port, interval_seconds=4.0, measure_lag=True))
        # Memory in a process of its own, which holds one service and not what the timed ones have left.
        command = [sys.executable, "-m", "benchmarks.yahoo", "--memory-cycles", str(flat), "--json", os.devnull]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        rss_bytes: list[int] = json.loads(done.stdout)
    result.cpu_seconds_per_cycle = round(cost.cpu_seconds / timed, 4)
    result.wall_seconds_per_cycle = round(statistics.median(cost.walls_seconds), 3)
    result.requests_per_cycle = round(cost.requests / timed, 2)
    result.quotes_per_cycle = round(cost.quotes / timed, 1)
    lags = sorted(lag.lags_seconds)
    result.loop_lag_ms = round(lags[-1] * 1000, 2)
    result.loop_lag_p99_ms = round(lags[int(len(lags) * 0.99)] * 1000, 2)
    # Memory settles in the first tenth: pools fill, caches of the allocator grow to their working size.
    result.rss_start_bytes = rss_bytes[max(1, flat // 10)]
    result.rss_end_bytes = rss_bytes[-1]
    result.rss_bytes = max(rss_bytes)
    return result


def memory_of(cycles: int) -> list[int]:
    """Resident bytes after each of so many cycles without latency.

    pandas imports pyarrow where it is installed. The production extras have none, so it is hidden here; the whole
    service in an environment of those extras alone is `benchmarks.service_memory`.
    """
    sys.modules["pyarrow"] = None  # type: ignore[assignment]
    importlib.import_module("stockstream.pipeline.service")
    with tempfile.TemporaryDirectory(prefix="yahoo-benchmark-") as made, standin(0.0, Path(made)) as port:
        run = run_cycles(cycles, Path(made) / "cache", port, interval_seconds=0.05)
        return asyncio.run(run).rss_bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="3 timed cycles and 20 for memory, not 8 and 500")
    parser.add_argument("--memory-cycles", type=int, help="only measure memory, and print a sample a cycle")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if arguments.memory_cycles:
        print(json.dumps(memory_of(arguments.memory_cycles)))
        return 0
    result = measure(quick=arguments.quick)
    text = json.dumps(asdict(result), indent=2)
    arguments.json.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
