"""What the pipeline needs of the outside, one method per call to AWS, and AWS's implementation of it."""

from collections.abc import Sequence
from typing import Protocol

from stockstream_lambda.aws.dynamodb import DynamoDb, Item, TransactionWrite, Write
from stockstream_lambda.aws.s3 import S3
from stockstream_lambda.aws.sns import Message, Sns
from stockstream_lambda.config import Config
from stockstream_lambda.errors import ConditionFailedError
from stockstream_lambda.quarantine import StoredObject
from stockstream_lambda.symbols import clear_redo_request

Key = tuple[str, str]


class Stores(Protocol):
    """Every method is one call; each raises StoreError where the service fails. Thread-safe."""

    def get_symbols(self, symbols: Sequence[str]) -> dict[str, Item]:
        """Read up to 100 symbols' items, consistently."""
        ...

    def stored_quotes(self, keys: Sequence[Key]) -> set[Key]:
        """Which of up to 100 quotes, by symbol and timestamp, are stored; a consistent read."""
        ...

    def published_alerts(self, keys: Sequence[Key]) -> set[Key]:
        """Which of up to 100 alerts, by symbol and alert id, are marked as published; a consistent read."""
        ...

    def commit(self, writes: Sequence[TransactionWrite]) -> None:
        """Put up to 100 items, all or none; TransactionCanceledError where a condition fails."""
        ...

    def put_items(self, writes: Sequence[Write]) -> None:
        """Put up to 25 items of distinct keys."""
        ...

    def clear_redo(self, symbol: str, revision: int) -> None:
        """Remove a redo log, unless the symbol has moved on."""
        ...

    def put_object(self, stored: StoredObject) -> None:
        """Put one object into the bucket."""
        ...

    def get_object(self, key: str) -> bytes | None:
        """Read one object of the bucket; None where it does not exist."""
        ...

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish up to 10 messages; tells for each whether it was taken."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...


class AwsStores:
    """The stores in AWS, or in whatever `AWS_ENDPOINT_URL` names."""

    def __init__(self, config: Config, dynamodb: DynamoDb, s3: S3, sns: Sns | None) -> None:
        self._config = config
        self._dynamodb = dynamodb
        self._s3 = s3
        self._sns = sns

    def get_symbols(self, symbols: Sequence[str]) -> dict[str, Item]:
        keys = [b'{"symbol":{"S":"%b"}}' % symbol.encode() for symbol in symbols]
        return {item["symbol"]["S"]: item for item in self._dynamodb.batch_get(self._config.symbols_table, keys)}

    def stored_quotes(self, keys: Sequence[Key]) -> set[Key]:
        requested = [b'{"symbol":{"S":"%b"},"timestamp":{"S":"%b"}}' % (s.encode(), t.encode()) for s, t in keys]
        found = self._dynamodb.batch_get(self._config.quotes_table, requested, "symbol,timestamp")
        return {(item["symbol"]["S"], item["timestamp"]["S"]) for item in found}

    def published_alerts(self, keys: Sequence[Key]) -> set[Key]:
        requested = [b'{"symbol":{"S":"%b"},"alert_id":{"S":"%b"}}' % (s.encode(), a.encode()) for s, a in keys]
        found = self._dynamodb.batch_get(self._config.alerts_table, requested, "symbol,alert_id,status")
        return {(item["symbol"]["S"], item["alert_id"]["S"]) for item in found if item["status"]["S"] == "published"}

    def commit(self, writes: Sequence[TransactionWrite]) -> None:
        self._dynamodb.transact(writes)

    def put_items(self, writes: Sequence[Write]) -> None:
        self._dynamodb.batch_write(writes)

    def clear_redo(self, symbol: str, revision: int) -> None:
        try:
            self._dynamodb.update(clear_redo_request(self._config.symbols_table, symbol, revision))
        except ConditionFailedError:
            return  # a later commit stands there; it began by finishing this redo log

    def put_object(self, stored: StoredObject) -> None:
        self._s3.put(stored.key, stored.body, stored.content_type)

    def get_object(self, key: str) -> bytes | None:
        return self._s3.get(key)

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        return self._sns.publish_batch(messages) if self._sns is not None else [True] * len(messages)

    def close(self) -> None:
        for client in (self._dynamodb, self._s3, self._sns):
            if client is not None:
                client.close()
