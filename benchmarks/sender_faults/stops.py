"""The sender's process is ended in full flow: by kill -9, which nobody can catch, and by SIGTERM.

A quote counts as accepted when the call of `send` that took it had returned and the process could say so; of what a
caller was still waiting for, nothing is asked. Whoever waits for Kinesis inside `send` therefore loses nothing here,
and stalls its caller instead (`stall_seconds`, and the outage).
"""

import json
import random
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_faults.common import SLOW_PEER, Fault, fault_of, outbox
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.senders import OURS

KILL_SYMBOLS = 50
SIGTERM_SYMBOLS = 1000
SIGTERM_BATCH = 200
_WAITS = "waits for Kinesis inside send: what was accepted had been answered, and the caller was held meanwhile"
NOTES: Final = {
    SLOW_PEER: _WAITS,
    "boto3 put_records": _WAITS,
    "async-kinesis KPL": "it sends every half second, and what is in its queue is lost",
    "kinesis-producer": "its queue has no bound and what is in it is lost; the caller stops at 20,000 quotes in it",
}
# What a process had written to its sockets when it ended is the endpoint's to read.
_SETTLE_SECONDS = 0.2


@dataclass(slots=True)
class _Told:
    """What a process had said when it ended."""

    accepted: int = 0
    cpu_seconds: float = 0.0
    stall_seconds: float = 0.0
    ended_by_signal: bool = False
    # Between the signal and the end.
    ending_seconds: float = 0.0


def kill_9(name: str, kills: int, *, throttled_entries: float = 0.0) -> Fault:
    """Kill -9 at random points; start again where the caller had stopped, on the same outbox; at last drain.

    A batch in hand at a kill is given again, so what had been stored of it arrives twice.

    Args:
        name: Of the sender, as in `SENDERS`.
        kills: How often.
        throttled_entries: Share of the entries that is refused meanwhile.
    """
    rng = random.Random(11)
    told: list[_Told] = []
    batches = 0
    with NullKinesis() as kinesis, outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.002, throttled_entries=throttled_entries)
        job = {"sender": name, "url": kinesis.url, "outbox_dir": outbox_dir, "symbols": KILL_SYMBOLS}
        flow = {**job, "batch": KILL_SYMBOLS, "quotes": 10**9, "tell": True, "pause": 0.002, "at_once": True}
        began = time.monotonic()
        for _ in range(kills):
            # A batch holds one quote of each symbol: a symbol's next sequence number is the number of batches accepted.
            with runner.started({**flow, "first": batches}) as sender:
                told.append(_until_its_end(sender, signal.SIGKILL, rng.uniform(0.0, 0.8)))
            batches += told[-1].accepted // KILL_SYMBOLS
        with runner.started({**job, "quotes": 0}) as sender:
            ran = runner.result_of(sender)
        seconds = time.monotonic() - began
        report = kinesis.report(_in_turn(batches * KILL_SYMBOLS, KILL_SYMBOLS))
    found = fault_of(
        report,
        stall=max(process.stall_seconds for process in told),
        calls_per_second=report["calls"] / seconds,
        cpu=ran["cpu_seconds"] + sum(process.cpu_seconds for process in told),
    )
    found |= {"kills": kills, "accepted": batches * KILL_SYMBOLS}
    return {**found, "note": NOTES[name]} if name in NOTES else found


def sigterm(name: str, times: int) -> Fault:
    """SIGTERM in full flow, and no start after it: what is not sent by then counts as lost. The worst of several times.

    Ours does what the service does: stop accepting, drain, end. A peer is left as its library ships: none of them
    handles the signal, and no handler of ours is put in its place.
    """
    rng = random.Random(12)
    worst: Fault = {}
    for _ in range(times):
        found = _sigterm(name, rng.uniform(0.3, 1.0))
        worst = {key: max(value, worst.get(key, 0)) for key, value in found.items()}
    worst |= {"times": times}
    return {**worst, "note": NOTES[name]} if name in NOTES else worst


def _sigterm(name: str, after_seconds: float) -> Fault:
    with NullKinesis() as kinesis, outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.02)
        job = {
            "sender": name,
            "url": kinesis.url,
            "outbox_dir": outbox_dir,
            "quotes": 10**9,
            "symbols": SIGTERM_SYMBOLS,
        }
        # One call for each quote: a batch of more would not be accepted before the signal.
        job |= {"tell": True, "sigterm": name in OURS, "batch": 1 if name == SLOW_PEER else SIGTERM_BATCH}
        # A caller that never gives way would starve whoever sends in the background.
        job |= {"pause": 0}
        began = time.monotonic()
        with runner.started(job) as sender:
            told = _until_its_end(sender, signal.SIGTERM, after_seconds)
        seconds = time.monotonic() - began
        report = kinesis.report(_in_turn(told.accepted, SIGTERM_SYMBOLS))
    found = fault_of(report, stall=told.stall_seconds, calls_per_second=report["calls"] / seconds, cpu=told.cpu_seconds)
    return {
        **found,
        "accepted": told.accepted,
        "drain_seconds": told.ending_seconds,
        "ended_by_signal": told.ended_by_signal,
    }


def _until_its_end(sender: subprocess.Popen[str], number: signal.Signals, after_seconds: float) -> _Told:
    """Send the signal in a while, and read what the process says until it has ended."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        sender.send_signal(number)

    told = _Told()
    timer = threading.Timer(after_seconds, ask)
    timer.start()
    assert sender.stdout is not None
    for line in sender.stdout:
        # The last line may be cut in two by the end of its process: then it was not said.
        if line.endswith("\n"):
            said: dict[str, Any] = json.loads(line)
            told.accepted = said.get("accepted", told.accepted)
            told.cpu_seconds, told.stall_seconds = said["cpu_seconds"], said["stall_seconds"]
    code = sender.wait()
    timer.join()
    if code not in (0, -number):
        raise RuntimeError(f"a sender ended with code {code} after {number.name}")
    told.ended_by_signal = code == -number
    told.ending_seconds = time.monotonic() - asked[0]
    time.sleep(_SETTLE_SECONDS)
    return told


def _in_turn(quotes: int, symbols: int) -> dict[str, int]:
    """Count the quotes of each symbol when they were made in turn."""
    return {f"S{i:04d}": quotes // symbols + (i < quotes % symbols) for i in range(symbols)}
