"""The tables, read: a query is an iterator over items as plain values."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from stockstream_wire.storage import TABLES

# BatchGetItem's limit: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
_BATCH_GET_MAX_KEYS: Final = 100

Item = Mapping[str, Any]


def plain_item(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """An item as Python values: numbers are Decimal, lists are lists, NULL is None."""
    # Nearly all values are of the first two kinds: a call less for each of a million.
    return {
        name: Decimal(value["N"]) if "N" in value else value["S"] if "S" in value else _plain(value)
        for name, value in attributes.items()
    }


def _plain(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == "N":
        return Decimal(content)
    if kind == "L":
        return [Decimal(entry["N"]) if "N" in entry else _plain(entry) for entry in content]
    return None if kind == "NULL" else content


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of a deployment.

    Attributes:
        dynamodb: An aiobotocore client, closed by the caller.
        quotes: Name of the table of quotes.
        candles: Name of the table of candles.
        is_consistent: Read what was written last, at twice the read units.
        alerts: Name of the table of alerts.
    """

    dynamodb: Any
    quotes: str
    candles: str
    is_consistent: bool = False
    alerts: str = "alerts"

    def quotes_between(
        self,
        symbol: str,
        first: str,
        last: str,
        *,
        newest_first: bool = False,
        page_items: int | None = None,
        attributes: Sequence[str] = (),
    ) -> AsyncIterator[Item]:
        """Quotes of a symbol by event time, both ends included; with these attributes alone where some are named."""
        return self._query(
            self.quotes, TABLES["quotes"], symbol, (first, last),
            newest_first=newest_first, page_items=page_items, attributes=attributes,
        )  # fmt: skip

    def candles_between(
        self, symbol_interval: str, first: str, last: str, *, attributes: Sequence[str] = ()
    ) -> AsyncIterator[Item]:
        """Stored candles of a symbol and interval by window start, both ends included; these attributes, or all."""
        return self._query(self.candles, TABLES["candles"], symbol_interval, (first, last), attributes=attributes)

    def alerts_between(self, symbol: str, first: str, last: str) -> AsyncIterator[Item]:
        """Alerts of a symbol by event time; the last is excluded."""
        # An alert's id begins with its event time, and goes on with a dash.
        return self._query(self.alerts, TABLES["alerts"], symbol, (first, last))

    async def stored_among(self, keys: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which quotes (symbol, event time) are there; always read consistently."""
        names = TABLES["quotes"]
        wanted = sorted(set(keys))
        found: set[tuple[str, str]] = set()
        for start in range(0, len(wanted), _BATCH_GET_MAX_KEYS):
            asked = [
                {names.partition: {"S": symbol}, names.sort: {"S": timestamp}}
                for symbol, timestamp in wanted[start : start + _BATCH_GET_MAX_KEYS]
            ]
            while asked:
                request = {
                    "Keys": asked,
                    "ConsistentRead": True,
                    "ProjectionExpression": "#hash, #range",
                    "ExpressionAttributeNames": {"#hash": names.partition, "#range": names.sort},
                }
                answer = await self.dynamodb.batch_get_item(RequestItems={self.quotes: request})
                for item in answer["Responses"].get(self.quotes, ()):
                    found.add((item[names.partition]["S"], item[names.sort]["S"]))
                asked = answer.get("UnprocessedKeys", {}).get(self.quotes, {}).get("Keys", [])
        return found

    async def _query(
        self,
        table: str,
        keys: tuple[str, str],
        hash_value: str,
        between: tuple[str, str],
        *,
        newest_first: bool = False,
        page_items: int | None = None,
        attributes: Sequence[str] = (),
    ) -> AsyncIterator[Item]:
        names = {f"#{number}": name for number, name in enumerate(attributes)}
        pages = self.dynamodb.get_paginator("query").paginate(
            TableName=table,
            ConsistentRead=self.is_consistent,
            ScanIndexForward=not newest_first,
            KeyConditionExpression="#hash = :hash AND #range BETWEEN :first AND :last",
            ExpressionAttributeNames={"#hash": keys[0], "#range": keys[1], **names},
            ExpressionAttributeValues={
                ":hash": {"S": hash_value}, ":first": {"S": between[0]}, ":last": {"S": between[1]}
            },
            **({"ProjectionExpression": ", ".join(names)} if names else {}),
            **({"PaginationConfig": {"PageSize": page_items}} if page_items else {}),
        )  # fmt: skip
        async for page in pages:
            for raw in page["Items"]:
                yield plain_item(raw)
