"""A cause outside the program is one line with its remedy; no traceback reaches a user for it."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from stockstream.cli._commands import stockstream
from stockstream.cli._interrupt import say_interrupted
from stockstream.cli._outside import is_interrupt, outside_cause
from stockstream.errors import InputError
from stockstream.exit_codes import ExitCode
from tests.cli.slow_import import slow_import
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

NEEDS_AWS = (
    ("alerts", "list"),
    ("alerts", "add", "AAPL", "above", "200"),
    ("audit", "--json"),
    ("backfill", "--from", "2026-11-20", "--to", "2026-11-21", "AAPL"),
    ("candles", "AAPL"),
    ("export", "quotes", "--symbols", "AAPL", "--output", "quotes.csv"),
    ("latest",),
    ("provision",),
    ("query", "published"),
    ("rebuild",),
    ("redrive",),
    ("redrive", "--list"),
    ("tail",),
    ("tidy",),
)


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    return kept | {
        "HOME": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_MAX_ATTEMPTS": "1",
        # No test asks Yahoo.
        "HTTPS_PROXY": f"http://127.0.0.1:{free_port()}",
        "STOCKSTREAM_LOG_FORMAT": "json",
        **more,
    }


def run(folder: Path, arguments: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        env=environment(folder, **more), cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", NEEDS_AWS, ids=" ".join)
def test_an_endpoint_that_is_down_is_one_line(tmp_path: Path, arguments: Sequence[str]) -> None:
    done = run(tmp_path, arguments)

    assert done.returncode in {1, 2}, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("stockstream:")]
    if arguments[0] == "backfill":
        return  # it logs what it does, a line a fact
    assert len(said) == 1, done.stderr
    assert "127.0.0.1" in said[0]


def test_every_command_that_reads_aws_is_among_those_tried() -> None:
    commands = set(stockstream.commands)
    # These have tests of their own: they wait for AWS, report on it, or need none.
    elsewhere = {"run", "consume", "dashboard", "doctor", "local", "outbox", "completion", "config", "cost", "watch"}

    assert commands - elsewhere - {arguments[0] for arguments in NEEDS_AWS} == set()


@pytest.mark.parametrize("arguments", [(), ("--provision",)])
def test_consume_waits_for_an_endpoint_that_is_down_and_says_so_once(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "stockstream", "consume", "--checkpoints", str(tmp_path / "c"), *arguments],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert "aws_unavailable" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 0, out + err
    assert "Traceback" not in out + err
    assert "aws_unavailable" not in out


def test_a_state_folder_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, ["local", "--source", "simulated", "--for", "1", "--state", str(tmp_path / "file" / "state")])

    assert done.returncode == 1
    assert done.stderr.startswith("stockstream: cannot use the state folder")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [("query", "--list"), ("--help",), ("config",)])
def test_a_full_disk_behind_standard_output_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], unbuffered: str
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stockstream", *arguments],
            env=environment(tmp_path, PYTHONUNBUFFERED=unbuffered),
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "disk is full" in line


@pytest.mark.parametrize("slow", ["stockstream.cli._commands", "click", "stockstream.local.app", "rich"])
def test_ctrl_c_during_the_imports_is_one_line(tmp_path: Path, slow: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", slow_import(slow, "local", "--source", "simulated")],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == ExitCode.INTERRUPTED
    # An empty line ends the one on which the terminal shows ^C.
    assert said.strip() == "stockstream: interrupted; what was accepted stays in the outbox"


def test_ctrl_c_speaks_of_the_outbox_only_where_quotes_are_taken_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command, kept in (("tail", ""), ("local", "; what was accepted stays in the outbox")):
        monkeypatch.setattr(sys, "argv", ["stockstream", command, "AAPL"])
        assert say_interrupted() == ExitCode.INTERRUPTED
        assert capsys.readouterr().err == f"stockstream: interrupted{kept}\n"


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "its words"}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "says", "remedy"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), "the disk is full (/data/x)", "make room"),
        (OSError(errno.EACCES, "Permission denied", "/root/x"), "no permission (/root/x)", "another folder"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files", "ulimit"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS cannot be used", "doctor"),
        (refused("AccessDeniedException"), "AWS refuses", "permission"),
        (refused("NoSuchBucket"), "AWS refuses", "stockstream provision"),
        (refused("ExpiredToken"), "AWS refuses", "sign in"),
    ],
)
def test_a_cause_outside_says_what_and_the_remedy(
    error: BaseException, says: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    group = BaseExceptionGroup("tasks", [ExceptionGroup("inner", [error])]) if isinstance(error, Exception) else error

    for raised in (error, group):
        line = outside_cause(raised)
        assert line is not None
        assert line.startswith(says)
        assert remedy in line.split("Remedy:")[1]
        assert "\n" not in line


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(2, "x"), refused("ValidationException")])
def test_a_fault_of_ours_keeps_its_traceback_alone_and_beside_a_cause_outside(error: Exception) -> None:
    assert outside_cause(error) is None
    assert outside_cause(ExceptionGroup("tasks", [OSError(errno.ENOSPC, "full"), error])) is None


def test_an_error_of_ours_in_a_group_is_its_own_words() -> None:
    assert outside_cause(ExceptionGroup("tasks", [InputError("no such file")])) == "no such file"


def test_an_interrupt_in_a_group_is_one() -> None:
    assert is_interrupt(BaseExceptionGroup("tasks", [KeyboardInterrupt()]))
    assert not is_interrupt(KeyError("x"))
