"""A clock that only moves when someone sleeps on it, so that hours of schedule take no time and nothing is flaky."""

import asyncio
from datetime import UTC, datetime, timedelta

from stockstream.clock import Clock


class VirtualClock:
    def __init__(self, start: datetime = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)) -> None:
        self.start = start
        self.seconds = 1000.0
        self.slept_seconds: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds - 1000.0)

    async def sleep(self, seconds: float) -> None:
        self.slept_seconds.append(seconds)
        await asyncio.sleep(0)
        self.seconds += seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(monotonic=self.monotonic, now=self.now, sleep=self.sleep)
