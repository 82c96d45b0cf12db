"""What each sender makes of faults: what is lost, doubled or out of order, how long its caller waits, what it costs.

`python -m benchmarks.sender_faults --json FILE [--quick]`. Against the null Kinesis (entries stored in random order, as
Kinesis may), and against moto for the reshard. `--quick` shortens outages and kills, and leaves the peers out.
"""

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_charts import outage_chart
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import ROOT, peers_python
from benchmarks.sender_peers.senders import PEERS
from benchmarks.sender_reshard import reshard_under_flow

OURS_ON_DISK = "stockstream, outbox on disk"
# moto does not speak CBOR.
LAPTOP = "stockstream, JSON, outbox on disk"
RATE = 200
# The outage begins this long after the flow, and the flow goes on as long after it.
BEFORE_SECONDS, AFTER_SECONDS = 5.0, 15.0
Fault = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    parser.add_argument("--chart", type=Path, help="where to write a chart of the 40 s outage (SVG)")
    arguments = parser.parse_args()
    quick = arguments.quick
    began = time.monotonic()
    if not quick:
        peers_python()
    faults: dict[str, dict[str, Fault]] = {}
    lock = threading.Lock()

    def run(name: str, fault: str, measure: Callable[[], Fault]) -> None:
        found = measure()
        with lock:
            faults.setdefault(name, {})[fault] = found
            print(
                f"{name:34} {fault:18} " + " ".join(f"{key}={_short(value)}" for key, value in found.items()),
                flush=True,
            )

    quotes = 30_000 if quick else 300_000
    storms: dict[str, Fault] = {
        "throttled_5_percent": {"throttled_entries": 0.05, "latency_seconds": 0.02},
        "errors_500_5_percent": {"errors_500": 0.05, "latency_seconds": 0.005},
        "resets_5_percent": {"resets": 0.05, "latency_seconds": 0.005},
        "stored_then_lost_5_percent": {"stored_then_lost": 0.05, "latency_seconds": 0.005},
    }
    stormy = [
        (name, fault, _storm_of(name, settings, _storm_quotes(name, quotes)))
        for fault, settings in storms.items()
        for name in ((OURS_ON_DISK,) if quick else ("stockstream", OURS_ON_DISK, *PEERS))
    ]
    # Those that mostly wait run side by side; their CPU is counted for each process by itself.
    with ThreadPoolExecutor(max_workers=16) as side_by_side:
        waiting = [
            side_by_side.submit(run, OURS_ON_DISK, "kill_9", lambda: _kills(5 if quick else 50)),
            side_by_side.submit(run, OURS_ON_DISK, "sigterm", lambda: _sigterm(1 if quick else 5)),
            side_by_side.submit(run, OURS_ON_DISK, "reshard_2_4_3", _reshard),
            side_by_side.submit(run, LAPTOP, "reshard_2_4_3_moto", lambda: reshard_under_flow(LAPTOP)),
        ]
        for seconds in (8,) if quick else (40, 170):
            names = (OURS_ON_DISK, "stockstream") if quick or seconds > 40 else (OURS_ON_DISK, "stockstream", *PEERS)
            waiting += [
                side_by_side.submit(run, name, f"outage_{seconds}s", _outage_of(name, seconds)) for name in names
            ]
        if quick:
            waiting += [side_by_side.submit(run, *storm) for storm in stormy]
        for done in waiting:
            done.result()
    if not quick:
        for storm in stormy:
            run(*storm)
    result = {"quick": quick, "seconds": time.monotonic() - began, "faults": faults}
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.chart:
        outage_chart(faults, "outage_8s" if quick else "outage_40s", arguments.chart)


def _outage_of(name: str, seconds: float) -> Callable[[], Fault]:
    return lambda: _outage(name, seconds)


def _storm_of(name: str, settings: Fault, quotes: int) -> Callable[[], Fault]:
    return lambda: _storm(name, settings, quotes)


def _outage(name: str, seconds: float) -> Fault:
    """200 quotes a second, every connection reset for a while."""
    total = BEFORE_SECONDS + seconds + AFTER_SECONDS if seconds > 10 else 2 + seconds + 5
    before = BEFORE_SECONDS if seconds > 10 else 2.0
    with NullKinesis() as kinesis, _outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.005)
        job = {"sender": name, "url": kinesis.url, "rate": RATE, "seconds": total, "outbox_dir": outbox_dir}
        sender = runner.start({**job, "finish_seconds": 60, "symbols": 100})
        time.sleep(before)
        cpu_before = _cpu_seconds(sender.pid)
        kinesis.set_faults(outage=True)
        outage_began = time.monotonic()
        calls_before = kinesis.count()["calls"]
        time.sleep(seconds)
        calls = kinesis.count()["calls"] - calls_before
        elapsed = time.monotonic() - outage_began
        cpu = _cpu_seconds(sender.pid) - cpu_before
        kinesis.set_faults(outage=False)
        ran = runner.result_of(sender)
        report = kinesis.report(ran["made"])
    # The making of the quotes is not the sender's.
    cpu -= ran["workload_cpu_seconds"] * seconds / total
    return _fault(report, stall=ran["stall_seconds"], calls_per_second=calls / elapsed, cpu=cpu)


def _storm(name: str, settings: Fault, quotes: int) -> Fault:
    """Full flow, Zipf-distributed symbols, a share of something going wrong all the time."""
    with NullKinesis() as kinesis:
        kinesis.set_faults(shuffle=True, **settings)
        job = {"sender": name, "url": kinesis.url, "quotes": quotes, "zipf": True, "finish_seconds": 60}
        ran = runner.run(job)
        report = kinesis.report(ran["made"])
    found = _fault(report, stall=0.0, calls_per_second=report["calls"] / ran["seconds"], cpu=ran["cpu_seconds"])
    return {**found, "records_per_cpu_second": quotes / ran["cpu_seconds"]}


def _kills(kills: int) -> Fault:
    """Kill -9 at random points in full flow, start again on the same outbox, at last drain."""
    rng = random.Random(11)
    with NullKinesis() as kinesis, _outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.002, throttled_entries=0.02)
        job = {"sender": OURS_ON_DISK, "url": kinesis.url, "outbox_dir": outbox_dir, "symbols": 50, "batch": 50}
        accepted = 0
        for _ in range(kills):
            # A batch holds one quote of each symbol, so what a symbol has been given is the number of batches accepted.
            sender = runner.start(
                {**job, "quotes": 10**9, "first": accepted, "tell": True, "pause": 0.002, "at_once": True}
            )
            killer = threading.Timer(rng.uniform(0.0, 0.8), sender.send_signal, (signal.SIGKILL,))
            killer.start()
            assert sender.stdout is not None
            for line in sender.stdout:
                if line.endswith("\n"):
                    accepted = json.loads(line)["accepted"]
            sender.wait()
            killer.join()
            sender.stdout.close()
        ran = runner.result_of(runner.start({**job, "quotes": 0}))
        expected = {f"S{i:04d}": accepted for i in range(50)}
        report = kinesis.report(expected)
    found = _fault(report, stall=0.0, calls_per_second=0.0, cpu=ran["cpu_seconds"])
    return {**found, "kills": kills, "accepted": accepted * 50}


def _sigterm(times: int) -> Fault:
    """SIGTERM in full flow: stop accepting, drain, end."""
    rng = random.Random(12)
    worst: Fault = {}
    for _ in range(times):
        with NullKinesis() as kinesis, _outbox() as outbox_dir:
            kinesis.set_faults(shuffle=True, latency_seconds=0.02)
            job = {"sender": OURS_ON_DISK, "url": kinesis.url, "outbox_dir": outbox_dir, "quotes": 10**9}
            sender = runner.start({**job, "sigterm": True, "batch": 200})
            time.sleep(rng.uniform(0.3, 1.0))
            sender.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            ran = runner.result_of(sender)
            drained = time.monotonic() - asked
            report = kinesis.report(ran["made"])
        found = _fault(report, stall=0.0, calls_per_second=0.0, cpu=ran["cpu_seconds"])
        found["drain_seconds"] = drained
        worst = {key: max(value, worst.get(key, 0)) for key, value in found.items()}
    return worst


def _reshard() -> Fault:
    """2 → 4 → 3 shards under a steady flow; every record must lie inside the shard that took it."""
    with NullKinesis(shards=2) as kinesis, _outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.01)
        job = {"sender": OURS_ON_DISK, "url": kinesis.url, "outbox_dir": outbox_dir, "rate": 2000, "seconds": 9}
        sender = runner.start(job)
        for shards in (4, 3):
            time.sleep(3)
            kinesis.reshard(shards)
        ran = runner.result_of(sender)
        report = kinesis.report(ran["made"])
    found = _fault(report, stall=ran["stall_seconds"], calls_per_second=report["calls"] / 9, cpu=ran["cpu_seconds"])
    return {**found, "shards_used": report["shards_used"]}


def _storm_quotes(name: str, quotes: int) -> int:
    if name not in PEERS:
        return quotes
    return 1_000 if name in {"boto3 put_record", "aiokpl"} else 20_000


def _fault(report: dict[str, Any], *, stall: float, calls_per_second: float, cpu: float) -> Fault:
    return {
        "lost": report["lost"],
        "duplicated": report["duplicated"],
        "out_of_order": report["out_of_order"],
        "dropped_by_kcl": report["dropped_by_kcl"],
        "stall_seconds": stall,
        "calls_per_second": calls_per_second,
        "cpu_seconds": cpu,
    }


def _cpu_seconds(pid: int) -> float:
    """CPU of a running process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _outbox() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks")


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
