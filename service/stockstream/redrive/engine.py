"""Sends set-aside records through the stream again: first sent, then removed, so that nothing can be lost between.

A crash between the two sends them twice, and downstream knows a quote by symbol and event time, so twice is once.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from stockstream.redrive.items import Item, Standing, UserRecord
from stockstream.redrive.places import Places, Selection

_CHUNK_RECORDS: Final = 500
_log = structlog.get_logger(__name__)


class Resend(Protocol):
    """Sends records to the stream, in order for each key."""

    async def __call__(self, records: Sequence[UserRecord]) -> None:
        """Send; returns when Kinesis has acknowledged every one.

        Raises:
            RedriveIncompleteError: it has not, in time.
        """
        ...


@dataclass(slots=True)
class RedriveResult:
    """What a redrive did, or with `dry_run` would have done.

    Attributes:
        dry_run: Nothing was sent or removed.
        looked_at: Items looked at, sent or not.
        items: Things sent (quarantined records, batches).
        records: User records in them.
        left: Items left where they are, by standing.
        reasons: Items sent, by reason.
    """

    dry_run: bool
    looked_at: int = 0
    items: int = 0
    records: int = 0
    left: Counter[Standing] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def _no_progress(_result: RedriveResult) -> None:
    """Say nothing."""


async def redrive(
    places: Places,
    selection: Selection,
    resend: Resend,
    *,
    dry_run: bool = False,
    force: bool = False,
    on_progress: Callable[[RedriveResult], None] = _no_progress,
) -> RedriveResult:
    """Send what is set aside through the stream again.

    Args:
        places: Where it is set aside.
        selection: Which of it.
        resend: Sends records to the stream.
        dry_run: Read everything, send and remove nothing.
        force: Also what would only be refused again, and what is left of a batch that has partly expired.
        on_progress: Called after each chunk.

    Raises:
        RedriveIncompleteError: Kinesis did not take a chunk in time; it is not removed, nor what comes after it.
        RedriveError: something sent could not be removed.
    """
    result = RedriveResult(dry_run)
    left: list[Item] = []
    try:
        async with aclosing(_chunks(places, selection)) as chunks:
            async for chunk in chunks:
                sendable = [item for item in chunk if _is_sendable(item, selection, force=force)]
                skipped = [item for item in chunk if not _is_sendable(item, selection, force=force)]
                # What was looked at is given back at the end, unless it was sent and removed.
                given_back = chunk
                records = [record for item in sendable for record in item.records]
                try:
                    if not dry_run:
                        await _send_and_remove(places, resend, sendable, records)
                        given_back = skipped
                finally:
                    left += given_back
                result.looked_at += len(chunk)
                result.items += len(sendable)
                result.records += len(records)
                result.left.update(item.standing for item in skipped)
                result.reasons.update(item.reason for item in sendable)
                on_progress(result)
    finally:
        await places.release(left)
    return result


async def _send_and_remove(
    places: Places, resend: Resend, items: Sequence[Item], records: Sequence[UserRecord]
) -> None:
    if records:
        await resend(records)
    if items:
        await places.remove(items)
        _log.info("redriven", items=len(items), records=len(records))


async def listing(places: Places, selection: Selection) -> list[Item]:
    """Everything selected, looked at and left where it is."""
    items: list[Item] = []
    try:
        async for item in places.items(selection):
            items.append(item)  # noqa: PERF401 - what was read before an error must be released too
    finally:
        await places.release(items)
    return [item for item in items if selection.reason in (None, item.reason)]


def _is_sendable(item: Item, selection: Selection, *, force: bool) -> bool:
    if selection.reason not in (None, item.reason):
        return False
    return item.standing is Standing.READY or (force and item.standing in (Standing.STILL_BAD, Standing.EXPIRED))


async def _chunks(places: Places, selection: Selection) -> AsyncGenerator[list[Item], None]:
    chunk: list[Item] = []
    records = 0
    async for item in places.items(selection):
        chunk.append(item)
        records += len(item.records)
        if records >= _CHUNK_RECORDS:
            yield chunk
            chunk, records = [], 0
    if chunk:
        yield chunk
