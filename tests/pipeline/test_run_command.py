"""`stockstream run` as ECS runs it: against the emulator, through an outage, until SIGTERM."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator
from stockstream.local.provision import ResourceNames, provision
from stockstream_wire import Quote, deaggregate, decode_quote, is_aggregated
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

NAMES = ResourceNames("stockstream", "quotes", "candles", "alerts", "stockstream-archive", shards=2)

pytestmark = pytest.mark.emulator


@contextlib.asynccontextmanager
async def emulator(folder: Path, port: int) -> AsyncIterator[AwsConfig]:
    async with run_emulator(folder, port, region="us-east-1") as running:
        aws = AwsConfig("us-east-1", running.endpoint_url, "test", "test")
        await provision(aws, NAMES)
        yield aws


@dataclass
class ServiceProcess:
    """`stockstream run` and its log lines as they come."""

    process: asyncio.subprocess.Process
    lines: list[dict[str, Any]] = field(default_factory=list)

    async def wait_for(self, event: str) -> dict[str, Any]:
        for line in self.lines:
            if line["event"] == event:
                return line
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            self.lines.append(json.loads(raw))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"the service ended without {event}: {self.lines[-3:]}")

    async def end(self) -> int:
        self.process.terminate()
        return await self.rest()

    async def rest(self) -> int:
        assert self.process.stdout is not None
        async for raw in self.process.stdout:
            self.lines.append(json.loads(raw))
        return await self.process.wait()

    def events(self) -> Iterable[str]:
        return [line["event"] for line in self.lines]


@contextlib.asynccontextmanager
async def service(folder: Path, port: int, **settings: str) -> AsyncIterator[ServiceProcess]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    environment = kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STOCKSTREAM_SOURCE": "simulated",
        "STOCKSTREAM_SYMBOLS": "AAPL,MSFT,IBM",
        "STOCKSTREAM_POLL_INTERVAL_SECONDS": "0.1",
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "outbox"),
        "STOCKSTREAM_HEALTH_PORT": "0",
        **{f"STOCKSTREAM_{name.upper()}": value for name, value in settings.items()},
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stockstream", "run", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield ServiceProcess(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def quotes_in_stream(aws: AwsConfig) -> list[Quote]:
    found: list[Quote] = []
    async with open_client(aws, "kinesis") as kinesis:
        for shard in (await kinesis.list_shards(StreamName=NAMES.stream))["Shards"]:
            iterator = (
                await kinesis.get_shard_iterator(
                    StreamName=NAMES.stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
                )
            )["ShardIterator"]
            while True:
                answer = await kinesis.get_records(ShardIterator=iterator, Limit=1000)
                for record in answer["Records"]:
                    data = record["Data"]
                    parts = [part.data for part in deaggregate(data)] if is_aggregated(data) else [data]
                    found += [decode_quote(part) for part in parts]
                if not answer["Records"]:
                    break
                iterator = answer["NextShardIterator"]
    return found


def ids(quotes: Iterable[Quote]) -> set[str]:
    return {quote.quote_id for quote in quotes}


async def test_sigterm_drains_and_every_accepted_quote_is_in_the_stream(tmp_path: Path) -> None:
    port = free_port()
    async with emulator(tmp_path / "aws", port) as aws, service(tmp_path, port) as running:
        await running.wait_for("sender_ready")
        health = (await running.wait_for("health_listening"))["port"]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{health}") as session:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    async with session.get("/readyz") as response:
                        if response.status == 200:
                            break
            async with session.get("/metrics") as response:
                assert "stockstream_quotes_accepted_total" in await response.text()
        assert await running.end() == 0
        stopped = running.lines[[*running.events()].index("service_stopped")]
        quotes = await quotes_in_stream(aws)

    assert stopped["accepted"] == stopped["sent"] == len(quotes) > 0
    assert stopped["lost"] == stopped["waiting_in_outbox"] == 0
    assert {quote.source for quote in quotes} == {"simulated"}
    for symbol in ("AAPL", "MSFT", "IBM"):
        times = [quote.timestamp for quote in quotes if quote.symbol == symbol]
        assert times == sorted(times)


async def test_the_log_carries_metrics_that_cloudwatch_can_read(tmp_path: Path) -> None:
    port = free_port()
    async with (
        emulator(tmp_path / "aws", port),
        service(tmp_path, port, metrics_interval_seconds="1") as running,
    ):
        line = await running.wait_for("metrics")
        assert await running.end() == 0

    assert line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Stockstream"
    assert line["Heartbeat"] == 1
    assert line["Component"] == "service"


async def test_where_cloudwatch_does_not_read_no_metrics_are_in_the_log_and_ten_symbols_are_shown(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with (
        emulator(tmp_path / "aws", port) as aws,
        service(tmp_path, port, metrics_interval_seconds="1", emf_metrics="false", symbols="") as running,
    ):
        await running.wait_for("sender_ready")
        await asyncio.to_thread(wait_for_outbox, tmp_path / "outbox")
        assert await running.end() == 0
        quotes = await quotes_in_stream(aws)

    assert "metrics" not in running.events()
    assert len({quote.symbol for quote in quotes}) == 10


async def test_quotes_accepted_while_kinesis_is_away_wait_on_disk_and_go_first_at_the_next_start(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with service(tmp_path, port, shutdown_seconds="0") as running:
        await running.wait_for("service_started")
        await asyncio.to_thread(wait_for_outbox, tmp_path / "outbox")
        assert await running.end() == 0
        stopped = running.lines[[*running.events()].index("service_stopped")]
    waiting = stopped["waiting_in_outbox"]
    assert waiting == stopped["accepted"] > 0

    async with emulator(tmp_path / "aws", port) as aws:
        async with service(tmp_path, port, simulated_seed="8") as running:
            await running.wait_for("sender_ready")
            assert await running.end() == 0
            second = running.lines[[*running.events()].index("service_stopped")]
        quotes = await quotes_in_stream(aws)

    assert len(ids(quotes)) == len(quotes) == waiting + second["accepted"]


def wait_for_outbox(folder: Path) -> None:
    """Wait until something has been accepted: the outbox's segments have grown."""
    import time

    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(path.stat().st_size for path in folder.rglob("*.log")) < 2_000:
        assert time.monotonic() < deadline, "nothing was accepted"
        time.sleep(0.02)


async def test_a_killed_service_loses_nothing_that_it_had_accepted(tmp_path: Path) -> None:
    port = free_port()
    async with service(tmp_path, port) as running:
        await running.wait_for("service_started")
        await asyncio.to_thread(wait_for_outbox, tmp_path / "outbox")
        running.process.kill()
        await running.process.wait()
    ledger = {
        tuple(line.split(" ")[:2])
        for path in (tmp_path / "ledger").glob("*.ledger")
        for line in path.read_text().splitlines()
    }

    async with emulator(tmp_path / "aws", port) as aws:
        async with service(tmp_path, port, simulated_seed="8") as running:
            await running.wait_for("sender_ready")
            assert await running.end() == 0
        quotes = await quotes_in_stream(aws)

    assert ledger
    assert ledger <= {(quote.symbol, quote.timestamp) for quote in quotes}
