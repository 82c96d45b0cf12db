"""Sends what a worker that has not returned left in its outbox; whoever finds the folder free does."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, ExitStack, suppress
from pathlib import Path
from typing import Final

import structlog

from stockstream.clock import Clock
from stockstream.outbox import OutboxLockedError
from stockstream.outbox.lock import OutboxLock
from stockstream.sender import Sender
from stockstream.workers.folders import left_outboxes

# NFS keeps a dead client's lock for a minute or two; and an outbox that is left has time.
LOOK_SECONDS: Final = 60.0
_DRAIN_SECONDS: Final = 60.0

log = structlog.get_logger("stockstream.workers")


class Adoption:
    """Looks for left outboxes again and again.

    Args:
        alone: The outbox of a service that is alone; the workers' folders are beside it.
        stream: Name of the stream.
        own: Our outbox, which is not looked at.
        open_sender: Opens a sender over an outbox.
        clock: Time.
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
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._alone = alone
        self._stream = stream
        self._own = own
        self._open_sender = open_sender
        self._clock = clock
        self._look_seconds = look_seconds
        # What has been seen to hold nothing unsent, as it was then: opening an outbox reads all of it.
        self._empty: dict[Path, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for outbox in await asyncio.to_thread(self._left):
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
            if self._empty.get(outbox) != self._stamp(outbox)
        ]

    async def _adopt(self, outbox: Path) -> None:
        with ExitStack() as held:
            if outbox != self._alone:
                # A worker that comes takes another folder meanwhile; the outbox has a lock of its own besides.
                held.enter_context(OutboxLock(outbox.parent))
            async with self._open_sender(outbox) as sender:
                found = sender.stats.unsent
                left = await sender.drain(_DRAIN_SECONDS) if found else 0
                stats = sender.stats
            if found or stats.lost:
                log.warning("outbox_adopted", folder=str(outbox), found=found, sent=found - left, lost=stats.lost)
        if not left:
            self._empty[outbox] = await asyncio.to_thread(self._stamp, outbox)

    def _stamp(self, outbox: Path) -> int:
        """When a segment there was written last; its worker may live, and remove one while we look."""
        latest = 0
        for path in (outbox / self._stream).glob("*.log"):
            with suppress(FileNotFoundError):
                latest = max(latest, path.stat().st_mtime_ns)
        return latest
