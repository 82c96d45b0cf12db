"""One emulator per test process, and a fresh set of tables, bucket, topic and queue per test."""

import itertools
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import structlog.testing

from stockstream_lambda.app import build_pipeline
from stockstream_lambda.config import Config
from stockstream_lambda.pipeline import Pipeline
from stockstream_wire.storage import TABLES, UNSENT, UNSENT_INDEX, UNSENT_SINCE
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

MARKET_DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "market"
_EMULATOR_PYTHON = Path(f"{sys.prefix}-emulator") / "bin" / "python"
_SERVER = Path(__file__).parents[2] / "service" / "stockstream" / "local" / "_emulator_server.py"
_numbers = itertools.count()


@pytest.fixture(scope="session")
def endpoint_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running emulator's URL."""
    folder = tmp_path_factory.mktemp("emulator")
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "TMPDIR": str(folder),
        "LOG_LEVEL": "ERROR",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([_EMULATOR_PYTHON, _SERVER], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "the emulator does not come up"
            try:
                with urllib.request.urlopen(f"{url}/_ministack/ready", timeout=1):  # noqa: S310 - loopback
                    break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@dataclass
class World:
    """The resources of one test, and readers for them."""

    config: Config
    environ: dict[str, str]
    dynamodb: Any
    s3: Any
    sns: Any
    sqs: Any
    queue_url: str
    stack: ExitStack

    def pipeline(self) -> Pipeline:
        return self.stack.enter_context(closing(build_pipeline(self.config, self.environ)))

    def items(self, table: str) -> list[dict[str, Any]]:
        pages = self.dynamodb.meta.client.get_paginator("scan").paginate(TableName=table)
        return [item for page in pages for item in page["Items"]]

    def objects(self, prefix: str) -> dict[str, bytes]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.config.archive_bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        bucket = self.config.archive_bucket
        return {key: self.s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def messages(self) -> list[str]:
        bodies: list[str] = []
        while batch := self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                bodies.append(message["Body"])
                self.sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def _key_schema(names: tuple[str, str]) -> list[dict[str, str]]:
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=True)]


@pytest.fixture
def world(endpoint_url: str) -> Iterator[World]:
    """Fresh tables, bucket, topic and an SQS queue subscribed to the topic."""
    with made_world(endpoint_url, endpoint_url) as world:
        yield world


@contextmanager
def made_world(endpoint_url: str, dynamodb_url: str) -> Iterator[World]:
    """The same, with the tables at an endpoint of their own."""
    suffix = f"{os.getpid()}-{next(_numbers)}"
    environ = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
    }
    session = boto3.Session("test", "test", region_name="us-east-1")
    dynamodb = session.resource("dynamodb", endpoint_url=dynamodb_url)
    s3, sns, sqs = (session.client(name, endpoint_url=endpoint_url) for name in ("s3", "sns", "sqs"))
    for table, keys in TABLES.items():
        names = [*keys, UNSENT, UNSENT_SINCE] if table == "alerts" else [*keys]
        index = {
            "IndexName": UNSENT_INDEX,
            "KeySchema": _key_schema((UNSENT, UNSENT_SINCE)),
            "Projection": {"ProjectionType": "ALL"},
        }
        dynamodb.create_table(
            TableName=f"{table}-{suffix}",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=_key_schema(keys),
            **({"GlobalSecondaryIndexes": [index]} if table == "alerts" else {}),
        )
    bucket = f"archive-{suffix}"
    s3.create_bucket(Bucket=bucket)
    topic = sns.create_topic(Name=f"alerts-{suffix}")["TopicArn"]
    queue = sqs.create_queue(QueueName=f"inbox-{suffix}")["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
    config = Config(
        quotes_table=f"quotes-{suffix}",
        candles_table=f"candles-{suffix}",
        alerts_table=f"alerts-{suffix}",
        archive_bucket=bucket,
        alerts_topic_arn=topic,
    )
    with ExitStack() as stack:
        yield World(config, environ, dynamodb, s3, sns, sqs, queue, stack)


@pytest.fixture(autouse=True)
def quiet_logs() -> Iterator[None]:
    """Keep expected warnings out of the report; tests of logs read what is captured."""
    with structlog.testing.capture_logs():
        yield
