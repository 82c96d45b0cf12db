"""Services that share a watchlist, over moto's Kinesis and DynamoDB: their table, their folders, what one has left."""

import asyncio
import dataclasses
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from botocore.exceptions import ClientError
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig, open_client
from stockstream.clock import SYSTEM_CLOCK
from stockstream.errors import AwsSetupError, SettingsError
from stockstream.local.provision import provision, resource_names
from stockstream.outbox import OutboxLockedError
from stockstream.outbox.lock import OutboxLock
from stockstream.pipeline.service import Service, ServiceReport
from stockstream.sender import Sender, SenderConfig
from stockstream.settings import Settings, load_settings
from stockstream.workers.adoption import HOLDS_SECONDS, Adoption
from stockstream.workers.folders import claim_folder
from stockstream.workers.members import Row
from stockstream.workers.table import WorkersTable
from stockstream_wire import Quote
from tests.moto_server import moto_server
from tests.patience import PATIENCE_SECONDS

SYMBOLS = tuple(f"S{number}" for number in range(12))


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsConfig]:
    with moto_server() as url:
        aws = AwsConfig("us-east-1", url, "test", "test")
        asyncio.run(provision(aws, resource_names(load_settings())))
        yield aws


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(
        {
            "source": "simulated",
            "symbols": ",".join(SYMBOLS),
            "poll_interval_seconds": 0.2,
            "outbox_dir": tmp_path / "outbox",
            "health_port": 0,
            "workers": "auto",
            "workers_heartbeat_seconds": 0.4,
            "emf_metrics": False,
        }
    )


class Polled:
    """What a service accepted: an observer of its pipeline."""

    def __init__(self) -> None:
        self.symbols: list[str] = []

    def on_accepted(self, quotes: list[Quote]) -> None:
        self.symbols += [quote.symbol for quote in quotes]

    def on_rejected(self, rejections: object) -> None:
        """Nothing of interest."""


@dataclasses.dataclass
class Running:
    service: Service
    polled: Polled
    stop: asyncio.Event
    report: asyncio.Task[ServiceReport]

    async def end(self) -> ServiceReport:
        self.stop.set()
        return await self.report


@asynccontextmanager
async def running(settings: Settings, aws: AwsConfig) -> AsyncIterator[Running]:
    polled, stop = Polled(), asyncio.Event()
    service = Service(settings, aws=aws, observers=[polled])  # type: ignore[list-item]
    found = Running(service, polled, stop, asyncio.create_task(service.run(stop)))
    try:
        yield found
    finally:
        await found.end()


async def until(condition: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():  # noqa: ASYNC110 - the conditions are what services have done
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}")


async def health_of(port: int) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as response:
        answer: dict[str, Any] = json.loads(await response.read())
        async with session.get(f"http://127.0.0.1:{port}/metrics") as metrics:
            answer["metrics"] = (await metrics.read()).decode()
    return answer


async def test_two_services_share_the_list_and_the_one_that_is_left_follows_all(
    settings: Settings, aws: AwsConfig, tmp_path: Path
) -> None:
    with capture_logs() as logs:
        async with running(settings, aws) as ada:
            await until(lambda: set(ada.polled.symbols) == set(SYMBOLS), "one alone follows all")
            async with running(settings, aws) as bob:

                def is_split() -> bool:
                    """Whether what both accepted since the last look is of different symbols, and is all."""
                    ours, theirs = set(ada.polled.symbols), set(bob.polled.symbols)
                    if len(ada.polled.symbols) + len(bob.polled.symbols) < 4 * len(SYMBOLS):
                        return False
                    ada.polled.symbols.clear()
                    bob.polled.symbols.clear()
                    return bool(ours and theirs) and not ours & theirs and ours | theirs == set(SYMBOLS)

                await until(is_split, "each symbol is one's")
                port = next(entry["port"] for entry in logs if entry["event"] == "health_listening")
                health = await health_of(port)
                assert health["workers"]["alive"] == len(health["workers"]["sharing"]) == 2
                assert 0 < health["workers"]["symbols_followed"] < health["workers"]["symbols_listed"] == len(SYMBOLS)
                assert "stockstream_workers_alive 2.0" in health["metrics"]
                assert (await bob.end()).exit_code == 0

            ada.polled.symbols.clear()
            await until(lambda: set(ada.polled.symbols) == set(SYMBOLS), "all are followed again")
            async with open_client(aws, "dynamodb") as dynamodb:
                rows = await WorkersTable(dynamodb, "workers", "stockstream").rows()
            assert len(rows) == 1
            assert (await ada.end()).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "workers").iterdir()) == ["0", "1"]
    assert sorted(path.name for path in (tmp_path / "ledger" / "workers").iterdir()) == ["0", "1"]


@pytest.mark.parametrize(
    "left_in",
    [
        "outbox",
        "workers/0/outbox",
        "workers/7/outbox",
        "outbox-backfill",
        "workers/0/outbox-backfill",
        "workers/7/outbox-backfill",
    ],
)
async def test_what_a_worker_left_is_sent_by_whoever_finds_it(
    settings: Settings, aws: AwsConfig, tmp_path: Path, left_in: str
) -> None:
    nowhere = AwsConfig("us-east-1", "http://127.0.0.1:9", "test", "test")
    config = SenderConfig(stream="stockstream", outbox_dir=tmp_path / left_in, close_seconds=0.0)
    async with Sender(config, nowhere) as sender:
        await sender.send([("LEFT", b'{"symbol": "LEFT"}')] * 5)
    for segment in (tmp_path / left_in / "stockstream").glob("*.log"):
        os.utime(segment, (0, 0))  # an hour ago, and more: our own backfill is not at it

    with capture_logs() as logs:
        async with running(settings, aws) as service:

            def is_sent() -> bool:
                """In a folder that the worker takes it is its own from then on; else it is adopted."""
                stats = service.service.sender_stats
                own = stats is not None and stats.replayed == 5 and stats.sent >= 5
                return own or any(entry["event"] == "outbox_adopted" and entry["sent"] == 5 for entry in logs)

            await until(is_sent, "what was left goes to Kinesis")
            assert (await service.end()).lost == 0

    async with Sender(config, nowhere) as sender:
        assert sender.stats.unsent == 0


async def test_while_kinesis_is_away_nothing_is_adopted_and_what_is_held_is_let_go(tmp_path: Path) -> None:
    left = tmp_path / "outbox"
    nowhere = AwsConfig("us-east-1", "http://127.0.0.1:9", "test", "test")
    config = SenderConfig(stream="stockstream", outbox_dir=left, close_seconds=0.0, away_after_seconds=1.0)
    async with Sender(config, nowhere) as sender:
        await sender.send([("LEFT", b'{"symbol": "LEFT"}')])
    opened = 0
    is_away = False

    def open_sender(_: Path) -> Sender:
        nonlocal opened
        opened += 1
        return Sender(config, nowhere)

    adoption = Adoption(
        left,
        "stockstream",
        tmp_path / "own",
        open_sender,
        clock=SYSTEM_CLOCK,
        is_away=lambda: is_away,
        look_seconds=0.05,
    )
    task = asyncio.create_task(adoption.run())
    try:
        # It finds out by itself that Kinesis is away, and does not hold the outbox for all of a drain.
        async with asyncio.timeout(HOLDS_SECONDS / 2):
            while opened < 2:  # noqa: ASYNC110 - the adoption is another task
                await asyncio.sleep(0.02)
        is_away = True
        async with asyncio.timeout(HOLDS_SECONDS / 2):
            while is_locked(left / "stockstream"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        before = opened
        await asyncio.sleep(0.5)
        assert opened == before
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def is_locked(outbox: Path) -> bool:
    try:
        with OutboxLock(outbox):
            return False
    except OutboxLockedError:
        return True


async def test_a_service_that_is_alone_again_waits_for_who_sends_what_it_left_and_says_so_once(
    settings: Settings, aws: AwsConfig, tmp_path: Path
) -> None:
    alone = settings.model_copy(update={"workers": "off"})
    (tmp_path / "workers" / "0").mkdir(parents=True)
    with capture_logs() as logs:
        with OutboxLock(alone.outbox_dir / alone.stream):
            service = Service(alone, aws=aws)
            stop = asyncio.Event()
            task = asyncio.create_task(service.run(stop))
            await until(lambda: any(entry["event"] == "outbox_awaited" for entry in logs), "it says that it waits")
            await asyncio.sleep(2.5)
        await until(lambda: service.counters.accepted > 0, "it goes on when the outbox is free")
        stop.set()
        assert (await task).exit_code == 0
    assert sum(entry["event"] == "outbox_awaited" for entry in logs) == 1


async def test_where_no_worker_has_ever_been_an_outbox_in_use_is_told_at_once(
    settings: Settings, aws: AwsConfig
) -> None:
    alone = settings.model_copy(update={"workers": "off"})
    with OutboxLock(alone.outbox_dir / alone.stream), pytest.raises(OutboxLockedError):
        await Service(alone, aws=aws).run(asyncio.Event())


def test_each_takes_the_first_folder_that_nobody_holds(tmp_path: Path) -> None:
    with ExitStack() as ada, ExitStack() as bob:
        assert claim_folder(tmp_path, ada) == tmp_path / "workers" / "0"
        assert claim_folder(tmp_path, bob) == tmp_path / "workers" / "1"
        ada.close()
        with ExitStack() as cyd:
            assert claim_folder(tmp_path, cyd) == tmp_path / "workers" / "0"


async def test_a_heartbeat_that_comes_late_takes_nothing_back(aws: AwsConfig) -> None:
    async with open_client(aws, "dynamodb") as dynamodb:
        table = WorkersTable(dynamodb, "workers", "another", now_seconds=lambda: 1000.0)
        said = Row("ada", 2, is_serving=True, symbols=7, place="here", beat_at="2026-11-23T15:00:00.000Z")
        await table.beat(said)

        with pytest.raises(ClientError, match="ConditionalCheckFailed"):
            await table.beat(dataclasses.replace(said, beats=1))

        assert await table.rows() == [said]
        await table.leave("ada")
        assert await table.rows() == []


async def test_without_the_table_the_service_does_not_start_and_says_the_remedy(
    settings: Settings, aws: AwsConfig
) -> None:
    named = settings.model_copy(update={"workers_table": "no-such-table", "shutdown_seconds": 0.0})

    with pytest.raises(AwsSetupError, match="needs the table of workers") as raised:
        await Service(named, aws=aws).run(asyncio.Event())

    assert "Remedy" in str(raised.value)


@pytest.mark.parametrize("source", ["auto", "replay"])
async def test_what_cannot_be_shared_is_refused_with_the_remedy(
    settings: Settings, aws: AwsConfig, source: str
) -> None:
    with pytest.raises(SettingsError, match=f"STOCKSTREAM_WORKERS='auto': the source {source} cannot be shared"):
        await Service(settings.model_copy(update={"source": source}), aws=aws).run(asyncio.Event())
