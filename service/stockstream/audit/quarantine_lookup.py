"""Looks accepted quotes that are nowhere up in quarantine: a quote set aside is not lost."""

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any, Final

from stockstream.aws import list_keys, read_object
from stockstream.errors import AnswerTooLargeError
from stockstream_wire import WireError, decode_quote
from stockstream_wire.storage import QUARANTINE_PREFIX, decode_quarantined

_PARALLEL_READS: Final = 16


async def quarantined_among(s3: Any, bucket: str, wanted: AbstractSet[tuple[str, str]]) -> set[tuple[str, str]]:
    """Which of the quotes (symbol, event time) are in quarantine.

    The quarantine is filed by day of arrival, which says nothing of the event time, so all of it is read.
    """
    found: set[tuple[str, str]] = set()
    limit = asyncio.Semaphore(_PARALLEL_READS)

    async def look(key: str) -> None:
        async with limit:
            try:
                body = await read_object(s3, bucket, key)
            except AnswerTooLargeError:
                return  # larger than any record
        try:
            quote = decode_quote(decode_quarantined(body).data)
        except (ValueError, WireError):
            return  # not a quote: none of ours was accepted in that form
        if (quote.symbol, quote.timestamp) in wanted:
            found.add((quote.symbol, quote.timestamp))

    if wanted:
        async with asyncio.TaskGroup() as tasks:
            async for key in list_keys(s3, bucket, QUARANTINE_PREFIX):
                tasks.create_task(look(key))
    return found
