"""Sends what a worker that has not returned left in its outbox; whoever finds the folder free does.

While Kinesis is away nothing is adopted, and what is being sent is let go: its owner may come back meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog

from stockstream.clock import Clock
from stockstream.outbox import OutboxLockedError
from stockstream.outbox.lock import OutboxLock
from stockstream.sender import Sender
from stockstream.settings.paths import WORKERS_FOLDER, backfill_folder
from stockstream.workers.folders import left_outboxes

# NFS keeps a dead client's lock for a minute or two; and an outbox that is left has time.
LOOK_SECONDS: Final = 60.0
_DRAIN_SECONDS: Final = 60.0
# How long one who starts may find its outbox held by us: the drain, or until Kinesis counts as away, and an end to it.
HOLDS_SECONDS: Final = _DRAIN_SECONDS + 30.0
# Our own backfill opens its outbox for each symbol, and must not meet us there: what it left for so long is left.
_OWN_BACKFILL_SECONDS: Final = 600.0
# Between two looks at whether Kinesis is away, or an outbox is free.
_SLICE_SECONDS: Final = 1.0

log = structlog.get_logger("stockstream.workers")


@asynccontextmanager
async def open_when_free(
    open_sender: Callable[[], AbstractAsyncContextManager[Sender]],
    alone: Path | None,
    stop: asyncio.Event,
    clock: Clock,
) -> AsyncIterator[Sender]:
    """Open our own sender; where workers have been, one may be sending what a service that was alone had left.

    Args:
        open_sender: Opens it.
        alone: The outbox of a service that is alone, where we are one; None of a worker, whose folder is its own.
        stop: The service is to end.
        clock: Time.

    Raises:
        OutboxLockedError: another process has it, for longer than one who adopts would.
    """
    until = clock.monotonic() + HOLDS_SECONDS
    may_be_adopted = alone is not None and (alone.parent / WORKERS_FOLDER).is_dir()
    async with AsyncExitStack() as stack:
        is_said = False
        sender: Sender | None = None
        while sender is None:
            try:
                sender = await stack.enter_async_context(open_sender())
            except OutboxLockedError as exc:
                if not may_be_adopted or stop.is_set() or clock.monotonic() >= until:
                    raise
                if not is_said:
                    log.warning("outbox_awaited", reason=str(exc), seconds_at_most=HOLDS_SECONDS)
                    is_said = True
                await clock.sleep(_SLICE_SECONDS)
        yield sender


class Adoption:
    """Looks for left outboxes again and again.

    Args:
        alone: The outbox of a service that is alone; the workers' folders are beside it.
        stream: Name of the stream.
        own: Our outbox, which is not looked at.
        open_sender: Opens a sender over an outbox.
        clock: Time.
        is_away: Kinesis is, as our own sender knows.
        look_seconds: Between two looks.
    """

    def __init__(
        self,
        alone: Path,
        stream: str,
        own: Path,
        open_sender: Callable[[Path], AbstractAsyncContextManager[Sender]],
        *,
        clock: Clock,
        is_away: Callable[[], bool] = lambda: False,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._alone = alone
        self._stream = stream
        self._own = own
        self._open_sender = open_sender
        self._clock = clock
        self._is_away = is_away
        self._look_seconds = look_seconds
        # What has been seen to hold nothing unsent, as it was then: opening an outbox reads all of it.
        self._empty: dict[Path, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for outbox in await asyncio.to_thread(self._left):
                if self._is_away():
                    break
                try:
                    await self._adopt(outbox)
                except OutboxLockedError:
                    continue  # its worker lives
                except Exception as exc:  # noqa: BLE001 - the next look tries again; other outboxes must not wait for it
                    log.warning("outbox_not_adopted", folder=str(outbox), error=f"{type(exc).__name__}: {exc}")
            await self._clock.sleep(self._look_seconds)

    def _left(self) -> list[Path]:
        return [
            outbox
            for outbox in left_outboxes(self._alone, self._stream, self._own)
            if self._empty.get(outbox) != self._stamp(outbox) and not self._is_in_use(outbox)
        ]

    def _is_in_use(self, outbox: Path) -> bool:
        quiet_seconds = self._clock.now().timestamp() - self._stamp(outbox) / 1e9
        return outbox == backfill_folder(self._own) and quiet_seconds < _OWN_BACKFILL_SECONDS

    async def _adopt(self, outbox: Path) -> None:
        with ExitStack() as held:
            if outbox.parent not in {self._alone.parent, self._own.parent}:
                # A worker that comes takes another folder meanwhile; the outbox has a lock of its own besides.
                held.enter_context(OutboxLock(outbox.parent))
            async with self._open_sender(outbox) as sender:
                found = sender.stats.unsent
                left = await self._drained(sender) if found else 0
                stats = sender.stats
            if found or stats.lost:
                log.warning("outbox_adopted", folder=str(outbox), found=found, sent=found - left, lost=stats.lost)
        if not left:
            self._empty[outbox] = await asyncio.to_thread(self._stamp, outbox)

    async def _drained(self, sender: Sender) -> int:
        """Send what is there; what is left where Kinesis is away, or time is over."""
        until = self._clock.monotonic() + _DRAIN_SECONDS
        while left := await sender.drain(_SLICE_SECONDS):
            if sender.stats.is_kinesis_away or self._is_away() or self._clock.monotonic() >= until:
                break
        return left

    def _stamp(self, outbox: Path) -> int:
        """When a segment there was written last; its worker may live, and remove one while we look."""
        latest = 0
        for path in (outbox / self._stream).glob("*.log"):
            with suppress(FileNotFoundError):
                latest = max(latest, path.stat().st_mtime_ns)
        return latest
