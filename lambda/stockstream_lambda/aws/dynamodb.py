"""DynamoDB: the four requests the consumer makes. Items are JSON bytes in DynamoDB's own attribute notation."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from stockstream_lambda.aws.client import MAX_ATTEMPTS, ServiceClient
from stockstream_lambda.errors import ConditionFailedError, StoreRefusedError, StoreUnavailableError

# DynamoDB Developer Guide, "Quotas": items per request.
BATCH_GET_MAX_KEYS: Final = 100
BATCH_WRITE_MAX_ITEMS: Final = 25
TRANSACTION_MAX_ITEMS: Final = 100
# A transaction holds 4 MB; what we send of it is JSON with base64, so this leaves room.
TRANSACTION_MAX_BYTES: Final = 3 * 1024 * 1024

Item = dict[str, dict[str, Any]]
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Write(NamedTuple):
    """One item to put: its table and its JSON bytes."""

    table: str
    item: bytes


class TransactionWrite(NamedTuple):
    """One put of a transaction; `condition` is the JSON tail that holds its condition, or empty."""

    table: str
    item: bytes
    condition: bytes = b""


class TransactionCanceledError(ConditionFailedError):
    """`failed[i]` says whether the i-th write's condition failed (or another transaction holds its item)."""

    def __init__(self, message: str, failed: Sequence[bool]) -> None:
        super().__init__(message)
        self.failed = failed


class DynamoDb:
    """Batched reads and writes. Thread-safe."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    def batch_get(self, table: str, keys: Sequence[bytes], projection: str | None = None) -> list[Item]:
        """Read up to 100 items consistently; keys the service left unprocessed are asked for again.

        Raises:
            StoreError: the service failed, or still leaves keys unprocessed after all attempts.
        """
        found: list[Item] = []
        names = msgspec.json.encode({f"#{name}": name for name in projection.split(",")}) if projection else b""
        expression = ",".join(f"#{name}" for name in projection.split(",")).encode() if projection else b""
        options = (
            b'"ConsistentRead":true,"ProjectionExpression":"' + expression + b'","ExpressionAttributeNames":' + names
            if projection
            else b'"ConsistentRead":true'
        )
        body = b'{"RequestItems":{"%b":{%b,"Keys":[%b]}}}' % (table.encode(), options, b",".join(keys))
        for attempt in range(1, MAX_ATTEMPTS + 1):
            answer = self._call("BatchGetItem", body)
            found.extend(answer.get("Responses", {}).get(table, ()))
            unprocessed = answer.get("UnprocessedKeys")
            if not unprocessed:
                return found
            body = msgspec.json.encode({"RequestItems": unprocessed})
            self._client.pause(attempt)
        raise StoreUnavailableError(f"BatchGetItem {table}: keys left unprocessed after {MAX_ATTEMPTS} attempts")

    def batch_write(self, writes: Sequence[Write]) -> None:
        """Put up to 25 items of distinct keys; items the service left unprocessed are sent again.

        Raises:
            StoreError: the service failed, or still leaves items unprocessed after all attempts.
        """
        by_table: dict[str, list[bytes]] = {}
        for table, item in writes:
            by_table.setdefault(table, []).append(b'{"PutRequest":{"Item":%b}}' % item)
        body = b'{"RequestItems":{%b}}' % b",".join(
            [b'"%b":[%b]' % (table.encode(), b",".join(items)) for table, items in by_table.items()]
        )
        for attempt in range(1, MAX_ATTEMPTS + 1):
            unprocessed = self._call("BatchWriteItem", body).get("UnprocessedItems")
            if not unprocessed:
                return
            body = msgspec.json.encode({"RequestItems": unprocessed})
            self._client.pause(attempt)
        raise StoreUnavailableError(f"BatchWriteItem: items left unprocessed after {MAX_ATTEMPTS} attempts")

    def transact(self, writes: Sequence[TransactionWrite]) -> None:
        """Put up to 100 items, all or none.

        Raises:
            TransactionCanceledError: a condition failed or another transaction holds an item; nothing was written.
            StoreError: the service failed; whether it was written is not known.
        """
        body = b'{"TransactItems":[%b]}' % b",".join(
            [
                b'{"Put":{"TableName":"%b","Item":%b%b}}' % (table.encode(), item, condition)
                for table, item, condition in writes
            ]
        )
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                self._call("TransactWriteItems", body)
            except _CanceledAnswerError as exc:
                codes = exc.codes
                if any(code == "ConditionalCheckFailed" for code in codes) or not codes:
                    failed = [code == "ConditionalCheckFailed" for code in codes]
                    raise TransactionCanceledError(str(exc), failed) from exc
                if any(code == "ValidationError" for code in codes) or attempt == MAX_ATTEMPTS:
                    raise StoreUnavailableError(f"TransactWriteItems: {exc}") from exc
                self._client.pause(attempt)
            else:
                return

    def update(self, body: bytes) -> None:
        """Make one conditional UpdateItem.

        Raises:
            ConditionFailedError: the condition does not hold; nothing was written.
            StoreError: the service failed.
        """
        try:
            self._call("UpdateItem", body)
        except StoreRefusedError as exc:
            if exc.code == "ConditionalCheckFailedException":
                raise ConditionFailedError(str(exc)) from exc
            raise

    def close(self) -> None:
        """Close the kept connections."""
        self._client.close()

    def _call(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = {"x-amz-target": f"DynamoDB_20120810.{operation}", "content-type": "application/x-amz-json-1.0"}
        try:
            answer = self._client.call(operation, "POST", "/", headers, body)
        except StoreRefusedError as exc:
            if exc.code == "TransactionCanceledException":
                raise _CanceledAnswerError(str(exc)) from exc
            raise
        try:
            return {} if answer.body == b"{}" else _decode(answer.body)
        except msgspec.DecodeError as exc:
            # A proxy's or an emulator's own page, with status 200.
            raise StoreUnavailableError(f"{operation}: the answer is no JSON object: {exc}") from exc


class _CanceledAnswerError(StoreRefusedError):
    """A cancelled transaction; its message ends in the reason codes in the order of the writes."""

    def __init__(self, message: str) -> None:
        super().__init__("TransactWriteItems", "TransactionCanceledException", message, 400)
        # "... specific reasons [None, ConditionalCheckFailed]": the one form that AWS and the emulators share.
        inside = message.rpartition("[")[2].partition("]")[0]
        self.codes = [code.strip() for code in inside.split(",")] if "[" in message else []
