"""The time, passed to whoever needs it."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

from stockstream_lambda.errors import OutOfTimeError

# Nothing is begun with less of the invocation left: one call with its retries takes about as long.
MARGIN_SECONDS: Final = 5.0


class Clock(NamedTuple):
    """`now` is wall-clock seconds since 1970: a container may have been frozen for hours between two batches."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep


class Deadline:
    """When the invocation is cut off; without one there is always time."""

    def __init__(self, remaining_ms: Callable[[], int] | None = None) -> None:
        self._remaining_ms = remaining_ms

    @property
    def is_near(self) -> bool:
        return self._remaining_ms is not None and self._remaining_ms() < MARGIN_SECONDS * 1000

    def check(self) -> None:
        """Raise OutOfTimeError where too little is left to begin anything."""
        if self.is_near:
            raise OutOfTimeError("the invocation is out of time")
