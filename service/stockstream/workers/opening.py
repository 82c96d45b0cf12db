"""One worker among several, from its settings: its folder, its membership, its share of the watchlist."""

import asyncio
import dataclasses
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import Any, Final

from stockstream.aws import AwsConfig, open_client
from stockstream.clock import Clock
from stockstream.errors import SettingsError
from stockstream.settings import Settings
from stockstream.source_kinds import AUTO, source_kind
from stockstream.workers.folders import claim_folder, in_folder
from stockstream.workers.membership import Membership, ended
from stockstream.workers.table import WorkersTable

# One try a call: the next look is never far.
_CALL_SECONDS: Final = 2.0


def check_workers(settings: Settings) -> None:
    """Refuse what cannot be shared.

    Raises:
        SettingsError: a file's quotes are the file's, and a source that each worker would choose for itself might be
            the market for one and invented for the next.
    """
    if settings.workers == "off":
        return
    if settings.source == AUTO or not source_kind(settings.source).follows_watchlist:
        raise SettingsError(
            f"STOCKSTREAM_WORKERS={settings.workers!r}: the source {settings.source} cannot be shared: must be off, or "
            "STOCKSTREAM_SOURCE one that follows a watchlist, by its name"
        )


def own_folder(settings: Settings, stack: ExitStack) -> Settings:
    """Take a folder of the disk that the workers may have in common; in memory there is nothing to keep apart."""
    if settings.outbox == "memory":
        return settings
    folder = claim_folder(settings.outbox_dir.parent, stack)
    return settings.model_copy(update=in_folder(settings, folder))


@asynccontextmanager
async def join_workers(
    settings: Settings, aws: AwsConfig, clock: Clock, is_serving: Callable[[], bool]
) -> AsyncIterator[Membership]:
    """Be a member until the context ends.

    Args:
        settings: Of this worker, in its own folder.
        aws: Where AWS is.
        clock: Time.
        is_serving: Our source answers.

    Raises:
        AwsSetupError: there is no table of workers, or it may not be used.
    """
    folder = "" if settings.outbox == "memory" else f" {settings.outbox_dir.parent}"
    async with AsyncExitStack() as stack:
        dynamodb = await stack.enter_async_context(
            open_client(
                aws,
                "dynamodb",
                connect_timeout=_CALL_SECONDS,
                read_timeout=_CALL_SECONDS,
                retries={"total_max_attempts": 1},
            )
        )
        membership = Membership(
            WorkersTable(dynamodb, settings.workers_table, settings.deployment),
            uuid.uuid4().hex[:12],
            place=f"{socket.gethostname()} {os.getpid()}{folder}",
            heartbeat_seconds=settings.workers_heartbeat_seconds,
            clock=clock,
            is_serving=is_serving,
        )
        await membership.join()
        stack.push_async_callback(membership.leave)
        running = asyncio.create_task(membership.run(), name="workers")
        stack.push_async_callback(ended, running)
        yield membership


def shared(settings: Settings, membership: Membership) -> Settings:
    """Settings whose watchlist is this worker's share of it."""
    symbols: Any = dataclasses.replace(settings.symbols, share=membership.share)
    return settings.model_copy(update={"symbols": symbols})
