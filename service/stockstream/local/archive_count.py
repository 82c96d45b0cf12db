"""What S3 has of a run: the log is followed as it grows, and its quotes are counted where they lie."""

import asyncio
from typing import Any, Final

import structlog
from botocore.exceptions import BotoCoreError, ClientError

from stockstream.errors import StockstreamError
from stockstream.reading import Place, Position, follow_log, newest_place, read_layout
from stockstream_wire.storage import FIRST_FOLDER

_LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 2.0

log = structlog.get_logger("stockstream.local.archive")


class ArchiveCount:
    """Counts what is appended to the log from now on.

    Args:
        s3: An open client.
        bucket: The archive.

    Attributes:
        quotes: Quotes seen in the archive.
        error: Why it cannot be read; empty while it can.
    """

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._place: Place | None = None
        self.quotes = 0
        self.error = ""

    async def begin(self) -> None:
        """Remember the end of the log: what lies before it is of earlier runs."""
        self._place = await newest_place(self._s3, self._bucket)

    async def run(self) -> None:
        """Count until cancelled; a store that is away is tried again."""
        while True:
            try:
                await self._follow()
            except (StockstreamError, BotoCoreError, ClientError, OSError, TimeoutError) as exc:
                if not self.error:
                    log.warning("archive_not_read", error=str(exc))
                self.error = str(exc)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _follow(self) -> None:
        since = self._place or await self._first_place()
        async for update in follow_log(self._s3, self._bucket, since, poll_seconds=_LOOK_SECONDS):
            self.quotes += len(update.quotes)
            self._place, self.error = update.place, ""

    async def _first_place(self) -> Place:
        """Where a log begins that was not there yet."""
        while (partitions := await read_layout(self._s3, self._bucket)) is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(_LOOK_SECONDS)
        return Place((Position(0, FIRST_FOLDER),) * partitions)
