"""Slice: decode, store, archive, alert. Stateless; the exactly-once pipeline replaces it."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from stockstream_lambda.archive import archive_object
from stockstream_lambda.aws.dynamodb import BATCH_WRITE_MAX_ITEMS, DynamoDb, Write
from stockstream_lambda.aws.s3 import S3
from stockstream_lambda.aws.sns import PUBLISH_BATCH_MAX_MESSAGES, Message, Sns
from stockstream_lambda.config import Config
from stockstream_lambda.errors import StoreError, StoreUnavailableError
from stockstream_lambda.items import quote_attributes
from stockstream_lambda.published import published_fields
from stockstream_lambda.quarantine import quarantine_object
from stockstream_lambda.records import UserQuote, decode_batch


class Pipeline:
    def __init__(self, config: Config, dynamodb: DynamoDb, s3: S3, sns: Sns | None) -> None:
        self._config = config
        self._dynamodb = dynamodb
        self._s3 = s3
        self._sns = sns
        self._pool = ThreadPoolExecutor(config.parallel_calls)

    def process(self, event: Mapping[str, Any]) -> dict[str, Any]:
        batch = decode_batch(event)
        failed: set[int] = set()
        by_symbol: dict[str, list[UserQuote]] = {}
        for user_quote in batch.quotes:
            by_symbol.setdefault(user_quote.quote.symbol, []).append(user_quote)
        jobs: list[tuple[list[int], Callable[[], None]]] = []
        items: dict[tuple[str, str], tuple[int, bytes]] = {}
        messages: list[tuple[int, Message]] = []
        for symbol, quotes in by_symbol.items():
            for user_quote in quotes:
                quote = user_quote.quote
                published = published_fields(
                    quote.price,
                    quote.previous_close,
                    quote.open,
                    quote.high,
                    quote.low,
                    self._config.anomaly_threshold_percent,
                )
                item = f"{{{quote_attributes(quote, published, [], {})}}}".encode()
                items[symbol, quote.timestamp] = (user_quote.record_index, item)
                if published.anomaly:
                    text = f"{symbol} moved {published.change_percent:.2f}% to {quote.price}"
                    body = msgspec.json.encode({"default": text, "sms": text, "email": text}).decode()
                    attributes = {"symbol": symbol, "kind": "move"}
                    messages.append((user_quote.record_index, Message(f"Stockstream: {symbol}", body, attributes)))
            archive = archive_object(quotes)
            jobs.append(([q.record_index for q in quotes], lambda a=archive: self._s3.put(*a)))
        for bad in batch.bad:
            stored = quarantine_object(bad)
            jobs.append(([bad.record_index], lambda o=stored: self._s3.put(*o)))
        pending = list(items.values())
        for start in range(0, len(pending), BATCH_WRITE_MAX_ITEMS):
            chunk = pending[start : start + BATCH_WRITE_MAX_ITEMS]
            writes = [Write(self._config.quotes_table, item) for _, item in chunk]
            jobs.append(([index for index, _ in chunk], lambda w=writes: self._dynamodb.batch_write(w)))
        if self._sns is not None:
            for start in range(0, len(messages), PUBLISH_BATCH_MAX_MESSAGES):
                part = messages[start : start + PUBLISH_BATCH_MAX_MESSAGES]
                jobs.append(([i for i, _ in part], lambda m=[m for _, m in part]: self._publish(m)))
        futures = [(indexes, self._pool.submit(job)) for indexes, job in jobs]
        for indexes, future in futures:
            try:
                future.result()
            except StoreError:
                failed.update(indexes)
        failures = [{"itemIdentifier": batch.sequence_numbers[min(failed)]}] if failed else []
        return {"batchItemFailures": failures}

    def close(self) -> None:
        """End the threads and close the connections."""
        self._pool.shutdown()
        for store in (self._dynamodb, self._s3, self._sns):
            if store is not None:
                store.close()

    def _publish(self, messages: list[Message]) -> None:
        if self._sns is not None and not all(self._sns.publish_batch(messages)):
            raise StoreUnavailableError("PublishBatch: SNS did not take all messages")
