"""A notebook's cell: 30 days of 5m candles of 100 symbols into pandas; seconds and calls.

python -m benchmarks.reading --json FILE [--symbols N] [--times N]

`stockstream.open()` in this process on one core, DynamoDB in another that answers at once (AWS adds some milliseconds a
call, 32 of them at a time). Medians.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import stockstream
from benchmarks.filled_stores.market import DAYS, LAST_DAY
from benchmarks.filled_stores.process import FilledStores, filled_stores
from benchmarks.two_cores import two_cores


def measure(symbols: int, times: int) -> dict[str, Any]:
    """Seconds, calls and rows of the cell."""
    ours, theirs = two_cores()
    if ours is not None:
        os.sched_setaffinity(0, {ours})
    end = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, tzinfo=UTC) + timedelta(days=1)
    names = [f"SYM{number}" for number in range(symbols)]
    with filled_stores(symbols, theirs) as stores, stockstream.open(stores.url) as market:

        def cell() -> Any:
            return market.candles(names, "5m", end - timedelta(days=DAYS), end).to_pandas()

        cell()  # The stores make their answers, pandas is imported.
        taken = [_taken(stores, cell) for _ in range(times)]
    seconds, cpu_seconds, calls, rows = zip(*taken, strict=True)
    return {
        "symbols": symbols,
        "days": DAYS,
        "rows": rows[0],
        "calls": calls[0],
        "seconds": round(statistics.median(seconds), 2),
        "cpu_seconds": round(statistics.median(cpu_seconds), 2),
        "seconds_of_each": [round(one, 2) for one in seconds],
        "machine_load_1_min": os.getloadavg()[0],
    }


def _taken(stores: FilledStores, cell: Callable[[], Any]) -> tuple[float, float, int, int]:
    stores.take_calls()
    started, cpu = time.perf_counter(), time.process_time()
    frame = cell()
    return time.perf_counter() - started, time.process_time() - cpu, stores.take_calls()["Query"], len(frame)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    text = json.dumps(measure(arguments.symbols, arguments.times), indent=2)
    print(text)
    if arguments.json is not None:
        arguments.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
