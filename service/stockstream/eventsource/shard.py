"""The state of one shard: lanes by partition key, and the checkpoint that follows what all of them have resolved.

Pure: no I/O, no clock. `tests/eventsource/test_shard_state.py` drives it with scripted records.
"""

import zlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from stockstream.eventsource.config import EventSourceConfig
from stockstream.eventsource.lane import Action, Lane
from stockstream.eventsource.records import StreamRecord
from stockstream.eventsource.response import Outcome

# What is read ahead of the function: enough to fill every lane twice, bounded so that a stuck lane costs no memory.
_BUFFER_BATCHES: Final = 2
_BUFFER_MAX_BYTES: Final = 32 * 1024 * 1024


class ShardState:
    """Records of one shard between GetRecords and the checkpoint."""

    def __init__(self, config: EventSourceConfig, random: Callable[[], float]) -> None:
        self._lanes = [Lane(number, config, random) for number in range(config.parallelization_factor)]
        self._unresolved: deque[str] = deque()
        self._resolved: set[str] = set()
        self._buffered_bytes = 0
        self._max_records = _BUFFER_BATCHES * config.batch_size * config.parallelization_factor
        self._has_ended = False
        self.checkpoint: str | None = None
        self.last_read: str | None = None

    @property
    def buffered_records(self) -> int:
        """Records read and not resolved."""
        return len(self._unresolved) - len(self._resolved)

    @property
    def has_room(self) -> bool:
        return self.buffered_records < self._max_records and self._buffered_bytes < _BUFFER_MAX_BYTES

    @property
    def is_idle(self) -> bool:
        """Whether every record read is resolved."""
        return not self._unresolved

    @property
    def in_flight(self) -> int:
        return sum(lane.is_busy for lane in self._lanes)

    def offer(self, records: Iterable[StreamRecord], now_seconds: float) -> None:
        """Take in records in the order of the shard."""
        for record in records:
            self._unresolved.append(record.sequence_number)
            self._buffered_bytes += record.size_bytes
            self._lanes[self._lane_of(record)].offer(record, now_seconds)
            self.last_read = record.sequence_number

    def end(self) -> None:
        """The shard is closed and read to its end."""
        self._has_ended = True

    def due(self, now_seconds: float, epoch_seconds: float) -> list[Action]:
        """All actions that can start now; each lane is busy until its action is finished."""
        actions = (lane.due(now_seconds, epoch_seconds, flush=self._has_ended) for lane in self._lanes)
        return [action for action in actions if action is not None]

    def wake_at_seconds(self) -> float | None:
        """Monotonic time at which `due` may say something new without any other call, or None."""
        times = [time for lane in self._lanes if (time := lane.wake_at_seconds()) is not None]
        return min(times, default=None)

    def finish(self, lane: int, outcome: Outcome, now_seconds: float) -> int:
        """Take in how an invocation ended; returns how many records are done by it."""
        return self._resolve(self._lanes[lane].finish(outcome, now_seconds))

    def discarded(self, lane: int) -> int:
        """Take in that a discarded batch is delivered; returns how many records it held."""
        return self._resolve(self._lanes[lane].discarded())

    def _resolve(self, records: tuple[StreamRecord, ...]) -> int:
        for record in records:
            self._resolved.add(record.sequence_number)
            self._buffered_bytes -= record.size_bytes
        # The checkpoint moves over the resolved head only: a lane that is ahead must not move it past one behind.
        while self._unresolved and self._unresolved[0] in self._resolved:
            self.checkpoint = self._unresolved.popleft()
            self._resolved.remove(self.checkpoint)
        return len(records)

    def _lane_of(self, record: StreamRecord) -> int:
        if len(self._lanes) == 1:
            return 0
        # crc32 and not hash(): the same on every start, and cheap.
        return zlib.crc32(record.partition_key.encode()) % len(self._lanes)
