"""The session that is replayed: a recorded one where there is one, else a simulated one written to a file."""

import asyncio
import csv
import gzip
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from scripts.e2e.compose import ROOT
from stockstream.clock import Clock
from stockstream.sources.simulated import SimulatedSource

RECORDED: Final = ROOT.parent / "shared" / "data" / "market" / "us-equities-20131007-30s.csv.gz"
COLUMNS: Final = ("timestamp", "symbol", "open", "high", "low", "price", "previous_close", "volume")
_STEPS: Final = 780
_STEP_SECONDS: Final = 30.0
_SYMBOLS: Final = ("AAPL", "AMZN", "MSFT", "NVDA")


@dataclass(frozen=True)
class Session:
    """A file of quotes, and what is in it by (symbol, timestamp)."""

    path: Path
    rows: dict[tuple[str, str], dict[str, Decimal]]
    origin: str


def prepare_session(folder: Path) -> Session:
    """Take the recorded session, or make a simulated one in `folder`."""
    if RECORDED.exists():
        return Session(RECORDED, _read(RECORDED), "recorded")
    path = folder / "simulated-session.csv.gz"
    asyncio.run(_simulate(path))
    return Session(path, _read(path), "SIMULATED, not from the market")


def _read(path: Path) -> dict[tuple[str, str], dict[str, Decimal]]:
    with gzip.open(path, "rt", newline="") as file:
        return {
            (row["symbol"], row["timestamp"]): {name: Decimal(row[name]) for name in COLUMNS[2:]}
            for row in csv.DictReader(file)
        }


async def _simulate(path: Path) -> None:
    elapsed_seconds = 0.0
    opening = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)

    def sleep(seconds: float) -> Awaitable[None]:
        nonlocal elapsed_seconds
        elapsed_seconds += seconds
        return asyncio.sleep(0)

    clock = Clock(
        monotonic=lambda: elapsed_seconds, now=lambda: opening + timedelta(seconds=elapsed_seconds), sleep=sleep
    )
    source = SimulatedSource(_SYMBOLS, seed=11, interval_seconds=_STEP_SECONDS, clock=clock)
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        steps = 0
        async for batch in source.batches():
            for quote in batch.quotes:
                writer.writerow({name: getattr(quote, name) for name in COLUMNS})
            steps += 1
            if steps == _STEPS:
                break
    await source.aclose()
