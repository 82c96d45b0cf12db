"""Time that passes only when there is nothing else to do: an hour of polling in a second, real sockets included."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime

from stockstream.clock import Clock

START = datetime(2026, 11, 23, 15, 0, tzinfo=UTC).timestamp()  # a Monday, New York open


class VirtualClock:
    """A `Clock` whose sleepers wake in order, without waiting.

    Args:
        busy: Whether real work (a request in a thread) is under way; virtual time stands still meanwhile.
    """

    def __init__(self, busy: Callable[[], bool] = lambda: False, start_epoch_seconds: float = START) -> None:
        self.busy = busy
        self.seconds = 0.0
        self._start = start_epoch_seconds
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self.clock = Clock(
            monotonic=lambda: self.seconds,
            now=lambda: datetime.fromtimestamp(self.epoch_seconds, UTC),
            sleep=self._sleep,
        )

    @property
    def epoch_seconds(self) -> float:
        return self._start + self.seconds

    async def advance(self, seconds: float) -> None:
        """Let so much virtual time pass."""
        end = self.seconds + seconds
        while True:
            await self.settle()
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers or self._sleepers[0][0] > end:
                self.seconds = end
                return
            due, _, sleeper = heapq.heappop(self._sleepers)
            self.seconds = max(self.seconds, due)
            sleeper.set_result(None)

    async def settle(self) -> None:
        """Let everything that can run, run."""
        quiet = 0
        while quiet < 2:  # work that ended just now has a whole round to go on
            for _ in range(30):
                await asyncio.sleep(0)
            quiet += 1
            if self.busy():
                quiet = 0
                await asyncio.sleep(0.0005)

    async def _sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.seconds + seconds, next(self._order), sleeper))
        await sleeper
