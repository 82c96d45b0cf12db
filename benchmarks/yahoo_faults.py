"""Simulated hours of a Yahoo gone wrong: the real yfinance, a stand-in on real sockets, and a clock that is injected.

`python -m benchmarks.yahoo_faults [--json FILE] [FAULT ...]` runs an hour of each fault and one of all mixed.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import sys
import tempfile
import threading
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from stockstream.settings import Watchlist
from stockstream.sources.watchlist import WatchlistFollower
from stockstream.sources.yahoo import YahooOptions, YahooSource
from stockstream.sources.yahoo.client import REQUESTS_IN_FLIGHT, YahooClient
from tests.sources_yahoo.virtual_clock import VirtualClock
from tests.yahoo_standin import Fault, ScriptedMarket, YahooStandin
from tests.yahoo_standin.client_state import reset_yfinance

HEALTHY_SECONDS: Final = 300.0
HOUR_SECONDS: Final = 3600.0
# The longest wait of the breaker, and a cycle after it.
RECOVERY_SECONDS: Final = 960.0
SYMBOLS: Final = tuple(f"S{number:03d}" for number in range(200))
# Real seconds: what a hanging request costs the run.
REQUEST_TIMEOUT_SECONDS: Final = 0.4

FAULTS: Final = (
    Fault.RATE_LIMIT,
    Fault.UNAUTHORIZED,
    Fault.FORGET_COOKIES,
    Fault.CRUMB_UNAUTHORIZED,
    Fault.CRUMB_RATE_LIMIT,
    Fault.SERVER_ERROR,
    Fault.BAD_GATEWAY,
    Fault.HTML,
    Fault.TRUNCATED,
    Fault.HANG,
    Fault.RESET,
    Fault.DRIP,
    Fault.SHORT,
    Fault.NAN,
)
# Faults that only show once Yahoo has also forgotten the crumb we hold.
_NEEDS_NEW_CRUMB: Final = frozenset({Fault.CRUMB_UNAUTHORIZED, Fault.CRUMB_RATE_LIMIT})
# Faults that strike some requests; in force always they would leave nothing to recover with.
_PARTIAL: Final = {Fault.FORGET_COOKIES: 0.01, Fault.SHORT: 0.5, Fault.NAN: 0.5}


@dataclass
class HourReport:
    """What an hour of one fault came to.

    Attributes:
        requests_in_fault: HTTP requests that reached the stand-in in the hour.
        requests_after_first_minute: Of those, the ones after the minute in which the fault began.
        recovered_after_seconds: From the end of the fault to a cycle that answered for every symbol.
        threads_grown, tasks_grown, descriptors_grown: Against before the fault.
    """

    fault: str
    requests_in_fault: int = 0
    requests_after_first_minute: int = 0
    quotes_in_fault: int = 0
    quotes_after: int = 0
    recovered_after_seconds: float | None = None
    breaker_openings: int = 0
    threads_grown: int = 0
    tasks_grown: int = 0
    descriptors_grown: int = 0


async def run_hour(
    faults: list[Fault], folder: Path, *, seed: int = 1, hour_seconds: float = HOUR_SECONDS
) -> HourReport:
    """Five healthy minutes, an hour of the faults, and as long as recovery may take."""
    report = HourReport("+".join(faults) if len(faults) < len(FAULTS) else "all mixed")
    virtual = VirtualClock()
    market = ScriptedMarket(now=lambda: virtual.epoch_seconds)
    async with YahooStandin(market, folder) as standin:
        os.environ.update(standin.environment)
        reset_yfinance()
        client = YahooClient(cache_dir=folder / "cache", timeout_seconds=REQUEST_TIMEOUT_SECONDS)
        virtual.busy = lambda: client.in_flight > 0
        source = YahooSource(
            WatchlistFollower(Watchlist(SYMBOLS)),
            YahooOptions(),
            api=client,
            clock=virtual.clock,
            rng=random.Random(seed),
        )
        seen: dict[str, float] = {}
        reader = asyncio.create_task(_read(source, seen, virtual))
        await virtual.advance(HEALTHY_SECONDS)
        assert len(seen) == len(SYMBOLS), f"only {len(seen)} symbols before the fault"
        before = _resources(standin)

        _order(standin, faults)
        requests, quotes = len(standin.yahoo.requests), _COUNTS["quotes"]
        await virtual.advance(60)
        first_minute = len(standin.yahoo.requests)
        await virtual.advance(hour_seconds - 60)
        report.requests_in_fault = len(standin.yahoo.requests) - requests
        report.requests_after_first_minute = len(standin.yahoo.requests) - first_minute
        report.quotes_in_fault = _COUNTS["quotes"] - quotes

        standin.faults.clear()
        ended_seconds = virtual.seconds
        while virtual.seconds < ended_seconds + RECOVERY_SECONDS and report.recovered_after_seconds is None:
            await virtual.advance(30)
            if min(seen.values()) > ended_seconds:
                report.recovered_after_seconds = max(seen.values()) - ended_seconds
        quotes = _COUNTS["quotes"]
        await virtual.advance(60)
        report.quotes_after = _COUNTS["quotes"] - quotes
        report.breaker_openings = source.poller.breaker.opened_total
        after = _resources(standin)
        report.threads_grown, report.tasks_grown, report.descriptors_grown = (
            now - then for now, then in zip(after, before, strict=True)
        )
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        await source.aclose()
    return report


_COUNTS = {"quotes": 0}


async def _read(source: YahooSource, seen: dict[str, float], virtual: VirtualClock) -> None:
    async with aclosing(source.batches()) as batches:
        async for batch in batches:
            for quote in batch.quotes:
                if not quote.stale:
                    seen[quote.symbol] = virtual.seconds
            _COUNTS["quotes"] += len(batch.quotes)


def _order(standin: YahooStandin, faults: list[Fault]) -> None:
    mixed = len(faults) > 1
    for fault in faults:
        standin.faults.order(fault, probability=_PARTIAL.get(fault, 0.05 if mixed else 1.0))
        if fault in _NEEDS_NEW_CRUMB:
            standin.yahoo.forget_cookies()


def _resources(standin: YahooStandin) -> tuple[int, int, int]:
    """Threads, tasks and descriptors that are not the stand-in's; pool threads not begun yet count as begun."""
    threads = sum(not thread.name.startswith("yahoo") for thread in threading.enumerate()) + REQUESTS_IN_FLIGHT
    serving = standin.open_connections
    tasks = len(asyncio.all_tasks()) - serving
    # Both ends of each connection are in this process; curl keeps one or two open for each of its threads.
    own = len(list(Path("/proc/self/fd").iterdir())) - 2 * serving if sys.platform == "linux" else 0
    return threads, tasks, own


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("faults", nargs="*", help="faults to run; default: each, and all mixed")
    arguments, _ = parser.parse_known_args()
    if "-v" not in sys.argv:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    chosen = [[Fault(name)] for name in arguments.faults] or [*([fault] for fault in FAULTS), list(FAULTS)]
    reports: list[HourReport] = []
    for faults in chosen:
        with tempfile.TemporaryDirectory(prefix="yahoo-faults-") as folder:
            report = asyncio.run(run_hour(faults, Path(folder)))
        reports.append(report)
        print(json.dumps(asdict(report)), flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(report) for report in reports], indent=2) + "\n", encoding="utf-8")
    return 0 if all(report.recovered_after_seconds is not None for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
