"""Reads the quarantine (docs/consumer.md): one S3 object for each user record that the consumer could not take."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from stockstream.aws import list_keys, read_object
from stockstream.errors import AnswerTooLargeError
from stockstream.redrive.items import Item, Origin, Standing, preview_of, sendable_key
from stockstream_wire import WireError, decode_quote
from stockstream_wire.storage import QUARANTINE_PREFIX, decode_quarantined

_PARALLEL_READS: Final = 16
# A damaged aggregate, or bytes that were not base64, do not get better by being sent again.
_BEYOND_REPAIR: Final = frozenset({"aggregation_error", "base64_error"})


async def quarantined(
    s3: Any, bucket: str, *, day: str | None = None, reason: str | None = None, limit: int | None = None
) -> AsyncIterator[Item]:
    """Iterate over the quarantine in the order of arrival day, shard and position.

    Args:
        s3: An aiobotocore S3 client.
        bucket: The archive's bucket.
        day: UTC day of arrival, `2026-11-22`; None for all.
        reason: Only this reason.
        limit: At most so many.
    """
    keys = sorted(await quarantine_keys(s3, bucket, day), key=_position)
    found = 0
    for start in range(0, len(keys), _PARALLEL_READS):
        part = keys[start : start + _PARALLEL_READS]
        async with asyncio.TaskGroup() as tasks:
            reads = [tasks.create_task(_read(s3, bucket, key)) for key in part]
        for key, read in zip(part, reads, strict=True):
            item = _item(key, read.result())
            if reason is not None and item.reason != reason:
                continue
            if limit is not None and found == limit:
                return
            found += 1
            yield item


async def _read(s3: Any, bucket: str, key: str) -> bytes | AnswerTooLargeError:
    try:
        return await read_object(s3, bucket, key)
    except AnswerTooLargeError as exc:
        return exc


def _item(key: str, body: bytes | AnswerTooLargeError) -> Item:
    if isinstance(body, AnswerTooLargeError):
        return Item(
            Origin.QUARANTINE, key, key.removeprefix(QUARANTINE_PREFIX), "unreadable", str(body), Standing.UNREADABLE
        )
    try:
        stored = decode_quarantined(body)
        data = stored.data
    except ValueError as exc:
        label = key.removeprefix(QUARANTINE_PREFIX)
        return Item(Origin.QUARANTINE, key, label, "unreadable", str(exc), Standing.UNREADABLE)
    standing, symbol, detail = Standing.STILL_BAD, sendable_key(stored.partition_key), stored.detail
    if stored.reason not in _BEYOND_REPAIR:
        try:
            # Key and shard as the sender would choose them: the symbol decides both.
            symbol = decode_quote(data).symbol
            standing = Standing.READY
        except WireError as exc:
            detail = str(exc)
    return Item(
        Origin.QUARANTINE,
        key,
        f"{stored.shard_id} {stored.sequence_number}-{stored.subsequence_number}",
        stored.reason,
        detail,
        standing,
        ((symbol, data),),
        preview_of(data),
    )


def _position(key: str) -> tuple[str, int, int, str]:
    folder, _, name = key.rpartition("/")
    sequence, _, subsequence = name.removesuffix(".json").partition("-")
    try:
        return folder, int(sequence), int(subsequence or 0), key
    except ValueError:
        return folder, 0, 0, key


async def quarantine_keys(s3: Any, bucket: str, day: str | None) -> list[str]:
    """Keys of the quarantine: of one day of arrival, or of all."""
    prefix = f"{QUARANTINE_PREFIX}dt={day}/" if day else QUARANTINE_PREFIX
    return [key async for key in list_keys(s3, bucket, prefix)]
