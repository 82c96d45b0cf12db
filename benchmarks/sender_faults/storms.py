"""Full flow, Zipf-distributed symbols, and a share of something going wrong all the time."""

from typing import Any, Final

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_faults.common import SLOW_PEER, Fault, fault_of_run
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.senders import PEERS

STORMS: Final[dict[str, dict[str, Any]]] = {
    "throttled_5_percent": {"throttled_entries": 0.05, "latency_seconds": 0.02},
    "errors_500_5_percent": {"errors_500": 0.05, "latency_seconds": 0.005},
    "resets_5_percent": {"resets": 0.05, "latency_seconds": 0.005},
    "stored_then_lost_5_percent": {"stored_then_lost": 0.05, "latency_seconds": 0.005},
}
OUR_QUOTES, OUR_QUICK_QUOTES = 300_000, 30_000
PEER_QUOTES, PEER_QUICK_QUOTES = 20_000, 5_000
# A quote a call, or five thousand a CPU-second.
SLOW_QUOTES, SLOW_QUICK_QUOTES = 1_000, 100


def storm(name: str, fault: str, *, quick: bool, finish_seconds: float = 60.0) -> Fault:
    """Measure one sender in one storm.

    Args:
        name: Of the sender, as in `SENDERS`.
        fault: Key of `STORMS`.
        quick: Whether to send fewer quotes.
        finish_seconds: How long the sender may go on sending what it holds when the last quote was given.
    """
    if name not in PEERS:
        quotes = OUR_QUICK_QUOTES if quick else OUR_QUOTES
    elif name in {SLOW_PEER, "aiokpl"}:
        quotes = SLOW_QUICK_QUOTES if quick else SLOW_QUOTES
    else:
        quotes = PEER_QUICK_QUOTES if quick else PEER_QUOTES
    with NullKinesis() as kinesis:
        kinesis.set_faults(shuffle=True, **STORMS[fault])
        job = {"sender": name, "url": kinesis.url, "quotes": quotes, "zipf": True, "finish_seconds": finish_seconds}
        ran = runner.run(job)
        report = kinesis.report(ran["made"])
    found = fault_of_run(report, ran, report["calls"])
    return {**found, "quotes": quotes, "records_per_cpu_second": quotes / ran["cpu_seconds"]}
