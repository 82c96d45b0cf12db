"""An outage: 200 quotes a second are offered, and for a while every connection is reset at its first byte.

Whose CPU it is: the process of a sender also holds its caller, whose clock wakes it ten times a second and makes the
quotes. So beside every sender runs a control, "caller alone", which offers the same quotes at the same rate over the
same seconds to a `send` that drops them. For ours and for every peer alike:

- `process_cpu_seconds`: what the sender's whole process used during the outage;
- `caller_cpu_seconds`: what the control's used in the same interval, for as many calls of `send` as this sender's
  caller came to make (a caller that is held in `send` has no clock running);
- `cpu_seconds`: the first less the second, never below 0.

The control wakes up from idleness for each tick, so it may charge the caller a little more than the tick costs in a
process that is awake anyway. Compare `process_cpu_seconds` where that matters.
"""

import time
from typing import Any, Final

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_faults.common import Fault, cpu_seconds_of, fault_of, outbox
from benchmarks.sender_peers import runner
from benchmarks.sender_peers.senders import CONTROL

RATE: Final = 200
SYMBOLS: Final = 100
# The outage begins this long after the flow, and the flow goes on as long after it.
BEFORE_SECONDS, AFTER_SECONDS = 5.0, 15.0
SHORT_BEFORE_SECONDS, SHORT_AFTER_SECONDS = 2.0, 5.0
SHORT_MAX_SECONDS: Final = 10


def outage(name: str, seconds: float, *, finish_seconds: float = 60.0) -> Fault:
    """Measure one sender in one outage.

    Args:
        name: Of the sender, as in `SENDERS`.
        seconds: How long the endpoint is away.
        finish_seconds: How long the sender may go on sending what it holds when the flow has ended.
    """
    short = seconds <= SHORT_MAX_SECONDS
    before = SHORT_BEFORE_SECONDS if short else BEFORE_SECONDS
    total = before + seconds + (SHORT_AFTER_SECONDS if short else AFTER_SECONDS)
    job: dict[str, Any] = {"rate": RATE, "seconds": total, "symbols": SYMBOLS, "finish_seconds": finish_seconds}
    with NullKinesis() as kinesis, outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.005)
        job |= {"url": kinesis.url, "outbox_dir": outbox_dir}
        # The control starts second: it starts quickly, and its flow must not end before the outage does.
        with runner.started({**job, "sender": name}) as sender, runner.started({**job, "sender": CONTROL}) as control:
            time.sleep(before)
            kinesis.set_faults(outage=True)
            began, calls_before = time.monotonic(), kinesis.count()["calls"]
            cpu_before, control_before = cpu_seconds_of(sender.pid), cpu_seconds_of(control.pid)
            time.sleep(seconds)
            process_cpu = cpu_seconds_of(sender.pid) - cpu_before
            control_cpu = cpu_seconds_of(control.pid) - control_before
            ended, calls = time.monotonic(), kinesis.count()["calls"] - calls_before
            kinesis.set_faults(outage=False)
            ran, alone = runner.result_of(sender), runner.result_of(control)
        report = kinesis.report(ran["made"])
    ticks, control_ticks = (sum(began <= at < ended for at in result["sent_at"]) for result in (ran, alone))
    caller_cpu = control_cpu * ticks / control_ticks
    found = fault_of(
        report,
        stall=ran["stall_seconds"],
        calls_per_second=calls / (ended - began),
        cpu=max(0.0, process_cpu - caller_cpu),
    )
    return {**found, "process_cpu_seconds": process_cpu, "caller_cpu_seconds": caller_cpu}
