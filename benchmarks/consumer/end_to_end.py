"""Local mode, watched from outside: time from a poll until the quote is in DynamoDB, and until SNS has delivered.

The simulated source stamps a quote with the moment it polls, so the time of arrival minus the quote's timestamp is the
latency. Local mode's mapping has no batching window. What is seen is late by up to one look at 20 symbols.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError

_SYMBOLS = tuple(f"SIM{number}" for number in range(20))
_LOOK_SECONDS = 0.01
_WARM_UP_SECONDS = 3.0
_READY_SECONDS = 60.0
# One return in ten or so is a spike by these, so that there are alerts to be timed (30 returns warm them up).
_RULES = {
    "v": 1,
    "defaults": {"spike": {"threshold_z": 2, "minimum_return_percent": 0.0001, "hysteresis": 1, "cooldown_seconds": 0}},
}


def measure(seconds: float) -> dict[str, Any]:
    """Run local mode for some seconds; p50 and p99 of both latencies, in seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STOCKSTREAM_"))},
        "STOCKSTREAM_POLL_INTERVAL_SECONDS": "0.25",
    }
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("stockstream")), "local", "--source", "simulated", "--plain"]
        options = ["--symbols", ",".join(_SYMBOLS), "--state", f"{folder}/state", "--endpoint-port", str(port)]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([*command, *options], env=environment, stdout=log, stderr=log)
            try:
                return _watch(f"http://127.0.0.1:{port}", seconds)
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(60)


def _watch(url: str, seconds: float) -> dict[str, Any]:
    session = boto3.Session("test", "test", region_name="us-east-1")
    config = BotoConfig(retries={"total_max_attempts": 1}, parameter_validation=False)
    dynamodb, s3, sns, sqs = (
        session.client(name, endpoint_url=url, config=config) for name in ("dynamodb", "s3", "sns", "sqs")
    )
    _put_rules(s3)
    queue_url = _subscribe(sns, sqs)
    _wait_for_quotes(dynamodb)
    stop = threading.Event()
    delivered: list[float] = []
    listener = threading.Thread(target=_listen, args=(sqs, queue_url, delivered, stop))
    listener.start()
    stored: list[float] = []
    seen: dict[str, str] = {}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for symbol in _SYMBOLS:
            timestamp = _newest(dynamodb, symbol)
            now = datetime.now(UTC)
            if timestamp is not None and seen.get(symbol) != timestamp:
                if symbol in seen:
                    stored.append(_since(timestamp, now))
                seen[symbol] = timestamp
        time.sleep(_LOOK_SECONDS)
    stop.set()
    listener.join()
    return {
        "latency_samples": len(stored),
        "latency_p50_seconds": _percentile(stored, 50),
        "latency_p99_seconds": _percentile(stored, 99),
        "alert_latency_samples": len(delivered),
        "alert_latency_p50_seconds": _percentile(delivered, 50),
        "alert_latency_p99_seconds": _percentile(delivered, 99),
    }


def _put_rules(s3: Any) -> None:
    """As soon as there is a bucket: the handler reads the rules with its first batch, a second or so later."""
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            s3.put_object(Bucket="stockstream-archive", Key="config/alert-rules.json", Body=json.dumps(_RULES))
        except (BotoCoreError, ClientError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


def _subscribe(sns: Any, sqs: Any) -> str:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            topics = [topic["TopicArn"] for topic in sns.list_topics()["Topics"]]
            if topics:
                queue_url = str(sqs.create_queue(QueueName="latency-inbox")["QueueUrl"])
                attributes = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
                sns.subscribe(TopicArn=topics[0], Protocol="sqs", Endpoint=attributes["QueueArn"])
                return queue_url
        except (BotoCoreError, ClientError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("local mode did not come up")
        time.sleep(0.1)


def _wait_for_quotes(dynamodb: Any) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            if all(_newest(dynamodb, symbol) for symbol in _SYMBOLS):
                break
        except (BotoCoreError, ClientError):
            pass
        if time.monotonic() > deadline:
            raise TimeoutError("no quotes arrived")
        time.sleep(0.1)
    time.sleep(_WARM_UP_SECONDS)


def _newest(dynamodb: Any, symbol: str) -> str | None:
    """Event time of a symbol's newest quote."""
    found = dynamodb.query(
        TableName="quotes",
        KeyConditionExpression="#s = :symbol",
        ProjectionExpression="#t",
        ExpressionAttributeNames={"#s": "symbol", "#t": "timestamp"},
        ExpressionAttributeValues={":symbol": {"S": symbol}},
        ScanIndexForward=False,
        Limit=1,
    )["Items"]
    return str(found[0]["timestamp"]["S"]) if found else None


def _listen(sqs: Any, queue_url: str, delivered: list[float], stop: threading.Event) -> None:
    began = datetime.now(UTC)
    while not stop.is_set():
        messages = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=0).get(
            "Messages", ()
        )
        now = datetime.now(UTC)
        for message in messages:
            timestamp = json.loads(json.loads(message["Body"])["Message"])["timestamp"]
            if datetime.fromisoformat(timestamp) >= began:
                delivered.append(_since(timestamp, now))
        if messages:
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(messages)]
            sqs.delete_message_batch(QueueUrl=queue_url, Entries=entries)
        else:
            time.sleep(_LOOK_SECONDS)


def _since(timestamp: str, now: datetime) -> float:
    return (now - datetime.fromisoformat(timestamp)).total_seconds()


def _percentile(values: list[float], percent: int) -> float | None:
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
