"""Looks accepted quotes that are nowhere up in quarantine: a quote set aside is not lost."""

import asyncio
import base64
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from stockstream.aws import list_keys, read_object
from stockstream.errors import AnswerTooLargeError
from stockstream_wire import WireError, decode_quote

_PARALLEL_READS: Final = 16


class _Quarantined(msgspec.Struct):
    data_base64: str


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
            data = base64.b64decode(msgspec.json.decode(body, type=_Quarantined).data_base64)
            quote = decode_quote(data)
        except (ValueError, WireError):
            return  # not a quote: none of ours was accepted in that form
        if (quote.symbol, quote.timestamp) in wanted:
            found.add((quote.symbol, quote.timestamp))

    if wanted:
        async with asyncio.TaskGroup() as tasks:
            async for key in list_keys(s3, bucket, "quarantine/"):
                tasks.create_task(look(key))
    return found
