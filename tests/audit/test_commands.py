"""`stockstream audit` and `stockstream redrive` as a user runs them, on what `stockstream local` has stored."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.local.local_command import LocalCommand, Outside, write_session

pytestmark = pytest.mark.emulator


def stockstream(outside: Outside, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        env=kept
        | {
            "AWS_ENDPOINT_URL": outside.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "STOCKSTREAM_FAILED_BATCHES_QUEUE_URL": outside.summary["resources"]["failed_batches_queue_url"],
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_local_run_is_audited_clean_and_a_damage_is_named_with_exit_code_1(tmp_path: Path) -> None:
    rows = [
        (
            f"2026-11-20T14:{minute:02d}:00.000Z",
            symbol,
            100,
            150,
            90,
            Decimal("100.25") + minute / Decimal(100),
            100,
            1000 * minute,
        )
        for minute in range(30, 40)
        for symbol in ("AAPL", "^VIX")
    ]
    session = write_session(tmp_path / "session.csv", rows)
    local = LocalCommand(tmp_path)
    ledger = ["--ledger", str(tmp_path / "state" / "ledger")]
    with local.keep_running("--source", "replay", "--replay", str(session), "--speed", "max") as outside:
        clean = stockstream(outside, "audit", *ledger, "--json")
        assert clean.returncode == 0, clean.stdout + clean.stderr
        (day,) = json.loads(clean.stdout)["days"]
        assert (day["day"], day["accepted"], day["archived"], day["stored"]) == ("2026-11-20", 20, 20, 20)
        assert day["candles"] == 2 * (10 + 2 + 1)

        dynamodb = outside.client("dynamodb")
        key = {"symbol": {"S": "^VIX"}, "timestamp": {"S": "2026-11-20T14:35:00.000Z"}}
        dynamodb.delete_item(TableName="quotes", Key=key)
        dynamodb.close()
        sqs = outside.client("sqs")
        url = outside.summary["resources"]["failed_batches_queue_url"]
        info = {
            "shardId": "shardId-000000000000",
            "startSequenceNumber": "1",
            "endSequenceNumber": "2",
            "batchSize": 9,
            "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/stockstream",
        }
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"KinesisBatchInfo": info}))
        sqs.close()
        damaged = stockstream(outside, "audit", *ledger, "--day", "2026-11-20")
        assert damaged.returncode == 1
        assert "missing_in_quotes  ^VIX  2026-11-20T14:35:00.000Z" in damaged.stdout
        assert "1 failed batches wait" in damaged.stdout

        left = stockstream(outside, "redrive", "--from", "queue")
        assert left.returncode == 1
        assert "1 left where they are: expired" in left.stdout
        listed = stockstream(outside, "redrive", "--list", "--json")
        assert [json.loads(line)["standing"] for line in listed.stdout.splitlines()] == ["expired"]
