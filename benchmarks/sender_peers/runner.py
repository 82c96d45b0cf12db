"""Starts the driver in the right environment and reads its result."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.sender_peers.environment import ROOT, peers_python
from benchmarks.sender_peers.senders import PEERS, SECOND_SETTINGS

_DRIVER = Path(__file__).with_name("driver.py")
_SECONDS_MAX = 900


def start(job: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a sender; returns when it is ready to send."""
    python: Any = peers_python() if job["sender"] in {*PEERS, *SECOND_SETTINGS} else sys.executable
    return start_command([str(python), str(_DRIVER), json.dumps(job)], job.get("ca_file"))


def start_command(command: Sequence[str], ca_file: str | None = None) -> subprocess.Popen[str]:
    """Start a program that says `ready` when it is, and its result at the end."""
    environment = os.environ | ({"AWS_CA_BUNDLE": ca_file} if ca_file else {})
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.strip() != "ready":
        process.kill()
        process.wait()
        raise RuntimeError(f"a sender did not start; run: {shlex.join(command)}")
    return process


@contextmanager
def started(job: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Start a sender that does not outlive the block."""
    process = start(job)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the sender's end and return what it measured."""
    assert process.stdout is not None
    # Not `communicate`, which passes by what came together with the line that `start` read.
    late = threading.Timer(_SECONDS_MAX, process.kill)
    late.daemon = True
    late.start()
    lines = process.stdout.read().strip().splitlines()
    process.wait()
    late.cancel()
    process.stdout.close()
    if process.returncode or not lines:
        raise RuntimeError(f"a sender ended with code {process.returncode} and no result")
    return dict(json.loads(lines[-1]))


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run a sender to its end, with a fresh outbox where it has one."""
    with tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks") as outbox_dir:
        return result_of(start({"outbox_dir": outbox_dir, **job}))
