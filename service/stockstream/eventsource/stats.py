"""What the live view and the logs show of the runner: plain numbers, copied at each look."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class ShardStats:
    """Counters of one shard since the start; ages and lags in milliseconds.

    Attributes:
        records_read: Records that GetRecords returned.
        records_succeeded: Records that the function is done with.
        records_discarded: Records that went to the on-failure destination, or nowhere where there is none.
        invocations: Batches handed to the function, retries included.
        invocation_failures: Those that failed, whole or in part.
        millis_behind_latest: What the last GetRecords said.
        iterator_age_ms: Age of the last record of the last finished batch (CloudWatch's IteratorAge).
        buffered_records: Read and not resolved.
        in_flight: Invocations and deliveries under way.
        read_errors: Reads that failed, throttles included.
        destination_failures: Deliveries to the on-failure destination that failed and are tried again.
        checkpoint: Sequence number up to which everything is resolved.
        last_error: The last thing that went wrong, for a person.
        is_finished: The shard is closed and read to its end.
    """

    records_read: int = 0
    records_succeeded: int = 0
    records_discarded: int = 0
    invocations: int = 0
    invocation_failures: int = 0
    millis_behind_latest: int = 0
    iterator_age_ms: int = 0
    buffered_records: int = 0
    in_flight: int = 0
    read_errors: int = 0
    destination_failures: int = 0
    checkpoint: str | None = None
    last_error: str | None = None
    is_finished: bool = False


@dataclass(frozen=True, slots=True)
class EventSourceStats:
    """A snapshot of all shards; the totals are sums, the ages maxima."""

    shards: dict[str, ShardStats] = field(default_factory=dict)

    @property
    def records_read(self) -> int:
        return sum(shard.records_read for shard in self.shards.values())

    @property
    def records_succeeded(self) -> int:
        return sum(shard.records_succeeded for shard in self.shards.values())

    @property
    def records_discarded(self) -> int:
        return sum(shard.records_discarded for shard in self.shards.values())

    @property
    def invocations(self) -> int:
        return sum(shard.invocations for shard in self.shards.values())

    @property
    def invocation_failures(self) -> int:
        return sum(shard.invocation_failures for shard in self.shards.values())

    @property
    def buffered_records(self) -> int:
        return sum(shard.buffered_records for shard in self.shards.values())

    @property
    def millis_behind_latest(self) -> int:
        return max((shard.millis_behind_latest for shard in self.shards.values()), default=0)

    @property
    def iterator_age_ms(self) -> int:
        return max((shard.iterator_age_ms for shard in self.shards.values()), default=0)
