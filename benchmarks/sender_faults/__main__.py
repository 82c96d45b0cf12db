"""`python -m benchmarks.sender_faults --json FILE [--quick] [--chart FILE.svg]`."""

import argparse
import json
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks import sender_faults
from benchmarks.sender_charts import outage_chart, stops_chart
from benchmarks.sender_faults.common import Fault
from benchmarks.sender_faults.plan import (
    OUTAGES_SECONDS,
    QUICK_OUTAGE_SECONDS,
    Measurement,
    Phase,
    full_plan,
    quick_plan,
)
from benchmarks.sender_peers.environment import peers_python
from benchmarks.sender_peers.senders import PEERS, SENDERS

# A quick run ends within a minute, this much of it kept for the end.
QUICK_SECONDS: Final = 54.0


def main() -> None:
    parser = argparse.ArgumentParser(description=sender_faults.__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument(
        "--chart", type=Path, help="where to write a chart of an outage (SVG); another goes to *-stops.svg"
    )
    arguments = parser.parse_args()
    quick: bool = arguments.quick
    run = _Run(QUICK_SECONDS if quick else None)
    if quick:
        ours, theirs = quick_plan()
        run.phase(ours)
        try:
            peers_python()
        except (subprocess.CalledProcessError, OSError) as exc:
            for measurement in theirs.measurements:
                run.leave_out(measurement, f"the peers could not be installed: {exc}")
        else:
            run.phase(theirs)
    else:
        peers_python()
        for phase in full_plan():
            run.phase(phase)
    result = {"quick": quick, "seconds": run.elapsed(), "faults": run.faults(), "left_out": run.left_out}
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.chart:
        chart: Path = arguments.chart
        outage_chart(run.faults(), f"outage_{QUICK_OUTAGE_SECONDS if quick else OUTAGES_SECONDS[0]}s", chart)
        stops_chart(run.faults(), chart.with_stem(chart.stem + "-stops"))


class _Run:
    """Measures, prints and keeps what was found.

    Args:
        seconds_max: What would end after this many seconds is left out, and named; None for no bound.
    """

    def __init__(self, seconds_max: float | None) -> None:
        self.left_out: list[dict[str, str]] = []
        self._seconds_max = seconds_max
        self._began = time.monotonic()
        self._found: dict[str, dict[str, Fault]] = {}
        self._lock = threading.Lock()

    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def faults(self) -> dict[str, dict[str, Fault]]:
        """What was found, senders in their usual order."""
        return {name: self._found[name] for name in SENDERS if name in self._found}

    def leave_out(self, measurement: Measurement, why: str) -> None:
        """Name what is not measured."""
        with self._lock:
            self.left_out.append({"sender": measurement.sender, "fault": measurement.fault, "why": why})

    def phase(self, phase: Phase) -> None:
        """Measure all of a phase."""
        with ThreadPoolExecutor(max_workers=phase.side_by_side) as pool:
            for done in [pool.submit(self._measure, measurement) for measurement in phase.measurements]:
                done.result()

    def _measure(self, measurement: Measurement) -> None:
        name, fault = measurement.sender, measurement.fault
        if self._seconds_max is not None and self.elapsed() + measurement.seconds > self._seconds_max:
            self.leave_out(measurement, "a quick run ends within a minute")
            return
        try:
            found = measurement.measure()
        except (RuntimeError, subprocess.TimeoutExpired) as exc:
            # What a peer cannot do is a result; what ours cannot do is an error.
            if name not in PEERS:
                raise
            found = {"note": f"could not be measured: {exc}"}
        with self._lock:
            self._found.setdefault(name, {})[fault] = found
            told = " ".join(f"{key}={_short(value)}" for key, value in found.items())
            print(f"{self.elapsed():4.0f} s {name:34} {fault:26} {told}", flush=True)


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
