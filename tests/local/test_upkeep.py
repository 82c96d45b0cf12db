"""`stockstream rebuild` and `stockstream tidy` on what `stockstream local` has stored."""

import io
import json
import os
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest

from stockstream.aws import AwsConfig, open_client
from stockstream.errors import AwsSetupError
from stockstream.local.event_source import RUNNER_TAG, announced, refuse_while_consumed
from stockstream_wire.storage import TABLES
from tests.athena.sessions import SESSIONS
from tests.consumer.scripted_aws import scripted_aws
from tests.local.local_command import LocalCommand, Outside, write_session
from tests.moto_server import moto_server

TABLE_NAMES = tuple(TABLES)
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


def stockstream(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STOCKSTREAM_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "stockstream", *arguments],
        env=kept | CREDENTIALS | environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def made_up_session(folder: Path) -> Path:
    """Two days of three symbols, with alerts (moves beyond 5%) and a quote that comes late."""
    rows = [
        (f"2026-11-{day}T14:{minute:02d}:{second:02d}.000Z", symbol, 100, 140, 90, 100 + step % 17, 99, 100 * step)
        for day in (19, 20)
        for step, (minute, second) in enumerate([(m, s) for m in range(30, 50) for s in (0, 30)], 1)
        for symbol in ("AAPL", "MSFT", "^VIX")
    ]
    rows.append(("2026-11-19T14:40:15.000Z", "AAPL", 100, 140, 90, 101, 99, 2150))
    return write_session(folder / "session.csv", rows)


def tables(outside: Outside) -> dict[str, dict[str, Any]]:
    """Every item of every table, as bytes of its JSON, by its key."""
    found: dict[str, dict[str, Any]] = {}
    for name in TABLE_NAMES:
        keys = TABLES[name]
        found[name] = {
            f"{item[keys.partition]['S']} {item[keys.sort]['S']}": json.dumps(item, sort_keys=True)
            for item in outside.scan(name)
        }
    return found


def wipe(outside: Outside) -> None:
    dynamodb = outside.client("dynamodb")
    for name in TABLE_NAMES:
        keys = TABLES[name]
        for item in outside.scan(name):
            dynamodb.delete_item(TableName=name, Key={part: item[part] for part in keys})
    dynamodb.close()


@pytest.mark.emulator
@pytest.mark.parametrize("is_real", [False, pytest.param(True, marks=pytest.mark.skipif(
    not SESSIONS, reason="the shared real sessions are not here"))])  # fmt: skip
def test_wiped_tables_are_rebuilt_byte_for_byte_once_the_run_has_ended(tmp_path: Path, is_real: bool) -> None:
    session = SESSIONS[0] if is_real else made_up_session(tmp_path)
    local = LocalCommand(tmp_path)
    state = ["--state", str(tmp_path / "state")]
    with local.keep_running("--source", "replay", "--replay", str(session), "--speed", "max") as outside:
        before = tables(outside)
        assert before["quotes"]
        assert before["candles"]
        assert is_real or before["alerts"]

        refused = stockstream("rebuild", "--dry-run", AWS_ENDPOINT_URL=outside.endpoint_url)
        assert refused.returncode == 1
        assert "is at work on the stream" in refused.stderr
        assert stockstream("rebuild", *state).returncode == 1  # the folder is in use

        wipe(outside)
        s3 = outside.client("s3")
        for entry in s3.list_objects_v2(Bucket="stockstream-archive", Prefix="state/p4-")["Contents"]:
            s3.delete_object(Bucket="stockstream-archive", Key=entry["Key"])
        s3.close()

    dry = stockstream("rebuild", "--dry-run", *state)
    assert dry.returncode == 0, dry.stderr
    counts = ", ".join(f"{len(before[name])} {name}" for name in TABLE_NAMES)
    assert dry.stdout.startswith(f"{counts}, 4 checkpoints would be written")
    only = stockstream("rebuild", "--checkpoints", *state)
    assert only.returncode == 0, only.stderr
    assert "0 quotes, 0 candles, 0 alerts, 4 checkpoints written" in only.stdout
    whole = stockstream("rebuild", *state)
    assert whole.returncode == 0, whole.stderr
    assert whole.stdout.startswith(f"{counts}, 4 checkpoints written")

    # The same replay again: everything is known, and what was rebuilt is what is there.
    with local.keep_running("--source", "replay", "--replay", str(session), "--speed", "max") as outside:
        assert tables(outside) == before
        assert outside.summary["doubled"] == 0


@pytest.mark.emulator
def test_a_rebuild_from_a_day_leaves_earlier_items_alone(tmp_path: Path) -> None:
    local = LocalCommand(tmp_path)
    with local.keep_running(
        "--source", "replay", "--replay", str(made_up_session(tmp_path)), "--speed", "max"
    ) as outside:
        quotes = len(tables(outside)["quotes"])
    done = stockstream("rebuild", "--dry-run", "--from", "2026-11-20", "--state", str(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{(quotes - 1) // 2} quotes, ")
    wrong = stockstream("rebuild", "--from", "friday")
    assert wrong.returncode == 2
    assert "--from friday is not a day" in wrong.stderr


@pytest.mark.emulator
def test_the_tidy_runs_beside_the_consumer_and_takes_only_what_is_covered_for_a_day(tmp_path: Path) -> None:
    local = LocalCommand(tmp_path)
    ledger = str(tmp_path / "state" / "ledger")
    with local.keep_running(
        "--source", "replay", "--replay", str(made_up_session(tmp_path)), "--speed", "max"
    ) as outside:
        done = stockstream("tidy", AWS_ENDPOINT_URL=outside.endpoint_url)
        assert done.returncode == 0, done.stderr
        assert "no folder is closed and covered" in done.stdout
        assert "STOCKSTREAM_ALERTS_TOPIC_ARN is not set" in done.stderr
        # The night's close: windows that were over when it came are candles now, and the audit still agrees.
        audit = stockstream("audit", "--ledger", ledger, AWS_ENDPOINT_URL=outside.endpoint_url)
        assert audit.returncode == 0, audit.stdout + audit.stderr
    assert stockstream("tidy", "--day", "soon").returncode == 2
    nowhere = stockstream("tidy", "--state", str(tmp_path / "nowhere"))
    assert nowhere.returncode == 2
    assert "no state folder" in nowhere.stderr


async def test_a_runner_is_seen_while_it_runs_and_a_killed_one_only_for_a_minute() -> None:
    with moto_server() as url:
        aws = AwsConfig("us-east-1", url, "test", "test")
        now = datetime.now(UTC)
        async with open_client(aws, "kinesis") as kinesis:
            await kinesis.create_stream(StreamName="stockstream", ShardCount=1)
            await refuse_while_consumed(aws, "stockstream", None, now)
            async with announced(kinesis, "stockstream"):
                with pytest.raises(AwsSetupError, match=RUNNER_TAG):
                    await refuse_while_consumed(aws, "stockstream", None, now)
                await refuse_while_consumed(aws, "stockstream", None, now + timedelta(seconds=90))
            await refuse_while_consumed(aws, "stockstream", None, now)


def test_a_rebuild_refuses_while_an_event_source_mapping_is_enabled() -> None:
    with moto_server() as url:
        client = partial(boto3.client, region_name="us-east-1", endpoint_url=url,
                         aws_access_key_id="test", aws_secret_access_key="test")  # fmt: skip
        kinesis, functions = client("kinesis"), client("lambda")
        kinesis.create_stream(StreamName="stockstream", ShardCount=1)
        stream_arn = kinesis.describe_stream_summary(StreamName="stockstream")["StreamDescriptionSummary"]["StreamARN"]
        mappings = {name: _mapped(name, stream_arn, client("iam"), functions) for name in ("consumer", "other")}

        refused = stockstream("rebuild", "--dry-run", AWS_ENDPOINT_URL=url)
        assert refused.returncode == 1
        assert "is Enabled. Remedy: aws lambda update-event-source-mapping --uuid" in refused.stderr

        functions.update_event_source_mapping(UUID=mappings["consumer"], Enabled=False)
        refused = stockstream("rebuild", "--dry-run", AWS_ENDPOINT_URL=url)
        assert refused.returncode == 1
        assert mappings["other"] in refused.stderr
        # Now nothing of the stream is in the way, and the next thing that is missing is told: there is no bucket.
        passed = stockstream("rebuild", "--dry-run", "--function", "consumer", AWS_ENDPOINT_URL=url)
        assert passed.returncode == 1
        assert "event source mapping" not in passed.stderr
        assert "NoSuchBucket" in passed.stderr


@pytest.mark.parametrize(
    ("state", "arn", "function", "is_in_the_way"),
    [
        ("Enabled", "function:consumer", None, True),
        ("Disabling", "function:consumer", None, True),
        ("Disabled", "function:consumer", None, False),
        ("Enabled", "function:consumer:live", "consumer", True),
        ("Enabled", "function:consumer:consumer", "other", False),
    ],
)
async def test_only_a_mapping_of_the_function_that_is_at_rest_is_not_in_the_way(
    state: str, arn: str, function: str | None, is_in_the_way: bool
) -> None:
    mapping = {"UUID": "u-1", "State": state, "FunctionArn": f"arn:aws:lambda:us-east-1:000000000000:{arn}"}
    with scripted_aws() as server:
        server.say(200, {"StreamDescriptionSummary": {"StreamARN": "arn:aws:kinesis:us-east-1:0:stream/s"}})
        server.say(200, {"Tags": [], "HasMoreTags": False})
        server.say(200, {"EventSourceMappings": [mapping]})
        asked = refuse_while_consumed(AwsConfig("us-east-1", server.url, "test", "test"), "s", function,
                                      datetime.now(UTC))  # fmt: skip
        if is_in_the_way:
            with pytest.raises(AwsSetupError, match=f"mapping u-1 .* is {state}"):
                await asked
        else:
            await asked


def _mapped(name: str, stream_arn: str, iam: Any, functions: Any) -> str:
    """Make a function that the stream is mapped to; the mapping's id."""
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("module.py", "def handler(event, context): ...")
    functions.create_function(FunctionName=name, Runtime="python3.13", Role=role, Handler="module.handler",
                              Code={"ZipFile": code.getvalue()})  # fmt: skip
    mapping = functions.create_event_source_mapping(EventSourceArn=stream_arn, FunctionName=name,
                                                    StartingPosition="LATEST")  # fmt: skip
    return str(mapping["UUID"])
