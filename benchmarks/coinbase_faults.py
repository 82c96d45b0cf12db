"""Hours of a Coinbase gone wrong: the source on real sockets against the stand-in, its clock so many times as fast.

`python -m benchmarks.coinbase_faults [--json FILE] [--hour-seconds N] [FAULT ...]`.
"""

import argparse
import asyncio
import json
import logging
import threading
import time
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import structlog

from stockstream.clock import Clock
from stockstream.settings import Watchlist
from stockstream.sources.coinbase import CoinbaseOptions, CoinbaseSource
from stockstream.sources.watchlist import WatchlistFollower
from tests.coinbase_standin import CoinbaseStandin, Fault

SPEED: Final = 60.0
HOUR_SECONDS: Final = 3600.0
HEALTHY_SECONDS: Final = 300.0
RECOVERY_SECONDS: Final = 960.0
PRODUCTS: Final = ("BTC-USD", "ETH-USD", "SOL-USD")
# Short of a real second, and several rounds in a second of the fast clock would be more than the exchange sends.
_TICK_SECONDS: Final = 1 / SPEED * 4


@dataclass
class HourReport:
    """What an hour of one fault came to; times are of the fast clock.

    Attributes:
        connections: Made in the hour.
        requests: Of candles, in the hour.
        recovered_after_seconds: From the end of the fault to a quote of every product.
        cpu_seconds: Real, of source and stand-in, in the hour.
        tasks_grown, threads_grown, descriptors_grown: Against before the fault.
    """

    fault: str
    connections: int = 0
    requests: int = 0
    quotes: int = 0
    recovered_after_seconds: float | None = None
    cpu_seconds: float = 0.0
    tasks_grown: int = 0
    threads_grown: int = 0
    descriptors_grown: int = 0


class FastClock:
    """Real time, so many times as fast."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._at = datetime.now(UTC)

    def monotonic(self) -> float:
        return 1e6 + (time.monotonic() - self._started) * SPEED

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self.monotonic() - 1e6)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, now=self.now, sleep=self.sleep)


async def run_hour(faults: set[Fault], name: str, hour_seconds: float) -> HourReport:
    """Five healthy minutes, an hour of the faults, and as long as recovery may take."""
    report = HourReport(name)
    fast = FastClock()
    async with CoinbaseStandin(PRODUCTS, now=lambda: fast.now().timestamp(), tick_seconds=_TICK_SECONDS) as standin:
        source = CoinbaseSource(
            WatchlistFollower(Watchlist(PRODUCTS)),
            CoinbaseOptions(interval_seconds=30),
            clock=fast.clock,
            rng=Random(1),
            url=standin.url,
            rest_url=standin.rest_url,
        )
        seen: dict[str, float] = {}
        quotes = 0

        async def read() -> None:
            nonlocal quotes
            async with aclosing(source.batches()) as batches:
                async for batch in batches:
                    fresh = [quote for quote in batch.quotes if not quote.stale]
                    quotes += len(fresh)
                    seen.update({quote.symbol: fast.monotonic() for quote in fresh})

        reader = asyncio.create_task(read())
        await fast.sleep(HEALTHY_SECONDS)
        assert len(seen) == len(PRODUCTS), f"only {len(seen)} products before the fault"
        before, cpu = _resources(), time.process_time()
        connections, requests, quotes = standin.connections_total, standin.rest_requests, 0

        standin.faults = set(faults)
        if faults & {Fault.REFUSE, Fault.REST_500, Fault.REST_429, Fault.REST_HTML, Fault.REST_RESET}:
            await source.connection.reconnect("the fault begins")
        await fast.sleep(hour_seconds)
        report.connections = standin.connections_total - connections
        report.requests = standin.rest_requests - requests
        report.quotes = quotes
        report.cpu_seconds = round(time.process_time() - cpu, 2)

        standin.faults.clear()
        ended = fast.monotonic()
        while fast.monotonic() < ended + RECOVERY_SECONDS and report.recovered_after_seconds is None:
            await fast.sleep(1)
            if min(seen.values()) > ended:
                report.recovered_after_seconds = round(max(seen.values()) - ended, 1)
        await fast.sleep(60)
        report.tasks_grown, report.threads_grown, report.descriptors_grown = (
            now - then for now, then in zip(_resources(), before, strict=True)
        )
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await source.aclose()
    return report


def _resources() -> tuple[int, int, int]:
    return len(asyncio.all_tasks()), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def main() -> None:
    """Run the hours and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", type=Fault)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hour-seconds", type=float, default=HOUR_SECONDS)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    hours: list[tuple[set[Fault], str]] = [({fault}, fault.value) for fault in arguments.faults or Fault]
    if not arguments.faults:
        hours.append(({Fault.ABORT, Fault.REST_500, Fault.SKIP, Fault.OLD_SEQUENCE}, "abort + rest-500 + skip + old"))
    print("| Fault | Connections | Requests | Quotes in the hour | Recovered after | CPU | Left over |")
    print("|---|---|---|---|---|---|---|")
    reports = []
    for faults, name in hours:
        report = asyncio.run(run_hour(faults, name, arguments.hour_seconds))
        reports.append(report)
        recovered = "never" if report.recovered_after_seconds is None else f"{report.recovered_after_seconds:.0f} s"
        left = f"{report.tasks_grown} tasks, {report.threads_grown} threads, {report.descriptors_grown} descriptors"
        print(
            f"| `{name}` | {report.connections} | {report.requests} | {report.quotes} | {recovered} | "
            f"{report.cpu_seconds} s | {left} |",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n")
    if any(report.recovered_after_seconds is None for report in reports):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
