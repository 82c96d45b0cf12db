"""A source's work in a task of its own, and the bounded queue between it and whoever iterates."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from stockstream.errors import first_error
from stockstream.sources.base import SourceBatch

# Batches that wait for the pipeline; past it the work waits too, and memory stays bounded.
QUEUE_BATCHES: Final = 128


class BatchWorker:
    """Runs a source's work beside the iteration over its batches.

    A task of its own, and a queue: the first quotes of a poll go on while the rest of it is still under way, and the
    iterator may be asked from any task.

    Args:
        work: Puts batches here for as long as the source runs; started by the first iteration, cancelled at its end.
        name: Of the task.
    """

    def __init__(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        self._work = work
        self._name = name
        # An error of the work, or None for its end, goes behind the batches that were there first.
        self._queue: asyncio.Queue[SourceBatch | BaseException | None] = asyncio.Queue(QUEUE_BATCHES)
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def put(self, batch: SourceBatch) -> None:
        """Hand a batch over; waits while `QUEUE_BATCHES` of them wait."""
        await self._queue.put(batch)

    async def batches(self) -> AsyncGenerator[SourceBatch, None]:
        """Iterate, once, over what the work puts; ends with the work, or when closed.

        Raises:
            Exception: whatever ended the work; of a group of errors the first.
        """
        if self._task is None and not self._closed:
            self._task = asyncio.create_task(self._run(), name=self._name)
        try:
            while not (self._closed and self._queue.empty()):
                item = await self._queue.get()
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Stop the work and wait for its end. Safe to call twice."""
        self._closed = True
        task = self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task])  # and not `await task`: a cancellation of our own must pass through
        with suppress(asyncio.QueueFull):  # nobody waits at a full queue
            self._queue.put_nowait(None)

    async def _run(self) -> None:
        try:
            await self._work()
        except Exception as exc:  # noqa: BLE001 - handed to whoever iterates, which raises it
            await self._queue.put(first_error(exc))
        else:
            await self._queue.put(None)
