"""A lane: the quotes of some symbols, in order, and the one Kinesis record of theirs that is not yet resolved."""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from stockstream.outbox import Record


class LaneState(Enum):
    """Where a lane is in its round."""

    IDLE = auto()  # nothing to send
    WAITING = auto()  # less than a full aggregate, and waiting for more until `due_at`
    READY = auto()  # in the ready queue
    IN_FLIGHT = auto()  # its record is in a request
    HELD = auto()  # its record failed or its shard is at its limit: not before `due_at`


@dataclass(slots=True, eq=False)
class KinesisRecord:
    """One aggregate of one lane, kept as it is until Kinesis has it.

    Attributes:
        lane: Where it belongs.
        data: The KPL aggregate.
        count: User records inside.
        user_bytes: Their data bytes, without keys and format.
        attempts: Calls that carried it.
        built_at: Monotonic seconds.
        alone: Send it in a request of its own: Kinesis found fault with the request that carried it.
    """

    lane: "Lane"
    data: bytes
    count: int
    user_bytes: int
    built_at: float
    attempts: int = 0
    alone: bool = False


class Lane:
    """State of one lane; `scheduler` moves it.

    Attributes:
        index: Its number, from 0.
        hash_key: Explicit hash key of its records, decimal.
        partition_key: Partition key of its Kinesis records. The same for all of them: Lambda's parallelization factor
            deals records to workers by this key, and a symbol whose aggregates carried several would lose its order.
        shard_id: Shard that holds the hash key, as ListShards or the last answer said.
        pending: Accepted records that are in no aggregate yet.
        append: Puts one at their end.
        record: The one unresolved Kinesis record.
        resolved: User records resolved since the lane began.
        due_at: When WAITING or HELD ends, monotonic seconds.
    """

    __slots__ = (
        "append",
        "due_at",
        "hash_key",
        "index",
        "marks",
        "partition_key",
        "pending",
        "record",
        "resolved",
        "shard_id",
        "state",
    )

    def __init__(self, index: int, hash_key: str) -> None:
        self.index = index
        self.hash_key = hash_key
        self.partition_key = f"lane-{index}"
        self.shard_id = ""
        self.pending: deque[Record] = deque()
        self.append = self.pending.append
        self.record: KinesisRecord | None = None
        self.resolved = 0
        self.state = LaneState.IDLE
        self.due_at = 0.0
        # (accepted user records at that moment, the moment): how old the oldest unresolved record is.
        self.marks: deque[tuple[int, float]] = deque()

    @property
    def depth(self) -> int:
        """User records accepted and not resolved, as far as memory holds them."""
        return len(self.pending) + (self.record.count if self.record is not None else 0)

    def resolve(self, count: int) -> None:
        """Note that the next `count` records need not be sent again."""
        self.resolved += count

    def mark(self, at: float) -> None:
        """Note that what was accepted up to now arrived at `at` or after."""
        accepted = self.resolved + self.depth
        if accepted > (self.marks[-1][0] if self.marks else self.resolved):
            self.marks.append((accepted, at))

    def oldest_at(self) -> float | None:
        """When the oldest unresolved record was accepted, to the resolution of the marks."""
        while self.marks and self.marks[0][0] <= self.resolved:
            self.marks.popleft()
        return self.marks[0][1] if self.marks else None
