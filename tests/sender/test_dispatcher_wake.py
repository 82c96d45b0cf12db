"""When the dispatcher looks at the lanes: for what it would otherwise see too late, and for nothing else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from random import Random

from stockstream.outbox import RecordBatch
from stockstream.sender.config import SenderConfig
from stockstream.sender.dispatcher import Dispatcher
from stockstream.sender.lane import KinesisRecord
from stockstream.sender.scheduler import Scheduler
from stockstream.sender.stats import Counters
from stockstream.sender.transport.base import EntryResult
from tests.patience import PATIENCE_SECONDS


class _LookedAt(Scheduler):
    """Counts the dispatcher's looks."""

    looks = 0

    def advance(self, now: float) -> None:
        self.looks += 1
        super().advance(now)


class _Stores:
    """Stores everything at once."""

    def __init__(self) -> None:
        self.stored: list[int] = []

    async def put_records(self, records: Sequence[KinesisRecord]) -> Sequence[EntryResult]:
        self.stored += [record.count for record in records]
        return [EntryResult("shard")] * len(records)


@asynccontextmanager
async def _running(scheduler: Scheduler, transport: _Stores, clock: list[float]) -> AsyncIterator[Dispatcher]:
    async def no_refresh() -> None:
        raise AssertionError("nothing was resharded")

    dispatcher = Dispatcher(
        scheduler,
        transport,
        Counters(),
        requests_in_flight=1,
        call_timeout_seconds=PATIENCE_SECONDS,
        away_after_seconds=PATIENCE_SECONDS,
        refresh_shards=no_refresh,
        on_resolved=lambda _: None,
        monotonic=lambda: clock[0],
        rng=Random(1),
    )
    task = asyncio.create_task(dispatcher.run())
    await _turns()
    try:
        yield dispatcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def _one(key: str, size_bytes: int = 10) -> RecordBatch:
    return RecordBatch.of([(key, b"x" * size_bytes)])


async def test_what_waits_no_shorter_than_the_rest_does_not_wake_it() -> None:
    scheduler = _LookedAt(SenderConfig(stream="s", linger_seconds=60.0), 8, Random(1))
    async with _running(scheduler, _Stores(), [0.0]) as dispatcher:
        scheduler.enqueue(_one("A"), 0.0)
        dispatcher.wake()
        await _turns()
        looks = scheduler.looks
        for key in "ABCDEFGH":
            scheduler.enqueue(_one(key), 0.0)
            dispatcher.wake()
            await _turns()
        assert scheduler.looks == looks


async def test_a_lane_that_becomes_full_wakes_it_at_once() -> None:
    transport = _Stores()
    scheduler = _LookedAt(SenderConfig(stream="s", linger_seconds=60.0), 1, Random(1))
    async with _running(scheduler, transport, [0.0]) as dispatcher:
        scheduler.enqueue(_one("A", 1000), 0.0)
        dispatcher.wake()
        await _turns()
        assert not transport.stored
        for _ in range(200):
            scheduler.enqueue(_one("A", 1000), 0.0)
            dispatcher.wake()
        await _turns()
        assert transport.stored


async def test_what_is_due_before_the_planned_look_wakes_it() -> None:
    scheduler = _LookedAt(SenderConfig(stream="s", linger_seconds=60.0), 8, Random(1))
    clock = [100.0]
    async with _running(scheduler, _Stores(), clock) as dispatcher:
        scheduler.enqueue(_one("A"), 100.0)
        dispatcher.wake()
        await _turns()
        looks = scheduler.looks
        # Accepted by a clock a minute behind: due now.
        scheduler.enqueue(_one("B"), 40.0)
        dispatcher.wake()
        await _turns()
        assert scheduler.looks > looks


async def test_flushing_wakes_it_for_what_would_have_waited() -> None:
    transport = _Stores()
    scheduler = _LookedAt(SenderConfig(stream="s", linger_seconds=60.0), 8, Random(1))
    async with _running(scheduler, transport, [0.0]) as dispatcher:
        scheduler.enqueue(_one("A"), 0.0)
        dispatcher.wake()
        await _turns()
        assert not transport.stored
        scheduler.flush(0.0)
        dispatcher.wake()
        await _turns()
        assert transport.stored == [1]
