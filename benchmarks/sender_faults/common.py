"""What the measurements of all faults share."""

import tempfile
import time
from typing import Any, Final

from benchmarks.sender_peers.environment import ROOT

OURS_IN_MEMORY: Final = "stockstream"
OURS_ON_DISK: Final = "stockstream, outbox on disk"
# moto does not speak CBOR.
LAPTOP: Final = "stockstream, JSON, outbox on disk"
# It waits for each quote's answer: at the endpoint's latency it cannot be driven faster, and what is offered above that
# would measure its caller's queue.
SLOW_PEER: Final = "boto3 put_record"
SLOW_PEER_RATE: Final = 50

Fault = dict[str, Any]


def fault_of(report: dict[str, Any], *, stall: float, calls_per_second: float, cpu: float) -> Fault:
    """Put together what every fault says of every sender.

    Args:
        report: The endpoint's; see `benchmarks.null_kinesis.verify.Verdict`.
        stall: Longest time that one call of `send` held its caller, seconds.
        calls_per_second: PutRecord and PutRecords calls that reached the endpoint.
        cpu: Of the sender, seconds.
    """
    return {
        "lost": report["lost"],
        "duplicated": report["duplicated"],
        "out_of_order": report["out_of_order"],
        "dropped_by_kcl": report["dropped_by_kcl"],
        "stall_seconds": stall,
        "calls_per_second": calls_per_second,
        "cpu_seconds": cpu,
    }


def fault_of_run(report: dict[str, Any], ran: dict[str, Any], calls: int) -> Fault:
    """The same of a sender that ran to its end and measured itself.

    Args:
        report: The endpoint's.
        ran: The driver's result.
        calls: That reached the endpoint.
    """
    return fault_of(report, stall=ran["stall_seconds"], calls_per_second=calls / ran["seconds"], cpu=ran["cpu_seconds"])


def cpu_seconds_of(pid: int) -> float:
    """CPU of another process so far, all its threads, dead ones too."""
    # clock_getcpuclockid(3) in arithmetic: nanoseconds, where /proc/PID/stat has hundredths of a second.
    return time.clock_gettime((~pid << 3) | 2)


def outbox() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder for a sender that has an outbox, on the same disk as the checkout."""
    return tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks")
