"""User records per CPU-second of our sender and of the senders that a Python user could pick instead.

`python -m benchmarks.sender --json FILE [--quick]`. All against the null Kinesis of this project, on 64 shards, with
300-byte quotes of 1,000 symbols; in the same run, interleaved, medians. CPU is that of the sender's own process,
without the making of the quotes. Three scenarios: clean; 20 ms with Zipf's symbols; that and 5% of entries throttled.
"""

import argparse
import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_charts import rate_chart
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import peers_python
from benchmarks.sender_peers.senders import OURS, PEERS

ROUNDS, QUICK_ROUNDS = 5, 1
# At 20 ms a call, one quote a call.
THROTTLED_QUOTES_MAX = {"boto3 put_record": 500, "aiokpl": 4_000}
# Enough for a second or so of each, so that starting up does not count.
QUOTES = {"boto3 put_record": 2_000, "aiokpl": 8_000, "async-kinesis": 20_000}
QUICK_QUOTES = {"boto3 put_record": 300, "aiokpl": 1_000, "async-kinesis": 5_000}
OUR_QUOTES, OUR_QUICK_QUOTES = 400_000, 150_000
PEER_QUOTES, PEER_QUICK_QUOTES = 100_000, 30_000
SCENARIOS: dict[str, dict[str, Any]] = {
    "clean": {"faults": {"latency_seconds": 0.0, "throttled_entries": 0.0}, "zipf": False},
    "latency": {"faults": {"latency_seconds": 0.02, "throttled_entries": 0.0}, "zipf": True},
    "throttled": {"faults": {"latency_seconds": 0.02, "throttled_entries": 0.05}, "zipf": True},
}
_CHECKED = ("lost", "duplicated", "out_of_order", "dropped_by_kcl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="one round of small runs, under a minute")
    parser.add_argument("--chart", type=Path, help="where to write a chart (SVG)")
    parser.add_argument("--only", help="names of senders that contain this")
    arguments = parser.parse_args()
    began = time.monotonic()
    peers_python()
    senders = [name for name in (*OURS, *PEERS) if not arguments.only or arguments.only in name]
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with NullKinesis() as kinesis:
        for round_number in range(QUICK_ROUNDS if arguments.quick else ROUNDS):
            for scenario in SCENARIOS:
                for name in senders:
                    if (
                        scenario != "clean"
                        and name not in OURS[:2]
                        and (arguments.quick or round_number or scenario == "latency")
                    ):
                        # Ours against our own clean rate is what these ask; the peers' once is enough.
                        continue
                    run = _measure(kinesis, name, scenario, quick=arguments.quick)
                    runs.setdefault((scenario, name), []).append(run)
                    print(
                        f"{round_number + 1} {scenario:9} {name:34} {run['records_per_cpu_second']:>10,.0f}", flush=True
                    )
        units = _payload_units(kinesis, quotes=300_000 if arguments.quick else 1_000_000)
    result = _summarise(runs, units, arguments.quick, time.monotonic() - began)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.chart:
        rate_chart(result, arguments.chart)
    print(_table(result))


def _measure(kinesis: NullKinesis, name: str, scenario: str, *, quick: bool) -> dict[str, Any]:
    special = QUICK_QUOTES if quick else QUOTES
    if name in OURS:
        quotes = OUR_QUICK_QUOTES if quick else OUR_QUOTES
    else:
        quotes = special.get(name, PEER_QUICK_QUOTES if quick else PEER_QUOTES)
    if scenario == "throttled":
        quotes = min(quotes, THROTTLED_QUOTES_MAX.get(name, quotes))
    kinesis.reset(64)
    kinesis.set_faults(**SCENARIOS[scenario]["faults"])
    ran = runner.run({"sender": name, "url": kinesis.url, "quotes": quotes, "zipf": SCENARIOS[scenario]["zipf"]})
    report = kinesis.report(ran["made"])
    return {
        "quotes": quotes,
        "cpu_seconds": ran["cpu_seconds"],
        "records_per_cpu_second": quotes / ran["cpu_seconds"],
        "records_per_second": quotes / ran["seconds"],
        **{field: report[field] for field in (*_CHECKED, "calls", "kinesis_records", "payload_units")},
    }


def _payload_units(kinesis: NullKinesis, *, quotes: int) -> dict[str, Any]:
    """PUT payload units for a million quotes at full flow."""
    kinesis.reset(64)
    kinesis.set_faults(latency_seconds=0.0, throttled_entries=0.0)
    ran = runner.run({"sender": "stockstream", "url": kinesis.url, "quotes": quotes})
    report = kinesis.report(ran["made"])
    return {
        "quotes": quotes,
        "payload_units": report["payload_units"],
        "per_million_quotes": report["payload_units"] * 1_000_000 / quotes,
        "lost": report["lost"],
    }


def _summarise(
    runs: dict[tuple[str, str], list[dict[str, Any]]], units: dict[str, Any], quick: bool, seconds: float
) -> dict[str, Any]:
    scenarios: dict[str, Any] = {}
    for (scenario, name), of_sender in runs.items():
        summary = {
            field: statistics.median(run[field] for run in of_sender)
            for field in (
                "records_per_cpu_second",
                "records_per_second",
                "cpu_seconds",
                "quotes",
                "calls",
                "payload_units",
            )
        }
        # A single loss is a loss: the worst round counts.
        summary |= {field: max(run[field] for run in of_sender) for field in _CHECKED}
        scenarios.setdefault(scenario, {})[name] = summary
    clean = scenarios["clean"]
    rates = {name: found["records_per_cpu_second"] for name, found in clean.items()}
    peers = {name: rate for name, rate in rates.items() if name in PEERS}
    best = max(peers, key=lambda name: peers[name], default="")
    ours = rates.get("stockstream", 0.0)
    on_disk = rates.get("stockstream, outbox on disk", 0.0)
    throttled = scenarios.get("throttled", {}).get("stockstream", {}).get("records_per_cpu_second", 0.0)
    latency = scenarios.get("latency", {}).get("stockstream", {}).get("records_per_cpu_second", 0.0)
    return {
        "quick": quick,
        "seconds": seconds,
        "python": platform.python_version(),
        "rounds": max(len(of_sender) for of_sender in runs.values()),
        "records_per_cpu_second": rates,
        "best_peer": best,
        "ratio_to_best_peer": ours / peers[best] if best else None,
        "ratio_outbox_to_memory": on_disk / ours if ours else None,
        "ratio_throttled_to_clean": throttled / ours if ours else None,
        "ratio_throttled_to_same_latency": throttled / latency if latency else None,
        "payload_units": units,
        "scenarios": scenarios,
    }


def _table(result: dict[str, Any]) -> str:
    lines = [
        "",
        "| Sender | clean | 5% throttled, 20 ms, Zipf | lost | out of order | dropped by KCL |",
        "|---|---|---|---|---|---|",
    ]
    throttled = result["scenarios"].get("throttled", {})
    for name, found in result["scenarios"]["clean"].items():
        other = throttled.get(name)
        worst = [
            max(found[field], other[field] if other else 0) for field in ("lost", "out_of_order", "dropped_by_kcl")
        ]
        rate = f"{other['records_per_cpu_second']:,.0f}" if other else "–"
        lines.append(
            f"| {name} | {found['records_per_cpu_second']:,.0f} | {rate} | "
            + " | ".join(f"{w:,}" for w in worst)
            + " |"
        )
    if result["best_peer"]:
        lines.append(f"\n{result['ratio_to_best_peer']:.2f} times the best peer ({result['best_peer']})")
    lines.append(f"outbox on disk: {result['ratio_outbox_to_memory']:.0%} of memory only")
    lines.append(
        f"5% throttled: {result['ratio_throttled_to_clean']:.0%} of clean, "
        f"{result['ratio_throttled_to_same_latency']:.0%} of the same latency and symbols without throttles"
    )
    lines.append(f"PUT payload units for a million quotes: {result['payload_units']['per_million_quotes']:,.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
