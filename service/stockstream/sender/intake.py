"""Where accepted records wait: the interface, and the one that keeps them in memory only."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from stockstream.outbox import RecordBatch
from stockstream.sender.config import SenderConfig
from stockstream.sender.lane import Lane
from stockstream.sender.room import Room
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.stats import Counters

log = structlog.get_logger("stockstream.sender")


class Intake(Protocol):
    """Accepts records, feeds the lanes, and forgets what is acknowledged."""

    async def open(self) -> None:
        """Take what an earlier run left."""
        ...

    def accept(self, batch: RecordBatch) -> Awaitable[None]:
        """Await when the records are as safe as they get; wait, or drop, at the bound."""
        ...

    async def lay_lanes(self, wanted: int) -> int:
        """Say how many lanes there must be: those that records on disk are counted by, else as wanted."""
        ...

    def start(self, scheduler: Scheduler, wake: Callable[[], None]) -> None:
        """The lanes are known: feed them from now on, and call `wake` for each feed."""
        ...

    async def run(self) -> None:
        """Do what the intake does in the background, until cancelled."""
        ...

    def on_resolved(self, lane: Lane) -> None:
        """Records of the lane are acknowledged."""
        ...

    @property
    def unsent(self) -> int:
        """Records accepted and not acknowledged."""
        ...

    @property
    def size_bytes(self) -> int:
        """Bytes of them."""
        ...

    def oldest_at(self, now: float) -> float | None:
        """When the oldest of them was accepted, monotonic seconds."""
        ...

    @property
    def is_waiting(self) -> bool:
        """Whether there is no room for more."""
        ...

    def give_up_waiting(self) -> None:
        """Whoever waits for room, now or later, gets an `OutboxFullError`: nothing of the batch is accepted."""
        ...

    def abort(self, failure: BaseException) -> None:
        """The sender has failed: whoever waits for room gets the failure."""
        ...

    async def close(self) -> None:
        """Let go of files."""
        ...


class MemoryIntake:
    """Keeps accepted records in memory, where a crash loses them.

    Args:
        config: Bound and policy.
        counters: Counts.
        monotonic: Clock.
    """

    def __init__(self, config: SenderConfig, counters: Counters, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._counters = counters
        self._monotonic = monotonic
        self._scheduler: Scheduler | None = None
        self._wake: Callable[[], None] = lambda: None
        # Accepted before the stream's shards, and so the lanes, are known.
        self._early: list[tuple[RecordBatch, float]] = []
        self._early_bytes = 0
        self._room = Room(config.memory_max_bytes, monotonic)

    async def open(self) -> None:
        """See `Intake`."""
        log.warning(
            "outbox_in_memory",
            gives_up="records that are accepted and not yet acknowledged are lost when the process dies",
            remedy="set an outbox folder (STOCKSTREAM_OUTBOX=disk)",
        )

    async def accept(self, batch: RecordBatch) -> None:
        """See `Intake`."""
        limit = self._config.memory_max_bytes
        while self.size_bytes and self.size_bytes + batch.size_bytes > limit:
            if self._config.outbox_policy == "drop_oldest" and self._drop(self.size_bytes + batch.size_bytes - limit):
                continue
            await self._room.wait(self.size_bytes, self.unsent)
        self._counters.accepted += len(batch)
        now = self._monotonic()
        if self._scheduler is None:
            self._early.append((batch, now))
            self._early_bytes += batch.size_bytes
            return
        self._scheduler.enqueue(batch, now)
        self._wake()

    async def lay_lanes(self, wanted: int) -> int:
        """See `Intake`."""
        return wanted

    def start(self, scheduler: Scheduler, wake: Callable[[], None]) -> None:
        """See `Intake`."""
        self._scheduler, self._wake = scheduler, wake
        early, self._early, self._early_bytes = self._early, [], 0
        for batch, at in early:
            scheduler.enqueue(batch, self._monotonic(), at)
        wake()

    async def run(self) -> None:
        """See `Intake`."""

    def on_resolved(self, lane: Lane) -> None:
        """See `Intake`."""
        del lane
        self._room.changed(self.size_bytes, self.unsent)

    @property
    def unsent(self) -> int:
        """See `Intake`."""
        early = sum(len(batch) for batch, _ in self._early)
        return early + (self._scheduler.pending_records if self._scheduler is not None else 0)

    @property
    def size_bytes(self) -> int:
        """See `Intake`."""
        return self._early_bytes + (self._scheduler.pending_bytes if self._scheduler is not None else 0)

    def oldest_at(self, now: float) -> float | None:
        """See `Intake`."""
        if self._early:
            return self._early[0][1]
        return self._scheduler.oldest_at(now) if self._scheduler is not None else None

    @property
    def is_waiting(self) -> bool:
        """See `Intake`."""
        return self._room.is_at_bound

    def give_up_waiting(self) -> None:
        """See `Intake`."""
        self._room.give_up_waiting()

    def abort(self, failure: BaseException) -> None:
        """See `Intake`."""
        self._room.abort(failure)

    async def close(self) -> None:
        """See `Intake`."""

    def _drop(self, needed_bytes: int) -> bool:
        """Give up the oldest records; False where all that is left is in flight."""
        dropped = 0
        if self._scheduler is not None:
            dropped = self._scheduler.drop_oldest(needed_bytes)
        elif self._early:
            batch, _ = self._early.pop(0)
            self._early_bytes -= batch.size_bytes
            dropped = len(batch)
        self._counters.dropped += dropped
        if dropped:
            log.error("outbox_dropped_oldest", records=dropped, reason="the outbox in memory is full")
        return dropped > 0
