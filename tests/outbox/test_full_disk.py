"""A disk that is really full, of bytes or of files: a small file system of its own, which only root may mount."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from benchmarks.null_kinesis.server import serve
from benchmarks.null_kinesis.stream import Stream
from benchmarks.null_kinesis.verify import verify
from stockstream.aws import AwsConfig
from stockstream.outbox import OutboxFullError
from stockstream.sender import Sender, SenderConfig
from tests.patience import PATIENCE_SECONDS

_ROOT = Path(__file__).resolve().parents[2]
_SYMBOLS = 20
_BATCH = 100
_INODES = 24
# Generous: what is tested is that it ends, on a busy machine too.


class World:
    """A Kinesis, a small disk, and quotes with numbers."""

    def __init__(self, disk: Path, stream: Stream, url: str) -> None:
        self.disk = disk
        self.stream = stream
        self.url = url
        self.accepted: dict[str, int] = {}

    def sender(self, **settings: object) -> Sender:
        config = SenderConfig(
            **{
                "stream": "stockstream",
                "outbox_dir": self.disk / "outbox",
                "linger_seconds": 0.005,
                "close_seconds": 0.1,
                **settings,  # type: ignore[arg-type]
            }
        )
        return Sender(config, AwsConfig("us-east-1", self.url, "test", "test"))

    async def send(self, sender: Sender) -> None:
        batch = []
        made = dict(self.accepted)
        for symbol in itertools.islice(itertools.cycle(f"S{i:04d}" for i in range(_SYMBOLS)), _BATCH):
            number = made.get(symbol, 0)
            made[symbol] = number + 1
            batch.append((symbol, (b'{"seq":%010d,"symbol":"%s"' % (number, symbol.encode())).ljust(299) + b"}"))
        await sender.send(batch)
        self.accepted = made

    async def send_until_full(self, sender: Sender) -> "asyncio.Task[None]":
        """Send until a call waits; returns that call."""
        while True:
            call = asyncio.ensure_future(self.send(sender))
            while not call.done() and not sender.stats.outbox_waiting:  # noqa: ASYNC110 (it has no event)
                await asyncio.sleep(0.005)
            if not call.done():
                return call
            await call

    def fill(self, *, inodes: bool) -> None:
        """Take the last byte, or the last file, that the disk has."""
        folder = self.disk / "of others"
        folder.mkdir(exist_ok=True)
        for number in itertools.count():
            try:
                (folder / str(number)).write_bytes(b"" if inodes else b"x" * 65_536)
            except OSError:
                return

    def assert_all_arrived(self) -> None:
        verdict = verify(self.stream, self.accepted)
        assert (verdict["lost"], verdict["out_of_order"]) == (0, 0)


@pytest.fixture(params=["no byte left", "no file left"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    options = "size=3m" if request.param == "no byte left" else f"size=64m,nr_inodes={_INODES}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"this machine does not mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def of_inodes(request: pytest.FixtureRequest) -> bool:
    return "no file left" in request.node.name


@pytest.fixture
async def world(small_disk: Path) -> AsyncIterator[World]:
    stream = Stream("stockstream", shards=4)
    stream.faults.shuffle = True
    server, port = await serve(stream, "127.0.0.1", 0)
    yield World(small_disk, stream, f"http://127.0.0.1:{port}")
    server.close()
    stream.close_connections()


@pytest.fixture
def bound_bytes(of_inodes: bool) -> int:
    # Without files left a segment must end soon for the lack to be felt; without bytes one segment may fill the disk.
    return 8 * 2**20 if of_inodes else 2**30


@pytest.fixture(autouse=True)
def quick_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stockstream.sender.breaker.PROBE_MIN_SECONDS", 0.05)
    monkeypatch.setattr("stockstream.sender.breaker.PROBE_MAX_SECONDS", 0.1)


async def test_a_full_disk_heals_by_itself_when_what_is_on_it_is_acknowledged(
    world: World, of_inodes: bool, bound_bytes: int
) -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(PATIENCE_SECONDS), world.sender(outbox_max_bytes=bound_bytes) as sender:
            await world.send(sender)
            assert await sender.drain(PATIENCE_SECONDS) == 0
            world.stream.faults.outage = True
            await world.send(sender)
            world.fill(inodes=of_inodes)
            call = await world.send_until_full(sender)
            # It is full for a while, and no other thing happens than waiting.
            await asyncio.sleep(1.5)
            assert not call.done()
            world.stream.faults.outage = False
            await call
            for _ in range(50):
                await world.send(sender)
            assert await sender.drain(PATIENCE_SECONDS) == 0
            assert not sender.stats.outbox_waiting
    world.assert_all_arrived()
    said = [entry["event"] for entry in logs if entry["event"].startswith("outbox_disk")]
    assert said[:2] == ["outbox_disk_full", "outbox_disk_has_room"]
    assert not [entry for entry in logs if "file descriptor" in str(entry)]


async def test_a_restart_on_a_full_disk_starts_and_drains(world: World, of_inodes: bool, bound_bytes: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        async with world.sender(outbox_max_bytes=bound_bytes) as sender:
            await world.send(sender)
            assert await sender.drain(PATIENCE_SECONDS) == 0
            world.stream.faults.outage = True
            await world.send(sender)
            world.fill(inodes=of_inodes)
            call = await world.send_until_full(sender)
            sender.give_up_waiting()
            with pytest.raises(OutboxFullError):
                await call
        world.fill(inodes=of_inodes)
        with capture_logs() as logs:
            async with world.sender(outbox_max_bytes=bound_bytes) as sender:
                assert sender.stats.unsent > 0
                call = await world.send_until_full(sender)
                world.stream.faults.outage = False
                await call
                assert await sender.drain(PATIENCE_SECONDS) == 0
    world.assert_all_arrived()
    assert not [entry for entry in logs if entry["event"] == "outbox_damaged"]
    assert not list((world.disk / "outbox" / "stockstream").glob("*.log"))


@pytest.mark.parametrize("bounded", [False, True], ids=["by the disk", "by its bound"])
async def test_sigterm_is_obeyed_while_there_is_no_room(
    world: World, of_inodes: bool, bounded: bool, tmp_path: Path
) -> None:
    if bounded and of_inodes:
        pytest.skip("the bound is of bytes")
    world.stream.faults.outage = True
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    environment |= {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STOCKSTREAM_SOURCE": "simulated",
        "STOCKSTREAM_SYMBOLS": ",".join(f"S{number}" for number in range(500)),
        "STOCKSTREAM_POLL_INTERVAL_SECONDS": "0.1",
        "STOCKSTREAM_OUTBOX_DIR": str(world.disk / "outbox"),
        "STOCKSTREAM_LEDGER_DIR": str(tmp_path / "ledger"),
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
        "STOCKSTREAM_SHUTDOWN_SECONDS": "10",
        "STOCKSTREAM_OUTBOX_MAX_BYTES": str(2**20 if bounded or of_inodes else 2**30),
        "STOCKSTREAM_SEND_UNCHANGED": "true",
    }
    if of_inodes:
        (world.disk / "outbox" / "stockstream").mkdir(parents=True)
        for number in range(_INODES - 10):
            (world.disk / str(number)).touch()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "stockstream", "run", stdout=subprocess.PIPE, env=environment, cwd=_ROOT
    )
    assert process.stdout is not None
    events: list[str] = []

    async def read(until: Callable[[str], bool]) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            events.append(json.loads(line)["event"])
            if until(events[-1]):
                return

    async with asyncio.timeout(PATIENCE_SECONDS):
        # The bound on files is felt as the one or as the other, whichever comes first.
        await read(lambda event: event in {"outbox_disk_full", "outbox_bound_reached"})
    asked_at = asyncio.get_running_loop().time()
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await read(lambda _: False)
        code = await process.wait()
    assert (code, events[-1] != "shutdown_overdue") == (0, True), events[-5:]
    assert asyncio.get_running_loop().time() - asked_at < 10 + 5
    assert events.count("batch_given_up") == 1
    assert events.count("outbox_bound_reached") + events.count("outbox_disk_full") == 1
