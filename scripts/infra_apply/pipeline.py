"""The service, the consumer, doctor and audit on what terraform made, by the names in its outputs and nothing else."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from scripts.e2e.session import prepare_session
from scripts.infra_apply.deployment import Problem

_COMMAND_SECONDS: Final = 120.0
_CONSUMED_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 1.0


def run_pipeline(outputs: Mapping[str, Any], endpoint_url: str, folder: Path) -> list[Problem]:
    """Replay a session through the deployment; what went wrong, by command."""
    folder.mkdir()
    environment = _environment(outputs, endpoint_url, folder)
    log_path = folder / "consumer.log"
    with log_path.open("wb") as log:
        consumer = subprocess.Popen(
            _command("consume", "--checkpoints", str(folder / "checkpoints")), env=environment, stdout=log, stderr=log
        )
    try:
        problems, _ = replay_session(outputs, endpoint_url, folder)
        problems += _check("doctor", _run("doctor", environment))
        # The consumer works on; the audit is clean once it is through.
        deadline = time.monotonic() + _CONSUMED_SECONDS
        while (found := _check("audit", _run("audit", environment))) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        problems += found
        if found or consumer.poll() is not None:
            tail = log_path.read_text(errors="replace")[-1500:]
            problems.append(Problem("consumer", "-", f"exit code {consumer.poll()}: {tail}"))
    finally:
        consumer.send_signal(signal.SIGTERM)
        try:
            consumer.wait(30)
        except subprocess.TimeoutExpired:
            consumer.kill()
    return problems


def open_bucket(outputs: Mapping[str, Any], endpoint_url: str) -> list[Problem]:
    """Where a write that the bucket's policy allows is refused, take the policy away, and say so."""
    keys = {
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "region_name": outputs["operator_environment"]["AWS_REGION"],
    }
    s3 = boto3.client("s3", endpoint_url=endpoint_url, config=Config(s3={"addressing_style": "path"}), **keys)
    bucket = outputs["archive_bucket"]
    try:
        s3.put_object(Bucket=bucket, Key="raw/dt=first/allowed", Body=b"", IfNoneMatch="*")
    except ClientError as exc:
        s3.delete_bucket_policy(Bucket=bucket)
        status = exc.response["ResponseMetadata"]["HTTPStatusCode"]
        address = 'module.lake.aws_s3_bucket_policy.this["archive"]'
        return [Problem("pipeline", address, f"{status} for a write with If-None-Match")]
    return []


def replay_session(outputs: Mapping[str, Any], endpoint_url: str | None, folder: Path) -> tuple[list[Problem], int]:
    """Send a recorded (else a simulated) session into the stream; what went wrong, and how many quotes it has."""
    folder.mkdir(exist_ok=True)
    session = prepare_session(folder)
    replay = {
        "STOCKSTREAM_SOURCE": "replay",
        "STOCKSTREAM_REPLAY_SPEED": "max",
        "STOCKSTREAM_REPLAY_FILES": str(session.path),
    }
    return _check("service", _run("run", _environment(outputs, endpoint_url, folder) | replay)), len(session.rows)


def _environment(outputs: Mapping[str, Any], endpoint_url: str | None, folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STOCKSTREAM_")}
    if endpoint_url is not None:
        keys = {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        kept = {name: value for name, value in kept.items() if not name.startswith("AWS_")} | keys
    named: dict[str, str] = outputs["operator_environment"]
    local = {
        "STOCKSTREAM_SOURCE": "replay",
        "STOCKSTREAM_OUTBOX_DIR": str(folder / "outbox"),
        "STOCKSTREAM_CACHE_DIR": str(folder / "cache"),
        "STOCKSTREAM_HEALTH_PORT": "0",
        "STOCKSTREAM_LOG_FORMAT": "json",
    }
    return kept | named | local


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("stockstream")), *arguments]


def _run(command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            _command(command), env=environment, check=False, capture_output=True, text=True, timeout=_COMMAND_SECONDS
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no end after {_COMMAND_SECONDS:.0f} s")


def _check(step: str, done: subprocess.CompletedProcess[str]) -> list[Problem]:
    if done.returncode == 0:
        return []
    return [Problem(step, "-", f"exit code {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}")]
