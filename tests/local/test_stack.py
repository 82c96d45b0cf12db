"""Commands that nobody told of an AWS find the local stack: running, at rest, or say that there is none."""

import fcntl
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from stockstream.aws import open_client
from stockstream.errors import LocalModeError
from stockstream.local.stack import open_stack
from stockstream.local.state import open_state
from stockstream.settings import LOCK_NAME, LocalStack, Settings, find_stack, load_settings, names_aws
from tests.local.local_command import LocalCommand, write_session

ROWS = [
    (f"2026-11-20T15:{minute:02d}:00.000Z", "AAPL", 270, 272, 269, 270 + minute, 268, 1000 + minute)
    for minute in range(10)
]


def stockstream(state: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    folder = str(state.parent)
    environment = {"STOCKSTREAM_LOCAL_STATE_DIR": str(state), "STOCKSTREAM_CACHE_DIR": folder, "HOME": folder}
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        env=kept | environment | extra,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.emulator
def test_commands_work_on_the_local_stack_while_it_runs_and_after_it_has_ended(tmp_path: Path) -> None:
    replay = write_session(tmp_path / "session.csv", ROWS)
    local = LocalCommand(tmp_path)
    state = tmp_path / "state"
    with local.keep_running("--replay", str(replay)) as outside:
        running = stockstream(state, "doctor")
        assert f"on the local stack at {outside.endpoint_url}" in running.stderr
        assert running.returncode == 0, running.stdout
        assert "problem" not in running.stdout

    at_rest = stockstream(state, "doctor", "--json")
    listed = stockstream(state, "redrive", "--list")

    assert "on the local stack at rest" in at_rest.stderr
    assert at_rest.returncode == 0, at_rest.stdout
    checks = {finding["check"]: finding["status"] for finding in json.loads(at_rest.stdout)["findings"]}
    assert checks["stream"] == checks["bucket"] == checks["table_quotes"] == "ok"
    assert checks["source"] == "skipped"  # the run replayed a file
    assert listed.returncode == 0
    assert "Nothing is set aside." in listed.stdout


@pytest.mark.emulator
async def test_beside_a_command_that_has_the_stack_at_rest_open_another_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards
    ended = LocalStack(state_dir=tmp_path, endpoint_url="http://127.0.0.1:1", region="us-east-1", names={})
    ended.write()
    async with open_stack(ended) as aws:
        found = find_stack(tmp_path)
        assert found is not None
        async with open_stack(found) as another, open_client(another, "s3") as s3:
            assert another == aws
            assert (await s3.list_buckets())["Buckets"] == []


def test_commands_follow_what_the_run_follows(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    stack = LocalStack(
        state_dir=tmp_path, endpoint_url="http://127.0.0.1:1", region="us-east-1", names={}, symbols=("A", "B"),
        watchlist=str(path),
    )  # fmt: skip
    stack.write()
    assert find_stack(tmp_path) == stack
    assert stack.settings(Settings()).symbols.symbols == ("A", "B")
    path.write_text("C\n")
    assert stack.settings(Settings()).symbols.symbols == ("C",)
    assert stack.settings(load_settings({"symbols": "D"})).symbols.symbols == ("D",)


def test_where_nothing_ever_ran_and_no_aws_is_named_a_command_says_what_to_set(tmp_path: Path) -> None:
    done = stockstream(tmp_path / "state", "redrive", "--list")

    assert done.returncode == 2
    assert "AWS_REGION" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "name", ["AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"]
)
def test_an_aws_that_the_environment_names_is_never_replaced_by_the_local_stack(name: str) -> None:
    assert names_aws(Settings(), {name: "something"})
    assert not names_aws(Settings(), {name: ""})
    assert names_aws(Settings(region="eu-west-1"), {})


def test_a_stack_is_running_while_its_folder_is_locked(tmp_path: Path) -> None:
    stack = LocalStack(state_dir=tmp_path, endpoint_url="http://127.0.0.1:1", region="us-east-1", names={"stream": "s"})
    with open_state(tmp_path, fresh=False):
        stack.write()
        assert stack.is_running
    found = find_stack(tmp_path)
    assert found == stack
    assert not stack.is_running


def test_a_question_whether_a_run_is_on_keeps_none_from_starting(tmp_path: Path) -> None:
    with (tmp_path / LOCK_NAME).open("w") as question:
        fcntl.flock(question, fcntl.LOCK_SH)  # as `is_running` does, for as long as a busy machine makes it
        answered = threading.Timer(0.3, fcntl.flock, (question, fcntl.LOCK_UN))
        answered.start()
        with open_state(tmp_path, fresh=False):
            answered.join()
            stack = LocalStack(state_dir=tmp_path, endpoint_url="http://127.0.0.1:1", region="us-east-1", names={})
            assert stack.is_running


def test_names_that_the_user_gave_win_over_those_of_the_stack(tmp_path: Path) -> None:
    names = {"stream": "of-the-stack", "archive_bucket": "of-the-stack"}
    stack = LocalStack(state_dir=tmp_path, endpoint_url="http://127.0.0.1:1", region="us-east-1", names=names)

    settings = stack.settings(Settings(stream="mine"))

    assert (settings.stream, settings.archive_bucket) == ("mine", "of-the-stack")
    assert settings.ledger_folder == tmp_path / "ledger"


@pytest.mark.parametrize("content", ["", "[]", '{"v":1}', '{"v":2,"names":{}}', '{"v":1,"names":[]}'])
def test_a_damaged_stack_file_is_named_with_the_remedy(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)

    with pytest.raises(LocalModeError, match=r"stack\.json .*Remedy"):
        find_stack(tmp_path)
