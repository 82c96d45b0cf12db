"""How a deployment is, told from what it has stored alone: no access to its processes is needed."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from stockstream.aws import read_object
from stockstream.reading.follow import Position, Update, read_checkpoints, tail
from stockstream_wire.storage import (
    QUARANTINE_PREFIX,
    UNSENT,
    UNSENT_INDEX,
    UNSENT_VALUE,
    CheckpointSymbols,
    Partition,
    decode_quarantined,
)

# Newest objects of the quarantine that are told with what they hold, and the folders (days) that are looked through.
_QUARANTINE_SHOWN: Final = 20
_QUARANTINE_DAYS: Final = 7


class PartitionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One partition of the log.

    Attributes:
        name: `p4-03`.
        revision: The newest one.
        folder: Where the next one goes.
        checkpoint_revision: What the consumer's next cold start reads the log from.
        symbols: How many it has.
        newest_event: Event time of its newest quote; None before the first.
        written_at: When its newest entry behind the checkpoint was stored; None where there is none.
    """

    name: str
    revision: int
    folder: str
    checkpoint_revision: int
    symbols: int
    newest_event: datetime | None
    written_at: datetime | None


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One record that was set aside."""

    key: str
    reason: str
    detail: str
    data_base64: str
    data_bytes: int
    arrived_at: datetime


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What the stores say.

    Attributes:
        partitions: Of the log; none where nothing has been stored yet.
        unsent_alerts: Stored and not taken by SNS yet; they are sent within minutes.
        quarantined: Records set aside in the newest days that have any.
        quarantine: The newest of them.
    """

    partitions: list[PartitionHealth]
    unsent_alerts: int
    quarantined: int
    quarantine: list[Quarantined]


async def read_health(s3: Any, dynamodb: Any, bucket: str, alerts_table: str) -> Health:
    """Read it: some 40 GETs a partition at most, a listing, a query.

    Raises:
        LogFormatError: as `read_checkpoints` does.
    """
    checkpoints = await read_checkpoints(s3, bucket)
    newest: dict[Partition, Update] = {}
    events = {partition: _newest_event(found) for partition, found in checkpoints.items()}
    symbols = {partition: set(found.symbols) for partition, found in checkpoints.items()}
    async for update in tail(s3, bucket, checkpoints):
        newest[update.partition] = update
        symbols[update.partition] |= {quote.symbol for quote in update.quotes}
        events[update.partition] = max([events[update.partition], *(quote.timestamp for quote in update.quotes)])
    unsent, keys = await asyncio.gather(_count_unsent(dynamodb, alerts_table), _quarantine_keys(s3, bucket))
    shown = await asyncio.gather(*(_quarantined(s3, bucket, key) for key in keys[:_QUARANTINE_SHOWN]))
    return Health(
        partitions=[
            _partition(partition, found, newest.get(partition), events[partition], len(symbols[partition]))
            for partition, found in checkpoints.items()
        ],
        unsent_alerts=unsent,
        quarantined=len(keys),
        quarantine=list(shown),
    )


def _partition(
    partition: Partition, checkpoint: CheckpointSymbols, newest: Update | None, event: str, symbols: int
) -> PartitionHealth:
    position = Position(checkpoint.revision, checkpoint.folder)
    if newest is not None:
        position = newest.place.positions[partition.number]
    return PartitionHealth(
        name=partition.name,
        revision=position.revision,
        folder=position.folder,
        checkpoint_revision=checkpoint.revision,
        symbols=symbols,
        newest_event=datetime.fromisoformat(event) if event else None,
        written_at=newest.written_at if newest is not None else None,
    )


def _newest_event(checkpoint: CheckpointSymbols) -> str:
    return max((head.last_timestamp for head in checkpoint.symbols.values()), default="")


async def _count_unsent(dynamodb: Any, table: str) -> int:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        IndexName=UNSENT_INDEX,
        Select="COUNT",
        KeyConditionExpression="#unsent = :unsent",
        ExpressionAttributeNames={"#unsent": UNSENT},
        ExpressionAttributeValues={":unsent": {"S": UNSENT_VALUE}},
    )
    return sum([page["Count"] async for page in pages])


async def _quarantine_keys(s3: Any, bucket: str) -> list[str]:
    """Keys of the newest days, the latest stored first."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=QUARANTINE_PREFIX, Delimiter="/")
    days = [found["Prefix"] async for page in pages for found in page.get("CommonPrefixes", ())]
    entries: list[Mapping[str, Any]] = []
    for prefix in sorted(days)[-_QUARANTINE_DAYS:]:
        async for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            entries += page.get("Contents", ())
    return [entry["Key"] for entry in sorted(entries, key=lambda entry: entry["LastModified"], reverse=True)]


async def _quarantined(s3: Any, bucket: str, key: str) -> Quarantined:
    found = decode_quarantined(await read_object(s3, bucket, key))
    return Quarantined(
        key=key,
        reason=found.reason,
        detail=found.detail,
        data_base64=found.data_base64,
        data_bytes=found.data_bytes,
        arrived_at=datetime.fromtimestamp(found.approximate_arrival_ms / 1000, UTC),
    )
