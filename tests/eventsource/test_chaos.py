"""Everything at once: faults of the stream and of the function, hard stops in the middle, restarts from the file."""

import asyncio
import base64
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from stockstream.eventsource import (
    EventSourceConfig,
    EventSourceRunner,
    FileCheckpointStore,
    InvocationResult,
    InvokerUnavailableError,
)
from tests.eventsource.kinesis_twin import KinesisTwin, client_error
from tests.eventsource.running import running

KEYS = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA"]


class CrashingFunction:
    """Does its records one by one; crashes, names a failure, or is away, at random, wherever it happens to be."""

    function_arn = "arn:aws:lambda:us-east-1:000000000000:function:consumer"

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.done: list[tuple[str, int]] = []
        self.misfortunes = 60

    async def invoke(self, payload: bytes) -> InvocationResult:
        fate = self._rng.random() if self.misfortunes else 1.0
        self.misfortunes -= fate < 0.6
        await asyncio.sleep(0)
        if fate < 0.1:
            raise InvokerUnavailableError("throttled")
        records: list[dict[str, Any]] = json.loads(payload)["Records"]
        stops_at = self._rng.randrange(len(records)) if fate < 0.6 else len(records)
        for record in records[:stops_at]:
            kinesis = record["kinesis"]
            self.done.append((kinesis["partitionKey"], int(base64.b64decode(kinesis["data"]))))
        if fate < 0.35:
            return InvocationResult("request", b'{"errorType": "Crash", "errorMessage": "half done"}', "Unhandled")
        failures = [{"itemIdentifier": record["kinesis"]["sequenceNumber"]} for record in records[stops_at:]]
        return InvocationResult("request", json.dumps({"batchItemFailures": failures}).encode())

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(("seed", "bisect", "factor"), [(1, False, 1), (2, True, 1), (3, True, 4)])
async def test_every_record_is_done_and_each_key_in_order_through_faults_and_hard_stops(
    tmp_path: Path, seed: int, bisect: bool, factor: int
) -> None:
    rng = Random(seed)
    twin = KinesisTwin("shardId-0", "shardId-1", read_limit=40)
    for number in range(400):
        key = KEYS[number % len(KEYS)]
        twin.put(str(number).encode(), key, f"shardId-{KEYS.index(key) % 2}")
    twin.faults["get_records"] = [
        client_error(code)
        for code in ("ProvisionedThroughputExceededException", "ExpiredIteratorException", "InternalFailure")
    ]
    function = CrashingFunction(rng)
    config = EventSourceConfig(
        stream_name="stockstream",
        function_name="consumer",
        batch_size=17,
        parallelization_factor=factor,
        bisect_batch_on_function_error=bisect,
        retry_backoff_base_seconds=0.001,
        retry_backoff_cap_seconds=0.002,
        stop_grace_seconds=0,
    )
    store = FileCheckpointStore(tmp_path, "consumer")
    for _ in range(4):
        before = len(function.done)
        async with running(EventSourceRunner(config, twin, function, store, random=rng.random)):
            while len(function.done) < min(before + 40, 400):  # noqa: ASYNC110 - the function's state, without an event
                await asyncio.sleep(0.01)
    async with running(EventSourceRunner(config, twin, function, store, random=rng.random)) as runner:
        await runner.drained()

    first_done = list(dict.fromkeys(function.done))
    assert sorted(number for _, number in first_done) == list(range(400))
    for key in KEYS:
        own = [number for done_key, number in first_done if done_key == key]
        assert own == sorted(own)
    assert runner.stats.records_discarded == 0
