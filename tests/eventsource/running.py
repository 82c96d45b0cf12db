"""A runner that runs for as long as a context lasts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from stockstream.eventsource import EventSourceRunner


@asynccontextmanager
async def running(runner: EventSourceRunner) -> AsyncIterator[EventSourceRunner]:
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    try:
        yield runner
    finally:
        stop.set()
        await task
