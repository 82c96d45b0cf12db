"""End to end: the runner against the embedded emulator, with a real function in a process and real destinations."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.eventsource import (
    EventSourceConfig,
    EventSourceRunner,
    FailureDestination,
    FileCheckpointStore,
    LambdaApiInvoker,
    LocalFunction,
    MemoryCheckpointStore,
    S3Destination,
    SnsDestination,
    SqsDestination,
    SubprocessInvoker,
)
from stockstream.eventsource.errors import DestinationUnavailableError, InvokerUnavailableError
from stockstream.local._emulator_server import DEFAULT_SERVICES
from stockstream.local.emulator import run_emulator
from stockstream.local.emulator_environment import find_emulator_python
from tests.eventsource.running import running
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

HERE = Path(__file__).parent
FUNCTION = LocalFunction(
    handler="fixture_function:fails_on_bad_records", name="stockstream-consumer", code_directories=(HERE,)
)
CONFIG = EventSourceConfig(
    stream_name="stockstream",
    function_name="stockstream-consumer",
    batch_size=50,
    bisect_batch_on_function_error=True,
    maximum_retry_attempts=1,
    retry_backoff_base_seconds=0.01,
)


@asynccontextmanager
async def stream(
    state_dir: Path, port: int, shards: int = 2, services: tuple[str, ...] = DEFAULT_SERVICES
) -> AsyncIterator[tuple[AwsConfig, Any]]:
    async with run_emulator(state_dir, port, region="us-east-1", services=services) as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with open_client(aws, "kinesis") as kinesis:
            if not (await kinesis.list_streams())["StreamNames"]:
                await kinesis.create_stream(StreamName="stockstream", ShardCount=shards)
            yield aws, kinesis


async def put(kinesis: Any, items: list[tuple[str, str]]) -> None:
    for start in range(0, len(items), 500):
        entries = [{"PartitionKey": key, "Data": data.encode()} for key, data in items[start : start + 500]]
        answer = await kinesis.put_records(StreamName="stockstream", Records=entries)
        assert answer["FailedRecordCount"] == 0


def quotes(count: int, bad: set[int]) -> list[tuple[str, str]]:
    keys = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA"]
    return [(keys[number % 7], f"{'bad' if number in bad else 'good'} {number}") for number in range(count)]


async def messages_of(sqs: Any, queue_url: str, count: int) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []
    while len(bodies) < count:
        answer = await sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=5)
        assert answer.get("Messages"), f"{len(bodies)} messages in place of {count}"
        bodies += [json.loads(message["Body"]) for message in answer["Messages"]]
    return bodies


async def test_bad_records_end_at_the_queue_and_all_others_in_the_function_once_and_in_order(tmp_path: Path) -> None:
    bad = {3, 40, 41, 199, 260}
    items = quotes(300, bad)
    lines: list[str] = []
    async with stream(tmp_path, free_port()) as (aws, kinesis), open_client(aws, "sqs") as sqs:
        queue_url = (await sqs.create_queue(QueueName="stockstream-failed-batches"))["QueueUrl"]
        await put(kinesis, items)
        invoker = SubprocessInvoker(FUNCTION, on_log=lines.append)
        destination = SqsDestination(sqs, queue_url)
        runner = EventSourceRunner(CONFIG, kinesis, invoker, MemoryCheckpointStore(), destination)
        async with running(runner):
            await runner.drained()
        await invoker.aclose()
        messages = await messages_of(sqs, queue_url, len(bad))
        refound = {await record_at(kinesis, message["KinesisBatchInfo"]) for message in messages}
    expected = [f"{key} {data}" for key, data in items if not data.startswith("bad")]
    assert sorted(lines) == sorted(expected)
    for key in {key for key, _ in items}:
        assert [line for line in lines if line.startswith(key)] == [line for line in expected if line.startswith(key)]
    assert refound == {data for _, data in items if data.startswith("bad")}
    # The function ran well and named the record itself: AWS then sends no function error.
    assert {message["responseContext"]["functionError"] for message in messages} == {None}


async def record_at(kinesis: Any, batch_info: dict[str, Any]) -> str:
    """What an operator does with the message: fetch the record from the stream."""
    assert batch_info["batchSize"] == 1
    iterator = await kinesis.get_shard_iterator(
        StreamName="stockstream",
        ShardId=batch_info["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=batch_info["startSequenceNumber"],
    )
    answer = await kinesis.get_records(ShardIterator=iterator["ShardIterator"], Limit=1)
    data: bytes = answer["Records"][0]["Data"]
    return data.decode()


async def test_s3_gets_the_whole_event_under_awss_key_and_sns_the_metadata(tmp_path: Path) -> None:
    async with (
        stream(tmp_path, free_port(), shards=1) as (aws, kinesis),
        open_client(aws, "s3") as s3,
        open_client(aws, "sns") as sns,
        open_client(aws, "sqs") as sqs,
    ):
        await s3.create_bucket(Bucket="stockstream-archive")
        topic_arn = (await sns.create_topic(Name="failures"))["TopicArn"]
        queue_url = (await sqs.create_queue(QueueName="inbox"))["QueueUrl"]
        queue = await sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])
        await sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue["Attributes"]["QueueArn"],
            Attributes={"RawMessageDelivery": "true"},
        )
        await put(kinesis, [("AAPL", "bad 1")])
        destinations: list[FailureDestination] = [
            S3Destination(s3, "stockstream-archive", CONFIG.mapping_uuid, prefix="failed-batches/"),
            SnsDestination(sns, topic_arn),
        ]
        invoker = SubprocessInvoker(FUNCTION)
        for destination in destinations:
            runner = EventSourceRunner(CONFIG, kinesis, invoker, MemoryCheckpointStore(), destination)
            async with running(runner):
                await runner.drained()
        await invoker.aclose()
        (stored,) = (await s3.list_objects_v2(Bucket="stockstream-archive"))["Contents"]
        body = await (await s3.get_object(Bucket="stockstream-archive", Key=stored["Key"]))["Body"].read()
        (message,) = await messages_of(sqs, queue_url, 1)
    in_s3 = json.loads(body)
    (record,) = json.loads(in_s3.pop("payload"))["Records"]
    assert record["kinesis"]["data"] == "YmFkIDE="
    assert (
        set(in_s3) == set(message) == {"requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"}
    )
    assert in_s3["KinesisBatchInfo"] == message["KinesisBatchInfo"]
    day = datetime.now(UTC)
    assert stored["Key"].startswith(
        f"failed-batches/aws/lambda/{CONFIG.mapping_uuid}/shardId-000000000000/{day:%Y/%m/%d}/{day:%Y-%m-%d}T"
    )


async def test_an_emulator_that_restarts_with_its_data_is_survived(tmp_path: Path) -> None:
    port, lines = free_port(), list[str]()
    invoker = SubprocessInvoker(FUNCTION, on_log=lines.append)
    stop = asyncio.Event()
    async with open_client(AwsConfig("us-east-1", f"http://127.0.0.1:{port}", "test", "test"), "kinesis") as own:
        runner = EventSourceRunner(CONFIG, own, invoker, FileCheckpointStore(tmp_path, "consumer"))
        async with stream(tmp_path, port) as (_, kinesis):
            task = asyncio.create_task(runner.run(stop))
            await put(kinesis, quotes(50, set()))
            await runner.drained()
        async with stream(tmp_path, port) as (_, kinesis):
            await put(kinesis, quotes(100, set())[50:])
            await runner.drained()
            stop.set()
            await task
        await invoker.aclose()
    assert len(lines) == len(set(lines)) == 100


async def test_an_emulator_that_restarts_without_its_data_is_a_new_stream(tmp_path: Path) -> None:
    port, lines = free_port(), list[str]()
    invoker = SubprocessInvoker(FUNCTION, on_log=lines.append)
    stop = asyncio.Event()
    async with open_client(AwsConfig("us-east-1", f"http://127.0.0.1:{port}", "test", "test"), "kinesis") as own:
        runner = EventSourceRunner(CONFIG, own, invoker, FileCheckpointStore(tmp_path, "consumer"))
        async with stream(tmp_path / "first", port) as (_, kinesis):
            task = asyncio.create_task(runner.run(stop))
            await put(kinesis, [("AAPL", "good 1")])
            await runner.drained()
        async with stream(tmp_path / "second", port) as (_, kinesis):
            await put(kinesis, [("AAPL", "good 2")])
            async with asyncio.timeout(PATIENCE_SECONDS):
                while "AAPL good 2" not in lines:  # noqa: ASYNC110 - the other process's state, which has no event
                    await asyncio.sleep(0.05)
            stop.set()
            await task
        await invoker.aclose()
    assert lines == ["AAPL good 1", "AAPL good 2"]


async def test_a_deployed_function_is_invoked_through_the_lambda_api(tmp_path: Path) -> None:
    with_lambda = stream(tmp_path, free_port(), services=("kinesis", "lambda"))
    async with with_lambda as (aws, _), open_client(aws, "lambda") as client:
        arn = "arn:aws:lambda:us-east-1:000000000000:function:echo"
        invoker = LambdaApiInvoker(client, "echo", arn)
        with pytest.raises(InvokerUnavailableError, match="echo"):
            await invoker.invoke(b"{}")
        await client.create_function(
            FunctionName="echo",
            Runtime="python3.11",
            Role="arn:aws:iam::000000000000:role/echo",
            Handler="echo.handler",
            Code={"ZipFile": zip_of("def handler(event, context):\n    return {'got': event['n'] / event['by']}\n")},
        )
        answer = await invoker.invoke(b'{"n": 4, "by": 2}')
        assert (json.loads(answer.payload), answer.function_error) == ({"got": 2.0}, None)
        assert answer.request_id
        failed = await invoker.invoke(b'{"n": 4, "by": 0}')
        assert failed.function_error == "Unhandled"
        assert "division" in json.loads(failed.payload)["errorMessage"]


async def test_destinations_that_do_not_exist_say_so(tmp_path: Path) -> None:
    async with (
        stream(tmp_path, free_port(), shards=1) as (aws, kinesis),
        open_client(aws, "s3") as s3,
        open_client(aws, "sqs") as sqs,
    ):
        await put(kinesis, [("AAPL", "bad 1")])
        invoker = SubprocessInvoker(FUNCTION)
        for destination in (S3Destination(s3, "no-such-bucket", "m"), SqsDestination(sqs, f"{aws.endpoint_url}/0/no")):
            seen: list[str] = []
            runner = EventSourceRunner(CONFIG, kinesis, invoker, MemoryCheckpointStore(), Watched(destination, seen))
            async with running(runner):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while not seen:  # noqa: ASYNC110 - the runner's state, which has no event
                        await asyncio.sleep(0.05)
                assert runner.stats.records_discarded == 0
        await invoker.aclose()


class Watched:
    def __init__(self, destination: FailureDestination, seen: list[str]) -> None:
        self._destination, self._seen = destination, seen

    async def send(self, record: Any) -> None:
        try:
            await self._destination.send(record)
        except DestinationUnavailableError as exc:
            self._seen.append(str(exc))
            raise


def zip_of(source: str) -> bytes:
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("echo.py", source)
    return buffer.getvalue()


def test_the_emulator_is_installed() -> None:
    assert find_emulator_python({}).exists()
