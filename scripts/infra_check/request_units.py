"""What a quote costs DynamoDB and S3: the real consumer on quotes 30 s apart, its requests counted by DynamoDB's rules.

`python -m scripts.infra_check.request_units [--symbols N] [--polls N]`. docs/cost.md takes its figures from here.
The rules: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html
"""

import argparse
import base64
import logging
import math
import threading
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import boto3
import msgspec
from moto.server import ThreadedMotoServer

from stockstream_lambda.aws.client import ServiceClient
from stockstream_lambda.aws.credentials import CredentialSource, endpoint_for
from stockstream_lambda.aws.dynamodb import DynamoDb
from stockstream_lambda.aws.s3 import S3
from stockstream_lambda.config import Config
from stockstream_lambda.pipeline import Pipeline
from stockstream_lambda.stores import AwsStores
from stockstream_wire import Quote, encode_quote, format_timestamp

WRITE_UNIT_BYTES: Final = 1024
READ_UNIT_BYTES: Final = 4096
_KEYS: Final = {
    "quotes": ("symbol", "timestamp"),
    "symbols": ("symbol",),
    "candles": ("symbol_interval", "window_start"),
    "alerts": ("symbol", "alert_id"),
}


class Units:
    """Request units by table; thread-safe, as the consumer's stores are."""

    def __init__(self) -> None:
        self.writes: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.puts = 0
        self._sizes: dict[tuple[str, str], int] = {}
        self._lock = threading.Lock()

    def count(self, operation: str, request: dict[str, Any], answer: dict[str, Any]) -> None:
        """Count one answered request."""
        with self._lock:
            if operation == "BatchWriteItem":
                for table, puts in request["RequestItems"].items():
                    for put in puts:
                        self._write(table, put["PutRequest"]["Item"], 1)
            elif operation == "TransactWriteItems":
                for put in request["TransactItems"]:
                    self._write(put["Put"]["TableName"], put["Put"]["Item"], 2)
            elif operation == "UpdateItem":
                # The larger of the item before and after: it removes an attribute.
                size = self._sizes[request["TableName"], str(request["Key"])]
                self.writes[request["TableName"]] += math.ceil(size / WRITE_UNIT_BYTES)
            else:
                for table, asked in request["RequestItems"].items():
                    found = [item_bytes(item) for item in answer["Responses"].get(table, ())]
                    missing = len(asked["Keys"]) - len(found)
                    self.reads[table] += sum(math.ceil(size / READ_UNIT_BYTES) for size in found) + missing

    def _write(self, table: str, item: dict[str, Any], factor: int) -> None:
        size = item_bytes(item)
        key = {name: item[name] for name in _KEYS[table]}
        self._sizes[table, str(key)] = size
        self.writes[table] += factor * math.ceil(size / WRITE_UNIT_BYTES)


class CountingDynamoDb(DynamoDb):
    """The consumer's client, with its answered requests counted."""

    def __init__(self, client: ServiceClient, units: Units) -> None:
        super().__init__(client)
        self._units = units

    def _call(self, operation: str, body: bytes) -> dict[str, Any]:
        answer = super()._call(operation, body)
        self._units.count(operation, msgspec.json.decode(body), answer)
        return answer


class CountingS3(S3):
    """The consumer's client, with its puts counted."""

    def __init__(self, client: ServiceClient, bucket: str, units: Units) -> None:
        super().__init__(client, bucket)
        self._units = units

    def put(self, key: str, body: bytes, content_type: str) -> None:
        super().put(key, body, content_type)
        self._units.puts += 1


def item_bytes(item: dict[str, dict[str, Any]]) -> int:
    """Size of an item as DynamoDB counts it: names in UTF-8, values by type."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "N":
        return math.ceil(len(str(content).replace("-", "").replace(".", "").strip("0")) / 2) + 1
    if kind == "B":
        return len(base64.b64decode(content))
    return len(str(content).encode()) if kind == "S" else 1


def measure(symbols: int, polls: int) -> Units:
    """Run the consumer once a poll, every symbol with a new quote, and count."""
    units = Units()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        environ = {
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        _provision(environ)
        config = Config("quotes", "symbols", "candles", "alerts", "archive")
        source = CredentialSource(environ)

        def client(service: str) -> ServiceClient:
            return ServiceClient(service, "us-east-1", endpoint_for(service, "us-east-1", environ), source)

        stores = AwsStores(
            config, CountingDynamoDb(client("dynamodb"), units), CountingS3(client("s3"), "archive", units), None
        )
        pipeline = Pipeline(config, stores)
        start = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
        for poll in range(polls):
            now = start + timedelta(seconds=30 * (poll + 1))
            pipeline.process(_event(symbols, poll, now), now=now)
        pipeline.close()
    finally:
        server.stop()
    return units


def _provision(environ: dict[str, str]) -> None:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    dynamodb = boto3.client("dynamodb", endpoint_url=environ["AWS_ENDPOINT_URL"], **keys)
    for table, names in _KEYS.items():
        # A request that botocore repeats on a busy machine may find its own table.
        with suppress(dynamodb.exceptions.ResourceInUseException):
            dynamodb.create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
                KeySchema=[
                    {"AttributeName": name, "KeyType": kind}
                    for name, kind in zip(names, ("HASH", "RANGE"), strict=False)
                ],
            )
    boto3.client("s3", endpoint_url=environ["AWS_ENDPOINT_URL"], **keys).create_bucket(Bucket="archive")


def _event(symbols: int, poll: int, now: datetime) -> dict[str, Any]:
    records = []
    for number in range(symbols):
        price = Decimal(20_000 + (poll * 37 + number * 11) % 400) / 100
        quote = Quote(
            symbol=f"SYM{number}",
            timestamp=format_timestamp(now),
            open=Decimal("200.10"),
            high=Decimal("204.00"),
            low=Decimal("199.95"),
            price=price,
            previous_close=Decimal("201.55"),
            volume=1_000_000 + poll * 1_000,
            bid=price,
            ask=price + Decimal("0.01"),
            currency="USD",
            exchange="NMS",
            market_state="REGULAR",
            polled_at=format_timestamp(now),
            source="yahoo",
        )
        sequence = str(
            49_590_338_271_490_256_608_559_692_538_361_571_095_921_575_989_136_588_898 + poll * symbols + number
        )
        records.append(
            {
                "eventID": f"shardId-000000000000:{sequence}",
                "eventSource": "aws:kinesis",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/stockstream",
                "kinesis": {
                    "data": base64.b64encode(encode_quote(quote)).decode(),
                    "partitionKey": quote.symbol,
                    "sequenceNumber": sequence,
                    "approximateArrivalTimestamp": now.timestamp(),
                },
            }
        )
    return {"Records": records}


def main() -> None:
    """Print units per quote."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--symbols", type=int, default=5)
    parser.add_argument("--polls", type=int, default=240)
    options = parser.parse_args()
    units = measure(options.symbols, options.polls)
    quotes = options.symbols * options.polls
    print(f"{quotes} quotes, {options.symbols} symbols, a batch every 30 s")
    for kind, counter in (("write", units.writes), ("read", units.reads)):
        for table, count in sorted(counter.items()):
            print(f"{kind:5} units a quote, {table:8} {count / quotes:6.2f}")
        print(f"{kind:5} units a quote, in all   {sum(counter.values()) / quotes:6.2f}")
    print(f"S3 puts a quote                {units.puts / quotes:6.2f}")


if __name__ == "__main__":
    main()
