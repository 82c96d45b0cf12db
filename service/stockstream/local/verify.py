"""After a run: look every accepted quote up in the table and in the archive, through the AWS APIs."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from stockstream.audit.quarantine_lookup import quarantined_among
from stockstream.aws import AwsConfig, list_keys, open_client
from stockstream.reading import open_archive
from stockstream.reading.archive import in_order
from stockstream_wire import WireError, decode_quote
from stockstream_wire.storage import FIRST_FOLDER, QUARANTINE_PREFIX, unpack_lines

_PARALLEL_READS: Final = 16
_FOLDER_SLACK: Final = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of the accepted quotes.

    Attributes:
        stored: Accepted quotes that are an item of the quotes table.
        archived: Accepted quotes that are exactly one line of the archive.
        lost: Accepted quotes missing in the table or in the archive, and not in quarantine either.
        doubled: Accepted quotes that are more than one line of the archive.
        quarantined: Bad records in quarantine, of this run and those before it.
    """

    stored: int
    archived: int
    lost: int
    doubled: int
    quarantined: int


async def verify(aws: AwsConfig, *, quotes_table: str, bucket: str, accepted: Mapping[str, set[str]]) -> Verified:
    """Count the accepted quotes in table and archive.

    Args:
        aws: Where AWS is.
        quotes_table: Table of stored quotes.
        bucket: Bucket of archive and quarantine.
        accepted: Symbol to event times (wire form) of this run's accepted quotes.
    """
    first_day = min((time[:10] for times in accepted.values() for time in times), default="")
    async with (
        open_client(aws, "dynamodb") as dynamodb,
        open_client(aws, "s3", max_pool_connections=2 * _PARALLEL_READS) as s3,
        asyncio.TaskGroup() as group,
    ):
        stored_tasks = {
            symbol: group.create_task(_stored_times(dynamodb, quotes_table, symbol, times))
            for symbol, times in accepted.items()
        }
        archive_task = group.create_task(_archive_lines(s3, bucket, first_day))
        quarantine_task = group.create_task(_count_objects(s3, bucket, QUARANTINE_PREFIX))
    lines = archive_task.result()
    stored = archived = doubled = 0
    missing: set[tuple[str, str]] = set()
    for symbol, times in accepted.items():
        in_table = stored_tasks[symbol].result()
        for time in times:
            count = lines[symbol, time]
            stored += time in in_table
            archived += count == 1
            doubled += count > 1
            if time not in in_table or count == 0:
                missing.add((symbol, time))
    if missing:
        # The consumer sets a tick that no market makes aside, with its bytes: that is not a loss.
        async with open_client(aws, "s3", max_pool_connections=_PARALLEL_READS) as s3:
            missing -= await quarantined_among(s3, bucket, missing)
    return Verified(stored, archived, len(missing), doubled, quarantine_task.result())


async def count_quarantined(aws: AwsConfig, bucket: str) -> int:
    """Count the bad records in quarantine."""
    async with open_client(aws, "s3") as s3:
        return await _count_objects(s3, bucket, QUARANTINE_PREFIX)


async def _stored_times(dynamodb: Any, table: str, symbol: str, times: set[str]) -> set[str]:
    found: set[str] = set()
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        ConsistentRead=True,
        KeyConditionExpression="symbol = :symbol AND #timestamp BETWEEN :first AND :last",
        ProjectionExpression="#timestamp",
        ExpressionAttributeNames={"#timestamp": "timestamp"},
        ExpressionAttributeValues={
            ":symbol": {"S": symbol},
            ":first": {"S": min(times)},
            ":last": {"S": max(times)},
        },
    )
    async for page in pages:
        found.update(item["timestamp"]["S"] for item in page["Items"])
    return found


async def _archive_lines(s3: Any, bucket: str, first_day: str) -> Counter[tuple[str, str]]:
    lines: Counter[tuple[str, str]] = Counter()
    if not first_day:
        return lines
    archive = await open_archive(s3, bucket)
    # A quote lies in the folder that was open when it came: never one much older than its own day, whose end a feed's
    # clock may be ahead of.
    earliest = (date.fromisoformat(first_day) - _FOLDER_SLACK).isoformat()
    keys = [found.key for log in archive.log.values() for found in log if found.folder >= earliest]
    for day in archive.folders if any(archive.markers.values()) else ():
        if day != FIRST_FOLDER and day >= first_day:
            keys += [found.key for objects in (await archive.tidied(day)).values() for found in objects]
    async for body in in_order(keys, archive.body):
        for line in unpack_lines(body):
            try:
                quote = decode_quote(line)
            except WireError:
                continue
            lines[quote.symbol, quote.timestamp] += 1
    return lines


async def _count_objects(s3: Any, bucket: str, prefix: str) -> int:
    count = 0
    async for _ in list_keys(s3, bucket, prefix):
        count += 1
    return count
