"""The consumer against Amazon's own DynamoDB, the one for laptops: its limits, its conditions, and throttles before it.

DynamoDB Local knows no throttles, so a proxy refuses what DynamoDB would under load, in its words.
"""

import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as BotoConfig

from benchmarks.java_program import Absent, java_program
from stockstream_lambda.app import build_stores
from stockstream_lambda.aws.dynamodb import BATCH_GET_MAX_KEYS, BATCH_WRITE_MAX_ITEMS, Write
from stockstream_lambda.errors import StoreRefusedError
from stockstream_lambda.stores import AwsStores, Tables
from stockstream_wire import Quote
from stockstream_wire.storage import UNSENT_INDEX
from tests.consumer.conftest import World, made_world
from tests.consumer.kinesis_events import quote, quote_event
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

NOW = datetime(2026, 11, 20, 21, tzinfo=UTC)
RACERS = 12


@pytest.fixture(scope="module")
def dynamodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running DynamoDB Local."""
    try:
        program = java_program(Path(__file__).with_name("dynamodb_local"))
    except Absent as exc:
        pytest.skip(f"DynamoDB Local cannot be had here: {exc}")
    port = free_port()
    main = ("com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-inMemory", "-port", str(port))
    java, *command = program.command(*main, "-disableTelemetry")
    native = {str(jar.parent) for jar in program.class_path if jar.suffix == ".so"}
    options = [f"-Dsqlite4java.library.path={':'.join(sorted(native))}", "-XX:+UseSerialGC", "-Xmx256m"]
    log_path = tmp_path_factory.mktemp("dynamodb") / "log"
    with log_path.open("wb") as log:
        process = subprocess.Popen([java, *options, *command], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    client = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=BotoConfig(retries={"total_max_attempts": 60}, connect_timeout=5, read_timeout=PATIENCE_SECONDS),
    )
    try:
        # botocore tries again until it is up.
        client.list_tables()
        assert process.poll() is None, log_path.read_text()
        yield url
    finally:
        client.close()
        process.terminate()
        process.wait(PATIENCE_SECONDS)


@pytest.fixture
def world(endpoint_url: str, dynamodb_url: str) -> Iterator[World]:
    """Everything on the emulator but the tables."""
    with made_world(endpoint_url, dynamodb_url) as world:
        yield world


@pytest.fixture
def stores(world: World) -> Iterator[AwsStores]:
    with closing(build_stores(world.config, world.environ)) as stores:
        yield stores


class _Throttled(BaseHTTPRequestHandler):
    """Refuses each third call, and takes half of every batch."""

    protocol_version = "HTTP/1.1"
    target = ""
    calls = 0
    refused = 0
    unprocessed = 0
    lock = threading.Lock()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        operation = self.headers["x-amz-target"].rpartition(".")[2]
        made = type(self)
        with made.lock:
            made.calls += 1
            is_refused = made.calls % 3 == 0
            made.refused += is_refused
        if is_refused:
            error = {
                "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                "message": "!",
            }
            self._answer(400, json.dumps(error).encode())
            return
        left: dict[str, Any] = {}
        if operation == "BatchWriteItem":
            body, left = _halved(json.loads(body))
        headers = {
            name: value for name, value in self.headers.items() if name.lower() not in {"host", "content-length"}
        }
        request = urllib.request.Request(self.target, body, headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - loopback
                status, content = answer.status, answer.read()
        except urllib.error.HTTPError as exc:
            status, content = exc.code, exc.read()
        if left and status == 200:
            with made.lock:
                made.unprocessed += sum(map(len, left.values()))
            content = json.dumps({"UnprocessedItems": left}).encode()
        self._answer(status, content)

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.0")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _halved(request: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """Half of a batch, one item at least, and the rest of it."""
    writes = [(table, write) for table, writes in request["RequestItems"].items() for write in writes]
    taken = (len(writes) + 1) // 2
    halves: list[dict[str, Any]] = [{}, {}]
    for index, (table, write) in enumerate(writes):
        halves[index >= taken].setdefault(table, []).append(write)
    return json.dumps({"RequestItems": halves[0]}).encode(), halves[1]


@contextmanager
def throttles_before(url: str) -> Iterator[tuple[str, type[_Throttled]]]:
    handler = type("Handler", (_Throttled,), {"target": url, "lock": threading.Lock()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", handler
        finally:
            server.shutdown()


def session() -> list[Quote]:
    """Two hours of three symbols; one of them leaps."""
    start = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    quotes = []
    for step in range(120):
        at = (start + timedelta(minutes=step)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        for number, symbol in enumerate(("AAPL", "IBM", "MSFT")):
            leap = 10 if symbol == "IBM" and step > 60 else 0
            price = f"{100 + number + leap}.{step % 100:02d}"
            quotes.append(quote(symbol, at, price, volume=1000 * (step + 1)))
    return quotes


def deliver(world: World, quotes: list[Quote]) -> None:
    with closing(world.pipeline()) as pipeline:
        assert pipeline.process(quote_event(quotes), now=NOW).response == {"batchItemFailures": []}


def tables_of(world: World) -> dict[str, list[dict[str, Any]]]:
    """What the log decides; of alerts, when they were sent is not of it."""
    config = world.config
    found: dict[str, list[dict[str, Any]]] = {}
    for role, name in (("quotes", config.quotes_table), ("candles", config.candles_table)):
        found[role] = sorted(world.items(name), key=str)
    found["alerts"] = sorted(({"alert_id": item["alert_id"]} for item in world.items(config.alerts_table)), key=str)
    return found


def test_a_session_is_stored_once_its_alerts_leave_the_index_and_a_repeat_changes_nothing(world: World) -> None:
    quotes = session()
    deliver(world, quotes)

    stored = tables_of(world)
    expected = {(quote.symbol, quote.timestamp) for quote in quotes}
    assert {(item["symbol"], item["timestamp"]) for item in stored["quotes"]} == expected
    assert len(stored["quotes"]) == len(quotes)
    assert stored["candles"]
    assert stored["alerts"]
    unsent = world.dynamodb.meta.client.scan(TableName=world.config.alerts_table, IndexName=UNSENT_INDEX)["Items"]
    assert unsent == []
    assert len(world.messages()) == len(stored["alerts"])

    deliver(world, quotes)
    assert tables_of(world) == stored
    assert world.messages() == []


def test_throttles_and_halved_batches_leave_the_same_tables(world: World, endpoint_url: str, dynamodb_url: str) -> None:
    deliver(world, session())

    with throttles_before(dynamodb_url) as (url, proxy), made_world(endpoint_url, dynamodb_url) as throttled:
        throttled.environ["AWS_ENDPOINT_URL_DYNAMODB"] = url
        deliver(throttled, session())
        assert proxy.refused > 0
        assert proxy.unprocessed > 0
        assert tables_of(throttled) == tables_of(world)
        assert len(throttled.messages()) == len(world.messages())


def test_a_batch_is_as_large_as_dynamodb_takes_and_one_more_is_refused(world: World, stores: AwsStores) -> None:
    table = Tables(world.config).quotes
    keys = [("AAPL", f"2026-11-20T14:30:00.{number:03d}Z") for number in range(BATCH_GET_MAX_KEYS + 1)]
    writes = [
        Write(table, key, json.dumps({"symbol": {"S": key[0]}, "timestamp": {"S": key[1]}}).encode()) for key in keys
    ]

    assert stores.write_items(writes[:BATCH_WRITE_MAX_ITEMS]) == []
    assert stores.stored_keys(table, keys[:BATCH_GET_MAX_KEYS]) == set(keys[:BATCH_WRITE_MAX_ITEMS])
    refused: list[Callable[[], object]] = [
        lambda: stores.write_items(writes[: BATCH_WRITE_MAX_ITEMS + 1]),
        lambda: stores.stored_keys(table, keys),
        # The largest item is of 400 KB.
        lambda: stores.create_item(
            table, json.dumps({"symbol": {"S": "IBM"}, "timestamp": {"S": "t"}, "x": {"S": "x" * 409_600}}).encode()
        ),
    ]
    for call in refused:
        with pytest.raises(StoreRefusedError, match="ValidationException"):
            call()


def test_of_many_that_create_an_item_one_has_and_a_condition_that_fails_changes_nothing(
    world: World, stores: AwsStores
) -> None:
    table = Tables(world.config).alerts
    key = ("AAPL", "move#1")
    names = dict(zip(table.key, key, strict=True))
    created: list[bool] = []

    def create(number: int) -> None:
        item = {**{name: {"S": value} for name, value in names.items()}, "by": {"N": str(number)}}
        created.append(stores.create_item(table, json.dumps(item).encode()))

    racers = [threading.Thread(target=create, args=(number,)) for number in range(RACERS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(created) == [False] * (RACERS - 1) + [True]
    (item,) = world.items(world.config.alerts_table)
    update = {
        "UpdateExpression": "SET seen = :seen",
        "ConditionExpression": "#by = :by",
        "ExpressionAttributeNames": {"#by": "by"},
    }
    for by, holds in ((RACERS, False), (int(item["by"]), True)):
        values = {":seen": {"S": "yes"}, ":by": {"N": str(by)}}
        assert stores.update_item(table, key, {**update, "ExpressionAttributeValues": values}) is holds
        assert ("seen" in world.items(world.config.alerts_table)[0]) is holds
