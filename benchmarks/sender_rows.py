"""The rows of `benchmarks.sender` beside the one flow that all peers share: sizes of batches, shapes of flows, other
languages' producers, and what a thin flow costs.

Each row of ours is a job of the driver. Of small batches what the caller itself costs (its loop, its tasks, its clock)
is not counted: the driver measures it with a sender that does nothing. Amazon's KPL speaks TLS only, so ours does
beside it; Go's SDK does not.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.environment import ROOT
from benchmarks.sender_peers.senders import FLOOR, OURS, STREAM
from benchmarks.sender_peers.toolchains import absence, go_peer, kpl_peer

MEMORY, ON_DISK = OURS[:2]
# Quotes of a quick round; a full round has five times as many.
_QUOTES: Final = {
    "memory 1": 15_000,
    "memory 10": 50_000,
    "memory 100": 100_000,
    "memory 1000": 120_000,
    "disk 1": 300,
    "disk 10": 6_000,
    "disk 100": 40_000,
    "disk 1000": 100_000,
    "disk, 100 callers 1": 30_000,
    "disk, 10 callers 10": 40_000,
    "mixed lengths": 120_000,
    "10,000 symbols": 120_000,
    "TLS": 120_000,
    "mixed_tls": 120_000,
}
_MIXED: Final = {"mixed": True}
_MANY: Final = {"symbols": 10_000}
_TLS: Final = {"tls": True}
_SHAPES: Final[dict[str, dict[str, Any]]] = {
    "mixed lengths": _MIXED,
    "10,000 symbols": _MANY,
    "TLS": _TLS,
    "mixed_tls": {**_MIXED, **_MANY, **_TLS},
}
_BATCHES: Final = (1, 10, 100, 1000)
# Records per CPU-second that are asked of these; each is measured beside what the unavoidable part of it allows.
# `--only floors` measures these rows alone.
AIMS: Final = {"disk 10": 100_000, "disk, 100 callers 1": 100_000, "mixed_tls": 600_000}
# A slower disk has its commits in a thread, as in the sender.
_FAST_SYNC_US: Final = 2_000
# KPL's RecordMaxBufferedTime: as it comes, and longer, which fills its aggregates.
KPL: Final = {"KPL": 100, "KPL, buffered 1 s": 1000}
GO: Final = "aws-sdk-go-v2"
_KPL_QUOTES, _GO_QUOTES = 10_000, 50_000
# The JVM is slow until it has compiled; that is not the KPL's price.
_KPL_WARM_UP: Final = 20_000
_THIN_PER_SECOND: Final = 200
_CHECKED: Final = ("lost", "out_of_order", "dropped_by_kcl")
_COUNTED: Final = ("calls", "kinesis_records")
# A sync of so many bytes is what a batch of ten costs the disk.
_SYNC_BYTES, _SYNCS = 3_200, 100

Runs = dict[str, list[dict[str, Any]]]


class Rows:
    """Measures the rows, round by round.

    Args:
        kinesis: Listens over TLS too.
        quick: Whether rounds are small.
    """

    def __init__(self, kinesis: NullKinesis, *, quick: bool) -> None:
        self._kinesis = kinesis
        self._factor = 1 if quick else 5
        self._quick = quick
        self.runs: Runs = {}
        self._floors: dict[str, list[float]] = {}
        self._syncs: list[dict[str, float]] = []
        self.absent = {"kpl": absence(kpl_peer), "go": absence(go_peer)}

    def round(self, only: str = "") -> Iterator[tuple[str, float]]:
        """Measure every row once that is wanted; yields its name and its rate."""
        self._kinesis.set_faults(latency_seconds=0.0, throttled_entries=0.0)
        self._syncs.append(_measure_sync())
        for name, quotes in _QUOTES.items():
            if not _is_wanted(name, only):
                continue
            yield name, self._note(name, quotes * self._factor, partial(self._run_ours, _job(name)))
            if name in AIMS:
                yield f"{FLOOR} of {name}", self._note_floor(name, quotes * self._factor)
            if name == "memory 1000" and not only and self.absent["go"] is None:
                yield GO, self._note(GO, _GO_QUOTES * self._factor, self._run_go)
            if name == "TLS" and not only and self.absent["kpl"] is None:
                for kpl, buffered_ms in list(KPL.items())[: 1 if self._quick else None]:
                    run = self._run_kpl(buffered_ms)
                    yield kpl, self._note(kpl, _KPL_QUOTES * self._factor, run)

    def rates(self) -> dict[str, float]:
        """Medians of the rows that were measured."""
        return {
            name: statistics.median(run["records_per_cpu_second"] for run in runs) for name, runs in self.runs.items()
        }

    def short_summary(self) -> dict[str, Any]:
        """The same of a run of some rows."""
        measured = {"rows": self.rates(), "floors": self.floors()}
        return {**measured, "sync": self.sync(), "load_average": os.getloadavg()}

    def summary(self, units: dict[str, Any]) -> dict[str, Any]:
        """The fields of the benchmark's result."""
        rates = self.rates()
        by_batch: dict[str, dict[str, float]] = {}
        for name, rate in rates.items():
            where, _, batch = name.rpartition(" ")
            if batch.isdigit():
                by_batch.setdefault(where, {})[batch] = rate
        return {
            "by_batch": by_batch,
            "by_flow": {name: rates[name] for name in _SHAPES},
            "mixed_tls": rates["mixed_tls"],
            "other_languages": {name: rate for name, rate in rates.items() if name in {*KPL, GO}},
            "absent": self.absent,
            "ratio_to_kpl": self._ratio("TLS", tuple(KPL)),
            "ratio_to_go": self._ratio("memory 1000", (GO,)),
            "units_per_quote_thin": units,
            "floors": self.floors(),
            "sync": self.sync(),
            "rows": {name: {"records_per_cpu_second": rates[name], **_worst(runs)} for name, runs in self.runs.items()},
            "load_average": os.getloadavg(),
        }

    def thin_units(self) -> dict[str, Any]:
        """PUT payload units for a quote of a thin flow, by the number of shards, ours and KPL's."""
        seconds = 5 if self._quick else 10
        quotes = _THIN_PER_SECOND * seconds
        units: dict[str, Any] = {}
        for shards in (4,) if self._quick else (1, 4, 64):
            ours = {"sender": MEMORY, "rate": _THIN_PER_SECOND, "seconds": seconds}
            found = {"stockstream": self._units(shards, quotes, partial(self._run_ours, ours)), "KPL": None}
            if self.absent["kpl"] is None:
                found["KPL"] = self._units(shards, quotes, self._run_kpl(100, _THIN_PER_SECOND, 0))
            units[str(shards)] = found
        return units

    def _units(self, shards: int, quotes: int, run: Callable[[int], dict[str, Any]]) -> float:
        self._kinesis.reset(shards)
        report = self._kinesis.report(run(quotes)["made"])
        return float(report["payload_units"]) / quotes

    def _note(self, name: str, quotes: int, run: Callable[[int], dict[str, Any]]) -> float:
        self._kinesis.reset(64)
        ran = run(quotes)
        report = self._kinesis.report(ran["made"])
        rate = quotes / (ran["cpu_seconds"] - ran.get("caller_cpu_seconds", 0.0))
        found = {"quotes": quotes, "records_per_cpu_second": rate, "records_per_second": quotes / ran["seconds"]}
        self.runs.setdefault(name, []).append({**found, **{field: report[field] for field in (*_CHECKED, *_COUNTED)}})
        return float(rate)

    def _note_floor(self, name: str, quotes: int) -> float:
        """What the unavoidable part of the run of ours that was just made allows."""
        ours, job = self.runs[name][-1], _job(name)
        settings = {
            "quotes_per_record": quotes / ours["kinesis_records"],
            "records_per_call": ours["kinesis_records"] / ours["calls"],
            "on_disk": job["sender"] == ON_DISK,
            "in_thread": job["sender"] == ON_DISK and self._syncs[-1]["wall_us"] > _FAST_SYNC_US,
        }
        self._kinesis.reset(64)
        ran = self._run_ours({**job, "sender": FLOOR, "settings": settings}, quotes)
        rate = quotes / (ran["cpu_seconds"] - ran["caller_cpu_seconds"])
        self._floors.setdefault(name, []).append(rate)
        return float(rate)

    def floors(self) -> dict[str, dict[str, float]]:
        """For every aim: what the floor allows, how much of it is asked, and how much of it is reached."""
        found = {}
        for name, floors in self._floors.items():
            ours = [run["records_per_cpu_second"] for run in self.runs[name]]
            found[name] = {
                "aim": AIMS[name],
                "floor": statistics.median(floors),
                "ours": statistics.median(ours),
                "aim_to_floor": statistics.median(AIMS[name] / floor for floor in floors),
                "ours_to_floor": statistics.median(one / floor for one, floor in zip(ours, floors, strict=True)),
                "quotes_per_kinesis_record": statistics.median(
                    run["quotes"] / run["kinesis_records"] for run in self.runs[name]
                ),
            }
        return found

    def sync(self) -> dict[str, float]:
        """What a bare write and sync took, median."""
        return {key: statistics.median(one[key] for one in self._syncs) for key in self._syncs[0]}

    def _run_ours(self, job: dict[str, Any], quotes: int) -> dict[str, Any]:
        kinesis = self._kinesis
        where = {"url": kinesis.tls_url, "ca_file": kinesis.ca_file} if job.get("tls") else {"url": kinesis.url}
        return runner.run({**job, **where, "quotes": quotes})

    def _run_go(self, quotes: int) -> dict[str, Any]:
        job = {"url": self._kinesis.url, "quotes": quotes, "stream": STREAM}
        return runner.result_of(runner.start_command([*go_peer(), json.dumps(job)]))

    def _run_kpl(self, buffered_ms: int, rate: int = 0, warm_up: int = _KPL_WARM_UP) -> Callable[[int], dict[str, Any]]:
        def run(quotes: int) -> dict[str, Any]:
            numbers = (quotes, warm_up, buffered_ms, rate)
            command = [*kpl_peer(), self._kinesis.tls_url, STREAM, *map(str, numbers)]
            return runner.result_of(runner.start_command(command))

        return run

    def _ratio(self, ours: str, peers: tuple[str, ...]) -> float | None:
        """Median over the rounds of the ratio to the best of a peer's settings; None where it is absent."""
        found = [self.runs[peer] for peer in peers if peer in self.runs]
        if not found:
            return None
        best = [max(run["records_per_cpu_second"] for run in of_round) for of_round in zip(*found, strict=True)]
        pairs = zip(self.runs[ours], best, strict=True)
        return float(statistics.median(run["records_per_cpu_second"] / peer for run, peer in pairs))


def table(result: dict[str, Any]) -> str:
    """The rows as Markdown."""
    lines = ["", "| Records per CPU-second | " + " | ".join(map(str, _BATCHES)) + " |", "|---" * 5 + "|"]
    for where, rates in result["by_batch"].items():
        cells = [f"{rates[str(batch)]:,.0f}" if str(batch) in rates else "–" for batch in _BATCHES]
        lines.append(f"| {where}, batches of | " + " | ".join(cells) + " |")
    lines += ["", "| Flow, batches of 1,000 in memory | records per CPU-second |", "|---|---|"]
    lines += [f"| {name} | {rate:,.0f} |" for name, rate in {**result["by_flow"], **result["other_languages"]}.items()]
    for name in ("kpl", "go"):
        ratio = result[f"ratio_to_{name}"]
        lines.append(f"\nto {name}: " + (f"{ratio:.2f}" if ratio is not None else f"absent, {result['absent'][name]}"))
    lines += ["", "| Shards | PUT units a quote at 200/s | KPL |", "|---|---|---|"]
    for shards, units in result["units_per_quote_thin"].items():
        kpl = "–" if units["KPL"] is None else f"{units['KPL']:.3f}"
        lines.append(f"| {shards} | {units['stockstream']:.3f} | {kpl} |")
    sync, load = result["sync"], result["load_average"]
    lines.append(f"\na bare write and sync: {sync['cpu_us']:.0f} µs of CPU, {sync['wall_us']:.0f} µs; load {load}")
    return "\n".join(lines)


def floor_table(floors: dict[str, dict[str, float]]) -> str:
    """The floors as Markdown."""
    lines = [
        "",
        "| Row | aim | ours | floor | aim / floor | ours / floor | quotes a Kinesis record |",
        "|---" * 7 + "|",
    ]
    for name, found in floors.items():
        rates = " | ".join(f"{found[key]:,.0f}" for key in ("aim", "ours", "floor"))
        shares = (
            f"{found['aim_to_floor']:.2f} | {found['ours_to_floor']:.2f} | {found['quotes_per_kinesis_record']:.1f}"
        )
        lines.append(f"| {name} | {rates} | {shares} |")
    return "\n".join(lines)


def _is_wanted(name: str, only: str) -> bool:
    """Whether a row is meant by `--only`: by its whole name, by a part of it, or as one of those with a floor."""
    if only == "floors":
        return name in AIMS
    return name == only if only in _QUOTES else only in name


def _job(name: str) -> dict[str, Any]:
    if name in _SHAPES:
        return {"sender": MEMORY, **_SHAPES[name]}
    where, _, batch = name.rpartition(" ")
    job: dict[str, Any] = {"sender": MEMORY if where == "memory" else ON_DISK, "batch": int(batch)}
    if "callers" in where:
        job["callers"] = int(where.split()[1])
    return job | ({"stock": True} if int(batch) < 1000 else {})


def _worst(runs: list[dict[str, Any]]) -> dict[str, int]:
    return {field: max(run[field] for run in runs) for field in _CHECKED}


def _measure_sync() -> dict[str, float]:
    """What the kernel takes for one write and one sync of a small batch: no sender can be faster than one of each."""
    data = b"x" * _SYNC_BYTES
    with tempfile.NamedTemporaryFile(dir=ROOT / "benchmarks", buffering=0) as file:
        cpu, wall = time.thread_time(), time.monotonic()
        for _ in range(_SYNCS):
            file.write(data)
            os.fdatasync(file.fileno())
        return {
            "cpu_us": (time.thread_time() - cpu) / _SYNCS * 1e6,
            "wall_us": (time.monotonic() - wall) / _SYNCS * 1e6,
        }
