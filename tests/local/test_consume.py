"""`stockstream consume` beside an emulator that comes back without what it had, as the community LocalStack does."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream_wire import encode_quote
from tests.consumer.kinesis_events import quote
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator


@asynccontextmanager
async def consuming(folder: Path, port: int) -> AsyncIterator[tuple[asyncio.subprocess.Process, list[str]]]:
    """The command, as compose runs it, and the lines it has written."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    environment = kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
        "STOCKSTREAM_EMF_METRICS": "false",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stockstream", "consume", "--provision", "--checkpoints", str(folder / "checkpoints"),
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    lines: list[str] = []

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            lines.append(line.decode())  # noqa: PERF401 - read while they come

    reading = asyncio.create_task(read())
    try:
        yield process, lines
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


def events(lines: list[str]) -> list[str]:
    return [json.loads(line).get("event", "a line of metrics") for line in lines]


async def until_started(lines: list[str], times: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while events(lines).count("consumer_started") < times:  # noqa: ASYNC110 - another process's lines
            await asyncio.sleep(0.05)


async def store(aws: AwsConfig, symbol: str) -> None:
    """Put a quote and wait until it is in the table."""
    data = encode_quote(quote(symbol, "2026-11-20T15:00:00.000Z"))
    async with open_client(aws, "kinesis") as kinesis, open_client(aws, "dynamodb") as dynamodb:
        await kinesis.put_record(StreamName="stockstream", PartitionKey=symbol, Data=data)
        async with asyncio.timeout(PATIENCE_SECONDS):
            items: list[Any] = []
            while not items:
                await asyncio.sleep(0.1)
                items = (await dynamodb.scan(TableName="quotes"))["Items"]
    assert [item["symbol"]["S"] for item in items] == [symbol]


async def test_what_the_emulator_has_lost_is_made_again_and_said_once_and_all_else_is_quiet(tmp_path: Path) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        async with run_emulator(tmp_path / "first", port, region="us-east-1") as emulator:
            aws = AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")
            process, lines = await stack.enter_async_context(consuming(tmp_path, port))
            await until_started(lines, 1)
            await store(aws, "AAPL")
        await stack.enter_async_context(run_emulator(tmp_path / "second", port, region="us-east-1"))
        await until_started(lines, 2)
        await store(aws, "MSFT")
        process.terminate()
        assert await process.wait() == 0

    said = events(lines)
    assert said.count("emulator_lost_its_state") == 1
    assert not {"a line of metrics", "batch_processed"} & {*said}
