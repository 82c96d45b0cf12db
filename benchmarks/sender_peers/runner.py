"""Starts the driver in the right environment and reads its result."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.sender_peers.environment import ROOT, peers_python
from benchmarks.sender_peers.senders import OURS

_DRIVER = Path(__file__).with_name("driver.py")
_SECONDS_MAX = 900


def start(job: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a sender; returns when it is ready to send."""
    python: Any = sys.executable if job["sender"] in OURS else peers_python()
    process = subprocess.Popen(
        [python, _DRIVER, json.dumps(job)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if line.strip() != "ready":
        process.kill()
        process.wait()
        raise RuntimeError(f"{job['sender']} did not start; run: {python} {_DRIVER} '{json.dumps(job)}'")
    return process


def result_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the sender's end and return what it measured."""
    output, _ = process.communicate(timeout=_SECONDS_MAX)
    lines = output.strip().splitlines()
    if process.returncode or not lines:
        raise RuntimeError(f"a sender ended with code {process.returncode} and no result")
    return dict(json.loads(lines[-1]))


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run a sender to its end, with a fresh outbox where it has one."""
    with tempfile.TemporaryDirectory(prefix="stockstream-outbox-", dir=ROOT / "benchmarks") as outbox_dir:
        return result_of(start({"outbox_dir": outbox_dir, **job}))
