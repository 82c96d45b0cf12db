"""`python -m benchmarks.scale [--rate N] [--quick] [--json FILE]`: which setting holds at a rate, and what it takes."""

import argparse
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Final

import structlog

from benchmarks.scale.calibration import calibrate
from benchmarks.scale.simulation import CORE_MB, Outcome, Setting, simulate

WRITE_UNITS_A_QUOTE: Final = 1.14
# Of the log, as Terraform takes them.
PARTITIONS_MAX: Final = 1024


def settings_for(rate: float) -> list[Setting]:
    """Settings worth a look: too few partitions, as many as lanes, more; short and long windows; a slice of a core."""
    # A shard takes 1 MB a second: about 3,000 quotes of 310 bytes, filled to nine tenths.
    shards = max(1, -(-int(rate) // 2700))
    shards = 1 << (shards - 1).bit_length()
    found = [
        Setting(
            rate=rate,
            shards=shards,
            factor=factor,
            window_seconds=window,
            partitions=min(PARTITIONS_MAX, max(4, partitions)),
            memory_mb=memory,
        )
        for factor, window, partitions, memory in (
            (1, 1.0, 4, CORE_MB),
            (1, 1.0, shards // 8, CORE_MB),
            (1, 1.0, shards // 2, CORE_MB),
            (1, 1.0, shards, CORE_MB),
            (1, 5.0, shards, CORE_MB),
            (1, 1.0, shards, 512),
            (4, 1.0, 4 * shards, 512),
            (4, 1.0, 4 * shards, CORE_MB),
            (4, 5.0, 4 * shards, CORE_MB),
            (4, 1.0, shards, CORE_MB),
        )
    ]
    return list(dict.fromkeys(found))


def _row(setting: Setting, outcome: Outcome) -> str:
    ages = f"{outcome.age_p50_seconds:.1f} / {outcome.age_p99_seconds:.1f} s" if outcome.is_holding else "grows"
    cells = (
        setting.shards,
        setting.factor,
        f"{setting.window_seconds:g} s",
        setting.partitions,
        f"{setting.memory_mb} MB",
        "yes" if outcome.is_holding else "**no**",
        ages,
        f"{outcome.busy_lanes:.0f}",
        f"{outcome.batch_quotes:,.0f}",
        f"{outcome.puts_a_second:,.0f}, {outcome.conflicts_a_second:.0f}",
    )
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100_000)
    parser.add_argument("--seconds", type=float, default=120, help="simulated")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    cost = calibrate(quick=arguments.quick)
    measured = ", ".join(f"{quotes}: {cpu_seconds * 1000:.0f} ms" for quotes, cpu_seconds in cost.samples)
    print(f"measured: {cost.quote_cpu_seconds * 1e6:.0f} us of CPU a quote ({measured})")
    units = arguments.rate * WRITE_UNITS_A_QUOTE
    print(f"simulated: {arguments.rate:,.0f} quotes a second, {units:,.0f} write units a second\n")
    print("| Shards | Factor | Window | Partitions | Memory | Holds | Age p50 / p99 | At once | Batch | PUTs/s, lost |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for setting in settings_for(arguments.rate):
        outcome = simulate(setting, cost, seconds=arguments.seconds)
        rows.append({"setting": asdict(setting), "outcome": asdict(outcome)})
        print(_row(setting, outcome))
    if arguments.json:
        arguments.json.write_text(json.dumps({"cost": cost._asdict(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
