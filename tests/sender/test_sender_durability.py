"""What the outbox on disk is for: outages, restarts, kills, full disks."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stockstream.aws import AwsConfig
from stockstream.outbox import OutboxLockedError
from stockstream.sender import Sender, SenderConfig, breaker
from stockstream.sender.limits import MEBIBYTE
from tests.patience import PATIENCE_SECONDS
from tests.sender.conftest import Kinesis, MakeSender, Quotes

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def probe_seconds(monkeypatch: pytest.MonkeyPatch) -> float:
    """Make the breaker probe ten times as often as it does; the shortest wait between two probes."""
    for name in ("PROBE_MIN_SECONDS", "PROBE_MAX_SECONDS"):
        monkeypatch.setattr(breaker, name, getattr(breaker, name) / 10)
    return breaker.PROBE_MIN_SECONDS


def _assert_none_lost_and_in_order(kinesis: Kinesis, made: dict[str, int]) -> None:
    verdict = kinesis.verify(made)
    assert (verdict["lost"], verdict["out_of_order"], verdict["dropped_by_kcl"]) == (0, 0, 0)


async def test_what_an_outage_left_goes_first_at_the_next_start(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path
) -> None:
    kinesis.stream.faults.outage = True
    async with make_sender(outbox_dir=outbox_dir, close_seconds=0.05) as sender:
        for _ in range(10):
            await sender.send(quotes.take(100))
        assert sender.stats.unsent == 1000
        assert sender.stats.outbox_bytes >= 1000 * 300
    assert kinesis.stream.records == []
    # A second start that reaches nothing either, and adds to the outbox.
    async with make_sender(outbox_dir=outbox_dir, close_seconds=0.05) as sender:
        assert sender.stats.replayed == sender.stats.unsent == 1000
        await sender.send(quotes.take(500))
        assert sender.stats.outbox_age_seconds > 0
    kinesis.stream.faults.outage = False
    async with make_sender(outbox_dir=outbox_dir) as sender:
        await sender.send(quotes.take(500))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.sent == 2000
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"], verdict["duplicated"]) == (0, 0, 0)


async def test_a_start_without_kinesis_accepts_and_delivers_when_it_comes(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path
) -> None:
    kinesis.stream.faults.outage = True
    async with make_sender(outbox_dir=outbox_dir) as sender:
        await sender.send(quotes.take(300))
        assert sender.stats.lanes == 0
        kinesis.stream.faults.outage = False
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_none_lost_and_in_order(kinesis, quotes.made)


@pytest.mark.parametrize("on_disk", [True, False])
async def test_sending_never_waits_for_kinesis_and_the_service_away_gets_few_calls(  # noqa: PLR0917 (by name)
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path, on_disk: bool, probe_seconds: float
) -> None:
    loop = asyncio.get_running_loop()
    async with make_sender(outbox_dir=outbox_dir if on_disk else None) as sender:
        await sender.send(quotes.take(100))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        kinesis.stream.faults.outage = True
        calls_before, began = kinesis.stream.calls, loop.time()
        while loop.time() - began < 4 * probe_seconds or sender.stats.breaker_state == "closed":
            await sender.send(quotes.take(10))
            await asyncio.sleep(0.002)
        calls, seconds = kinesis.stream.calls - calls_before, loop.time() - began
        assert sender.stats.breaker_state in {"open", "probing"}
        # Those in flight that open the breaker, and then probes.
        assert calls <= 8 + seconds / probe_seconds
        kinesis.stream.faults.outage = False
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.failed_calls > 0
    _assert_none_lost_and_in_order(kinesis, quotes.made)


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException", "ExpiredTokenException"])
async def test_what_no_retry_cures_is_said_once_with_the_remedy_and_the_data_waits(  # noqa: PLR0917 (by name)
    kinesis: Kinesis,
    make_sender: MakeSender,
    quotes: Quotes,
    outbox_dir: Path,
    code: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stockstream.sender.breaker.PERMANENT_PROBE_SECONDS", 0.1)
    async with make_sender(outbox_dir=outbox_dir) as sender:
        await sender.send(quotes.take(100))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        kinesis.stream.faults.refuse_code = code
        with capture_logs() as logs:
            for _ in range(20):
                await sender.send(quotes.take(20))
                await asyncio.sleep(0.03)
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not sender.stats.blocked_by:  # noqa: ASYNC110 (the sender has no event for this)
                    await asyncio.sleep(0.01)
        said = [entry for entry in logs if entry["event"] == "sender_blocked"]
        assert [(entry["code"], entry["log_level"]) for entry in said] == [(code, "error")]
        assert said[0]["remedy"]
        assert sender.stats.blocked_by == code
        assert sender.stats.unsent == 400
        kinesis.stream.faults.refuse_code = ""
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.blocked_by == ""
    _assert_none_lost_and_in_order(kinesis, quotes.made)


async def test_no_such_stream_at_the_start_is_said_and_the_data_waits_on_disk(
    kinesis: Kinesis, quotes: Quotes, outbox_dir: Path
) -> None:
    config = SenderConfig(stream="elsewhere", outbox_dir=outbox_dir, close_seconds=0.3)
    with capture_logs() as logs:
        async with Sender(config, kinesis.aws) as sender:
            await sender.send(quotes.take(100))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not sender.stats.blocked_by:  # noqa: ASYNC110 (the sender has no event for this)
                    await asyncio.sleep(0.01)
    said = [entry for entry in logs if entry["event"] == "sender_blocked"]
    assert [entry["code"] for entry in said] == ["ResourceNotFoundException"]
    assert "STOCKSTREAM_STREAM" in said[0]["remedy"]
    kinesis.stream.name = "elsewhere"
    async with Sender(config, kinesis.aws) as sender:
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_none_lost_and_in_order(kinesis, quotes.made)


def _log_bytes(outbox_dir: Path) -> int:
    return sum(path.stat().st_size for path in outbox_dir.rglob("*.log"))


async def test_memory_is_bounded_and_the_disk_holds_the_rest(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path
) -> None:
    kinesis.stream.faults.outage = True
    async with make_sender(outbox_dir=outbox_dir, memory_max_bytes=MEBIBYTE, outbox_max_bytes=64 * MEBIBYTE) as sender:
        for _ in range(60):
            await sender.send(quotes.take(1000))
        assert sender.stats.outbox_bytes > 17 * MEBIBYTE
        kinesis.stream.faults.outage = False
        # New records queue up behind those on disk.
        await sender.send(quotes.take(1000))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender._scheduler is not None
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"], verdict["duplicated"]) == (0, 0, 0)
    # Everything is acknowledged, so nothing of it is left on disk.
    assert _log_bytes(outbox_dir) == 0


@pytest.mark.usefixtures("probe_seconds")
@pytest.mark.parametrize("on_disk", [True, False])
async def test_at_its_bound_a_blocking_outbox_makes_the_caller_wait_and_loses_nothing(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path, on_disk: bool
) -> None:
    kinesis.stream.faults.outage = True
    settings = {"outbox_dir": outbox_dir if on_disk else None}
    async with make_sender(outbox_max_bytes=MEBIBYTE, memory_max_bytes=MEBIBYTE, **settings) as sender:

        async def produce() -> None:
            for _ in range(80):
                await sender.send(quotes.take(100))

        async with asyncio.TaskGroup() as tasks:
            producer = tasks.create_task(produce())
            await asyncio.sleep(0.5)
            assert not producer.done()
            assert sender.stats.outbox_bytes <= 1.2 * MEBIBYTE
            kinesis.stream.faults.outage = False
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.dropped == 0
    _assert_none_lost_and_in_order(kinesis, quotes.made)


@pytest.mark.parametrize("on_disk", [True, False])
async def test_at_its_bound_an_outbox_that_drops_says_how_many_and_counts_them_exactly(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path, on_disk: bool
) -> None:
    kinesis.stream.faults.outage = True
    settings = {"outbox_dir": outbox_dir if on_disk else None, "outbox_policy": "drop_oldest"}
    with capture_logs() as logs:
        async with make_sender(outbox_max_bytes=2 * MEBIBYTE, memory_max_bytes=MEBIBYTE, **settings) as sender:
            for _ in range(150):
                await sender.send(quotes.take(100))
            kinesis.stream.faults.outage = False
            assert await sender.drain(PATIENCE_SECONDS) == 0
            stats = sender.stats
    verdict = kinesis.verify(quotes.made)
    assert stats.dropped == verdict["lost"] > 0
    assert verdict["out_of_order"] == 0
    assert verdict["distinct"] + verdict["lost"] == 15_000
    assert sum(entry["records"] for entry in logs if entry["event"] == "outbox_dropped_oldest") == stats.dropped
    if not on_disk:
        # The newest are what is kept.
        assert all(verdict["distinct"] > 0 for _ in quotes.made)


async def test_two_processes_cannot_share_an_outbox(
    kinesis: Kinesis, make_sender: MakeSender, outbox_dir: Path
) -> None:
    async with make_sender(outbox_dir=outbox_dir):
        with pytest.raises(OutboxLockedError, match=rf"in use by process {os.getpid()}.*STOCKSTREAM_OUTBOX_DIR"):
            async with make_sender(outbox_dir=outbox_dir):
                pass
    # And it is free again.
    async with make_sender(outbox_dir=outbox_dir):
        pass


async def test_a_stream_that_grew_keeps_its_lanes_while_the_outbox_holds_records(
    kinesis: Kinesis, make_sender: MakeSender, quotes: Quotes, outbox_dir: Path
) -> None:
    async with make_sender(outbox_dir=outbox_dir) as sender:
        await sender.send(quotes.take(200))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.lanes == 16
        kinesis.stream.faults.outage = True
        await sender.send(quotes.take(200))
        await sender.drain(0.05)
    kinesis.stream.reshard(32)
    kinesis.stream.faults.outage = False
    async with make_sender(outbox_dir=outbox_dir) as sender:
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.lanes == 16
    async with make_sender(outbox_dir=outbox_dir) as sender:
        await sender.send(quotes.take(200))
        assert await sender.drain(PATIENCE_SECONDS) == 0
        assert sender.stats.lanes == 128
    verdict = kinesis.verify(quotes.made)
    assert (verdict["lost"], verdict["out_of_order"], verdict["duplicated"]) == (0, 0, 0)


_PRODUCER = """
import asyncio, sys
from pathlib import Path
from stockstream.aws import AwsConfig
from stockstream.sender import Sender, SenderConfig

async def main(url, folder, start):
    config = SenderConfig(stream="stockstream", outbox_dir=Path(folder), linger_seconds=0.005, close_seconds=0.1)
    async with Sender(config, AwsConfig("us-east-1", url, "test", "test")) as sender:
        for step in range(start, 100_000):
            batch = []
            for symbol in range(20):
                data = b'{"seq":%010d,"symbol":"S%04d"' % (step, symbol)
                batch.append((f"S{symbol:04d}", data.ljust(299) + b"}"))
            await sender.send(batch)
            print(step, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def _produce(url: str, folder: Path, start: int, steps: int) -> int:
    """Run a producer and kill it after some accepted batches; returns how many batches were accepted in all."""
    producer = subprocess.Popen(
        [sys.executable, "-c", _PRODUCER, url, str(folder), str(start)], stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    assert producer.stdout is not None
    accepted = start
    for line in producer.stdout:
        if line.strip().isdigit():
            accepted = int(line) + 1
        if accepted - start >= steps:
            producer.send_signal(signal.SIGKILL)
            break
    # What was accepted between our signal and its effect counts too.
    for line in producer.stdout:
        if line.strip().isdigit():
            accepted = int(line) + 1
    producer.wait()
    producer.stdout.close()
    return accepted


async def test_killed_again_and_again_it_loses_nothing_and_keeps_the_order(
    kinesis: Kinesis, make_sender: MakeSender, outbox_dir: Path
) -> None:
    kinesis.stream.faults.throttled_entries = 0.1
    accepted = 0
    for steps in (1, 7, 40, 150):
        accepted = await asyncio.to_thread(_produce, kinesis.url, outbox_dir, accepted, steps)
    async with make_sender(outbox_dir=outbox_dir) as sender:
        assert await sender.drain(PATIENCE_SECONDS) == 0
    verdict = kinesis.verify({f"S{symbol:04d}": accepted for symbol in range(20)})
    assert (verdict["lost"], verdict["out_of_order"]) == (0, 0)
    # What was acknowledged before a kill is not sent again; what was under way may be.
    assert verdict["duplicated"] < verdict["distinct"] / 4


async def test_new_credentials_in_the_users_file_cure_refused_ones(
    kinesis: Kinesis, quotes: Quotes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stockstream.sender.breaker.PERMANENT_PROBE_SECONDS", 0.1)
    credentials = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _write_credentials(credentials, "OLDKEY")
    kinesis.stream.refuse_access_key = "OLDKEY"
    config = SenderConfig(stream="stockstream", linger_seconds=0.005, outbox_dir=tmp_path / "outbox")
    async with Sender(config, AwsConfig("us-east-1", kinesis.url)) as sender:
        await sender.send(quotes.take(100))
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not sender.stats.blocked_by:  # noqa: ASYNC110 (the sender has no event for this)
                await asyncio.sleep(0.01)
        assert sender.stats.blocked_by == "ExpiredTokenException"
        _write_credentials(credentials, "NEWKEY")
        assert await sender.drain(PATIENCE_SECONDS) == 0
    _assert_none_lost_and_in_order(kinesis, quotes.made)


def _write_credentials(path: Path, key: str) -> None:
    path.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")
