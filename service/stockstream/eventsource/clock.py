"""The clock, at the edge: monotonic time for pauses, epoch time for the age of records."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the runner reads the time."""

    def monotonic_seconds(self) -> float: ...

    def epoch_seconds(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def monotonic_seconds(self) -> float:
        return time.monotonic()

    def epoch_seconds(self) -> float:
        return time.time()
