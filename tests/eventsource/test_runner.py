"""The runner at its edges: shards, checkpoints, faults and drain, against an in-memory twin of Kinesis."""

import asyncio
import base64
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stockstream.errors import AwsSetupError
from stockstream.eventsource import (
    DestinationUnavailableError,
    EventSourceConfig,
    EventSourceError,
    EventSourceRunner,
    FileCheckpointStore,
    InvocationResult,
    InvokerUnavailableError,
    MemoryCheckpointStore,
    StartingPosition,
)
from stockstream.eventsource.failure_record import FailureRecord
from tests.eventsource.kinesis_twin import ARN, KinesisTwin, client_error
from tests.eventsource.running import running

Behaviour = Callable[[list[dict[str, Any]]], Any]


class ScriptedInvoker:
    """Runs `behaviour` on the records of each event; keeps what succeeded, in order."""

    function_arn = "arn:aws:lambda:us-east-1:000000000000:function:consumer"

    def __init__(self, behaviour: Behaviour = lambda _records: None) -> None:
        self.behaviour = behaviour
        self.events: list[dict[str, Any]] = []
        self.seen: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def invoke(self, payload: bytes) -> InvocationResult:
        event = json.loads(payload)
        self.events.append(event)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.gate.wait()
            records = event["Records"]
            answer = self.behaviour(records)
            if isinstance(answer, Exception):
                problem = {"errorMessage": str(answer), "errorType": type(answer).__name__}
                return InvocationResult("request-1", json.dumps(problem).encode(), "Unhandled")
            self.seen += [base64.b64decode(record["kinesis"]["data"]).decode("latin-1") for record in records]
            return InvocationResult("request-1", json.dumps(answer).encode())
        finally:
            self.in_flight -= 1

    async def aclose(self) -> None:
        pass


class ListDestination:
    def __init__(self, failures: int = 0) -> None:
        self.records: list[FailureRecord] = []
        self.failures = failures

    async def send(self, record: FailureRecord) -> None:
        if self.failures:
            self.failures -= 1
            raise DestinationUnavailableError("the queue is away")
        self.records.append(record)


def config(**changes: Any) -> EventSourceConfig:
    values: dict[str, Any] = {
        "stream_name": "stockstream",
        "function_name": "consumer",
        "retry_backoff_base_seconds": 0.001,
        "retry_backoff_cap_seconds": 0.001,
    }
    return EventSourceConfig(**(values | changes))


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - the state of the other side, which has no event
        await asyncio.sleep(0.01)


def make(
    twin: KinesisTwin, invoker: ScriptedInvoker, *, store: Any = None, on_failure: Any = None, **changes: Any
) -> EventSourceRunner:
    return EventSourceRunner(
        config(**changes), twin, invoker, store or MemoryCheckpointStore(), on_failure, random=lambda: 0.0
    )


async def test_the_event_is_awss_kinesis_event_to_the_letter() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    sequence_number = twin.put(b"\x00\xffquote", "BRK-B")
    async with running(make(twin, invoker)) as runner:
        await runner.drained()
    (record,) = invoker.events[0]["Records"]
    arrival = record["kinesis"].pop("approximateArrivalTimestamp")
    assert isinstance(arrival, float)
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "BRK-B",
            "sequenceNumber": sequence_number,
            "data": base64.b64encode(b"\x00\xffquote").decode(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{sequence_number}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/consumer",
        "awsRegion": "us-east-1",
        "eventSourceARN": ARN,
    }


async def test_drained_waits_for_every_record_of_every_shard_and_its_retries() -> None:
    twin = KinesisTwin("shardId-0", "shardId-1", "shardId-2", read_limit=7)
    for number in range(60):
        twin.put(str(number).encode(), shard_id=f"shardId-{number % 3}")
    failures = iter([ValueError("once"), None, ValueError("twice")])
    invoker = ScriptedInvoker(lambda _records: next(failures, None))
    async with running(make(twin, invoker, batch_size=5)) as runner:
        await runner.drained()
        assert sorted(map(int, invoker.seen)) == list(range(60))
        assert runner.idle()
        assert runner.stats.records_succeeded == runner.stats.records_read == 60
        assert runner.stats.invocation_failures == 2
        assert runner.stats.buffered_records == 0
    for shard in range(3):
        own = [int(text) for text in invoker.seen if int(text) % 3 == shard]
        assert own == sorted(own)


async def test_drained_is_not_fooled_by_a_read_that_began_before_the_call() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    async with running(make(twin, invoker)) as runner:
        for number in range(3):
            twin.put(str(number).encode())
            await runner.drained()
            assert len(invoker.seen) == number + 1


async def test_drained_says_when_the_runner_stopped_before() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker(lambda _records: ValueError("always"))
    twin.put(b"0")
    async with running(make(twin, invoker)) as runner:
        waiting = asyncio.create_task(runner.drained())
        await until(lambda: invoker.events)
    with pytest.raises(EventSourceError, match="stopped before"):
        await waiting


async def test_children_are_read_after_their_parent_is_through() -> None:
    twin = KinesisTwin("shardId-0")
    for number in range(10):
        twin.put(f"parent {number}".encode(), shard_id="shardId-0")
    twin.split("shardId-0", "shardId-1", "shardId-2")
    for number in range(10):
        twin.put(f"child {number}".encode(), shard_id=f"shardId-{1 + number % 2}")
    failures = iter([ValueError("the parent fails first")])
    invoker = ScriptedInvoker(lambda _records: next(failures, None))
    async with running(make(twin, invoker, batch_size=3)) as runner:
        await runner.drained()
        assert runner.stats.shards["shardId-0"].is_finished
    assert invoker.seen[:10] == [f"parent {number}" for number in range(10)]
    assert sorted(invoker.seen[10:]) == sorted(f"child {number}" for number in range(10))


async def test_a_new_shard_is_found_while_running() -> None:
    twin, invoker = KinesisTwin("shardId-0"), ScriptedInvoker()
    async with running(make(twin, invoker, starting_position=StartingPosition.LATEST)) as runner:
        await runner.drained()
        twin.split("shardId-0", "shardId-1", "shardId-2")
        twin.put(b"new", shard_id="shardId-2")
        await runner.drained()
    assert invoker.seen == ["new"]


async def test_parallel_batches_of_a_shard_keep_each_keys_order() -> None:
    twin = KinesisTwin()
    keys = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG"]
    for number in range(100):
        twin.put(f"{keys[number % 5]} {number}".encode(), keys[number % 5])
    invoker = ScriptedInvoker()
    invoker.gate.clear()
    async with running(make(twin, invoker, batch_size=4, parallelization_factor=4)) as runner:
        await until(lambda: invoker.in_flight >= 2)
        invoker.gate.set()
        await runner.drained()
    assert 2 <= invoker.most_in_flight <= 4
    for key in keys:
        own = [int(text.split()[1]) for text in invoker.seen if text.startswith(key)]
        assert own == sorted(own)
        assert len(own) == 20


async def test_a_restart_goes_on_behind_the_last_checkpoint(tmp_path: Path) -> None:
    twin = KinesisTwin()
    for number in range(5):
        twin.put(str(number).encode())
    for expected in (["0", "1", "2", "3", "4"], ["5"]):
        invoker = ScriptedInvoker()
        async with running(make(twin, invoker, store=FileCheckpointStore(tmp_path, "consumer"))) as runner:
            await runner.drained()
        assert invoker.seen == expected
        twin.put(b"5")
    assert os.listdir(tmp_path) == ["consumer.checkpoints.json"]  # noqa: PTH208 - no temporary file is left


async def test_what_was_in_flight_at_a_hard_stop_comes_again(tmp_path: Path) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    invoker.gate.clear()
    store = FileCheckpointStore(tmp_path, "consumer")
    async with running(make(twin, invoker, store=store, stop_grace_seconds=0)):
        await until(lambda: invoker.events)
    assert invoker.seen == []
    invoker.gate.set()
    async with running(make(twin, invoker, store=store)) as runner:
        await runner.drained()
    assert invoker.seen == ["0"]


async def test_a_stop_lets_the_invocation_in_flight_finish(tmp_path: Path) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    invoker.gate.clear()
    store = FileCheckpointStore(tmp_path, "consumer")
    stop = asyncio.Event()
    task = asyncio.create_task(make(twin, invoker, store=store).run(stop))
    await until(lambda: invoker.events)
    stop.set()
    await asyncio.sleep(0)
    invoker.gate.set()
    await task
    kept = store.load()
    assert kept is not None
    assert kept.shards["shardId-000000000000"].sequence_number == "101"


async def test_latest_means_the_first_start_also_after_a_restart_without_a_checkpoint(tmp_path: Path) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"before the mapping")
    store = FileCheckpointStore(tmp_path, "consumer")
    latest = StartingPosition.LATEST
    async with running(make(twin, invoker, store=store, starting_position=latest)) as runner:
        await runner.drained()
    twin.put(b"while it was down")
    async with running(make(twin, invoker, store=store, starting_position=latest)) as runner:
        await runner.drained()
    assert invoker.seen == ["while it was down"]


async def test_a_stream_made_anew_is_read_from_its_first_record(tmp_path: Path) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"old")
    store = FileCheckpointStore(tmp_path, "consumer")
    async with running(make(twin, invoker, store=store)) as runner:
        await runner.drained()
    twin.recreate()
    twin.put(b"new")
    async with running(make(twin, invoker, store=store, starting_position=StartingPosition.LATEST)) as runner:
        await runner.drained()
    assert invoker.seen == ["old", "new"]


async def test_a_stream_made_anew_while_running_is_noticed() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"old")
    async with running(make(twin, invoker)) as runner:
        await runner.drained()
        twin.recreate()
        twin.put(b"new")
        await until(lambda: invoker.seen == ["old", "new"])
        await runner.drained()


async def test_a_checkpoint_that_the_shard_does_not_know_is_dropped_with_a_word(tmp_path: Path) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    store = FileCheckpointStore(tmp_path, "consumer")
    async with running(make(twin, invoker, store=store)) as runner:
        await runner.drained()
    twin.faults["get_shard_iterator"] = [client_error("InvalidArgumentException", "GetShardIterator")]
    async with running(make(twin, invoker, store=store)) as runner:
        await runner.drained()
    assert invoker.seen == ["0", "0"]
    assert [start["ShardIteratorType"] for start in twin.starts()[-2:]] == ["AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"]


async def test_an_expired_iterator_is_replaced_behind_the_last_record_read() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    async with running(make(twin, invoker)) as runner:
        await runner.drained()
        twin.forget_iterators()
        twin.put(b"1")
        await runner.drained()
    assert invoker.seen == ["0", "1"]
    assert twin.starts()[-1]["StartingSequenceNumber"] == "101"


@pytest.mark.parametrize(
    "fault",
    [
        client_error("ProvisionedThroughputExceededException"),
        client_error("InternalFailure"),
        client_error("ResourceNotFoundException"),
        ConnectionResetError("reset"),
        TimeoutError(),
    ],
    ids=lambda fault: type(fault).__name__ + str(fault)[:60],
)
async def test_a_read_that_fails_is_tried_again_and_nothing_is_lost_or_doubled(fault: Exception) -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    async with running(make(twin, invoker)) as runner:
        await runner.drained()
        twin.faults["get_records"] = [fault, fault]
        twin.put(b"1")
        await runner.drained()
        assert runner.stats.shards["shardId-000000000000"].read_errors == 2
    assert invoker.seen == ["0", "1"]


async def test_a_server_that_is_away_at_the_start_is_waited_for() -> None:
    twin, invoker = KinesisTwin(), ScriptedInvoker()
    twin.put(b"0")
    twin.is_away = True
    async with running(make(twin, invoker)) as runner:
        await until(lambda: twin.calls)
        twin.is_away = False
        await runner.drained()
    assert invoker.seen == ["0"]


async def test_denied_access_ends_the_runner_with_that_error() -> None:
    twin = KinesisTwin()
    twin.faults["get_records"] = [client_error("AccessDeniedException")]
    with pytest.raises(AwsSetupError, match="AccessDenied"):
        await make(twin, ScriptedInvoker()).run(asyncio.Event())


async def test_a_function_that_cannot_be_invoked_is_tried_until_it_can() -> None:
    twin = KinesisTwin()
    twin.put(b"0")
    tries = 0

    class Throttled(ScriptedInvoker):
        async def invoke(self, payload: bytes) -> InvocationResult:
            nonlocal tries
            tries += 1
            if tries <= 3:
                raise InvokerUnavailableError("throttled")
            return await super().invoke(payload)

    invoker = Throttled()
    async with running(make(twin, invoker, maximum_retry_attempts=0)) as runner:
        await runner.drained()
    assert invoker.seen == ["0"]


async def test_a_discarded_batch_goes_to_the_destination_in_awss_shape() -> None:
    twin, destination = KinesisTwin(), ListDestination()
    first, last = twin.put(b"bad"), twin.put(b"bad too")
    invoker = ScriptedInvoker(lambda _records: ValueError("never"))
    async with running(make(twin, invoker, on_failure=destination, maximum_retry_attempts=2)) as runner:
        await runner.drained()
        assert runner.stats.records_discarded == 2
    (record,) = destination.records
    batch_info = record.metadata["KinesisBatchInfo"]
    assert record.metadata["requestContext"] == {
        "requestId": "request-1",
        "functionArn": invoker.function_arn,
        "condition": "RetryAttemptsExhausted",
        "approximateInvokeCount": 3,
    }
    assert record.metadata["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record.metadata["version"] == "1.0"
    assert set(record.metadata) == {"requestContext", "responseContext", "version", "timestamp", "KinesisBatchInfo"}
    assert (batch_info["startSequenceNumber"], batch_info["endSequenceNumber"]) == (first, last)
    assert batch_info["batchSize"] == 2
    assert batch_info["streamArn"] == ARN
    assert batch_info["shardId"] == "shardId-000000000000"
    assert batch_info["approximateArrivalOfFirstRecord"] <= batch_info["approximateArrivalOfLastRecord"]
    assert json.loads(record.payload) == invoker.events[-1]


async def test_a_destination_that_is_away_holds_the_lane_until_it_takes_the_batch() -> None:
    twin, destination = KinesisTwin(), ListDestination(failures=2)
    twin.put(b"bad")
    twin.put(b"good")

    def behaviour(records: list[dict[str, Any]]) -> Any:
        return ValueError("bad") if base64.b64decode(records[0]["kinesis"]["data"]) == b"bad" else None

    invoker = ScriptedInvoker(behaviour)
    runner = make(twin, invoker, on_failure=destination, maximum_retry_attempts=0, batch_size=1)
    async with running(runner):
        await runner.drained()
        assert runner.stats.shards["shardId-000000000000"].destination_failures == 2
    assert invoker.seen == ["good"]
    assert len(destination.records) == 1


async def test_a_batch_whose_delivery_was_cut_off_is_met_again_after_the_restart(tmp_path: Path) -> None:
    twin = KinesisTwin()
    twin.put(b"bad")
    store = FileCheckpointStore(tmp_path, "consumer")
    invoker = ScriptedInvoker(lambda _records: ValueError("bad"))
    never = ListDestination(failures=1_000_000)
    runner = make(twin, invoker, store=store, on_failure=never, maximum_retry_attempts=0)
    async with running(runner):
        await until(lambda: never.failures < 1_000_000)
    destination = ListDestination()
    async with running(make(twin, invoker, store=store, on_failure=destination, maximum_retry_attempts=0)) as runner:
        await runner.drained()
    assert len(destination.records) == 1


async def test_a_slow_function_bounds_what_is_read_ahead() -> None:
    twin = KinesisTwin(read_limit=50)
    for number in range(1000):
        twin.put(str(number).encode())
    invoker = ScriptedInvoker()
    invoker.gate.clear()
    async with running(make(twin, invoker, batch_size=10)) as runner:
        await until(lambda: invoker.events)
        await asyncio.sleep(0.5)  # two more reads would fit in
        assert runner.stats.records_read <= 100
        invoker.gate.set()


async def test_a_runner_runs_once_at_a_time() -> None:
    twin = KinesisTwin()
    async with running(make(twin, ScriptedInvoker())) as runner:
        await runner.drained()
        with pytest.raises(EventSourceError, match="running already"):
            await runner.run(asyncio.Event())
