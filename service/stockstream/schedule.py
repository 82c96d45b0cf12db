"""A schedule that does not drift: ticks lie on a grid from the first one, however long the work between them takes."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import floor
from typing import Final

# A tick this much of an interval late still runs; later than that, waiting for the next one keeps polls evenly spaced.
LATE_TOLERANCE_FRACTION: Final = 0.1


@dataclass(frozen=True, slots=True)
class Tick:
    """One turn of the schedule.

    Attributes:
        number: Position on the grid; 0 is the first tick.
        late_seconds: How long after its place on the grid it came.
        skipped: Ticks left out just before it because the work before them took too long.
    """

    number: int
    late_seconds: float
    skipped: int


class Ticker:
    """Ticks at `start + number * interval_seconds` of the monotonic clock.

    A tick that the work before it has run over is skipped and counted, never made up for: two polls in a row would
    bring the same quotes twice and spend Yahoo's request budget.

    Args:
        interval_seconds: Grid spacing, above 0.
        monotonic: Clock in seconds.
        sleep: Waits for a number of seconds; may wake early.
    """

    def __init__(
        self, interval_seconds: float, *, monotonic: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        if not interval_seconds > 0:
            msg = f"interval_seconds={interval_seconds!r} must be above 0"
            raise ValueError(msg)
        self.interval_seconds = interval_seconds
        self.skipped_total = 0
        self._monotonic = monotonic
        self._sleep = sleep
        self._start: float | None = None
        self._next = 0

    async def wait(self) -> Tick:
        """Wait for the next tick; the first comes at once and fixes the grid."""
        if self._start is None:
            self._start = self._monotonic()
        behind = (self._monotonic() - self._start) / self.interval_seconds - self._next
        skipped = 0
        if behind > LATE_TOLERANCE_FRACTION:
            skipped = floor(behind - LATE_TOLERANCE_FRACTION) + 1
            self._next += skipped
            self.skipped_total += skipped
        due = self._start + self._next * self.interval_seconds
        while (remaining_seconds := due - self._monotonic()) > 0:
            await self._sleep(remaining_seconds)
        tick = Tick(number=self._next, late_seconds=self._monotonic() - due, skipped=skipped)
        self._next += 1
        return tick
