"""From what waits in a lane to the one Kinesis record that carries it."""

from typing import Final

from stockstream.outbox import RecordBatch
from stockstream.sender.config import SenderConfig
from stockstream.sender.lane import KinesisRecord, Lane
from stockstream_wire import Aggregator, record_size_bytes

# A lane is behind when it holds this many aggregates, and this many times what the mean lane holds.
BEHIND_AGGREGATES: Final = 16
BEHIND_FACTOR: Final = 4
# What user records are taken to weigh until some have come.
ASSUMED_RECORD_BYTES: Final = 300.0


class RecordBuilder:
    """Builds the records of all lanes.

    Args:
        config: Aggregation and its limits.
    """

    def __init__(self, config: SenderConfig) -> None:
        self._config = config
        self._max_bytes = config.aggregate_max_bytes
        self._mean_record_bytes = ASSUMED_RECORD_BYTES
        self._aggregators: dict[int, Aggregator] = {}

    @property
    def full_count(self) -> float:
        """Records that fill an aggregate, as far as their mean size tells."""
        return self._max_bytes / self._mean_record_bytes if self._config.aggregation else 1

    def note_sizes(self, batch: RecordBatch) -> None:
        """Learn from a batch what records weigh."""
        self._mean_record_bytes += (batch.size_bytes / len(batch) - self._mean_record_bytes) / 8

    def expected_bytes(self, lane: Lane) -> float:
        """What the lane's next record weighs, as far as the mean tells."""
        if lane.record is not None:
            return len(lane.record.data)
        return min(len(lane.pending) * self._mean_record_bytes, self._max_bytes)

    def build(self, lane: Lane, now: float, mean_lane_bytes: float) -> KinesisRecord:
        """Take as much from the front of the lane as one Kinesis record should carry.

        Args:
            lane: Has something waiting, and no unresolved record.
            now: Monotonic seconds.
            mean_lane_bytes: What a lane holds on average; one that holds far more is behind.
        """
        if not self._config.aggregation:
            _, data = lane.pending.popleft()
            lane.record = KinesisRecord(lane, data, 1, len(data), now)
            return lane.record
        aggregator = self._aggregator_for(lane, mean_lane_bytes)
        filled = aggregator.fill(lane.pending)
        if not filled:
            # One record above a payload unit, and within the stream's limit: it travels alone.
            key, data = lane.pending.popleft()
            aggregator = Aggregator(record_size_bytes(key, data, lane.hash_key), lane.hash_key)
            aggregator.add(key, data)
            filled = 1
        user_bytes = aggregator.data_bytes
        lane.record = KinesisRecord(lane, aggregator.finish(), filled, user_bytes, now)
        return lane.record

    def _aggregator_for(self, lane: Lane, mean_lane_bytes: float) -> Aggregator:
        """The lane's aggregator; a larger one where the lane has fallen far behind the others.

        One record in flight is what order takes, so a lane is as fast as its records are large. Where one symbol is
        much busier than the rest, its lane carries several payload units in a record: the same price, fewer calls.
        """
        backlog_bytes = len(lane.pending) * self._mean_record_bytes
        if backlog_bytes > max(BEHIND_AGGREGATES * self._max_bytes, BEHIND_FACTOR * mean_lane_bytes):
            units = min(self._config.backlog_units, int(backlog_bytes / self._max_bytes))
            limit = min(units * self._max_bytes, self._config.record_max_bytes)
            return Aggregator(limit - len(lane.partition_key), lane.hash_key)
        aggregator = self._aggregators.get(lane.index)
        if aggregator is None:
            limit = self._max_bytes - len(lane.partition_key)
            aggregator = self._aggregators[lane.index] = Aggregator(limit, lane.hash_key)
        return aggregator
