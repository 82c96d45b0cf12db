"""A million random schedules of the consumer: crashes, zombies, rivals, reshards, closes, tidy, lost checkpoints.

python -m benchmarks.consumer_schedules [--schedules 1000000] [--first SEED] [--processes N] [--json FILE]

Prints how many ended wrong, with the first seed of each kind; `--first SEED --schedules 1` runs that one again. Exit
code 1 where any did.
"""

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from tests.consumer.schedules import Schedule, ViolationError

_BLOCK = 250


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1_000_000)
    parser.add_argument("--first", type=int, default=1_000_000, metavar="SEED")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--stop", action="store_true", help="stop at the first that ends wrong")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the figures go")
    arguments = parser.parse_args()
    figures = measure(arguments.first, arguments.schedules, arguments.processes, stop=arguments.stop)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(1 if figures["schedules_wrong"] else 0)


def measure(first: int, schedules: int, processes: int, *, stop: bool = False) -> dict[str, Any]:
    """Run them; figures by name."""
    started = time.monotonic()
    counts: Counter[str] = Counter()
    wrong: dict[str, list[int]] = {}
    for number, (of_block, violations) in enumerate(_blocks(first, schedules, processes, stop=stop), 1):
        counts += of_block
        for message, seed in violations:
            wrong.setdefault(message, []).append(seed)
        if sys.stderr.isatty():
            seen = min(number * _BLOCK, schedules)
            sys.stderr.write(f"\r{seen:,} of {schedules:,}, {sum(map(len, wrong.values()))} wrong")
        if wrong and stop:
            break
    return {
        "schedules": counts["schedules"] + sum(map(len, wrong.values())),
        "schedules_wrong": sum(map(len, wrong.values())),
        "wrong": {message: {"count": len(seeds), "first_seed": seeds[0]} for message, seeds in wrong.items()},
        "seconds": round(time.monotonic() - started, 1),
        "counts": dict(sorted(counts.items())),
    }


def _blocks(
    first: int, schedules: int, processes: int, *, stop: bool
) -> Iterator[tuple[Counter[str], list[tuple[str, int]]]]:
    starts = range(first, first + schedules, _BLOCK)
    blocks = [range(start, min(start + _BLOCK, first + schedules)) for start in starts]
    run = partial(_block, stop=stop)
    if processes == 1:
        yield from map(run, blocks)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(run, blocks)


def _block(seeds: range, *, stop: bool) -> tuple[Counter[str], list[tuple[str, int]]]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    counts: Counter[str] = Counter()
    violations: list[tuple[str, int]] = []
    for seed in seeds:
        try:
            counts += Schedule(seed).run()
        except ViolationError as exc:
            violations.append((str(exc), seed))
        except Exception as exc:  # noqa: BLE001 - whatever it is, this schedule ended wrong
            violations.append((repr(exc)[:120], seed))
        if stop and violations:
            break
    return counts, violations


if __name__ == "__main__":
    main()
