"""User records per CPU-second of our sender and of the senders that a Python user could pick instead.

`python -m benchmarks.sender --json FILE [--quick]`. All against the null Kinesis of this project, on 64 shards, with
300-byte quotes of 1,000 symbols; in the same run, interleaved, medians. CPU is that of the sender's own process,
without the making of the quotes. Three scenarios: clean; 20 ms with Zipf's symbols; that and 5% of entries throttled.

`--quick` is one round of short runs, some two minutes; the whole takes as many rounds of longer ones as a quarter of an
hour has room for, five at most.

A machine's speed changes from minute to minute, so a ratio is taken within a round, between runs that follow each
other, and the median is that of the rounds' ratios. The first and the last second of a run are not its steady flow: the
short runs of `--quick` show the ratio of the throttled flow lower than it is.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import sender_rows
from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_charts import rate_chart
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import peers_python
from benchmarks.sender_peers.senders import OURS, PEERS, SECOND_SETTINGS
from benchmarks.sender_rows import Rows

ROUNDS_MAX: Final = 5
# No round begins that would end later than this, by the time that the one before it took.
ROUNDS_SECONDS_MAX: Final = 15 * 60
MEMORY, ON_DISK = OURS[:2]
# At 20 ms a call, one quote a call.
THROTTLED_QUOTES_MAX = {"boto3 put_record": 300, "aiokpl": 2_000}
# Enough for a second or so of each, so that starting up does not count.
QUOTES = {"boto3 put_record": 1_000, "aiokpl": 4_000, "async-kinesis": 20_000}
QUICK_QUOTES = {"boto3 put_record": 200, "aiokpl": 600, "async-kinesis": 4_000}
OUR_QUOTES, OUR_QUICK_QUOTES = 600_000, 120_000
PEER_QUOTES, PEER_QUICK_QUOTES = 100_000, 25_000
# Other settings of ours, and the slower ones of peers that are measured at two.
LEFT_OUT_OF_QUICK = frozenset({*OURS[3:], *(name.partition(",")[0] for name in SECOND_SETTINGS)})
SCENARIOS: dict[str, dict[str, Any]] = {
    "clean": {"faults": {"latency_seconds": 0.0, "throttled_entries": 0.0}, "zipf": False},
    "latency": {"faults": {"latency_seconds": 0.02, "throttled_entries": 0.0}, "zipf": True},
    "throttled": {"faults": {"latency_seconds": 0.02, "throttled_entries": 0.05}, "zipf": True},
}
_CHECKED = ("lost", "duplicated", "out_of_order", "dropped_by_kcl")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True, help="where to write the results")
    parser.add_argument("--quick", action="store_true", help="one round of short runs, some two minutes")
    parser.add_argument("--chart", type=Path, help="where to write a chart (SVG)")
    parser.add_argument(
        "--only", help="senders and rows by (a part of) their name; `floors` for the rows that miss their aims"
    )
    arguments = parser.parse_args()
    began = time.monotonic()
    peers_python()

    def say(scenario: str, name: str, rate: float) -> None:
        print(f"{time.monotonic() - began:5.0f} s  {scenario:9} {name:34} {rate:>10,.0f}", flush=True)

    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with NullKinesis(tls=True) as kinesis:
        rows = Rows(kinesis, quick=arguments.quick)
        for round_number in _rounds(began, quick=arguments.quick):
            for scenario, name in _plan(round_number, quick=arguments.quick):
                if arguments.only and arguments.only not in name:
                    continue
                run = _measure(kinesis, name, scenario, quick=arguments.quick)
                runs.setdefault((scenario, name), []).append(run)
                say(scenario, name, run["records_per_cpu_second"])
            for name, rate in rows.round(arguments.only or ""):
                say("row", name, rate)
        more = rows.short_summary() if arguments.only else rows.summary(rows.thin_units())
    result = {**_summarise(runs, arguments.quick, time.monotonic() - began), **more}
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.chart:
        rate_chart(result, arguments.chart)
    print(_table(result))
    if not arguments.only:
        print(sender_rows.table(result))
    if result["floors"]:
        print(sender_rows.floor_table(result["floors"]))


def _rounds(began: float, *, quick: bool) -> Iterator[int]:
    """Numbers of the rounds to make."""
    longest = 0.0
    for number in range(1 if quick else ROUNDS_MAX):
        round_began = time.monotonic()
        if round_began + longest > began + ROUNDS_SECONDS_MAX:
            return
        yield number
        longest = max(longest, time.monotonic() - round_began)


def _plan(round_number: int, *, quick: bool) -> Iterator[tuple[str, str]]:
    """The runs of one round. What is compared with what follows it at once; peers meet throttles once."""
    yield "clean", MEMORY
    yield "clean", ON_DISK
    yield "throttled", MEMORY
    yield "latency", MEMORY
    if not quick:
        yield "throttled", ON_DISK
    for name in (*OURS, *PEERS, *SECOND_SETTINGS):
        if name not in {MEMORY, ON_DISK} and not (quick and name in LEFT_OUT_OF_QUICK):
            yield "clean", name
    if not quick and not round_number:
        for name in PEERS:
            yield "throttled", name


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


def _summarise(runs: dict[tuple[str, str], list[dict[str, Any]]], quick: bool, seconds: float) -> dict[str, Any]:
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
    clean = scenarios.get("clean", {})
    rates = {name: found["records_per_cpu_second"] for name, found in clean.items()}
    peers = {name: rate for name, rate in rates.items() if name in {*PEERS, *SECOND_SETTINGS}}
    best = max(peers, key=lambda name: peers[name], default="")
    ours = rates.get("stockstream", 0.0)
    return {
        "quick": quick,
        "seconds": seconds,
        "python": platform.python_version(),
        "rounds": max((len(of_sender) for of_sender in runs.values()), default=0),
        "records_per_cpu_second": rates,
        "best_peer": best,
        "ratio_to_best_peer": ours / peers[best] if best and ours else None,
        "ratio_outbox_to_memory": _ratio(runs, ("clean", ON_DISK), ("clean", MEMORY)),
        "ratio_throttled_to_clean": _ratio(runs, ("throttled", MEMORY), ("clean", MEMORY)),
        "ratio_throttled_to_same_latency": _ratio(runs, ("throttled", MEMORY), ("latency", MEMORY)),
        "payload_units": _payload_units(clean.get(MEMORY)),
        "scenarios": scenarios,
    }


def _payload_units(ours: dict[str, Any] | None) -> dict[str, Any] | None:
    """PUT payload units for a million quotes at full flow."""
    if ours is None:
        return None
    units, quotes = ours["payload_units"], ours["quotes"]
    return {
        "quotes": quotes,
        "payload_units": units,
        "per_million_quotes": units * 1_000_000 / quotes,
        "lost": ours["lost"],
    }


def _ratio(
    runs: dict[tuple[str, str], list[dict[str, Any]]], one: tuple[str, str], other: tuple[str, str]
) -> float | None:
    """Median over the rounds of the ratio of two rates measured in the same round; None where one was not measured."""
    pairs = list(zip(runs.get(one, []), runs.get(other, []), strict=False))
    if not pairs:
        return None
    return float(statistics.median(a["records_per_cpu_second"] / b["records_per_cpu_second"] for a, b in pairs))


def _table(result: dict[str, Any]) -> str:
    lines = [
        "",
        "| Sender | clean | 5% throttled, 20 ms, Zipf | lost | out of order | dropped by KCL |",
        "|---|---|---|---|---|---|",
    ]
    throttled = result["scenarios"].get("throttled", {})
    for name, found in result["scenarios"].get("clean", {}).items():
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
    if result["ratio_to_best_peer"]:
        lines.append(f"\n{result['ratio_to_best_peer']:.2f} times the best peer ({result['best_peer']})")
    for key, words in (
        ("ratio_outbox_to_memory", "outbox on disk, of memory only"),
        ("ratio_throttled_to_clean", "5% throttled at 20 ms, of clean"),
        ("ratio_throttled_to_same_latency", "5% throttled, of the same latency and symbols without throttles"),
    ):
        if result[key] is not None:
            lines.append(f"{words}: {result[key]:.0%}")
    if result["payload_units"] is not None:
        lines.append(f"PUT payload units for a million quotes: {result['payload_units']['per_million_quotes']:,.0f}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
