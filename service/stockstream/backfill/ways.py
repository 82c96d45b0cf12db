"""Where backfilled quotes and candles go: an outbox of their own beside the service's, and the table of candles."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from stockstream.aws import AwsConfig
from stockstream.backfill.candles import CandleStore, open_candles
from stockstream.backfill.run import QuoteSender
from stockstream.sender import Sender, SenderConfig
from stockstream.settings import Settings
from stockstream.settings.paths import backfill_folder

# Of a service that is told to stop, this takes little of the time.
_CLOSE_SECONDS: Final = 2.0


class Ways(NamedTuple):
    """Where backfilled quotes and candles go."""

    sender: QuoteSender
    candles: CandleStore


def open_ways(settings: Settings, aws: AwsConfig) -> Callable[[], AbstractAsyncContextManager[Ways]]:
    """Sender and candles as `stockstream backfill` has them: an outbox of their own beside the service's."""
    config = SenderConfig(stream=settings.stream, outbox_dir=backfill_outbox(settings), close_seconds=_CLOSE_SECONDS)

    @asynccontextmanager
    async def ways() -> AsyncIterator[Ways]:
        async with (
            open_candles(aws, settings.candles_table, retention_days=settings.retention_days) as candles,
            Sender(config, aws=aws) as sender,
        ):
            yield Ways(sender, candles)

    return ways


def backfill_outbox(settings: Settings) -> Path | None:
    """The outbox of backfilled quotes; None where accepted quotes wait in memory."""
    if settings.outbox != "disk":
        return None
    return backfill_folder(settings.outbox_dir)
