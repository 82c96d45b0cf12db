"""The state folder and the emulator process: locks, ports, corrupt snapshots, and data that outlives a kill."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import InputError, LocalModeError
from stockstream.local.emulator import Emulator, check_saved_state, choose_port, run_emulator
from stockstream.local.emulator_environment import EmulatorMissingError, environment_folder, find_emulator_python
from stockstream.local.provision import ResourceNames, provision, table_keys
from stockstream.local.state import open_state
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

NAMES = ResourceNames("stockstream", "quotes", "candles", "alerts", "stockstream-archive", shards=2)


def test_a_state_folder_serves_one_run_at_a_time_and_names_the_other(tmp_path: Path) -> None:
    with (
        open_state(tmp_path, fresh=False),
        pytest.raises(LocalModeError, match="--state DIR"),
        open_state(tmp_path, fresh=False),
    ):
        pytest.fail("locked twice")


def test_the_lock_of_a_process_that_was_killed_is_not_in_the_way(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from stockstream.local.state import open_state\n"
        "with open_state(Path(sys.argv[1]), fresh=False): print('locked', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    with open_state(tmp_path, fresh=False) as state:
        assert state.root == tmp_path


def test_a_fresh_start_empties_the_folder(tmp_path: Path) -> None:
    with open_state(tmp_path, fresh=False) as state:
        state.outbox_dir.mkdir()
        (state.outbox_dir / "segment").write_text("old")

    with open_state(tmp_path, fresh=True) as state:
        assert not state.outbox_dir.exists()


def test_a_fresh_start_never_deletes_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for fresh in (False, True):
        with open_state(tmp_path, fresh=fresh) as state:
            state.outbox_dir.mkdir(exist_ok=True)

    with open_state(tmp_path, fresh=True) as state:
        assert not state.outbox_dir.exists()

    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_fresh_start_refuses_a_folder_of_another_that_has_our_names(tmp_path: Path) -> None:
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "mail.txt").write_text("unsent")

    with (
        pytest.raises(LocalModeError, match=r"would delete outbox.*not a folder of ours"),
        open_state(tmp_path, fresh=True),
    ):
        pytest.fail("opened")

    assert (tmp_path / "outbox" / "mail.txt").read_text() == "unsent"


def test_a_start_waits_for_the_emulator_of_a_killed_run_before_it_deletes_anything(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys; from pathlib import Path\n"
        "root = Path(sys.argv[1]); lock = (root / 'emulator.lock').open('a+')\n"
        "fcntl.flock(lock, fcntl.LOCK_EX); print('locked', flush=True); sys.stdin.read()\n"
        "(root / 'emulator').mkdir(); (root / 'emulator' / 'sqs.json').write_text('saved last')"
    )
    with open_state(tmp_path, fresh=False):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as emulator:
        assert emulator.stdin is not None
        assert emulator.stdout is not None
        assert emulator.stdout.readline() == "locked\n"
        threading.Timer(0.2, emulator.stdin.close).start()
        with open_state(tmp_path, fresh=True) as state:
            assert emulator.wait(PATIENCE_SECONDS) == 0
            assert not (state.root / "emulator").exists()


def test_the_folder_of_an_earlier_version_is_named_with_the_remedy_and_fresh_takes_it(tmp_path: Path) -> None:
    (tmp_path / "emulator").mkdir()
    (tmp_path / "stockstream-local-state").write_text("State of `stockstream local`. Safe to delete.\n")

    with pytest.raises(InputError, match=r"earlier version.*--fresh") as refused, open_state(tmp_path, fresh=False):
        pytest.fail("opened")
    assert refused.value.exit_code == 2
    assert str(tmp_path) in str(refused.value)

    for fresh in (True, False):
        with open_state(tmp_path, fresh=fresh) as state:
            (state.root / "emulator").mkdir(exist_ok=True)


@pytest.mark.parametrize("content", ['{"half": ', "", "[1, 2]"])
def test_a_corrupt_snapshot_is_named_with_the_ways_on(tmp_path: Path, content: str) -> None:
    (tmp_path / "dynamodb.json").write_text(content)

    with pytest.raises(LocalModeError, match=r"dynamodb\.json.*--fresh.*--state"):
        check_saved_state(tmp_path)


def test_a_taken_port_that_was_asked_for_is_an_error_and_otherwise_another_is_taken() -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        with pytest.raises(LocalModeError, match=f"port {port} .*--endpoint-port"):
            choose_port(port)
    assert choose_port(None) > 0


def test_an_emulator_that_is_not_installed_is_named_with_the_remedy() -> None:
    with pytest.raises(EmulatorMissingError, match=r"/nonexistent/python: no such file\. Remedy: ") as raised:
        find_emulator_python({"STOCKSTREAM_EMULATOR_PYTHON": "/nonexistent/python"})
    assert raised.value.exit_code == 2


def test_an_emulator_that_cannot_be_installed_says_what_to_install_and_leaves_nothing_half_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path / "nobody"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, value in {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")

    with pytest.raises(EmulatorMissingError, match=r"not installed, and installing failed: .*pip install --require-"):
        find_emulator_python({})

    assert "installing the AWS emulator into" in capfd.readouterr().err
    assert not environment_folder(tmp_path / "stockstream").exists()


@asynccontextmanager
async def emulator_with(state_dir: Path) -> AsyncIterator[tuple[Emulator, AwsConfig]]:
    async with run_emulator(state_dir, free_port(), region="us-east-1") as emulator:
        yield emulator, AwsConfig("us-east-1", emulator.endpoint_url, "test", "test")


async def describe_keys(aws: AwsConfig) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    async with open_client(aws, "dynamodb") as dynamodb:
        for table in (await dynamodb.list_tables())["TableNames"]:
            described: Any = await dynamodb.describe_table(TableName=table)
            found[table] = tuple(key["AttributeName"] for key in described["Table"]["KeySchema"])
    return found


@pytest.mark.emulator
async def test_every_resource_is_made_once_and_kept_over_a_restart(tmp_path: Path) -> None:
    async with emulator_with(tmp_path) as (_, aws):
        first = await provision(aws, NAMES)
        async with open_client(aws, "dynamodb") as dynamodb:
            item = {"symbol": {"S": "AAPL"}, "timestamp": {"S": "t"}, "price": {"N": "1.25"}}
            await dynamodb.put_item(TableName="quotes", Item=item)

    async with emulator_with(tmp_path) as (_, aws):
        second = await provision(aws, NAMES)
        assert await describe_keys(aws) == table_keys(NAMES)
        async with open_client(aws, "dynamodb") as dynamodb:
            kept = await dynamodb.get_item(TableName="quotes", Key={"symbol": {"S": "AAPL"}, "timestamp": {"S": "t"}})

    assert first.stream_arn == second.stream_arn
    assert first.alerts_topic_arn == second.alerts_topic_arn
    assert kept["Item"]["price"] == {"N": "1.25"}


@pytest.mark.emulator
async def test_the_emulator_ends_and_saves_when_its_starter_is_killed(tmp_path: Path) -> None:
    code = """
import asyncio, sys
from pathlib import Path
from stockstream.aws import AwsConfig, open_client
from stockstream.local.emulator import run_emulator

async def main():
    async with run_emulator(Path(sys.argv[1]), int(sys.argv[2]), region="us-east-1") as emulator:
        async with open_client(AwsConfig("us-east-1", emulator.endpoint_url, "test", "test"), "sqs") as sqs:
            await sqs.create_queue(QueueName="kept")
        print(emulator.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""
    command = [sys.executable, "-c", code, str(tmp_path), str(free_port())]
    starter = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert starter.stdout is not None
    assert int(await starter.stdout.readline()) > 0
    starter.kill()
    await starter.wait()

    # A new emulator waits for the old one's lock, so its readiness says that the old one has saved and gone.
    async with emulator_with(tmp_path) as (_, aws), open_client(aws, "sqs") as sqs:
        urls = (await sqs.list_queues()).get("QueueUrls", [])

    assert [url.rsplit("/", 1)[-1] for url in urls] == ["kept"]
    assert json.loads((tmp_path / "emulator" / "sqs.json").read_text())
