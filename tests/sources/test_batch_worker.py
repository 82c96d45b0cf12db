"""The queue between a source's work and the iteration over it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from stockstream.errors import SourceError
from stockstream.sources.base import Rejection, SourceBatch
from stockstream.sources.worker import QUEUE_BATCHES, BatchWorker


class Work:
    """Puts numbered batches, then waits for good; `failure` ends it before it waits."""

    def __init__(self, count: int, failure: Exception | None = None, *, endless: bool = True) -> None:
        self.worker = BatchWorker(self._run, "test-worker")
        self.put = 0
        self.started = 0
        self.cancelled = False
        self._count = count
        self._failure = failure
        self._endless = endless

    async def _run(self) -> None:
        self.started += 1
        try:
            for number in range(self._count):
                await self.worker.put(SourceBatch([], [Rejection(str(number), "test")]))
                self.put += 1
            if self._failure is not None:
                raise self._failure
            if self._endless:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def numbers(batches: AsyncGenerator[SourceBatch, None], most: int = 1000) -> list[int]:
    found: list[int] = []
    while len(found) < most and (batch := await anext(batches, None)) is not None:
        found.append(int(batch.rejected[0].subject))
    return found


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_batches_come_in_order_and_end_with_the_work() -> None:
    work = Work(5, endless=False)
    assert await numbers(work.worker.batches()) == [0, 1, 2, 3, 4]


async def test_the_work_waits_for_whoever_iterates_and_not_the_other_way_round() -> None:
    work = Work(QUEUE_BATCHES + 3)
    batches = work.worker.batches()
    await settle()
    assert work.started == 0  # an iteration that is not begun costs nothing
    assert await numbers(batches, 1) == [0]
    await settle()
    assert work.put == QUEUE_BATCHES + 1  # the one taken, and a full queue
    assert await numbers(batches, 2) == [1, 2]
    await settle()
    assert work.put == QUEUE_BATCHES + 3
    await batches.aclose()


@pytest.mark.parametrize(
    "failure",
    [
        SourceError("no such feed"),
        ExceptionGroup("of a TaskGroup", [SourceError("no such feed"), ValueError("a later one")]),
        ExceptionGroup("outer", [ExceptionGroup("inner", [SourceError("no such feed")])]),
    ],
)
async def test_an_error_of_the_work_is_raised_by_name_behind_the_batches_before_it(failure: Exception) -> None:
    work = Work(2, failure)
    batches = work.worker.batches()
    assert await numbers(batches, 2) == [0, 1]
    with pytest.raises(SourceError, match="no such feed"):
        await anext(batches)


async def test_leaving_the_iteration_stops_the_work() -> None:
    work = Work(2)
    batches = work.worker.batches()
    await anext(batches)
    await batches.aclose()
    assert work.cancelled


async def test_closing_stops_work_that_waits_at_a_full_queue() -> None:
    work = Work(QUEUE_BATCHES + 3)
    batches = work.worker.batches()
    await anext(batches)
    await settle()
    await work.worker.aclose()
    await work.worker.aclose()
    assert work.cancelled
    assert await numbers(batches) == list(range(1, QUEUE_BATCHES + 1))  # what was handed over before is not lost


async def test_closing_ends_an_iteration_that_waits() -> None:
    work = Work(1)
    iterating = asyncio.create_task(numbers(work.worker.batches()))
    await settle()
    await work.worker.aclose()
    assert await iterating == [0]


async def test_a_closed_worker_does_not_start() -> None:
    work = Work(1)
    await work.worker.aclose()
    assert await numbers(work.worker.batches()) == []
    assert work.started == 0


async def test_a_cancellation_during_closing_passes_through() -> None:
    held, release = asyncio.Event(), asyncio.Event()

    async def ends_slowly() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            held.set()
            await release.wait()

    worker = BatchWorker(ends_slowly, "slow")
    iterating = asyncio.create_task(numbers(worker.batches()))
    await settle()
    closing = asyncio.create_task(worker.aclose())
    await held.wait()
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    release.set()
    await worker.aclose()
    assert await iterating == []
