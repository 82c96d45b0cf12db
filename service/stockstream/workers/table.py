"""The table of workers: an item each, written on condition, read by one query, removed when its worker leaves."""

import time
from collections.abc import Callable
from typing import Any, Final

from stockstream.workers.members import Row
from stockstream_wire import parse_timestamp
from stockstream_wire.storage import EXPIRES_AT, WORKERS_KEY

# An item that nobody removed goes by itself; nothing is decided by it, so that clocks may differ by hours.
_KEPT_SECONDS: Final = 86_400


class WorkersTable:
    """The workers of one deployment.

    Args:
        dynamodb: An open client.
        table: Its name.
        deployment: Whose workers.
        now_seconds: Wall clock, for the item's expiry alone.
    """

    def __init__(
        self, dynamodb: Any, table: str, deployment: str, now_seconds: Callable[[], float] = time.time
    ) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._deployment = deployment
        self._now_seconds = now_seconds

    async def beat(self, row: Row) -> None:
        """Write a heartbeat.

        Raises:
            ClientError: AWS refused; ConditionalCheckFailedException where the counter has been further already: a
                late repeat takes nothing back.
        """
        await self._dynamodb.update_item(
            TableName=self._table,
            Key=self._key(row.worker),
            ConditionExpression="attribute_not_exists(beats) OR beats < :beats",
            UpdateExpression="SET beats = :beats, is_serving = :serving, symbols = :symbols, #place = :place, "
            f"beat_at = :at, heartbeat_seconds = :heartbeat, {EXPIRES_AT} = :expires",
            ExpressionAttributeNames={"#place": "place"},
            ExpressionAttributeValues={
                ":beats": {"N": str(row.beats)},
                ":serving": {"BOOL": row.is_serving},
                ":symbols": {"N": str(row.symbols)},
                ":place": {"S": row.place},
                ":at": {"S": row.beat_at},
                ":heartbeat": {"N": str(row.heartbeat_seconds)},
                ":expires": {"N": str(int(self._now_seconds()) + _KEPT_SECONDS)},
            },
        )

    async def rows(self) -> list[Row]:
        """What every worker said last."""
        return await read_workers(self._dynamodb, self._table, self._deployment)

    async def leave(self, worker: str) -> None:
        """Remove a worker, so that the others need not wait for its silence."""
        await self._dynamodb.delete_item(TableName=self._table, Key=self._key(worker))

    def _key(self, worker: str) -> dict[str, Any]:
        return {WORKERS_KEY.partition: {"S": self._deployment}, WORKERS_KEY.sort: {"S": worker}}


async def read_workers(dynamodb: Any, table: str, deployment: str) -> list[Row]:
    """Read the items of a deployment's workers; dead ones are among them until they expire."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="#deployment = :deployment",
        ExpressionAttributeNames={"#deployment": WORKERS_KEY.partition},
        ExpressionAttributeValues={":deployment": {"S": deployment}},
    )
    rows = [_row(item) async for page in pages for item in page["Items"]]
    return [row for row in rows if row is not None]


def _row(item: Any) -> Row | None:
    """A worker's item; None where somebody else wrote it: one of those must not blind every worker."""
    try:
        return _read_row(item)
    except (KeyError, TypeError, ValueError):
        return None


def _read_row(item: Any) -> Row:
    parse_timestamp(item["beat_at"]["S"])
    return Row(
        worker=item[WORKERS_KEY.sort]["S"],
        beats=int(item["beats"]["N"]),
        is_serving=item["is_serving"]["BOOL"],
        symbols=int(item["symbols"]["N"]),
        place=item["place"]["S"],
        beat_at=item["beat_at"]["S"],
        **({"heartbeat_seconds": float(item["heartbeat_seconds"]["N"])} if "heartbeat_seconds" in item else {}),
    )
