"""Time as a thing that is passed in: schedules, replays and the simulated market never ask the system themselves."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _utc_now() -> datetime:
    return datetime.now(UTC)


async def _sleep(seconds: float) -> None:
    await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """The three questions that code asks of time.

    Attributes:
        monotonic: Seconds that never go backwards; only differences mean anything.
        now: The wall clock, aware, UTC.
        sleep: Waits for a number of seconds.
    """

    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = _utc_now
    sleep: Callable[[float], Awaitable[None]] = _sleep

    async def sleep_until(self, deadline: float, unless: asyncio.Event) -> bool:
        """Sleep until the monotonic `deadline`, or until `unless` is set.

        Returns:
            True when the deadline came, False when the event was set first.
        """
        while not unless.is_set():
            remaining_seconds = deadline - self.monotonic()
            if remaining_seconds <= 0:
                return True
            sleeping = asyncio.ensure_future(self.sleep(remaining_seconds))
            waiting = asyncio.ensure_future(unless.wait())
            try:
                await asyncio.wait((sleeping, waiting), return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Both are ours alone; leaving one behind would keep the loop busy after the source has closed.
                sleeping.cancel()
                waiting.cancel()
                await asyncio.gather(sleeping, waiting, return_exceptions=True)
        return False


SYSTEM_CLOCK = Clock()
