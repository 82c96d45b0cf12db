"""Waiting for room in an outbox at its bound: who waits, who is told, and who gives up."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from stockstream.outbox import OutboxFullError

# The bound is left only this far below it, so that every segment that goes is not a line in the log.
_LEFT_AT: Final = 7 / 8

log = structlog.get_logger("stockstream.sender")


class Room:
    """The bound of an outbox, and those who wait for room below it.

    Args:
        bound_bytes: The bound.
        monotonic: Clock, seconds.
    """

    def __init__(self, bound_bytes: int, monotonic: Callable[[], float]) -> None:
        self._bound_bytes = bound_bytes
        self._monotonic = monotonic
        self._changed = asyncio.Event()
        self._reached_at: float | None = None
        self._giving_up = False
        self._failure: BaseException | None = None
        #: Calls that wait.
        self.waiting = 0

    @property
    def is_at_bound(self) -> bool:
        """Whether the bound was reached and has not been left since."""
        return self._reached_at is not None

    async def wait(self, size_bytes: int, unsent: int) -> None:
        """Wait until there may be room.

        Args:
            size_bytes: Of the outbox now.
            unsent: Records in it that Kinesis has not acknowledged.

        Raises:
            OutboxFullError: `give_up_waiting` was called.
            BaseException: what was given to `abort`.
        """
        self._say_reached(size_bytes, unsent)
        self._raise_if_over()
        self._changed.clear()
        self.waiting += 1
        try:
            await self._changed.wait()
        finally:
            self.waiting -= 1
        self._raise_if_over()

    def changed(self, size_bytes: int, unsent: int) -> None:
        """The outbox has become smaller: those who wait look again."""
        if self._reached_at is not None and (not unsent or size_bytes < self._bound_bytes * _LEFT_AT):
            log.info("outbox_bound_left", seconds=round(self._monotonic() - self._reached_at, 1), unsent=unsent)
            self._reached_at = None
        self._changed.set()

    def give_up_waiting(self) -> None:
        """Let those who wait fail, now and from now on."""
        self._giving_up = True
        self._changed.set()

    def abort(self, failure: BaseException) -> None:
        """Give a failure to those who wait."""
        self._failure = failure
        self._changed.set()

    def _say_reached(self, size_bytes: int, unsent: int) -> None:
        if self._reached_at is not None:
            return
        self._reached_at = self._monotonic()
        log.warning(
            "outbox_bound_reached",
            size_bytes=size_bytes,
            bound_bytes=self._bound_bytes,
            unsent=unsent,
            effect="send waits until Kinesis has taken what is in the outbox",
            remedy="see why Kinesis does not take it, or raise STOCKSTREAM_OUTBOX_MAX_BYTES",
        )

    def _raise_if_over(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._giving_up:
            raise OutboxFullError(
                f"the outbox is at its bound of {self._bound_bytes} bytes, and the sender is stopping: the records are "
                "not accepted. Remedy: see why Kinesis does not take what is in it, or raise "
                "STOCKSTREAM_OUTBOX_MAX_BYTES"
            )
