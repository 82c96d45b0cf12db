"""SIGTERM ends the program at any moment after its start, by its own hand: no stop of a container waits for SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.slow_import import slow_import
from tests.local.local_command import free_port
from tests.patience import PATIENCE_SECONDS

ENDED_BY_OURSELVES = 128 + signal.SIGTERM


@pytest.mark.parametrize("slow", ["stockstream.cli._commands", "stockstream.pipeline.service"])
def test_a_sigterm_during_the_imports_is_obeyed_without_a_word(slow: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", slow_import(slow, "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(Path("unused")),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert (process.returncode, said) == (ENDED_BY_OURSELVES, "")


@pytest.mark.parametrize("moment_seconds", [0.2, 0.8, 1.5, 3.0])
def test_a_service_stopped_so_soon_after_its_start_ends_by_itself(tmp_path: Path, moment_seconds: float) -> None:
    command = [sys.executable, "-m", "stockstream", "run"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment(tmp_path)
    ) as process:
        time.sleep(moment_seconds)  # the moment is what is tested; what runs then differs from machine to machine
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)

    # Before Python itself is up the system's default action ends it.
    assert process.returncode in {0, ENDED_BY_OURSELVES, -signal.SIGTERM}
    assert "Traceback" not in said


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    return kept | {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "STOCKSTREAM_SOURCE": "simulated",
        "STOCKSTREAM_SYMBOLS": "AAPL",
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "outbox"),
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
        "STOCKSTREAM_SHUTDOWN_SECONDS": "3",
    }
