"""The audit beside a pipeline in flow: what is on its way is no finding."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.local.local_command import LocalCommand
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.emulator

# `python -m tests.audit.test_in_flow` makes ten, as the documents say.
AUDITS = 3
SYMBOLS = ",".join(f"SYM{number}" for number in range(40))


def audits_in_flow(folder: Path, audits: int) -> list[tuple[int, dict[str, Any]]]:
    """Run a simulated market, and the audit so many times meanwhile; exit codes and reports."""
    local = LocalCommand(folder)
    command = local.command("--source", "simulated", "--symbols", SYMBOLS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    where = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{local.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    ledger = folder / "state" / "ledger"
    found = []
    with subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not any(path.stat().st_size for path in ledger.glob("*.ledger")):
                assert process.poll() is None, "the run has ended"
                assert time.monotonic() < deadline, "no quote was accepted"
                time.sleep(0.1)
            for _ in range(audits):
                done = subprocess.run(
                    [sys.executable, "-m", "stockstream", "audit", "--json", "--ledger", str(ledger)],
                    env=kept | where, capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.stdout, done.stderr
                found.append((done.returncode, json.loads(done.stdout)))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_SECONDS)
    return found


def test_a_pipeline_in_flow_is_clean_and_what_is_newer_is_left_out(tmp_path: Path) -> None:
    found = audits_in_flow(tmp_path, AUDITS)
    accepted = 0
    for code, report in found:
        assert code == 0, report
        (*_, day) = report["days"]
        assert day["accepted"] > accepted
        accepted = day["accepted"]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for number, (code, report) in enumerate(audits_in_flow(Path(folder), 10), 1):
            (*_, day) = report["days"]
            counts = {name: day[name] for name in ("accepted", "archived", "stored", "candles", "newer")}
            findings = len(day["findings"]) + len(report["log"])
            sys.stdout.write(f"{number}: exit code {code}, {counts}, {findings} findings\n")
