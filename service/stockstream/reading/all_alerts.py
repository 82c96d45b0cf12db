"""Alerts of all symbols: the one read that scans a table. The audit may not, and does not import it."""

from collections.abc import AsyncIterator
from typing import Any

from stockstream.reading.tables import Item, plain_item
from stockstream_wire.storage import TABLES


async def all_alerts(dynamodb: Any, table: str, first: str, last: str) -> AsyncIterator[Item]:
    """Alerts of all symbols by event time, in no order; the last is excluded."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=table,
        FilterExpression="#id BETWEEN :first AND :last",
        ExpressionAttributeNames={"#id": TABLES["alerts"].sort},
        ExpressionAttributeValues={":first": {"S": first}, ":last": {"S": last}},
    )
    async for page in pages:
        for raw in page["Items"]:
            yield plain_item(raw)
