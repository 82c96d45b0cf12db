"""Which lanes send what, and when: pure decisions, with the time passed in and no I/O."""

import heapq
import math
from collections import deque
from collections.abc import Iterable
from operator import call
from random import Random
from typing import Final

from stockstream.outbox import RecordBatch
from stockstream.sender.backoff import full_jitter_seconds
from stockstream.sender.bucket import ShardBucket
from stockstream.sender.building import RecordBuilder
from stockstream.sender.config import SenderConfig
from stockstream.sender.failures import FailureKind
from stockstream.sender.grid import hash_key_of_lane, lane_of_key
from stockstream.sender.known_keys import KnownKeys
from stockstream.sender.lane import KinesisRecord, Lane, LaneState
from stockstream.sender.limits import request_max_bytes

# Looking a member up in its enum costs more than the rest of the loop that compares it.
_IDLE: Final = LaneState.IDLE
_WAITING: Final = LaneState.WAITING
_READY: Final = LaneState.READY
_IN_FLIGHT: Final = LaneState.IN_FLIGHT
_HELD: Final = LaneState.HELD
# What an entry of the request weighs beside its data: names of the fields, partition key, hash key.
ENTRY_OVERHEAD_BYTES: Final = 160
# Ages are known to this resolution; finer marks would cost time on every record.
MARK_INTERVAL_SECONDS: Final = 1.0
# Held and waiting lanes are released on this grid.
RELEASE_GRID_SECONDS: Final = 0.025
# The flow is measured over this time, to decide how long a lane waits for more.
FLOW_INTERVAL_SECONDS: Final = 0.25
# Records given up of one lane before the next oldest is looked for.
DROP_STEP_RECORDS: Final = 64


class Scheduler:
    """Holds all lanes and deals their records into requests.

    Args:
        config: Limits of aggregates and requests.
        lanes: Number of lanes, a power of two.
        rng: Randomness of the backoff.
    """

    def __init__(self, config: SenderConfig, lanes: int, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._max_bytes = config.aggregate_max_bytes
        self.lanes = [Lane(index, str(hash_key_of_lane(index, lanes))) for index in range(lanes)]
        self._builder = RecordBuilder(config)
        self._lane_of_key = KnownKeys(lambda key: self.lanes[lane_of_key(key, lanes)])
        # One object for each lane, and not for each key: the tables of many keys must fit the processor's cache.
        self._append_of_key = KnownKeys(lambda key: self._lane_of_key[key].append)
        self._ready: deque[Lane] = deque()
        # When the first of the lanes that are ready became so.
        self.ready_since = 0.0
        # When lanes are released, the next moment first, and those of each: many are held until the same one.
        self._moments: list[float] = []
        self._held_until: dict[float, deque[Lane]] = {}
        self._buckets: dict[str, ShardBucket] = {}
        self._next_mark_at = 0.0
        self._period_start = 0.0
        self._flow_bytes = 0
        self._flow_since = 0.0
        self._linger_seconds = config.linger_seconds
        self.pending_bytes = 0
        self.pending_records = 0
        self.flushing = False

    @property
    def idle(self) -> bool:
        """Whether every accepted record is resolved."""
        return self.pending_records == 0

    def enqueue(self, batch: RecordBatch, now: float, accepted_at: float | None = None) -> None:
        """Give records to their lanes, in order.

        Args:
            batch: The records.
            now: Monotonic seconds.
            accepted_at: When they were accepted, where that was not now.
        """
        self._mark_ages(now, accepted_at)
        if now - self._flow_since >= FLOW_INTERVAL_SECONDS:
            self._choose_linger(now)
        lanes = self._deal(batch)
        self.pending_bytes += batch.size_bytes
        self.pending_records += len(batch)
        self._builder.note_sizes(batch)
        self._flow_bytes += batch.size_bytes
        full = 1 if self.flushing else self._builder.full_count
        due, held = 0.0, None
        for lane in lanes:
            state = lane.state
            if (state is _IDLE or state is _WAITING) and lane.pending:
                if len(lane.pending) >= full:
                    self._make_ready(lane, now)
                elif state is _IDLE:
                    if held is None:
                        due = _on_grid(now + self._linger_seconds)
                        held = self._held_at(due)
                    lane.state = _WAITING
                    lane.due_at = due
                    held.append(lane)

    def _deal(self, batch: RecordBatch) -> Iterable[Lane]:
        """Give every record to its lane; returns the lanes that are worth a look."""
        records = batch.records
        if len(records) == 1:
            lane = self._lane_of_key[records[0][0]]
            lane.append(records[0])
            return (lane,)
        keys = batch.keys
        # A loop in C, whose results nobody keeps.
        deque(map(call, map(self._append_of_key.__getitem__, keys), records), maxlen=0)
        is_large = 2 * len(records) > len(self.lanes)
        return self.lanes if is_large else dict.fromkeys(map(self._lane_of_key.__getitem__, keys))

    def advance(self, now: float) -> None:
        """Make the lanes ready whose time has come."""
        moments = self._moments
        while moments and moments[0] <= now:
            due = heapq.heappop(moments)
            for lane in self._held_until.pop(due):
                if _is_held_until(lane, due):
                    self._make_ready(lane, now)

    def next_request(self, now: float, max_records: int | None = None) -> list[KinesisRecord]:
        """Take the ready records of as many lanes as one request should carry; empty where none is ready."""
        self.advance(now)
        request: list[KinesisRecord] = []
        ready = self._ready
        target = self._config.request_target_bytes
        hard = request_max_bytes(self._config.record_max_bytes)
        limit = min(max_records or self._config.request_max_records, self._config.request_max_records)
        size = 0
        while ready and len(request) < limit:
            lane = ready[0]
            if not lane.depth:
                # Everything it held was given up.
                ready.popleft()
                lane.state = _IDLE
                continue
            record = lane.record or self._builder.build(lane, now, self.pending_bytes / len(self.lanes))
            grown = size + len(record.data) + ENTRY_OVERHEAD_BYTES
            if request and (grown > min(target, hard) or record.alone):
                break
            delay = self._bucket(lane.shard_id, now).delay_seconds(len(record.data), now)
            ready.popleft()
            if delay > 0:
                self._hold(lane, now + delay, _HELD)
                continue
            lane.state = _IN_FLIGHT
            record.attempts += 1
            request.append(record)
            size = grown
            if record.alone:
                break
        return request

    def next_due_at(self) -> float | None:
        """When the next lane becomes ready by the passing of time."""
        moments = self._moments
        while moments:
            held = self._held_until[moments[0]]
            while held and not _is_held_until(held[0], moments[0]):
                held.popleft()
            if held:
                return moments[0]
            del self._held_until[heapq.heappop(moments)]
        return None

    @property
    def has_ready(self) -> bool:
        """Whether a lane is ready now."""
        return bool(self._ready)

    @property
    def is_full_flow(self) -> bool:
        """Whether so much comes that waiting fills aggregates."""
        return self._linger_seconds > self._config.linger_seconds and not self.flushing

    @property
    def fills_request(self) -> bool:
        """Whether the lanes that are ready have as much as one request should carry, as far as their mean tells."""
        config = self._config
        if len(self._ready) >= config.request_max_records:
            return True
        if self.pending_bytes < config.request_target_bytes / 2:
            # Of a thin flow hundreds of lanes may be ready with little in each.
            return False
        size = 0.0
        for lane in self._ready:
            size += self._builder.expected_bytes(lane)
            if size >= config.request_target_bytes:
                return True
        return False

    def on_stored(self, record: KinesisRecord, shard_id: str, now: float) -> bool:
        """Kinesis has the record. True where the shard is another than the one foretold (a reshard)."""
        lane = record.lane
        moved = lane.shard_id not in {"", shard_id}
        lane.shard_id = shard_id
        self._bucket(shard_id, now).on_delivered(len(record.data), now)
        self.pending_bytes -= record.user_bytes
        self.pending_records -= record.count
        lane.record = None
        lane.resolve(record.count)
        lane.state = _IDLE
        if lane.pending:
            due = record.built_at + self._linger_seconds
            if due <= now or self.flushing or len(lane.pending) >= self._builder.full_count:
                self._make_ready(lane, now)
            else:
                self._hold(lane, due, _WAITING)
        return moved

    def on_failed(
        self, record: KinesisRecord, kind: FailureKind, now: float, delay_seconds: float | None = None
    ) -> None:
        """Kinesis has refused the record, or it is not known whether it has it: hold the lane, and no other."""
        lane = record.lane
        if kind is FailureKind.THROTTLED:
            self._bucket(lane.shard_id, now).on_throttled(now)
        record.alone = kind is FailureKind.INVALID
        delay = full_jitter_seconds(record.attempts, self._rng) if delay_seconds is None else delay_seconds
        self._hold(lane, now + delay, _HELD)

    def drop_oldest(self, needed_bytes: int) -> int:
        """Give up the oldest records that are in no aggregate yet, until that many bytes are free; returns how many."""
        dropped = freed = 0
        while freed < needed_bytes:
            waiting = [lane for lane in self.lanes if lane.pending]
            if not waiting:
                break
            lane = min(waiting, key=lambda lane: lane.oldest_at() or 0.0)
            count = min(len(lane.pending), DROP_STEP_RECORDS)
            freed_here = sum(len(lane.pending.popleft()[1]) for _ in range(count))
            lane.resolve(count)
            self.pending_bytes -= freed_here
            self.pending_records -= count
            freed += freed_here
            dropped += count
        return dropped

    def flush(self, now: float) -> None:
        """Stop waiting for fuller aggregates, now and for all that comes until `flushing` is taken back."""
        self.flushing = True
        for lane in self.lanes:
            if lane.state is _WAITING:
                self._make_ready(lane, now)
        self.advance(now)

    def oldest_at(self, now: float) -> float | None:
        """When the oldest unresolved record was accepted, monotonic seconds."""
        self._mark_ages(now)
        return min((at for lane in self.lanes if (at := lane.oldest_at()) is not None), default=None)

    def depth(self) -> int:
        """User records waiting in the deepest lane."""
        return max(lane.depth for lane in self.lanes)

    def _choose_linger(self, now: float) -> None:
        """Wait longer where that fills aggregates: in full flow. A trickle gains nothing by waiting."""
        config = self._config
        longest = max(config.linger_seconds, config.linger_full_flow_seconds)
        elapsed = now - self._flow_since
        per_lane = self._flow_bytes / elapsed * longest / len(self.lanes)
        self._linger_seconds = longest if per_lane >= self._max_bytes / 4 else config.linger_seconds
        self._flow_bytes = 0
        self._flow_since = now

    def _make_ready(self, lane: Lane, now: float) -> None:
        if not self._ready:
            self.ready_since = now
        lane.state = _READY
        self._ready.append(lane)

    def _hold(self, lane: Lane, until: float, state: LaneState) -> None:
        lane.state = state
        lane.due_at = until = _on_grid(until)
        self._held_at(until).append(lane)

    def _held_at(self, moment: float) -> deque[Lane]:
        """The lanes that are held until a moment of the grid."""
        held = self._held_until.get(moment)
        if held is None:
            held = self._held_until[moment] = deque()
            heapq.heappush(self._moments, moment)
        return held

    def _bucket(self, shard_id: str, now: float) -> ShardBucket:
        bucket = self._buckets.get(shard_id)
        if bucket is None:
            bucket = self._buckets[shard_id] = ShardBucket(now)
        return bucket

    def lane_of(self, key: str) -> Lane:
        """The lane that a partition key belongs to."""
        return self._lane_of_key[key]

    def _mark_ages(self, now: float, accepted_at: float | None = None) -> None:
        if now < self._next_mark_at:
            return
        for lane in self.lanes:
            lane.mark(self._period_start)
        self._period_start = now if accepted_at is None else accepted_at
        self._next_mark_at = now + MARK_INTERVAL_SECONDS


def _on_grid(moment: float) -> float:
    """The next moment of the grid: lanes held by a storm come back together and share requests."""
    return math.ceil(moment / RELEASE_GRID_SECONDS) * RELEASE_GRID_SECONDS


def _is_held_until(lane: Lane, moment: float) -> bool:
    return lane.due_at == moment and (lane.state is _WAITING or lane.state is _HELD)
