"""A reshard under flow, 2 → 4 → 3 shards, against the null Kinesis, which stores in the new shards at once.

Every record must lie inside the shard that took it: `dropped_by_kcl` counts what readers would throw away.
"""

import time
from typing import Final

from benchmarks.null_kinesis import NullKinesis
from benchmarks.sender_faults.common import SLOW_PEER, SLOW_PEER_RATE, Fault, fault_of_run, outbox
from benchmarks.sender_peers import runner

# What two shards take of unaggregated records, less what makes senders with a limiter of their own wait for it.
RATE: Final = 1000
SYMBOLS: Final = 100
SHARDS: Final = (2, 4, 3)
NOTES: Final = {
    SLOW_PEER: f"offered {SLOW_PEER_RATE} quotes a second: it sends one at a time, each for a call's latency",
    "kinesis-producer": "partition keys are random and quotes are joined by newlines: not KPL, and no order to keep",
    "async-kinesis KPL": "its aggregation takes no partition keys: readers drop its aggregates before any reshard too",
    "aws_kinesis_agg": "an aggregate goes by its first quote's key: readers drop most of them before any reshard too",
}
_NOTES: Final = {
    **NOTES,
    "aiokpl": "aiokpl 0.2 does not list the shards again for an answer from a shard that it does not know: "
    "it sends those records again and again, here for as long as it is given to finish",
}


def reshard(name: str, *, seconds_each: float = 3.0, finish_seconds: float = 20.0) -> Fault:
    """Measure one sender through both reshards.

    Args:
        name: Of the sender, as in `SENDERS`.
        seconds_each: How long each number of shards lasts.
        finish_seconds: How long the sender may go on sending what it holds when the flow has ended.
    """
    rate = SLOW_PEER_RATE if name == SLOW_PEER else RATE
    with NullKinesis(shards=SHARDS[0]) as kinesis, outbox() as outbox_dir:
        kinesis.set_faults(shuffle=True, latency_seconds=0.01)
        job = {"sender": name, "url": kinesis.url, "outbox_dir": outbox_dir, "symbols": SYMBOLS}
        job |= {"finish_seconds": finish_seconds}
        with runner.started({**job, "rate": rate, "seconds": len(SHARDS) * seconds_each}) as sender:
            for shards in SHARDS[1:]:
                time.sleep(seconds_each)
                kinesis.reshard(shards)
            ran = runner.result_of(sender)
        report = kinesis.report(ran["made"])
    found = fault_of_run(report, ran, report["calls"])
    found |= {"quotes": sum(ran["made"].values()), "shards_used": report["shards_used"]}
    return {**found, "note": _NOTES[name]} if name in _NOTES else found
