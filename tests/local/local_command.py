"""Runs of `stockstream local` as a user starts them, looked at from outside with boto3."""

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from tests.patience import PATIENCE_SECONDS

# Below those that the kernel gives to whoever connects or asks for any: between choosing and listening nobody takes it.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    rng = Random()  # seeded by the system: workers must not choose alike
    while True:
        port = rng.choice(_PORTS)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class LocalCommand:
    """`stockstream local --plain` with a state folder and a port of its own."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    @property
    def summary_path(self) -> Path:
        return self.folder / "summary.json"

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable, "-m", "stockstream", "local", "--plain", "--state", str(self.folder / "state"),
            "--endpoint-port", str(self.port), "--summary", str(self.summary_path), *arguments,
        ]  # fmt: skip

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run to the end: exit code, summary, output."""
        done = subprocess.run(
            self.command(*arguments), env=self.clean_environment(), capture_output=True, text=True, check=False
        )
        summary = json.loads(self.summary_path.read_text()) if self.summary_path.exists() else {}
        return done.returncode, summary, done.stdout + done.stderr

    @contextlib.contextmanager
    def keep_running(self, *arguments: str, said: list[str] | None = None) -> Iterator["Outside"]:
        """Run with --keep-running; inside the context the source is through; `said` gets what was logged."""
        command = self.command("--keep-running", *arguments)
        with subprocess.Popen(
            command, env=self.clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stderr is not None
            try:
                said = [] if said is None else said
                for line in process.stderr:
                    said.append(line)
                    if "stays up" in line:
                        break
                else:
                    raise AssertionError("".join(said))
                yield Outside(f"http://127.0.0.1:{self.port}", json.loads(self.summary_path.read_text()))
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_SECONDS)

    @contextlib.contextmanager
    def flowing(self, *arguments: str) -> Iterator["Outside"]:
        """Run a source without an end; inside the context quotes are stored, and more are on their way."""
        log_path = self.folder / "flowing.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(self.command(*arguments), env=self.clean_environment(), stdout=log, stderr=log)
        outside = Outside(f"http://127.0.0.1:{self.port}", {})
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not outside.stored():
                assert process.poll() is None, log_path.read_text()
                assert time.monotonic() < deadline, log_path.read_text()
                time.sleep(0.1)
            yield outside
            assert process.poll() is None, log_path.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_SECONDS)

    def clean_environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
        return kept | {"STOCKSTREAM_LOG_FORMAT": "json"} | self.environment


class Outside:
    """What any AWS client sees."""

    def __init__(self, endpoint_url: str, summary: dict[str, Any]) -> None:
        self.endpoint_url = endpoint_url
        self.summary = summary

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def stored(self) -> int:
        """How many quotes are stored; 0 while there is no table, or nobody answers."""
        client = self.client("dynamodb")
        try:
            pages = client.get_paginator("scan").paginate(TableName="quotes", Select="COUNT")
            return sum(page["Count"] for page in pages)
        except (BotoCoreError, ClientError):
            return 0
        finally:
            client.close()

    def scan(self, table: str) -> list[dict[str, Any]]:
        client = self.client("dynamodb")
        try:
            return [item for page in client.get_paginator("scan").paginate(TableName=table) for item in page["Items"]]
        finally:
            client.close()

    def objects(self, prefix: str) -> dict[str, bytes]:
        client = self.client("s3")
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket="stockstream-archive", Prefix=prefix)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
            return {key: client.get_object(Bucket="stockstream-archive", Key=key)["Body"].read() for key in keys}
        finally:
            client.close()

    def archive_lines(self) -> Counter[bytes]:
        return Counter(line for body in self.objects("raw/").values() for line in gzip.decompress(body).splitlines())


def write_session(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    header = "timestamp,symbol,open,high,low,price,previous_close,volume"
    path.write_text("\n".join([header, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n")
    return path
