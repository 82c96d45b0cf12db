"""The event source at any rate: shards, windows, invocations and the log's partitions, second by second. Pure.

A lane is what Lambda invokes one batch at a time for: a shard, or one of `factor` parts of it. It collects for the
window or until the payload is full, then the batch costs what the calibration says: CPU at the function's share of a
core, and the waits for S3 and DynamoDB. Where there are more lanes than partitions, several write one partition's log:
who comes second meets a 412, reads and folds what the other has written, and tries again, as the consumer does.
"""

import heapq
import random
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from benchmarks.scale.calibration import Cost

# Lambda gives 1,769 MB a whole core, and less in proportion; Python uses no second one.
CORE_MB: Final = 1769
# 6 MB an invocation, base64 included (AWS Lambda documentation), in aggregates of 300-byte quotes.
BATCH_QUOTES_MAX: Final = int(6 * 1024 * 1024 / (4 / 3) / 310)
ENTRY_QUOTES_MAX: Final = 1000
WRITE_ITEMS: Final = 25
PARALLEL_CALLS: Final = 32
PARTITIONS_AT_ONCE: Final = 16
# The quote, and its part of closed candles and alerts (docs/cost.md).
ITEMS_A_QUOTE: Final = 1.14
# Of a quote's CPU, what whoever only folds it spares: decoding the aggregate, encoding items, sending them.
FOLD_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is set, and what is given.

    Attributes:
        rate: Quotes a second.
        shards: Of the stream, evenly used.
        factor: `parallelization_factor`.
        window_seconds: `batch_window_seconds`.
        partitions: Of the log.
        memory_mb: Of the function.
        s3_put_seconds, s3_get_seconds, write_seconds: Of one call to S3 and one BatchWriteItem.
    """

    rate: float
    shards: int
    factor: int = 1
    window_seconds: float = 1.0
    partitions: int = 64
    memory_mb: int = CORE_MB
    s3_put_seconds: float = 0.040
    s3_get_seconds: float = 0.015
    write_seconds: float = 0.010

    @property
    def lanes(self) -> int:
        return self.shards * self.factor


@dataclass(slots=True)
class Outcome:
    """What came of a setting.

    Attributes:
        age_p50_seconds, age_p99_seconds: From a quote's arrival to its batch's end, in the second half of the run.
        is_holding: The backlog does not grow.
        busy_lanes: Invocations at once, on average.
        batch_quotes: Of a batch, on average.
        puts_a_second: S3 PUTs, lost ones included.
        conflicts_a_second: Of those, lost to another writer.
    """

    age_p50_seconds: float = 0.0
    age_p99_seconds: float = 0.0
    is_holding: bool = False
    busy_lanes: float = 0.0
    batch_quotes: float = 0.0
    puts_a_second: float = 0.0
    conflicts_a_second: float = 0.0


@dataclass(slots=True)
class _Partition:
    """A log that several lanes write: quotes of each entry, by revision."""

    entries: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Lane:
    partition: _Partition
    done_until: float = 0.0
    seen_revision: int = 0
    began: float = 0.0
    mean_age_seconds: float = 0.0
    entries_left: list[int] = field(default_factory=list)
    # The revision after which the PUT under way is to stand; None where none is.
    puts_behind: int | None = None


def simulate(setting: Setting, cost: Cost, *, seconds: float = 120.0, seed: int = 1) -> Outcome:
    """Run the lanes for so long, from empty."""
    return _Simulation(setting, cost, seed).run(seconds)


class _Simulation:
    def __init__(self, setting: Setting, cost: Cost, seed: int) -> None:
        self._setting = setting
        self._cost = cost
        self._rng = random.Random(seed)
        self._core = min(1.0, setting.memory_mb / CORE_MB)
        self._lane_rate = setting.rate / setting.lanes
        self._owned = max(1, setting.partitions // setting.lanes)
        self._is_shared = setting.lanes > setting.partitions
        partitions = [_Partition() for _ in range(setting.partitions)]
        self._lanes = [_Lane(partitions[index * setting.partitions // setting.lanes]) for index in range(setting.lanes)]
        # Windows of lanes do not beat together. A lane that has begun a batch has its next event in `_step`.
        self._events = [(self._rng.uniform(0, setting.window_seconds or 0.2), index) for index in range(setting.lanes)]
        heapq.heapify(self._events)
        self._ages: list[tuple[float, float]] = []
        self._busy_seconds = 0.0
        self._puts = self._conflicts = self._batches = self._quotes = 0

    def run(self, seconds: float) -> Outcome:
        while self._events[0][0] <= seconds:
            now, index = heapq.heappop(self._events)
            lane = self._lanes[index]
            at = self._step(lane, now) if lane.began else self._collect(lane, now)
            heapq.heappush(self._events, (at, index))
        setting = self._setting
        late = sorted(age for at, age in self._ages if at > seconds / 2) or [seconds]
        behind_seconds = max(seconds - lane.done_until for lane in self._lanes)
        return Outcome(
            age_p50_seconds=late[len(late) // 2],
            age_p99_seconds=late[int(len(late) * 0.99)],
            is_holding=behind_seconds < 3 * setting.window_seconds + 5,
            busy_lanes=self._busy_seconds / seconds,
            batch_quotes=self._quotes / max(1, self._batches),
            puts_a_second=self._puts / seconds,
            conflicts_a_second=self._conflicts / seconds,
        )

    def _collect(self, lane: _Lane, now: float) -> float:
        """Take what waits as a batch; when its next event is."""
        waiting = int(self._lane_rate * (now - lane.done_until))
        if waiting < 1:
            return now + max(0.05, 1.0 / self._lane_rate)
        taken = min(waiting, BATCH_QUOTES_MAX)
        self._batches += 1
        self._quotes += taken
        collected_seconds = taken / self._lane_rate
        lane.began, lane.done_until = now, lane.done_until + collected_seconds
        lane.mean_age_seconds = collected_seconds / 2
        share = ceil(taken / self._owned)
        lane.entries_left = [min(ENTRY_QUOTES_MAX, share - at) for at in range(0, share, ENTRY_QUOTES_MAX)]
        cpu_seconds = (self._cost.base_cpu_seconds + self._cost.quote_cpu_seconds * taken) / self._core
        if self._is_shared:
            return now + cpu_seconds
        # Nobody else writes these partitions: entry after entry, so many partitions at once.
        setting, entries = self._setting, lane.entries_left
        one = sum(self._jitter(setting.s3_put_seconds) + self._write_seconds(quotes) for quotes in entries)
        self._puts += len(entries) * self._owned
        lane.entries_left = []
        return now + cpu_seconds + one * ceil(self._owned / PARTITIONS_AT_ONCE)

    def _step(self, lane: _Lane, now: float) -> float:
        """One step of a batch under way; when the next is."""
        setting, log = self._setting, lane.partition.entries
        if lane.puts_behind is not None:
            self._puts += 1
            is_first, lane.puts_behind = lane.puts_behind == len(log), None
            if not is_first:
                self._conflicts += 1
                return now
            log.append(lane.entries_left.pop(0))
            lane.seen_revision = len(log)
            return now + self._write_seconds(log[-1])
        if not lane.entries_left:
            self._ages.append((now, now - lane.done_until + lane.mean_age_seconds))
            self._busy_seconds += now - lane.began
            lane.began = 0.0
            full = lane.done_until + BATCH_QUOTES_MAX / self._lane_rate
            return max(now, min(lane.done_until + setting.window_seconds, full))
        if lane.seen_revision < len(log):
            missed = sum(log[lane.seen_revision :])
            lane.seen_revision = len(log)
            fold_seconds = self._cost.quote_cpu_seconds * FOLD_SHARE * missed / self._core
            return now + self._jitter(setting.s3_get_seconds) + fold_seconds
        # Where others write too, it looks before it appends.
        lane.puts_behind = len(log)
        return now + self._jitter(setting.s3_get_seconds) + self._jitter(setting.s3_put_seconds)

    def _jitter(self, seconds: float) -> float:
        return seconds * self._rng.uniform(0.8, 1.4)

    def _write_seconds(self, quotes: int) -> float:
        calls = ceil(quotes * ITEMS_A_QUOTE / WRITE_ITEMS)
        return ceil(calls / PARALLEL_CALLS) * self._jitter(self._setting.write_seconds)
