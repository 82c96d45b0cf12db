"""Redrive on the emulator: what the event source gave up on and what the consumer refused goes through again."""

import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.eventsource import (
    EventSourceConfig,
    EventSourceRunner,
    FailureDestination,
    InvocationResult,
    MemoryCheckpointStore,
    S3Destination,
    SqsDestination,
)
from stockstream.local.emulator import run_emulator
from stockstream.redrive import (
    Item,
    Origin,
    Places,
    RedriveIncompleteError,
    Selection,
    SenderResend,
    Standing,
    listing,
    redrive,
)
from stockstream.redrive.items import UserRecord, preview_of
from stockstream.sender import Sender, SenderConfig
from stockstream_wire import Quote, aggregate, deaggregate, encode_quote, is_aggregated
from stockstream_wire import UserRecord as WireRecord
from tests.eventsource.running import running
from tests.local.local_command import free_port

pytestmark = pytest.mark.emulator
BUCKET = "stockstream-archive"


def quote(minute: int, symbol: str = "AAPL") -> bytes:
    price = Decimal("100.25") + minute
    return encode_quote(
        Quote(
            symbol=symbol,
            timestamp=f"2026-11-20T14:{minute:02d}:00.000Z",
            open=price,
            high=price,
            low=price,
            price=price,
            previous_close=price,
            volume=minute,
        )
    )


class Function:
    """Fails while `is_broken`; keeps the user records it was given otherwise."""

    function_arn = "arn:aws:lambda:us-east-1:000000000000:function:consumer"

    def __init__(self) -> None:
        self.is_broken = True
        self.seen: list[UserRecord] = []

    async def invoke(self, payload: bytes) -> InvocationResult:
        if self.is_broken:
            return InvocationResult("request", b'{"errorType": "StoreError", "errorMessage": "away"}', "Unhandled")
        for record in json.loads(payload)["Records"]:
            data = base64.b64decode(record["kinesis"]["data"])
            if is_aggregated(data):
                self.seen += [(user.partition_key, user.data) for user in deaggregate(data)]
            else:
                self.seen.append((record["kinesis"]["partitionKey"], data))
        return InvocationResult("request", b"{}")

    async def aclose(self) -> None:
        pass


@asynccontextmanager
async def world(state_dir: Path) -> AsyncIterator[tuple[AwsConfig, Places]]:
    async with run_emulator(state_dir, free_port(), region="us-east-1") as emulator:
        aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
        async with (
            open_client(aws, "s3") as s3,
            open_client(aws, "sqs") as sqs,
            open_client(aws, "kinesis") as kinesis,
        ):
            await s3.create_bucket(Bucket=BUCKET)
            await kinesis.create_stream(StreamName="stockstream", ShardCount=2)
            queue_url = (await sqs.create_queue(QueueName="stockstream-failed-batches"))["QueueUrl"]
            yield aws, Places(s3, sqs, kinesis, BUCKET, "stockstream", queue_url, queue_wait_seconds=0)


async def give_up_on(places: Places, function: Function, destination: FailureDestination) -> None:
    """Let the event source run over the stream from its first record with a broken function."""
    config = EventSourceConfig(stream_name="stockstream", function_name="consumer", maximum_retry_attempts=0)
    runner = EventSourceRunner(config, places.kinesis, function, MemoryCheckpointStore(), destination)
    await drain(runner)


async def drain(runner: EventSourceRunner) -> None:
    async with running(runner):
        await runner.drained()


async def new_records(places: Places, function: Function, before: int) -> list[UserRecord]:
    """What a function that works sees behind the first `before` user records of the stream."""
    function.is_broken = False
    config = EventSourceConfig(stream_name="stockstream", function_name="consumer")
    await drain(EventSourceRunner(config, places.kinesis, function, MemoryCheckpointStore()))
    counts: dict[UserRecord, int] = {}
    for record in function.seen:
        counts[record] = counts.get(record, 0) + 1
    assert sum(counts.values()) - before >= 0
    return [record for record, count in counts.items() for _ in range(count - 1)]


async def put_quotes(places: Places) -> list[UserRecord]:
    plain = [("AAPL", quote(1)), ("MSFT", quote(2, "MSFT"))]
    packed = [("NVDA", quote(3, "NVDA")), ("NVDA", quote(4, "NVDA"))]
    for key, data in plain:
        await places.kinesis.put_record(StreamName="stockstream", PartitionKey=key, Data=data)
    body = aggregate(WireRecord(key, None, data) for key, data in packed)
    await places.kinesis.put_record(StreamName="stockstream", PartitionKey="a", Data=body)
    return plain + packed


@asynccontextmanager
async def sender_resend(aws: AwsConfig) -> AsyncIterator[SenderResend]:
    async with Sender(SenderConfig(stream="stockstream"), aws) as sender:
        yield SenderResend(sender)


@pytest.mark.parametrize("kind", ["queue", "bucket"])
async def test_failed_batches_are_read_again_and_sent_through_the_stream_once(tmp_path: Path, kind: str) -> None:
    function = Function()
    async with world(tmp_path) as (aws, places):
        accepted = await put_quotes(places)
        destination: FailureDestination = (
            SqsDestination(places.sqs, places.queue_url or "")
            if kind == "queue"
            else S3Destination(places.s3, BUCKET, "mapping", prefix="failed-batches/")
        )
        await give_up_on(places, function, destination)

        listed = await listing(places, Selection())
        assert await places.count(Selection()) == len(listed)
        assert {item.origin for item in listed} == {Origin(kind)}
        assert {item.standing for item in listed} == {Standing.READY}
        assert {item.reason for item in listed} == {"RetryAttemptsExhausted"}
        assert sorted(record for item in listed for record in item.records) == sorted(accepted)
        async with sender_resend(aws) as resend:
            dry = await redrive(places, Selection(), resend, dry_run=True)
            assert (dry.records, len(await listing(places, Selection()))) == (4, len(listed))
            done = await redrive(places, Selection(), resend)
            again = await redrive(places, Selection(), resend)
        assert (done.items, done.records) == (len(listed), 4)
        assert (again.items, again.records) == (0, 0)
        assert await listing(places, Selection()) == []
        assert sorted(await new_records(places, function, 4)) == sorted(accepted)
        nvda = [data for key, data in function.seen if key == "NVDA"]
        assert nvda == [quote(3, "NVDA"), quote(4, "NVDA")] * 2


async def quarantine(places: Places, sequence: int, reason: str, data: bytes, day: str = "2026-11-20") -> None:
    body = {
        "v": 1,
        "reason": reason,
        "error_class": "Error",
        "detail": "why",
        "data_base64": base64.b64encode(data).decode(),
        "data_bytes": len(data),
        "partition_key": "whatever",
        "shard_id": "shardId-000000000000",
        "sequence_number": str(sequence),
        "subsequence_number": 0,
        "aggregated": False,
        "approximate_arrival_ms": 1795000000250,
    }
    key = f"quarantine/dt={day}/shardId-000000000000/{sequence}-0.json"
    await places.s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(body).encode())


async def test_quarantined_records_that_are_quotes_now_go_again_and_others_stay(tmp_path: Path) -> None:
    good = [("AAPL", quote(5)), ("MSFT", quote(6, "MSFT"))]
    async with world(tmp_path) as (aws, places):
        await quarantine(places, 1000, "schema_version_error", good[1][1])
        await quarantine(places, 999, "bad_tick", good[0][1])
        await quarantine(places, 1001, "quote_decode_error", b"\x00garbage")
        await quarantine(places, 1002, "aggregation_error", b"\xf3\x89\x9a\xc2broken")
        await quarantine(places, 1003, "bad_tick", quote(7), day="2026-11-19")
        await places.s3.put_object(Bucket=BUCKET, Key="quarantine/dt=2026-11-20/foreign.txt", Body=b"hello")

        day = Selection(day="2026-11-20")
        listed = await listing(places, day)
        assert [(item.label.split()[-1], item.standing) for item in listed[-4:]] == [
            ("999-0", Standing.READY),
            ("1000-0", Standing.READY),
            ("1001-0", Standing.STILL_BAD),
            ("1002-0", Standing.STILL_BAD),
        ]
        assert [item.label for item in await listing(places, replace(day, reason="bad_tick"))] == [
            "shardId-000000000000 999-0"
        ]
        async with sender_resend(aws) as resend:
            result = await redrive(places, day, resend)
            assert (result.items, result.records) == (2, 2)
            assert dict(result.left) == {Standing.STILL_BAD: 2, Standing.UNREADABLE: 1}
            function = Function()
            function.is_broken = False
            await new_records(places, function, 0)
            assert sorted(function.seen) == sorted(good)
            forced = await redrive(places, day, resend, force=True)
        assert forced.items == 2
        assert {item.standing for item in await listing(places, Selection())} == {Standing.UNREADABLE, Standing.READY}


async def test_nothing_is_removed_where_kinesis_did_not_take_it(tmp_path: Path) -> None:
    sent: list[UserRecord] = []

    async def refuse(records: Sequence[UserRecord]) -> None:
        sent.extend(records)
        raise RedriveIncompleteError("Kinesis is away")

    function = Function()
    async with world(tmp_path) as (_, places):
        await put_quotes(places)
        await give_up_on(places, function, SqsDestination(places.sqs, places.queue_url or ""))
        await quarantine(places, 999, "bad_tick", quote(5))
        before = await listing(places, Selection())
        with pytest.raises(RedriveIncompleteError):
            await redrive(places, Selection(), refuse)
        after = await listing(places, Selection())
    assert sent
    assert key_of(after) == key_of(before)


def key_of(items: Sequence[Item]) -> set[tuple[Origin, str]]:
    return {(item.origin, item.label) for item in items}


async def test_batches_that_have_expired_or_are_of_another_stream_stay_where_they_are(tmp_path: Path) -> None:
    async with world(tmp_path) as (aws, places):
        arn = "arn:aws:kinesis:us-east-1:000000000000:stream/{}"
        for name in ("stockstream", "another"):
            info = {
                "shardId": "shardId-000000000000",
                "startSequenceNumber": "1",
                "endSequenceNumber": "2",
                "batchSize": 2,
                "streamArn": arn.format(name),
            }
            body = json.dumps({"requestContext": {"condition": "RetryAttemptsExhausted"}, "KinesisBatchInfo": info})
            await places.sqs.send_message(QueueUrl=places.queue_url, MessageBody=body)
        await places.sqs.send_message(QueueUrl=places.queue_url, MessageBody="no batch at all")
        async with sender_resend(aws) as resend:
            result = await redrive(places, Selection(), resend)
            assert result.items == 0
            assert dict(result.left) == {Standing.EXPIRED: 1, Standing.FOREIGN: 1, Standing.UNREADABLE: 1}
            assert len(await listing(places, Selection())) == 3
            forced = await redrive(places, Selection(), resend, force=True)
        assert forced.items == 1
        assert {item.standing for item in await listing(places, Selection())} == {Standing.FOREIGN, Standing.UNREADABLE}


def test_a_preview_of_any_bytes_is_one_printable_line() -> None:
    assert preview_of(b'{"symbol": "AAPL"}') == '{"symbol": "AAPL"}'
    shown = preview_of(b"\x00\x1b[31m\xff\nnext" + b"x" * 200)
    assert shown.isprintable()
    assert shown.startswith("\\x00\\x1b[31m\\xff\\x0anext")
    assert shown.endswith("…")
