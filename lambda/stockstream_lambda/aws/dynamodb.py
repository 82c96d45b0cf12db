"""DynamoDB: the requests the consumer makes. Items are JSON bytes in DynamoDB's own attribute notation."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from stockstream_lambda.aws.client import MAX_ATTEMPTS, ServiceClient
from stockstream_lambda.errors import StoreRefusedError, StoreUnavailableError
from stockstream_wire.storage import TableKey

# DynamoDB Developer Guide, "Quotas": items per request.
BATCH_GET_MAX_KEYS: Final = 100
BATCH_WRITE_MAX_ITEMS: Final = 25

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_encode: Final = msgspec.json.encode


class Table(NamedTuple):
    """A table's name in this deployment, and its key's attributes."""

    name: str
    key: TableKey

    def key_of(self, item: Item) -> Key:
        return item[self.key.partition]["S"], item[self.key.sort]["S"]


class Write(msgspec.Struct, frozen=True, gc=False):
    """One item to put: its table, its key and its JSON bytes, key included."""

    table: Table
    key: Key
    item: bytes


class DynamoDb:
    """Batched reads and writes, single conditional ones. Thread-safe."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def stored_keys(self, table: Table, keys: Sequence[Key]) -> set[Key]:
        """Which of up to 100 distinct keys have an item; a consistent read.

        Raises:
            StoreError: the service failed, or still leaves keys unprocessed after all attempts.
        """
        names = b'{"#p":"%b","#s":"%b"}' % (table.key.partition.encode(), table.key.sort.encode())
        form = b'{"%b":{"S":%%b},"%b":{"S":%%b}}' % (table.key.partition.encode(), table.key.sort.encode())
        asked = b",".join([form % (_encode(first), _encode(second)) for first, second in keys])
        body = (
            b'{"RequestItems":{"%b":{"ConsistentRead":true,"ProjectionExpression":"#p,#s",'
            b'"ExpressionAttributeNames":%b,"Keys":[%b]}}}' % (table.name.encode(), names, asked)
        )
        found: set[Key] = set()
        for attempt in range(1, MAX_ATTEMPTS + 1):
            answer = self._call("BatchGetItem", body)
            found.update(map(table.key_of, answer.get("Responses", {}).get(table.name, ())))
            unprocessed = answer.get("UnprocessedKeys")
            if not unprocessed:
                return found
            body = _encode({"RequestItems": unprocessed})
            self._client.pause(attempt)
        raise StoreUnavailableError(f"BatchGetItem {table.name}: keys left unprocessed after {MAX_ATTEMPTS} attempts")

    def batch_write(self, writes: Sequence[Write]) -> list[Write]:
        """Put up to 25 items of distinct keys; returns those that the service did not take this time."""
        by_table: dict[str, list[bytes]] = {}
        for write in writes:
            by_table.setdefault(write.table.name, []).append(write.item)
        puts = [
            b'"%b":[{"PutRequest":{"Item":%b}}]' % (name.encode(), b'}},{"PutRequest":{"Item":'.join(items))
            for name, items in by_table.items()
        ]
        body = b'{"RequestItems":{%b}}' % b",".join(puts)
        unprocessed = self._call("BatchWriteItem", body).get("UnprocessedItems")
        if not unprocessed:
            return []
        tables = {write.table.name: write.table for write in writes}
        left = {
            (name, tables[name].key_of(request["PutRequest"]["Item"]))
            for name, requests in unprocessed.items()
            for request in requests
        }
        return [write for write in writes if (write.table.name, write.key) in left]

    def put_new(self, table: Table, item: bytes) -> bool:
        """Put an item where there is none of its key. False: there is one, perhaps of a try whose answer was lost."""
        return self._on_condition(
            "PutItem",
            b'{"TableName":"%b","Item":%b,"ConditionExpression":"attribute_not_exists(#p)",'
            b'"ExpressionAttributeNames":{"#p":"%b"}}' % (table.name.encode(), item, table.key.partition.encode()),
        )

    def update_if(self, table: Table, key: Key, expressions: dict[str, Any]) -> bool:
        """Update an item on a condition; False: the condition does not hold.

        Args:
            table: Its table.
            key: Its key.
            expressions: UpdateExpression, ConditionExpression and what they name, as UpdateItem takes them.
        """
        names = {table.key.partition: {"S": key[0]}, table.key.sort: {"S": key[1]}}
        return self._on_condition("UpdateItem", _encode({"TableName": table.name, "Key": names, **expressions}))

    def query(self, table: Table, expressions: dict[str, Any]) -> list[Item]:
        """The first page (1 MB) of what a Query finds."""
        found: list[Item] = self._call("Query", _encode({"TableName": table.name, **expressions}))["Items"]
        return found

    def _on_condition(self, operation: str, body: bytes) -> bool:
        try:
            self._call(operation, body)
        except StoreRefusedError as exc:
            if exc.code == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _call(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = {"x-amz-target": f"DynamoDB_20120810.{operation}", "content-type": "application/x-amz-json-1.0"}
        answer = self._client.call(operation, "POST", "/", headers, body)
        try:
            return {} if answer.body in {b"{}", b'{"UnprocessedItems":{}}'} else _decode(answer.body)
        except msgspec.DecodeError as exc:
            # A proxy's or an emulator's own page, with status 200.
            raise StoreUnavailableError(f"{operation}: the answer is no JSON object: {exc}") from exc
