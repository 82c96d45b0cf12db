"""The sender's numbers, as a snapshot."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from stockstream.sender.breaker import BreakerState

RECENT_CALLS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderStats:
    """Numbers since the sender began, unless said otherwise.

    Attributes:
        accepted: Records that `send` took.
        rejected: Records refused by name: too large, or with a key that Kinesis does not take.
        sent: Records that Kinesis has acknowledged, those replayed from an earlier run included.
        unsent: Records accepted, in this run or before, that Kinesis has not acknowledged yet.
        replayed: Records of earlier runs that waited in the outbox at start.
        lost: Records of earlier runs that had not been sent and were found gone: damage to the outbox's files.
        dropped: Records given up at the outbox's bound under `drop_oldest`.
        kinesis_records: Aggregates acknowledged.
        payload_units: PUT payload units of 25 KB that they cost.
        calls: PutRecords calls.
        failed_calls: Calls that failed as a whole.
        retried: Kinesis records sent again.
        throttled: Kinesis records, or calls, refused for throughput.
        outbox_bytes: Bytes accepted and not yet acknowledged: on disk where the outbox is there, else in memory.
        outbox_age_seconds: Age of the oldest unacknowledged record; 0 where there is none.
        outbox_waiting: Whether `send` waits for room: the outbox is at its bound, or the disk is full.
        lane_depth: Records in the deepest lane.
        lanes: Number of lanes.
        shards: Open shards, as far as known.
        put_latency_ms: Mean of the recent calls that were answered.
        breaker_state: closed, open or probing.
        blocked_by: AWS's code of the failure that only a person can cure; empty where there is none.
    """

    accepted: int
    rejected: int
    sent: int
    unsent: int
    replayed: int
    lost: int
    dropped: int
    kinesis_records: int
    payload_units: int
    calls: int
    failed_calls: int
    retried: int
    throttled: int
    outbox_bytes: int
    outbox_age_seconds: float
    outbox_waiting: bool
    lane_depth: int
    lanes: int
    shards: int
    put_latency_ms: float
    breaker_state: BreakerState
    blocked_by: str

    @property
    def is_kinesis_away(self) -> bool:
        """Whether Kinesis does not answer, so that what is accepted waits."""
        return self.breaker_state != "closed"


class Counters:
    """What is counted as it happens."""

    def __init__(self) -> None:
        self.accepted = 0
        self.rejected = 0
        self.sent = 0
        self.replayed = 0
        self.lost = 0
        self.dropped = 0
        self.kinesis_records = 0
        self.payload_units = 0
        self.calls = 0
        self.failed_calls = 0
        self.retried = 0
        self.throttled = 0
        self.latencies_ms: deque[float] = deque(maxlen=RECENT_CALLS)

    @property
    def put_latency_ms(self) -> float:
        """Mean latency of the recent calls."""
        return sum(self.latencies_ms) / len(self.latencies_ms) if self.latencies_ms else 0.0
