"""What the consumer needs of the outside, one method per call to AWS, and AWS's implementation of it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.dynamodb import DynamoDb, Item, Key, Table, Write
from stockstream_lambda.aws.s3 import S3, StoredObject
from stockstream_lambda.aws.sns import Message, Sns
from stockstream_lambda.config import Config
from stockstream_wire.storage import TABLES


class Tables:
    """The tables of a deployment."""

    def __init__(self, config: Config) -> None:
        self.quotes = Table(config.quotes_table, TABLES["quotes"])
        self.candles = Table(config.candles_table, TABLES["candles"])
        self.alerts = Table(config.alerts_table, TABLES["alerts"])


class Stores(Protocol):
    """Every method is one call (or its repetition); each raises StoreError where the service fails. Thread-safe."""

    def get_object(self, key: str) -> StoredObject | None:
        """Read one object of the bucket; None where there is none."""

    def put_object(self, key: str, body: bytes, content_type: str) -> None:
        """Put one object over whatever is there."""

    def put_new(self, key: str, body: bytes, content_type: str, metadata: Mapping[str, str]) -> bool:
        """Put one object where there is none; False: there is one."""

    def put_if(self, key: str, etag: str, body: bytes, content_type: str) -> str | None:
        """Put one object over that of the ETag and return the new one; None: another one stands there."""

    def list_keys(self, prefix: str, after: str = "") -> list[str]:
        """List up to 1,000 keys behind `after`."""

    def delete_object(self, key: str) -> None:
        """Delete one object."""

    def stored_keys(self, table: Table, keys: Sequence[Key]) -> set[Key]:
        """Which of up to 100 keys have an item; a consistent read."""

    def write_items(self, writes: Sequence[Write]) -> list[Write]:
        """Put up to 25 items of distinct keys; returns those not taken this time."""

    def create_item(self, table: Table, item: bytes) -> bool:
        """Put an item where there is none of its key; False: there is one."""

    def update_item(self, table: Table, key: Key, expressions: dict[str, Any]) -> bool:
        """Update an item on a condition; False: it does not hold."""

    def query(self, table: Table, expressions: dict[str, Any]) -> list[Item]:
        """The first page of a Query."""

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        """Publish up to 10 messages; tells for each whether it was taken."""

    def close(self) -> None:
        """Close what is open."""


class AwsStores:
    """The stores in AWS, or in whatever `AWS_ENDPOINT_URL` names."""

    def __init__(self, client: Callable[[str], ServiceClient], config: Config) -> None:
        self._clients = [client("dynamodb"), client("s3")]
        dynamodb, s3 = DynamoDb(self._clients[0]), S3(self._clients[1], config.archive_bucket)
        self._sns: Sns | None = None
        if config.alerts_topic_arn:
            self._clients.append(client("sns"))
            self._sns = Sns(self._clients[-1], config.alerts_topic_arn)
        self.get_object = s3.get
        self.put_object = s3.put
        self.put_new = s3.put_new
        self.put_if = s3.put_if
        self.list_keys = s3.list_keys
        self.delete_object = s3.delete
        self.stored_keys = dynamodb.stored_keys
        self.write_items = dynamodb.batch_write
        self.create_item = dynamodb.put_new
        self.update_item = dynamodb.update_if
        self.query = dynamodb.query

    def publish(self, messages: Sequence[Message]) -> list[bool]:
        return self._sns.publish_batch(messages) if self._sns is not None else [False] * len(messages)

    def close(self) -> None:
        for client in self._clients:
            client.close()
