"""Hours of a feed gone wrong: a source on real sockets against its stand-in, its clock so many times as fast."""

import argparse
import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from stockstream.clock import Clock
from stockstream.sources.base import Source
from stockstream.sources.stream import StreamConnection

SPEED: Final = 60.0
HOUR_SECONDS: Final = 3600.0
HEALTHY_SECONDS: Final = 300.0
RECOVERY_SECONDS: Final = 960.0
# Short of a real second, and several rounds in a second of the fast clock would be more than an exchange sends.
TICK_SECONDS: Final = 1 / SPEED * 4

StandinT = TypeVar("StandinT", bound="Standin")


class Standin(Protocol):
    """What is needed of a stand-in."""

    connections_total: int

    @property
    def requests(self) -> int: ...


class Trial(NamedTuple):
    """A source against its stand-in, and how to begin a fault.

    Attributes:
        source: To be read.
        connection: To be given up as the fault begins, or None.
        order: Puts the faults in force; none lifts them.
    """

    source: Source
    connection: StreamConnection | None
    order: Callable[[Collection[str]], None]


@dataclass
class HourReport:
    """What an hour of one fault came to; times are of the fast clock.

    Attributes:
        connections: Made in the hour.
        requests: Over HTTP, in the hour.
        recovered_after_seconds: From the end of the fault to a quote of every symbol.
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
    """Real time, so many times as fast, from a moment on."""

    def __init__(self, at: datetime | None = None) -> None:
        self._started = time.monotonic()
        self._at = at or datetime.now(UTC)

    def monotonic(self) -> float:
        return 1e6 + (time.monotonic() - self._started) * SPEED

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self.monotonic() - 1e6)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / SPEED)

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, now=self.now, sleep=self.sleep)


async def run_hour(
    name: str,
    faults: Collection[str],
    hour_seconds: float,
    *,
    fast: FastClock,
    standin: AbstractAsyncContextManager[StandinT],
    trial_of: Callable[[StandinT], Trial],
    symbols: Collection[str],
    gives_up: bool,
) -> HourReport:
    """Five healthy minutes, an hour of the faults, and as long as recovery may take."""
    report = HourReport(name)
    async with standin as market:
        trial = trial_of(market)
        seen: dict[str, float] = {}
        quotes = 0

        async def read() -> None:
            nonlocal quotes
            async with aclosing(trial.source.batches()) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    fresh = [quote for quote in batch.quotes if not quote.stale]
                    quotes += len(fresh)
                    seen.update({quote.symbol: fast.monotonic() for quote in fresh})

        reader = asyncio.create_task(read())
        await fast.sleep(HEALTHY_SECONDS)
        assert len(seen) == len(symbols), f"only {len(seen)} symbols before the fault"
        before, cpu = _resources(), time.process_time()
        connections, requests, quotes = market.connections_total, market.requests, 0

        trial.order(faults)
        if gives_up and trial.connection is not None:
            await trial.connection.reconnect("the fault begins")
        await fast.sleep(hour_seconds)
        report.connections = market.connections_total - connections
        report.requests = market.requests - requests
        report.quotes = quotes
        report.cpu_seconds = round(time.process_time() - cpu, 2)

        trial.order(())
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
        await trial.source.aclose()
    return report


def _resources() -> tuple[int, int, int]:
    return len(asyncio.all_tasks()), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


def main(
    doc: str | None,
    known: Collection[str],
    mixed: Iterable[str],
    run: Callable[[str, Collection[str], float], HourReport],
) -> None:
    """Run the hours that the command line names, else all and a mixture, and print a table."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("faults", nargs="*", help=", ".join(known))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--hour-seconds", type=float, default=HOUR_SECONDS)
    arguments = parser.parse_args()
    if unknown := set(arguments.faults).difference(known):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    hours: list[tuple[str, Collection[str]]] = [(fault, {fault}) for fault in arguments.faults or known]
    if not arguments.faults and (together := set(mixed)):
        hours.append((" + ".join(sorted(together)), together))
    print("| Fault | Connections | Requests | Quotes in the hour | Recovered after | CPU | Left over |")
    print("|---|---|---|---|---|---|---|")
    reports = []
    for name, faults in hours:
        report = run(name, faults, arguments.hour_seconds)
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
